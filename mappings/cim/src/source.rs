//! The bytes under the XML parser: where we are in the payload, and how much one token may take.

use std::io::{self, BufRead, Read};
use std::sync::Arc;

use memchr::memchr_iter;

use crate::limits::{CHUNK_BYTES, MAX_TOKEN_BYTES};

/// Why reading stopped.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The payload cannot be read.
    Io(io::Error),
    /// The bytes are not in the declared encoding.
    Encoding,
    /// A token is longer than [`MAX_TOKEN_BYTES`].
    TooLong,
}

/// Where the next bytes come from.
enum Feed<'p> {
    /// A reader, chunk by chunk.
    Stream(Box<dyn Read + Send + 'p>),
    /// The body of a part, after its head.
    Body {
        bytes: Arc<Vec<u8>>,
        offset: u64,
        line: u64,
    },
    /// Nowhere.
    Done,
}

/// The current chunk.
enum Chunk {
    Own(Vec<u8>),
    Shared(Arc<Vec<u8>>),
}

impl Chunk {
    #[inline]
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Own(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}

/// A buffered reader that knows its place in the payload and bounds each token.
///
/// Lines are counted lazily, each byte once, when somebody asks.
pub(crate) struct Source<'p> {
    feed: Feed<'p>,
    chunk: Chunk,
    at: usize,
    end: usize,
    /// Offset in the payload of the chunk's first byte.
    base: u64,
    /// Line of the byte at `counted`.
    line: u64,
    counted: usize,
    /// Bytes the current token may still take.
    allowance: usize,
    failure: Option<Failure>,
    /// An error of the reader that came after bytes which are used first.
    pending: Option<io::Error>,
}

impl<'p> Source<'p> {
    /// Reads a payload from a place in it.
    pub(crate) fn stream(reader: Box<dyn Read + Send + 'p>, offset: u64, line: u64) -> Self {
        Self::new(
            Feed::Stream(reader),
            Vec::with_capacity(CHUNK_BYTES),
            offset,
            line,
        )
    }

    /// Reads the head of a payload, which begins at `head_offset`, and then a part of its body,
    /// which begins at `offset` in line `line`.
    pub(crate) fn part(
        head: &[u8],
        head_offset: u64,
        bytes: Arc<Vec<u8>>,
        offset: u64,
        line: u64,
    ) -> Self {
        let feed = Feed::Body {
            bytes,
            offset,
            line,
        };
        Self::new(feed, head.to_vec(), head_offset, 1)
    }

    fn new(feed: Feed<'p>, first: Vec<u8>, offset: u64, line: u64) -> Self {
        Self {
            feed,
            end: first.len(),
            chunk: Chunk::Own(first),
            at: 0,
            base: offset,
            line,
            counted: 0,
            allowance: MAX_TOKEN_BYTES + 1,
            failure: None,
            pending: None,
        }
    }

    /// Says that a token begins here, and where that is.
    #[inline]
    pub(crate) fn begin_token(&mut self) -> u64 {
        self.allowance = MAX_TOKEN_BYTES + 1;
        if self.at == self.end {
            self.enter_body();
        }
        self.base + self.at as u64
    }

    /// The line of the next byte.
    #[inline]
    pub(crate) fn line(&mut self) -> u64 {
        self.line_after(0)
    }

    /// The line `ahead` bytes after the next byte, within the current chunk.
    #[inline]
    pub(crate) fn line_after(&mut self, ahead: usize) -> u64 {
        let to = self.at + ahead;
        let bytes = self.chunk.bytes();
        if to >= self.counted {
            self.line += newlines(&bytes[self.counted..to]);
        } else {
            self.line -= newlines(&bytes[to..self.counted]);
        }
        self.counted = to;
        self.line
    }

    /// What is at hand without reading on. May be empty before the end.
    #[inline]
    pub(crate) fn at_hand(&self) -> &[u8] {
        &self.chunk.bytes()[self.at..self.end]
    }

    /// Why the last read failed, once.
    pub(crate) fn take_failure(&mut self) -> Option<Failure> {
        self.failure.take()
    }

    /// Gets the next chunk. False at the end.
    fn refill(&mut self) -> io::Result<bool> {
        match std::mem::replace(&mut self.feed, Feed::Done) {
            Feed::Done => Ok(false),
            body @ Feed::Body { .. } => {
                self.feed = body;
                self.enter_body();
                Ok(self.end > 0)
            }
            Feed::Stream(mut reader) => {
                let more = self.next_chunk(&mut *reader);
                self.feed = Feed::Stream(reader);
                more
            }
        }
    }

    /// Goes on from the head of a part to its body, which begins at another place.
    fn enter_body(&mut self) {
        if !matches!(self.feed, Feed::Body { .. }) {
            return;
        }
        if let Feed::Body {
            bytes,
            offset,
            line,
        } = std::mem::replace(&mut self.feed, Feed::Done)
        {
            (self.at, self.end, self.counted) = (0, bytes.len(), 0);
            (self.base, self.line) = (offset, line);
            self.chunk = Chunk::Shared(bytes);
        }
    }

    fn next_chunk(&mut self, reader: &mut (dyn Read + Send)) -> io::Result<bool> {
        if let Some(error) = self.pending.take() {
            return Err(error);
        }
        self.line_after(self.end - self.at);
        self.base += self.end as u64;
        (self.at, self.end, self.counted) = (0, 0, 0);
        let mut bytes = match std::mem::replace(&mut self.chunk, Chunk::Own(Vec::new())) {
            Chunk::Own(bytes) => bytes,
            Chunk::Shared(_) => Vec::new(),
        };
        bytes.clear();
        let result = reader.take(CHUNK_BYTES as u64).read_to_end(&mut bytes);
        self.end = bytes.len();
        self.chunk = Chunk::Own(bytes);
        match result {
            Err(error) if self.end == 0 => Err(error),
            Err(error) => {
                self.pending = Some(error);
                Ok(true)
            }
            Ok(_) => Ok(self.end > 0),
        }
    }

    fn fail(&mut self, failure: Failure) -> io::Error {
        self.failure = Some(failure);
        io::Error::other("see `Source::take_failure`")
    }
}

impl BufRead for Source<'_> {
    #[inline]
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at == self.end {
            match self.refill() {
                Ok(true) => {}
                Ok(false) => return Ok(&[]),
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    return Err(self.fail(Failure::Encoding));
                }
                Err(error) => return Err(self.fail(Failure::Io(error))),
            }
        }
        if self.allowance == 0 {
            return Err(self.fail(Failure::TooLong));
        }
        let end = self.end.min(self.at.saturating_add(self.allowance));
        Ok(&self.chunk.bytes()[self.at..end])
    }

    #[inline]
    fn consume(&mut self, amount: usize) {
        self.at = (self.at + amount).min(self.end);
        self.allowance = self.allowance.saturating_sub(amount);
    }
}

impl Read for Source<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let count = available.len().min(out.len());
        out[..count].copy_from_slice(&available[..count]);
        self.consume(count);
        Ok(count)
    }
}

/// Below this length a plain loop counts faster than setting up a vector search.
const SHORT: usize = 64;

/// Line breaks in a stretch of bytes.
#[inline]
pub(crate) fn newlines(bytes: &[u8]) -> u64 {
    if bytes.len() < SHORT {
        return bytes.iter().map(|c| u64::from(*c == b'\n')).sum();
    }
    memchr_iter(b'\n', bytes).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_offset_and_line_across_chunks() {
        let text = "ab\ncd\n".repeat(CHUNK_BYTES / 3);
        let mut source = Source::stream(Box::new(text.as_bytes()), 10, 5);
        let mut read = 0;
        while !source.fill_buf().unwrap().is_empty() {
            assert_eq!(source.begin_token(), 10 + read as u64);
            let count = source.at_hand().len().min(1000);
            source.consume(count);
            read += count;
            assert_eq!(source.line(), 5 + newlines(&text.as_bytes()[..read]));
        }
        assert_eq!(read, text.len());
    }

    #[test]
    fn a_token_has_an_end() {
        let text = vec![b'x'; MAX_TOKEN_BYTES * 2];
        let mut source = Source::stream(Box::new(&text[..]), 0, 1);
        let mut taken = 0;
        while let Ok(count) = source.fill_buf().map(<[u8]>::len) {
            taken += count;
            source.consume(count);
        }
        assert_eq!(taken, MAX_TOKEN_BYTES + 1);
        assert!(matches!(source.take_failure(), Some(Failure::TooLong)));
    }
}
