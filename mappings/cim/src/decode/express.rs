//! The short cut for interval readings of the usual form.
//!
//! Nearly all bytes of a large document are readings like this one, in any prefix, with or
//! without space between the elements:
//!
//! ```xml
//! <IntervalReadings><timeStamp>2026-03-29T00:15:00Z</timeStamp><value>0.125</value>
//!   <ReadingQualities><ReadingQualityType ref="2.0.0"/></ReadingQualities></IntervalReadings>
//! ```
//!
//! They are recognised byte by byte. Whatever differs (another order, attributes, comments,
//! entities, a value that cannot be read, the end of a chunk) is left to the parser, which yields
//! the same for readings of this form: a test holds the two against each other.

use hub_model::{Decimal, QualityCode, Reading, ReadingQuality};

use crate::stop::Stop;

use super::Walk;
use super::interval_block::Block;

/// Longest text of a field that is recognised.
const TEXT_BYTES: usize = 64;
/// Longest tail that is remembered.
const TAIL_BYTES: usize = 512;

/// The tags of a reading in one prefix, and how the last reading ended.
#[derive(Debug, Default)]
pub(super) struct Express {
    prefix: Option<Vec<u8>>,
    reading: Vec<u8>,
    time: Vec<u8>,
    time_end: Vec<u8>,
    value: Vec<u8>,
    value_end: Vec<u8>,
    qualities: Vec<u8>,
    quality: Vec<u8>,
    qualities_end: Vec<u8>,
    reading_end: Vec<u8>,
    /// What followed the value of an earlier reading of the block, to the reading's end.
    tail: Vec<u8>,
    /// The number of the qualities in it.
    tail_quality: u16,
}

/// A reading at hand, as far as it is recognised.
struct Recognised<'b> {
    /// Bytes before it.
    before: usize,
    time: &'b [u8],
    value: &'b [u8],
    /// Bytes up to the end of the value.
    value_end: usize,
}

impl Express {
    /// Gets ready for a block whose elements have this prefix.
    pub(super) fn begin_block(&mut self, prefix: &[u8]) {
        self.forget_qualities();
        if self.prefix.as_deref() == Some(prefix) {
            return;
        }
        let tag = |open: &str, name: &str, close: &str| {
            let colon: &[u8] = if prefix.is_empty() { b"" } else { b":" };
            [
                open.as_bytes(),
                prefix,
                colon,
                name.as_bytes(),
                close.as_bytes(),
            ]
            .concat()
        };
        self.reading = tag("<", "IntervalReadings", ">");
        self.time = tag("<", "timeStamp", ">");
        self.time_end = tag("</", "timeStamp", ">");
        self.value = tag("<", "value", ">");
        self.value_end = tag("</", "value", ">");
        self.qualities = tag("<", "ReadingQualities", ">");
        self.quality = tag("<", "ReadingQualityType", " ref=\"");
        self.qualities_end = tag("</", "ReadingQualities", ">");
        self.reading_end = tag("</", "IntervalReadings", ">");
        self.prefix = Some(prefix.to_vec());
    }

    /// Forgets the numbers of qualities: another block, or piece of one, begins.
    pub(super) fn forget_qualities(&mut self) {
        self.tail.clear();
    }

    /// Recognises a reading up to its value.
    #[inline]
    fn recognise<'b>(&self, bytes: &'b [u8]) -> Option<Recognised<'b>> {
        let mut cursor = Cursor { bytes, at: 0 };
        cursor.space();
        let before = cursor.at;
        cursor.literal(&self.reading)?;
        cursor.space();
        cursor.literal(&self.time)?;
        let time = cursor.text(b'<')?;
        cursor.literal(&self.time_end)?;
        cursor.space();
        cursor.literal(&self.value)?;
        let value = cursor.text(b'<')?;
        cursor.literal(&self.value_end)?;
        Some(Recognised {
            before,
            time,
            value,
            value_end: cursor.at,
        })
    }

    /// Recognises what follows the value, to the end of the reading: its length in bytes.
    fn recognise_tail(&self, bytes: &[u8], set: &mut Vec<ReadingQuality>) -> Option<usize> {
        let mut cursor = Cursor { bytes, at: 0 };
        set.clear();
        loop {
            cursor.space();
            if cursor.literal(&self.qualities).is_none() {
                cursor.literal(&self.reading_end)?;
                return (cursor.at <= TAIL_BYTES).then_some(cursor.at);
            }
            cursor.space();
            cursor.literal(&self.quality)?;
            let code = std::str::from_utf8(cursor.text(b'"')?).ok()?;
            set.push(ReadingQuality::of(code.parse::<QualityCode>().ok()?));
            cursor.literal(b"\"/>")?;
            cursor.space();
            cursor.literal(&self.qualities_end)?;
        }
    }
}

/// A place in bytes that are compared with what is expected.
struct Cursor<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Cursor<'b> {
    #[inline]
    fn space(&mut self) {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    #[inline]
    fn literal(&mut self, expected: &[u8]) -> Option<()> {
        self.bytes[self.at..].starts_with(expected).then(|| {
            self.at += expected.len();
        })
    }

    /// The text before the next `end`.
    #[inline]
    fn text(&mut self, end: u8) -> Option<&'b [u8]> {
        let rest = &self.bytes[self.at..];
        let rest = &rest[..rest.len().min(TEXT_BYTES)];
        let length = rest.iter().position(|c| *c == end)?;
        self.at += length;
        Some(&rest[..length])
    }
}

impl Walk<'_> {
    /// Takes the next reading if it is of the usual form. False: it is for the parser.
    #[inline]
    pub(super) fn express(&mut self, block: &mut Block) -> Result<bool, Stop> {
        let (Some(express), Some(source)) = (&mut self.express, self.xml.following()) else {
            return Ok(false);
        };
        let bytes = source.at_hand();
        let Some(found) = express.recognise(bytes) else {
            return Ok(false);
        };
        let (Ok(at), Ok(value)) = (
            self.times.parse(found.time),
            Decimal::parse(found.value, b'.'),
        ) else {
            return Ok(false);
        };
        let rest = &bytes[found.value_end..];
        if express.tail.is_empty() || !rest.starts_with(&express.tail) {
            let Some(length) = express.recognise_tail(rest, &mut self.scratch) else {
                return Ok(false);
            };
            express.tail.clear();
            express.tail.extend_from_slice(&rest[..length]);
            express.tail_quality = block.qualities.index(&self.scratch);
        }
        let (before, length) = (found.before, found.value_end + express.tail.len());
        let line = block.line_of(source.line_after(before));
        block.readings.push(Reading {
            at,
            value: Some(value),
            quality: express.tail_quality,
            line,
            detail: None,
        });
        self.pending += 1;
        self.xml.advance(length);
        Ok(true)
    }
}
