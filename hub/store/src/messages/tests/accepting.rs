//! What is accepted, and what is recognised.

use super::*;

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

/// What nothing has to read goes out in the transaction that accepts it.
#[tokio::test]
async fn what_is_only_passed_on_is_done_when_it_is_accepted() {
    struct PassedOn;

    impl Publish for PassedOn {
        fn publish(&self, _: MessageId, _: &[Change<'_>], _: bool) -> Publication {
            Publication {
                deliveries: vec![to_out("lane", None)],
                ..Publication::default()
            }
        }

        fn obstacle(&self, _: &str, _: &str) -> Option<String> {
            None
        }
    }

    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let at_once = || NewMessage {
        at_once: Some(AtOnce {
            route: "relay".into(),
            decoded_by: 7,
            publisher: Arc::new(PassedOn),
        }),
        ..message(Some("k"), "one")
    };
    let Acceptance::Accepted(id) = store.accept(at_once()).await.unwrap() else {
        panic!("new")
    };
    let open_messages = store.open_messages("north", "hes", None).await.unwrap();
    assert!(open_messages.is_empty(), "nothing waits");
    let view = store.message(id).await.unwrap().unwrap();
    assert_eq!(
        (view.state, view.route.as_deref(), view.finished),
        (MessageState::Processed, Some("relay"), Some(NOW))
    );
    let steps: Vec<_> = store.trace(id, 10).await.unwrap();
    let steps: Vec<_> = steps.iter().map(|row| row.step).collect();
    let expected = [Step::Received, Step::DeliveryCreated, Step::Processed];
    assert_eq!(steps, expected);
    let resent = store.accept(at_once()).await.unwrap();
    assert_eq!(resent, Acceptance::Duplicate(id));
    let deliveries = store.open_deliveries("north", "out", None, 10, true).await;
    let deliveries = deliveries.unwrap();
    assert_eq!(deliveries.len(), 1, "a resend goes out once");
    let DeliveryBody::Bytes(body) = &deliveries[0].body else {
        panic!("small")
    };
    assert_eq!(&body[..], b"one");
    assert!(store.replay(id, "again".into()).await.unwrap());
    assert_eq!(only_open(&store).await.id, id, "it can be replayed");
}
