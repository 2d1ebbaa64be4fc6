//! What partners say later is shown on the delivery, whichever comes first.

use hub_core::{DeliveryReport, Reported};

use super::*;

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

/// The outcome of an attempt that the partner took, and what it calls it.
async fn take(store: &Store, message: MessageId, delivery: MessageId, references: &[&str]) {
    let references = references.iter().map(|&name| name.to_owned()).collect();
    let attempt = Attempts {
        begun: Vec::new(),
        ended: vec![EndedAttempt {
            delivery,
            message,
            outcome: DeliveryOutcome::Delivered {
                note: "taken".to_owned(),
                references,
            },
        }],
    };
    store.record_attempts(Arc::new(attempt)).await.unwrap();
}

/// An order and its one delivery, which is open. Returns message and delivery.
async fn to_deliver(store: &Store, content: &'static str) -> (MessageId, MessageId) {
    accept(store, None, content).await;
    let message = only_open(store).await;
    let chunk = chunk(&message, vec![order(content)], Some(Ending::Complete));
    store.apply(chunk).await.unwrap();
    let open = store.open_deliveries("north", "out", None, 10, true);
    (message.id, open.await.unwrap().remove(0).id)
}

/// The same, taken in two parts, `gw/1` and `gw/2`.
async fn delivered_in_two(store: &Store) -> (MessageId, MessageId) {
    let (message, delivery) = to_deliver(store, "1").await;
    take(store, message, delivery, &["gw/1", "gw/2"]).await;
    (message, delivery)
}

/// Takes a receipt, which nothing is made of. Returns its id.
async fn report(store: &Store, key: &str, reference: &str, outcome: Reported) -> MessageId {
    let Acceptance::Accepted(id) = store
        .accept(receipt(key, reference, outcome))
        .await
        .unwrap()
    else {
        panic!("it is new")
    };
    let open = store.message_to_process(id).await.unwrap().unwrap();
    let done = chunk(&open, Vec::new(), Some(Ending::Complete));
    store.apply(done).await.unwrap();
    id
}

async fn outcome(store: &Store, message: MessageId, delivery: MessageId) -> Option<Reported> {
    let deliveries = store.deliveries_of(message, 10).await.unwrap();
    let found = deliveries.iter().find(|found| found.id == delivery);
    found.unwrap().reported
}

#[tokio::test]
async fn a_report_is_shown_on_the_delivery_and_leads_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let (message, delivery) = to_deliver(&store, "1").await;
    // Before the outcome of its delivery is written down.
    report(&store, "r1", "gw/1", Reported::Arrived).await;
    assert_eq!(outcome(&store, message, delivery).await, None);
    take(&store, message, delivery, &["gw/1", "gw/2"]).await;
    let half = Some(Reported::UnderWay);
    assert_eq!(outcome(&store, message, delivery).await, half);
    let late = report(&store, "r2", "gw/2", Reported::Arrived).await;
    let whole = Some(Reported::Arrived);
    assert_eq!(outcome(&store, message, delivery).await, whole);
    let says = store.reports_by(late, 10).await.unwrap();
    assert_eq!(says.len(), 1);
    assert_eq!(
        (says[0].delivery, says[0].message, says[0].endpoint.as_str()),
        (delivery, message, "out")
    );
}

#[tokio::test]
async fn one_part_that_failed_is_a_delivery_that_failed() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let (message, delivery) = delivered_in_two(&store).await;
    assert_eq!(outcome(&store, message, delivery).await, None);
    report(&store, "r1", "gw/1", Reported::Failed).await;
    report(&store, "r2", "gw/2", Reported::Arrived).await;
    let failed = Some(Reported::Failed);
    assert_eq!(outcome(&store, message, delivery).await, failed);
}

/// Of 300 parts, more than are listed, only the last is not there yet.
#[tokio::test]
async fn all_parts_count_however_many_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let (message, delivery) = to_deliver(&store, "1").await;
    let names: Vec<String> = (0..300).map(|part| format!("gw/{part:03}")).collect();
    let references: Vec<&str> = names.iter().map(String::as_str).collect();
    take(&store, message, delivery, &references).await;
    for name in &references[..299] {
        report(&store, name, name, Reported::Arrived).await;
    }
    let half = Some(Reported::UnderWay);
    assert_eq!(outcome(&store, message, delivery).await, half);
    report(&store, "last", "gw/299", Reported::Arrived).await;
    let whole = Some(Reported::Arrived);
    assert_eq!(outcome(&store, message, delivery).await, whole);
}

/// It failed, an operator sent it once more, and that arrived.
#[tokio::test]
async fn of_a_delivery_that_was_sent_once_more_the_last_time_counts() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(NOW));
    let store = open_at(folder.path(), Arc::clone(&clock)).await;
    let (message, delivery) = delivered_in_two(&store).await;
    report(&store, "r1", "gw/1", Reported::Failed).await;
    // With new names, with one of the old, without a name.
    for (again, names) in [&["gw/3"][..], &["gw/1"], &[]].into_iter().enumerate() {
        clock.advance_seconds(60);
        store.resend(delivery, "me".into()).await.unwrap().unwrap();
        assert_eq!(outcome(&store, message, delivery).await, None, "is open");
        clock.advance_seconds(1);
        take(&store, message, delivery, names).await;
        assert_eq!(outcome(&store, message, delivery).await, None, "{names:?}");
        for name in names {
            let key = format!("again {again}");
            report(&store, &key, name, Reported::Arrived).await;
            let arrived = Some(Reported::Arrived);
            assert_eq!(outcome(&store, message, delivery).await, arrived, "{name}");
        }
        // What comes late of the first time changes nothing.
        let key = format!("late {again}");
        report(&store, &key, "gw/2", Reported::Failed).await;
        let expected = (!names.is_empty()).then_some(Reported::Arrived);
        assert_eq!(outcome(&store, message, delivery).await, expected);
    }
}

/// A gateway whose numbers begin again after a restart.
#[tokio::test]
async fn what_was_said_before_the_delivery_was_made_is_not_about_it() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(NOW));
    let store = open_at(folder.path(), Arc::clone(&clock)).await;
    let old = report(&store, "r1", "gw/1", Reported::Failed).await;
    clock.advance_seconds(3_600);
    let (message, delivery) = delivered_in_two(&store).await;
    assert_eq!(outcome(&store, message, delivery).await, None);
    let views = store.reports_of(message, 10).await.unwrap();
    assert!(views.iter().all(|view| view.said.is_none()), "{views:?}");
    assert!(store.reports_by(old, 10).await.unwrap().is_empty());
    let thread = store.thread(message, 10).await.unwrap();
    let steps: Vec<_> = thread.steps.iter().map(|view| view.what.as_str()).collect();
    assert_eq!(
        steps.len(),
        2,
        "made and delivered, nothing reported: {steps:?}"
    );
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
