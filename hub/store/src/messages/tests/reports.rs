//! What partners say later is shown on the delivery, whichever comes first.

use hub_core::{DeliveryReport, Reported};

use super::*;
use crate::messages::{ReportView, reported};

fn receipt(key: &str, reference: &str, outcome: Reported) -> NewMessage {
    let report = DeliveryReport {
        reference: reference.into(),
        outcome,
        note: format!("{reference} {}", outcome.as_str()),
    };
    NewMessage {
        reports: vec![report],
        ..message(Some(key), "receipt")
    }
}

/// An order whose delivery was taken in two parts, `gw/1` and `gw/2`. Returns message and delivery.
async fn delivered_in_two(store: &Store) -> (MessageId, MessageId) {
    accept(store, None, "one").await;
    let message = only_open(store).await;
    let chunk = chunk(&message, vec![order("1")], Some(Ending::Complete));
    store.apply(chunk).await.unwrap();
    let open = store.open_deliveries("north", "out", None, 10, true);
    let delivery = open.await.unwrap().remove(0).id;
    let attempt = Attempts {
        begun: Vec::new(),
        ended: vec![EndedAttempt {
            delivery,
            message: message.id,
            outcome: DeliveryOutcome::Delivered {
                note: "taken".to_owned(),
                references: vec!["gw/1".to_owned(), "gw/2".to_owned()],
            },
        }],
    };
    store.record_attempts(Arc::new(attempt)).await.unwrap();
    (message.id, delivery)
}

async fn outcome(store: &Store, message: MessageId, delivery: MessageId) -> Option<Reported> {
    let views: Vec<ReportView> = store.reports_of(message, 10).await.unwrap();
    reported(&views, delivery)
}

#[tokio::test]
async fn a_report_is_shown_on_the_delivery_and_leads_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    // Before the outcome of its delivery is written down.
    let early = receipt("r1", "gw/1", Reported::Arrived);
    let Acceptance::Accepted(early) = store.accept(early).await.unwrap() else {
        panic!("it is new")
    };
    let (message, delivery) = delivered_in_two_after(&store, early).await;
    assert_eq!(
        outcome(&store, message, delivery).await,
        Some(Reported::UnderWay)
    );
    let late = receipt("r2", "gw/2", Reported::Arrived);
    let Acceptance::Accepted(late) = store.accept(late).await.unwrap() else {
        panic!("it is new")
    };
    assert_eq!(
        outcome(&store, message, delivery).await,
        Some(Reported::Arrived)
    );
    let says = store.reports_by(late, 10).await.unwrap();
    assert_eq!(says.len(), 1);
    assert_eq!(
        (says[0].delivery, says[0].message, says[0].endpoint.as_str()),
        (delivery, message, "out")
    );
}

/// The same while another message is open.
async fn delivered_in_two_after(store: &Store, other: MessageId) -> (MessageId, MessageId) {
    let open = store.message_to_process(other).await.unwrap().unwrap();
    store
        .apply(chunk(&open, Vec::new(), Some(Ending::Complete)))
        .await
        .unwrap();
    delivered_in_two(store).await
}

#[tokio::test]
async fn the_same_receipt_twice_says_nothing_new() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let (message, delivery) = delivered_in_two(&store).await;
    for _ in 0..2 {
        let failed = receipt("r1", "gw/1", Reported::Failed);
        store.accept(failed).await.unwrap();
    }
    assert_eq!(
        outcome(&store, message, delivery).await,
        Some(Reported::Failed)
    );
    let views = store.reports_of(message, 10).await.unwrap();
    let said: Vec<_> = views.iter().filter_map(|view| view.said.as_ref()).collect();
    assert_eq!(said.len(), 1);
    assert_eq!(said[0].note, "gw/1 failed");
}

#[tokio::test]
async fn a_delivery_that_fell_over_is_open_at_the_other_sink() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    accept(&store, None, "one").await;
    let message = only_open(&store).await;
    let chunk = chunk(&message, vec![order("1")], Some(Ending::Complete));
    store.apply(chunk).await.unwrap();
    let pending = store.open_deliveries("north", "out", None, 10, true);
    let delivery = pending.await.unwrap().remove(0).id;
    let outcome = DeliveryOutcome::FellOver {
        note: "no such number".to_owned(),
        to: "letters".to_owned(),
    };
    let attempts = Attempts {
        begun: Vec::new(),
        ended: vec![EndedAttempt {
            delivery,
            message: message.id,
            outcome,
        }],
    };
    store.record_attempts(Arc::new(attempts)).await.unwrap();
    let here = store.open_deliveries("north", "out", None, 10, true);
    assert!(here.await.unwrap().is_empty());
    let there = store.open_deliveries("north", "letters", None, 10, true);
    let there = there.await.unwrap();
    assert_eq!((there[0].id, there[0].attempts), (delivery, 0));
    let trace = store.trace(message.id, 20).await.unwrap();
    assert_eq!(trace.last().unwrap().step, Step::FellOver);
}
