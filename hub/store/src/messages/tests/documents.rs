//! Documents that are made in parts.

use super::*;

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
