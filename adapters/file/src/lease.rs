//! Who of several processes holds which claimed files.
//!
//! Every source that runs has a sub-folder of its own in the claim folder, with a lock file that
//! it keeps locked. The operating system lets go of the lock when the process dies, so a
//! sub-folder whose lock can be taken belongs to the dead. Works across machines where the file
//! system's locks do (local disks, NFS 4, SMB). Locks are about processes, not about durability,
//! so this asks the machine's file system itself and not the `Files` seam.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use hub_model::Instant;

const LOCK: &str = ".lock";

/// The right to a sub-folder of the claim folder, for as long as the process lives.
pub(crate) struct Lease {
    claim_folder: PathBuf,
    folder: PathBuf,
    /// Locked until it is closed.
    _lock: File,
}

/// Held while sub-folders come and go: a sub-folder without a lock file is then never one that is
/// just being made.
struct Gate(#[expect(dead_code, reason = "held for its lock")] File);

impl Gate {
    fn enter(claim_folder: &Path) -> io::Result<Self> {
        let file = lock_file(&claim_folder.join(LOCK))?;
        file.lock()?;
        Ok(Self(file))
    }
}

fn lock_file(path: &Path) -> io::Result<File> {
    File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
}

impl Lease {
    /// Makes a new sub-folder and locks it. The claim folder must exist.
    ///
    /// # Errors
    /// The file system refuses, or has no locks.
    pub(crate) fn take(claim_folder: &Path, now: Instant) -> io::Result<Self> {
        let _gate = Gate::enter(claim_folder)?;
        let folder = new_folder(claim_folder, now)?;
        let lock = lock_file(&folder.join(LOCK))?;
        lock.try_lock().map_err(io::Error::from)?;
        Ok(Self {
            claim_folder: claim_folder.to_owned(),
            folder,
            _lock: lock,
        })
    }

    /// Our own sub-folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Calls `empty` for each sub-folder of a dead process, oldest first, and removes what is
    /// empty then. No other process does the same meanwhile.
    ///
    /// # Errors
    /// The claim folder cannot be read.
    pub(crate) fn for_each_dead(&self, mut empty: impl FnMut(&Path)) -> io::Result<()> {
        let mut others = fs::read_dir(&self.claim_folder)?
            .map(|entry| Ok(entry?.path()))
            .filter(|path| !matches!(path, Ok(p) if *p == self.folder || !p.is_dir()))
            .collect::<io::Result<Vec<_>>>()?;
        if others.is_empty() {
            return Ok(());
        }
        let _gate = Gate::enter(&self.claim_folder)?;
        others.sort();
        for folder in others {
            let Some(_lock) = lock_of_the_dead(&folder) else {
                continue;
            };
            empty(&folder);
            remove_if_empty(&folder);
        }
        Ok(())
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        remove_if_empty(&self.folder);
    }
}

fn new_folder(claim_folder: &Path, now: Instant) -> io::Result<PathBuf> {
    let process = std::process::id();
    for attempt in 0u32.. {
        let name = format!("{:016x}-{process:x}-{attempt:x}", now.micros().max(0));
        let folder = claim_folder.join(name);
        match fs::create_dir(&folder) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            other => return other.map(|()| folder),
        }
    }
    Err(ErrorKind::AlreadyExists.into())
}

/// The lock of a sub-folder whose owner is dead; `None` if it lives, or if that is not known.
fn lock_of_the_dead(folder: &Path) -> Option<File> {
    let lock = lock_file(&folder.join(LOCK)).ok()?;
    match lock.try_lock() {
        Ok(()) => Some(lock),
        Err(TryLockError::WouldBlock) => None,
        Err(TryLockError::Error(error)) => {
            tracing::warn!(folder = %folder.display(), %error, "cannot tell whether the owner of claimed files lives");
            None
        }
    }
}

/// Removes a sub-folder in which nothing is left but its lock file and empty folders.
fn remove_if_empty(folder: &Path) {
    if is_empty_but_for_lock(folder).unwrap_or(false) {
        let _ = fs::remove_file(folder.join(LOCK));
        remove_empty_folders(folder);
    }
}

fn is_empty_but_for_lock(folder: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let empty = match entry.file_type()?.is_dir() {
            true => is_empty_but_for_lock(&entry.path())?,
            false => entry.file_name() == LOCK,
        };
        if !empty {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Removes empty folders from the leaves up; a folder that got a file meanwhile stays.
fn remove_empty_folders(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|t| t.is_dir()) {
            remove_empty_folders(&entry.path());
        }
    }
    let _ = fs::remove_dir(folder);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dead_folders(lease: &Lease) -> Vec<PathBuf> {
        let mut dead = Vec::new();
        lease
            .for_each_dead(|folder| dead.push(folder.to_owned()))
            .unwrap();
        dead
    }

    #[test]
    fn only_the_dead_are_inherited() {
        let claim = tempfile::tempdir().unwrap();
        let take = |seconds| Lease::take(claim.path(), Instant::from_seconds(seconds)).unwrap();
        let (old, me) = (take(1), take(2));
        fs::write(old.folder().join("1-a.csv"), "a").unwrap();
        assert_eq!(dead_folders(&me), Vec::<PathBuf>::new(), "both live");

        let left = old.folder().to_owned();
        drop(old);
        assert_eq!(dead_folders(&me), std::slice::from_ref(&left));
        assert!(left.exists(), "files are still in it");
        fs::remove_file(left.join("1-a.csv")).unwrap();
        assert_eq!(dead_folders(&me), std::slice::from_ref(&left));
        assert!(!left.exists());
    }

    #[test]
    fn a_folder_whose_lock_file_is_gone_is_inherited() {
        let claim = tempfile::tempdir().unwrap();
        fs::create_dir_all(claim.path().join("lost/deep")).unwrap();
        fs::write(claim.path().join("lost/deep/1-a.csv"), "a").unwrap();
        let me = Lease::take(claim.path(), Instant::EPOCH).unwrap();
        assert_eq!(dead_folders(&me), [claim.path().join("lost")]);
    }

    #[test]
    fn who_leaves_nothing_leaves_no_folder() {
        let claim = tempfile::tempdir().unwrap();
        let lease = Lease::take(claim.path(), Instant::EPOCH).unwrap();
        let folder = lease.folder().to_owned();
        drop(lease);
        assert!(!folder.exists());
    }
}
