//! Work orders: kept whole, with their steps and where they came from.

use hub_core::MessageId;
use hub_model::{
    Address, Instant, Name, ObjectRef, Place, Record, TimePeriod, WorkOrder, WorkOrderAction,
    WorkOrderStatus,
};
use hub_store::estate::work_orders::{StoredStep, StoredWorkOrder, steps, work_order};

use crate::client::{Client, Store, events, findings};

fn full() -> WorkOrder {
    let object = |id: &str| ObjectRef {
        mrid: Some(id.into()),
        names: vec![Name {
            name: format!("{id} ä"),
            name_type: Some("serial".into()),
            authority: None,
        }],
    };
    WorkOrder {
        revision: Some(1),
        kind: Some("exchange".into()),
        status: Some(WorkOrderStatus::Planned),
        priority: Some(7),
        usage_point: Some(object("p1")),
        address: Some(Address {
            street: Some("Mannerheimintie 1".into()),
            town: Some("Helsinki".into()),
            ..Address::default()
        }),
        device: Some(object("old")),
        new_device: Some(object("new")),
        window: Some(TimePeriod {
            start: Instant::from_seconds(1_800_000_000),
            end: Instant::from_seconds(1_800_007_200),
        }),
        performed: Some(Instant::from_seconds(1_800_001_000)),
        customer_name: Some("Väinö".into()),
        customer_phone: Some("+358 1".into()),
        comment: Some("dog".into()),
        deviation: Some("none".into()),
        attributes: vec![("ctRatio".into(), "5".into())],
        ..WorkOrder::new("4711")
    }
}

fn of(order: WorkOrder) -> Vec<Record> {
    vec![Record::WorkOrder(Box::new(order))]
}

fn with(action: WorkOrderAction, status: Option<WorkOrderStatus>) -> WorkOrder {
    WorkOrder {
        action,
        status,
        ..WorkOrder::new("4711")
    }
}

async fn stored(client: &Client) -> (StoredWorkOrder, Vec<StoredStep>) {
    let enterprise = client.enterprise;
    client
        .db
        .read(move |tx| {
            let order = work_order(tx, enterprise, "4711")?.expect("the order is known");
            Ok((order, steps(tx, enterprise, "4711")?))
        })
        .await
        .unwrap()
}

#[tokio::test]
async fn an_order_is_kept_whole() {
    let store = Store::new();
    let client = store.client("north", "Europe/Helsinki").await;
    let outcome = client.apply(MessageId(9), of(full())).await;
    assert_eq!(
        events(&outcome),
        [("work_order.created", "work_order:4711")]
    );
    let (kept, _) = stored(&client).await;
    assert_eq!(kept.order, full());
    assert_eq!(kept.updated_by, MessageId(9));
    assert_eq!(kept.place, Place::at(100, 1));
    assert_eq!(client.counts().await.work_orders, 1);
}

#[tokio::test]
async fn an_order_goes_through_its_life() {
    let store = Store::new();
    let client = store.client("north", "Europe/Helsinki").await;
    client.apply(MessageId(1), of(full())).await;
    let started = with(WorkOrderAction::Report, Some(WorkOrderStatus::Started));
    let outcome = client.apply(MessageId(2), of(started)).await;
    assert_eq!(
        events(&outcome),
        [("work_order.changed", "work_order:4711")]
    );
    let refused = client
        .apply(MessageId(3), of(with(WorkOrderAction::Cancel, None)))
        .await;
    assert_eq!(findings(&refused), [("refused_transition", 1)]);
    let done = with(WorkOrderAction::Report, Some(WorkOrderStatus::Completed));
    let outcome = client.apply(MessageId(4), of(done.clone())).await;
    assert_eq!(
        events(&outcome),
        [("work_order.completed", "work_order:4711")]
    );
    let again = client.apply(MessageId(5), of(done)).await;
    assert!(again.events.is_empty() && again.findings.is_empty());
    let (kept, steps) = stored(&client).await;
    assert_eq!(kept.updated_by, MessageId(4));
    assert_eq!(kept.order.action, WorkOrderAction::Report);
    let path: Vec<_> = steps
        .iter()
        .map(|s| (s.seq, s.from, s.to, s.message_id.0))
        .collect();
    use WorkOrderStatus::{Completed, Planned, Started};
    assert_eq!(
        path,
        [
            (1, None, Planned, 1),
            (2, Some(Planned), Started, 2),
            (3, Some(Started), Completed, 4),
        ]
    );
}

#[tokio::test]
async fn revisions_are_held_against_what_is_stored() {
    let store = Store::new();
    let client = store.client("north", "Europe/Helsinki").await;
    let revised = |revision, comment: &str| WorkOrder {
        revision: Some(revision),
        comment: Some(comment.into()),
        ..full()
    };
    client.send(of(revised(2, "a"))).await;
    let same = client.send(of(revised(2, "a"))).await;
    assert!(same.events.is_empty() && same.findings.is_empty());
    let conflict = client.send(of(revised(2, "b"))).await;
    assert_eq!(findings(&conflict), [("revision_conflict", 1)]);
    let stale = client.send(of(revised(1, "c"))).await;
    assert_eq!(findings(&stale), [("stale_revision", 0)]);
    let newer = client.send(of(revised(3, "d"))).await;
    assert_eq!(events(&newer), [("work_order.changed", "work_order:4711")]);
    assert_eq!(stored(&client).await.0.order, revised(3, "d"));
    let unknown = client
        .send(vec![
            Record::WorkOrder(Box::new(WorkOrder {
                action: WorkOrderAction::Cancel,
                ..WorkOrder::new("4712")
            })),
            Record::WorkOrder(Box::new(WorkOrder::new(""))),
        ])
        .await;
    assert_eq!(
        findings(&unknown),
        [("unknown_work_order", 1), ("missing_id", 1)]
    );
}
