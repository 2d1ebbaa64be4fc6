//! Finds out how a document's characters are written, and opens it as UTF-8.

use std::io::{self, BufReader, Read};
use std::sync::Arc;

use encoding_rs::Encoding;
use hub_model::mapping::Payload;
use quick_xml::encoding::{DecodingReader, DetectedEncoding, detect_encoding};
use quick_xml::events::Event;

use crate::limits::CHUNK_BYTES;

/// Bytes looked at: the XML declaration stands in them.
const PROBE_BYTES: u64 = 1024;

/// How a document is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Characters {
    /// UTF-8 or US-ASCII, read as it is after `bom` bytes.
    Utf8 { bom: u64 },
    /// UTF-16, as its first bytes show.
    Utf16,
    /// What its declaration says.
    Declared(&'static Encoding),
}

/// The declared encoding, which nobody knows.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct UnknownEncoding(pub(crate) String);

/// Looks at the first bytes of a document.
pub(crate) fn detect(head: &[u8]) -> Result<Characters, UnknownEncoding> {
    match detect_encoding(head) {
        None => Ok(Characters::Utf8 { bom: 0 }),
        Some(DetectedEncoding::Utf8Bom) => Ok(Characters::Utf8 { bom: 3 }),
        Some(DetectedEncoding::AsciiCompatible) => declared(head),
        Some(_) => Ok(Characters::Utf16),
    }
}

fn declared(head: &[u8]) -> Result<Characters, UnknownEncoding> {
    let Some(label) = declared_label(head) else {
        return Ok(Characters::Utf8 { bom: 0 });
    };
    let known = match Encoding::for_label_no_replacement(label.as_bytes()) {
        Some(known) => known,
        None if label.eq_ignore_ascii_case("us-ascii") => encoding_rs::UTF_8,
        None => return Err(UnknownEncoding(label)),
    };
    // Who declares UTF-16 in one-byte characters has written a string to a UTF-8 file.
    if !known.is_ascii_compatible() || known == encoding_rs::UTF_8 {
        return Ok(Characters::Utf8 { bom: 0 });
    }
    Ok(Characters::Declared(known))
}

/// The `encoding` of the XML declaration.
fn declared_label(head: &[u8]) -> Option<String> {
    let end = memchr::memmem::find(head, b"?>")? + 2;
    let mut reader = quick_xml::Reader::from_reader(&head[..end]);
    match reader.read_event() {
        Ok(Event::Decl(declaration)) => match declaration.encoding() {
            Some(Ok(label)) => Some(label.into_owned()),
            _ => None,
        },
        _ => None,
    }
}

/// Something that can be opened as UTF-8 again at an offset which a
/// [`Place`](hub_model::Place) of an earlier pass told.
pub(crate) trait Reopen: Sync {
    /// Opens it.
    fn reopen(&self, offset: u64) -> io::Result<Box<dyn Read + Send + '_>>;
}

/// A whole payload.
pub(crate) struct Document<'p> {
    payload: &'p dyn Payload,
    characters: Characters,
}

impl<'p> Document<'p> {
    /// Looks at a payload's first bytes.
    pub(crate) fn open(payload: &'p dyn Payload) -> io::Result<Result<Self, UnknownEncoding>> {
        let mut head = Vec::new();
        payload
            .open_at(0)?
            .take(PROBE_BYTES)
            .read_to_end(&mut head)?;
        Ok(detect(&head).map(|characters| Self {
            payload,
            characters,
        }))
    }

    /// Whether offsets are exact and the bytes may be cut.
    pub(crate) const fn is_utf8(&self) -> bool {
        matches!(self.characters, Characters::Utf8 { .. })
    }

    /// The payload itself.
    pub(crate) const fn payload(&self) -> &'p dyn Payload {
        self.payload
    }

    /// Where the first character stands.
    pub(crate) const fn begin(&self) -> u64 {
        match self.characters {
            Characters::Utf8 { bom } => bom,
            _ => 0,
        }
    }
}

impl Reopen for Document<'_> {
    /// In encodings other than UTF-8, offsets count the bytes of the text as UTF-8: the beginning
    /// is decoded again.
    fn reopen(&self, offset: u64) -> io::Result<Box<dyn Read + Send + '_>> {
        let encoding = match self.characters {
            Characters::Utf8 { .. } => return self.payload.open_at(offset),
            Characters::Utf16 => None,
            Characters::Declared(encoding) => Some(encoding),
        };
        let bytes = BufReader::with_capacity(CHUNK_BYTES, self.payload.open_at(0)?);
        let mut text = DecodingReader::new(bytes);
        if let Some(encoding) = encoding {
            text.set_encoding(encoding);
        }
        io::copy(&mut (&mut text).take(offset), &mut io::sink())?;
        Ok(Box::new(text))
    }
}

/// A part of a payload.
pub(crate) struct Part {
    /// Its bytes.
    pub(crate) bytes: Arc<Vec<u8>>,
    /// Where they begin in the payload.
    pub(crate) offset: u64,
}

impl Reopen for Part {
    fn reopen(&self, offset: u64) -> io::Result<Box<dyn Read + Send + '_>> {
        let from = usize::try_from(offset.saturating_sub(self.offset)).unwrap_or(usize::MAX);
        Ok(Box::new(self.bytes.get(from..).unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_declaration_counts_unless_the_bytes_contradict_it() {
        let utf8 = |bom| Ok(Characters::Utf8 { bom });
        assert_eq!(detect(b"<a/>"), utf8(0));
        assert_eq!(detect(b"\xef\xbb\xbf<a/>"), utf8(3));
        assert_eq!(
            detect(b"<?xml version='1.0' encoding='UTF-16'?><a/>"),
            utf8(0)
        );
        assert_eq!(
            detect(b"<?xml version='1.0' encoding='us-ascii'?><a/>")
                .map(|c| c == Characters::Utf16),
            Ok(false)
        );
        assert_eq!(
            detect(b"<?xml version='1.0' encoding='iso-8859-15'?><a/>"),
            Ok(Characters::Declared(encoding_rs::ISO_8859_15))
        );
        assert_eq!(
            detect(b"<?xml version='1.0' encoding='klingon'?><a/>"),
            Err(UnknownEncoding("klingon".into()))
        );
        assert_eq!(detect(b"\xff\xfe<\0a\0"), Ok(Characters::Utf16));
    }
}
