//! How fast days are encoded and decoded, and how large they are: `cargo bench --bench codec`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use hub_core::MessageId;
use hub_model::{Decimal, Instant as At};
use hub_store::estate::readings::{DayBlock, Origin, StoredReading, codec};

const DAYS: usize = 2_000;
const ROUNDS: usize = 20;
const READINGS: usize = 96;

fn main() {
    for (name, spread) in [("household", 60), ("small business", 600), ("zeros", 1)] {
        let days: Vec<_> = (0..DAYS).map(|seed| day(seed as u64, spread)).collect();
        let mut bytes = Vec::new();
        let encoding = time(|| {
            for day in &days {
                bytes.clear();
                codec::encode(black_box(day), Some(900), &mut bytes);
                black_box(&bytes);
            }
        });
        let encoded: Vec<Vec<u8>> = days
            .iter()
            .map(|day| {
                let mut bytes = Vec::new();
                codec::encode(day, Some(900), &mut bytes);
                bytes
            })
            .collect();
        let decoding = time(|| {
            for bytes in &encoded {
                black_box(codec::decode(black_box(bytes)).expect("just encoded"));
            }
        });
        let size: usize = encoded.iter().map(Vec::len).sum();
        println!(
            "{name:15} {:.2} bytes a reading, encode {:.0} M readings/s, decode {:.0} M readings/s",
            size as f64 / (DAYS * READINGS) as f64,
            per_second(encoding),
            per_second(decoding),
        );
    }
}

/// The fastest of several rounds: the others waited for something.
fn time(mut work: impl FnMut()) -> Duration {
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        work();
        best = best.min(start.elapsed());
    }
    best
}

fn per_second(time: Duration) -> f64 {
    (DAYS * READINGS) as f64 / time.as_secs_f64() / 1e6
}

/// Consumption in kWh with three places: a base load, a noisy evening, now and then a kettle.
fn day(seed: u64, spread: u64) -> DayBlock {
    let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let start = At::from_seconds(1_780_000_000 / 86_400 * 86_400);
    let readings = (0..READINGS).map(|i| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let evening = if (68..88).contains(&i) { 3 } else { 1 };
        let kettle = if random.is_multiple_of(31) {
            8 * spread
        } else {
            0
        };
        let value = if spread == 1 {
            0
        } else {
            spread + (random >> 8) % (spread * evening) + kettle
        };
        StoredReading {
            at: start.plus_seconds(900 * (i as i64 + 1)),
            value: Decimal::new(value as i64, 3),
            quality: 0,
            origin: 0,
            offset: 17_000 * seed,
            line: 700 * seed + 7 * i as u64,
            detail: None,
        }
    });
    DayBlock {
        readings: readings.collect(),
        qualities: vec![Vec::new()],
        origins: vec![Origin {
            message: MessageId(900_000_000_000_000_000),
            sheet: None,
        }],
    }
}
