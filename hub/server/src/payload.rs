//! Payloads on disk, and a payload that tells how far it has been read.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hub_model::mapping::Payload;

/// A file as a payload. The file must not change meanwhile.
#[derive(Debug, Clone)]
pub struct FilePayload {
    path: PathBuf,
    len: u64,
}

impl FilePayload {
    /// Looks at the file.
    ///
    /// # Errors
    /// It is not there, or is not a regular file.
    pub fn open(path: &Path) -> io::Result<Self> {
        let metadata = File::open(path)?.metadata()?;
        match metadata.is_file() {
            true => Ok(Self {
                path: path.to_owned(),
                len: metadata.len(),
            }),
            false => Err(io::Error::other("not a regular file")),
        }
    }
}

impl Payload for FilePayload {
    fn len(&self) -> u64 {
        self.len
    }

    fn open_at(&self, offset: u64) -> io::Result<Box<dyn Read + Send + '_>> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(offset))?;
        Ok(Box::new(file))
    }
}

/// A payload that tells how far it has been read, for progress bars.
pub struct Watched<P> {
    payload: P,
    furthest: Arc<AtomicU64>,
}

impl<P: Payload> Watched<P> {
    /// Watches a payload.
    pub fn new(payload: P) -> Self {
        Self {
            payload,
            furthest: Arc::default(),
        }
    }

    /// The furthest byte read so far; grows while it is read.
    #[must_use]
    pub fn furthest(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.furthest)
    }
}

impl<P: Payload> Payload for Watched<P> {
    fn len(&self) -> u64 {
        self.payload.len()
    }

    fn open_at(&self, offset: u64) -> io::Result<Box<dyn Read + Send + '_>> {
        Ok(Box::new(WatchedRead {
            inner: self.payload.open_at(offset)?,
            at: offset,
            furthest: &self.furthest,
        }))
    }
}

struct WatchedRead<'a> {
    inner: Box<dyn Read + Send + 'a>,
    at: u64,
    furthest: &'a AtomicU64,
}

impl Read for WatchedRead<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.at += count as u64;
        self.furthest.fetch_max(self.at, Ordering::Relaxed);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_from_any_byte_and_watched() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        io::Write::write_all(&mut file, b"0123456789").unwrap();
        let payload = Watched::new(FilePayload::open(file.path()).unwrap());
        assert_eq!(payload.len(), 10);
        let mut text = String::new();
        payload
            .open_at(7)
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, "789");
        payload.open_at(0).unwrap().read_exact(&mut [0; 2]).unwrap();
        assert_eq!(payload.furthest().load(Ordering::Relaxed), 10);
    }

    #[test]
    fn a_folder_is_not_a_payload() {
        let folder = tempfile::tempdir().unwrap();
        assert!(FilePayload::open(folder.path()).is_err());
        assert!(FilePayload::open(&folder.path().join("none")).is_err());
    }
}
