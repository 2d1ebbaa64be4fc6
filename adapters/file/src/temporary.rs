//! Names under which files are written: one per attempt, also while an attempt that was given up
//! still writes. Two attempts under one name would publish each other's half-written file.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use hub_core::files::{Durable, Files};

/// What attempts of this process write at the moment. Shared by all sinks: an attempt outlives its
/// sink when the configuration is reloaded. Message ids keep other processes apart.
static IN_USE: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// A hidden name that is this attempt's alone until it is dropped.
#[derive(Debug)]
pub(crate) struct Temporary {
    path: PathBuf,
    folder: PathBuf,
    id: String,
}

impl Temporary {
    /// Reserves `.<id>.part`, or the first of `.<id>-1.part` ... that no attempt uses.
    pub(crate) fn reserve(folder: &Path, id: &str) -> Self {
        let mut in_use = in_use();
        let mut number = 0;
        while in_use.contains(&path(folder, id, number)) {
            number += 1;
        }
        let path = path(folder, id, number);
        in_use.insert(path.clone());
        Self {
            path,
            folder: folder.to_owned(),
            id: id.to_owned(),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Creates the file, in the place of what an attempt left that a crash cut off.
    ///
    /// # Errors
    /// As the file system says.
    pub(crate) fn create(&self, files: &dyn Files) -> io::Result<Box<dyn Durable>> {
        match files.create(&self.path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                files.remove(&self.path)?;
                self.sweep(files);
                files.create(&self.path)
            }
            other => other,
        }
    }

    /// Removes what else the crash left of this message.
    fn sweep(&self, files: &dyn Files) {
        let names = (0..).map(|number| path(&self.folder, &self.id, number));
        for left in names.filter(|path| !in_use().contains(path)) {
            if files.remove(&left).is_err() {
                return;
            }
        }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        in_use().remove(&self.path);
    }
}

fn in_use() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    IN_USE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn path(folder: &Path, id: &str, number: u64) -> PathBuf {
    folder.join(match number {
        0 => format!(".{id}.part"),
        n => format!(".{id}-{n}.part"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use hub_core::files::OsFiles;
    use std::fs;
    use std::io::Write;

    #[test]
    fn an_attempt_that_was_given_up_and_the_next_one_write_their_own_files() {
        let folder = tempfile::tempdir().unwrap();
        let stale = Temporary::reserve(folder.path(), "7");
        let mut half = stale.create(&OsFiles).unwrap();
        half.write_all(b"ha").unwrap();
        let next = Temporary::reserve(folder.path(), "7");
        assert_ne!(stale.path(), next.path());
        next.create(&OsFiles).unwrap().write_all(b"whole").unwrap();
        half.write_all(b"lf").unwrap();
        assert_eq!(fs::read_to_string(stale.path()).unwrap(), "half");
        assert_eq!(fs::read_to_string(next.path()).unwrap(), "whole");
    }

    #[test]
    fn what_a_crash_left_of_a_message_is_swept_but_not_what_is_being_written() {
        let folder = tempfile::tempdir().unwrap();
        let running = Temporary::reserve(folder.path(), "7");
        running.create(&OsFiles).unwrap();
        for left in [".7-1.part", ".7-2.part", ".8-2.part"] {
            fs::write(folder.path().join(left), "left").unwrap();
        }
        let next = Temporary::reserve(folder.path(), "7");
        next.create(&OsFiles).unwrap().write_all(b"new").unwrap();
        assert!(running.path().exists());
        assert_eq!(fs::read_to_string(next.path()).unwrap(), "new");
        assert!(!folder.path().join(".7-2.part").exists());
        assert!(folder.path().join(".8-2.part").exists());
    }
}
