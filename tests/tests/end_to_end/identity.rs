//! What makes two messages one: the sender's key, or else the content; never the name.

use hub_store::messages::Step;

use crate::world::{World, fact, files_in, http_in, reading};

const ROUTE: &str = "format = \"json\"\nunknown_devices = \"create\"";

#[tokio::test]
async fn a_resend_under_another_name_is_recognised_and_a_corrected_file_is_not_taken_for_one() {
    let world = World::of_north(&files_in("north", "in", ROUTE)).await;
    world
        .drop_file("in", "monday.jsonl", reading("M1", 1, "1"))
        .await;
    world
        .drop_file("in", "monday-again.jsonl", reading("M1", 1, "1"))
        .await;
    world.idle().await;
    let messages = world.messages().await;
    assert_eq!(messages.len(), 1, "{messages:#?}");
    let trace = world.trace(messages[0].id).await;
    let resent = trace
        .iter()
        .find(|row| row.step == Step::Resent)
        .expect("the resend is in the trace");
    assert_eq!(resent.note.as_deref(), Some("monday-again.jsonl"));
    assert_eq!(
        world.folder("in").archived().unwrap().len(),
        2,
        "its sender was told yes both times"
    );

    world
        .drop_file("in", "monday.jsonl", reading("M1", 1, "1.25"))
        .await;
    world.idle().await;
    assert_eq!(world.messages().await.len(), 2);
    assert_eq!(
        world.estate("north").await,
        [fact("M1", 1, "1.25")],
        "the correction counts"
    );
}

#[tokio::test]
async fn a_large_resend_is_recognised_too() {
    let world = World::of_north(&files_in("north", "in", ROUTE)).await;
    let many: String = (0..80)
        .flat_map(|meter| (0..96).map(move |q| reading(&format!("M{meter}"), q, "0.5")))
        .collect();
    assert!(many.len() > 1 << 20);
    world.drop_file("in", "a.jsonl", &many).await;
    world.drop_file("in", "b.jsonl", &many).await;
    world.idle().await;
    assert_eq!(world.messages().await.len(), 1);
    assert_eq!(world.estate("north").await.len(), 80 * 96);
}

#[tokio::test]
async fn a_key_is_the_identity_of_a_posted_message() {
    let mut world = World::of_north(&http_in("north", "in", ROUTE)).await;
    let first = world.post("in", Some("k"), reading("M1", 1, "1")).await;
    let again = world.post("in", Some("k"), reading("M1", 1, "1")).await;
    let other_key = world.post("in", Some("l"), reading("M1", 1, "1")).await;
    let other_content = world.post("in", Some("k"), reading("M1", 1, "2")).await;
    assert_eq!(
        [
            first.status,
            again.status,
            other_key.status,
            other_content.status
        ],
        [202, 202, 202, 422]
    );
    assert_eq!(
        (&first.json()["duplicate"], &again.json()["duplicate"]),
        (&false.into(), &true.into())
    );
    assert_eq!(first.json()["message_id"], again.json()["message_id"]);
    assert_ne!(first.json()["message_id"], other_key.json()["message_id"]);
    world.idle().await;
    assert_eq!(world.messages().await.len(), 2);
    assert_eq!(world.estate("north").await, [fact("M1", 1, "1")]);
}
