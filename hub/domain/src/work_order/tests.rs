//! Orders as they come: in order, late, twice, contradicting.

use hub_model::{WorkOrder, WorkOrderAction, WorkOrderStatus};

use super::*;
use crate::{Arrival, EventKind};

fn order(revision: Option<i64>, comment: &str) -> WorkOrder {
    WorkOrder {
        revision,
        comment: Some(comment.into()),
        ..WorkOrder::new("4711")
    }
}

fn report(status: WorkOrderStatus) -> WorkOrder {
    WorkOrder {
        action: WorkOrderAction::Report,
        status: Some(status),
        ..WorkOrder::new("4711")
    }
}

fn cancel(revision: Option<i64>) -> WorkOrder {
    WorkOrder {
        action: WorkOrderAction::Cancel,
        revision,
        ..WorkOrder::new("4711")
    }
}

/// Of one that was not overtaken.
fn decide(known: Option<&Known>, incoming: &WorkOrder, unknown: Unknown) -> Decision {
    super::decide(known, incoming, Arrival::Latest, unknown)
}

fn overtaken(known: &Known, incoming: &WorkOrder) -> Decision {
    super::decide(Some(known), incoming, Arrival::Overtaken, Unknown::Refuse)
}

fn take(known: Option<&Known>, incoming: &WorkOrder) -> Change {
    match decide(known, incoming, Unknown::Refuse) {
        Decision::Take(change) => *change,
        other => panic!("{other:?}"),
    }
}

fn refusal(known: Option<&Known>, incoming: &WorkOrder) -> &'static str {
    match decide(known, incoming, Unknown::Refuse) {
        Decision::Refused(objection) => objection.code,
        other => panic!("{other:?}"),
    }
}

fn created(revision: Option<i64>) -> Known {
    let change = take(None, &order(revision, "first"));
    assert_eq!(change.events, [EventKind::WorkOrderCreated]);
    assert_eq!(change.known.order.status, Some(WorkOrderStatus::Created));
    change.known
}

#[test]
fn a_higher_revision_replaces_a_lower_one_is_superseded() {
    let known = created(Some(2));
    let change = take(Some(&known), &order(Some(3), "second"));
    assert_eq!(change.fields, ["comment", "revision"]);
    assert_eq!(change.events, [EventKind::WorkOrderChanged]);
    let late = decide(
        Some(&change.known),
        &order(Some(2), "first"),
        Unknown::Refuse,
    );
    assert!(matches!(late, Decision::Superseded(o) if o.code == "stale_revision"));
    let quiet = take(Some(&change.known), &order(Some(9), "second"));
    assert_eq!(quiet.known.order.revision, Some(9));
    assert!(quiet.events.is_empty());
}

#[test]
fn an_equal_revision_must_say_the_same() {
    let known = created(Some(2));
    let again = |order: &WorkOrder| decide(Some(&known), order, Unknown::Refuse);
    assert_eq!(again(&order(Some(2), "first")), Decision::Unchanged);
    assert_eq!(
        refusal(Some(&known), &order(Some(2), "other")),
        "revision_conflict"
    );
}

#[test]
fn without_revisions_the_latest_counts() {
    let known = created(None);
    let change = take(Some(&known), &order(None, "second"));
    assert_eq!(change.fields, ["comment"]);
    assert_eq!(
        decide(Some(&change.known), &order(None, "second"), Unknown::Refuse),
        Decision::Unchanged
    );
}

/// A nightly export repeats every order; it must not undo what the contractor reported.
#[test]
fn the_same_words_again_do_not_undo_a_report() {
    for revision in [None, Some(1)] {
        let known = created(revision);
        let mut started = report(WorkOrderStatus::Started);
        started.comment = Some("fuse box was locked".into());
        let change = take(Some(&known), &started);
        assert_eq!(
            decide(
                Some(&change.known),
                &order(revision, "first"),
                Unknown::Refuse
            ),
            Decision::Unchanged
        );
    }
}

#[test]
fn cancelling_is_for_orders_that_are_known_and_not_begun() {
    assert_eq!(refusal(None, &cancel(None)), "unknown_work_order");
    let known = created(Some(2));
    let late = decide(Some(&known), &cancel(Some(1)), Unknown::Refuse);
    assert!(matches!(late, Decision::Superseded(_)));
    let cancelled = take(Some(&known), &cancel(Some(2)));
    assert_eq!(cancelled.events, [EventKind::WorkOrderCancelled]);
    assert_eq!(
        decide(Some(&cancelled.known), &cancel(Some(2)), Unknown::Refuse),
        Decision::Unchanged
    );
    assert_eq!(
        refusal(Some(&cancelled.known), &order(Some(3), "back")),
        "closed_work_order"
    );
    let started = take(Some(&known), &report(WorkOrderStatus::Started));
    assert_eq!(
        refusal(Some(&started.known), &cancel(Some(3))),
        "refused_transition"
    );
}

#[test]
fn reports_complete_and_abort() {
    let known = created(Some(5));
    let mut late = report(WorkOrderStatus::Completed);
    late.revision = Some(4);
    let change = take(Some(&known), &late);
    assert_eq!(change.events, [EventKind::WorkOrderCompleted]);
    assert_eq!(change.remark.map(|r| r.code), Some("stale_revision"));
    assert_eq!(change.known.order.revision, Some(5));
    assert_eq!(
        change.step,
        Some(Step {
            from: Some(WorkOrderStatus::Created),
            to: WorkOrderStatus::Completed
        })
    );
    let aborted = take(Some(&known), &report(WorkOrderStatus::Aborted));
    assert_eq!(aborted.events, [EventKind::WorkOrderAborted]);
    let mut again = report(WorkOrderStatus::Completed);
    again.comment = Some("seal 77 added".into());
    let corrected = take(Some(&change.known), &again);
    assert_eq!(corrected.events, [EventKind::WorkOrderChanged]);
}

#[test]
fn a_report_on_an_order_nobody_sent() {
    let done = report(WorkOrderStatus::Completed);
    assert_eq!(refusal(None, &done), "unknown_work_order");
    let Decision::Take(change) = decide(None, &done, Unknown::Create) else {
        panic!("refused");
    };
    assert_eq!(
        change.events,
        [EventKind::WorkOrderCreated, EventKind::WorkOrderCompleted]
    );
    // The order itself may still come.
    let order = take(Some(&change.known), &order(Some(1), "first"));
    assert_eq!(order.fields, ["comment", "revision"]);
}

#[test]
fn a_client_that_always_says_created_takes_nothing_back() {
    let known = created(Some(1));
    let assigned = take(Some(&known), &report(WorkOrderStatus::Assigned));
    let mut next = order(Some(2), "bring a ladder");
    next.status = Some(WorkOrderStatus::Created);
    let change = take(Some(&assigned.known), &next);
    assert_eq!(change.known.order.status, Some(WorkOrderStatus::Assigned));
}

#[test]
fn the_life_of_an_order() {
    use WorkOrderStatus::*;
    assert_eq!(fold([]), Ok(None));
    assert_eq!(
        fold([
            Created, Planned, Scheduled, Assigned, Scheduled, Assigned, Enroute, Started, Paused,
            Started, Aborted, Planned, Assigned, Started, Completed
        ]),
        Ok(Some(Completed))
    );
    let refused = fold([Created, Started, Cancelled]).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "an order that is started cannot become cancelled, only paused, completed, aborted"
    );
    for status in WorkOrderStatus::ALL {
        assert!(!may_follow(status, status), "{status:?}");
        assert!(!may_follow(Completed, status) && !may_follow(Cancelled, status));
        assert_eq!(
            is_closed(status),
            WorkOrderStatus::ALL
                .iter()
                .all(|to| !may_follow(status, *to))
        );
    }
}

/// Whatever comes to whatever is known: no step that may not be, and no effect twice.
#[test]
fn every_record_in_every_state_is_allowed_or_refused_and_takes_effect_once() {
    for standing in WorkOrderStatus::ALL {
        let mut known = created(Some(2));
        known.order.status = Some(standing);
        for action in WorkOrderAction::ALL {
            for status in WorkOrderStatus::ALL.map(Some).into_iter().chain([None]) {
                for revision in [None, Some(1), Some(2), Some(3)] {
                    let incoming = WorkOrder {
                        action,
                        status,
                        ..order(revision, "second")
                    };
                    let decision = decide(Some(&known), &incoming, Unknown::Refuse);
                    let Decision::Take(change) = decision else {
                        continue;
                    };
                    if let Some(step) = change.step {
                        assert_eq!(step.from, Some(standing));
                        assert!(may_follow(standing, step.to), "{incoming:?}");
                    }
                    let again = decide(Some(&change.known), &incoming, Unknown::Refuse);
                    assert!(
                        matches!(again, Decision::Unchanged | Decision::Superseded(_)),
                        "{incoming:?}: {again:?}"
                    );
                }
            }
        }
    }
}

/// Stored for ever: a change here makes every known order look changed.
#[test]
fn the_fingerprint_does_not_drift() {
    let mut full = order(Some(1), "first");
    assert_eq!(fingerprint(&full), fingerprint(&order(None, "first")));
    assert_eq!(fingerprint(&WorkOrder::new("1")), EMPTY);
    full.attributes.push(("a".into(), "b".into()));
    assert_ne!(fingerprint(&full), fingerprint(&order(None, "first")));
}

const EMPTY: i64 = -4_190_865_335_616_669_955;

#[test]
fn one_that_was_overtaken_takes_nothing_back() {
    let first = created(None);
    let second = take(Some(&first), &order(None, "second")).known;
    let Decision::Superseded(objection) = overtaken(&second, &order(None, "first")) else {
        panic!("taken");
    };
    assert_eq!((objection.code, objection.field), ("superseded", "comment"));
    assert_eq!(
        overtaken(&second, &order(None, "second")),
        Decision::Unchanged
    );
    let started = take(Some(&second), &report(WorkOrderStatus::Started)).known;
    let paused = take(Some(&started), &report(WorkOrderStatus::Paused)).known;
    let late = overtaken(&paused, &report(WorkOrderStatus::Started));
    assert!(matches!(late, Decision::Superseded(o) if o.field == "status"));
}

#[test]
fn one_that_was_overtaken_adds_what_is_missing_and_closes_the_order() {
    let known = take(Some(&created(None)), &report(WorkOrderStatus::Started)).known;
    let done = WorkOrder {
        comment: Some("other".into()),
        deviation: Some("seal broken".into()),
        ..report(WorkOrderStatus::Completed)
    };
    let Decision::Take(change) = overtaken(&known, &done) else {
        panic!("not taken");
    };
    assert_eq!(change.fields, ["deviation", "status"]);
    assert_eq!(change.events, [EventKind::WorkOrderCompleted]);
    assert_eq!(change.known.order.comment.as_deref(), Some("first"));
    assert_eq!(change.known.content, known.content);
    assert!(
        change
            .remark
            .is_some_and(|remark| remark.field == "comment")
    );
}

/// A revision is the client's own word on which is newer.
#[test]
fn a_higher_revision_counts_though_it_was_overtaken() {
    let known = created(Some(1));
    let decision = overtaken(&known, &order(Some(2), "second"));
    assert!(matches!(decision, Decision::Take(change) if change.fields == ["comment", "revision"]));
}
