//! How fast readings are applied to a SQLite store, durably: `cargo bench --bench blocks`.
//!
//! 12,000 meters × 96 quarter-hours in chunks of 250 blocks, one committed transaction a chunk:
//! new meters, known meters on a new day, the same day again, a day with one corrected value each,
//! and a day as a time-major table brings it (one reading a record).

use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use hub_core::MessageId;
use hub_model::{
    Decimal, Instant as At, ObjectRef, Place, Reading, ReadingBlock, ReadingKind, Record, Zone,
};
use hub_store::db::Db;
use hub_store::estate::{Applier, EnterpriseId, Outcome, Scope, UnknownPolicy, enterprise};
use hub_store::sqlite::{Sqlite, SqliteOptions};

const METERS: usize = 12_000;
const READINGS: usize = 96;
const CHUNK: usize = 250;
const TYPE: &str = "0.0.2.4.1.1.12.0.0.0.0.0.0.0.0.3.72.0";
/// 2026-06-01T00:00 in Helsinki.
const START: i64 = 1_780_261_200;

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("hub.db");
    let db = Db::new(Sqlite::open(&path, SqliteOptions::default()).expect("a database"));
    let zone = Zone::named("Europe/Helsinki").expect("in the time zone database");
    let made = zone.clone();
    let enterprise = db
        .write(move |tx| enterprise::ensure(tx, "bench", &made))
        .await
        .expect("an enterprise");
    let bench = Bench {
        db,
        zone,
        enterprise: enterprise.id,
        messages: AtomicI64::new(0),
    };
    bench.run("new meters", by_meter(0, 0)).await;
    for day in 1..4 {
        bench.run("a new day", by_meter(day, 0)).await;
    }
    bench.run("the same day again", by_meter(3, 0)).await;
    bench.run("one value corrected", by_meter(3, 7)).await;
    sizes(&path, 4);
    let small = CHUNK * READINGS;
    bench.run("time-major rows", by_time(4, small)).await;
    bench
        .run("ten times the chunk", by_time(5, 10 * small))
        .await;
    drop(bench);
    sizes(&path, 6);
}

/// What the blocks of so many days take on disk.
fn sizes(path: &Path, days: usize) {
    let connection = rusqlite::Connection::open(path).expect("the database again");
    let stored: (i64, i64) = connection
        .query_row(
            "SELECT SUM(pgsize), SUM(payload) FROM dbstat WHERE name = 'reading_block'",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .unwrap_or_default();
    println!(
        "{days} days: {:.2} bytes a reading in pages, {:.2} in rows",
        stored.0 as f64 / (days * METERS * READINGS) as f64,
        stored.1 as f64 / (days * METERS * READINGS) as f64,
    );
}

struct Bench {
    db: Db,
    zone: Zone,
    enterprise: EnterpriseId,
    messages: AtomicI64,
}

impl Bench {
    async fn run(&self, name: &str, chunks: Vec<Vec<(Place, Record)>>) {
        let (mut total, mut busy) = (Outcome::default(), Duration::ZERO);
        let begin = Instant::now();
        let message = self.messages.fetch_add(1, Ordering::SeqCst);
        for chunk in chunks {
            let scope = Scope {
                enterprise: self.enterprise,
                zone: self.zone.clone(),
                message_id: MessageId(900_000_000_000_000_000 + message),
                now: At::from_seconds(START),
                unknown: UnknownPolicy::Create,
            };
            let (outcome, time) = self
                .db
                .write(move |tx| {
                    let start = cpu_time();
                    let mut applier = Applier::new(scope.clone());
                    for (place, record) in &chunk {
                        applier.apply(tx, place, record)?;
                    }
                    Ok((applier.finish(tx)?, cpu_time() - start))
                })
                .await
                .expect("applied");
            busy += time;
            total.applied += outcome.applied;
            total.added += outcome.added;
            total.unchanged += outcome.unchanged;
            total.corrected += outcome.corrected;
        }
        let all = begin.elapsed();
        println!(
            "{name:20} {:6.2} M readings/s durable, {:5.1} µs of CPU a block \
             ({} added, {} unchanged, {} corrected)",
            total.applied as f64 / all.as_secs_f64() / 1e6,
            busy.as_secs_f64() * 1e6 / METERS as f64,
            total.added,
            total.unchanged,
            total.corrected,
        );
    }
}

/// What this thread has computed so far, which other programs on the machine hardly disturb.
fn cpu_time() -> Duration {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(
        spent.tv_sec.unsigned_abs(),
        spent.tv_nsec.unsigned_abs() as u32,
    )
}

fn value(meter: usize, slot: usize, day: i64) -> Option<Decimal> {
    let mut random = (meter as u64 + 1) * 7_919 + slot as u64 * 104_729 + day as u64;
    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    let evening = if (68..88).contains(&slot) { 3 } else { 1 };
    let kettle = if random.is_multiple_of(31) { 480 } else { 0 };
    Decimal::new((60 + random % (60 * evening) + kettle) as i64, 3)
}

fn block(meter: usize) -> ReadingBlock {
    let reading_type = TYPE.parse().expect("a reading type");
    let mut block = ReadingBlock::new(reading_type, ReadingKind::Interval);
    block.meter = Some(ObjectRef::by_mrid(format!("meter-{meter:07}")));
    block
}

fn end_of(day: i64, slot: usize) -> At {
    At::from_seconds(START + 86_400 * day + 900 * (slot as i64 + 1))
}

/// A record per meter, the way CIM and ESPI come.
fn by_meter(day: i64, corrected: usize) -> Vec<Vec<(Place, Record)>> {
    let records = (0..METERS).map(|meter| {
        let mut block = block(meter);
        block.readings = (0..READINGS)
            .map(|slot| Reading {
                line: 7 * slot as u32,
                ..Reading::new(end_of(day, slot), value(meter, slot, day))
            })
            .collect();
        if corrected > 0 {
            block.readings[corrected].value = Decimal::new(1, 0);
        }
        let place = Place::at(17_000 * meter as u64, 700 * meter as u64 + 1);
        (place, Record::Readings(block))
    });
    chunks(records, CHUNK)
}

/// A record per reading, all meters of one quarter-hour after the other.
fn by_time(day: i64, chunk: usize) -> Vec<Vec<(Place, Record)>> {
    let records = (0..METERS * READINGS).map(|row| {
        let (slot, meter) = (row / METERS, row % METERS);
        let mut block = block(meter);
        block
            .readings
            .push(Reading::new(end_of(day, slot), value(meter, slot, day)));
        (
            Place::at(43 * row as u64, row as u64 + 2),
            Record::Readings(block),
        )
    });
    chunks(records, chunk)
}

fn chunks<T>(items: impl Iterator<Item = T>, size: usize) -> Vec<Vec<T>> {
    let mut chunks: Vec<Vec<T>> = Vec::new();
    for item in items {
        match chunks.last_mut() {
            Some(chunk) if chunk.len() < size => chunk.push(item),
            _ => chunks.push(vec![item]),
        }
    }
    chunks
}
