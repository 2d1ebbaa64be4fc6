//! Taking a file: a small one at once, a large one as a stream that never holds all of it.
//!
//! What takes time with small files is to ask and to wait. A small one costs four questions: open,
//! read, look, close. What it was like before is known from the listing; that it is still so, and has
//! no more bytes than were read, the look at the open file says, once it is read.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hub_core::Body;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::{mpsc, oneshot};

use crate::failure::{Failure, Status};
use crate::listing::Candidate;
use crate::pool::Pool;
use crate::remote_file::RemoteFile;
use crate::session::{Kind, Session, Stat};

/// Files up to this many bytes are read before they are offered.
const SMALL_BYTES: u64 = 256 * 1024;

/// Most bytes read at a time: libssh2 asks ahead for four times as many. It returns what has come,
/// which may be much less.
const READ_BYTES: usize = 256 * 1024;

/// Bytes of a piece. Room for several reads, so that what is handed over is worth the hand.
const PIECE_BYTES: usize = 2 * READ_BYTES;

/// Pieces that wait for the hub, while it writes others. With [`PIECE_BYTES`] this bounds the memory of
/// a download; too few, and the server waits while the hub writes.
const PIECES_AHEAD: usize = 4;

/// An opened file.
pub(crate) struct Opened {
    pub(crate) stat: Stat,
    pub(crate) body: Body,
}

/// Why a file was not taken.
#[derive(Debug)]
pub(crate) enum NotTaken {
    /// Gone: its owner took it back, or another was faster.
    Gone,
    /// It changed since it was listed.
    Changed,
    /// A folder, link, pipe or device.
    NotAFile,
    /// The server refuses, or the connection is lost.
    Failed(Failure),
}

impl From<Failure> for NotTaken {
    fn from(failure: Failure) -> Self {
        match failure.is_not_found() {
            true => Self::Gone,
            false => Self::Failed(failure),
        }
    }
}

/// Opens a file. The body of a large one keeps a session busy until it is read or dropped.
pub(crate) async fn take(
    pool: &Pool,
    path: std::path::PathBuf,
    candidate: Candidate,
) -> Result<Opened, NotTaken> {
    let (reply, answer) = oneshot::channel();
    pool.submit(Box::new(move |session| match session {
        Ok(session) if !reply.is_closed() => offer(session, &path, &candidate, reply),
        Ok(_) => {}
        Err(failure) => drop(reply.send(Err(failure.into()))),
    }));
    let ended = |_| Err(Failure::Connection("the session's thread ended".into()).into());
    answer.await.unwrap_or_else(ended)
}

type Reply = oneshot::Sender<Result<Opened, NotTaken>>;

fn offer(session: &Session, path: &Path, candidate: &Candidate, reply: Reply) {
    let (mut file, stat) = match begin(session, path, candidate) {
        Ok(Taken::Whole(stat, bytes)) => {
            let body = Body::Bytes(bytes);
            return drop(reply.send(Ok(Opened { stat, body })));
        }
        Ok(Taken::Begun(stat, file)) => (file, stat),
        Err(not_taken) => return drop(reply.send(Err(not_taken))),
    };
    let (pieces, download) = download();
    let body = Body::Stream(Box::pin(download));
    if reply.send(Ok(Opened { stat, body })).is_ok() {
        let pumped = pump(&mut file, path, stat, &pieces)
            // To libssh2 a server that hangs up in good order is the end of the file.
            .or_else(|failure| session.probe().and(Err(failure)));
        let last = match pumped {
            Ok(()) => Piece::End,
            Err(failure) => Piece::Failed(failure),
        };
        // Nobody reads any more: nobody to tell.
        let _ = pieces.ready.blocking_send(last);
    }
}

/// A file that is what it should be.
enum Taken<'a> {
    /// A small one, read and closed.
    Whole(Stat, Bytes),
    /// A large one, to be read.
    Begun(Stat, RemoteFile<'a>),
}

fn begin<'a>(
    session: &'a Session,
    path: &Path,
    candidate: &Candidate,
) -> Result<Taken<'a>, NotTaken> {
    if let Some(listed) = candidate.listed {
        match begin_as(session, path, listed) {
            // It may be another by now, and as complete; or the server's listings are not exact.
            Err(NotTaken::Changed) => {}
            begun => return begun,
        }
    }
    let looked = session.lstat(path)?;
    let now = (looked.len, looked.modified);
    if !may_be_taken(looked.kind) {
        return Err(NotTaken::NotAFile);
    }
    match candidate.unchanged {
        Some(unchanged) if unchanged != now => Err(NotTaken::Changed),
        _ => begin_as(session, path, now),
    }
}

/// Opens a file that should have this size and time, and reads it if it is small.
fn begin_as<'a>(
    session: &'a Session,
    path: &Path,
    expected: (u64, u64),
) -> Result<Taken<'a>, NotTaken> {
    let mut file = session.open(path)?;
    let whole = match expected.0 <= SMALL_BYTES {
        true => Some(read_whole(&mut file, path, expected.0)?),
        false => None,
    };
    // Of the open file: another may have taken the name. And after it was read: it may have grown.
    let stat = file.stat()?;
    if !may_be_taken(stat.kind) {
        return Err(NotTaken::NotAFile);
    }
    if (stat.len, stat.modified) != expected {
        return Err(NotTaken::Changed);
    }
    Ok(match whole {
        Some(bytes) => Taken::Whole(stat, bytes),
        None => Taken::Begun(stat, file),
    })
}

fn may_be_taken(kind: Kind) -> bool {
    matches!(kind, Kind::File | Kind::Unknown)
}

fn read_whole(file: &mut RemoteFile<'_>, path: &Path, len: u64) -> Result<Bytes, NotTaken> {
    let mut bytes = vec![0; usize::try_from(len).unwrap_or_default()];
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read(&mut bytes[filled..])? {
            0 => {
                tracing::debug!(file = %path.display(), "file changed before it was read");
                return Err(NotTaken::Changed);
            }
            count => filled += count,
        }
    }
    Ok(bytes.into())
}

/// Reads as much as the file has, and looks whether it is still so.
fn pump(
    file: &mut RemoteFile<'_>,
    path: &Path,
    stat: Stat,
    pieces: &Pieces,
) -> Result<(), Failure> {
    let mut total = 0;
    while total < stat.len {
        let mut piece = pieces.empty();
        while total < stat.len
            && let Some(room) = piece.room()
        {
            let count = file.read(room)?;
            if count == 0 {
                let len = stat.len;
                let status = format!("had {len} bytes, and {total} when it was read");
                return Err(Failure::file(path, Status::Other(status)));
            }
            piece.filled += count;
            total += count as u64;
        }
        let sent = pieces.ready.blocking_send(Piece::Bytes(piece));
        sent.map_err(|_| Failure::Cancelled)?;
    }
    let now = file.stat()?;
    match total == stat.len && (now.len, now.modified) == (stat.len, stat.modified) {
        true => Ok(()),
        false => {
            let status = "was written to while it was read".to_owned();
            Err(Failure::file(path, Status::Other(status)))
        }
    }
}

/// Bytes that go from the server to the hub, and their room back again: new room would have to be
/// zeroed each time.
struct Filled {
    /// [`PIECE_BYTES`].
    bytes: Vec<u8>,
    /// So many of them, from the first on, are of the file.
    filled: usize,
    /// Those before it are with the hub.
    read: usize,
}

impl Filled {
    /// Room for a whole read; `None`: it is full enough.
    fn room(&mut self) -> Option<&mut [u8]> {
        let end = self.filled + READ_BYTES;
        self.bytes.get_mut(self.filled..end)
    }

    fn rest(&self) -> &[u8] {
        self.bytes.get(self.read..self.filled).unwrap_or_default()
    }
}

enum Piece {
    Bytes(Filled),
    /// All of it was read, and it has the size it had.
    End,
    Failed(Failure),
}

/// The session's end of a download.
struct Pieces {
    ready: mpsc::Sender<Piece>,
    spent: std::sync::mpsc::Receiver<Vec<u8>>,
}

impl Pieces {
    fn empty(&self) -> Filled {
        let spent = self.spent.try_recv();
        Filled {
            bytes: spent.unwrap_or_else(|_| vec![0; PIECE_BYTES]),
            filled: 0,
            read: 0,
        }
    }
}

/// The bytes of a file as they come. Ends well only if the whole file came.
struct Download {
    incoming: mpsc::Receiver<Piece>,
    current: Option<Filled>,
    spent: std::sync::mpsc::Sender<Vec<u8>>,
    ended: bool,
}

fn download() -> (Pieces, Download) {
    let (ready, incoming) = mpsc::channel(PIECES_AHEAD);
    let (give_back, spent) = std::sync::mpsc::channel();
    let download = Download {
        incoming,
        current: None,
        spent: give_back,
        ended: false,
    };
    (Pieces { ready, spent }, download)
}

impl AsyncRead for Download {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.ended {
            if let Some(piece) = &mut self.current {
                let rest = piece.rest();
                let count = rest.len().min(buf.remaining());
                buf.put_slice(&rest[..count]);
                piece.read += count;
                if piece.rest().is_empty()
                    && let Some(piece) = self.current.take()
                {
                    // Nobody reads from the server any more: no more room is needed.
                    let _ = self.spent.send(piece.bytes);
                }
                return Poll::Ready(Ok(()));
            }
            match self.incoming.poll_recv(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Piece::Bytes(piece))) => self.current = Some(piece),
                Poll::Ready(Some(Piece::End)) => self.ended = true,
                Poll::Ready(Some(Piece::Failed(failure))) => {
                    return Poll::Ready(Err(io::Error::other(failure)));
                }
                Poll::Ready(None) => {
                    let cut = "the download was cut off";
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, cut)));
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}
