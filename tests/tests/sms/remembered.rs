//! What becomes of texts is shown on them, and what the hub knows of telephones outlives a restart.

use hub_core::{Clock, SystemClock};
use meterhub_tests::config_folder::ConfigFolder;
use meterhub_tests::hub_process::{self, HubProcess};
use serde_json::{Value, json};

use crate::rig::{Centre, TEXTS, account, config, shown_as, write_text};

const TELEPHONE: &str = "+37255500001";

/// The zone where it is about noon now: the day of the limit ends hours after the test.
fn zone_at_noon() -> String {
    let hour = SystemClock
        .now()
        .micros()
        .div_euclid(3_600_000_000)
        .rem_euclid(24);
    // In these names, east is minus: `Etc/GMT-3` is three hours ahead.
    format!("Etc/GMT{:+}", hour - 12)
}

fn configuration() -> Option<String> {
    let (account, zone) = (account()?, zone_at_noon());
    Some(format!(
        r#"{TEXTS}
[sink.telephones]
enterprise = "north"
retry = {{ initial_milliseconds = 50, max_seconds = 1, attempts = 1000 }}
[sink.telephones.sms]
{account}
sender = "Nordkraft"
max_segments = 2
daily_limit = {{ parts = 4, zone = "{zone}" }}
price = {{ per_part = "0.045", currency = "EUR" }}
[source.answers]
enterprise = "north"
[source.answers.sms]
{account}
[inbound.answers]
from = "answers"
format = "opaque"
to = ["told"]
[sink.told]
enterprise = "north"
file = {{ path = "../told", create_folder = true }}
"#
    ))
}

fn delivery(shown: &Value) -> &Value {
    &shown["deliveries"][0]
}

fn opted_out(config: &ConfigFolder) -> Vec<Value> {
    hub_process::run_json(config, &["sms", "opt-out", "list"])
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_opt_outs_and_counts_are_kept_and_shown() {
    let (Some(configuration), Some(centre)) = (configuration(), Centre::find().await) else {
        return;
    };
    let config = config(&configuration);
    let hub = HubProcess::start(&config).await;

    // Two parts, two receipts, shown on the message.
    write_text(&config, "long", TELEPHONE, &"x".repeat(200));
    let arrived = |shown: &Value| {
        let reports = shown["reports"].as_array().map_or(&[][..], Vec::as_slice);
        reports.len() == 2 && reports.iter().all(|report| report["outcome"] == "arrived")
    };
    let shown = shown_as(&config, "long", "reported on", arrived).await;
    let note = delivery(&shown)["note"].as_str().unwrap_or_default();
    assert!(note.ends_with("2 parts, GSM 7-bit; 0.09 EUR"), "{note}");

    // STOP: the next is refused, until an operator takes the number off the list.
    centre.text_us("STOP").await;
    let is_listed = || async { (!opted_out(&config).is_empty()).then_some(()) };
    let patience = meterhub_tests::wait::PATIENCE;
    meterhub_tests::wait::until("the opt-out", patience, is_listed).await;
    assert_eq!(opted_out(&config)[0]["number"], "37255500001");
    write_text(&config, "unwanted", TELEPHONE, "one");
    let parked = |shown: &Value| delivery(shown)["state"] == "parked";
    let shown = shown_as(&config, "unwanted", "parked", parked).await;
    let note = delivery(&shown)["note"].as_str().unwrap_or_default();
    assert!(note.contains("opted out"), "{note}");
    let removed = hub_process::run_json(&config, &["sms", "opt-out", "remove", TELEPHONE]);
    assert_eq!(removed[0]["changed"], true);
    write_text(&config, "wanted", TELEPHONE, "two");
    let delivered = |shown: &Value| delivery(shown)["state"] == "delivered";
    shown_as(&config, "wanted", "delivered", delivered).await;

    // Three of four parts are used up, also after a restart: two more wait for the next day.
    hub.stop().await;
    let hub = HubProcess::start(&config).await;
    let counted = hub_process::run_json(&config, &["sms", "count", "--months"]);
    assert_eq!(
        (&counted[0]["parts"], &counted[0]["cost"]),
        (&json!(3), &json!(["0.135 EUR"]))
    );
    write_text(&config, "beyond", TELEPHONE, &"y".repeat(200));
    let waits = |shown: &Value| {
        let note = delivery(shown)["note"].as_str().unwrap_or_default();
        note.contains("daily limit of 4 parts is reached")
    };
    let shown = shown_as(&config, "beyond", "put off", waits).await;
    assert_eq!(delivery(&shown)["state"], "pending");
    hub.stop().await;
    let sent = centre.messages().await;
    assert!(
        sent.iter()
            .all(|m| !m["text"].as_str().unwrap_or_default().contains('y'))
    );
}
