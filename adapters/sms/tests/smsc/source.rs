//! What comes in: receipts for what was sent, and what telephones write.

use hub_core::{Source, SourceConfig};
use meterhub_tests::conformance::{accepted, receive};
use meterhub_tests::wait::{PATIENCE, until_true};
use serde_json::{Value, json};

use crate::rig::{Smsc, sms};

/// The next that comes, accepted: its key and its body.
async fn take(source: &mut dyn Source) -> (String, Value) {
    let (message, receipt) = receive(source).await.into_parts();
    let hub_core::Body::Bytes(body) = message.body else {
        panic!("it is in memory");
    };
    receipt.settle(accepted()).await;
    let key = message.business_key.expect("all have a key");
    (key, serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn every_part_has_its_receipt_over_the_one_bind() {
    let Some(smsc) = Smsc::find().await else {
        return;
    };
    let sink = smsc.sink("").await;
    let mut source = smsc.open_source().await;
    let sent = sink
        .send(&sms(1, "+37255500001", &"x".repeat(200)))
        .await
        .unwrap();
    let mut ids = Vec::new();
    for _ in 0..2 {
        let (_, body) = take(source.as_mut()).await;
        assert_eq!(
            (&body["type"], &body["state"]),
            (&json!("receipt"), &json!("delivered"))
        );
        assert_eq!(
            (&body["from"], &body["to"]),
            (&json!("+37255500001"), &json!("Nordkraft"))
        );
        assert_eq!(body["error"], "000");
        ids.push(body["message_id"].as_str().unwrap().to_owned());
    }
    ids.sort();
    assert!(sent.note.contains(&ids.join(", ")), "{} {ids:?}", sent.note);
    let reference = |id: &String| format!("hub@{}/{id}", smsc.address);
    assert_eq!(
        sent.references,
        ids.iter().map(reference).collect::<Vec<_>>()
    );
    assert_eq!(smsc.log("bind_transceiver").await, 1);
    until_true("answers to receipts", PATIENCE, || async {
        smsc.messages()
            .await
            .iter()
            .all(|m| m["receipts"] == 1 && m["receipt_status"] == 0)
    })
    .await;
}

#[tokio::test]
async fn every_state_is_told() {
    let Some(smsc) = Smsc::find().await else {
        return;
    };
    let sink = smsc.sink("").await;
    let mut source = smsc.open_source().await;
    for (to, state, error) in [
        ("+37255500002", "undeliverable", "011"),
        ("+37255500003", "expired", "027"),
        ("+37255500004", "rejected", "099"),
        // Before the answer to the submit.
        ("+37255500021", "delivered", "000"),
    ] {
        sink.send(&sms(1, to, "x")).await.unwrap();
        let (_, body) = take(source.as_mut()).await;
        assert_eq!(
            (&body["state"], &body["error"]),
            (&json!(state), &json!(error)),
            "{to}"
        );
    }
}

#[tokio::test]
async fn a_receipt_that_comes_twice_is_the_same() {
    let Some(smsc) = Smsc::find().await else {
        return;
    };
    let sink = smsc.sink("").await;
    let mut source = smsc.open_source().await;
    sink.send(&sms(1, "+37255500020", "x")).await.unwrap();
    let (first, first_body) = take(source.as_mut()).await;
    let (second, second_body) = take(source.as_mut()).await;
    // The simulator writes the minute of each.
    if first_body == second_body {
        assert_eq!(first, second);
    }
    assert_eq!(first_body["message_id"], second_body["message_id"]);
}

#[tokio::test]
async fn people_may_answer_the_same_twice() {
    let Some(smsc) = Smsc::find().await else {
        return;
    };
    let mut source = smsc.open_source().await;
    let mut keys = Vec::new();
    for text in ["Jah", "中文 ê", "Jah"] {
        smsc.text_us("37255500001", "12345", text).await;
        let (key, body) = take(source.as_mut()).await;
        assert_eq!(body["text"], text);
        keys.push(key);
    }
    assert_ne!(keys[0], keys[1]);
    assert_ne!(keys[0], keys[2]);
}

#[tokio::test]
async fn an_account_has_one_source() {
    let Some(smsc) = Smsc::find().await else {
        return;
    };
    let first = smsc.open_source().await;
    let config = smsc.source(&smsc.address, "password");
    let second = config.connect(&smsc.context).await;
    let error = second.err().expect("there is one already").to_string();
    assert!(error.contains("another source"), "{error}");
    drop(first);
    config.connect(&smsc.context).await.unwrap();
}

#[tokio::test]
async fn what_was_not_answered_is_the_same_when_it_comes_again() {
    let Some(smsc) = Smsc::find().await else {
        return;
    };
    let mut keys = Vec::new();
    // Crashes of the connection and of the source in between.
    for _ in 0..2 {
        let mut source = smsc.open_source().await;
        smsc.text_us("37255500001", "12345", "Jah").await;
        let (message, receipt) = receive(source.as_mut()).await.into_parts();
        keys.push(message.business_key.unwrap());
        smsc.get("drop").await;
        while source.receive().await.is_ok() {}
        drop((source, receipt));
    }
    let mut source = smsc.open_source().await;
    smsc.text_us("37255500001", "12345", "Jah").await;
    keys.push(take(source.as_mut()).await.0);
    assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    smsc.text_us("37255500001", "12345", "Jah").await;
    assert_ne!(take(source.as_mut()).await.0, keys[0], "was answered");
}
