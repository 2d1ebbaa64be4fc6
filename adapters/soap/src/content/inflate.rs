//! `Compressed` of IEC 61968-100: base64 of gzip, unpacked as it comes and bounded against bombs.

use std::io::Write;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use flate2::write::MultiGzDecoder;

use crate::envelope::Trouble;

/// Compressed bytes inflated at a time: deflate makes at most 1,032 times as many of them.
const STEP: usize = 2 * 1024;

/// Highest ratio. Meter-data XML reaches 50; a bomb 1,000.
const HIGHEST_RATIO: u64 = 200;

/// So much may come out at any ratio.
const FREE_BYTES: u64 = 1024 * 1024;

/// Unpacks.
pub(crate) struct Inflate {
    /// Base64 characters that do not make up a group of four yet.
    group: Vec<u8>,
    decoder: MultiGzDecoder<Vec<u8>>,
    taken: u64,
    given: u64,
    limit: u64,
}

impl Inflate {
    /// Gives at most `limit` bytes.
    pub(crate) fn new(limit: u64) -> Self {
        Self {
            group: Vec::new(),
            decoder: MultiGzDecoder::new(Vec::new()),
            taken: 0,
            given: 0,
            limit,
        }
    }

    /// The next characters; may give nothing yet.
    ///
    /// # Errors
    /// They are not base64 of gzip, or expand too far.
    pub(crate) fn push(&mut self, text: &[u8]) -> Result<Bytes, Trouble> {
        // `&#13;` is how some tools write the ends of lines.
        let mut in_reference = false;
        for byte in text {
            match byte {
                b'&' => in_reference = true,
                b';' if in_reference => in_reference = false,
                _ if in_reference || byte.is_ascii_whitespace() => {}
                byte => self.group.push(*byte),
            }
        }
        let whole = self.group.len() / 4 * 4;
        let group: Vec<u8> = self.group.drain(..whole).collect();
        let packed = BASE64_STANDARD.decode(&group);
        self.inflate(&packed.map_err(|e| refused(&e.to_string()))?)
    }

    /// The last bytes.
    ///
    /// # Errors
    /// It was not whole.
    pub(crate) fn finish(&mut self) -> Result<Bytes, Trouble> {
        if !self.group.is_empty() {
            return Err(refused("the base64 was cut off"));
        }
        self.decoder
            .try_finish()
            .map_err(|e| refused(&e.to_string()))?;
        self.within_bounds()?;
        Ok(self.give())
    }

    fn inflate(&mut self, packed: &[u8]) -> Result<Bytes, Trouble> {
        for step in packed.chunks(STEP) {
            self.decoder
                .write_all(step)
                .map_err(|e| refused(&e.to_string()))?;
            self.taken += step.len() as u64;
            self.within_bounds()?;
        }
        Ok(self.give())
    }

    fn within_bounds(&self) -> Result<(), Trouble> {
        let total = self.given + self.decoder.get_ref().len() as u64;
        if total > self.limit {
            return Err(refused(&format!(
                "it expands to more than {} bytes",
                self.limit
            )));
        }
        let highest = FREE_BYTES.saturating_add(self.taken.saturating_mul(HIGHEST_RATIO));
        match total > highest {
            true => Err(refused(&format!(
                "it expands to more than {HIGHEST_RATIO} times its size"
            ))),
            false => Ok(()),
        }
    }

    fn give(&mut self) -> Bytes {
        let bytes = std::mem::take(self.decoder.get_mut());
        self.given += bytes.len() as u64;
        bytes.into()
    }
}

fn refused(what: &str) -> Trouble {
    Trouble::structure(format!("`Compressed` is not base64 of gzip: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    fn packed(bytes: &[u8]) -> String {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        BASE64_STANDARD.encode(encoder.finish().unwrap())
    }

    fn unpacked(text: &str, step: usize, limit: u64) -> Result<Vec<u8>, Trouble> {
        let mut inflate = Inflate::new(limit);
        let mut bytes = Vec::new();
        for chunk in text.as_bytes().chunks(step) {
            bytes.extend(inflate.push(chunk)?);
        }
        bytes.extend(inflate.finish()?);
        Ok(bytes)
    }

    #[test]
    fn what_was_packed_comes_out_and_bombs_do_not() {
        let text: Vec<u8> = (0..50_000u32).flat_map(|i| (i * 7).to_le_bytes()).collect();
        let with_lines = packed(&text).replace("AA", "A\r\nA");
        for step in [3, 4_096] {
            assert!(unpacked(&with_lines, step, u64::MAX).unwrap() == text);
        }
        assert!(unpacked(&packed(&text), 99, 1_000).is_err());
        assert!(unpacked(&packed(&vec![0; 30_000_000]), 65_536, u64::MAX).is_err());
        assert!(unpacked(&packed(b"abc")[..8], 99, 99).is_err());
        assert!(unpacked("no base64!", 99, 99).is_err());
    }
}
