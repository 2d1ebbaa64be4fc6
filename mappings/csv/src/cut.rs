//! Cuts a payload into parts at row ends.

use std::io::Read;

use hub_model::mapping::Halt;
use memchr::{memchr, memrchr};

use crate::extent::Structure;
use crate::limits::segment_bytes;

/// A part of the payload that begins and ends at row ends.
pub(crate) struct Part {
    pub(crate) bytes: Vec<u8>,
    /// Offset of the first byte.
    pub(crate) offset: u64,
    /// Line of the first byte.
    pub(crate) line: u64,
    /// Offset after the last byte.
    pub(crate) end: u64,
    /// The bytes are the beginning of a row that is too long.
    pub(crate) too_long: bool,
}

/// Reads a payload from a row's beginning and cuts it.
pub(crate) struct Cutter<'a> {
    reader: Box<dyn Read + Send + 'a>,
    structure: Structure,
    /// Bytes read and not yet handed out.
    rest: Vec<u8>,
    offset: u64,
    line: u64,
    ended: bool,
}

impl<'a> Cutter<'a> {
    pub(crate) fn new(
        reader: Box<dyn Read + Send + 'a>,
        structure: Structure,
        offset: u64,
        line: u64,
    ) -> Self {
        Self {
            reader,
            structure,
            rest: Vec::new(),
            offset,
            line,
            ended: false,
        }
    }

    /// The next part; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Part>, Halt> {
        let mut bytes = std::mem::replace(&mut self.rest, Vec::with_capacity(0));
        self.fill(&mut bytes)?;
        if bytes.is_empty() {
            return Ok(None);
        }
        if self.ended {
            return Ok(Some(self.part(bytes)));
        }
        match self.last_row_end(&bytes) {
            Some(cut) => {
                self.rest.reserve(segment_bytes(self.structure.longest));
                self.rest.extend_from_slice(&bytes[cut..]);
                bytes.truncate(cut);
                Ok(Some(self.part(bytes)))
            }
            None => self.skip_long_row(bytes).map(Some),
        }
    }

    fn fill(&mut self, bytes: &mut Vec<u8>) -> Result<(), Halt> {
        let wanted = segment_bytes(self.structure.longest).saturating_sub(bytes.len());
        if self.ended || wanted == 0 {
            return Ok(());
        }
        bytes.reserve(wanted);
        let read = (&mut self.reader).take(wanted as u64).read_to_end(bytes)?;
        self.ended = read < wanted;
        Ok(())
    }

    /// The end of the last row that is whole; `None` if not even the first is.
    fn last_row_end(&self, bytes: &[u8]) -> Option<usize> {
        let has_quotes = self
            .structure
            .quote
            .is_some_and(|quote| memchr(quote, bytes).is_some());
        if !has_quotes {
            return memrchr(self.structure.line_end, bytes).map(|end| end + 1);
        }
        let mut at = 0;
        while at < bytes.len() {
            let extent = self.structure.extent(&bytes[at..]);
            let next = at + extent.next;
            // A row that ends with the buffer, or whose quote may yet close, might go on.
            let open = next == bytes.len() && bytes.last() != Some(&self.structure.line_end);
            let undecided = extent.kind == crate::extent::Kind::BadQuote
                && bytes.len() - at < self.structure.longest;
            if open || undecided {
                break;
            }
            at = next;
        }
        (at > 0).then_some(at)
    }

    /// Takes a row off that has no end within the buffer, and leaves only its beginning.
    fn skip_long_row(&mut self, mut bytes: Vec<u8>) -> Result<Part, Halt> {
        const KEPT: usize = 256;
        let offset = self.offset;
        let mut length = bytes.len() as u64;
        bytes.truncate(KEPT);
        let mut buffer = vec![0u8; 1 << 16];
        loop {
            let read = self.reader.read(&mut buffer)?;
            if read == 0 {
                self.ended = true;
                break;
            }
            if let Some(end) = memchr(self.structure.line_end, &buffer[..read]) {
                self.rest.extend_from_slice(&buffer[end + 1..read]);
                length += end as u64 + 1;
                break;
            }
            length += read as u64;
        }
        // A comment may be as long as it likes.
        let comment = self.structure.comment;
        let too_long = comment.is_none() || bytes.first().copied() != comment;
        if !too_long {
            bytes.clear();
        }
        let part = Part {
            bytes,
            offset,
            line: self.line,
            end: offset + length,
            too_long,
        };
        self.offset = part.end;
        self.line += 1;
        Ok(part)
    }

    fn part(&mut self, bytes: Vec<u8>) -> Part {
        let part = Part {
            offset: self.offset,
            line: self.line,
            end: self.offset + bytes.len() as u64,
            bytes,
            too_long: false,
        };
        self.offset = part.end;
        self.line += memchr::memchr_iter(self.structure.line_end, &part.bytes).count() as u64;
        part
    }
}
