//! The file system calls that matter for durability, behind a seam so that tests can fill the
//! disk, tear a write or lie about a size.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use hub_model::Instant;

/// A file being written.
pub trait Durable: Write + Send {
    /// Returns once the bytes are on disk.
    ///
    /// # Errors
    /// They may not be.
    fn sync(&mut self) -> io::Result<()>;
}

/// What a listing says of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// Length in bytes.
    pub len: u64,
    /// Last modification.
    pub modified: Instant,
    /// Whether it is a folder.
    pub is_dir: bool,
    /// Whether it is a regular file (not a link, pipe or device).
    pub is_file: bool,
}

/// File system calls. Blocking: call them off the async threads.
pub trait Files: Send + Sync {
    /// Creates a file that must not exist.
    ///
    /// # Errors
    /// It exists, or the disk refuses.
    fn create(&self, path: &Path) -> io::Result<Box<dyn Durable>>;

    /// Opens a file for reading.
    ///
    /// # Errors
    /// As the file system says.
    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>>;

    /// Makes sure that the bytes of an existing file are on disk.
    ///
    /// # Errors
    /// They may not be.
    fn sync(&self, path: &Path) -> io::Result<()>;

    /// Makes sure that the names in a folder are on disk.
    ///
    /// # Errors
    /// They may not be.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// Renames within one file system, replacing what is there.
    ///
    /// # Errors
    /// As the file system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Renames within one file system, never replacing anything.
    ///
    /// # Errors
    /// `AlreadyExists` if `to` is taken.
    fn publish(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Gives a file a second name on the same file system, never replacing anything.
    ///
    /// # Errors
    /// `AlreadyExists`; `CrossesDevices` or `Unsupported` where links cannot be made.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// As the file system says.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes a folder and those above it.
    ///
    /// # Errors
    /// As the file system says.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;

    /// Length, time and kind of a file; links are not followed.
    ///
    /// # Errors
    /// As the file system says.
    fn stat(&self, path: &Path) -> io::Result<Stat>;

    /// Names in a folder, in no order.
    ///
    /// # Errors
    /// As the file system says.
    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>>;
}

/// The machine's file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsFiles;

impl Durable for fs::File {
    fn sync(&mut self) -> io::Result<()> {
        self.sync_all()
    }
}

impl Files for OsFiles {
    fn create(&self, path: &Path) -> io::Result<Box<dyn Durable>> {
        Ok(Box::new(
            fs::File::options()
                .write(true)
                .create_new(true)
                .open(path)?,
        ))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(fs::File::open(path)?))
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        fs::File::open(path)?.sync_all()
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        fs::File::open(path)?.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn publish(&self, from: &Path, to: &Path) -> io::Result<()> {
        match fs::hard_link(from, to) {
            Ok(()) => fs::remove_file(from),
            Err(error) if has_no_links(&error) => rename_reserved(from, to),
            Err(error) => Err(error),
        }
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        let metadata = fs::symlink_metadata(path)?;
        let modified = metadata
            .modified()?
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        Ok(Stat {
            len: metadata.len(),
            modified: Instant::from_micros(i64::try_from(modified.as_micros()).unwrap_or(i64::MAX)),
            is_dir: metadata.is_dir(),
            is_file: metadata.is_file(),
        })
    }

    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect()
    }
}

/// Whether the file system cannot make hard links at all (FAT, some network shares).
fn has_no_links(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied
    )
}

/// Reserves the new name with an empty file, then takes it over by renaming.
fn rename_reserved(from: &Path, to: &Path) -> io::Result<()> {
    fs::File::options().write(true).create_new(true).open(to)?;
    fs::rename(from, to).inspect_err(|_| {
        // The reservation is ours and empty.
        let _ = fs::remove_file(to);
    })
}

/// Writes a whole file durably: its own bytes and its name are on disk when this returns, and a
/// crash leaves either nothing or all of it. Never replaces a file.
///
/// # Errors
/// `AlreadyExists`, or the disk refuses; nothing is left under `path` then.
pub fn write_new(files: &dyn Files, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".part");
    let partial = folder.join(name);
    let written = files.create(&partial).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync()
    });
    let published = written.and_then(|()| files.publish(&partial, path));
    if published.is_err() {
        let _ = files.remove(&partial);
    }
    published?;
    files.sync_dir(folder)
}
