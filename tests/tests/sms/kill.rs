//! A hub between a folder and a message centre: texts go out, receipts and answers come in. In
//! mid-stream the hub is killed.
//!
//! The message centre is the simulator of `deploy/test-services`. Unlike a real one it sends a
//! receipt once only, so what is asked is this: whatever the hub said yes to, it has.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use hub_store::messages::Store;
use meterhub_tests::config_folder::ConfigFolder;
use meterhub_tests::hub_process::HubProcess;
use meterhub_tests::observe;
use meterhub_tests::services::service;
use meterhub_tests::wait::{PATIENCE, until_true};
use serde_json::Value;

use crate::rig::Centre;

const TEXTS: usize = 120;
/// The hub is killed when so many were accepted.
const KILLED_AT: usize = 40;
const DRAIN: Duration = Duration::from_secs(120);

fn configuration() -> Option<String> {
    let (server, system_id) = (service("SMPP_ADDR")?, service("SMPP_SYSTEM_ID")?);
    let account = format!(
        "account = {{ server = \"{server}\", system_id = \"{system_id}\", \
         password = \"file:smpp-password\", enquire_link_seconds = 2 }}"
    );
    Some(format!(
        r#"
[enterprise.north]
zone = "Europe/Tallinn"
[source.texts]
enterprise = "north"
file = {{ path = "../texts", complete = "rename", poll_milliseconds = 20 }}
[inbound.texts]
from = "texts"
format = "opaque"
to = ["telephones"]
[sink.telephones]
enterprise = "north"
retry = {{ initial_milliseconds = 50, max_seconds = 1, attempts = 1000 }}
circuit = {{ failures = 5, probe_seconds = 1 }}
[sink.telephones.sms]
{account}
sender = "Nordkraft"
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

async fn open(config: &ConfigFolder) -> Store {
    let store = observe::open(&config.dir().join("data")).await;
    store.expect("the store can be opened")
}

/// What the hub passed on of what came in.
fn told(folder: &Path) -> Vec<Value> {
    let Ok(files) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let files = files.filter_map(|file| std::fs::read(file.ok()?.path()).ok());
    files
        .filter_map(|content| serde_json::from_slice(&content).ok())
        .collect()
}

/// Puts the texts where the hub picks them up.
fn write_texts(folder: &Path) {
    for number in 0..TEXTS {
        let name = format!("{number}.json");
        // Some in two parts. Numbers that end in 7 are telephones that just work.
        let long = if number % 4 == 0 { " lang" } else { "" }.repeat(40);
        let body = serde_json::json!({
            "to": format!("+3725550{number:03}7"),
            "text": format!("text {number}{long}"),
        });
        let partial = folder.join(format!(".{name}.tmp"));
        std::fs::write(&partial, body.to_string()).expect("the disk works");
        std::fs::rename(partial, folder.join(name)).expect("the disk works");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_go_out_and_receipts_come_in_though_the_hub_is_killed() {
    let (Some(configuration), Some(centre)) = (configuration(), Centre::find().await) else {
        return;
    };
    let config = ConfigFolder::new().expect("the disk works");
    let password = service("SMPP_PASSWORD").expect("stands beside the address");
    std::fs::write(config.dir().join("smpp-password"), password).expect("the disk works");
    config.write(&configuration).expect("the disk works");
    write_texts(&config.partner("texts").expect("the disk works"));

    let hub = HubProcess::start(&config).await;
    let what = format!("texts to be accepted\n{}", hub.log());
    until_true(&what, PATIENCE, || async {
        centre.messages().await.len() >= KILLED_AT
    })
    .await;
    hub.kill().await;
    let hub = HubProcess::start(&config).await;
    settled(&config, &centre, &hub).await;
    answers_come_in(&config, &centre).await;
    hub.stop().await;

    let accepted = centre.messages().await;
    each_text_was_accepted(&accepted);
    let store = open(&config).await;
    let kept = observe::messages(&store).await.expect("can be read");
    let deliveries = observe::deliveries(&store, &kept)
        .await
        .expect("can be read");
    let delivered = deliveries.iter().all(|d| d.state == "delivered");
    assert!(delivered, "{deliveries:#?}");
    what_was_said_yes_to_is_there(&accepted, &told(&config.root().join("told")));
}

/// Waits until all texts went out, all receipts came, and nothing is left to do.
async fn settled(config: &ConfigFolder, centre: &Centre, hub: &HubProcess) {
    let store = open(config).await;
    let what = format!("all to be done\n{}", hub.log());
    until_true(&what, DRAIN, || async {
        let kept = observe::messages(&store).await.expect("can be read");
        let answered = centre.messages().await.iter().all(|message| {
            // To nobody, while the hub was dead; or over the bind that died.
            message["receipts"] == 1
                || message["receipt_problem"].is_string()
                || message["state"].is_number()
        });
        let texts = kept
            .iter()
            .filter(|message| message.source == "texts")
            .count();
        texts == TEXTS && answered && store.is_idle().await.expect("can be read")
    })
    .await;
}

/// A telephone answers, twice the same.
async fn answers_come_in(config: &ConfigFolder, centre: &Centre) {
    let folder = config.root().join("told");
    for count in 1..=2 {
        let sent = centre
            .get("mobile-originated?from=37255500001&to=12345&text=jah")
            .await;
        assert_eq!(sent["sent"], 1);
        until_true("the answer", PATIENCE, || async {
            let told = told(&folder);
            told.iter().filter(|body| body["text"] == "jah").count() == count
        })
        .await;
    }
}

fn each_text_was_accepted(accepted: &[Value]) {
    let texts: BTreeSet<String> = accepted
        .iter()
        .filter_map(|message| Some(message["text"].as_str()?.split(' ').nth(1)?.to_owned()))
        .collect();
    for number in 0..TEXTS {
        assert!(texts.contains(&number.to_string()), "text {number}");
    }
}

fn what_was_said_yes_to_is_there(accepted: &[Value], told: &[Value]) {
    let told: BTreeSet<&str> = told
        .iter()
        .filter_map(|body| body["message_id"].as_str())
        .collect();
    let yes = |message: &&Value| message["receipts"] == 1 && message["receipt_status"] == 0;
    let ids: Vec<&str> = accepted
        .iter()
        .filter(yes)
        .filter_map(|m| m["id"].as_str())
        .collect();
    println!(
        "{} accepted, {} receipts with a yes, {} told",
        accepted.len(),
        ids.len(),
        told.len()
    );
    assert!(ids.len() >= TEXTS - KILLED_AT, "{} receipts", ids.len());
    for id in ids {
        assert!(told.contains(id), "the receipt of {id} is lost");
    }
}
