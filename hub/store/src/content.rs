//! The content store: what partners sent and what we send them, byte for byte.
//!
//! Small bodies stay in memory and go into the message's own row. Large ones become files named by
//! their SHA-256, so the same content is stored once. A file is complete and synced before any row
//! refers to it.

mod staging;

use std::io::{self, Read};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use bytes::Bytes;
use hub_core::files::{Files, Stat};
use sha2::{Digest, Sha256};

pub use staging::Staging;

/// Bodies up to this size are stored in their row: one commit, no file. Larger rows would make the
/// write-ahead log, not the file system, carry the bytes.
pub const MAX_INLINE_BYTES: usize = 64 * 1024;
/// Bytes read at a time while hashing or copying.
const BLOCK_BYTES: usize = 256 * 1024;

/// SHA-256 of a body.
pub type Hash = [u8; 32];

/// A body that is safely stored, or small enough to be stored with its row.
#[derive(Debug, Clone)]
pub struct Staged {
    /// SHA-256 of the bytes.
    pub hash: Hash,
    /// Length in bytes.
    pub size: u64,
    /// The bytes, if they go into the row.
    pub inline: Option<Bytes>,
}

impl Staged {
    /// A body that goes into its row.
    #[must_use]
    pub fn inline(bytes: Bytes) -> Self {
        Self {
            hash: Sha256::digest(&bytes).into(),
            size: bytes.len() as u64,
            inline: Some(bytes),
        }
    }
}

/// The folder of large bodies.
#[derive(Clone)]
pub struct ContentStore {
    root: PathBuf,
    files: Arc<dyn Files>,
}

impl ContentStore {
    /// Opens the folder, making it as needed.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn open(root: &Path, files: Arc<dyn Files>) -> io::Result<Self> {
        files.create_dir_all(&root.join(PARTIAL))?;
        Ok(Self {
            root: root.to_owned(),
            files,
        })
    }

    /// Where files may be made that a restart removes.
    #[must_use]
    pub fn partial_folder(&self) -> PathBuf {
        self.root.join(PARTIAL)
    }

    /// Removes what a crash left half-written. Only for the one process that takes messages in.
    ///
    /// # Errors
    /// The folder cannot be cleared.
    pub fn clear_partial(&self) -> io::Result<()> {
        self.files
            .list(&self.partial_folder())?
            .iter()
            .try_for_each(|left_over| self.files.remove(left_over))
    }

    /// Where the body with this hash is, if it is a file.
    #[must_use]
    pub fn path(&self, hash: &Hash) -> PathBuf {
        let name = hex(hash);
        self.root.join(&name[..2]).join(name)
    }

    /// The first bytes of a stored file, at most `most` of them. Blocking.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn head(&self, hash: &Hash, most: usize) -> io::Result<Vec<u8>> {
        let mut head = Vec::new();
        let file = self.files.open(&self.path(hash))?;
        file.take(most as u64).read_to_end(&mut head)?;
        Ok(head)
    }

    /// Takes in a local file that nobody writes to any more. A large one gets a second name here
    /// rather than a copy, where the file system allows it. Blocking.
    ///
    /// # Errors
    /// The file cannot be read, or the disk refuses.
    pub fn stage_file(&self, path: &Path, unique: &str) -> io::Result<Staged> {
        let before = self.files.stat(path)?;
        let size = before.len;
        if size <= MAX_INLINE_BYTES as u64 {
            let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
            self.files
                .open(path)?
                .take(MAX_INLINE_BYTES as u64 + 1)
                .read_to_end(&mut bytes)?;
            return if bytes.len() as u64 == size {
                Ok(Staged::inline(bytes.into()))
            } else {
                Err(changed(path))
            };
        }
        let partial = self.partial(unique);
        let staged = self.stage_large(path, &partial, before);
        if staged.is_err() {
            // What is not accepted must not fill the disk, attempt after attempt.
            let _ = self.files.remove(&partial);
        }
        staged.map(|hash| Staged {
            hash,
            size,
            inline: None,
        })
    }

    /// Links and syncs, or copies, and publishes a file that had this stat before.
    fn stage_large(&self, path: &Path, partial: &Path, before: Stat) -> io::Result<Hash> {
        let is_linked = self.files.link(path, partial).is_ok();
        let (hash, read) = match is_linked {
            true => self.hash_and_sync(partial)?,
            false => hash_of(&mut *self.files.open(path)?)?,
        };
        if !is_linked {
            self.copy(path, partial, &hash)?;
        }
        let after = match is_linked {
            true => self.files.stat(partial)?,
            // A copy is compared by its hash.
            false => before,
        };
        if (read, after.len, after.modified) != (before.len, before.len, before.modified) {
            return Err(changed(path));
        }
        self.publish(partial, &hash)?;
        Ok(hash)
    }

    /// Hashes a file while the disk syncs it: of a large one each takes as long as the other.
    fn hash_and_sync(&self, path: &Path) -> io::Result<(Hash, u64)> {
        let mut input = self.files.open(path)?;
        thread::scope(|scope| {
            let syncing = scope.spawn(|| self.files.sync(path));
            let hashed = hash_of(&mut *input);
            let synced = syncing.join().unwrap_or_else(|panic| resume_unwind(panic));
            synced.and(hashed)
        })
    }

    /// Begins a body that arrives piece by piece. Blocking.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn begin(&self, unique: &str) -> io::Result<Staging> {
        let partial = self.partial(unique);
        let file = self.files.create(&partial)?;
        Ok(Staging::new(self.clone(), partial, file))
    }

    /// Whether a stored body still has the bytes it was stored with. Blocking.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn is_intact(&self, hash: &Hash) -> io::Result<bool> {
        Ok(hash_of(&mut *self.files.open(&self.path(hash))?)?.0 == *hash)
    }

    fn partial(&self, unique: &str) -> PathBuf {
        self.partial_folder().join(unique)
    }

    /// Copies where linking is not possible, and makes sure the copy is what was hashed.
    fn copy(&self, from: &Path, to: &Path, expected: &Hash) -> io::Result<()> {
        let mut input = self.files.open(from)?;
        let mut output = self.files.create(to)?;
        let mut digest = Sha256::new();
        let mut block = vec![0; BLOCK_BYTES];
        loop {
            match input.read(&mut block)? {
                0 => break,
                n => {
                    digest.update(&block[..n]);
                    output.write_all(&block[..n])?;
                }
            }
        }
        if <Hash>::from(digest.finalize()) == *expected {
            output.sync()
        } else {
            Err(changed(from))
        }
    }

    /// Gives a complete, synced partial file its name. What has the name already is replaced: it is
    /// the same content, or the empty or torn rest of a crash, which must not stay.
    fn publish(&self, partial: &Path, hash: &Hash) -> io::Result<()> {
        let path = self.path(hash);
        let folder = path.parent().unwrap_or(&self.root);
        self.files.create_dir_all(folder)?;
        self.files.rename(partial, &path)?;
        // Renaming onto another name of the same file does nothing: the old name stays.
        match self.files.remove(partial) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        self.files.sync_dir(folder)?;
        self.files.sync_dir(&self.root)
    }
}

/// Folder of bodies that are not complete yet.
const PARTIAL: &str = "partial";

fn changed(path: &Path) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("`{}` changed while it was read", path.display()),
    )
}

fn hash_of(input: &mut dyn Read) -> io::Result<(Hash, u64)> {
    let mut digest = Sha256::new();
    let mut size = 0;
    let mut block = vec![0; BLOCK_BYTES];
    loop {
        match input.read(&mut block)? {
            0 => return Ok((digest.finalize().into(), size)),
            n => {
                digest.update(&block[..n]);
                size += n as u64;
            }
        }
    }
}

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use hub_core::files::OsFiles;

    fn open(folder: &Path) -> ContentStore {
        ContentStore::open(&folder.join("content"), Arc::new(OsFiles)).unwrap()
    }

    #[test]
    fn the_same_content_is_stored_once_however_it_came() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        let bytes = vec![7u8; 300_000];
        let file = folder.path().join("in.xml");
        std::fs::write(&file, &bytes).unwrap();
        let linked = store.stage_file(&file, "a").unwrap();
        let mut staging = store.begin("b").unwrap();
        bytes
            .chunks(1_000)
            .for_each(|piece| staging.write(piece).unwrap());
        let streamed = staging.finish().unwrap();
        assert_eq!(linked.hash, streamed.hash);
        assert!(store.is_intact(&linked.hash).unwrap());
        assert_eq!(std::fs::read(store.path(&linked.hash)).unwrap(), bytes);
        assert_eq!(
            std::fs::read_dir(folder.path().join("content/partial"))
                .unwrap()
                .count(),
            0
        );
    }

    #[test]
    fn the_same_file_taken_in_twice_leaves_one_name() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        let file = folder.path().join("in.xml");
        std::fs::write(&file, vec![7u8; 300_000]).unwrap();
        let first = store.stage_file(&file, "a").unwrap();
        let again = store.stage_file(&file, "b").unwrap();
        assert_eq!(first.hash, again.hash);
        let partial = folder.path().join("content/partial");
        assert_eq!(std::fs::read_dir(partial).unwrap().count(), 0);
    }

    #[test]
    fn what_a_crash_left_under_the_name_of_a_content_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        let bytes = vec![7u8; 300_000];
        let path = store.path(&Sha256::digest(&bytes).into());
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "").unwrap();
        let mut staging = store.begin("a").unwrap();
        staging.write(&bytes).unwrap();
        let staged = staging.finish().unwrap();
        assert!(store.is_intact(&staged.hash).unwrap());
    }

    #[test]
    fn an_unfinished_body_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        let mut staging = store.begin("a").unwrap();
        staging.write(b"half").unwrap();
        drop(staging);
        assert_eq!(
            std::fs::read_dir(folder.path().join("content/partial"))
                .unwrap()
                .count(),
            0
        );
    }
}
