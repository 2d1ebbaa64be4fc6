//! Taking a file: a small one at once, a large one as a stream that never holds all of it.

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

/// Bytes read at a time: libssh2 asks ahead for four times as many.
const READ_BYTES: usize = 256 * 1024;

/// Pieces that wait for the hub. With [`READ_BYTES`] this bounds the memory of a download.
const PIECES_AHEAD: usize = 2;

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
    let (mut file, stat) = match open(session, path, candidate) {
        Ok(opened) => opened,
        Err(not_taken) => return drop(reply.send(Err(not_taken))),
    };
    if stat.len <= SMALL_BYTES {
        let body = read_whole(&mut file, path, stat.len).map(Body::Bytes);
        return drop(reply.send(body.map(|body| Opened { stat, body })));
    }
    let (pieces, incoming) = mpsc::channel(PIECES_AHEAD);
    let download = Download {
        incoming,
        current: Bytes::new(),
        ended: false,
    };
    let body = Body::Stream(Box::pin(download));
    if reply.send(Ok(Opened { stat, body })).is_ok() {
        let pumped = pump(&mut file, path, stat.len, &pieces)
            // To libssh2 a server that hangs up in good order is the end of the file.
            .or_else(|failure| session.probe().and(Err(failure)));
        let last = match pumped {
            Ok(()) => Piece::End,
            Err(failure) => Piece::Failed(failure),
        };
        // Nobody reads any more: nobody to tell.
        let _ = pieces.blocking_send(last);
    }
}

fn open<'a>(
    session: &'a Session,
    path: &Path,
    candidate: &Candidate,
) -> Result<(RemoteFile<'a>, Stat), NotTaken> {
    let listed = session.lstat(path)?;
    if !matches!(listed.kind, Kind::File | Kind::Unknown) {
        return Err(NotTaken::NotAFile);
    }
    let mut file = session.open(path)?;
    let stat = file.stat()?;
    // Of the open file: between the look and the opening another may have taken the name.
    let same = (stat.len, stat.modified) == (listed.len, listed.modified);
    let rested = candidate
        .unchanged
        .is_none_or(|unchanged| unchanged == (stat.len, stat.modified));
    match same && rested {
        true => Ok((file, stat)),
        false => Err(NotTaken::Changed),
    }
}

fn read_whole(file: &mut RemoteFile<'_>, path: &Path, len: u64) -> Result<Bytes, NotTaken> {
    let expected = usize::try_from(len).unwrap_or_default();
    // One more, to see whether it grew.
    let mut bytes = vec![0; expected + 1];
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read(&mut bytes[filled..])? {
            0 => break,
            count => filled += count,
        }
    }
    if filled != expected {
        tracing::debug!(file = %path.display(), "file changed while it was read");
        return Err(NotTaken::Changed);
    }
    bytes.truncate(expected);
    Ok(bytes.into())
}

fn pump(
    file: &mut RemoteFile<'_>,
    path: &Path,
    len: u64,
    pieces: &mpsc::Sender<Piece>,
) -> Result<(), Failure> {
    let mut total = 0;
    loop {
        let mut bytes = vec![0; READ_BYTES];
        let count = file.read(&mut bytes)?;
        if count == 0 {
            break;
        }
        total += count as u64;
        bytes.truncate(count);
        let sent = pieces.blocking_send(Piece::Bytes(bytes.into()));
        sent.map_err(|_| Failure::Cancelled)?;
    }
    match total == len {
        true => Ok(()),
        false => {
            let status = format!("had {len} bytes, and {total} when it was read");
            Err(Failure::file(path, Status::Other(status)))
        }
    }
}

enum Piece {
    Bytes(Bytes),
    /// All of it was read, and it has the size it had.
    End,
    Failed(Failure),
}

/// The bytes of a file as they come. Ends well only if the whole file came.
struct Download {
    incoming: mpsc::Receiver<Piece>,
    current: Bytes,
    ended: bool,
}

impl AsyncRead for Download {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.current.is_empty() && !self.ended {
            match self.incoming.poll_recv(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Piece::Bytes(bytes))) => self.current = bytes,
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
        let count = self.current.len().min(buf.remaining());
        buf.put_slice(&self.current.split_to(count));
        Poll::Ready(Ok(()))
    }
}
