//! Readings files for benchmarks: deterministic, as large as one likes.

use std::io::{self, Write};

use hub_model::Instant;

/// The mapping file of what [`Synthetic`] writes.
pub const MAPPING: &str = r#"record = "readings"
description = "One row a reading, as head-ends export them"

[readings]
meter = "meter"
at = "timestamp"
reading_type = "reading_type"
value = "value"
quality = { column = "quality", lookup = { "0" = "", "1" = "2.8.0", "2" = "2.5.259" } }
"#;

/// Quarter-hours of a day.
const INTERVALS: u32 = 96;

/// A readings file to write: `meters × days × 96` rows of about 80 bytes.
#[derive(Debug, Clone, Copy)]
pub struct Synthetic {
    /// Number of meters.
    pub meters: u32,
    /// Number of days from 2026-03-01 UTC.
    pub days: u32,
    /// Different seeds give different values.
    pub seed: u64,
    /// What comes first.
    pub order: Order,
}

/// How rows are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// All readings of a meter together.
    MeterMajor,
    /// All meters of a quarter-hour together.
    TimeMajor,
}

impl Synthetic {
    /// Rows without the header.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.meters as u64 * self.days as u64 * INTERVALS as u64
    }

    /// Writes the file; gives the sum of all values in thousandths, for a check of what arrives.
    ///
    /// # Errors
    /// What the writer says.
    pub fn write(&self, out: &mut impl Write) -> io::Result<u64> {
        out.write_all(b"meter,timestamp,reading_type,value,quality\n")?;
        let intervals = self.days * INTERVALS;
        let mut row = Row {
            random: self.seed | 1,
            ..Row::default()
        };
        match self.order {
            Order::MeterMajor => {
                for meter in 0..self.meters {
                    for interval in 0..intervals {
                        row.write(meter, interval, out)?;
                    }
                }
            }
            Order::TimeMajor => {
                for interval in 0..intervals {
                    for meter in 0..self.meters {
                        row.write(meter, interval, out)?;
                    }
                }
            }
        }
        Ok(row.sum)
    }
}

#[derive(Default)]
struct Row {
    random: u64,
    sum: u64,
    interval: Option<u32>,
    stamp: Vec<u8>,
    line: Vec<u8>,
}

impl Row {
    fn write(&mut self, meter: u32, interval: u32, out: &mut impl Write) -> io::Result<()> {
        // xorshift64: good enough for values, and the same everywhere.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let thousandths = 100 + self.random % 9_900;
        self.sum += thousandths;
        if self.interval != Some(interval) {
            self.interval = Some(interval);
            self.stamp.clear();
            let start = Instant::from_seconds(1_772_323_200);
            start
                .plus_seconds((i64::from(interval) + 1) * 900)
                .write(&mut self.stamp);
        }
        self.line.clear();
        self.line.extend_from_slice(b"meter-");
        push_digits(&mut self.line, u64::from(meter), 8);
        self.line.push(b',');
        self.line.extend_from_slice(&self.stamp);
        self.line
            .extend_from_slice(b",0.0.2.4.1.1.12.0.0.0.0.0.0.0.0.3.72.0,");
        push_digits(&mut self.line, thousandths / 1_000, 1);
        self.line.push(b'.');
        push_digits(&mut self.line, thousandths % 1_000, 3);
        // One reading in a thousand is estimated.
        self.line
            .extend_from_slice(if (self.random >> 32).is_multiple_of(1_000) {
                b",1\n"
            } else {
                b",0\n"
            });
        out.write_all(&self.line)
    }
}

fn push_digits(out: &mut Vec<u8>, value: u64, width: u32) {
    for place in (0..width).rev() {
        out.push(b'0' + ((value / 10u64.pow(place)) % 10) as u8);
    }
}
