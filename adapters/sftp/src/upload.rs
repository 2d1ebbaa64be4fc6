//! Writing one file on the server: whole or not at all, never over another.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hub_core::Content;
use hub_core::files::Files;
use hub_names::{OnExisting, numbered};

use crate::failure::{Failure, Status};
use crate::pieces::Pieces;
use crate::pool::Wanted;
use crate::remote_file::RemoteFile;
use crate::session::{Kind, Session};

/// Bytes handed to libssh2 at a time. It sends ahead within one call only, so this is what may be
/// on its way over a slow link; and the most that a refused upload sends for nothing.
const WRITE_BYTES: usize = 1024 * 1024;

/// Smallest part of a file that is worth resuming. Anything smaller is sent again.
const WORTH_RESUMING: u64 = 8 * 1024 * 1024;

/// Bytes before the break that are sent again: a server may not have written them in order.
const RESUME_OVERLAP: u64 = 4 * 1024 * 1024;

/// Most numbered names tried. A folder with more of one name is one that nobody empties.
const NUMBERED_NAMES: u64 = 1_000;

/// What attempts of this process write at the moment, by server and name. An attempt that was
/// given up may still write; message ids keep other processes apart.
static IN_USE: Mutex<BTreeSet<(String, PathBuf)>> = Mutex::new(BTreeSet::new());

/// Where files are put.
pub(crate) struct Outbox {
    /// Names the server in [`IN_USE`].
    pub(crate) server: String,
    /// Absolute, or relative to the login's folder.
    pub(crate) folder: PathBuf,
    pub(crate) create_folder: bool,
    pub(crate) files: Arc<dyn Files>,
    pub(crate) on_existing: OnExisting,
    /// Whether the name holds the message's id, so that a file of that name is this message.
    pub(crate) is_unique: bool,
    pub(crate) done_suffix: Option<String>,
}

/// One message as a file.
pub(crate) struct Upload {
    pub(crate) name: String,
    /// The message's id: an unfinished file with it in its name is ours to resume.
    pub(crate) id: String,
    pub(crate) content: Content,
    /// Whether an earlier attempt may have got as far as the name.
    pub(crate) is_retry: bool,
}

/// What became of a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Put {
    /// It is there now.
    New(PathBuf),
    /// It was there already: an earlier attempt got that far.
    Already(PathBuf),
}

/// Why a file was not put.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotPut {
    /// The connection, or what the server says.
    #[error("{0}")]
    Server(#[from] Failure),
    /// Another file has the name.
    #[error("`{0}` exists with other content, and nothing is overwritten")]
    Taken(String),
    /// Our own copy of the content is damaged.
    #[error("content is damaged: {0}")]
    Content(String),
    /// An attempt that was given up has not noticed yet.
    #[error("an earlier attempt has not ended yet")]
    StillRunning,
}

impl Outbox {
    /// Puts a file. Blocks.
    pub(crate) fn put(
        &self,
        session: &Session,
        wanted: &Wanted,
        upload: &Upload,
    ) -> Result<Put, NotPut> {
        let temporary = self.folder.join(format!(".{}.part", upload.id));
        let _reserved = Reserved::take(&self.server, &temporary)?;
        if upload.is_retry
            && let Some(path) = self.is_there(session, upload)?
        {
            let _ = session.remove(&temporary);
            return self.announced(session, Put::Already(path));
        }
        self.write(session, wanted, upload, &temporary)?;
        let put = self.give_name(session, upload, &temporary);
        if !matches!(put, Ok(Put::New(_)) | Err(NotPut::Server(_))) {
            // Of no use any more. What a lost connection left is resumed or written over.
            let _ = session.remove(&temporary);
        }
        self.announced(session, put?)
    }

    /// The name under which an earlier attempt has put this very file.
    fn is_there(&self, session: &Session, upload: &Upload) -> Result<Option<PathBuf>, NotPut> {
        let path = self.folder.join(&upload.name);
        let same = self.same_is_delivered() && self.is_same(session, &path, upload)?;
        Ok(same.then_some(path))
    }

    /// A numbered name that is not the message's own may hold another message's equal bytes.
    fn same_is_delivered(&self) -> bool {
        self.is_unique || self.on_existing == OnExisting::Refuse
    }

    fn write(
        &self,
        session: &Session,
        wanted: &Wanted,
        upload: &Upload,
        temporary: &Path,
    ) -> Result<(), NotPut> {
        let len = upload.content.len();
        let from = self.resume_at(session, temporary, len)?;
        let mut pieces = Pieces::new(&upload.content, self.files.as_ref());
        let mut file = match from {
            0 => self.create(session, temporary)?,
            from => {
                tracing::info!(file = %temporary.display(), bytes_there = from, "upload is resumed");
                skip(&mut pieces, from)?;
                let mut file = session.open_own(temporary)?;
                file.begin_at(from)?;
                file
            }
        };
        let written = from + send(&mut pieces, &mut file, wanted)?;
        if written != len {
            let problem = format!("{written} bytes, expected {len}");
            return Err(NotPut::Content(problem));
        }
        file.sync()?;
        let there = file.stat()?.len;
        file.close()?;
        match there == len {
            true => Ok(()),
            false => {
                // Not what we wrote: the next attempt begins anew.
                session.remove(temporary)?;
                let status = Status::Other(format!("has {there} bytes, and {len} were sent"));
                Err(Failure::file(temporary, status).into())
            }
        }
    }

    /// A new temporary file, in the place of what a broken attempt left. That is removed, not cut
    /// to nothing: a server that was stalled may do now what that attempt had asked for, and must
    /// not do it to this file.
    fn create<'a>(
        &self,
        session: &'a Session,
        temporary: &Path,
    ) -> Result<RemoteFile<'a>, Failure> {
        match session.create_new(temporary) {
            Err(error) if error.is_not_found() && self.create_folder => {
                session.make_folders(&self.folder)?;
                session.create_new(temporary)
            }
            // "Failure" is what OpenSSH says if it is there.
            Err(error) if error.is_answer() && session.lstat(temporary).is_ok() => {
                session.remove(temporary)?;
                session.create_new(temporary)
            }
            other => other,
        }
    }

    /// How much of an unfinished file can stay. The name has our message's id, so it is ours.
    fn resume_at(&self, session: &Session, temporary: &Path, len: u64) -> Result<u64, Failure> {
        if len < WORTH_RESUMING {
            return Ok(0);
        }
        match session.lstat(temporary) {
            Ok(stat) if stat.kind == Kind::File && (WORTH_RESUMING..=len).contains(&stat.len) => {
                Ok(stat.len - RESUME_OVERLAP)
            }
            Ok(_) => Ok(0),
            Err(error) if error.is_not_found() => Ok(0),
            Err(error) => Err(error),
        }
    }

    fn give_name(
        &self,
        session: &Session,
        upload: &Upload,
        temporary: &Path,
    ) -> Result<Put, NotPut> {
        let first = self.folder.join(&upload.name);
        for number in 0..=NUMBERED_NAMES {
            let path = match number {
                0 => first.clone(),
                n => numbered(&first, n),
            };
            match session.rename_new(temporary, &path) {
                Ok(()) => return Ok(Put::New(path)),
                Err(error) if error.is_taken() => {}
                Err(error) => return Err(error.into()),
            }
            if self.same_is_delivered() && self.is_same(session, &path, upload)? {
                return Ok(Put::Already(path));
            }
            if self.on_existing == OnExisting::Refuse {
                break;
            }
        }
        Err(NotPut::Taken(upload.name.clone()))
    }

    fn is_same(&self, session: &Session, path: &Path, upload: &Upload) -> Result<bool, NotPut> {
        let stat = match session.lstat(path) {
            Err(error) if error.is_not_found() => return Ok(false),
            other => other?,
        };
        if stat.len != upload.content.len() || matches!(stat.kind, Kind::Folder | Kind::Other) {
            return Ok(false);
        }
        // It only ever gets the name with the message's id when it is complete.
        if self.is_unique {
            return Ok(true);
        }
        let mut there = session.open(path)?;
        let mut ours = Pieces::new(&upload.content, self.files.as_ref());
        same_bytes(&mut there, &mut ours)
    }

    fn announced(&self, session: &Session, put: Put) -> Result<Put, NotPut> {
        let Some(suffix) = &self.done_suffix else {
            return Ok(put);
        };
        let (Put::New(path) | Put::Already(path)) = &put;
        let mut done = path.as_os_str().to_owned();
        done.push(suffix);
        let done = Path::new(&done);
        match session.create_new(done) {
            Ok(file) => file.close()?,
            // "Failure" is what OpenSSH says if it is there.
            Err(error) if error.is_answer() && session.lstat(done).is_ok() => {}
            Err(error) => return Err(error.into()),
        }
        Ok(put)
    }
}

/// Sends what is left of the content. Returns how many bytes that was.
fn send(
    pieces: &mut Pieces<'_>,
    file: &mut RemoteFile<'_>,
    wanted: &Wanted,
) -> Result<u64, NotPut> {
    let mut buffer = vec![0; WRITE_BYTES];
    let mut total = 0;
    loop {
        wanted.check()?;
        let count = fill(pieces, &mut buffer)?;
        if count == 0 {
            return Ok(total);
        }
        file.write_all(&buffer[..count])?;
        total += count as u64;
    }
}

fn fill(pieces: &mut Pieces<'_>, buffer: &mut [u8]) -> Result<usize, NotPut> {
    let mut filled = 0;
    while filled < buffer.len() {
        match pieces.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(NotPut::Content(error.to_string())),
        }
    }
    Ok(filled)
}

fn skip(pieces: &mut Pieces<'_>, bytes: u64) -> Result<(), NotPut> {
    let skipped = io::copy(&mut pieces.take(bytes), &mut io::sink());
    match skipped {
        Ok(count) if count == bytes => Ok(()),
        Ok(count) => Err(NotPut::Content(format!("ends after {count} bytes"))),
        Err(error) => Err(NotPut::Content(error.to_string())),
    }
}

fn same_bytes(there: &mut RemoteFile<'_>, ours: &mut Pieces<'_>) -> Result<bool, NotPut> {
    let mut theirs = vec![0; WRITE_BYTES];
    let mut buffer = vec![0; WRITE_BYTES];
    loop {
        let count = there.read(&mut theirs)?;
        let same = fill(ours, &mut buffer[..count.max(1)])?;
        if same != count || theirs[..count] != buffer[..count] {
            return Ok(false);
        }
        if count == 0 {
            return Ok(true);
        }
    }
}

/// A temporary name that is this attempt's alone until it is dropped.
struct Reserved((String, PathBuf));

impl Reserved {
    fn take(server: &str, path: &Path) -> Result<Self, NotPut> {
        let name = (server.to_owned(), path.to_owned());
        match in_use().insert(name.clone()) {
            true => Ok(Self(name)),
            false => Err(NotPut::StillRunning),
        }
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        in_use().remove(&self.0);
    }
}

fn in_use() -> MutexGuard<'static, BTreeSet<(String, PathBuf)>> {
    IN_USE.lock().unwrap_or_else(PoisonError::into_inner)
}
