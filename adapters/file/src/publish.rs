//! Writing one output file: durable, whole or not at all, never over another.

use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hub_core::files::{Durable, Files};
use hub_core::{Content, Piece};
use hub_names::{OnExisting, numbered};

use crate::group_sync::GroupSync;
use crate::moving::copy;
use crate::temporary::Temporary;

/// Most numbered names tried. A folder with more of one name is one that nobody empties.
const NUMBERED_NAMES: u64 = 1_000;

/// How often one name is tried if its file is gone whenever we look at it.
const NAME_ATTEMPTS: u32 = 2;

/// Bytes compared at a time.
const COMPARE_BUFFER: usize = 64 * 1024;

/// Where files are published.
pub(crate) struct Outbox {
    pub(crate) folder: PathBuf,
    pub(crate) files: Arc<dyn Files>,
    pub(crate) sync: GroupSync,
    pub(crate) on_existing: OnExisting,
    /// Whether a file of the same name and bytes is this message, delivered by an earlier attempt.
    pub(crate) same_is_delivered: bool,
    pub(crate) done_suffix: Option<String>,
}

/// What became of a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Published {
    /// It is there now.
    New(PathBuf),
    /// It was there already, with the same bytes: an earlier attempt got that far.
    Already(PathBuf),
}

/// Why a file was not published.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotPublished {
    /// The disk, the share or the folder: other files would fail too.
    #[error("{0}")]
    Folder(io::Error),
    /// Another file has the name.
    #[error("`{0}` exists with other content, and nothing is overwritten")]
    Taken(String),
    /// Our own copy of the content is damaged.
    #[error("content is damaged: {0}")]
    Content(String),
    /// Not a possible name there.
    #[error("`{name}` is no possible file name there: {error}")]
    Name { name: String, error: io::Error },
}

impl From<io::Error> for NotPublished {
    fn from(error: io::Error) -> Self {
        Self::Folder(error)
    }
}

impl Outbox {
    /// Publishes `content` as `name`; `id` is the message's. Blocks.
    pub(crate) fn publish(
        &self,
        name: &str,
        id: &str,
        content: &Content,
    ) -> Result<Published, NotPublished> {
        let temporary = Temporary::reserve(&self.folder, id);
        let published = self
            .write(&temporary, content)
            .and_then(|()| self.give_name(temporary.path(), name, content));
        if !matches!(published, Ok(Published::New(_))) {
            let _ = self.files.remove(temporary.path());
        }
        drop(temporary);
        let published = published?;
        self.sync.sync()?;
        let (Published::New(path) | Published::Already(path)) = &published;
        self.announce(path)?;
        Ok(published)
    }

    fn write(&self, temporary: &Temporary, content: &Content) -> Result<(), NotPublished> {
        let mut file = temporary.create(self.files.as_ref())?;
        for piece in &content.0 {
            write_piece(self.files.as_ref(), piece, &mut file)?;
        }
        Ok(file.sync()?)
    }

    fn give_name(
        &self,
        temporary: &Path,
        name: &str,
        content: &Content,
    ) -> Result<Published, NotPublished> {
        let first = self.folder.join(name);
        for number in 0..=NUMBERED_NAMES {
            let path = match number {
                0 => first.clone(),
                n => numbered(&first, n),
            };
            if let Some(published) = self.take_name(temporary, path, content)? {
                return Ok(published);
            }
            if self.on_existing == OnExisting::Refuse {
                break;
            }
        }
        Err(NotPublished::Taken(name.to_owned()))
    }

    /// `None` if another file has this name.
    fn take_name(
        &self,
        temporary: &Path,
        path: PathBuf,
        content: &Content,
    ) -> Result<Option<Published>, NotPublished> {
        for _ in 0..NAME_ATTEMPTS {
            match self.files.publish(temporary, &path) {
                Ok(()) => return Ok(Some(Published::New(path))),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) if error.kind() == ErrorKind::InvalidFilename => {
                    let name = path.file_name().unwrap_or_default().to_string_lossy();
                    let name = name.into_owned();
                    return Err(NotPublished::Name { name, error });
                }
                Err(error) => return Err(error.into()),
            }
            if !self.same_is_delivered {
                return Ok(None);
            }
            match self.is_same(&path, content) {
                Ok(true) => return Ok(Some(Published::Already(path))),
                Ok(false) => return Ok(None),
                // Taken by its reader just now: the name is free again.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
        let reason = format!("`{}` comes and goes", path.display());
        Err(io::Error::new(ErrorKind::ResourceBusy, reason).into())
    }

    fn is_same(&self, path: &Path, content: &Content) -> io::Result<bool> {
        let stat = self.files.stat(path)?;
        if !stat.is_file || stat.len != content.len() {
            return Ok(false);
        }
        let mut existing = self.files.open(path)?;
        for piece in &content.0 {
            let same = match piece {
                Piece::Bytes(bytes) => same_bytes(&mut existing, &mut bytes.as_ref())?,
                Piece::File { path, len } => {
                    same_bytes(&mut existing, &mut self.files.open(path)?.take(*len))?
                }
            };
            if !same {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn announce(&self, path: &Path) -> io::Result<()> {
        let Some(suffix) = &self.done_suffix else {
            return Ok(());
        };
        let mut done = path.as_os_str().to_owned();
        done.push(suffix);
        match self.files.create(Path::new(&done)) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            other => drop(other?),
        }
        self.sync.sync()
    }
}

fn write_piece(
    files: &dyn Files,
    piece: &Piece,
    to: &mut Box<dyn Durable>,
) -> Result<(), NotPublished> {
    match piece {
        Piece::Bytes(bytes) => Ok(to.write_all(bytes)?),
        Piece::File { path, len } => {
            let mut from = files
                .open(path)
                .map_err(|error| NotPublished::Content(error.to_string()))?;
            let copied = copy(&mut from, to)?;
            match copied == *len {
                true => Ok(()),
                false => Err(NotPublished::Content(format!(
                    "`{}` has {copied} bytes, expected {len}",
                    path.display()
                ))),
            }
        }
    }
}

/// Whether `existing` goes on with all of `expected`.
fn same_bytes(existing: &mut dyn Read, expected: &mut dyn Read) -> io::Result<bool> {
    let mut wanted = vec![0; COMPARE_BUFFER];
    let mut found = vec![0; COMPARE_BUFFER];
    loop {
        let count = expected.read(&mut wanted)?;
        if count == 0 {
            return Ok(true);
        }
        match existing.read_exact(&mut found[..count]) {
            Ok(()) if found[..count] == wanted[..count] => {}
            Ok(()) => return Ok(false),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(false),
            Err(error) => return Err(error),
        }
    }
}
