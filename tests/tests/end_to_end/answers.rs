//! Senders are told what became of their messages.

use meterhub_tests::hub_process::run;
use meterhub_tests::receiver::Receiver;

use crate::world::{World, device, files_in, files_out, http_in, http_out, reading};

async fn world(answer: &str) -> World {
    let route = format!("format = \"json\"\nanswer = {{ to = \"replies\", {answer} }}");
    let body = [
        files_in("north", "in", &route),
        files_out("north", "replies"),
    ];
    World::of_north(&body.concat()).await
}

#[tokio::test]
async fn an_answer_names_what_was_applied_and_what_was_not() {
    let world = world("format = \"json\"").await;
    let lines = [device("m1"), reading("m1", 1, "5"), reading("m9", 1, "5")].concat();
    world.drop_file("in", "day.jsonl", lines).await;
    world.idle().await;
    let answers = world.texts("replies");
    assert_eq!(answers.len(), 1);
    let answer: serde_json::Value = serde_json::from_str(&answers[0]).unwrap();
    let message = world.message("day.jsonl").await;
    assert_eq!(answer["message_id"], message.id.to_string());
    assert_eq!(answer["result"], "applied_in_part");
    assert_eq!(
        (&answer["applied"], &answer["rejected"]),
        (&2.into(), &1.into())
    );
    assert_eq!(answer["details"][0]["line"], 3);
    assert!(
        answer["details"][0]["reason"]
            .as_str()
            .unwrap()
            .contains("m9")
    );
    let deliveries = world.deliveries(message.id).await;
    assert_eq!(
        deliveries.len(),
        1,
        "the answer is a delivery of its message"
    );
}

#[tokio::test]
async fn an_invalid_message_is_answered_and_if_so_wished_nothing_else() {
    let world = world("format = \"cim\", when = \"findings\"").await;
    world.drop_file("in", "good.jsonl", device("m1")).await;
    world.drop_file("in", "bad.jsonl", "no JSON at all\n").await;
    world.idle().await;
    let answers = world.texts("replies");
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert!(
        answers[0].contains("<Result>FAILED</Result>"),
        "{answers:?}"
    );
    assert!(answers[0].contains("<level>FATAL</level>"), "{answers:?}");
}

#[tokio::test]
async fn a_large_message_is_answered_once_and_with_its_first_findings() {
    let world = world("format = \"json\"").await;
    let mut lines = device("m1");
    for meter in 0..60_000 {
        let meter = match meter % 500 {
            0 => "unknown",
            _ => "m1",
        };
        lines.push_str(&reading(meter, 1, "5"));
    }
    world.drop_file("in", "large.jsonl", lines).await;
    world.idle().await;
    let answers = world.texts("replies");
    assert_eq!(answers.len(), 1);
    let answer: serde_json::Value = serde_json::from_str(&answers[0]).unwrap();
    let message = world.message("large.jsonl").await;
    assert_eq!(answer["applied"], message.applied);
    assert_eq!(answer["rejected"], message.rejected);
    assert_eq!(answer["findings"], message.findings);
    assert_eq!(answer["details"][0]["line"], 2);
}

/// Its first answer may be what was lost.
#[tokio::test]
async fn a_sender_that_asks_again_is_answered_again_under_the_same_id() {
    let requester = Receiver::start().await;
    let route = "format = \"json\"\nanswer = { to = \"replies\", format = \"json\" }";
    let body = [
        http_in("north", "in", route),
        http_out("north", "replies", &requester.url("/"), ""),
    ];
    let mut world = World::of_north(&body.concat()).await;
    for _ in 0..2 {
        assert_eq!(world.post("in", Some("k"), device("m1")).await.status, 202);
        world.idle().await;
    }
    let answers = requester.received();
    assert_eq!(answers.len(), 2, "{answers:?}");
    assert_eq!(answers[0].id(), answers[1].id());
    assert_eq!(answers[0].hash, answers[1].hash);
    assert_eq!(world.messages().await.len(), 1);
}

#[tokio::test]
async fn a_message_may_only_be_kept() {
    let mut world = World::of_north(&http_in("north", "in", "format = \"opaque\"\nto = []")).await;
    assert_eq!(world.post("in", Some("k"), "anything").await.status, 202);
    world.idle().await;
    let message = world.messages().await.remove(0);
    assert_eq!(message.state.as_str(), "processed");
    let shown = run(&world.config, &["message", "show", &message.id.to_string()]);
    assert!(shown.status.success());
}

#[tokio::test]
async fn a_format_without_answers_is_named() {
    let config = meterhub_tests::config_folder::ConfigFolder::new().unwrap();
    let route = "format = \"json\"\nanswer = { to = \"replies\", format = \"espi\" }";
    let body = [
        files_in("north", "in", route),
        files_out("north", "replies"),
    ]
    .concat();
    config.write(&crate::world::with_north(&body)).unwrap();
    let checked = run(&config, &["check"]);
    assert!(!checked.status.success());
    let text = String::from_utf8_lossy(&checked.stderr).into_owned()
        + &String::from_utf8_lossy(&checked.stdout);
    assert!(text.contains("format `espi` has no answers"), "{text}");
}
