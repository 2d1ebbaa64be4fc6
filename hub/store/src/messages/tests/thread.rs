//! The thread of a message: its orders over all messages.

use super::*;

#[tokio::test]
async fn a_message_about_many_orders_says_that_only_some_are_followed() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    for (content, orders) in [("few", 0..20), ("many", 100..121)] {
        accept(&store, None, content).await;
        let message = only_open(&store).await;
        let count = orders.clone().count() as u64;
        let records = orders
            .map(|number| order(&format!("{number:03}")))
            .collect();
        let chunk = chunk(&message, records, Some(Ending::Complete));
        store.apply(chunk).await.unwrap();
        let thread = store.thread(message.id, 100).await.unwrap();
        assert_eq!((thread.orders, thread.followed), (count, count.min(20)));
        assert!(!thread.more);
        // Each order was made, and told of.
        assert_eq!(thread.steps.len() as u64, 2 * thread.followed);
        let last = thread.steps.iter().map(|view| view.subject.as_str()).max();
        let expected = if content == "few" {
            "work_order:019"
        } else {
            "work_order:119"
        };
        assert_eq!(last, Some(expected), "the first by number");
    }
}

#[tokio::test]
async fn what_is_left_out_of_a_thread_is_known_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    accept(&store, None, "one").await;
    let message = only_open(&store).await;
    let chunk = chunk(&message, vec![order("1")], Some(Ending::Complete));
    store.apply(chunk).await.unwrap();
    for (limit, steps, more) in [(1, 1, true), (2, 2, false)] {
        let thread = store.thread(message.id, limit).await.unwrap();
        assert_eq!((thread.steps.len(), thread.more), (steps, more));
    }
}

#[tokio::test]
async fn a_message_about_no_order_has_no_thread() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    accept(&store, None, "nothing").await;
    let message = only_open(&store).await.id;
    assert_eq!(store.thread(message, 100).await.unwrap(), Thread::default());
}
