//! Which message counts: the one that was accepted last, whenever it is processed.

use hub_core::MessageId;
use hub_model::{
    EndDevice, EndDeviceStatus, ObjectRef, Reading, ReadingBlock, ReadingKind, Record, UsagePoint,
    WorkOrder, WorkOrderAction, WorkOrderStatus,
};
use hub_store::StoreError;
use hub_store::estate::Outcome;
use hub_store::estate::devices::device;
use hub_store::estate::readings::{SubjectId, versions};
use hub_store::estate::usage_points::usage_point;
use hub_store::estate::work_orders::work_order;

use crate::client::{Client, Store, events, findings};
use crate::readings::{QUARTER_HOUR, day, decimal, quarter_hours};

async fn client(store: &Store) -> Client {
    store.client("north", "Europe/Berlin").await.creating()
}

/// Readings of one day at these quarter-hours.
fn of(client: &Client, readings: &[(i64, &str)]) -> Record {
    let start = client.zone.bounds(day(2026, 6, 1)).0;
    let mut block = ReadingBlock::new(QUARTER_HOUR.parse().unwrap(), ReadingKind::Interval);
    block.meter = Some(ObjectRef::by_mrid("m1"));
    block.readings = readings
        .iter()
        .map(|(slot, value)| Reading::new(start.plus_seconds(900 * slot), decimal(value)))
        .collect();
    Record::Readings(block)
}

fn counts(outcome: &Outcome) -> [u64; 4] {
    let Outcome {
        added,
        unchanged,
        corrected,
        superseded,
        ..
    } = outcome;
    [*added, *unchanged, *corrected, *superseded]
}

async fn stored_versions(client: &Client) -> usize {
    let enterprise = client.enterprise;
    let found = client
        .db
        .read(move |tx| versions(tx, enterprise, SubjectId::Device("m1"), day(2026, 6, 1)))
        .await;
    found.unwrap().len()
}

#[tokio::test]
async fn a_replay_takes_back_no_newer_correction() {
    let store = Store::new();
    let client = client(&store).await;
    let (first, second) = (MessageId(10), MessageId(20));
    let original = of(&client, &[(1, "10"), (2, "10"), (3, "10")]);
    client.apply(first, vec![original.clone()]).await;
    let correction = of(&client, &[(1, "12"), (2, "12")]);
    let outcome = client.apply(second, vec![correction]).await;
    assert_eq!(counts(&outcome), [0, 0, 2, 0]);

    let replayed = client.apply(first, vec![original]).await;
    assert_eq!(counts(&replayed), [0, 1, 0, 2]);
    assert!(replayed.events.is_empty());
    assert_eq!(findings(&replayed), [("superseded", 0)], "one a record");
    let reason = &replayed.findings[0].reason;
    assert!(reason.contains(&second.to_string()), "{reason}");
    let now = client.values("m1", day(2026, 6, 1)).await;
    assert_eq!(now, ["12", "12", "10"].map(decimal));
    assert_eq!(stored_versions(&client).await, 1);

    // A better mapping reads other values: those of its own it corrects.
    let read_anew = of(&client, &[(1, "11"), (3, "11"), (4, "11")]);
    let outcome = client.apply(first, vec![read_anew]).await;
    assert_eq!(counts(&outcome), [1, 0, 1, 1]);
    let now = client.values("m1", day(2026, 6, 1)).await;
    assert_eq!(now, ["12", "12", "11", "11"].map(decimal));
}

#[tokio::test]
async fn a_message_that_is_overtaken_adds_what_is_missing() {
    let store = Store::new();
    let client = client(&store).await;
    let newer = of(&client, &[(1, "12"), (2, "12")]);
    client.apply(MessageId(20), vec![newer]).await;
    let older = of(&client, &[(1, "10"), (2, "12"), (3, "10")]);
    let outcome = client.apply(MessageId(10), vec![older]).await;
    assert_eq!(counts(&outcome), [1, 1, 0, 1]);
    assert_eq!(events(&outcome), [("meter_readings.accepted", "meter:m1")]);
    let now = client.values("m1", day(2026, 6, 1)).await;
    assert_eq!(now, ["12", "12", "10"].map(decimal));
    assert_eq!(stored_versions(&client).await, 0);
}

#[tokio::test]
async fn a_message_that_says_an_instant_twice_changes_nothing_when_applied_again() {
    let store = Store::new();
    let client = client(&store).await;
    let within = of(&client, &[(1, "10"), (2, "5"), (1, "12")]);
    let across = of(&client, &[(2, "6")]);
    let both = || vec![within.clone(), across.clone()];
    let outcome = client.apply(MessageId(1), both()).await;
    assert_eq!(counts(&outcome), [2, 1, 1, 0]);
    let again = client.apply(MessageId(1), both()).await;
    assert_eq!(counts(&again), [0, 4, 0, 0]);
    // Cut elsewhere: the first record alone does not know what follows it.
    let alone = client.apply(MessageId(1), vec![within.clone()]).await;
    assert_eq!(counts(&alone), [0, 3, 0, 0]);
    assert!(again.events.is_empty() && alone.events.is_empty());
    assert!(again.findings.is_empty() && alone.findings.is_empty());
    let now = client.values("m1", day(2026, 6, 1)).await;
    assert_eq!(now, ["12", "6"].map(decimal));
    assert_eq!(stored_versions(&client).await, 1);
}

#[tokio::test]
async fn a_damaged_day_refuses_its_readings_and_no_others() {
    let store = Store::new();
    let client = client(&store).await;
    let june = |date| Record::Readings(quarter_hours("m1", &client.zone, day(2026, 6, date)));
    client.apply(MessageId(1), vec![june(1), june(5)]).await;
    let damage = client.db.write(|tx| {
        tx.execute("UPDATE reading_block SET data = x'01ff' WHERE day = (SELECT MIN(day) FROM reading_block)", &[])?;
        Ok::<_, StoreError>(())
    });
    damage.await.unwrap();
    let mut more = quarter_hours("m1", &client.zone, day(2026, 6, 5));
    more.readings[0].value = decimal("7");
    let records = vec![june(1), Record::Readings(more), june(6)];
    let outcome = client.apply(MessageId(2), records).await;
    assert_eq!(findings(&outcome), [("damaged_day", 96)]);
    let reason = &outcome.findings[0].reason;
    assert!(
        reason.contains("meter:m1") && reason.contains("2026-06-01"),
        "{reason}"
    );
    assert_eq!(counts(&outcome), [96, 95, 1, 0]);
    let now = client.values("m1", day(2026, 6, 5)).await;
    assert_eq!(now[0], decimal("7"));
}

fn order(comment: &str) -> Record {
    Record::WorkOrder(Box::new(WorkOrder {
        comment: Some(comment.into()),
        ..WorkOrder::new("4711")
    }))
}

fn report(status: WorkOrderStatus) -> Record {
    Record::WorkOrder(Box::new(WorkOrder {
        action: WorkOrderAction::Report,
        status: Some(status),
        ..WorkOrder::new("4711")
    }))
}

#[tokio::test]
async fn an_order_without_revision_is_not_taken_back_by_a_replay() {
    let store = Store::new();
    let client = client(&store).await;
    let (first, second) = (MessageId(10), MessageId(20));
    client.apply(first, vec![order("a")]).await;
    client.apply(second, vec![order("b")]).await;
    let replayed = client.apply(first, vec![order("a")]).await;
    assert!(replayed.events.is_empty());
    assert_eq!(findings(&replayed), [("superseded", 0)]);
    let finding = &replayed.findings[0];
    assert_eq!(finding.field.as_deref(), Some("comment"));
    assert!(finding.reason.contains(&second.to_string()));
    let (enterprise, db) = (client.enterprise, client.db.clone());
    let stored = db.read(move |tx| work_order(tx, enterprise, "4711"));
    let stored = stored.await.unwrap().unwrap();
    assert_eq!(stored.order.comment.as_deref(), Some("b"));
    assert_eq!(stored.updated_by, second);
}

#[tokio::test]
async fn the_steps_of_one_file_are_taken_once() {
    let store = Store::new();
    let client = client(&store).await;
    let file = || {
        vec![
            order("a"),
            report(WorkOrderStatus::Started),
            order("b"),
            report(WorkOrderStatus::Completed),
        ]
    };
    let outcome = client.apply(MessageId(10), file()).await;
    assert_eq!(outcome.events.len(), 4);
    let again = client.apply(MessageId(10), file()).await;
    assert!(again.events.is_empty(), "{:?}", events(&again));
    assert!(again.findings.is_empty(), "{:?}", again.findings);
}

#[tokio::test]
async fn devices_and_usage_points_are_not_taken_back_by_a_replay() {
    let store = Store::new();
    let client = client(&store).await;
    let both = |status, access: &str| {
        let device = EndDevice {
            id: ObjectRef::by_mrid("m1"),
            status: Some(status),
            ..EndDevice::default()
        };
        let point = UsagePoint {
            id: ObjectRef::by_mrid("p1"),
            access: Some(access.into()),
            ..UsagePoint::default()
        };
        vec![
            Record::EndDevice(Box::new(device)),
            Record::UsagePoint(Box::new(point)),
        ]
    };
    let (first, second) = (MessageId(10), MessageId(20));
    let old = || both(EndDeviceStatus::Installed, "key in box");
    client.apply(first, old()).await;
    client
        .apply(second, both(EndDeviceStatus::Removed, "dog"))
        .await;
    let replayed = client.apply(first, old()).await;
    assert!(replayed.events.is_empty());
    assert_eq!(findings(&replayed), [("superseded", 0); 2]);
    let (enterprise, db) = (client.enterprise, client.db.clone());
    let stored = db.read(move |tx| {
        let device = device(tx, enterprise, "m1")?;
        Ok::<_, StoreError>((device, usage_point(tx, enterprise, "p1")?))
    });
    let (device, point) = stored.await.unwrap();
    let device = device.unwrap();
    assert_eq!(device.device.status, Some(EndDeviceStatus::Removed));
    assert_eq!(device.updated_by, second);
    assert_eq!(point.unwrap().access.as_deref(), Some("dog"));
}
