//! Decompression of posted bodies, bounded against bombs.

use std::io::Write;

use bytes::Bytes;
use flate2::write::MultiGzDecoder;

use super::body::Trouble;

/// Compressed bytes inflated at a time: deflate makes at most 1,032 times as many of them, so
/// that a step stays within 2 MiB.
const STEP: usize = 2 * 1024;

/// Highest ratio of a body. Meter-data XML reaches 50; a bomb 1,000.
const HIGHEST_RATIO: u64 = 200;

/// So much may come out at any ratio: small bodies of zeros are no bombs.
const FREE_BYTES: u64 = 1024 * 1024;

/// Inflates a body piece by piece.
pub(super) struct Gunzip {
    decoder: MultiGzDecoder<Vec<u8>>,
    taken: u64,
    given: u64,
    limit: u64,
}

impl Gunzip {
    /// Gives at most `limit` bytes.
    pub(super) fn new(limit: u64) -> Self {
        Self {
            decoder: MultiGzDecoder::new(Vec::new()),
            taken: 0,
            given: 0,
            limit,
        }
    }

    /// Inflates the next bytes; may give none yet.
    pub(super) fn push(&mut self, compressed: &[u8]) -> Result<Bytes, Trouble> {
        for step in compressed.chunks(STEP) {
            self.decoder
                .write_all(step)
                .map_err(|error| Trouble::Gzip(error.to_string()))?;
            self.taken += step.len() as u64;
            self.within_bounds()?;
        }
        Ok(self.give())
    }

    /// The last bytes, if the body was whole.
    pub(super) fn finish(&mut self) -> Result<Bytes, Trouble> {
        self.decoder
            .try_finish()
            .map_err(|error| Trouble::Gzip(error.to_string()))?;
        self.within_bounds()?;
        Ok(self.give())
    }

    fn within_bounds(&self) -> Result<(), Trouble> {
        let total = self.given + self.decoder.get_ref().len() as u64;
        if total > self.limit {
            return Err(Trouble::TooLarge { limit: self.limit });
        }
        let ratio_limit = FREE_BYTES.saturating_add(self.taken.saturating_mul(HIGHEST_RATIO));
        match total > ratio_limit {
            true => Err(Trouble::Gzip(format!(
                "expands to more than {HIGHEST_RATIO} times its size"
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

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn inflate(compressed: &[u8], step: usize, limit: u64) -> Result<Vec<u8>, Trouble> {
        let mut gunzip = Gunzip::new(limit);
        let mut out = Vec::new();
        for chunk in compressed.chunks(step) {
            out.extend(gunzip.push(chunk)?);
        }
        out.extend(gunzip.finish()?);
        Ok(out)
    }

    #[test]
    fn gives_what_was_compressed_whatever_the_cuts() {
        let text: Vec<u8> = (0..200_000u32)
            .flat_map(|i| (i * 7).to_le_bytes())
            .collect();
        let mut compressed = gzip(&text[..1_000]);
        compressed.extend(gzip(&text[1_000..]));
        for step in [1, 7, 4_096, usize::MAX] {
            assert!(
                inflate(&compressed, step, u64::MAX).unwrap() == text,
                "{step}"
            );
        }
    }

    #[test]
    fn a_bomb_a_stump_and_noise_are_refused() {
        let bomb = gzip(&vec![0; 30_000_000]);
        assert!(matches!(
            inflate(&bomb, 65_536, u64::MAX),
            Err(Trouble::Gzip(_))
        ));
        let harmless = gzip(&vec![0; 900_000]);
        assert!(matches!(
            inflate(&harmless, 65_536, 800_000),
            Err(Trouble::TooLarge { .. })
        ));
        assert_eq!(inflate(&harmless, 65_536, 900_000).unwrap().len(), 900_000);
        let whole = gzip(b"some text that is long enough");
        assert!(matches!(
            inflate(&whole[..whole.len() - 4], 99, 1_000),
            Err(Trouble::Gzip(_))
        ));
        assert!(matches!(
            inflate(b"no gzip at all", 99, 1_000),
            Err(Trouble::Gzip(_))
        ));
    }
}
