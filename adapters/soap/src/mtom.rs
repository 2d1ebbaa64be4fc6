//! MTOM: an envelope and its binary parts in one `multipart/related` body (RFC 2387, XOP), as a stream.

use std::io;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use memchr::memmem;

use crate::envelope::Chunks;

/// Bytes of the headers of one part. Real ones have 200.
const MAX_PART_HEAD_BYTES: usize = 16 * 1024;

/// Bytes before the first part; real bodies have none.
const MAX_PREAMBLE_BYTES: usize = 64 * 1024;

/// Longest boundary (RFC 2046).
const MAX_BOUNDARY_BYTES: usize = 70;

/// What a `multipart/related` media type says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Related {
    pub(crate) boundary: String,
    /// `Content-ID` of the part with the envelope, if it says so.
    pub(crate) start: Option<String>,
}

impl Related {
    /// Reads a media type; `None` if it is another.
    ///
    /// # Errors
    /// It has no boundary that could be one.
    pub(crate) fn of(media_type: &str) -> Option<Result<Self, &'static str>> {
        let mut parts = media_type.split(';');
        let essence = parts.next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("multipart/related") {
            return None;
        }
        let boundary = parameter(media_type, "boundary").unwrap_or_default();
        if boundary.is_empty() || boundary.len() > MAX_BOUNDARY_BYTES {
            return Some(Err(
                "`multipart/related` without a `boundary` of 1 to 70 characters",
            ));
        }
        let start = parameter(media_type, "start").map(|id| bare_id(&id));
        Some(Ok(Self { boundary, start }))
    }
}

/// A parameter of a media type. Quoted values may hold semicolons.
pub(crate) fn parameter(media_type: &str, name: &str) -> Option<String> {
    let mut rest = media_type.split_once(';')?.1;
    loop {
        let (key, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => {
                let (value, next) = quoted.split_once('"')?;
                (value, next.split_once(';').map(|(_, next)| next))
            }
            None => match after.split_once(';') {
                Some((value, next)) => (value.trim(), Some(next)),
                None => (after.trim(), None),
            },
        };
        if key.trim().eq_ignore_ascii_case(name) {
            return Some(value.to_owned());
        }
        rest = next?;
    }
}

/// A `Content-ID` without its brackets.
fn bare_id(id: &str) -> String {
    id.trim()
        .trim_start_matches('<')
        .trim_end_matches('>')
        .to_owned()
}

/// The id in a `cid:` URL: percent signs undone (RFC 2392).
pub(crate) fn unescaped(id: &str) -> String {
    let mut bytes = Vec::with_capacity(id.len());
    let mut rest = id.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What the headers of a part say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PartHead {
    /// `Content-ID`, without its brackets.
    pub(crate) id: String,
    pub(crate) media_type: Option<String>,
    /// The file name in `Content-Disposition`, without folders.
    pub(crate) name: String,
}

/// A body in parts, one after the other.
pub(crate) struct Multipart {
    chunks: Chunks,
    /// Read and not given yet.
    held: BytesMut,
    /// Line end and boundary.
    delimiter: Vec<u8>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first part, or in one that is passed over.
    Between,
    Part,
    /// A delimiter was read: headers follow, or the end.
    Delimited,
    End,
}

fn broken(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

impl Multipart {
    pub(crate) fn new(chunks: Chunks, boundary: &str) -> Self {
        Self {
            chunks,
            // The first delimiter may stand at the very beginning, without a line end.
            held: BytesMut::from(&b"\r\n"[..]),
            delimiter: format!("\r\n--{boundary}").into_bytes(),
            state: State::Between,
        }
    }

    /// Goes to the next part, past what is left of this one; `None` if there is none.
    ///
    /// # Errors
    /// The body ends, or is no multipart.
    pub(crate) async fn next_part(&mut self) -> io::Result<Option<PartHead>> {
        let mut passed = 0;
        while matches!(self.state, State::Between | State::Part) {
            let is_preamble = self.state == State::Between;
            match self.piece().await? {
                Some(bytes) => passed += bytes.len(),
                None => self.state = State::Delimited,
            }
            if is_preamble && passed > MAX_PREAMBLE_BYTES {
                return Err(broken(
                    "no part begins in the first bytes of the multipart body",
                ));
            }
        }
        if self.state == State::End {
            return Ok(None);
        }
        self.head().await
    }

    /// The next bytes of the current part; `None` at its end.
    ///
    /// # Errors
    /// The body ends.
    pub(crate) async fn chunk(&mut self) -> io::Result<Option<Bytes>> {
        if self.state != State::Part {
            return Ok(None);
        }
        let piece = self.piece().await?;
        if piece.is_none() {
            self.state = State::Delimited;
        }
        Ok(piece)
    }

    /// Bytes up to the next delimiter; `None` once that was read.
    async fn piece(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            if let Some(at) = memmem::find(&self.held, &self.delimiter) {
                if at > 0 {
                    return Ok(Some(self.held.split_to(at).freeze()));
                }
                let _ = self.held.split_to(self.delimiter.len());
                return Ok(None);
            }
            let safe = self.held.len().saturating_sub(self.delimiter.len() - 1);
            if safe > 0 {
                return Ok(Some(self.held.split_to(safe).freeze()));
            }
            self.more().await?;
        }
    }

    async fn more(&mut self) -> io::Result<()> {
        match self.chunks.next().await.transpose()? {
            Some(bytes) => self.held.extend_from_slice(&bytes),
            // The request was whole, so this is how its sender made it.
            None => return Err(broken("the multipart body has no end")),
        }
        Ok(())
    }

    /// What follows a delimiter.
    async fn head(&mut self) -> io::Result<Option<PartHead>> {
        while self.held.len() < 2 {
            self.more().await?;
        }
        if self.held.starts_with(b"--") {
            self.state = State::End;
            return Ok(None);
        }
        // The line end of the delimiter may be the first of the empty line.
        let end = loop {
            if let Some(at) = memmem::find(&self.held, b"\r\n\r\n") {
                break at;
            }
            if self.held.len() > MAX_PART_HEAD_BYTES {
                return Err(broken("the headers of a part are too long"));
            }
            self.more().await?;
        };
        let head = self.held.split_to(end + 4);
        self.state = State::Part;
        part_head(&String::from_utf8_lossy(&head)).map(Some)
    }

    /// Reads on to the end of the body.
    ///
    /// # Errors
    /// It does not end as it should.
    pub(crate) async fn finish(&mut self) -> io::Result<()> {
        while self.next_part().await?.is_some() {}
        // Nothing that follows matters, but what was sent must have come.
        while self.chunks.next().await.transpose()?.is_some() {}
        Ok(())
    }
}

fn part_head(text: &str) -> io::Result<PartHead> {
    let mut head = PartHead::default();
    // A line that begins with a space continues the one before it.
    let unfolded = text.replace("\r\n ", " ").replace("\r\n\t", " ");
    for line in unfolded.split("\r\n") {
        let Some((key, value)) = line.split_once(':') else {
            continue;
        };
        let value = value.trim();
        match key.trim().to_ascii_lowercase().as_str() {
            "content-id" => head.id = bare_id(value),
            "content-type" => head.media_type = Some(value.to_owned()),
            "content-disposition" => head.name = file_name(value),
            "content-transfer-encoding"
                if !["binary", "8bit", "7bit"].contains(&value.to_ascii_lowercase().as_str()) =>
            {
                return Err(broken(format!(
                    "a part is `{value}`-encoded, expected `binary` as XOP has it"
                )));
            }
            _ => {}
        }
    }
    Ok(head)
}

/// The last part of a path, at most 255 bytes.
fn file_name(disposition: &str) -> String {
    let name = parameter(disposition, "filename").unwrap_or_default();
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let mut plain: String = last.chars().filter(|c| !c.is_control()).collect();
    while plain.len() > 255 {
        plain.pop();
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;

    fn multipart(body: &'static [u8], step: usize) -> Multipart {
        let pieces: Vec<_> = body
            .chunks(step)
            .map(|c| Ok(Bytes::from_static(c)))
            .collect();
        Multipart::new(Box::pin(stream::iter(pieces)), "b")
    }

    const BODY: &[u8] = b"preamble\r\n--b\r\nContent-ID: <root@x>\r\nContent-Type: application/xop+xml;\
        \r\n charset=utf-8\r\n\r\n<a/>\r\n--b\r\nContent-ID: <1>\r\nContent-Disposition: attachment; \
        filename=\"x/a.zip\"\r\n\r\nzip\r\n--b--\r\nepilogue";

    async fn all(multipart: &mut Multipart) -> Vec<u8> {
        let mut bytes = Vec::new();
        while let Some(chunk) = multipart.chunk().await.unwrap() {
            bytes.extend_from_slice(&chunk);
        }
        bytes
    }

    #[tokio::test]
    async fn parts_come_one_by_one_whatever_the_cuts() {
        let body: &'static [u8] =
            b"--b\r\nContent-ID: <1>\r\n\r\nab\r\n-c\r\n--b\r\n\r\nd\r\n--b--";
        for step in [1, 2, 3, 1_000] {
            let mut parts = multipart(body, step);
            let head = parts.next_part().await.unwrap().unwrap();
            assert_eq!(head.id, "1");
            assert_eq!(all(&mut parts).await, b"ab\r\n-c");
            assert_eq!(parts.next_part().await.unwrap(), Some(PartHead::default()));
            assert_eq!(all(&mut parts).await, b"d");
            assert_eq!(parts.next_part().await.unwrap(), None);
            parts.finish().await.unwrap();
        }
    }

    #[tokio::test]
    async fn heads_are_read_and_parts_passed_over() {
        for step in [1, 7, 1_000] {
            let mut parts = multipart(BODY, step);
            let root = parts.next_part().await.unwrap().unwrap();
            assert_eq!(root.id, "root@x");
            let media_type = root.media_type.unwrap();
            assert_eq!(media_type, "application/xop+xml; charset=utf-8");
            let second = parts.next_part().await.unwrap().unwrap();
            assert_eq!((second.id.as_str(), second.name.as_str()), ("1", "a.zip"));
        }
    }

    #[tokio::test]
    async fn a_body_that_ends_early_is_no_multipart() {
        for body in [
            &b"--b\r\nA: b\r\n\r\nabc"[..],
            b"nothing",
            b"--b\r\nA: b\r\n",
        ] {
            let mut parts = multipart(body, 4);
            assert!(parts.finish().await.is_err());
        }
        let encoded = b"--b\r\nContent-Transfer-Encoding: base64\r\n\r\nabc\r\n--b--";
        assert!(multipart(encoded, 99).next_part().await.is_err());
    }

    #[test]
    fn media_types_have_parameters() {
        let media_type = "Multipart/Related; type=\"application/xop+xml\"; start=\"<r@x>\"; \
            start-info=\"a;boundary=no\"; boundary=uuid:1";
        let related = Related::of(media_type).unwrap().unwrap();
        assert_eq!(related.boundary, "uuid:1");
        assert_eq!(related.start.as_deref(), Some("r@x"));
        assert!(Related::of("multipart/related").unwrap().is_err());
        assert!(Related::of("text/xml").is_none());
        assert_eq!(unescaped("a%40b%"), "a@b%");
    }
}
