//! The sink for OData services, both versions.

use adapter_sap::SapODataSinkConfig;
use async_trait::async_trait;
use hub_core::{Content, OutgoingMessage, Sink, SinkConfig, SinkError};
use meterhub_tests::conformance::{self, Receiver, Taken};
use reqwest::Method;
use serde_json::{Value, json};

use crate::rig::{Making, Sap};

const V2: &str = "/sap/opu/odata/sap/API_BUSINESS_PARTNER_SRV/A_BusinessPartner";
const V4: &str =
    "/sap/opu/odata4/sap/api_businesspartner/srvd_a2x/sap/api_businesspartner/0001/BusinessPartner";

fn keys(version: &str, path: &str) -> String {
    format!("version = '{version}'\npath = \"{path}\"\nclient = '100'")
}

fn entity(message: &OutgoingMessage, text: &str) -> (String, &'static str) {
    let name = if message.subject == "refused" {
        "NoSuchField"
    } else {
        "OrganizationBPName1"
    };
    let entity = json!({"BusinessPartnerCategory": "2", name: text});
    (entity.to_string(), "application/json")
}

fn message(number: u64, subject: &str, entity: &Value) -> OutgoingMessage {
    OutgoingMessage {
        content: Content::bytes(entity.to_string().into_bytes()),
        media_type: "application/json".into(),
        ..conformance::message(number, subject)
    }
}

struct Service {
    sap: Sap,
    version: &'static str,
    path: &'static str,
}

impl Service {
    async fn open(&self, password: &str) -> Box<dyn Sink> {
        let keys = keys(self.version, self.path);
        let inner = self.sap.sink::<SapODataSinkConfig>(&keys, password).await;
        Box::new(Making {
            inner,
            make: entity,
        })
    }
}

#[async_trait]
impl Receiver for Service {
    async fn sink(&mut self) -> Box<dyn Sink> {
        self.open("password").await
    }

    async fn sink_with_wrong_credentials(&mut self) -> Option<Box<dyn Sink>> {
        Some(self.open("wrong").await)
    }

    async fn taken(&mut self) -> Vec<Taken> {
        let body = |text: &str| {
            let entity: Value = serde_json::from_str(text).unwrap();
            entity["OrganizationBPName1"].as_str().unwrap().to_owned()
        };
        self.sap.taken(self.path, body).await
    }

    async fn kill(&mut self) -> bool {
        self.sap.kill().await;
        true
    }

    async fn restart(&mut self) {
        self.sap.start().await;
    }

    async fn stall(&mut self) -> bool {
        self.sap.pause().await;
        true
    }

    async fn resume(&mut self) {
        self.sap.resume().await;
    }

    async fn refuse(&mut self) -> bool {
        true
    }

    fn time_limit(&self) -> std::time::Duration {
        self.sap.time_limit()
    }
}

#[tokio::test]
async fn v2_passes_the_conformance_kit() {
    let Some(sap) = Sap::new().await else { return };
    conformance::sink(&mut Service {
        sap,
        version: "v2",
        path: V2,
    })
    .await;
}

#[tokio::test]
async fn v4_passes_the_conformance_kit() {
    let Some(sap) = Sap::new().await else { return };
    conformance::sink(&mut Service {
        sap,
        version: "v4",
        path: V4,
    })
    .await;
}

/// A business partner to change; its number.
async fn partner(sap: &Sap) -> String {
    let entity = json!({"BusinessPartnerCategory": "2", "OrganizationBPName1": "before"});
    let created = sap.create(V2, &entity).await;
    created["BusinessPartner"].as_str().unwrap().to_owned()
}

async fn name_of(sap: &Sap, number: &str) -> Value {
    let path = format!("{V2}('{number}')");
    let answer = sap.request(Method::GET, &path).send().await.unwrap();
    let entity: Value = answer.json().await.unwrap();
    entity["d"]["OrganizationBPName1"].clone()
}

#[tokio::test]
async fn an_entity_is_changed_by_its_state() {
    let Some(mut sap) = Sap::new().await else {
        return;
    };
    for (version, path, method) in [
        ("v2", V2, "MERGE"),
        ("v2", V2, "PATCH"),
        ("v2", V2, "PUT"),
        ("v4", V4, "PATCH"),
    ] {
        let number = partner(&sap).await;
        let keys = keys(version, &format!("{path}('{{subject}}')"));
        let keys = format!("{keys}\nmethod = '{method}'\nif_match = 'fetched'");
        let sink = sap.sink::<SapODataSinkConfig>(&keys, "password").await;
        sap.new_requests().await;
        let change = message(
            1,
            &number,
            &json!({"BusinessPartnerCategory": "2", "OrganizationBPName1": method}),
        );
        let sent = sink.send(&change).await.unwrap();
        assert!(sent.note.starts_with("204"), "{}", sent.note);
        assert_eq!(name_of(&sap, &number).await, method);
        let requests = sap.new_requests().await;
        let changed = requests.iter().find(|r| r["method"] == method).unwrap();
        let etag = changed["headers"]["if-match"].as_str().unwrap();
        assert!(etag.starts_with("W/\"datetime'"), "{etag}");
        // Somebody else is faster, once, then always.
        let conflict =
            |count: u32| json!({"method": method, "scenario": "precondition", "count": count});
        sap.tell("faults", conflict(1)).await;
        sink.send(&change).await.unwrap();
        sap.tell("faults", conflict(2)).await;
        let error = sink.send(&change).await.unwrap_err();
        assert!(matches!(error, SinkError::Refused { .. }), "{error}");
        assert!(error.to_string().contains("412"), "{error}");
        let asked = |r: &&Value| r["method"] == method;
        let requests = sap.new_requests().await;
        assert_eq!(requests.iter().filter(asked).count(), 4, "twice each");
    }
}

#[tokio::test]
async fn what_is_not_there_is_the_messages_trouble_or_ours() {
    let Some(sap) = Sap::new().await else { return };
    let body = json!({"OrganizationBPName1": "x"});
    let change = |path: &str, if_match: &str| {
        let keys = keys("v2", path);
        format!("{keys}\nmethod = 'PATCH'\nif_match = '{if_match}'")
    };
    for if_match in ["fetched", "any", "none"] {
        let keys = change(&format!("{V2}('{{subject}}')"), if_match);
        let sink = sap.sink::<SapODataSinkConfig>(&keys, "password").await;
        let error = sink.send(&message(1, "none", &body)).await.unwrap_err();
        assert!(matches!(error, SinkError::Refused { .. }), "{error}");
        assert!(error.to_string().contains("No entity with key"), "{error}");
    }
    let other_client = keys("v2", V2).replace("'100'", "'999'");
    for (keys, password, said) in [
        (other_client, "password", "Client 999 is not available"),
        (keys("v2", V2), "wrong", "401"),
    ] {
        let config = sap.config::<SapODataSinkConfig>(&keys, password);
        let checked = config.check(&sap.context).await.unwrap_err().to_string();
        assert!(checked.contains(said), "{checked}");
        let sink = config.connect(&sap.context).await.unwrap();
        let error = sink.send(&message(1, "", &body)).await.unwrap_err();
        assert!(
            matches!(
                error,
                SinkError::Unavailable {
                    answered: false,
                    ..
                }
            ),
            "{error:?}"
        );
        assert!(error.to_string().contains(said), "{error}");
    }
    let config = sap.config::<SapODataSinkConfig>(&keys("v4", V4), "password");
    config.check(&sap.context).await.unwrap();
}

#[tokio::test]
async fn a_lock_is_waited_for_and_a_busy_system_too() {
    let Some(sap) = Sap::new().await else { return };
    let sink = sap
        .sink::<SapODataSinkConfig>(&keys("v2", V2), "password")
        .await;
    let body = json!({"BusinessPartnerCategory": "2", "OrganizationBPName1": "x"});
    for (scenario, pause) in [("lock", None), ("error", None), ("busy", Some(30))] {
        let order = json!({"method": "POST", "scenario": scenario, "count": 1});
        sap.tell("faults", order).await;
        let error = sink.send(&message(1, "", &body)).await.unwrap_err();
        let SinkError::Unavailable { retry_after, .. } = &error else {
            panic!("{error}")
        };
        assert_eq!(retry_after.map(|pause| pause.as_secs()), pause, "{error}");
    }
}

#[tokio::test]
async fn what_the_service_says_beside_yes_is_noted() {
    let Some(mut sap) = Sap::new().await else {
        return;
    };
    let keys = format!("{}\nrepeatable = true\nlanguage = 'DE'", keys("v2", V2));
    let sink = sap.sink::<SapODataSinkConfig>(&keys, "password").await;
    let warning = json!({"method": "POST", "message": "Name is unusual", "count": 1});
    sap.tell("faults", warning).await;
    sap.new_requests().await;
    let body = json!({"BusinessPartnerCategory": "2", "OrganizationBPName1": "x"});
    let sent = sink.send(&message(7, "", &body)).await.unwrap();
    assert!(
        sent.note.starts_with("201 Created, A_BusinessPartner("),
        "{}",
        sent.note
    );
    assert!(
        sent.note.contains("warning MOCK/001: Name is unusual"),
        "{}",
        sent.note
    );
    assert!(sent.note.contains("not repeatable"), "{}", sent.note);
    let requests = sap.new_requests().await;
    let post = requests.last().unwrap();
    assert_eq!(post["headers"]["requestid"].as_str().unwrap().len(), 32);
    assert_eq!(post["query"], "sap-client=100&sap-language=DE");
}
