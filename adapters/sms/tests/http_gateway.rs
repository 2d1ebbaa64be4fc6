//! A gateway that takes texts by HTTP needs no code of ours: the `http` sink posts the same body.
//!
//! This is the example to begin with. The gateway's own field names are the mapping's or template's
//! business; what the gateway answers is judged as the `http` sink's page says.

use std::sync::Arc;

use adapter_http::HttpSinkConfig;
use hub_core::files::OsFiles;
use hub_core::{Content, SinkConfig, SinkError};
use meterhub_tests::conformance::{self, message};
use meterhub_tests::receiver::{Behaviour, Receiver};

const BODY: &str = r#"{"to":"+37255500001","text":"Homme kell 9"}"#;

/// The table of the sink, with the gateway's URL.
fn table(url: &str) -> String {
    format!(
        r#"
url = "{url}"
auth = {{ bearer = "file:token" }}
headers = {{ Accept = "application/json" }}
timeout_seconds = 10
"#
    )
}

#[tokio::test]
async fn a_gateway_with_a_token_is_posted_the_text() {
    let gateway = Receiver::start().await;
    let base = tempfile::tempdir().unwrap();
    std::fs::write(base.path().join("token"), "s3cret").unwrap();
    let context = conformance::context("gateway", base.path(), Arc::new(OsFiles));
    let config: HttpSinkConfig = toml::from_str(&table(&gateway.url("/v1/messages"))).unwrap();
    assert_eq!(config.validate(), []);
    let sink = config.connect(&context).await.unwrap();
    let mut sms = message(1, "work_order:1");
    sms.media_type = "application/json".into();
    sms.content = Content::bytes(BODY);
    sink.send(&sms).await.unwrap();
    let received = gateway.received();
    let [posted] = received.as_slice() else {
        panic!("{} requests", received.len());
    };
    assert_eq!(posted.path, "/v1/messages");
    assert_eq!(posted.text(), BODY);
    assert_eq!(posted.header("authorization"), Some("Bearer s3cret"));
    assert_eq!(posted.header("content-type"), Some("application/json"));
    assert_eq!(
        posted.header("idempotency-key"),
        Some(sms.message_id.to_string().as_str())
    );
    gateway.behave(|_| Behaviour::Refuse(429));
    let error = sink.send(&sms).await.unwrap_err();
    assert!(matches!(error, SinkError::Busy { .. }), "{error}");
    gateway.behave(|_| Behaviour::Refuse(422));
    let error = sink.send(&sms).await.unwrap_err();
    assert!(matches!(error, SinkError::Refused { .. }), "{error}");
}
