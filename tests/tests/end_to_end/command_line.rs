//! The operator's commands beside a running hub: where is my message, and what was in it?

use meterhub_tests::hub_process::{run, run_json};

use crate::world::{World, files_in, files_out, order, reading};

#[tokio::test]
async fn an_operator_finds_a_message_its_findings_its_deliveries_and_its_readings() {
    let tell = "[outbound.tell]\nenterprise = \"north\"\non = [\"work_order.created\"]\nformat = \"json\"\nto = [\"out\"]\n";
    let route = "format = \"json\"\nunknown_devices = \"create\"";
    let body = [
        files_in("north", "in", route),
        files_out("north", "out"),
        tell.to_owned(),
    ]
    .concat();
    let world = World::of_north(&body).await;
    let text = [
        order("4711", 1),
        reading("M1", 1, "1.5"),
        "nonsense\n".to_owned(),
    ]
    .concat();
    world.drop_file("in", "monday.jsonl", &text).await;
    world
        .drop_file("in", "tuesday.jsonl", order("4712", 1))
        .await;
    world.idle().await;

    let listed = run_json(&world.config, &["message", "list"]);
    let names: Vec<&str> = listed
        .iter()
        .filter_map(|message| message["name"].as_str())
        .collect();
    assert_eq!(names, ["tuesday.jsonl", "monday.jsonl"], "newest first");
    let with_findings = run_json(
        &world.config,
        &["message", "list", "--state", "processed_with_findings"],
    );
    assert_eq!(with_findings.len(), 1);
    let id = with_findings[0]["message_id"].as_str().unwrap();

    let shown = run_json(&world.config, &["message", "show", id]).remove(0);
    assert_eq!(
        (&shown["applied"], &shown["rejected"]),
        (&2.into(), &1.into())
    );
    assert_eq!(shown["findings_list"][0]["line"], 3);
    assert_eq!(shown["deliveries"][0]["state"], "delivered");
    let steps: Vec<&str> = shown["trace"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|row| row["step"].as_str())
        .collect();
    let expected = [
        "received",
        "delivery created",
        "processed with findings",
        "sending",
        "delivered",
    ];
    for step in expected {
        assert!(steps.contains(&step), "{step} in {steps:?}");
    }

    let readings = run_json(&world.config, &["readings", "show", "M1"]);
    assert_eq!(readings.len(), 1);
    assert_eq!(
        (&readings[0]["value"], &readings[0]["line"]),
        (&"1.5".into(), &2.into())
    );
    assert_eq!(
        readings[0]["message_id"].as_str(),
        Some(id),
        "from the reading back to its message"
    );

    let unknown = run(&world.config, &["message", "show", "0000000000001"]);
    assert_eq!(unknown.status.code(), Some(1));
    let text = run(&world.config, &["message", "show", id]);
    assert!(String::from_utf8_lossy(&text.stdout).contains("monday.jsonl"));
    world.hub.stop().await;
}
