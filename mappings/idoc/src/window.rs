//! The bytes of a payload that are being looked at, and where they are in it.

use std::io::{self, Read};

use memchr::memchr_iter;

use crate::limits::CHUNK_BYTES;

/// A stretch of a payload that grows at its end and shrinks at its beginning.
pub(crate) struct Window<'p> {
    reader: Box<dyn Read + Send + 'p>,
    bytes: Vec<u8>,
    /// Where what is not yet taken begins.
    begin: usize,
    offset: u64,
    line: u64,
    ended: bool,
}

impl<'p> Window<'p> {
    /// A window at the beginning of what is read, which is at this offset of the payload.
    pub(crate) fn new(reader: Box<dyn Read + Send + 'p>, offset: u64) -> Self {
        Self {
            reader,
            bytes: Vec::new(),
            begin: 0,
            offset,
            line: 1,
            ended: false,
        }
    }

    /// What is at hand.
    pub(crate) fn rest(&self) -> &[u8] {
        &self.bytes[self.begin..]
    }

    /// Reads on. False at the end of the payload.
    pub(crate) fn more(&mut self) -> io::Result<bool> {
        if self.ended {
            return Ok(false);
        }
        self.bytes.drain(..self.begin);
        self.begin = 0;
        let read = (&mut self.reader)
            .take(CHUNK_BYTES as u64)
            .read_to_end(&mut self.bytes)?;
        self.ended = read == 0;
        Ok(read > 0)
    }

    /// Makes sure that so many bytes are at hand, if the payload has them.
    pub(crate) fn at_least(&mut self, count: usize) -> io::Result<()> {
        while self.rest().len() < count && self.more()? {}
        Ok(())
    }

    /// Passes over bytes.
    pub(crate) fn skip(&mut self, count: usize) {
        let count = count.min(self.rest().len());
        self.line += newlines(&self.bytes[self.begin..self.begin + count]);
        self.begin += count;
        self.offset += count as u64;
    }

    /// Takes bytes out.
    pub(crate) fn take(&mut self, count: usize) -> Vec<u8> {
        let taken = self.rest()[..count.min(self.rest().len())].to_vec();
        self.skip(taken.len());
        taken
    }

    /// Offset in the payload of the first byte at hand.
    pub(crate) const fn offset(&self) -> u64 {
        self.offset
    }

    /// The place of the first byte at hand.
    pub(crate) const fn place(&self) -> hub_model::Place {
        hub_model::Place::at(self.offset, self.line)
    }
}

/// Line feeds in a stretch of bytes.
pub(crate) fn newlines(bytes: &[u8]) -> u64 {
    memchr_iter(b'\n', bytes).count() as u64
}
