//! Numbers, texts and bitmaps in bytes.

use super::damaged;
use crate::StoreError;

pub(super) struct Writer<'a>(pub(super) &'a mut Vec<u8>);

impl Writer<'_> {
    #[inline]
    pub(super) fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    /// LEB128.
    #[inline]
    pub(super) fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    /// Zig-zag, then LEB128.
    #[inline]
    pub(super) fn signed(&mut self, number: i64) {
        self.number(((number << 1) ^ (number >> 63)).cast_unsigned());
    }

    /// Eight bytes, big end first.
    pub(super) fn fixed(&mut self, number: i64) {
        self.0.extend_from_slice(&number.to_be_bytes());
    }

    /// Length and bytes.
    pub(super) fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
    }

    /// A bitmap, lowest bit first; its length is known to the reader.
    pub(super) fn bits(&mut self, bits: impl Iterator<Item = bool>) {
        let mut byte = 0;
        let mut filled = 0;
        for bit in bits {
            byte |= u8::from(bit) << filled;
            filled += 1;
            if filled == 8 {
                self.byte(byte);
                (byte, filled) = (0, 0);
            }
        }
        if filled > 0 {
            self.byte(byte);
        }
    }
}

/// Reads what [`Writer`] wrote; anything else is damage, never a panic.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Bytes not read yet: no list can have more entries.
    pub(super) const fn left(&self) -> usize {
        self.0.len()
    }

    pub(super) fn end(&self) -> Result<(), StoreError> {
        match self.0 {
            [] => Ok(()),
            _ => Err(damaged("bytes after its end")),
        }
    }

    #[inline]
    pub(super) fn byte(&mut self) -> Result<u8, StoreError> {
        let (first, rest) = self.0.split_first().ok_or_else(short)?;
        self.0 = rest;
        Ok(*first)
    }

    #[inline]
    pub(super) fn number(&mut self) -> Result<u64, StoreError> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(damaged("a number of more than 64 bits"))
    }

    #[inline]
    pub(super) fn signed(&mut self) -> Result<i64, StoreError> {
        let number = self.number()?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    pub(super) fn fixed(&mut self) -> Result<i64, StoreError> {
        let (first, rest) = self.0.split_first_chunk().ok_or_else(short)?;
        self.0 = rest;
        Ok(i64::from_be_bytes(*first))
    }

    pub(super) fn text(&mut self) -> Result<&'a str, StoreError> {
        let length = self.number()?;
        let bytes = self.take(length)?;
        std::str::from_utf8(bytes).map_err(|_| damaged("a text that is not UTF-8"))
    }

    /// A bitmap of `count` bits.
    pub(super) fn bits(
        &mut self,
        count: usize,
    ) -> Result<impl Iterator<Item = bool> + 'a, StoreError> {
        let bytes = self.take(count.div_ceil(8) as u64)?;
        Ok((0..count).map(|i| bytes[i / 8] >> (i % 8) & 1 == 1))
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], StoreError> {
        let length = usize::try_from(length).map_err(|_| short())?;
        let (first, rest) = self.0.split_at_checked(length).ok_or_else(short)?;
        self.0 = rest;
        Ok(first)
    }
}

fn short() -> StoreError {
    damaged("ends too early")
}
