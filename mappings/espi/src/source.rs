//! Bytes of a payload as UTF-8, with offset, lines and a limit on one token.

use std::io::{self, BufRead, BufReader, Read};

use encoding_rs::{CoderResult, Decoder, Encoding, UTF_8};
use hub_model::mapping::Payload;

use crate::limits::MAX_TOKEN_BYTES;

/// Bytes in which an XML declaration must end to be believed.
const HEAD_BYTES: usize = 512;

/// Buffer between the payload and the parser.
const BUFFER_BYTES: usize = 64 * 1024;

/// A token grew beyond [`MAX_TOKEN_BYTES`].
#[derive(Debug)]
pub(crate) struct TokenTooLong;

impl std::fmt::Display for TokenTooLong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "a tag, text or comment of more than {MAX_TOKEN_BYTES} bytes"
        )
    }
}

impl std::error::Error for TokenTooLong {}

/// Counts what the parser takes, and ends a token that is too long.
pub(crate) struct Source<'a> {
    inner: BufReader<Box<dyn Read + Send + 'a>>,
    left: u64,
    offset: u64,
    line: u64,
    /// Offsets are those of the payload, not of a transcoded copy.
    exact: bool,
}

impl<'a> Source<'a> {
    /// Opens the payload, transcoding it where its byte-order mark or declaration says so.
    pub(crate) fn open(payload: &'a (dyn Payload + 'a)) -> io::Result<Self> {
        let mut head = Vec::with_capacity(HEAD_BYTES);
        payload
            .open_at(0)?
            .take(HEAD_BYTES as u64)
            .read_to_end(&mut head)?;
        let (encoding, mark) = encoding_of(&head);
        let raw = payload.open_at(mark as u64)?;
        let exact = encoding == UTF_8;
        let inner: Box<dyn Read + Send + 'a> = if exact {
            raw
        } else {
            Box::new(Transcode::new(raw, encoding))
        };
        Ok(Self {
            inner: BufReader::with_capacity(BUFFER_BYTES, inner),
            left: MAX_TOKEN_BYTES,
            offset: mark as u64,
            line: 1,
            exact,
        })
    }

    /// Begins the next token.
    pub(crate) const fn next_token(&mut self) {
        self.left = MAX_TOKEN_BYTES;
    }

    /// Bytes taken, the same in every pass over one payload.
    pub(crate) const fn position(&self) -> u64 {
        self.offset
    }

    /// Offset in the payload (0 if it is transcoded) and line of the next byte.
    pub(crate) const fn place(&self) -> (u64, u64) {
        (if self.exact { self.offset } else { 0 }, self.line)
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

impl BufRead for Source<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.left == 0 {
            return Err(io::Error::other(TokenTooLong));
        }
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        let available = self.inner.fill_buf()?;
        Ok(&available[..available.len().min(left)])
    }

    fn consume(&mut self, count: usize) {
        let taken = &self.inner.buffer()[..count];
        self.line += memchr::memchr_iter(b'\n', taken).count() as u64;
        self.offset += count as u64;
        self.left = self.left.saturating_sub(count as u64);
        self.inner.consume(count);
    }
}

/// The encoding that the first bytes declare, and the length of the byte-order mark.
///
/// An encoding nobody knows is read as UTF-8: then the parser says where that fails.
fn encoding_of(head: &[u8]) -> (&'static Encoding, usize) {
    if let Some(found) = Encoding::for_bom(head) {
        return found;
    }
    match head {
        [0, b'<', 0, b'?', ..] => return (encoding_rs::UTF_16BE, 0),
        [b'<', 0, b'?', 0, ..] => return (encoding_rs::UTF_16LE, 0),
        _ => {}
    }
    let declared = declared_encoding(head).and_then(Encoding::for_label);
    // A declaration that could be read byte by byte is not in UTF-16, whatever it says.
    let believed = declared.filter(|encoding| encoding.is_ascii_compatible());
    (believed.unwrap_or(UTF_8), 0)
}

/// The label in `<?xml ... encoding="label"?>`.
fn declared_encoding(head: &[u8]) -> Option<&[u8]> {
    let declaration = head.strip_prefix(b"<?xml")?;
    let end = memchr::memchr(b'>', declaration)?;
    let declaration = &declaration[..end];
    let at = memchr::memmem::find(declaration, b"encoding")? + b"encoding".len();
    let value = declaration[at..].trim_ascii_start().strip_prefix(b"=")?;
    let (quote, value) = value.trim_ascii_start().split_first()?;
    let end = memchr::memchr(*quote, value)?;
    matches!(quote, b'"' | b'\'').then_some(&value[..end])
}

/// Reads another encoding as UTF-8. Bytes that mean nothing become U+FFFD.
struct Transcode<R> {
    inner: R,
    decoder: Decoder,
    raw: Vec<u8>,
    /// Bytes of `raw` that are not decoded yet.
    pending: std::ops::Range<usize>,
    text: Vec<u8>,
    /// Bytes of `text` that are not handed out yet.
    ready: std::ops::Range<usize>,
    ended: bool,
}

impl<R: Read> Transcode<R> {
    fn new(inner: R, encoding: &'static Encoding) -> Self {
        Self {
            inner,
            decoder: encoding.new_decoder_without_bom_handling(),
            raw: vec![0; 8 * 1024],
            pending: 0..0,
            text: vec![0; 32 * 1024],
            ready: 0..0,
            ended: false,
        }
    }

    /// Decodes until there is something to hand out, or everything was.
    fn refill(&mut self) -> io::Result<()> {
        let mut finished = false;
        while self.ready.is_empty() && !finished {
            if self.pending.is_empty() && !self.ended {
                let count = self.inner.read(&mut self.raw)?;
                self.pending = 0..count;
                self.ended = count == 0;
            }
            let (result, read, written, _) = self.decoder.decode_to_utf8(
                &self.raw[self.pending.clone()],
                &mut self.text,
                self.ended,
            );
            self.pending.start += read;
            self.ready = 0..written;
            finished = self.ended && result == CoderResult::InputEmpty;
        }
        Ok(())
    }
}

impl<R: Read> Read for Transcode<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        // After its last bytes the decoder must not be asked again.
        if self.ready.is_empty() && !(self.ended && self.pending.is_empty()) {
            self.refill()?;
        }
        let count = self.ready.len().min(out.len());
        out[..count].copy_from_slice(&self.text[self.ready.start..self.ready.start + count]);
        self.ready.start += count;
        Ok(count)
    }
}
