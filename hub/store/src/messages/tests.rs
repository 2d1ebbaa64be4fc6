//! The life of messages and deliveries in the store.

mod reports;

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use hub_core::ManualClock;
use hub_core::files::OsFiles;
use hub_model::{Finding, Instant, Place, Record, WorkOrder, Zone};

use super::*;
use crate::content::Staged;
use crate::estate::{EnterpriseId, Scope, UnknownPolicy, enterprise};

const NOW: Instant = Instant::from_seconds(1_790_000_000);

async fn open(folder: &Path) -> Store {
    let clock = Arc::new(ManualClock::at(NOW));
    let store = Store::open(
        folder,
        0,
        SqliteOptions::default(),
        Arc::new(OsFiles),
        clock,
    )
    .await
    .unwrap();
    let north = store
        .db
        .write(|tx| enterprise::ensure(tx, "north", &Zone::utc()))
        .await
        .unwrap();
    assert_eq!(north.id, EnterpriseId(1));
    store
}

fn message(key: Option<&str>, content: &'static str) -> NewMessage {
    NewMessage {
        enterprise: "north".into(),
        source: "hes".into(),
        name: "a.xml".into(),
        headers: vec![("x-test".into(), "1".into())],
        media_type: None,
        business_key: key.map(Into::into),
        reports: Vec::new(),
        content: Staged::inline(Bytes::from_static(content.as_bytes())),
    }
}

async fn accept(store: &Store, key: Option<&str>, content: &'static str) -> Acceptance {
    store.accept(message(key, content)).await.unwrap()
}

/// Makes one delivery per change, to the endpoint `out`.
struct ToOut;

fn to_out(lane: &str, body: Option<&'static str>) -> NewDelivery {
    NewDelivery {
        route: "r".into(),
        endpoint: "out".into(),
        lane: lane.into(),
        subject: lane.into(),
        media_type: "text/plain".into(),
        extension: "txt".into(),
        headers: Vec::new(),
        body: body.map(|text| Bytes::from_static(text.as_bytes())),
    }
}

impl Publish for ToOut {
    fn publish(&self, _: MessageId, changes: &[Change<'_>], whole: bool) -> Publication {
        let deliveries = changes
            .iter()
            .map(|change| to_out(&change.event.subject, Some("body")))
            .collect();
        let parts = if whole {
            Vec::new()
        } else {
            vec![document_part(3, "part,")]
        };
        Publication {
            deliveries,
            parts,
            findings: Vec::new(),
        }
    }

    fn obstacle(&self, _: &str, _: &str) -> Option<String> {
        None
    }
}

/// A piece of the document that route `r` makes with this encoder.
fn document_part(encoded_by: i64, piece: &str) -> NewParts {
    NewParts {
        route: "r".into(),
        encoded_by,
        head: format!("head {encoded_by},").into_bytes(),
        tail: b"tail".to_vec(),
        deliveries: vec![to_out("documents", None)],
        pieces: vec![piece.as_bytes().to_vec()],
    }
}

fn order(number: &str) -> (Place, Record) {
    (
        Place::at(0, 1),
        Record::WorkOrder(Box::new(WorkOrder::new(number))),
    )
}

fn chunk(message: &OpenMessage, records: Vec<(Place, Record)>, ending: Option<Ending>) -> Chunk {
    Chunk {
        message: message.id,
        run: message.run,
        route: "in".into(),
        decoded_by: 7,
        scope: Scope {
            enterprise: EnterpriseId(1),
            zone: Zone::utc(),
            message_id: message.id,
            now: NOW,
            unknown: UnknownPolicy::Create,
        },
        seen_before: message.seen,
        seen: message.seen + records.len() as u64,
        after: None,
        records,
        findings: Vec::new(),
        checkpoint: 10,
        ending,
        publisher: Arc::new(ToOut),
    }
}

async fn only_open(store: &Store) -> OpenMessage {
    let mut open = store.open_messages("north", "hes", None).await.unwrap();
    assert_eq!(open.len(), 1);
    open.remove(0)
}

#[tokio::test]
async fn a_resend_is_recognised_and_a_corrected_file_is_not_mistaken_for_one() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let Acceptance::Accepted(first) = accept(&store, None, "one").await else {
        panic!("new")
    };
    assert_eq!(
        accept(&store, None, "one").await,
        Acceptance::Duplicate(first)
    );
    assert!(matches!(
        accept(&store, None, "two").await,
        Acceptance::Accepted(_)
    ));
    let Acceptance::Accepted(keyed) = accept(&store, Some("k"), "one").await else {
        panic!("new")
    };
    assert_eq!(
        accept(&store, Some("k"), "one").await,
        Acceptance::Duplicate(keyed)
    );
    assert_eq!(
        accept(&store, Some("k"), "other").await,
        Acceptance::KeyConflict(keyed)
    );
}

#[tokio::test]
async fn what_was_accepted_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let Acceptance::Accepted(id) = accept(&open(folder.path()).await, None, "one").await else {
        panic!("new")
    };
    let store = open(folder.path()).await;
    let open = only_open(&store).await;
    assert_eq!(
        (open.id, open.inline.as_deref()),
        (id, Some(b"one".as_slice()))
    );
    assert!(store.next_id() > id);
}

#[tokio::test]
async fn a_chunk_applies_publishes_and_moves_the_checkpoint_together() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    accept(&store, None, "one").await;
    let message = only_open(&store).await;
    let mut work = chunk(
        &message,
        vec![order("1"), order("2")],
        Some(Ending::Complete),
    );
    work.findings
        .push(Finding::error("bad_value", Place::at(5, 3), "no number").in_field("value"));
    work.seen += 1;
    let applied = store.apply(work).await.unwrap();
    assert_eq!((applied.applied, applied.rejected), (2, 1));
    assert_eq!(applied.state, Some(MessageState::ProcessedWithFindings));
    assert_eq!(applied.endpoints, ["out"]);
    let view = store.message(message.id).await.unwrap().unwrap();
    assert_eq!(
        (view.records, view.applied, view.rejected, view.findings),
        (3, 2, 1, 1)
    );
    let findings = store.findings(message.id, 10).await.unwrap();
    assert_eq!(
        (findings[0].line, findings[0].field.as_deref()),
        (3, Some("value"))
    );
    assert_eq!(
        store
            .open_deliveries("north", "out", None, 10, true)
            .await
            .unwrap()
            .len(),
        2
    );
    assert!(
        store
            .open_messages("north", "hes", None)
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn a_document_made_in_parts_is_head_parts_and_tail_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    accept(&store, None, "one").await;
    store
        .apply(chunk(&only_open(&store).await, vec![order("1")], None))
        .await
        .unwrap();
    let message = only_open(&store).await;
    assert_eq!(
        (message.checkpoint, message.seen),
        (10, 1),
        "a restart would go on from here"
    );
    store
        .apply(chunk(&message, vec![order("2")], Some(Ending::Complete)))
        .await
        .unwrap();
    let deliveries = store
        .open_deliveries("north", "out", None, 10, true)
        .await
        .unwrap();
    assert_eq!(
        documents(&store, &deliveries).await,
        ["head 3,part,part,tail"]
    );
}

/// The documents that were made in parts.
async fn documents(store: &Store, deliveries: &[PendingDelivery]) -> Vec<String> {
    let mut documents = Vec::new();
    for delivery in deliveries {
        let DeliveryBody::Parts { document } = delivery.body else {
            continue;
        };
        let (mut text, mut number) = (Vec::new(), i64::MIN);
        while let Some((found, bytes)) = store.part(document, number).await.unwrap() {
            text.extend(bytes);
            number = found;
        }
        documents.push(String::from_utf8(text).unwrap());
    }
    documents
}

/// Something else decodes it now, so what was counted of it means nothing any more.
#[tokio::test]
async fn a_half_done_message_that_begins_again_has_told_what_was_applied() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    accept(&store, None, "one").await;
    let message = only_open(&store).await;
    assert_eq!(message.decoded_by, None);
    store
        .apply(chunk(&message, vec![order("1")], None))
        .await
        .unwrap();
    let begun = only_open(&store).await;
    assert_eq!((begun.decoded_by, begun.seen), (Some(7), 1));
    let again = BeginAgain {
        message: begun.id,
        run: begun.run,
        publisher: Arc::new(ToOut),
        reason: Finding::warning("begun_again", Place::default(), "another mapping"),
    };
    let endpoints = store.begin_again(again.clone()).await.unwrap();
    assert_eq!(endpoints, ["out"]);
    let twice = store.begin_again(again).await;
    assert!(matches!(twice, Err(StoreError::OutOfTurn(_))), "{twice:?}");
    let old = store
        .apply(chunk(&begun, vec![order("2")], Some(Ending::Complete)))
        .await;
    assert!(matches!(old, Err(StoreError::OutOfTurn(_))), "{old:?}");

    let anew = only_open(&store).await;
    assert_eq!(
        (anew.run, anew.checkpoint, anew.seen, anew.findings),
        (2, 0, 0, 1)
    );
    let all = vec![order("1"), order("2")];
    store
        .apply(chunk(&anew, all, Some(Ending::Complete)))
        .await
        .unwrap();
    let view = store.message(anew.id).await.unwrap().unwrap();
    assert_eq!((view.records, view.applied, view.findings), (2, 2, 1));
    assert_eq!(view.state, MessageState::ProcessedWithFindings);
    let findings = store.findings(anew.id, 10).await.unwrap();
    assert_eq!(findings[0].reason, "another mapping");
    let deliveries = store
        .open_deliveries("north", "out", None, 10, true)
        .await
        .unwrap();
    assert_eq!(documents(&store, &deliveries).await, ["head 3,part,tail"]);
    let subjects: Vec<_> = deliveries.iter().map(|d| d.subject.as_str()).collect();
    let told = ["work_order:1", "documents", "work_order:2"];
    assert_eq!(subjects, told, "each once, over both runs");
    let trace = store.trace(anew.id, 100).await.unwrap();
    assert!(trace.iter().any(|row| row.step == Step::BegunAgain));
}

/// Makes parts with this encoder, of a route that goes nowhere any more.
struct Encoder {
    number: i64,
    obstacle: Option<&'static str>,
}

impl Publish for Encoder {
    fn publish(&self, _: MessageId, changes: &[Change<'_>], _: bool) -> Publication {
        let part = |change: &Change<'_>| document_part(self.number, &change.event.subject);
        Publication {
            parts: changes.iter().map(part).collect(),
            ..Publication::default()
        }
    }

    fn obstacle(&self, _: &str, _: &str) -> Option<String> {
        self.obstacle.map(ToOwned::to_owned)
    }
}

/// Applies one order in a chunk of its own, published by this encoder.
async fn apply_order(
    store: &Store,
    number: &str,
    publisher: Encoder,
    ending: Option<Ending>,
) -> AppliedChunk {
    let message = only_open(store).await;
    let chunk = Chunk {
        publisher: Arc::new(publisher),
        ..chunk(&message, vec![order(number)], ending)
    };
    store.apply(chunk).await.unwrap()
}

/// What was made before a change of the configuration and after it are two documents, each whole;
/// also when the change was taken back.
#[tokio::test]
async fn each_encoder_of_a_message_makes_a_document_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    accept(&store, None, "one").await;
    let last = Some(Ending::Complete);
    for (order, number, ending) in [
        ("1", 3, None),
        ("2", 4, None),
        ("3", 3, None),
        ("4", 4, last),
    ] {
        let obstacle = None;
        let applied = apply_order(&store, order, Encoder { number, obstacle }, ending).await;
        assert_eq!(applied.findings, 0);
    }
    let deliveries = store
        .open_deliveries("north", "out", None, 10, true)
        .await
        .unwrap();
    let told = [
        "head 3,work_order:1work_order:3tail",
        "head 4,work_order:2work_order:4tail",
    ];
    assert_eq!(documents(&store, &deliveries).await, told);
    let DeliveryBody::Parts { document } = deliveries[0].body else {
        panic!("it was made in parts")
    };
    let len = store.parts_len(document).await.unwrap();
    assert_eq!(len, told[0].len() as u64);
}

/// A document whose route is gone waits, whole, for what an operator decides.
#[tokio::test]
async fn a_document_that_may_not_go_where_it_was_to_go_is_parked_and_can_be_released() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    accept(&store, None, "one").await;
    let id = only_open(&store).await.id;
    let encoder = |obstacle| Encoder {
        number: 3,
        obstacle,
    };
    apply_order(&store, "1", encoder(None), None).await;
    let gone = encoder(Some("was taken out of the configuration"));
    let applied = apply_order(&store, "2", gone, Some(Ending::Complete)).await;
    assert_eq!(applied.findings, 1);
    assert!(applied.endpoints.is_empty(), "nothing is to be sent");
    let view = store.message(id).await.unwrap().unwrap();
    assert_eq!(view.state, MessageState::ProcessedWithFindings);
    let findings = store.findings(id, 10).await.unwrap();
    assert_eq!(findings[0].code, "delivery_parked");
    let reason = &findings[0].reason;
    assert!(
        reason.starts_with("route `r` was taken out of the configuration since"),
        "{reason}"
    );
    assert!(reason.contains("release it") && reason.contains("discard it"));
    let trace = store.trace(id, 100).await.unwrap();
    let parked = trace.iter().find(|row| row.step == Step::Parked).unwrap();
    assert_eq!(parked.note.as_ref(), Some(reason));

    let delivery = parked.delivery.unwrap();
    let released = store
        .release(delivery, "sink is back".into())
        .await
        .unwrap();
    assert_eq!(released.as_deref(), Some("out"));
    let deliveries = store
        .open_deliveries("north", "out", None, 10, true)
        .await
        .unwrap();
    assert_eq!(
        documents(&store, &deliveries).await,
        ["head 3,work_order:1work_order:2tail"]
    );
}

#[tokio::test]
async fn of_an_attempt_that_is_over_only_its_end_is_written_down() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    accept(&store, None, "one").await;
    let message = only_open(&store).await;
    store
        .apply(chunk(&message, vec![order("1")], Some(Ending::Complete)))
        .await
        .unwrap();
    let open = store
        .open_deliveries("north", "out", None, 10, true)
        .await
        .unwrap();
    let (delivery, message) = (open[0].id, open[0].message_id);
    let attempt = Attempts {
        begun: vec![(delivery, message)],
        ended: vec![EndedAttempt {
            delivery,
            message,
            outcome: DeliveryOutcome::Delivered {
                note: "200".to_owned(),
                references: vec!["gw/1".to_owned(), "gw/2".to_owned()],
            },
        }],
    };
    store.record_attempts(Arc::new(attempt)).await.unwrap();
    let trace = store.trace(message, 10).await.unwrap();
    let steps: Vec<_> = trace.iter().map(|row| row.step).collect();
    assert!(
        steps.ends_with(&[Step::Processed, Step::Delivered]),
        "{steps:?}"
    );
    let left = store
        .open_deliveries("north", "out", None, 10, true)
        .await
        .unwrap();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn a_parked_delivery_holds_its_lane_until_it_is_released_or_discarded() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    for content in ["one", "two", "three"] {
        accept(&store, None, content).await;
        let message = only_open(&store).await;
        let number = if content == "three" { "B" } else { "A" };
        let mut record = WorkOrder::new(number);
        record.comment = Some(content.into());
        let record = (Place::default(), Record::WorkOrder(Box::new(record)));
        store
            .apply(chunk(&message, vec![record], Some(Ending::Complete)))
            .await
            .unwrap();
    }
    let open = store
        .open_deliveries("north", "out", None, 10, true)
        .await
        .unwrap();
    let subjects: Vec<_> = open.iter().map(|d| d.subject.as_str()).collect();
    assert_eq!(subjects, ["work_order:A", "work_order:A", "work_order:B"]);
    let heads: Vec<_> = open.iter().map(|d| d.is_head).collect();
    assert_eq!(heads, [true, false, true]);
    let note = "refused".to_owned();
    let begun = Attempts {
        begun: vec![(open[0].id, open[0].message_id)],
        ended: Vec::new(),
    };
    let ended = Attempts {
        begun: Vec::new(),
        ended: vec![EndedAttempt {
            delivery: open[0].id,
            message: open[0].message_id,
            outcome: DeliveryOutcome::Parked { note },
        }],
    };
    store.record_attempts(Arc::new(begun)).await.unwrap();
    store.record_attempts(Arc::new(ended)).await.unwrap();
    let trace = store.trace(open[0].message_id, 10).await.unwrap();
    let steps: Vec<_> = trace.iter().map(|row| row.step).collect();
    assert!(steps.ends_with(&[Step::Sending, Step::Parked]), "{steps:?}");
    let ids = |list: Vec<PendingDelivery>| list.into_iter().map(|d| d.id).collect::<Vec<_>>();
    assert_eq!(
        ids(store
            .open_deliveries("north", "out", None, 10, true)
            .await
            .unwrap()),
        [open[2].id]
    );
    assert_eq!(
        ids(store
            .open_deliveries("north", "out", None, 10, false)
            .await
            .unwrap()),
        [open[1].id, open[2].id]
    );
    let lane = |lanes_wait| {
        store.open_deliveries_of_lane("north", "out", open[0].lane, None, 10, lanes_wait)
    };
    assert_eq!(ids(lane(true).await.unwrap()), []);
    assert_eq!(ids(lane(false).await.unwrap()), [open[1].id]);
    assert_eq!(
        store.parked(None, 10).await.unwrap()[0].note.as_deref(),
        Some("refused")
    );
    assert_eq!(
        store
            .release(open[0].id, "me: fixed".into())
            .await
            .unwrap()
            .as_deref(),
        Some("out")
    );
    assert_eq!(
        ids(store
            .open_deliveries("north", "out", None, 10, true)
            .await
            .unwrap()),
        [open[0].id, open[1].id, open[2].id]
    );
    assert_eq!(
        store.discard(open[0].id, "me: no".into()).await.unwrap(),
        None,
        "it is not parked any more"
    );
}

#[tokio::test]
async fn a_replay_begins_anew_and_keeps_who_and_why() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    accept(&store, None, "one").await;
    let message = only_open(&store).await;
    assert!(
        !store
            .replay(message.id, "me: too early".into())
            .await
            .unwrap(),
        "it is not done yet"
    );
    store
        .apply(chunk(&message, vec![order("1")], Some(Ending::Complete)))
        .await
        .unwrap();
    assert!(store.replay(message.id, "me: again".into()).await.unwrap());
    let again = only_open(&store).await;
    assert_eq!((again.run, again.checkpoint, again.seen), (2, 0, 0));
    let trace = store.trace(message.id, 100).await.unwrap();
    assert!(
        trace
            .iter()
            .any(|row| row.step == Step::Replayed && row.note.as_deref() == Some("me: again"))
    );
}

#[tokio::test]
async fn a_chunk_is_applied_once_and_only_where_it_begins() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    accept(&store, None, "one").await;
    let message = only_open(&store).await;
    let first = || chunk(&message, vec![order("1")], None);
    let out_of_turn =
        |outcome| matches!(outcome, Err(StoreError::OutOfTurn(id)) if id == message.id);
    store.apply(first()).await.unwrap();
    assert!(out_of_turn(store.apply(first()).await), "the same again");
    let mut later = chunk(&message, vec![order("3")], None);
    (later.seen_before, later.seen) = (2, 3);
    assert!(out_of_turn(store.apply(later).await), "one is left out");
    let last = chunk(
        &only_open(&store).await,
        vec![order("2")],
        Some(Ending::Complete),
    );
    store.apply(last).await.unwrap();
    let view = store.message(message.id).await.unwrap().unwrap();
    assert_eq!((view.records, view.applied), (2, 2));
    let after_the_end = chunk(&message, vec![], Some(Ending::Invalid));
    assert!(out_of_turn(store.apply(after_the_end).await));
}

#[tokio::test]
async fn a_message_waits_for_the_one_that_must_be_done_before() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    accept(&store, None, "one").await;
    let first = only_open(&store).await;
    accept(&store, None, "two").await;
    let second = store
        .open_messages("north", "hes", Some(first.id))
        .await
        .unwrap()
        .remove(0);
    let second = || Chunk {
        after: Some(first.id),
        ..chunk(&second, vec![order("1")], Some(Ending::Complete))
    };
    assert!(matches!(
        store.apply(second()).await,
        Err(StoreError::OutOfTurn(_))
    ));
    store
        .apply(chunk(&first, vec![order("1")], Some(Ending::Complete)))
        .await
        .unwrap();
    store.apply(second()).await.unwrap();
}

#[tokio::test]
async fn a_source_that_changed_hands_does_not_give_its_old_messages_to_its_new_owner() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    accept(&store, None, "one").await;
    let theirs = store.open_messages("south", "hes", None).await.unwrap();
    assert!(theirs.is_empty(), "{theirs:?}");
    let message = only_open(&store).await;
    store
        .apply(chunk(&message, vec![order("1")], Some(Ending::Complete)))
        .await
        .unwrap();
    let deliveries = |enterprise| store.open_deliveries(enterprise, "out", None, 10, true);
    assert!(deliveries("south").await.unwrap().is_empty());
    let ours = deliveries("north").await.unwrap();
    let lane =
        |enterprise| store.open_deliveries_of_lane(enterprise, "out", ours[0].lane, None, 10, true);
    assert_eq!(
        (
            lane("south").await.unwrap().len(),
            lane("north").await.unwrap().len()
        ),
        (0, 1)
    );
    let waiting = store.open_work().await.unwrap().deliveries;
    assert_eq!(
        (waiting[0].enterprise.as_str(), waiting[0].count),
        ("north", 1)
    );
}
