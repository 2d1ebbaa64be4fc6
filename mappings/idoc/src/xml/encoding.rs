//! Finds out how a document's characters are written, and opens it as UTF-8.

use std::borrow::Cow;
use std::io::{self, BufReader, Read};

use encoding_rs::Encoding;
use hub_model::mapping::Payload;
use quick_xml::encoding::{DecodingReader, DetectedEncoding, detect_encoding};
use quick_xml::events::Event;

use crate::limits::CHUNK_BYTES;

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

/// A document opened as UTF-8, or the name of an encoding that nobody knows.
type Opened<'p> = Result<(Characters, Box<dyn Read + Send + 'p>), String>;

/// Opens a payload as UTF-8 if its first bytes are those of XML.
pub(crate) fn open<'p>(payload: &'p dyn Payload, head: &[u8]) -> io::Result<Option<Opened<'p>>> {
    let characters = match detect(head) {
        None => return Ok(None),
        Some(Err(label)) => return Ok(Some(Err(label))),
        Some(Ok(characters)) => characters,
    };
    let declared = match characters {
        Characters::Utf8 { bom } => {
            let reader = payload.open_at(bom)?;
            return Ok(Some(Ok((characters, reader))));
        }
        Characters::Utf16 => None,
        Characters::Declared(encoding) => Some(encoding),
    };
    let bytes = BufReader::with_capacity(CHUNK_BYTES, payload.open_at(0)?);
    let mut text = DecodingReader::new(bytes);
    if let Some(encoding) = declared {
        text.set_encoding(encoding);
    }
    Ok(Some(Ok((characters, Box::new(text)))))
}

/// The first bytes of a document as UTF-8; `None` if they are not of XML.
pub(crate) fn as_utf8(head: &[u8]) -> Option<Cow<'_, [u8]>> {
    let encoding = match detect(head)?.ok()? {
        Characters::Utf8 { bom } => {
            return Some(Cow::Borrowed(&head[usize::try_from(bom).unwrap_or(0)..]));
        }
        Characters::Utf16 if head.starts_with(b"\xfe\xff") || head.first() == Some(&0) => {
            encoding_rs::UTF_16BE
        }
        Characters::Utf16 => encoding_rs::UTF_16LE,
        Characters::Declared(encoding) => encoding,
    };
    let text = encoding.decode(head).0.into_owned();
    Some(Cow::Owned(text.into_bytes()))
}

/// Looks at the first bytes of a document; `None` if they are not of XML.
fn detect(head: &[u8]) -> Option<Result<Characters, String>> {
    let begins = |text: &[u8]| text.trim_ascii_start().first() == Some(&b'<');
    match detect_encoding(head) {
        Some(DetectedEncoding::Utf8Bom) => {
            begins(head.get(3..)?).then_some(Ok(Characters::Utf8 { bom: 3 }))
        }
        Some(DetectedEncoding::AsciiCompatible) => Some(declared(head)),
        None => begins(head).then(|| declared(head.trim_ascii_start())),
        Some(_) => Some(Ok(Characters::Utf16)),
    }
}

fn declared(head: &[u8]) -> Result<Characters, String> {
    let Some(label) = declared_label(head) else {
        return Ok(Characters::Utf8 { bom: 0 });
    };
    let known = match Encoding::for_label_no_replacement(label.as_bytes()) {
        Some(known) => known,
        None if label.eq_ignore_ascii_case("us-ascii") => encoding_rs::UTF_8,
        None => return Err(label),
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
