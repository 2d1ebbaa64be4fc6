//! The fields that units are made of: integers, texts that end in a zero octet, and octets.

use super::HEADER_BYTES;

/// A field is longer than the protocol can carry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` has {bytes} octets, expected at most {longest}")]
pub struct TooLong {
    /// The field.
    pub field: &'static str,
    /// Its length.
    pub bytes: usize,
    /// What it may have.
    pub longest: usize,
}

const CUT: &str = "is cut short";

/// Reads fields in their order.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(octets: &'a [u8]) -> Self {
        Self(octets)
    }

    pub(super) fn octets(&mut self, count: usize) -> Result<&'a [u8], &'static str> {
        let (octets, rest) = self.0.split_at_checked(count).ok_or(CUT)?;
        self.0 = rest;
        Ok(octets)
    }

    pub(super) fn octet(&mut self) -> Result<u8, &'static str> {
        let (octet, rest) = self.0.split_first().ok_or(CUT)?;
        self.0 = rest;
        Ok(*octet)
    }

    pub(super) fn short(&mut self) -> Result<u16, &'static str> {
        let (octets, rest) = self.0.split_first_chunk().ok_or(CUT)?;
        self.0 = rest;
        Ok(u16::from_be_bytes(*octets))
    }

    pub(super) fn long(&mut self) -> Result<u32, &'static str> {
        let (octets, rest) = self.0.split_first_chunk().ok_or(CUT)?;
        self.0 = rest;
        Ok(u32::from_be_bytes(*octets))
    }

    /// A text and its end.
    pub(super) fn text(&mut self) -> Result<String, &'static str> {
        let end = self.0.iter().position(|octet| *octet == 0).ok_or(CUT)?;
        let octets = self.octets(end + 1)?;
        Ok(latin1(&octets[..end]))
    }

    /// A text; if its end is missing, all that is left.
    pub(super) fn text_or_rest(&mut self) -> String {
        match self.text() {
            Ok(text) => text,
            Err(_) => latin1(std::mem::take(&mut self.0)),
        }
    }
}

/// Octets as text, one character each.
pub(super) fn latin1(octets: &[u8]) -> String {
    octets.iter().copied().map(char::from).collect()
}

/// Writes a unit; its length is filled in at the end.
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn with_header(command: u32, status: u32, sequence: u32) -> Self {
        let mut octets = Vec::with_capacity(256);
        for word in [0, command, status, sequence] {
            octets.extend_from_slice(&u32::to_be_bytes(word));
        }
        Self(octets)
    }

    pub(super) fn octet(&mut self, octet: u8) {
        self.0.push(octet);
    }

    pub(super) fn short(&mut self, number: u16) {
        self.0.extend_from_slice(&number.to_be_bytes());
    }

    pub(super) fn octets(&mut self, octets: &[u8]) {
        self.0.extend_from_slice(octets);
    }

    /// A text of at most so many octets, and its end. Only what Latin-1 has can be written; what
    /// it has not becomes `?`, as does a zero, which would end the text.
    pub(super) fn text(
        &mut self,
        field: &'static str,
        text: &str,
        longest: usize,
    ) -> Result<(), TooLong> {
        let bytes = text.chars().count();
        if bytes > longest {
            return Err(TooLong {
                field,
                bytes,
                longest,
            });
        }
        let octets = text.chars().map(|c| match u8::try_from(u32::from(c)) {
            Ok(0) | Err(_) => b'?',
            Ok(octet) => octet,
        });
        self.0.extend(octets);
        self.0.push(0);
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<Vec<u8>, TooLong> {
        let bytes = self.0.len();
        let length = u32::try_from(bytes).map_err(|_| TooLong {
            field: "command_length",
            bytes,
            longest: u32::MAX as usize,
        })?;
        debug_assert!(bytes >= HEADER_BYTES);
        self.0[..4].copy_from_slice(&length.to_be_bytes());
        Ok(self.0)
    }
}
