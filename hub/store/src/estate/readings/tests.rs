//! The most that a day holds, with a limit small enough to reach it in many ways.

use std::collections::BTreeSet;
use std::sync::Arc;

use hub_core::MessageId;
use hub_model::{Decimal, Instant, Place, Reading, ReadingBlock, ReadingKind, Zone};
use proptest::prelude::*;

use super::{DayBlock, Pending, codec};
use crate::StoreError;
use crate::db::{Db, first};
use crate::estate::{EnterpriseId, Scope, UnknownPolicy};
use crate::sqlite::{Sqlite, SqliteOptions};

const MOST: usize = 8;

/// Seconds and values of the readings of one record.
type Sent = Vec<(i64, i64)>;
/// What became of the readings of all records, in order: added, unchanged, corrected, rejected.
type Counted = Vec<[u64; 4]>;

fn scope() -> Scope {
    Scope {
        enterprise: EnterpriseId(1),
        zone: Zone::named("Europe/Berlin").unwrap(),
        message_id: MessageId(1),
        now: Instant::from_seconds(1_800_000_000),
        unknown: UnknownPolicy::Create,
    }
}

fn block(sent: &Sent) -> ReadingBlock {
    let quarter_hour = "0.0.2.4.1.1.12.0.0.0.0.0.0.0.0.3.72.0".parse().unwrap();
    let mut block = ReadingBlock::new(quarter_hour, ReadingKind::Register);
    block.readings = sent
        .iter()
        .map(|(second, value)| {
            Reading::new(Instant::from_seconds(*second), Decimal::new(*value, 0))
        })
        .collect();
    block
}

/// Applies the records in chunks of this size, one transaction each.
async fn applied(records: &[Sent], size: usize) -> (DayBlock, Counted) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hub.db");
    let db = Db::new(Sqlite::open(&path, SqliteOptions::default()).unwrap());
    let mut counted = Counted::new();
    for (chunk, records) in records.chunks(size).enumerate() {
        let blocks: Vec<_> = records.iter().map(block).collect();
        let written = db.write(move |tx| {
            let scope = scope();
            let mut pending = Pending::new(&scope);
            pending.most = MOST;
            for (number, block) in blocks.iter().enumerate() {
                let line = 1 + (chunk * size + number) as u64;
                let subject = (&Arc::from("meter:m1"), 1);
                pending.add(&scope, number, subject, &Place::at(100 * line, line), block);
            }
            pending.write(tx, &scope)
        });
        let written = written.await.unwrap();
        counted.extend(
            written
                .iter()
                .map(|r| [r.added, r.unchanged, r.corrected, r.rejected]),
        );
    }
    let sql = "SELECT data FROM reading_block WHERE series_id = 1";
    let stored = db.read(move |tx| first(tx, sql, &[], |row| codec::decode(row.blob(0)?)));
    let stored: Result<_, StoreError> = stored.await;
    (stored.unwrap().unwrap_or_default(), counted)
}

fn records() -> impl Strategy<Value = Vec<Sent>> {
    let free = proptest::collection::vec((0i64..20, 0i64..3), 1..6);
    let run =
        (0i64..20, 1i64..12).prop_map(|(from, n)| (from..from + n).map(|at| (at, 1)).collect());
    proptest::collection::vec(prop_oneof![free, run], 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_full_day_takes_the_same_however_it_is_chunked(records in records(), size in 2usize..5) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let (alone, counts) = runtime.block_on(applied(&records, 1));
        let (chunked, same_counts) = runtime.block_on(applied(&records, size));
        prop_assert_eq!(&alone.readings, &chunked.readings);
        prop_assert_eq!(&counts, &same_counts);
        let instants: BTreeSet<_> = records.iter().flatten().map(|(at, _)| *at).collect();
        prop_assert_eq!(alone.readings.len(), instants.len().min(MOST));
        let added: u64 = counts.iter().map(|[added, ..]| added).sum();
        prop_assert_eq!(added as usize, alone.readings.len());
    }
}

#[tokio::test]
async fn a_full_day_may_be_sent_again_and_corrected() {
    let full: Sent = (0..MOST as i64).map(|at| (at, 1)).collect();
    let corrected: Sent = (0..MOST as i64).map(|at| (at, 2)).collect();
    let most = MOST as u64;
    let records = [full.clone(), full, corrected, vec![(99, 1), (3, 3)]];
    let (day, counts) = applied(&records, 1).await;
    let expected = [
        [most, 0, 0, 0],
        [0, most, 0, 0],
        [0, 0, most, 0],
        [0, 0, 1, 1],
    ];
    assert_eq!(counts, expected);
    assert_eq!(day.readings.len(), MOST);
    assert_eq!(day.readings[3].value, Decimal::new(3, 0));
}
