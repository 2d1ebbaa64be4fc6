//! How each endpoint is: what is down, since when and why, and that it is back.

use meterhub_tests::config_folder::ConfigFolder;
use meterhub_tests::hub_process;
use meterhub_tests::random::{Random, seed_of_run};
use meterhub_tests::receiver::Behaviour;
use meterhub_tests::wait::{PATIENCE, until, until_true};
use meterhub_tests::workload::Maker;

use crate::exposition::{by, of};
use crate::rig::Rig;

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sees_what_is_down_and_that_it_is_back() {
    let mut rig = Rig::start(Some("file:metrics-token")).await;
    let mut maker = Maker::new("hes", Random::new(seed_of_run()));
    assert_eq!(rig.endpoint("sink", "erp").await["health"], "waiting");
    assert_eq!(rig.post("first", &maker.json_readings(1, 0)).await, 202);
    rig.idle().await;
    for (role, name) in [("source", "hes"), ("sink", "erp"), ("sink", "mdm")] {
        let well = rig.endpoint(role, name).await;
        assert_eq!(well["health"], "ok", "{well}");
        assert!(well["last_success"].is_string(), "{well}");
        assert!(well["reason"].is_null() && well["failures"] == 0, "{well}");
    }
    let absent = until("the absent gateway to be missed", PATIENCE, || async {
        let absent = rig.endpoint("source", "gateway").await;
        (absent["health"] == "retrying").then_some(absent)
    })
    .await;
    assert!(
        absent["last_success"].is_null() && absent["next_attempt"].is_string(),
        "{absent}"
    );
    assert!(
        absent["reason"]
            .as_str()
            .is_some_and(|why| why.contains("refused")),
        "{absent}"
    );

    rig.erp.behave(|_| Behaviour::Refuse(503));
    for index in 0..4 {
        assert_eq!(
            rig.post(&format!("later-{index}"), &maker.json_readings(1, 0))
                .await,
            202
        );
    }
    let down = until("the circuit to open", PATIENCE, || async {
        let erp = rig.endpoint("sink", "erp").await;
        let counted = erp["waiting"].as_u64() == Some(4);
        (erp["health"] == "circuit_open" && counted).then_some(erp)
    })
    .await;
    assert!(down["failures"].as_u64() >= Some(3), "{down}");
    assert!(
        down["reason"]
            .as_str()
            .is_some_and(|why| why.contains("503")),
        "{down}"
    );
    assert!(
        down["oldest_waiting"].is_string() && down["next_attempt"].is_string(),
        "{down}"
    );
    let seen = rig.scrape().await;
    assert_eq!(seen.value(&of("meterhub_sink_circuit_open", "erp")), 1.0);
    assert!(
        seen.value(&by(
            "meterhub_sink_attempts_total",
            "erp",
            "outcome",
            "unavailable"
        )) >= 3.0
    );
    assert_eq!(
        seen.value(&of("meterhub_sink_waiting_deliveries", "erp")),
        4.0
    );
    assert!(seen.value(&of("meterhub_sink_waiting_seconds", "erp")) > 0.0);
    assert_command(&rig.config);

    rig.erp.behave(|_| Behaviour::Take);
    until_true("the endpoint to be back", PATIENCE, || async {
        rig.endpoint("sink", "erp").await["health"] == "ok"
    })
    .await;
    rig.idle().await;
    rig.hub.stop().await;
    let output = hub_process::run(&rig.config, &["endpoints"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(
        said.contains("no hub is running at") && said.contains("meterhub run"),
        "{said}"
    );
}

/// The command tells the same, and its exit code that something is down.
fn assert_command(config: &ConfigFolder) {
    let output = hub_process::run(config, &["endpoints"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    println!("{text}");
    for part in [
        "sink erp",
        "circuit open for",
        "503",
        "source gateway",
        "retrying for",
        "4 endpoints, 2 down",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    let tables = text.lines().filter(|line| !line.starts_with(' '));
    for line in tables {
        assert!(line.chars().count() <= 80, "{line}");
    }
    let json = hub_process::run_json(config, &["endpoints", "--enterprise", "north"]);
    assert_eq!(json[0]["endpoints"].as_array().map(Vec::len), Some(4));
    let none = hub_process::run(config, &["endpoints", "--enterprise", "nord"]);
    assert_eq!(none.status.code(), Some(2));
}
