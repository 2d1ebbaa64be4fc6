//! What is in a watched folder, complete, and next in order.

use std::collections::{BinaryHeap, HashMap, HashSet, VecDeque};
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use hub_core::files::{Files, Stat};
use hub_model::Instant;
use hub_names::{Complete, Filter, Order, is_hidden};

/// Most files one listing yields; what comes after them in order waits for the next. Bounds
/// memory. Too small costs more listings of a full folder, too big delays a file that comes in
/// between but belongs before them.
pub(crate) const LISTING_BATCH: usize = 10_000;

/// Most files whose size and time are remembered from one listing to the next (about 150 bytes
/// each). Files beyond wait until earlier ones are gone.
const REMEMBERED_FILES: usize = 200_000;

/// What the last listing saw of each file, to tell whether it is still being written.
pub(crate) type Seen = HashMap<PathBuf, (u64, Instant)>;

/// A complete file, not yet claimed.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Candidate {
    /// Epoch when the order is by name.
    modified: Instant,
    /// Path below the watched folder.
    pub(crate) relative: PathBuf,
    /// Length and time it must still have when it is claimed, if they tell that it is complete.
    pub(crate) unchanged: Option<(u64, Instant)>,
}

/// One look at a watched folder.
#[derive(Debug)]
pub(crate) struct Listing {
    /// Complete files in order.
    pub(crate) candidates: VecDeque<Candidate>,
    /// To be given to the next look.
    pub(crate) seen: Seen,
}

/// How to look.
pub(crate) struct Lister {
    pub(crate) root: PathBuf,
    pub(crate) filter: Filter,
    pub(crate) recursive: bool,
    pub(crate) order: Order,
    pub(crate) complete: Complete,
    pub(crate) done_suffix: String,
    /// Our own folders, should they lie in the watched one without being hidden.
    pub(crate) own_folders: Vec<PathBuf>,
}

impl Lister {
    /// Lists the folder. `avoid` names files that had better be left alone for a while.
    ///
    /// # Errors
    /// The watched folder itself cannot be read.
    pub(crate) fn list(
        &self,
        files: &dyn Files,
        previous: &Seen,
        avoid: &HashSet<PathBuf>,
    ) -> io::Result<Listing> {
        let mut look = Look {
            lister: self,
            files,
            previous,
            avoid,
            first: BinaryHeap::new(),
            seen: Seen::new(),
            folders: vec![PathBuf::new()],
        };
        while let Some(folder) = look.folders.pop() {
            match look.folder(&folder) {
                Ok(()) => {}
                Err(error) if folder.as_os_str().is_empty() => return Err(error),
                Err(error) => {
                    tracing::debug!(folder = %folder.display(), %error, "sub-folder cannot be listed");
                }
            }
        }
        Ok(Listing {
            candidates: look.first.into_sorted_vec().into(),
            seen: look.seen,
        })
    }

    /// The name of the file that says that `path` is complete.
    pub(crate) fn done_file(&self, path: &Path) -> PathBuf {
        let mut name = path.as_os_str().to_owned();
        name.push(&self.done_suffix);
        name.into()
    }

    fn is_done_file(&self, path: &Path) -> bool {
        self.complete == Complete::DoneFile && name_of(path).ends_with(self.done_suffix.as_bytes())
    }
}

struct Look<'a> {
    lister: &'a Lister,
    files: &'a dyn Files,
    previous: &'a Seen,
    avoid: &'a HashSet<PathBuf>,
    /// The first [`LISTING_BATCH`] in order; the greatest on top, to be thrown out.
    first: BinaryHeap<Candidate>,
    seen: Seen,
    folders: Vec<PathBuf>,
}

impl Look<'_> {
    fn folder(&mut self, relative: &Path) -> io::Result<()> {
        let paths = self.files.list(&self.lister.root.join(relative))?;
        let done: HashSet<&PathBuf> = paths
            .iter()
            .filter(|path| self.lister.is_done_file(path))
            .collect();
        for path in &paths {
            if is_hidden(name_of(path)) || done.contains(path) {
                continue;
            }
            let announced = self.lister.complete != Complete::DoneFile
                || done.contains(&self.lister.done_file(path));
            self.entry(path, announced);
        }
        Ok(())
    }

    fn entry(&mut self, path: &Path, announced: bool) {
        let Ok(relative) = path.strip_prefix(&self.lister.root) else {
            return;
        };
        let taken = self.lister.filter.takes(relative) && announced;
        if !(taken || self.lister.recursive) || self.avoid.contains(relative) {
            return;
        }
        let stat = match self.needs_stat() {
            // Gone already, or unreadable: the next look will tell.
            true => match self.files.stat(path) {
                Ok(stat) => Some(stat),
                Err(_) => return,
            },
            false => None,
        };
        match stat {
            Some(stat) if stat.is_dir => self.sub_folder(path, relative),
            Some(stat) if stat.is_file && taken => self.file(relative, Some(stat)),
            None if taken => self.file(relative, None),
            // Links, pipes and devices are not for us.
            _ => {}
        }
    }

    /// Listing alone is several times cheaper; claiming looks at the file anyway.
    fn needs_stat(&self) -> bool {
        self.lister.recursive
            || self.lister.order == Order::Modified
            || self.lister.complete == Complete::Unchanged
    }

    fn sub_folder(&mut self, path: &Path, relative: &Path) {
        if self.lister.recursive && !self.lister.own_folders.iter().any(|own| own == path) {
            self.folders.push(relative.to_owned());
        }
    }

    fn file(&mut self, relative: &Path, stat: Option<Stat>) {
        let mut unchanged = None;
        if let (Complete::Unchanged, Some(stat)) = (self.lister.complete, stat) {
            let now = (stat.len, stat.modified);
            if self.seen.len() < REMEMBERED_FILES {
                self.seen.insert(relative.to_owned(), now);
            }
            if self.previous.get(relative) != Some(&now) {
                return;
            }
            unchanged = Some(now);
        }
        self.first.push(Candidate {
            modified: match (self.lister.order, stat) {
                (Order::Modified, Some(stat)) => stat.modified,
                _ => Instant::EPOCH,
            },
            relative: relative.to_owned(),
            unchanged,
        });
        if self.first.len() > LISTING_BATCH {
            self.first.pop();
        }
    }
}

fn name_of(path: &Path) -> &[u8] {
    path.file_name().map_or(b"", OsStr::as_encoded_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hub_core::files::OsFiles;
    use std::fs;

    fn lister(root: &Path, complete: Complete) -> Lister {
        let none = Vec::new;
        Lister {
            root: root.to_owned(),
            filter: Filter::new(&["*".to_owned()], &[], none(), vec![".part".into()]).unwrap(),
            recursive: false,
            order: Order::Name,
            complete,
            done_suffix: ".done".to_owned(),
            own_folders: Vec::new(),
        }
    }

    fn names(listing: &Listing) -> Vec<String> {
        let name = |c: &Candidate| c.relative.to_string_lossy().into_owned();
        listing.candidates.iter().map(name).collect()
    }

    fn look(lister: &Lister, previous: &Seen) -> Listing {
        lister.list(&OsFiles, previous, &HashSet::new()).unwrap()
    }

    #[test]
    fn a_file_is_complete_when_two_looks_agree() {
        let root = tempfile::tempdir().unwrap();
        let lister = lister(root.path(), Complete::Unchanged);
        fs::write(root.path().join("a"), "1").unwrap();
        fs::write(root.path().join("b"), "1").unwrap();
        let first = look(&lister, &Seen::new());
        assert_eq!(names(&first), Vec::<String>::new());
        fs::write(root.path().join("b"), "12").unwrap();
        let second = look(&lister, &first.seen);
        assert_eq!(names(&second), ["a"]);
        assert_eq!(names(&look(&lister, &second.seen)), ["a", "b"]);
    }

    #[test]
    fn a_done_file_announces_its_file_and_is_none_itself() {
        let root = tempfile::tempdir().unwrap();
        for name in ["a.csv", "b.csv", "b.csv.done", "orphan.csv.done"] {
            fs::write(root.path().join(name), "x").unwrap();
        }
        let listing = look(&lister(root.path(), Complete::DoneFile), &Seen::new());
        assert_eq!(names(&listing), ["b.csv"]);
    }

    #[test]
    fn a_final_name_means_complete() {
        let root = tempfile::tempdir().unwrap();
        for name in ["b.csv", "a.csv", "c.csv.part", ".hidden"] {
            fs::write(root.path().join(name), "x").unwrap();
        }
        let listing = look(&lister(root.path(), Complete::Rename), &Seen::new());
        assert_eq!(names(&listing), ["a.csv", "b.csv"]);
    }

    #[test]
    fn sub_folders_only_when_asked_and_never_our_own() {
        let root = tempfile::tempdir().unwrap();
        for folder in ["north/deep", "archive", ".meterhub/archive"] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
            fs::write(root.path().join(folder).join("x.csv"), "x").unwrap();
        }
        let mut lister = lister(root.path(), Complete::Rename);
        lister.own_folders = vec![root.path().join("archive")];
        lister.recursive = true;
        assert_eq!(names(&look(&lister, &Seen::new())), ["north/deep/x.csv"]);
    }

    #[test]
    fn oldest_first_when_asked() {
        let root = tempfile::tempdir().unwrap();
        for (name, age) in [("new", 10), ("old", 1_000), ("mid", 100)] {
            let file = fs::File::create(root.path().join(name)).unwrap();
            let modified = std::time::UNIX_EPOCH + std::time::Duration::from_secs(10_000 - age);
            file.set_modified(modified).unwrap();
        }
        let mut lister = lister(root.path(), Complete::Rename);
        lister.order = Order::Modified;
        assert_eq!(names(&look(&lister, &Seen::new())), ["old", "mid", "new"]);
    }

    #[cfg(unix)]
    #[test]
    fn links_are_left_alone() {
        let root = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/etc/passwd", root.path().join("a.csv")).unwrap();
        let lister = lister(root.path(), Complete::Unchanged);
        let first = look(&lister, &Seen::new());
        assert_eq!(names(&look(&lister, &first.seen)), Vec::<String>::new());
    }

    /// Only names, no files: what a folder of 100,000 would list.
    struct Crowd(Vec<PathBuf>);

    impl Files for Crowd {
        fn list(&self, _: &Path) -> io::Result<Vec<PathBuf>> {
            Ok(self.0.clone())
        }
        fn stat(&self, _: &Path) -> io::Result<Stat> {
            unreachable!("listing by name needs no look at each file")
        }
        fn create(&self, _: &Path) -> io::Result<Box<dyn hub_core::files::Durable>> {
            unreachable!()
        }
        fn open(&self, _: &Path) -> io::Result<Box<dyn io::Read + Send>> {
            unreachable!()
        }
        fn sync(&self, _: &Path) -> io::Result<()> {
            unreachable!()
        }
        fn sync_dir(&self, _: &Path) -> io::Result<()> {
            unreachable!()
        }
        fn rename(&self, _: &Path, _: &Path) -> io::Result<()> {
            unreachable!()
        }
        fn publish(&self, _: &Path, _: &Path) -> io::Result<()> {
            unreachable!()
        }
        fn link(&self, _: &Path, _: &Path) -> io::Result<()> {
            unreachable!()
        }
        fn remove(&self, _: &Path) -> io::Result<()> {
            unreachable!()
        }
        fn create_dir_all(&self, _: &Path) -> io::Result<()> {
            unreachable!()
        }
    }

    #[test]
    fn a_crowded_folder_is_worked_off_in_batches() {
        let root = Path::new("/in");
        // 7919 is prime to 100,000: every number once, in no order.
        let name = |i: usize| root.join(format!("{:06}.csv", i * 7_919 % 100_000));
        let crowd = Crowd((0..100_000).map(name).collect());
        let listing = lister(root, Complete::Rename)
            .list(&crowd, &Seen::new(), &HashSet::new())
            .unwrap();
        assert_eq!(listing.candidates.len(), LISTING_BATCH);
        let expected = (0..LISTING_BATCH).map(|i| format!("{i:06}.csv"));
        assert!(names(&listing).into_iter().eq(expected));
        assert!(listing.seen.is_empty());
    }
}
