//! A body that arrives piece by piece: hashed, written and synced while it does.

use std::io::{self, Write};
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use hub_core::files::Durable;
use sha2::{Digest, Sha256};

use super::{ContentStore, Hash, Staged};

/// Bytes of a body that arrives piece by piece after which the disk is told to begin.
const SYNC_BYTES: u64 = 32 * 1024 * 1024;

/// A body that is still arriving.
pub struct Staging {
    store: ContentStore,
    partial: PathBuf,
    file: Option<Box<dyn Durable>>,
    digest: Sha256,
    size: u64,
    syncing: Option<Syncing>,
}

/// The sync of what was written so far, on its way.
struct Syncing {
    up_to: u64,
    thread: thread::JoinHandle<io::Result<()>>,
}

impl Syncing {
    fn wait(self) -> io::Result<()> {
        let synced = self.thread.join();
        synced.unwrap_or_else(|panic| resume_unwind(panic))
    }
}

impl Staging {
    pub(super) fn new(store: ContentStore, partial: PathBuf, file: Box<dyn Durable>) -> Self {
        Self {
            store,
            partial,
            file: Some(file),
            digest: Sha256::new(),
            size: 0,
            syncing: None,
        }
    }

    /// Appends a piece. Blocking.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        self.digest.update(piece);
        self.size += piece.len() as u64;
        match &mut self.file {
            Some(file) => file.write_all(piece)?,
            None => return Err(io::ErrorKind::BrokenPipe.into()),
        }
        self.sync_meanwhile()
    }

    /// Lets the disk begin with what is there while more arrives: at the end there is little left to
    /// wait for.
    fn sync_meanwhile(&mut self) -> io::Result<()> {
        let synced = self.syncing.as_ref().map_or(0, |syncing| syncing.up_to);
        let is_busy = |syncing: &Syncing| !syncing.thread.is_finished();
        if self.size - synced < SYNC_BYTES || self.syncing.as_ref().is_some_and(is_busy) {
            return Ok(());
        }
        self.syncing.take().map_or(Ok(()), Syncing::wait)?;
        let (files, path) = (Arc::clone(&self.store.files), self.partial.clone());
        let thread = thread::Builder::new().name("store-sync".into());
        self.syncing = Some(Syncing {
            up_to: self.size,
            thread: thread.spawn(move || files.sync(&path))?,
        });
        Ok(())
    }

    /// Syncs the body and gives it its name. Blocking.
    ///
    /// # Errors
    /// The disk refuses; nothing is kept then.
    pub fn finish(mut self) -> io::Result<Staged> {
        self.syncing.take().map_or(Ok(()), Syncing::wait)?;
        if let Some(mut file) = self.file.take() {
            file.sync()?;
        }
        let hash: Hash = std::mem::take(&mut self.digest).finalize().into();
        self.store.publish(&self.partial, &hash)?;
        Ok(Staged {
            hash,
            size: self.size,
            inline: None,
        })
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // A file that is being synced may be removed. After `finish` there is nothing left to remove.
        let _ = self.store.files.remove(&self.partial);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use hub_core::files::OsFiles;

    fn open(folder: &Path) -> ContentStore {
        ContentStore::open(&folder.join("content"), Arc::new(OsFiles)).unwrap()
    }

    #[test]
    fn a_long_body_that_the_disk_syncs_meanwhile_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        let piece = vec![5; 1024 * 1024];
        let mut staging = store.begin("long").unwrap();
        let pieces = 3 * SYNC_BYTES / piece.len() as u64 + 1;
        for _ in 0..pieces {
            staging.write(&piece).unwrap();
        }
        assert!(staging.syncing.is_some());
        let staged = staging.finish().unwrap();
        assert_eq!(staged.size, pieces * piece.len() as u64);
        assert!(store.is_intact(&staged.hash).unwrap());
    }
}
