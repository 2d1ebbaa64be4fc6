//! The body of a request: small ones in memory, large ones as a stream, never larger than
//! allowed and never waiting for a sender that has gone quiet.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::BodyDataStream;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt, stream};
use hub_core::Body;
use tokio::io::AsyncRead;
use tokio::time::{Instant, Sleep};
use tokio_util::io::StreamReader;

use super::gunzip::Gunzip;
use crate::problem::Problem;

/// Largest body that is taken into memory. With `max_in_flight` it bounds the memory of a source:
/// 512 of them make 32 MiB.
const LARGEST_IN_MEMORY: usize = 64 * 1024;

/// A sender that is slower than this for long is as good as quiet: it holds one of the source's places
/// for nothing.
const SLOWEST_BYTES_PER_SECOND: u32 = 256;

/// Why a body is not to be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
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
    pub(super) fn problem(&self) -> Problem {
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
                format!(
                    "for {seconds} seconds nothing came, or less than {SLOWEST_BYTES_PER_SECOND} bytes \
                     a second; nothing was accepted, send it again"
                ),
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

/// How far a body got, for the request that waits for its settlement.
#[derive(Debug, Default)]
pub(super) struct Progress {
    bytes: AtomicU64,
    complete: AtomicBool,
    trouble: OnceLock<Trouble>,
}

impl Progress {
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Whether all of it has come.
    pub(super) fn is_complete(&self) -> bool {
        self.complete.load(Ordering::Relaxed)
    }

    pub(super) fn trouble(&self) -> Option<&Trouble> {
        self.trouble.get()
    }
}

/// What bounds a body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) limit: u64,
    pub(super) idle: Duration,
}

/// The body of a request. Nothing is read before it is asked for; what is read is bounded, timed and
/// decompressed.
pub struct PostedBody {
    head: Vec<Bytes>,
    head_bytes: usize,
    rest: Chunks,
}

impl PostedBody {
    pub(super) fn new(data: BodyDataStream, gzip: bool, bounds: Bounds) -> Self {
        Self {
            head: Vec::new(),
            head_bytes: 0,
            rest: Chunks::new(data, gzip, bounds),
        }
    }

    pub(super) fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.rest.progress)
    }

    /// The first `bytes` bytes, or all if there are fewer. They stay a part of the body.
    ///
    /// # Errors
    /// The body is too large, cut off, silent, or no gzip.
    pub async fn head(&mut self, bytes: usize) -> Result<Bytes, Problem> {
        self.read_beyond(bytes.saturating_sub(1))
            .await
            .map_err(|trouble| trouble.problem())?;
        let head = join(std::mem::take(&mut self.head));
        self.head = vec![head.clone()];
        Ok(head.slice(..bytes.min(head.len())))
    }

    /// The whole body, if it has at most `limit` bytes.
    ///
    /// # Errors
    /// The body is too large, cut off, silent, or no gzip.
    pub async fn whole(mut self, limit: usize) -> Result<Bytes, Problem> {
        let is_all = self.read_beyond(limit).await;
        match is_all.map_err(|trouble| trouble.problem())? {
            true => Ok(join(self.head)),
            false => {
                let limit = limit as u64;
                Err(Trouble::TooLarge { limit }.problem())
            }
        }
    }

    /// The body of a message: a small one in memory, a large one as a stream.
    ///
    /// # Errors
    /// The body is too large, cut off, silent, or no gzip.
    pub async fn into_message(mut self) -> Result<Body, Problem> {
        let is_all = self.read_beyond(LARGEST_IN_MEMORY).await;
        match is_all.map_err(|trouble| trouble.problem())? {
            true => Ok(Body::Bytes(join(self.head))),
            false => Ok(Body::Stream(self.into_reader())),
        }
    }

    /// The body as a stream, whatever its size. Its errors mean that the message is not complete.
    #[must_use]
    pub fn into_reader(self) -> Pin<Box<dyn AsyncRead + Send>> {
        let all = stream::iter(self.head.into_iter().map(Ok)).chain(self.rest);
        Box::pin(StreamReader::new(all.map(io_error)))
    }

    /// Reads until there are more than so many bytes in memory. Whether that is all.
    async fn read_beyond(&mut self, bytes: usize) -> Result<bool, Trouble> {
        while self.head_bytes <= bytes {
            match self.rest.next().await.transpose()? {
                Some(chunk) => {
                    self.head_bytes += chunk.len();
                    self.head.push(chunk);
                }
                None => return Ok(true),
            }
        }
        Ok(false)
    }
}

/// Whether the body is gzip; other encodings are refused.
pub(super) fn is_gzip(headers: &HeaderMap) -> Result<bool, Problem> {
    let Some(value) = headers.get(header::CONTENT_ENCODING) else {
        return Ok(false);
    };
    match value.as_bytes() {
        v if v.eq_ignore_ascii_case(b"identity") => Ok(false),
        v if v.eq_ignore_ascii_case(b"gzip") || v.eq_ignore_ascii_case(b"x-gzip") => Ok(true),
        _ => Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "content-encoding",
            "The content encoding is not taken here",
            "send `Content-Encoding: gzip`, or none",
        )
        .with(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"))),
    }
}

fn io_error(chunk: Result<Bytes, Trouble>) -> io::Result<Bytes> {
    chunk.map_err(io::Error::from)
}

fn join(mut chunks: Vec<Bytes>) -> Bytes {
    match chunks.len() {
        0 => Bytes::new(),
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
    /// Runs while we wait for the sender, since then.
    quiet: Option<(Pin<Box<Sleep>>, Instant)>,
    /// How long we still wait. Waiting uses it up, and what comes fills it again.
    patience: Duration,
    received: u64,
    ended: bool,
    progress: Arc<Progress>,
}

impl Chunks {
    fn new(data: BodyDataStream, gzip: bool, bounds: Bounds) -> Self {
        Self {
            data,
            gunzip: gzip.then(|| Gunzip::new(bounds.limit)),
            patience: bounds.idle,
            bounds,
            quiet: None,
            received: 0,
            ended: false,
            progress: Arc::default(),
        }
    }

    fn chunk(&mut self, bytes: Bytes) -> Result<Bytes, Trouble> {
        self.received += bytes.len() as u64;
        self.came(bytes.len());
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
        self.progress.complete.store(true, Ordering::Relaxed);
        match &mut self.gunzip {
            Some(gunzip) => gunzip.finish(),
            None => Ok(Bytes::new()),
        }
    }

    /// Something came: the wait for it is over.
    fn came(&mut self, bytes: usize) {
        let waited = self.quiet.take().map(|(_, since)| since.elapsed());
        let left = self.patience.saturating_sub(waited.unwrap_or_default());
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let earned = Duration::from_secs(1) * bytes / SLOWEST_BYTES_PER_SECOND;
        self.patience = (left + earned).min(self.bounds.idle);
    }

    fn poll_quiet(&mut self, cx: &mut Context<'_>) -> Poll<Trouble> {
        let patience = self.patience;
        let wait = || (Box::pin(tokio::time::sleep(patience)), Instant::now());
        let (sleep, _) = self.quiet.get_or_insert_with(wait);
        let seconds = self.bounds.idle.as_secs();
        let over = sleep.as_mut().poll(cx);
        over.map(|()| Trouble::Quiet { seconds })
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
