//! What is wrong with a message, where, and what it costs.

use hub_store::messages::MessageState;

use crate::world::{World, device, fact, files_in, files_out, http_in, order, order_fact, reading};

#[tokio::test]
async fn findings_name_the_line_and_the_rest_is_applied() {
    let mut world = World::of_north(&http_in(
        "north",
        "in",
        "format = \"json\"\nunknown_devices = \"create\"",
    ))
    .await;
    let bad = reading("M1", 2, "12,5");
    let text = [
        reading("M1", 1, "1.5"),
        bad,
        "nonsense\n".to_owned(),
        reading("M1", 4, "2.5"),
    ]
    .concat();
    let answer = world.post("in", Some("k1"), text).await;
    assert_eq!(answer.status, 202);
    world.idle().await;

    assert_eq!(
        world.estate("north").await,
        [fact("M1", 1, "1.5"), fact("M1", 4, "2.5")]
    );
    let message = world.messages().await.remove(0);
    assert_eq!(message.state, MessageState::ProcessedWithFindings);
    assert_eq!(
        (message.records, message.applied, message.rejected),
        (4, 2, 2)
    );
    let findings = world.findings(message.id).await;
    let places: Vec<_> = findings
        .iter()
        .map(|finding| (finding.line, finding.field.as_deref()))
        .collect();
    assert_eq!(places, [(2, Some("value")), (3, None)]);
    assert!(findings[0].reason.contains("12,5"), "{findings:#?}");

    // The sender sees the same where the answer pointed.
    let status = world.get(answer.header("location").unwrap()).await.json();
    assert_eq!(status["state"], "processed_with_findings");
    assert_eq!(status["findings_list"][1]["line"], 3);
}

#[tokio::test]
async fn unknown_devices_are_findings_or_made_as_the_route_says() {
    let body = [
        files_in("north", "strict", "format = \"json\""),
        files_in(
            "north",
            "lenient",
            "format = \"json\"\nunknown_devices = \"create\"",
        ),
    ];
    let world = World::of_north(&body.concat()).await;
    let text = [
        device("known"),
        reading("known", 1, "1"),
        reading("unknown", 1, "1"),
    ]
    .concat();
    world.drop_file("strict", "a.jsonl", &text).await;
    world.idle().await;
    assert_eq!(world.estate("north").await, [fact("known", 1, "1")]);
    let message = world.message("a.jsonl").await;
    let findings = world.findings(message.id).await;
    assert_eq!((message.applied, message.rejected), (2, 1));
    assert_eq!(
        (findings[0].code.as_str(), findings[0].line),
        ("unknown_device", 3)
    );

    world.drop_file("lenient", "b.jsonl", &text).await;
    world.idle().await;
    assert_eq!(
        world.estate("north").await,
        [fact("known", 1, "1"), fact("unknown", 1, "1")]
    );
}

#[tokio::test]
async fn a_route_may_reject_the_whole_file_for_one_bad_record() {
    let body = files_in(
        "north",
        "in",
        "format = \"json\"\nunknown_devices = \"create\"\nreject = \"file\"",
    );
    let world = World::of_north(&body).await;
    let bad = [order("1", 1), "nonsense\n".to_owned(), order("2", 1)].concat();
    // A large one is read in chunks: its bad record comes after many good ones.
    let many: String = (0..3_000)
        .map(|number| order(&format!("L{number}"), 1))
        .collect();
    let large = many + "nonsense\n";
    assert!(large.len() > 200_000);
    world.drop_file("in", "bad.jsonl", &bad).await;
    world.drop_file("in", "large.jsonl", &large).await;
    world.drop_file("in", "good.jsonl", order("3", 1)).await;
    world.idle().await;
    assert_eq!(world.estate("north").await, [order_fact("3", 1)]);
    for (name, records, bad_line) in [("bad.jsonl", 3, 2), ("large.jsonl", 3_001, 3_001)] {
        let message = world.message(name).await;
        let counts = (message.records, message.applied, message.rejected);
        assert_eq!(message.state, MessageState::Invalid, "{name}");
        assert_eq!(counts, (records, 0, records), "{name}");
        let findings = world.findings(message.id).await;
        assert!(
            findings.iter().any(|finding| finding.line == bad_line),
            "{findings:#?}"
        );
    }
}

#[tokio::test]
async fn too_many_bad_records_are_taken_for_the_wrong_file() {
    let body = files_in(
        "north",
        "in",
        "format = \"json\"\nunknown_devices = \"create\"\nmax_rejects = 2",
    );
    let world = World::of_north(&body).await;
    let nonsense = "nonsense\n";
    world
        .drop_file(
            "in",
            "two.jsonl",
            [order("1", 1), nonsense.repeat(2)].concat(),
        )
        .await;
    world
        .drop_file(
            "in",
            "three.jsonl",
            [order("2", 1), nonsense.repeat(3)].concat(),
        )
        .await;
    world.idle().await;
    assert_eq!(
        world.message("two.jsonl").await.state,
        MessageState::ProcessedWithFindings
    );
    let invalid = world.message("three.jsonl").await;
    assert_eq!(invalid.state, MessageState::Invalid);
    assert_eq!(invalid.records, invalid.applied + invalid.rejected);
    let findings = world.findings(invalid.id).await;
    assert!(
        findings
            .iter()
            .any(|finding| finding.reason.contains("max_rejects")),
        "{findings:#?}"
    );
    assert_eq!(world.estate("north").await, [order_fact("1", 1)]);
}

#[tokio::test]
async fn what_is_no_document_at_all_is_invalid_and_the_next_goes_on() {
    let world = World::of_north(&files_in(
        "north",
        "in",
        "format = \"cim\"\nunknown_devices = \"create\"",
    ))
    .await;
    world
        .drop_file("in", "picture.png", b"\x89PNG\r\n\x1a\n\0\0\0")
        .await;
    world.drop_file("in", "empty.xml", b"").await;
    let mut maker =
        meterhub_tests::workload::Maker::new("p", meterhub_tests::random::Random::new(1));
    let good = maker.cim(1, 4);
    world.drop_file("in", "good.xml", &good.bytes).await;
    world.idle().await;
    assert_eq!(
        world.message("picture.png").await.state,
        MessageState::Invalid
    );
    assert_eq!(
        world.message("empty.xml").await.state,
        MessageState::Invalid
    );
    assert_eq!(
        world.message("good.xml").await.state,
        MessageState::Processed
    );
    assert_eq!(world.estate("north").await, good.facts);
}

#[tokio::test]
async fn a_reading_that_a_partners_format_cannot_say_does_not_take_the_others_with_it() {
    let body = [
        files_in("north", "in", "format = \"json\"\nunknown_devices = \"create\""),
        files_out("north", "out"),
        "[outbound.tell]\nenterprise = \"north\"\non = [\"meter_readings.accepted\"]\nformat = \"cim\"\nto = [\"out\"]\n".to_owned(),
    ];
    let world = World::of_north(&body.concat()).await;
    // XML has no way to write this character.
    let bad = reading("M1", 2, "2").replace("\"value\"", "\"source\":\"a\\u0001\",\"value\"");
    let unsaid = reading("M1", 3, "3").replace("\"3\"", "null");
    let text = [reading("M1", 1, "1"), bad, unsaid, reading("M1", 4, "4")].concat();
    world.drop_file("in", "day.jsonl", &text).await;
    world.idle().await;

    let message = world.message("day.jsonl").await;
    assert_eq!((message.applied, message.rejected), (4, 0));
    let findings = world.findings(message.id).await;
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert_eq!(findings[0].code, "not_published");
    assert_eq!(findings[0].field.as_deref(), Some("source"));
    assert_eq!(findings[0].line, 2, "the reading's own line");
    let files = world.files("out");
    assert_eq!(files.len(), 1);
    let document = std::fs::read_to_string(&files[0]).expect("the disk works");
    assert_eq!(document.matches("<timeStamp>").count(), 3, "{document}");
    assert!(document.contains("2.5.259"), "{document}");
}
