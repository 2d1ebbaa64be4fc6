//! The oracle must catch what it is there for: each test breaks one thing of a sound history.

use super::*;

fn reading(value: &str) -> Fact {
    Fact::Reading {
        meter: "M1".into(),
        at: 900_000_000,
        value: value.into(),
    }
}

fn order(revision: i64) -> Fact {
    Fact::Order {
        number: "A".into(),
        revision,
    }
}

fn sent(identity: &str, told: &str, facts: Vec<Fact>, rejected: u64) -> SentMessage {
    SentMessage {
        source: "in".into(),
        identity: identity.into(),
        told: Some(told.into()),
        facts,
        rejected,
    }
}

fn kept(id: &str, identity: &str, applied: u64, rejected: u64) -> KeptMessage {
    KeptMessage {
        id: id.into(),
        source: "in".into(),
        identity: identity.into(),
        state: if rejected > 0 {
            "processed_with_findings"
        } else {
            "processed"
        }
        .into(),
        records: applied + rejected,
        applied,
        rejected,
        rejected_by_findings: rejected,
    }
}

fn delivery(id: &str, message: &str, route: &str, subject: &str) -> KeptDelivery {
    KeptDelivery {
        id: id.into(),
        message_id: message.into(),
        route: route.into(),
        endpoint: "erp".into(),
        subject: subject.into(),
        state: "delivered".into(),
    }
}

fn receipt(id: &str, facts: Vec<Fact>) -> Receipt {
    Receipt {
        endpoint: "erp".into(),
        id: id.into(),
        hash: format!("{facts:?}"),
        facts,
    }
}

fn route(name: &str, tells: Tells) -> Route {
    Route {
        name: name.into(),
        tells,
        endpoints: vec!["erp".into()],
    }
}

/// Two messages: an order with a reading and a bad record, then the order's next revision.
fn sound() -> History {
    History {
        routes: vec![
            route("orders", Tells::Orders),
            route("readings", Tells::Readings),
        ],
        sent: vec![
            sent("k1", "m1", vec![order(1), reading("1.5")], 1),
            sent("k2", "m2", vec![order(2)], 0),
        ],
        messages: vec![kept("m1", "k1", 2, 1), kept("m2", "k2", 1, 0)],
        deliveries: vec![
            delivery("d1", "m1", "orders", "work_order:A"),
            delivery("d2", "m1", "readings", ""),
            delivery("d3", "m2", "orders", "work_order:A"),
        ],
        estate: vec![reading("1.5"), order(2)],
        receipts: vec![
            receipt("d1", vec![order(1)]),
            receipt("d2", vec![reading("1.5")]),
            receipt("d1", vec![order(1)]),
            receipt("d3", vec![order(2)]),
            receipt("d1", vec![order(1)]),
        ],
    }
}

#[track_caller]
fn caught(what: &str, break_it: impl FnOnce(&mut History)) {
    let mut history = sound();
    break_it(&mut history);
    let found = violations(&history);
    assert!(
        found.iter().any(|violation| violation.contains(what)),
        "`{what}` is not among {found:#?}"
    );
}

#[test]
fn a_sound_history_holds_although_a_delivery_came_three_times() {
    assert_eq!(violations(&sound()), Vec::<String>::new());
}

#[test]
fn messages_lost_doubled_foreign_or_told_otherwise() {
    caught("message is lost", |history| drop(history.messages.pop()));
    caught("message is kept twice", |history| {
        history.messages.push(kept("m9", "k2", 1, 0))
    });
    caught("message is foreign", |history| {
        history.messages.push(kept("m9", "k9", 1, 0))
    });
    caught("told another id", |history| {
        history.sent[0].told = Some("m7".into())
    });
}

#[test]
fn records_that_are_neither_applied_nor_found_wanting() {
    caught("records", |history| history.messages[0].applied = 1);
    caught("records", |history| history.messages[0].applied = 3);
    caught("records", |history| {
        history.messages[0].rejected_by_findings = 0
    });
    caught("expected `processed`", |history| {
        history.messages[1].state = "processing".into()
    });
}

#[test]
fn an_estate_that_is_not_what_was_sent() {
    caught("record of the estate is lost", |history| {
        drop(history.estate.remove(0))
    });
    caught("record of the estate is foreign", |history| {
        history.estate[0] = reading("1.50")
    });
    caught("record of the estate is foreign", |history| {
        history.estate[1] = order(1)
    });
    caught("records twice", |history| {
        history.estate.push(reading("1.5"))
    });
}

#[test]
fn deliveries_lost_or_made_twice() {
    caught("delivery is lost", |history| {
        drop(history.deliveries.remove(0))
    });
    caught("effect twice", |history| {
        history
            .deliveries
            .push(delivery("d9", "m1", "readings", ""));
        history.receipts.push(receipt("d9", vec![reading("1.5")]));
    });
    caught("delivery is foreign", |history| {
        history
            .deliveries
            .push(delivery("d9", "m2", "readings", ""));
        history.receipts.push(receipt("d9", vec![]));
    });
}

#[test]
fn deliveries_that_nobody_received() {
    caught("not received and is not parked", |history| {
        drop(history.receipts.remove(1))
    });
    caught("not received and is not parked", |history| {
        history.deliveries[0].state = "pending".into()
    });
    let mut history = sound();
    history.receipts.remove(1);
    history.deliveries[1].state = "parked".into();
    assert_eq!(
        violations(&history),
        Vec::<String>::new(),
        "parked is visible"
    );
}

#[test]
fn ids_and_contents_that_change() {
    caught("no delivery of the store", |history| {
        history.receipts[2].id = "d8".into()
    });
    caught("content changed under one id", |history| {
        history.receipts[2].hash = "other".into()
    });
    caught("does not say what was sent", |history| {
        history.receipts[1].facts = vec![reading("1.4")]
    });
    caught("does not say what was sent", |history| {
        history.receipts[1].facts.push(reading("1.5"))
    });
}

#[test]
fn a_lane_out_of_order() {
    caught("order of a lane is broken", |history| {
        history.receipts.swap(0, 3)
    });
    caught("order of a lane is broken", |history| {
        history.receipts.remove(2);
        history.receipts.swap(0, 2);
    });
}
