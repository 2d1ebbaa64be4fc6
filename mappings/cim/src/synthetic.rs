//! Makes documents of any size: for benchmarks, demonstrations and tests.
//!
//! The same description always makes the same bytes.

use std::io::{self, Write};

use hub_model::{Decimal, Instant};

/// A document to be made.
#[derive(Debug, Clone)]
pub struct Synthetic {
    /// Number of meters: one `MeterReading` each.
    pub meters: u64,
    /// Number of the first meter, which its `mRID` ends in.
    pub first_meter: u64,
    /// Readings of each meter.
    pub readings_per_meter: u32,
    /// Begin of the first interval.
    pub start: Instant,
    /// Length of an interval in seconds.
    pub interval_seconds: u32,
    /// The reading type of all of them.
    pub reading_type: &'static str,
    /// Makes other values.
    pub seed: u64,
}

impl Synthetic {
    /// A day of quarter-hours for this many meters, import energy in kWh.
    #[must_use]
    pub const fn day(meters: u64, start: Instant) -> Self {
        Self {
            meters,
            first_meter: 1,
            readings_per_meter: 96,
            start,
            interval_seconds: 900,
            reading_type: "0.0.2.4.1.1.12.0.0.0.0.0.0.0.0.3.72.0",
            seed: 1,
        }
    }

    /// The `mRID` of a meter.
    #[must_use]
    pub fn meter_mrid(number: u64) -> String {
        format!("MTR{number:09}")
    }

    /// Writes the document. About 16.5 kB per meter and day.
    ///
    /// # Errors
    /// The writer's.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(
            b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
              <MeterReadings xmlns=\"http://iec.ch/TC57/2011/MeterReadings#\">\n",
        )?;
        let stamps = self.stamps();
        let mut numbers = Numbers(self.seed);
        let mut text = Vec::new();
        for meter in 0..self.meters {
            text.clear();
            self.meter_reading(self.first_meter + meter, &stamps, &mut numbers, &mut text);
            out.write_all(&text)?;
        }
        out.write_all(b"</MeterReadings>\n")
    }

    /// The elements up to the value, of each reading of a meter.
    fn stamps(&self) -> Vec<Vec<u8>> {
        let mut at = self.start;
        let mut stamps = Vec::new();
        for _ in 0..self.readings_per_meter {
            at = at.plus_seconds(i64::from(self.interval_seconds));
            let mut stamp = b"<IntervalReadings><timeStamp>".to_vec();
            at.write(&mut stamp);
            stamp.extend_from_slice(b"</timeStamp><value>");
            stamps.push(stamp);
        }
        stamps
    }

    fn meter_reading(
        &self,
        meter: u64,
        stamps: &[Vec<u8>],
        numbers: &mut Numbers,
        text: &mut Vec<u8>,
    ) {
        text.extend_from_slice(b"<MeterReading><IntervalBlocks>");
        for stamp in stamps {
            let drawn = numbers.next();
            text.extend_from_slice(stamp);
            // Watt-hours of a quarter-hour as kWh: 0 to 1.023.
            let value = Decimal::new((drawn % 1024).cast_signed(), 3).unwrap_or_default();
            value.write(text, b'.');
            // One in 128 is estimated.
            let quality: &[u8] = if (drawn >> 32).is_multiple_of(128) {
                b"2.8.0"
            } else {
                b"2.0.0"
            };
            text.extend_from_slice(b"</value><ReadingQualities><ReadingQualityType ref=\"");
            text.extend_from_slice(quality);
            text.extend_from_slice(b"\"/></ReadingQualities></IntervalReadings>");
        }
        let rest = format!(
            "<ReadingType ref=\"{}\"/></IntervalBlocks><Meter><mRID>{}</mRID></Meter>\
             </MeterReading>\n",
            self.reading_type,
            Self::meter_mrid(meter),
        );
        text.extend_from_slice(rest.as_bytes());
    }
}

/// Numbers that look random and are always the same (Steele's SplitMix64).
struct Numbers(u64);

impl Numbers {
    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_always_makes_the_same_bytes() {
        let made = |seed| {
            let mut out = Vec::new();
            let day = Synthetic {
                seed,
                ..Synthetic::day(3, Instant::EPOCH)
            };
            day.write(&mut out).unwrap();
            out
        };
        assert_eq!(made(1), made(1));
        assert_ne!(made(1), made(2));
        let text = String::from_utf8(made(1)).unwrap();
        assert_eq!(text.matches("<IntervalReadings>").count(), 3 * 96);
        assert!(text.contains("<mRID>MTR000000003</mRID>"));
    }
}
