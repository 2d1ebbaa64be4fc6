//! Attempts, parking, releasing.

use super::*;

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
