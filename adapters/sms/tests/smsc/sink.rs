//! What the sink submits, and what it makes of the answers.

use std::sync::Arc;
use std::time::Duration;

use hub_core::{ManualClock, Sink, SinkError};
use meterhub_tests::services::service;
use meterhub_tests::wait::{PATIENCE, until};
use serde_json::{Value, json};

use crate::rig::{Smsc, sms};

#[tokio::test]
async fn texts_are_read_as_they_were_written() {
    let Some(smsc) = Smsc::find().await else {
        return;
    };
    let sink = smsc.sink("").await;
    let texts = [
        ("Ämpäri, señor: 5 € [{^~|}]\\ @£$¥ Åß Øæ", 0),
        ("Rendez-vous confirmé, à bientôt – forêt", 8),
        ("Homme õhtul: 中文 😀", 8),
    ];
    for (number, (text, _)) in texts.iter().enumerate() {
        let sent = sink.send(&sms(number as u64, "+37255500001", text)).await;
        assert!(sent.unwrap().note.contains("1 part"));
    }
    let found = smsc.messages().await;
    for (found, (text, data_coding)) in found.iter().zip(texts) {
        assert_eq!(found["text"], text);
        assert_eq!(found["data_coding"], data_coding);
        let sender = (&found["from"], &found["from_ton"], &found["from_npi"]);
        assert_eq!(sender, (&json!("Nordkraft"), &json!(5), &json!(0)));
        let to = (&found["to"], &found["to_ton"], &found["to_npi"]);
        assert_eq!(to, (&json!("37255500001"), &json!(1), &json!(1)));
        assert_eq!(found["registered_delivery"], 1);
    }
    assert_eq!(found.len(), 3);
}

fn long_text() -> String {
    "0123456789 ".repeat(30)
}

async fn parts(smsc: &Smsc, further: &str) -> Vec<Value> {
    let sink = smsc.sink(further).await;
    let sent = sink
        .send(&sms(1, "+37255500001", &long_text()))
        .await
        .unwrap();
    let found = smsc.messages().await;
    let ids: Vec<&str> = found.iter().map(|m| m["id"].as_str().unwrap()).collect();
    let expected = format!("accepted as {}; 3 parts, GSM 7-bit", ids.join(", "));
    assert_eq!(sent.note, expected);
    let reference = |id: &&str| format!("hub@{}/{id}", smsc.address);
    assert_eq!(
        sent.references,
        ids.iter().map(reference).collect::<Vec<_>>()
    );
    let text: String = found.iter().map(|m| m["text"].as_str().unwrap()).collect();
    assert_eq!(text, long_text());
    assert_eq!(found[0]["text"].as_str().unwrap().len(), 153);
    found
}

#[tokio::test]
async fn a_long_text_goes_in_parts_with_headers() {
    let Some(smsc) = Smsc::find().await else {
        return;
    };
    let found = parts(&smsc, "valid_minutes = 120").await;
    let header = |n: usize| found[n]["udh"][0].as_str().unwrap().to_owned();
    let reference = header(0)[..6].to_owned();
    for (number, part) in found.iter().enumerate() {
        assert_eq!(part["esm_class"], 0x40);
        assert!(part["validity_period"].is_string());
        let expected = format!("{reference}03{:02x}", number + 1);
        assert!(
            header(number).ends_with(&expected),
            "{} {expected}",
            header(number)
        );
    }
}

#[tokio::test]
async fn a_long_text_goes_in_parts_with_parameters() {
    let Some(smsc) = Smsc::find().await else {
        return;
    };
    let found = parts(&smsc, "long_messages = 'sar'").await;
    for (number, part) in found.iter().enumerate() {
        assert_eq!(part["esm_class"], 0);
        assert_eq!(part["sar"], json!([found[0]["sar"][0], number + 1, 3]));
    }
}

#[tokio::test]
async fn what_a_telephone_has_not_is_sent_as_configured() {
    let Some(smsc) = Smsc::find().await else {
        return;
    };
    let sink = smsc.sink("not_in_gsm7 = 'transliterate'").await;
    let text = "à bientôt – forêt";
    sink.send(&sms(1, "+37255500001", text)).await.unwrap();
    assert_eq!(smsc.messages().await[0]["text"], "à bientot - foret");
    let sink = smsc.sink("not_in_gsm7 = 'reject'").await;
    let error = sink.send(&sms(2, "+37255500001", text)).await.unwrap_err();
    assert!(
        matches!(&error, SinkError::Refused { answer, .. } if answer.contains('ô')),
        "{error}"
    );
    let sink = smsc.sink("max_segments = 2").await;
    let error = sink
        .send(&sms(3, "+37255500001", &long_text()))
        .await
        .unwrap_err();
    assert!(
        matches!(&error, SinkError::Refused { answer, .. } if answer.contains("3 parts")),
        "{error}"
    );
    assert_eq!(smsc.messages().await.len(), 1);
}

#[tokio::test]
async fn every_answer_has_its_verdict() {
    let Some(smsc) = Smsc::find().await else {
        return;
    };
    let sink = smsc.sink("").await;
    let try_to = async |to: &str| {
        let sent = sink.send(&sms(1, to, "x")).await;
        sent.expect_err(to)
    };
    let error = try_to("+37255500010").await;
    assert!(
        matches!(&error, SinkError::Refused { answer, .. } if answer.contains("ESME_RINVDSTADR")),
        "{error}"
    );
    let error = try_to("+37255500011").await;
    assert!(
        matches!(
            &error,
            SinkError::Busy {
                retry_after: Some(_),
                ..
            }
        ),
        "{error}"
    );
    for (to, expected) in [
        ("+37255500012", "ESME_RMSGQFUL"),
        ("+37255500018", "ESME_RSYSERR"),
        ("+37255500016", "ESME_RINVCMDID"),
    ] {
        let error = try_to(to).await;
        assert!(matches!(&error, SinkError::Unavailable { .. }), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
    for (to, expected) in [
        ("+37255500013", "did not answer"),
        ("+37255500014", "session ended"),
    ] {
        let error = try_to(to).await;
        assert!(
            matches!(
                &error,
                SinkError::Unavailable {
                    answered: false,
                    ..
                }
            ),
            "{error}"
        );
        assert!(error.to_string().contains(expected), "{error}");
    }
    // Accepted, and the message centre leaves; the next finds it again.
    sink.send(&sms(2, "+37255500015", "x")).await.unwrap();
    let again = until("a new session", PATIENCE, || async {
        sink.send(&sms(3, "+37255500001", "x")).await.ok()
    });
    again.await;
    // An attempt on the session that was ending may have been accepted as well.
    assert!(smsc.messages().await.len() >= 2);
}

#[tokio::test]
async fn a_message_that_was_throttled_half_way_goes_on_with_the_rest() {
    let Some(smsc) = Smsc::find().await else {
        return;
    };
    let sink = smsc.sink("").await;
    smsc.control("rate=2").await;
    let message = sms(1, "+37255500001", &long_text());
    let error = sink.send(&message).await.unwrap_err();
    assert!(matches!(error, SinkError::Busy { .. }), "{error}");
    let sent = until("the rest", PATIENCE, || async {
        sink.send(&message).await.ok()
    })
    .await;
    let found = smsc.messages().await;
    let text: String = found.iter().map(|m| m["text"].as_str().unwrap()).collect();
    assert_eq!(text, long_text(), "each part once");
    let reference = |m: &Value| m["udh"][0].as_str().unwrap()[..8].to_owned();
    assert!(found.iter().all(|m| reference(m) == reference(&found[0])));
    let ids: Vec<&str> = found.iter().map(|m| m["id"].as_str().unwrap()).collect();
    assert!(sent.note.contains(&ids.join(", ")), "{}", sent.note);
}

#[tokio::test]
async fn a_refused_login_says_why_and_is_tried_once_by_a_crowd() {
    let Some(smsc) = Smsc::find().await else {
        return;
    };
    let account = smsc.account(&smsc.address, "wrong", "");
    let sink = smsc.sink_of(&format!("{account}sender = '12345'")).await;
    let message = sms(1, "+37255500001", "x");
    let sends = (0..50).map(|_| sink.send(&message));
    for sent in futures_util::future::join_all(sends).await {
        let error = sent.unwrap_err().to_string();
        assert!(
            error.contains("ESME_RINVPASWD") && error.contains("`hub`"),
            "{error}"
        );
    }
    assert_eq!(smsc.log("bind_transceiver").await, 1);
}

#[tokio::test]
async fn tls_needs_a_certificate_that_is_trusted() {
    let Some(smsc) = Smsc::find().await else {
        return;
    };
    let (Some(address), Some(ca)) = (service("SMPPS_ADDR"), service("TLS_CA")) else {
        return;
    };
    let other = service("TLS_OTHER_CA").unwrap();
    let sink_trusting = async |ca: &str| {
        let tls = format!(", tls = {{ ca_certificates = '{ca}' }}");
        let account = smsc.account(&address, "password", &tls);
        smsc.sink_of(&format!("{account}sender = '12345'")).await
    };
    let sink: Box<dyn Sink> = sink_trusting(&ca).await;
    sink.send(&sms(1, "+37255500001", "secret")).await.unwrap();
    assert_eq!(smsc.messages().await[0]["text"], "secret");
    let sink = sink_trusting(&other).await;
    let error = sink
        .send(&sms(2, "+37255500001", "secret"))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
    assert_eq!(smsc.messages().await.len(), 1);
}

#[tokio::test]
async fn the_longest_beginning_of_a_number_says_which_account_carries_it() {
    let Some(smsc) = Smsc::find().await else {
        return;
    };
    let other = |prefix: &str, sender: &str| {
        let account = smsc.account(&smsc.address, "password", ", system_type = 'x'");
        let account = account
            .trim_end()
            .replace("system_id = 'hub'", "system_id = 'gateway'");
        format!("{{ prefixes = ['{prefix}'], {account}, sender = '{sender}' }}")
    };
    let further = [other("+372", "Eesti"), other("+3725", "Mobiil")].join(", ");
    let sink = smsc.sink(&format!("prefixes = [{further}]")).await;
    for (number, to) in [
        "+358401000001",
        "+37266500001",
        "+37255500001",
        "37255500001",
    ]
    .iter()
    .enumerate()
    {
        let sent = sink.send(&sms(number as u64, to, "x")).await.unwrap();
        let by = if to.starts_with("+372") {
            "gateway at"
        } else {
            "hub at"
        };
        assert!(sent.note.contains(by), "{}", sent.note);
    }
    let found = smsc.messages().await;
    let by = |n: usize| {
        (
            found[n]["account"].as_str().unwrap(),
            found[n]["from"].as_str().unwrap(),
        )
    };
    assert_eq!(by(0), ("hub", "Nordkraft"));
    assert_eq!(by(1), ("gateway", "Eesti"));
    assert_eq!(by(2), ("gateway", "Mobiil"));
    assert_eq!(by(3), ("hub", "Nordkraft"));
    assert_eq!(smsc.log("bind_transceiver").await, 2);
}

#[tokio::test]
async fn nobody_is_woken() {
    let Some(mut smsc) = Smsc::find().await else {
        return;
    };
    let clock = Arc::new(ManualClock::at("2026-01-10T22:00:00Z".parse().unwrap()));
    smsc.context.clock = clock.clone();
    let quiet = "quiet_hours = { from = '21:00', to = '08:00', zone = 'Europe/Tallinn' }";
    let sink = smsc.sink(quiet).await;
    let message = sms(1, "+37255500001", "x");
    let error = sink.send(&message).await.unwrap_err();
    let SinkError::Busy {
        retry_after: Some(pause),
        ..
    } = error
    else {
        panic!("{error}");
    };
    assert_eq!(pause, Duration::from_secs(8 * 3_600));
    assert!(smsc.messages().await.is_empty());
    clock.advance_seconds(8 * 3_600);
    sink.send(&message).await.unwrap();
}
