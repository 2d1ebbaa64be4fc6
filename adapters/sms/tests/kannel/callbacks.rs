//! What Kannel calls back with: receipts, and what telephones wrote.

use std::collections::BTreeSet;

use hub_core::{Body, IncomingMessage, Reported, SinkError, Source};
use meterhub_tests::conformance::{accepted, receive};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::rig::{Kannel, sms};

async fn take(source: &mut dyn Source) -> (IncomingMessage, Value) {
    let (message, receipt) = receive(source).await.into_parts();
    receipt.settle(accepted()).await;
    let Body::Bytes(body) = &message.body else {
        panic!("it is in memory");
    };
    let body = serde_json::from_slice(body).unwrap();
    (message, body)
}

#[tokio::test]
async fn receipts_find_the_text_that_they_are_for() {
    let Some(kannel) = Kannel::find().await else {
        return;
    };
    let mut source = kannel.source().await;
    let sink = kannel.sink().await;
    for (number, to, last) in [
        (21, "+37255500001", Reported::Arrived),
        (22, "+37255500002", Reported::Failed),
    ] {
        let sent = sink.send(&sms(number, to, &"x".repeat(200))).await.unwrap();
        let mut outcomes = BTreeSet::new();
        // The message centre has it, and then the telephone, or not.
        while !outcomes.contains(last.as_str()) {
            let (message, body) = take(source.as_mut()).await;
            assert_eq!(body["type"], "receipt");
            for report in message.reports {
                if sent.references.contains(&report.reference) {
                    outcomes.insert(report.outcome.as_str());
                }
            }
        }
        let expected = [Reported::UnderWay.as_str(), last.as_str()];
        assert_eq!(outcomes, BTreeSet::from(expected));
    }
}

#[tokio::test]
async fn what_telephones_write_comes_in_and_stop_is_heeded() {
    let Some(kannel) = Kannel::find().await else {
        return;
    };
    let mut source = kannel.source().await;
    let sink = kannel.sink().await;
    let passing = kannel.pass_on_texts().await;
    kannel.text_us("37255500001", "Jah, õhtul").await;
    let (_, body) = text(source.as_mut()).await;
    assert_eq!(
        (&body["from"], &body["text"]),
        (&json!("37255500001"), &json!("Jah, õhtul"))
    );
    sink.send(&sms(1, "+37255500001", "x")).await.unwrap();
    kannel.text_us("37255500001", "Stop").await;
    text(source.as_mut()).await;
    let error = sink.send(&sms(2, "+37255500001", "x")).await.unwrap_err();
    assert!(matches!(&error, SinkError::Refused { .. }), "{error}");
    assert!(error.to_string().contains("`STOP`"), "{error}");
    passing.abort();
}

/// The next that somebody wrote; receipts of other texts may come first.
async fn text(source: &mut dyn Source) -> (IncomingMessage, Value) {
    loop {
        let (message, body) = take(source).await;
        if body["type"] == "message" {
            return (message, body);
        }
    }
}

#[tokio::test]
async fn calls_of_other_gateways_are_understood_and_strangers_are_not() {
    let Some(kannel) = Kannel::find().await else {
        return;
    };
    let source = r#"
gateway = "other"
door = { bearer = ["file:token"], insecure_allow_anonymous = false }
answer = "OK"
receipt = { id = "/results/0/messageId", state = "/results/0/status/name", error = "/results/0/error/id", states = { "DELIVERED_TO_HANDSET" = "delivered" } }
message = { from = "From", to = "To", text = "Body" }
"#;
    let mut source = kannel.source_of(source).await;
    let url = format!("http://{}/api/v1/callbacks/kannel", kannel.hub);
    let client = reqwest::Client::new();
    let post = || client.post(&url).bearer_auth("t0ken");
    let receipt = json!({"results": [{"messageId": 17, "status": {"name": "DELIVERED_TO_HANDSET"}, "error": {"id": 0}}]});
    let answer = tokio::spawn(post().json(&receipt).send());
    let (message, body) = take(source.as_mut()).await;
    assert_eq!(message.reports[0].reference, "other/17");
    assert_eq!(
        (&body["state"], &body["message_id"]),
        (&json!("delivered"), &json!("17"))
    );
    let answer = answer.await.unwrap().unwrap();
    assert_eq!(
        (answer.status(), answer.text().await.unwrap().as_str()),
        (StatusCode::OK, "OK")
    );
    // The same words twice, each answered: two messages.
    let mut keys = Vec::new();
    for _ in 0..2 {
        let form = [
            ("From", "+37255500001"),
            ("To", "12345"),
            ("Body", "jah & ei"),
        ];
        let answer = tokio::spawn(post().form(&form).send());
        let (message, body) = take(source.as_mut()).await;
        assert_eq!(
            body,
            json!({"type": "message", "from": "+37255500001", "to": "12345", "text": "jah & ei"})
        );
        assert!(answer.await.unwrap().unwrap().status().is_success());
        keys.push(message.business_key);
    }
    assert_ne!(keys[0], keys[1]);
    let nothing = post().form(&[("x", "y")]).send().await.unwrap();
    assert_eq!(nothing.status(), StatusCode::BAD_REQUEST);
    assert!(nothing.text().await.unwrap().contains("`From` and `Body`"));
    let no_json = post().header("content-type", "application/json").body("{");
    assert_eq!(
        no_json.send().await.unwrap().status(),
        StatusCode::BAD_REQUEST
    );
    let stranger = client.post(&url).json(&receipt).send().await.unwrap();
    assert_eq!(stranger.status(), StatusCode::UNAUTHORIZED);
}
