//! However readings are cut into records and chunks, the same is known in the end.

use std::collections::BTreeMap;

use hub_core::MessageId;
use hub_model::{Decimal, LocalDay, ObjectRef, Reading, ReadingBlock, ReadingKind, Record};
use proptest::prelude::*;

use crate::client::{Client, Store};
use crate::readings::QUARTER_HOUR;

/// Two days before clocks go forward in Helsinki; the walk below crosses the night.
const FIRST_DAY: (i16, i8, i8) = (2026, 3, 28);

/// One block: meter, and slots with values. Slots repeat and come in any order.
type Sent = (u8, Vec<(i64, Option<i64>)>);
type Known = BTreeMap<(u8, i64), Option<Decimal>>;

fn record(start: hub_model::Instant, (meter, slots): &Sent) -> Record {
    let mut block = ReadingBlock::new(QUARTER_HOUR.parse().unwrap(), ReadingKind::Interval);
    block.meter = Some(ObjectRef::by_mrid(format!("m{meter}")));
    block.readings = slots
        .iter()
        .map(|(slot, value)| {
            let value = value.and_then(|value| Decimal::new(value, 1));
            Reading::new(start.plus_seconds(900 * slot), value)
        })
        .collect();
    Record::Readings(block)
}

/// Applies the blocks in chunks of these sizes, the last size again and again, and returns what
/// is known, and how often something was added, unchanged and corrected. Then applies all of it
/// again, as a replay does, which must change nothing and tell nobody.
async fn applied(blocks: &[Sent], sizes: &[usize]) -> (Known, [u64; 3]) {
    let store = Store::new();
    let client = store.client("north", "Europe/Helsinki").await.creating();
    let (year, month, day) = FIRST_DAY;
    let first = LocalDay::from_ymd(year, month, day).unwrap();
    let start = client.zone.bounds(first).0;
    let run = async || {
        let (mut rest, mut counts, mut events) = (blocks, [0; 3], 0);
        let mut sizes = sizes.iter();
        let mut size = 1;
        while !rest.is_empty() {
            size = sizes.next().copied().unwrap_or(size).clamp(1, rest.len());
            let (now, later) = rest.split_at(size);
            let records = now.iter().map(|sent| record(start, sent)).collect();
            let line = 1 + (blocks.len() - rest.len()) as u64;
            let outcome = client.apply_from(MessageId(1), line, records).await;
            counts[0] += outcome.added;
            counts[1] += outcome.unchanged;
            counts[2] += outcome.corrected;
            events += outcome.events.len();
            rest = later;
        }
        (counts, events)
    };
    let (counts, _) = run().await;
    let learnt = known(&client, first, start).await;
    let total: u64 = counts.iter().sum();
    assert_eq!(run().await, ([0, total, 0], 0), "applied again");
    assert_eq!(known(&client, first, start).await, learnt);
    (learnt, counts)
}

async fn known(client: &Client, first: LocalDay, start: hub_model::Instant) -> Known {
    let mut known = Known::new();
    for meter in 0..2 {
        let last = LocalDay(first.0 + 3);
        let before = LocalDay(first.0 - 1);
        for (_, day) in client.days(&format!("m{meter}"), before, last).await {
            let (from, to) = client.zone.bounds(day.day);
            for reading in &day.block.readings {
                assert!(reading.at > from && reading.at <= to, "on its own day");
                let slot = reading.at.micros_since(start) / 900_000_000;
                assert!(known.insert((meter, slot), reading.value).is_none());
            }
        }
    }
    known
}

fn expected(blocks: &[Sent]) -> Known {
    let mut expected = Known::new();
    for (meter, slots) in blocks {
        for (slot, value) in slots {
            let value = value.and_then(|value| Decimal::new(value, 1));
            expected.insert((*meter, *slot), value);
        }
    }
    expected
}

fn blocks() -> impl Strategy<Value = Vec<Sent>> {
    let value = proptest::option::weighted(0.9, 0i64..4);
    let free = proptest::collection::vec((0i64..250, value.clone()), 1..12);
    let run = (0i64..200, proptest::collection::vec(value, 1..40))
        .prop_map(|(from, values)| (from..).zip(values).collect());
    proptest::collection::vec((0u8..2, prop_oneof![free, run]), 1..16)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn chunking_does_not_matter(
        blocks in blocks(),
        sizes in proptest::collection::vec(1usize..6, 1..5),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let (one_by_one, alone) = runtime.block_on(applied(&blocks, &[1]));
        let (together, at_once) = runtime.block_on(applied(&blocks, &[blocks.len()]));
        let (mixed, chunked) = runtime.block_on(applied(&blocks, &sizes));
        let expected = expected(&blocks);
        prop_assert_eq!(&one_by_one, &expected);
        prop_assert_eq!(&together, &expected);
        prop_assert_eq!(&mixed, &expected);
        prop_assert_eq!(alone, at_once);
        prop_assert_eq!(alone, chunked);
        prop_assert_eq!(alone[0] as usize, expected.len());
    }
}
