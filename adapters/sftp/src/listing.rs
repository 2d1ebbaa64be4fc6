//! What is in a watched folder on the server, complete, and next in order.
//!
//! Entries are looked at as the server names them; none is kept but those that come first, and
//! for `complete = "unchanged"` the sizes and times that the next listing compares with.

use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use hub_names::{Complete, Filter, Order, is_hidden};

use crate::failure::Failure;
use crate::pool::Wanted;
use crate::session::{Kind, Session, Stat};

/// Most files one listing yields; what comes after them in order waits for the next. Bounds
/// memory. Too small costs more listings of a full folder, too big delays a file that comes in
/// between but belongs before them.
pub(crate) const LISTING_BATCH: usize = 10_000;

/// Most files whose size and time are remembered from one listing to the next (about 150 bytes
/// each). Files beyond wait until earlier ones are gone.
const REMEMBERED_FILES: usize = 200_000;

/// Most sub-folders still to be looked at. Those beyond are left out, with a warning.
const PENDING_FOLDERS: usize = 10_000;

/// Size and time of each file at the last listing, to tell whether it is still being written.
pub(crate) type Seen = HashMap<PathBuf, (u64, u64)>;

/// A complete file, not yet taken.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Candidate {
    /// 0 when the order is by name.
    modified: u64,
    /// Path below the watched folder.
    pub(crate) relative: PathBuf,
    /// Size and time it must still have when it is taken, if they tell that it is complete.
    pub(crate) unchanged: Option<(u64, u64)>,
    /// Size and time that it was listed with, if the server said that it is a file: who takes it need
    /// not ask again.
    pub(crate) listed: Option<(u64, u64)>,
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
#[derive(Debug)]
pub(crate) struct Lister {
    /// Absolute.
    pub(crate) root: PathBuf,
    pub(crate) filter: Filter,
    pub(crate) recursive: bool,
    pub(crate) order: Order,
    pub(crate) complete: Complete,
    pub(crate) done_suffix: String,
    /// Our own folders, should they lie in the watched one without being hidden. Absolute.
    pub(crate) own_folders: Vec<PathBuf>,
}

/// Whether a file had better be left alone: by its path, and size and time if the listing has
/// them of the file itself.
pub(crate) type LeaveAlone<'a> = &'a dyn Fn(&Path, Option<(u64, u64)>) -> bool;

impl Lister {
    /// Lists the folder.
    ///
    /// # Errors
    /// The watched folder itself cannot be read, or the connection is lost.
    pub(crate) fn list(
        &self,
        session: &Session,
        wanted: &Wanted,
        previous: &Seen,
        leave_alone: LeaveAlone<'_>,
    ) -> Result<Listing, Failure> {
        let mut look = Look::new(self, previous, leave_alone);
        while let Some(folder) = look.folders.pop() {
            wanted.check()?;
            let listed = session.for_each_entry(&self.root.join(&folder), |name, stat| {
                look.entry(&folder, &name, stat);
                wanted.check()
            });
            match listed {
                Err(error) if error.is_answer() && !folder.as_os_str().is_empty() => {
                    tracing::debug!(folder = %folder.display(), %error, "sub-folder cannot be listed");
                }
                other => other?,
            }
        }
        Ok(look.into_listing())
    }

    /// The name of the file that says that `path` is complete.
    pub(crate) fn done_file(&self, path: &Path) -> PathBuf {
        let mut name = path.as_os_str().to_owned();
        name.push(&self.done_suffix);
        name.into()
    }

    /// The name that a done-file announces.
    fn announced(&self, name: &OsStr) -> Option<OsString> {
        let stem = name
            .as_encoded_bytes()
            .strip_suffix(self.done_suffix.as_bytes())?;
        (!stem.is_empty()).then(|| bytes_to_name(stem))
    }
}

struct Look<'a> {
    lister: &'a Lister,
    previous: &'a Seen,
    leave_alone: LeaveAlone<'a>,
    /// The first [`LISTING_BATCH`] in order; the greatest on top, to be thrown out.
    first: BinaryHeap<Candidate>,
    seen: Seen,
    folders: Vec<PathBuf>,
}

impl<'a> Look<'a> {
    fn new(lister: &'a Lister, previous: &'a Seen, leave_alone: LeaveAlone<'a>) -> Self {
        Self {
            lister,
            previous,
            leave_alone,
            first: BinaryHeap::new(),
            seen: Seen::new(),
            folders: vec![PathBuf::new()],
        }
    }

    fn entry(&mut self, folder: &Path, name: &Path, stat: Stat) {
        let name = name.as_os_str();
        // A name with a separator in it would lead somewhere else.
        if is_hidden(name.as_encoded_bytes()) || name.as_encoded_bytes().contains(&b'/') {
            return;
        }
        match stat.kind {
            Kind::Folder => self.sub_folder(folder.join(name)),
            // Links, pipes and devices are not for us.
            Kind::Other => {}
            Kind::File | Kind::Unknown => match self.lister.complete {
                Complete::DoneFile => {
                    if let Some(announced) = self.lister.announced(name) {
                        self.announced_by(folder.join(announced), stat.modified);
                    }
                }
                Complete::Rename => self.file(folder.join(name), stat, None),
                Complete::Unchanged => self.resting(folder.join(name), stat),
            },
        }
    }

    fn sub_folder(&mut self, relative: PathBuf) {
        let own = &self.lister.own_folders;
        if !self.lister.recursive || own.contains(&self.lister.root.join(&relative)) {
            return;
        }
        match self.folders.len() < PENDING_FOLDERS {
            true => self.folders.push(relative),
            false => {
                tracing::warn!(folder = %relative.display(), "too many sub-folders, left out");
            }
        }
    }

    /// A file that is complete if it was the same at the last listing.
    fn resting(&mut self, relative: PathBuf, stat: Stat) {
        let now = (stat.len, stat.modified);
        if !self.lister.filter.takes(&relative) {
            return;
        }
        let rested = self.previous.get(&relative) == Some(&now);
        if self.seen.len() < REMEMBERED_FILES {
            self.seen.insert(relative.clone(), now);
        }
        if rested {
            self.file(relative, stat, Some(now));
        }
    }

    fn file(&mut self, relative: PathBuf, stat: Stat, unchanged: Option<(u64, u64)>) {
        let about = (stat.len, stat.modified);
        if !(self.leave_alone)(&relative, Some(about)) {
            let listed = (stat.kind == Kind::File).then_some(about);
            self.keep(relative, stat.modified, unchanged, listed);
        }
    }

    /// Nothing is known of the file itself, if it is there at all.
    fn announced_by(&mut self, relative: PathBuf, modified: u64) {
        if !(self.leave_alone)(&relative, None) {
            self.keep(relative, modified, None, None);
        }
    }

    fn keep(
        &mut self,
        relative: PathBuf,
        modified: u64,
        unchanged: Option<(u64, u64)>,
        listed: Option<(u64, u64)>,
    ) {
        if !self.lister.filter.takes(&relative) {
            return;
        }
        self.first.push(Candidate {
            modified: match self.lister.order {
                Order::Modified => modified,
                Order::Name => 0,
            },
            relative,
            unchanged,
            listed,
        });
        if self.first.len() > LISTING_BATCH {
            self.first.pop();
        }
    }

    fn into_listing(self) -> Listing {
        Listing {
            candidates: self.first.into_sorted_vec().into(),
            seen: self.seen,
        }
    }
}

#[cfg(unix)]
fn bytes_to_name(bytes: &[u8]) -> OsString {
    use std::os::unix::ffi::OsStrExt;
    OsStr::from_bytes(bytes).to_owned()
}

#[cfg(not(unix))]
fn bytes_to_name(bytes: &[u8]) -> OsString {
    String::from_utf8_lossy(bytes).into_owned().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lister(complete: Complete, order: Order) -> Lister {
        let none = Vec::new;
        Lister {
            root: "/in".into(),
            filter: Filter::new(&["*".to_owned()], &[], none(), vec![".part".into()]).unwrap(),
            recursive: true,
            order,
            complete,
            done_suffix: ".done".to_owned(),
            own_folders: vec!["/in/old".into()],
        }
    }

    fn file(len: u64, modified: u64) -> Stat {
        Stat {
            len,
            modified,
            kind: Kind::File,
        }
    }

    fn look(lister: &Lister, previous: &Seen, entries: &[(&str, Stat)]) -> Listing {
        let mut look = Look::new(lister, previous, &|_, _| false);
        for (name, stat) in entries {
            look.entry(Path::new(""), Path::new(name), *stat);
        }
        look.into_listing()
    }

    fn names(listing: &Listing) -> Vec<String> {
        let name = |c: &Candidate| c.relative.to_string_lossy().into_owned();
        listing.candidates.iter().map(name).collect()
    }

    #[test]
    fn only_files_of_their_final_name_are_messages() {
        let other = |kind| Stat { kind, ..file(1, 1) };
        let entries = [
            ("b.csv", file(1, 1)),
            ("a.csv", other(Kind::Unknown)),
            (".hidden", file(1, 1)),
            ("c.part", file(1, 1)),
            ("link", other(Kind::Other)),
            ("folder", other(Kind::Folder)),
            ("../x", file(1, 1)),
        ];
        let lister = lister(Complete::Rename, Order::Name);
        assert_eq!(
            names(&look(&lister, &Seen::new(), &entries)),
            ["a.csv", "b.csv"]
        );
    }

    #[test]
    fn a_file_that_changed_since_the_last_listing_is_not_complete() {
        let lister = lister(Complete::Unchanged, Order::Name);
        let first = look(
            &lister,
            &Seen::new(),
            &[("a", file(1, 1)), ("b", file(1, 1))],
        );
        assert_eq!(names(&first), [""; 0]);
        let second = look(
            &lister,
            &first.seen,
            &[("a", file(1, 1)), ("b", file(2, 1))],
        );
        assert_eq!(names(&second), ["a"]);
        assert_eq!(second.candidates[0].unchanged, Some((1, 1)));
        let third = look(&lister, &second.seen, &[("b", file(2, 2))]);
        assert_eq!(names(&third), [""; 0]);
    }

    #[test]
    fn a_done_file_announces_its_file() {
        let lister = lister(Complete::DoneFile, Order::Modified);
        let entries = [
            ("a.csv", file(1, 1)),
            ("b.csv", file(1, 1)),
            ("b.csv.done", file(0, 9)),
            ("c.csv.done", file(0, 3)),
            (".done", file(0, 3)),
        ];
        let found = look(&lister, &Seen::new(), &entries);
        assert_eq!(
            names(&found),
            ["c.csv", "b.csv"],
            "by the time of the done-file"
        );
    }

    #[test]
    fn own_folders_are_not_looked_into() {
        let lister = lister(Complete::Rename, Order::Name);
        let folder = Stat {
            kind: Kind::Folder,
            ..file(0, 0)
        };
        let seen = Seen::new();
        let mut look = Look::new(&lister, &seen, &|_, _| false);
        for name in ["old", "new", ".hidden"] {
            look.entry(Path::new(""), Path::new(name), folder);
        }
        assert_eq!(look.folders, [Path::new(""), Path::new("new")]);
    }

    #[test]
    fn a_crowded_folder_is_worked_off_in_batches() {
        let lister = lister(Complete::Unchanged, Order::Name);
        let mut seen = Seen::new();
        for round in 0..2 {
            let mut look = Look::new(&lister, &seen, &|_, _| false);
            for i in 0..100_000 {
                // 7919 is prime to 100,000: every number once, in no order.
                let name = format!("{:06}.csv", i * 7_919 % 100_000);
                look.entry(Path::new(""), Path::new(&name), file(1, 1));
            }
            let listing = look.into_listing();
            assert_eq!(listing.candidates.len(), round * LISTING_BATCH);
            let expected = (0..listing.candidates.len()).map(|i| format!("{i:06}.csv"));
            assert!(names(&listing).into_iter().eq(expected));
            seen = listing.seen;
        }
    }
}
