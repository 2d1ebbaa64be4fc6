//! What reaches telephones, and what is made of Kannel's answers.

use hub_core::SinkError;
use meterhub_tests::wait::{PATIENCE, until};

use crate::rig::{Kannel, sms};

#[tokio::test]
async fn texts_are_read_as_they_were_written() {
    let Some(kannel) = Kannel::find().await else {
        return;
    };
    let sink = kannel.sink().await;
    for (number, text) in ["Ämpäri & 1+1=2 € {to}", "Homme õhtul: 中文 😀"]
        .iter()
        .enumerate()
    {
        let message = sms(number as u64, "+37255500001", text);
        let sent = sink.send(&message).await.unwrap();
        assert_eq!(sent.references, [format!("kannel/{}", message.message_id)]);
        assert!(
            sent.note.starts_with("202 Accepted, accepted as "),
            "{}",
            sent.note
        );
        let found = until("the text", PATIENCE, || async {
            kannel
                .messages()
                .await
                .pop()
                .filter(|found| found["text"] == *text)
        });
        let found = found.await;
        assert_eq!(found["account"], "gateway", "it went through Kannel");
        assert_eq!(found["to"], "37255500001");
        assert_eq!(found["from"], "Nordkraft");
    }
}

#[tokio::test]
async fn answers_mean_what_they_say() {
    let Some(kannel) = Kannel::find().await else {
        return;
    };
    let sink = kannel.sink().await;
    let error = sink.send(&sms(1, "+9999955500001", "x")).await.unwrap_err();
    assert!(matches!(&error, SinkError::Refused { .. }), "{error}");
    assert!(error.to_string().contains("black-lists"), "{error}");
    let sink = kannel.sink_with("wrong", "").await;
    let error = sink.send(&sms(2, "+37255500001", "x")).await.unwrap_err();
    assert!(matches!(&error, SinkError::Unavailable { .. }), "{error}");
    assert!(error.to_string().contains("403"), "{error}");
    assert!(!error.to_string().contains("wrong-password"), "{error}");
    let rules = "answers = [{ body = 'Accepted for', means = 'busy' }]";
    let sink = kannel.sink_with("password", rules).await;
    let error = sink.send(&sms(3, "+37255500001", "x")).await.unwrap_err();
    assert!(matches!(&error, SinkError::Busy { .. }), "{error}");
}

#[tokio::test]
async fn prices_and_limits_are_those_of_all_texts() {
    let Some(kannel) = Kannel::find().await else {
        return;
    };
    let priced = "max_segments = 3\nprice = { per_part = '0.05', currency = 'EUR' }\n\
                  daily_limit = { parts = 4, zone = 'Europe/Tallinn' }";
    let sink = kannel.sink_with("password", priced).await;
    let sent = sink.send(&sms(1, "+37255500001", &"x".repeat(400))).await;
    let note = sent.unwrap().note;
    assert!(note.ends_with("; 0.15 EUR"), "{note}");
    // Refused, so not counted.
    sink.send(&sms(2, "+9999955500001", "x")).await.unwrap_err();
    sink.send(&sms(3, "+37255500001", "x")).await.unwrap();
    let error = sink.send(&sms(4, "+37255500001", "x")).await.unwrap_err();
    assert!(error.to_string().contains("limit of 4 parts"), "{error}");
}
