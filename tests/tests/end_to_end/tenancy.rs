//! Two enterprises in one hub never see what is the other's, even where all ids are the same.

use meterhub_tests::hub_process::run_json;
use serde_json::Value;

use crate::world::{World, fact, files_out, http_in, order, order_fact, reading};

fn tell(enterprise: &str) -> String {
    let name = format!("{enterprise}-out");
    format!(
        "[outbound.{name}]\nenterprise = \"{enterprise}\"\non = [\"work_order.created\", \"meter_readings.accepted\"]\n\
         format = \"json\"\nto = [\"{name}\"]\n{}",
        files_out(enterprise, &name)
    )
}

#[tokio::test]
async fn the_same_ids_in_two_enterprises_are_different_things() {
    let route = "format = \"json\"\nunknown_devices = \"create\"";
    let body = [
        "[enterprise.north]\nzone = \"Europe/Helsinki\"\n[enterprise.south]\nzone = \"Europe/Berlin\"\n".to_owned(),
        http_in("north", "north-in", route),
        http_in("south", "south-in", route),
        tell("north"),
        tell("south"),
    ];
    let mut world = World::start(&[], &body.concat()).await;
    // The same key, the same order number and revision, the same meter and instant.
    let north = [order("4711", 1), reading("M1", 1, "1")].concat();
    let south = [order("4711", 1), reading("M1", 1, "2")].concat();
    let of_north = world.post("north-in", Some("k"), north).await;
    let of_south = world.post("south-in", Some("k"), south).await;
    assert_eq!((of_north.status, of_south.status), (202, 202));
    world.idle().await;

    assert_eq!(
        world.estate("north").await,
        [fact("M1", 1, "1"), order_fact("4711", 1)]
    );
    assert_eq!(
        world.estate("south").await,
        [fact("M1", 1, "2"), order_fact("4711", 1)]
    );
    for (folder, value) in [
        ("north-out", "\"value\":\"1\""),
        ("south-out", "\"value\":\"2\""),
    ] {
        let text = world.texts(folder).concat();
        assert!(
            text.contains(value) && text.contains("4711"),
            "{folder}: {text}"
        );
        assert_eq!(text.lines().count(), 2, "{folder}: {text}");
    }

    // Each partner may ask for its own message, and only at its own source.
    let id = of_north.json()["message_id"].as_str().unwrap().to_owned();
    assert_eq!(
        world
            .get(&format!("/api/v1/messages/north-in/{id}"))
            .await
            .status,
        200
    );
    assert_eq!(
        world
            .get(&format!("/api/v1/messages/south-in/{id}"))
            .await
            .status,
        404
    );

    let listed = run_json(&world.config, &["message", "list", "--enterprise", "south"]);
    let owners: Vec<&Value> = listed
        .iter()
        .map(|message| &message["enterprise"])
        .collect();
    assert_eq!(owners, ["south"]);
    let shown = run_json(
        &world.config,
        &["readings", "show", "M1", "--enterprise", "north"],
    );
    let values: Vec<&Value> = shown.iter().map(|reading| &reading["value"]).collect();
    assert_eq!(values, ["1"]);
}
