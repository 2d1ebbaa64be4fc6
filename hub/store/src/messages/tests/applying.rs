//! Chunks of a message: each once, in order, all of it or nothing.

use super::*;

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
