//! An endpoint that is taken out of the configuration while the hub runs.

use meterhub_tests::random::{Random, seed_of_run};
use meterhub_tests::receiver::Behaviour;
use meterhub_tests::wait::{PATIENCE, until_true};
use meterhub_tests::workload::Maker;

use crate::exposition::of;
use crate::rig::Rig;

/// An alert about it must end: it is neither down nor has anything waiting.
#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_taken_out_is_not_down_for_ever() {
    let mut rig = Rig::start(None).await;
    rig.erp.behave(|_| Behaviour::Refuse(503));
    rig.mdm.behave(|_| Behaviour::Refuse(422));
    let mut maker = Maker::new("hes", Random::new(seed_of_run()));
    assert_eq!(rig.post("first", &maker.json_readings(1, 0)).await, 202);
    let alerts = [
        of("meterhub_sink_circuit_open", "erp"),
        of("meterhub_sink_waiting_deliveries", "erp"),
        of("meterhub_sink_waiting_seconds", "erp"),
        of("meterhub_sink_parked_deliveries", "mdm"),
        of("meterhub_source_connected", "hes"),
    ];
    until_true("all alerts", PATIENCE, || async {
        let seen = rig.scrape().await;
        alerts.iter().all(|series| seen.value(series) > 0.0)
    })
    .await;

    let only = "[enterprise.north]\nzone = \"Europe/Helsinki\"\n";
    rig.config.write(only).expect("the disk works");
    until_true("the alerts to end", PATIENCE, || async {
        let seen = rig.scrape().await;
        alerts.iter().all(|series| seen.value(series) == 0.0)
    })
    .await;
    let all = rig.get("/api/v1/endpoints").await;
    assert!(all.contains("\"endpoints\":[]"), "{all}");
    rig.hub.stop().await;
}
