//! A hub with its partners, and who asks how it is.

use meterhub_tests::config_folder::{ConfigFolder, free_address};
use meterhub_tests::http_load::{Connection, Message};
use meterhub_tests::hub_process::HubProcess;
use meterhub_tests::observe;
use meterhub_tests::receiver::Receiver;
use meterhub_tests::wait::{PATIENCE, until_true};
use meterhub_tests::workload::Content;
use serde_json::Value;

use crate::exposition::Exposition;

/// What the hub of a [`Rig`] with a configured token asks for, and its HTTP source.
pub(crate) const TOKEN: &str = "what-the-scraper-shows";

/// Two sinks get the readings: one takes them, one never does. One source's partner is not there.
pub(crate) fn configuration(erp: &Receiver, mdm: &Receiver, absent: &str) -> String {
    let (erp, mdm) = (erp.url("/in"), mdm.url("/in"));
    format!(
        r#"
[enterprise.north]
zone = "Europe/Helsinki"
[source.hes]
enterprise = "north"
[source.hes.http]
bearer = ["file:token"]
[inbound.hes]
from = "hes"
format = "json"
unknown_devices = "create"
[source.gateway]
enterprise = "north"
[source.gateway.mqtt]
broker = {{ url = "mqtt://{absent}", auth = {{ password = {{ user = "hub", password = "file:token" }} }} }}
client_id = "absent"
topics = ["in/#"]
[inbound.gateway]
from = "gateway"
format = "cim"
[outbound.readings]
enterprise = "north"
on = ["meter_readings.accepted"]
format = "json"
to = ["erp", "mdm"]
[sink.erp]
enterprise = "north"
retry = {{ initial_milliseconds = 10, max_seconds = 1, attempts = 1000 }}
circuit = {{ failures = 3, probe_seconds = 1 }}
[sink.erp.http]
url = "{erp}"
insecure_allow_plain_http = true
[sink.mdm]
enterprise = "north"
when_parked = "go-on"
[sink.mdm.http]
url = "{mdm}"
insecure_allow_plain_http = true
"#
    )
}

/// A hub and its partners.
pub(crate) struct Rig {
    pub(crate) config: ConfigFolder,
    pub(crate) hub: HubProcess,
    pub(crate) erp: Receiver,
    pub(crate) mdm: Receiver,
    pub(crate) client: reqwest::Client,
    partner: Connection,
    has_token: bool,
}

impl Rig {
    pub(crate) async fn start(token: Option<&str>) -> Self {
        let (erp, mdm) = (Receiver::start().await, Receiver::start().await);
        let absent = free_address().expect("a port is free").to_string();
        let config = ConfigFolder::new().expect("the disk works");
        for name in ["token", "metrics-token"] {
            std::fs::write(config.dir().join(name), TOKEN).expect("the disk works");
        }
        let body = configuration(&erp, &mdm, &absent);
        let hub = token.map_or_else(String::new, |token| {
            format!("metrics_token = \"{token}\"\n")
        });
        config
            .write(&format!("{hub}{body}"))
            .expect("the disk works");
        let hub = HubProcess::start(&config).await;
        let client = reqwest::Client::builder().no_proxy().build();
        Self {
            partner: Connection::new(hub.address()),
            config,
            hub,
            erp,
            mdm,
            client: client.expect("a client"),
            has_token: token.is_some(),
        }
    }

    /// The same with another hub, after the first was stopped.
    pub(crate) async fn again(self) -> Self {
        self.hub.stop().await;
        let hub = HubProcess::start(&self.config).await;
        Self { hub, ..self }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.hub.address())
    }

    /// What operators show: the configured token, or the one that the hub made.
    pub(crate) fn token(&self) -> String {
        match self.has_token {
            true => TOKEN.to_owned(),
            false => {
                let file = self.config.dir().join("data/operator.token");
                std::fs::read_to_string(file).expect("the hub made one")
            }
        }
    }

    pub(crate) async fn get(&self, path: &str) -> String {
        let request = self.client.get(self.url(path));
        let answer = request.bearer_auth(self.token()).send();
        let answer = answer.await.expect("the hub answers");
        assert_eq!(answer.status(), 200, "{path}");
        answer.text().await.expect("the answer is whole")
    }

    pub(crate) async fn scrape(&self) -> Exposition {
        Exposition::read(&self.get("/metrics").await)
    }

    pub(crate) async fn endpoint(&self, role: &str, name: &str) -> Value {
        let json: Value = serde_json::from_str(&self.get("/api/v1/endpoints").await).expect("JSON");
        let all = json["endpoints"].as_array().expect("a list");
        let mut found = all
            .iter()
            .filter(|one| one["role"] == role && one["name"] == name);
        found
            .next()
            .unwrap_or_else(|| panic!("no {role} {name} in {json}"))
            .clone()
    }

    pub(crate) async fn post(&mut self, key: &str, content: &Content) -> u16 {
        let message = Message {
            path: "/api/v1/messages/hes",
            key: Some(key),
            content_type: "application/x-ndjson",
            token: Some(TOKEN),
            body: &content.bytes,
        };
        let answer = self.partner.post(message).await;
        answer.expect("the hub answers").status
    }

    pub(crate) async fn idle(&self) {
        let store = observe::open(&self.config.dir().join("data")).await;
        let store = store.expect("the store can be read");
        until_true("the hub to have done everything", PATIENCE, || async {
            store.is_idle().await.expect("the store can be read")
        })
        .await;
    }
}
