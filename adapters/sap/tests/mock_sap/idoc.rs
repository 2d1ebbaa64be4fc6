//! The sink for IDocs.

use adapter_sap::SapIdocSinkConfig;
use async_trait::async_trait;
use hub_core::{Content, OutgoingMessage, Sink, SinkConfig, SinkError};
use meterhub_tests::conformance::{self, Receiver, Taken};
use serde_json::json;

use crate::rig::{Making, Sap, between};

/// Where mock-sap takes them.
const PATH: &str = "/sap/bc/idoc";
const KEYS: &str = "path = '/sap/bc/idoc'\nclient = '100'\ncsrf = true";

fn idoc(message: &OutgoingMessage, text: &str) -> (String, &'static str) {
    let id = message.message_id;
    let control = format!(
        "<EDI_DC40 SEGMENT=\"1\"><TABNAM>EDI_DC40</TABNAM><IDOCTYP>ORDERS05</IDOCTYP><MESTYP>ORDERS</MESTYP>\
         <ARCKEY>{id}</ARCKEY></EDI_DC40>"
    );
    // The port refuses what is not well-formed.
    let end = if message.subject == "refused" {
        ""
    } else {
        "</ORDERS05>"
    };
    let segment = format!("<E1EDKT2 SEGMENT=\"1\"><TDLINE>{text}</TDLINE></E1EDKT2>");
    let idoc = format!("<ORDERS05><IDOC BEGIN=\"1\">{control}{segment}</IDOC>{end}");
    (idoc, "application/xml")
}

fn message(number: u64, subject: &str) -> OutgoingMessage {
    let plain = conformance::message(number, subject);
    let (content, _) = idoc(&plain, "body");
    OutgoingMessage {
        content: Content::bytes(content.into_bytes()),
        ..plain
    }
}

struct Port(Sap);

#[async_trait]
impl Receiver for Port {
    async fn sink(&mut self) -> Box<dyn Sink> {
        let inner = self.0.sink::<SapIdocSinkConfig>(KEYS, "password").await;
        Box::new(Making { inner, make: idoc })
    }

    async fn sink_with_wrong_credentials(&mut self) -> Option<Box<dyn Sink>> {
        let inner = self.0.sink::<SapIdocSinkConfig>(KEYS, "wrong").await;
        Some(Box::new(Making { inner, make: idoc }))
    }

    async fn taken(&mut self) -> Vec<Taken> {
        let body = |text: &str| between(text, "<TDLINE>", "</TDLINE>");
        self.0.taken(PATH, body).await
    }

    async fn kill(&mut self) -> bool {
        self.0.kill().await;
        true
    }

    async fn restart(&mut self) {
        self.0.start().await;
    }

    async fn stall(&mut self) -> bool {
        self.0.pause().await;
        true
    }

    async fn resume(&mut self) {
        self.0.resume().await;
    }

    async fn refuse(&mut self) -> bool {
        true
    }

    fn time_limit(&self) -> std::time::Duration {
        self.0.time_limit()
    }
}

#[tokio::test]
async fn it_passes_the_conformance_kit() {
    let Some(sap) = Sap::new().await else { return };
    conformance::sink(&mut Port(sap)).await;
}

#[tokio::test]
async fn the_number_and_the_status_are_noted() {
    let Some(sap) = Sap::new().await else { return };
    let sink = sap.sink::<SapIdocSinkConfig>(KEYS, "password").await;
    let sent = sink.send(&message(1, "")).await.unwrap();
    let [reference] = sent.references.as_slice() else {
        panic!("{sent:?}")
    };
    // The IDoc has no number of ours, and names no partner.
    let number = reference.strip_prefix("IDoc at erp ").unwrap();
    let number = format!("{number:0>16}");
    let note = format!("201 Created, IDoc {number}, status 53: Application document posted");
    assert_eq!(sent.note, note);

    // Received, but not posted: it is theirs now.
    sap.tell(
        "idoc-posting",
        json!({"status": "51", "message": "Order is locked", "count": 1}),
    )
    .await;
    let sent = sink.send(&message(2, "")).await.unwrap();
    assert!(
        sent.note.ends_with("status 51: Order is locked"),
        "{}",
        sent.note
    );
    // It will never be.
    sap.tell(
        "idoc-posting",
        json!({"status": "56", "message": "No partner profile", "count": 1}),
    )
    .await;
    let error = sink.send(&message(3, "")).await.unwrap_err();
    assert!(matches!(error, SinkError::Refused { .. }), "{error}");
    assert!(error.to_string().contains("No partner profile"), "{error}");
}

#[tokio::test]
async fn flat_idocs_go_as_text() {
    let Some(mut sap) = Sap::new().await else {
        return;
    };
    let keys = format!("{KEYS}\ncontent_type = 'text/plain'");
    let sink = sap.sink::<SapIdocSinkConfig>(&keys, "password").await;
    let control = format!("{:<39}{:<60}{:<425}", "EDI_DC40  100", "ORDERS05", "ORDERS");
    let flat = OutgoingMessage {
        content: Content::bytes(control.into_bytes()),
        ..message(1, "")
    };
    let sent = sink.send(&flat).await.unwrap();
    assert!(sent.note.contains("status 53"), "{}", sent.note);
    let requests = sap.new_requests().await;
    assert_eq!(
        requests.last().unwrap()["headers"]["content-type"],
        "text/plain"
    );
}

#[tokio::test]
async fn what_is_wrong_for_all_parks_none() {
    let Some(sap) = Sap::new().await else { return };
    let other_client = KEYS.replace("'100'", "'999'");
    let other_path = KEYS.replace("/sap/bc/idoc", "/sap/bc/nothing_here");
    for (keys, password, said) in [
        (
            other_client.as_str(),
            "password",
            "Client 999 is not available",
        ),
        (&other_path, "password", "404"),
        (KEYS, "wrong", "401"),
    ] {
        let config = sap.config::<SapIdocSinkConfig>(keys, password);
        let checked = config.check(&sap.context).await.unwrap_err().to_string();
        assert!(checked.contains(said), "{checked}");
        let sink = config.connect(&sap.context).await.unwrap();
        let error = sink.send(&message(1, "")).await.unwrap_err();
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
    let config = sap.config::<SapIdocSinkConfig>(KEYS, "password");
    config.check(&sap.context).await.unwrap();
}

#[tokio::test]
async fn trouble_of_the_system_is_told_apart() {
    let Some(sap) = Sap::new().await else { return };
    let sink = sap.sink::<SapIdocSinkConfig>(KEYS, "password").await;
    sink.send(&message(1, "")).await.unwrap();
    for (status, is_refused) in [
        (500, false),
        (503, false),
        (403, false),
        (400, true),
        (415, true),
    ] {
        sap.fault(PATH, status, 1).await;
        let error = sink.send(&message(2, "")).await.unwrap_err();
        assert_eq!(
            matches!(error, SinkError::Refused { .. }),
            is_refused,
            "{error}"
        );
        assert!(error.to_string().contains("Fault injected"), "{error}");
    }
    sap.fault(PATH, 429, 1).await;
    let error = sink.send(&message(3, "")).await.unwrap_err();
    assert!(matches!(error, SinkError::Busy { .. }), "{error}");
    // 200 over an error is no yes.
    sap.fault(PATH, 200, 1).await;
    let error = sink.send(&message(4, "")).await.unwrap_err();
    assert!(matches!(error, SinkError::Refused { .. }), "{error}");
    sink.send(&message(5, "")).await.unwrap();
}

#[tokio::test]
async fn a_token_that_ended_is_renewed_once() {
    let Some(mut sap) = Sap::new().await else {
        return;
    };
    let sink = sap.sink::<SapIdocSinkConfig>(KEYS, "password").await;
    sink.send(&message(1, "")).await.unwrap();
    // The mock forgets its tokens.
    sap.kill().await;
    sap.start().await;
    sap.new_requests().await;
    sink.send(&message(2, "")).await.unwrap();
    let requests = sap.new_requests().await;
    let asked: Vec<(&str, u64)> = requests
        .iter()
        .map(|r| (r["method"].as_str().unwrap(), r["status"].as_u64().unwrap()))
        .collect();
    assert_eq!(asked.first(), Some(&("POST", 403)));
    assert_eq!(asked.last(), Some(&("POST", 201)));
}
