//! A hub between web services: readings come in a SOAP call, go out in another, and the sender's
//! address for replies is told what became of them.
//!
//! The service that takes the readings is spyne, of `deploy/test-services`.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use meterhub_tests::cim::facts_of_cim;
use meterhub_tests::config_folder::ConfigFolder;
use meterhub_tests::hub_process::HubProcess;
use meterhub_tests::observe;
use meterhub_tests::oracle::Fact;
use meterhub_tests::random::Random;
use meterhub_tests::receiver::Receiver;
use meterhub_tests::services::service;
use meterhub_tests::wait::{PATIENCE, until, until_true};
use meterhub_tests::workload::{Content, Maker};
use serde_json::Value;
use tokio::sync::Mutex;

const MESSAGES: usize = 40;
/// The hub is killed when so many were accepted.
const KILLED_AT: usize = 15;
const DRAIN: Duration = Duration::from_secs(120);
const TNS: &str = "urn:meterhub:test:store";
const MESSAGE: &str = "http://iec.ch/TC57/2011/schema/message";

fn configuration(spyne: &str, replies: &str) -> String {
    format!(
        r#"
[enterprise.north]
zone = "Europe/Helsinki"
[source.hes]
enterprise = "north"
[source.hes.soap]
style = "iec61968-100"
content = "payload"
door = {{ bearer = ["file:token"] }}
[inbound.hes]
from = "hes"
format = "cim"
unknown_devices = "create"
answer = {{ to = "replies", format = "cim" }}
[sink.replies]
enterprise = "north"
retry = {{ initial_milliseconds = 50, max_seconds = 1, attempts = 1000 }}
[sink.replies.soap]
server = {{ url = "http://127.0.0.1:9/nobody" }}
reply_to_origins = ["{replies}"]
[outbound.readings]
enterprise = "north"
on = ["meter_readings.accepted"]
format = "cim"
to = ["mdm"]
[sink.mdm]
enterprise = "north"
retry = {{ initial_milliseconds = 50, max_seconds = 1, attempts = 1000 }}
[sink.mdm.soap]
server = {{ url = "{spyne}/soap11" }}
iec = {{ element = "{{{TNS}}}CreatedMeterReadings", namespace = "{TNS}", verb = "created", noun = "MeterReadings" }}
"#
    )
}

/// What spyne has kept since the last call.
async fn kept(spyne: &str) -> Vec<Vec<u8>> {
    let answer = reqwest::get(format!("{spyne}/taken")).await;
    let taken: Value = answer
        .expect("spyne answers")
        .json()
        .await
        .expect("it is JSON");
    let body = |one: &Value| {
        let text = one["body"].as_str().expect("a text");
        BASE64_STANDARD.decode(text).expect("base64")
    };
    taken.as_array().expect("a list").iter().map(body).collect()
}

/// `SendMeterReadings` in the document style.
fn envelope(id: &str, content: &Content, reply_to: &str) -> String {
    let text = String::from_utf8_lossy(&content.bytes);
    let document = &text[text.find("<MeterReadings").expect("the root")..];
    format!(
        "<S:Envelope xmlns:S='http://schemas.xmlsoap.org/soap/envelope/'><S:Body>\
         <SendMeterReadings xmlns:m='{MESSAGE}'><Header><m:Verb>created</m:Verb>\
         <m:Noun>MeterReadings</m:Noun><m:ReplyAddress>{reply_to}</m:ReplyAddress>\
         <m:MessageID>{id}</m:MessageID></Header><Payload>{document}</Payload>\
         </SendMeterReadings></S:Body></S:Envelope>"
    )
}

/// Posts until the hub says yes.
async fn post(url: &str, envelope: &str) -> String {
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(PATIENCE)
        .build()
        .expect("a client");
    until("the hub to say yes", PATIENCE, || async {
        let request = client.post(url).bearer_auth("t0ken");
        let request = request.header("content-type", "text/xml; charset=utf-8");
        let answer = request.body(envelope.to_owned()).send().await.ok()?;
        match answer.status().as_u16() {
            200 => Some(answer.text().await.expect("the answer is whole")),
            _ => None,
        }
    })
    .await
}

/// The messages that replies are to.
fn replied(replies: &Receiver) -> BTreeSet<String> {
    let received = replies.received();
    let id = |text: String| {
        let (_, rest) = text.split_once("<CorrelationID>")?;
        Some(rest.split_once('<')?.0.to_owned())
    };
    received
        .iter()
        .filter_map(|reply| id(reply.text()))
        .collect()
}

/// What documents say, each thing once.
fn said(documents: &[Vec<u8>]) -> BTreeSet<Fact> {
    let facts = documents.iter().map(|document| facts_of_cim(document));
    facts
        .flat_map(|facts| facts.expect("is a CIM document"))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn readings_come_and_go_by_soap_though_the_hub_is_killed() {
    let Some(spyne) = service("SOAP_SPYNE_URL") else {
        return;
    };
    let control = format!("{spyne}/control?refuse=&fail=&result=OK");
    reqwest::get(control).await.expect("spyne answers");
    kept(&spyne).await;
    let replies = Receiver::start().await;
    let config = ConfigFolder::new().expect("the disk works");
    std::fs::write(config.dir().join("token"), "t0ken").expect("the disk works");
    let origin = replies.url("");
    let origin = origin.trim_end_matches('/');
    config
        .write(&configuration(&spyne, origin))
        .expect("the disk works");

    let mut hub = HubProcess::start(&config).await;
    let url = format!("http://{}/api/v1/soap/hes", config.address());
    let mut maker = Maker::new("hes", Random::new(7));
    let (mut facts, mut ids) = (Vec::new(), BTreeSet::new());
    for number in 0..MESSAGES {
        if number == KILLED_AT {
            hub.kill().await;
            hub = HubProcess::start(&config).await;
        }
        let content = maker.cim(1, 8);
        let id = format!("hes-{number}");
        let told = post(&url, &envelope(&id, &content, &format!("{origin}/replies"))).await;
        assert!(told.contains("<m:Result>OK</m:Result>"), "{told}");
        assert!(told.contains(&format!("<m:CorrelationID>{id}<")), "{told}");
        facts.extend(content.facts);
        ids.insert(id);
    }
    facts.sort();
    let all: BTreeSet<Fact> = facts.iter().cloned().collect();
    until_true("a reply to each message", DRAIN, || async {
        replied(&replies).len() >= ids.len()
    })
    .await;
    // Each once, or again where the hub was killed.
    let found = Mutex::new(Vec::new());
    until_true("all readings to be with spyne", DRAIN, || async {
        let more = kept(&spyne).await;
        let mut found = found.lock().await;
        found.extend(more);
        said(&found).len() >= all.len()
    })
    .await;
    let found = found.into_inner();
    hub.stop().await;
    assert_eq!(said(&found), all);
    assert_eq!(replied(&replies), ids);

    let store = observe::open(&config.dir().join("data"))
        .await
        .expect("can be opened");
    let mut estate = observe::estate(&store, "north").await.expect("can be read");
    estate.sort();
    assert_eq!(estate, facts);
    for reply in replies.received() {
        let text = reply.text();
        assert!(text.contains("<soap:Body><ResponseMessage"), "{text}");
        assert!(text.contains("<Result>OK</Result>"), "{text}");
    }
}
