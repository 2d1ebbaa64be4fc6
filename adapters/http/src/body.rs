//! The body of a posted message: small ones in memory, large ones as a stream, never larger than
//! allowed and never waiting for a sender that has gone quiet.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::BodyDataStream;
use axum::http::StatusCode;
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt, stream};
use hub_core::Body;
use tokio::time::Sleep;
use tokio_util::io::StreamReader;

use crate::gunzip::Gunzip;
use crate::problem::Problem;

/// Largest body that is taken into memory. With `max_in_flight` it bounds the memory of a source:
/// 512 of them make 32 MiB.
const LARGEST_IN_MEMORY: usize = 64 * 1024;

/// Why a body is not to be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Larger than the source allows.
    TooLarge { limit: u64 },
    /// The sender stopped before the end.
    Broken(String),
    /// The sender went quiet.
    Quiet { seconds: u64 },
    /// Not gzip, cut off, or a bomb.
    Gzip(String),
}

impl Trouble {
    pub(crate) fn problem(&self) -> Problem {
        match self {
            Self::TooLarge { limit } => Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too-large",
                "The message is too large",
                format!("at most {limit} bytes are accepted, after decompression"),
            ),
            Self::Broken(reason) => Problem::new(
                StatusCode::BAD_REQUEST,
                "incomplete",
                "The message is not complete",
                format!("the body ended before its end ({reason}); nothing was accepted"),
            ),
            Self::Quiet { seconds } => Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                "quiet",
                "The body stopped coming",
                format!("nothing came for {seconds} seconds; nothing was accepted, send it again"),
            ),
            Self::Gzip(reason) => Problem::new(
                StatusCode::BAD_REQUEST,
                "bad-gzip",
                "The body is not valid gzip",
                format!("{reason}; send a whole gzip stream, or no `Content-Encoding`"),
            ),
        }
    }
}

impl From<Trouble> for io::Error {
    fn from(trouble: Trouble) -> Self {
        Self::new(io::ErrorKind::UnexpectedEof, format!("{trouble:?}"))
    }
}

/// How far a streamed body got, for the request that waits for its settlement.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    bytes: AtomicU64,
    trouble: OnceLock<Trouble>,
}

impl Progress {
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn trouble(&self) -> Option<&Trouble> {
        self.trouble.get()
    }
}

/// What bounds a body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) limit: u64,
    pub(crate) idle: Duration,
}

/// A body, and its progress if it is still coming.
pub(crate) async fn intake(
    data: BodyDataStream,
    gzip: bool,
    bounds: Bounds,
) -> Result<(Body, Option<Arc<Progress>>), Trouble> {
    let mut chunks = Chunks::new(data, gzip, bounds);
    let Some(first) = chunks.next().await.transpose()? else {
        return Ok((Body::Bytes(Bytes::new()), None));
    };
    let mut head = vec![first];
    let mut size = head[0].len();
    while size <= LARGEST_IN_MEMORY {
        match chunks.next().await.transpose()? {
            Some(chunk) => {
                size += chunk.len();
                head.push(chunk);
            }
            None => return Ok((Body::Bytes(join(head)), None)),
        }
    }
    let progress = chunks.progress.clone();
    let all = stream::iter(head.into_iter().map(Ok)).chain(chunks);
    let body = Body::Stream(Box::pin(StreamReader::new(all.map(io_error))));
    Ok((body, Some(progress)))
}

fn io_error(chunk: Result<Bytes, Trouble>) -> io::Result<Bytes> {
    chunk.map_err(io::Error::from)
}

fn join(mut chunks: Vec<Bytes>) -> Bytes {
    match chunks.len() {
        1 => chunks.remove(0),
        _ => {
            let mut whole = BytesMut::with_capacity(chunks.iter().map(Bytes::len).sum());
            for chunk in chunks {
                whole.extend_from_slice(&chunk);
            }
            whole.freeze()
        }
    }
}

/// The chunks of a body as they come, counted, timed and decompressed.
struct Chunks {
    data: BodyDataStream,
    gunzip: Option<Gunzip>,
    bounds: Bounds,
    /// Runs while we wait for the sender.
    quiet: Option<Pin<Box<Sleep>>>,
    received: u64,
    ended: bool,
    progress: Arc<Progress>,
}

impl Chunks {
    fn new(data: BodyDataStream, gzip: bool, bounds: Bounds) -> Self {
        Self {
            data,
            gunzip: gzip.then(|| Gunzip::new(bounds.limit)),
            bounds,
            quiet: None,
            received: 0,
            ended: false,
            progress: Arc::default(),
        }
    }

    fn chunk(&mut self, bytes: Bytes) -> Result<Bytes, Trouble> {
        self.received += bytes.len() as u64;
        self.progress.bytes.store(self.received, Ordering::Relaxed);
        if self.received > self.bounds.limit {
            let limit = self.bounds.limit;
            return Err(Trouble::TooLarge { limit });
        }
        match &mut self.gunzip {
            Some(gunzip) => gunzip.push(&bytes),
            None => Ok(bytes),
        }
    }

    fn end(&mut self) -> Result<Bytes, Trouble> {
        self.ended = true;
        match &mut self.gunzip {
            Some(gunzip) => gunzip.finish(),
            None => Ok(Bytes::new()),
        }
    }

    fn poll_quiet(&mut self, cx: &mut Context<'_>) -> Poll<Trouble> {
        let idle = self.bounds.idle;
        let sleep = self
            .quiet
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(idle)));
        sleep.as_mut().poll(cx).map(|()| Trouble::Quiet {
            seconds: idle.as_secs(),
        })
    }
}

impl Stream for Chunks {
    type Item = Result<Bytes, Trouble>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if self.ended {
                return Poll::Ready(None);
            }
            let result = match self.data.poll_next_unpin(cx) {
                Poll::Ready(Some(Ok(bytes))) => self.chunk(bytes),
                Poll::Ready(Some(Err(error))) => Err(Trouble::Broken(error.to_string())),
                Poll::Ready(None) => self.end(),
                Poll::Pending => match self.poll_quiet(cx) {
                    Poll::Ready(trouble) => Err(trouble),
                    Poll::Pending => return Poll::Pending,
                },
            };
            self.quiet = None;
            match result {
                // Nothing decompressed yet, or nothing left.
                Ok(bytes) if bytes.is_empty() => {}
                Ok(bytes) => return Poll::Ready(Some(Ok(bytes))),
                Err(trouble) => {
                    self.ended = true;
                    let _ = self.progress.trouble.set(trouble.clone());
                    return Poll::Ready(Some(Err(trouble)));
                }
            }
        }
    }
}
