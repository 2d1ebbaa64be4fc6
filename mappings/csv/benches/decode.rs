//! Rows a second of decoding readings, beside a bare pass of the `csv` crate in the same run.
//!
//! `cargo bench -p mapping-csv`; `ROWS=1000000` for a shorter run.

use std::hint::black_box;
use std::sync::{Arc, Mutex};
use std::time::Instant as Clock;

use hub_model::mapping::{Decode, Halt, Records};
use hub_model::{Decimal, Finding, Place, Record, Zone};
use mapping_csv::CsvDecoder;
use mapping_csv::synthetic::{MAPPING, Order, Synthetic};
use mapping_tabular::Mapping;

/// Counts readings and adds their values, and drops them: what any receiver does at least.
#[derive(Default)]
struct Count {
    readings: u64,
    blocks: u64,
    sum: i64,
}

impl Records for Count {
    fn record(&mut self, _: Place, record: Record) -> Result<(), Halt> {
        if let Record::Readings(block) = record {
            self.readings += block.readings.len() as u64;
            self.blocks += 1;
            let values = block.readings.iter().filter_map(|reading| reading.value);
            self.sum += values.filter_map(|value| value.mantissa_at(3)).sum::<i64>();
        }
        Ok(())
    }

    fn finding(&mut self, finding: Finding) -> Result<(), Halt> {
        panic!("{finding}");
    }
}

fn bare(bytes: &[u8]) -> u64 {
    let mut reader = csv::Reader::from_reader(bytes);
    let mut record = csv::ByteRecord::new();
    let (mut rows, mut sum) = (0, 0i64);
    while reader.read_byte_record(&mut record).expect("well-formed") {
        rows += 1;
        let value = Decimal::parse(&record[3], b'.').expect("a number");
        sum += value.mantissa() + i64::from(record[1][15]);
    }
    black_box(sum);
    rows
}

#[expect(clippy::ptr_arg, reason = "a payload must have a size")]
fn parallel(decoder: &CsvDecoder, bytes: &Vec<u8>, threads: usize) -> Count {
    let segments = Mutex::new(
        decoder
            .segments(bytes, 0)
            .expect("readable")
            .expect("segmentable"),
    );
    let total = Mutex::new(Count::default());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut count = Count::default();
                loop {
                    let next = segments.lock().expect("no panic").next().expect("readable");
                    let Some(segment) = next else { break };
                    (segment.decode)(&mut count).expect("never stops");
                }
                let mut total = total.lock().expect("no panic");
                total.readings += count.readings;
                total.blocks += count.blocks;
                total.sum += count.sum;
            });
        }
    });
    total.into_inner().expect("no panic")
}

fn timed<T>(name: &str, rows: u64, bytes: usize, run: impl Fn() -> T) -> T {
    let mut best = f64::MAX;
    let mut result = None;
    for _ in 0..3 {
        let clock = Clock::now();
        result = Some(run());
        best = best.min(clock.elapsed().as_secs_f64());
    }
    println!(
        "{name:<28} {:>6.2} M rows/s {:>7.0} MB/s",
        rows as f64 / best / 1e6,
        bytes as f64 / best / 1e6
    );
    result.expect("ran three times")
}

fn main() {
    let rows: u32 = std::env::var("ROWS")
        .ok()
        .and_then(|rows| rows.parse().ok())
        .unwrap_or(3_000_000);
    let decoder = CsvDecoder::new(
        Arc::new(Mapping::load(MAPPING).expect("our own mapping")),
        Zone::utc(),
    );
    for order in [Order::MeterMajor, Order::TimeMajor] {
        let file = Synthetic {
            meters: rows / 96,
            days: 1,
            seed: 42,
            order,
        };
        let mut bytes = Vec::new();
        let sum = file.write(&mut bytes).expect("memory") as i64;
        println!(
            "{order:?}: {} rows, {} MB",
            file.rows(),
            bytes.len() / 1_000_000
        );
        let length = bytes.len();
        timed("csv crate, ByteRecord, value", file.rows(), length, || {
            assert_eq!(bare(&bytes), file.rows())
        });
        let count = timed("decode, one core", file.rows(), length, || {
            let mut count = Count::default();
            decoder.decode(&bytes, &mut count).expect("never stops");
            count
        });
        assert_eq!((count.readings, count.sum), (file.rows(), sum));
        let count = timed("segments, two threads", file.rows(), length, || {
            parallel(&decoder, &bytes, 2)
        });
        assert_eq!((count.readings, count.sum), (file.rows(), sum));
        println!("{} blocks", count.blocks);
    }
}
