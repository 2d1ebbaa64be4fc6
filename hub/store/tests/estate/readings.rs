//! Readings: exact, with lineage, in local days, once, and with their history.

use hub_core::MessageId;
use hub_model::{
    Decimal, EndDevice, Instant, LocalDay, ObjectRef, Place, QualityCode, Reading, ReadingBlock,
    ReadingKind, ReadingQuality, Record, UsagePoint, Zone,
};
use hub_store::StoreError;
use hub_store::estate::readings::{MAX_READINGS, SubjectId, series_of, versions};
use hub_store::estate::{Applier, enterprise};

use crate::client::{Client, Store, events, findings};

pub(crate) const QUARTER_HOUR: &str = "0.0.2.4.1.1.12.0.0.0.0.0.0.0.0.3.72.0";

pub(crate) fn day(year: i16, month: i8, day: i8) -> LocalDay {
    LocalDay::from_ymd(year, month, day).unwrap()
}

pub(crate) fn decimal(text: &str) -> Option<Decimal> {
    Some(text.parse().unwrap())
}

pub(crate) fn meter(id: &str) -> Record {
    Record::EndDevice(Box::new(EndDevice {
        id: ObjectRef::by_mrid(id),
        ..EndDevice::default()
    }))
}

/// All quarter-hours of a local day, valued 0.001, 0.002 ...
pub(crate) fn quarter_hours(meter: &str, zone: &Zone, day: LocalDay) -> ReadingBlock {
    let (start, end) = zone.bounds(day);
    let count = end.micros_since(start) / 900_000_000;
    let mut block = ReadingBlock::new(QUARTER_HOUR.parse().unwrap(), ReadingKind::Interval);
    block.meter = Some(ObjectRef::by_mrid(meter));
    block.readings = (1..=count)
        .map(|i| Reading::new(start.plus_seconds(900 * i), Decimal::new(i, 3)))
        .collect();
    block
}

async fn client_with_meter(store: &Store, zone: &str) -> Client {
    let client = store.client("north", zone).await;
    client.send(vec![meter("m1")]).await;
    client
}

#[tokio::test]
async fn readings_come_back_exact_with_their_lineage() {
    let store = Store::new();
    let client = client_with_meter(&store, "Europe/Helsinki").await;
    let date = day(2026, 6, 1);
    let mut block = quarter_hours("m1", &client.zone, date);
    let estimated = vec![ReadingQuality::of(QualityCode::new(3, 8, 0))];
    block.readings[7].quality = block.quality_index(estimated.clone()).unwrap();
    block.readings[8].value = None;
    block.readings.remove(20);
    for (i, reading) in (0..).zip(&mut block.readings) {
        reading.line = 3 * i;
    }
    let outcome = client
        .apply(MessageId(77), vec![Record::Readings(block.clone())])
        .await;
    assert_eq!(outcome.added, 95);
    assert_eq!(events(&outcome), [("meter_readings.accepted", "meter:m1")]);
    let days = client.days("m1", date, date).await;
    let [(series, stored)] = days.as_slice() else {
        panic!("{} days", days.len());
    };
    assert_eq!(series.reading_type, block.reading_type);
    assert_eq!((stored.day, stored.version), (date, 1));
    assert_eq!(stored.block.readings.len(), 95);
    for (sent, kept) in block.readings.iter().zip(&stored.block.readings) {
        assert_eq!((sent.at, sent.value), (kept.at, kept.value));
        assert_eq!((kept.offset, kept.line), (100, 1 + u64::from(sent.line)));
        let origin = stored.block.origin_of(kept).unwrap();
        assert_eq!(origin.message, MessageId(77));
        let qualities = stored.block.qualities_of(kept);
        assert_eq!(qualities, block.qualities_of(sent));
    }
    assert_eq!(client.counts().await.readings, 95);
}

#[tokio::test]
async fn days_have_92_96_and_100_quarter_hours() {
    for (zone, short, long) in [
        ("Europe/Helsinki", day(2026, 3, 29), day(2026, 10, 25)),
        ("Europe/Berlin", day(2026, 3, 29), day(2026, 10, 25)),
        ("America/New_York", day(2026, 3, 8), day(2026, 11, 1)),
    ] {
        let store = Store::new();
        let client = client_with_meter(&store, zone).await;
        for (date, count) in [(short, 92), (long, 100), (day(2026, 6, 1), 96)] {
            // The days around it show that nothing leaks over midnight.
            let records = [date.0 - 1, date.0, date.0 + 1].map(|number| {
                Record::Readings(quarter_hours("m1", &client.zone, LocalDay(number)))
            });
            let outcome = client.send(records.into()).await;
            assert_eq!(outcome.added, 96 + count + 96, "{zone} {date}");
            let days = client.days("m1", date, date).await;
            assert_eq!(days.len(), 1, "{zone} {date}");
            assert_eq!(days[0].1.day, date);
            assert_eq!(days[0].1.block.readings.len() as u64, count);
        }
    }
}

#[tokio::test]
async fn a_resend_changes_nothing_and_says_nothing() {
    let store = Store::new();
    let client = client_with_meter(&store, "Europe/Berlin").await;
    let block = quarter_hours("m1", &client.zone, day(2026, 6, 1));
    client.send(vec![Record::Readings(block.clone())]).await;
    let again = client.send(vec![Record::Readings(block)]).await;
    assert_eq!((again.unchanged, again.added, again.corrected), (96, 0, 0));
    assert!(again.events.is_empty());
}

#[tokio::test]
async fn a_correction_keeps_what_was_known_when() {
    let store = Store::new();
    let client = client_with_meter(&store, "Europe/Berlin").await;
    let date = day(2026, 6, 1);
    let mut first = quarter_hours("m1", &client.zone, date);
    let late = first.readings.split_off(90);
    first.readings[3].value = None;
    let mut second = quarter_hours("m1", &client.zone, date);
    second.readings.truncate(90);
    second.readings[5].value = decimal("9.5");
    let first_outcome = client
        .apply(MessageId(10), vec![Record::Readings(first)])
        .await;
    assert_eq!(first_outcome.added, 90);
    let extension = Record::Readings(ReadingBlock {
        readings: late,
        ..quarter_hours("m1", &client.zone, date)
    });
    assert_eq!(client.apply(MessageId(20), vec![extension]).await.added, 6);
    let corrected = client
        .apply(MessageId(30), vec![Record::Readings(second)])
        .await;
    assert_eq!((corrected.corrected, corrected.unchanged), (2, 88));

    let days = client.days("m1", date, date).await;
    let (_, now) = &days[0];
    assert_eq!(now.version, 2);
    assert_eq!(now.known_since, client.scope(MessageId(30)).now);
    assert_eq!(now.block.readings[3].value, decimal("0.004"));
    assert_eq!(now.block.readings[5].value, decimal("9.5"));
    let origins: Vec<_> = [5, 6, 95]
        .map(|i| {
            now.block
                .origin_of(&now.block.readings[i])
                .unwrap()
                .message
                .0
        })
        .into();
    assert_eq!(origins, [30, 10, 20]);

    let enterprise = client.enterprise;
    let older = client
        .db
        .read(move |tx| versions(tx, enterprise, SubjectId::Device("m1"), date))
        .await
        .unwrap();
    assert_eq!(older.len(), 1);
    assert_eq!(older[0].day.version, 1);
    assert_eq!(older[0].corrected_by, MessageId(30));
    assert_eq!(older[0].known_until, now.known_since);
    assert_eq!(older[0].day.block.readings[3].value, None);
    assert_eq!(older[0].day.block.readings[5].value, decimal("0.006"));
    assert_eq!(older[0].day.block.readings.len(), 96);
    assert_eq!(client.counts().await.corrections, 2);
}

#[tokio::test]
async fn another_quality_is_a_correction() {
    let store = Store::new();
    let client = client_with_meter(&store, "Europe/Berlin").await;
    let mut block = quarter_hours("m1", &client.zone, day(2026, 6, 1));
    client.send(vec![Record::Readings(block.clone())]).await;
    let edited = vec![ReadingQuality::of(QualityCode::new(3, 7, 0))];
    block.readings[0].quality = block.quality_index(edited).unwrap();
    let outcome = client.send(vec![Record::Readings(block)]).await;
    assert_eq!((outcome.corrected, outcome.unchanged), (1, 95));
}

#[tokio::test]
async fn unknown_meters_are_one_finding_each_or_created() {
    let store = Store::new();
    let client = client_with_meter(&store, "Europe/Berlin").await;
    let date = day(2026, 6, 1);
    let block = |id: &str| Record::Readings(quarter_hours(id, &client.zone, date));
    let outcome = client.send(vec![block("ghost"), block("m1")]).await;
    assert_eq!(findings(&outcome), [("unknown_device", 96)]);
    assert!(outcome.findings[0].reason.contains("`ghost`"));
    assert_eq!(outcome.added, 96);

    let mut nameless = quarter_hours("", &client.zone, date);
    nameless.meter = None;
    let outcome = client.send(vec![Record::Readings(nameless)]).await;
    assert_eq!(findings(&outcome), [("missing_id", 96)]);

    let client = client.creating();
    let date = day(2026, 6, 2);
    let mut with_point = quarter_hours("ghost", &client.zone, date);
    with_point.usage_point = Some(ObjectRef::by_mrid("p1"));
    let outcome = client.send(vec![Record::Readings(with_point)]).await;
    assert_eq!(
        events(&outcome),
        [
            ("end_device.created", "meter:ghost"),
            ("usage_point.created", "usage_point:p1"),
            ("meter_readings.accepted", "meter:ghost"),
        ]
    );
    let counts = client.counts().await;
    assert_eq!((counts.end_devices, counts.usage_points), (2, 1));
}

#[tokio::test]
async fn a_link_is_learnt_when_both_are_named() {
    let store = Store::new();
    let client = client_with_meter(&store, "Europe/Berlin").await;
    let point = Record::UsagePoint(Box::new(UsagePoint {
        id: ObjectRef::by_mrid("p1"),
        ..UsagePoint::default()
    }));
    let mut block = quarter_hours("m1", &client.zone, day(2026, 6, 1));
    block.usage_point = Some(ObjectRef::by_mrid("p1"));
    client.send(vec![point, Record::Readings(block)]).await;
    let enterprise = client.enterprise;
    let device = client
        .db
        .read(move |tx| hub_store::estate::devices::device(tx, enterprise, "m1"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(device.device.usage_point, Some(ObjectRef::by_mrid("p1")));
}

#[tokio::test]
async fn without_a_meter_readings_belong_to_the_usage_point() {
    let store = Store::new();
    let client = store.client("north", "Europe/Berlin").await.creating();
    let mut block = quarter_hours("", &client.zone, day(2026, 6, 1));
    block.meter = None;
    block.usage_point = Some(ObjectRef::by_mrid("p1"));
    let outcome = client.send(vec![Record::Readings(block)]).await;
    assert_eq!(
        events(&outcome),
        [
            ("usage_point.created", "usage_point:p1"),
            ("meter_readings.accepted", "usage_point:p1"),
        ]
    );
    let enterprise = client.enterprise;
    let series = client
        .db
        .read(move |tx| series_of(tx, enterprise, SubjectId::UsagePoint("p1")))
        .await
        .unwrap();
    assert_eq!(series.len(), 1);
    assert_eq!(series[0].kind, ReadingKind::Interval);
}

#[tokio::test]
async fn clients_do_not_see_each_other() {
    let store = Store::new();
    let north = client_with_meter(&store, "Europe/Berlin").await;
    let south = store.client("south", "Europe/Berlin").await;
    let date = day(2026, 6, 1);
    let block = Record::Readings(quarter_hours("m1", &north.zone, date));
    north.send(vec![block.clone()]).await;
    let outcome = south.send(vec![block]).await;
    assert_eq!(findings(&outcome), [("unknown_device", 96)]);
    assert!(south.days("m1", date, date).await.is_empty());
    assert_eq!(south.counts().await, Default::default());
    south.send(vec![meter("m1")]).await;
    assert!(south.days("m1", date, date).await.is_empty());
}

#[tokio::test]
async fn registers_and_intervals_of_one_type_are_kept_apart() {
    let store = Store::new();
    let client = client_with_meter(&store, "Europe/Berlin").await;
    let date = day(2026, 6, 1);
    let intervals = quarter_hours("m1", &client.zone, date);
    let mut registers = ReadingBlock::new(intervals.reading_type, ReadingKind::Register);
    registers.meter = intervals.meter.clone();
    let noon = client.zone.bounds(date).0.plus_seconds(43_200);
    registers.readings = vec![Reading::new(noon, decimal("12345.678"))];
    let records = vec![Record::Readings(intervals), Record::Readings(registers)];
    assert_eq!(client.send(records).await.added, 97);
    let days = client.days("m1", date, date).await;
    assert_eq!(days.len(), 2);
    assert_eq!(days[1].0.kind, ReadingKind::Register);
    assert_eq!(days[1].1.block.readings[0].value, decimal("12345.678"));
}

#[tokio::test]
async fn a_day_does_not_grow_without_bound() {
    let store = Store::new();
    let client = client_with_meter(&store, "Europe/Berlin").await;
    let start = client.zone.bounds(day(2026, 6, 1)).0;
    let mut block = ReadingBlock::new(QUARTER_HOUR.parse().unwrap(), ReadingKind::Register);
    block.meter = Some(ObjectRef::by_mrid("m1"));
    block.readings = (0..=MAX_READINGS as i64)
        .map(|i| Reading::new(Instant::from_micros(start.micros() + 100 * i), None))
        .collect();
    let few = quarter_hours("m1", &client.zone, day(2026, 6, 1));
    let records = vec![Record::Readings(block), Record::Readings(few)];
    let outcome = client.send(records).await;
    assert_eq!(findings(&outcome), [("too_many_readings", 1)]);
    assert_eq!(outcome.added, MAX_READINGS as u64 + 96);
}

#[tokio::test]
async fn a_chunk_that_is_rolled_back_leaves_nothing() {
    let store = Store::new();
    let client = store.client("north", "Europe/Berlin").await.creating();
    let date = day(2026, 6, 1);
    let block = Record::Readings(quarter_hours("m1", &client.zone, date));
    let (scope, sent) = (client.scope(MessageId(1)), block.clone());
    let failed: Result<(), _> = client
        .db
        .write(move |tx| {
            let mut applier = Applier::new(scope.clone());
            applier.apply(tx, &Place::at(0, 1), &sent)?;
            applier.finish(tx)?;
            Err(StoreError::Damaged("on purpose".into()))
        })
        .await;
    assert!(failed.is_err());
    assert_eq!(client.counts().await, Default::default());
    let outcome = client.apply(MessageId(1), vec![block]).await;
    assert_eq!(outcome.added, 96);
    assert_eq!(client.values("m1", date).await.len(), 96);
}

#[tokio::test]
async fn the_zone_of_an_enterprise_with_readings_stays() {
    let store = Store::new();
    let client = client_with_meter(&store, "Europe/Berlin").await;
    let ensure = |zone: &str| {
        let zone = Zone::named(zone).unwrap();
        let db = client.db.clone();
        async move {
            db.write(move |tx| enterprise::ensure(tx, "north", &zone))
                .await
                .unwrap()
        }
    };
    assert_eq!(
        ensure("Europe/Helsinki").await.zone.name(),
        "Europe/Helsinki"
    );
    ensure("Europe/Berlin").await;
    let block = quarter_hours("m1", &client.zone, day(2026, 6, 1));
    client.send(vec![Record::Readings(block)]).await;
    let kept = ensure("Europe/Helsinki").await;
    assert_eq!(kept.zone.name(), "Europe/Berlin");
    assert_eq!(kept.id, client.enterprise);
}
