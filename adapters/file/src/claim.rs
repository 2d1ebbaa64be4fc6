//! Claiming a file: a rename into our own sub-folder of the claim folder, which one node wins.
//!
//! The claimed name is the file's own with a number before it, so that what a dead process left
//! behind can be taken over in its order and under its name.

use std::ffi::{OsStr, OsString};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use hub_core::files::Stat;
use hub_names::{Complete, is_hidden};

use crate::folder::{Claimed, Folder};
use crate::listing::Candidate;

/// Why a file was not claimed.
#[derive(Debug)]
pub(crate) enum NotClaimed {
    /// Gone: another node was faster, or its owner took it back.
    Gone,
    /// It changed since it was listed.
    Changed,
    /// A folder, link, pipe or device.
    NotAFile,
    /// The file system refuses.
    Failed(io::Error),
}

impl From<io::Error> for NotClaimed {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::NotFound => Self::Gone,
            _ => Self::Failed(error),
        }
    }
}

impl Folder {
    /// Claims a complete file. One that nobody may read goes straight to quarantine.
    pub(crate) fn claim(&self, candidate: &Candidate) -> Result<Claimed, NotClaimed> {
        let source = self.lister.root.join(&candidate.relative);
        let stat = self.files.stat(&source)?;
        if !stat.is_file {
            return Err(NotClaimed::NotAFile);
        }
        let listed = candidate.unchanged;
        if listed.is_some_and(|listed| listed != (stat.len, stat.modified)) {
            return Err(NotClaimed::Changed);
        }
        let claimed = self.take(&source, &candidate.relative, stat)?;
        if self.lister.complete == Complete::DoneFile {
            // Before anything else: it must not announce the next file of this name.
            self.remove_done_file(&source);
        }
        self.quarantine_unreadable(claimed)
    }

    /// Claims what processes that died had claimed, oldest first.
    pub(crate) fn take_over(&self) -> io::Result<Vec<Claimed>> {
        let mut taken = Vec::new();
        self.lease.for_each_dead(|dead| {
            for left in self.left_in(dead) {
                match self.take_left(dead, &left) {
                    Ok(claimed) => taken.push(claimed),
                    Err(NotClaimed::Failed(error)) => {
                        tracing::warn!(file = %left.display(), %error, "file of a dead process cannot be taken over yet");
                    }
                    Err(_) => {}
                }
            }
        })?;
        Ok(taken)
    }

    fn take_left(&self, dead: &Path, left: &Path) -> Result<Claimed, NotClaimed> {
        let stat = self.files.stat(left)?;
        let below = left.strip_prefix(dead).unwrap_or(left);
        match (stat.is_file, original_name(left)) {
            (true, Some(name)) => self.take(left, &below.with_file_name(name), stat),
            _ => Err(NotClaimed::NotAFile),
        }
    }

    /// Files in a dead process's sub-folder, in the order they were claimed.
    fn left_in(&self, dead: &Path) -> Vec<PathBuf> {
        let mut left = Vec::new();
        let mut folders = vec![dead.to_owned()];
        while let Some(folder) = folders.pop() {
            for path in self.files.list(&folder).unwrap_or_default() {
                match self.files.stat(&path) {
                    Ok(stat) if stat.is_dir => folders.push(path),
                    Ok(stat) if stat.is_file => left.extend(claim_number(&path).map(|n| (n, path))),
                    _ => {}
                }
            }
        }
        left.sort();
        left.into_iter().map(|(_, path)| path).collect()
    }

    fn take(&self, from: &Path, relative: &Path, stat: Stat) -> Result<Claimed, NotClaimed> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut name = OsString::from(format!("{number}-"));
        name.push(relative.file_name().unwrap_or_default());
        let path = self.lease.folder().join(relative.with_file_name(name));
        if let Some(folder) = path.parent().filter(|f| *f != self.lease.folder()) {
            self.files.create_dir_all(folder)?;
        }
        self.files.rename(from, &path)?;
        self.still_a_file(Claimed {
            number,
            path,
            relative: relative.to_owned(),
            stat,
            failures: 0,
        })
    }

    /// Between the look at a file and its claim a link may have taken its place, which would have
    /// us read whatever it points to. It is in our own folder now, where nobody else writes.
    fn still_a_file(&self, claimed: Claimed) -> Result<Claimed, NotClaimed> {
        if self.files.stat(&claimed.path)?.is_file {
            return Ok(claimed);
        }
        tracing::warn!(file = %claimed.relative.display(), "no regular file any more, quarantined");
        self.quarantine(&claimed, "became something else than a regular file")?;
        Err(NotClaimed::Gone)
    }

    fn quarantine_unreadable(&self, claimed: Claimed) -> Result<Claimed, NotClaimed> {
        match self.files.open(&claimed.path) {
            Ok(_) => Ok(claimed),
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                let reason = "the hub has no permission to read this file";
                self.quarantine(&claimed, reason)?;
                Err(NotClaimed::Gone)
            }
            Err(error) => {
                self.put_back(&claimed)?;
                Err(error.into())
            }
        }
    }

    fn remove_done_file(&self, source: &Path) {
        let done = self.lister.done_file(source);
        match self.files.remove(&done) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                tracing::warn!(file = %done.display(), %error, "done-file cannot be removed");
            }
            _ => {}
        }
    }
}

fn split(path: &Path) -> Option<(&[u8], usize)> {
    let name = path.file_name()?.as_encoded_bytes();
    let dash = name.iter().position(|b| *b == b'-')?;
    (!is_hidden(name)).then_some((name, dash))
}

fn claim_number(path: &Path) -> Option<u64> {
    let (name, dash) = split(path)?;
    std::str::from_utf8(&name[..dash]).ok()?.parse().ok()
}

fn original_name(path: &Path) -> Option<OsString> {
    let (_, dash) = split(path)?;
    let name = path.file_name()?;
    without_prefix(name, dash + 1)
}

#[cfg(unix)]
fn without_prefix(name: &OsStr, bytes: usize) -> Option<OsString> {
    use std::os::unix::ffi::OsStrExt;
    let rest = name.as_bytes().get(bytes..)?;
    (!rest.is_empty()).then(|| OsStr::from_bytes(rest).to_owned())
}

#[cfg(not(unix))]
fn without_prefix(name: &OsStr, bytes: usize) -> Option<OsString> {
    let rest = name.to_str()?.get(bytes..)?;
    (!rest.is_empty()).then(|| rest.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claimed_name_gives_its_number_and_its_own_name_back() {
        let path = Path::new("/c/12-a-b.csv");
        assert_eq!(claim_number(path), Some(12));
        assert_eq!(original_name(path), Some("a-b.csv".into()));
        for other in [".lock", "x", "x-a", "7-"] {
            let path = Path::new(other);
            assert!(
                claim_number(path).is_none() || original_name(path).is_none(),
                "{other}"
            );
        }
    }
}
