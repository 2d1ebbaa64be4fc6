//! What is remembered over a restart, and what receipts and answers tell the hub.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use adapter_sms::{SmsSourceConfig, count, opt_out};
use hub_core::{DeliveryReport, ManualClock, Reported, Sink, SinkError, Source, SourceConfig};
use meterhub_tests::conformance::{accepted, receive};

use crate::rig::{Smsc, sms};

fn long_text() -> String {
    "0123456789 ".repeat(30)
}

/// 23:00 in Tallinn.
fn evening(smsc: &mut Smsc) -> Arc<ManualClock> {
    let clock = Arc::new(ManualClock::at("2026-01-10T21:00:00Z".parse().unwrap()));
    smsc.context.clock = clock.clone();
    clock
}

async fn refusal(sink: &dyn Sink, number: u64, to: &str, text: &str) -> SinkError {
    sink.send(&sms(number, to, text)).await.unwrap_err()
}

#[tokio::test]
async fn what_is_beyond_the_day_waits_for_the_next_also_after_a_restart() {
    let Some(mut smsc) = Smsc::find().await else {
        return;
    };
    let clock = evening(&mut smsc);
    let limited = "max_segments = 3\ndaily_limit = { parts = 4, zone = 'Europe/Tallinn' }";
    let sink = smsc.sink(limited).await;
    let long = sms(1, "+37255500001", &long_text());
    sink.send(&long).await.unwrap();
    refusal(sink.as_ref(), 2, "+37255500010", "refused, so not counted").await;
    sink.send(&sms(3, "+37255500001", "x")).await.unwrap();
    for restart in [false, true] {
        if restart {
            smsc.restart_hub();
        }
        let sink = smsc.sink(limited).await;
        let error = refusal(sink.as_ref(), 4, "+37255500001", "x").await;
        assert!(error.to_string().contains("limit of 4 parts"), "{error}");
        let SinkError::Busy {
            retry_after: Some(pause),
            ..
        } = error
        else {
            panic!("{error}");
        };
        assert_eq!(pause, Duration::from_secs(3_600));
    }
    clock.advance_seconds(3_600);
    let sink = smsc.sink(limited).await;
    sink.send(&sms(4, "+37255500001", "x")).await.unwrap();
}

#[tokio::test]
async fn what_texts_cost_is_noted_summed_and_limited() {
    let Some(mut smsc) = Smsc::find().await else {
        return;
    };
    evening(&mut smsc);
    let sink = smsc
        .sink(
            "max_segments = 3\n\
             price = { per_part = '0.045', currency = 'EUR', prefixes = [{ prefix = '+372', per_part = '0.03' }] }\n\
             daily_limit = { cost = '0.20', zone = 'Europe/Tallinn', when_reached = 'refuse' }",
        )
        .await;
    let sent = sink.send(&sms(1, "+37255500001", &long_text())).await;
    let note = sent.unwrap().note;
    assert!(note.ends_with("; 3 parts, GSM 7-bit; 0.09 EUR"), "{note}");
    sink.send(&sms(2, "+358401000001", "x")).await.unwrap();
    let error = refusal(sink.as_ref(), 3, "+37255500001", &long_text()).await;
    assert!(matches!(error, SinkError::Refused { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains("0.2 EUR is reached: 0.135 is spent"),
        "{error}"
    );
    let months = count::list(smsc.context.state.as_ref(), true)
        .await
        .unwrap();
    let [month] = months.as_slice() else {
        panic!("{months:?}");
    };
    assert_eq!((month.period.as_str(), month.parts), ("2026-01", 4));
    assert_eq!(month.cost["EUR"].to_string(), "0.135");
}

#[tokio::test]
async fn a_text_that_was_half_sent_goes_on_with_the_rest_after_a_restart() {
    let Some(mut smsc) = Smsc::find().await else {
        return;
    };
    let message = sms(1, "+37255500001", &long_text());
    smsc.control("rate=2").await;
    let sink = smsc.sink("").await;
    let error = sink.send(&message).await.unwrap_err();
    assert!(matches!(error, SinkError::Busy { .. }), "{error}");
    drop(sink);
    smsc.restart_hub();
    smsc.control("rate=0").await;
    let sink = smsc.sink("").await;
    let sent = sink.send(&message).await.unwrap();
    let found = smsc.messages().await;
    let text: String = found.iter().map(|m| m["text"].as_str().unwrap()).collect();
    assert_eq!(text, long_text(), "each part once");
    let ids = found.iter().map(|m| m["id"].as_str().unwrap());
    let references: Vec<_> = ids.map(|id| format!("hub@{}/{id}", smsc.address)).collect();
    assert_eq!(sent.references, references, "of all parts");
}

/// The next that comes, accepted.
async fn take(source: &mut dyn Source) -> Vec<DeliveryReport> {
    let (message, receipt) = receive(source).await.into_parts();
    receipt.settle(accepted()).await;
    message.reports
}

/// One report of each of these. Those of an earlier test may come first.
async fn reports_of(references: &[String], source: &mut dyn Source) -> Vec<DeliveryReport> {
    let mut told: Vec<DeliveryReport> = Vec::new();
    while told.len() < references.len() {
        let all = take(source).await.into_iter();
        told.extend(all.filter(|report| references.contains(&report.reference)));
    }
    told
}

#[tokio::test]
async fn receipts_say_what_became_of_each_part() {
    let Some(smsc) = Smsc::find().await else {
        return;
    };
    let sink = smsc.sink("").await;
    let mut source = smsc.open_source().await;
    for (to, outcome, note) in [
        ("+37255500001", Reported::Arrived, "delivered"),
        ("+37255500002", Reported::Failed, "undeliverable, error 011"),
        ("+37255500003", Reported::Failed, "expired, error 027"),
    ] {
        let sent = sink.send(&sms(1, to, &"x".repeat(200))).await.unwrap();
        let told = reports_of(&sent.references, source.as_mut()).await;
        let parts: BTreeSet<&str> = told.iter().map(|r| r.reference.as_str()).collect();
        assert_eq!(parts.len(), 2, "of each part one");
        for report in &told {
            assert_eq!((report.outcome, report.note.as_str()), (outcome, note));
        }
    }
}

#[tokio::test]
async fn receipts_may_write_ids_in_other_digits() {
    let Some(smsc) = Smsc::find().await else {
        return;
    };
    smsc.control("hex_ids=1").await;
    let account = smsc.account(
        &smsc.address,
        "password",
        ", receipt_ids = 'hex_to_decimal'",
    );
    let sink = smsc.sink_of(&format!("{account}sender = '12345'")).await;
    let config: SmsSourceConfig = toml::from_str(&account).unwrap();
    let mut source = config.connect(&smsc.context).await.unwrap();
    let sent = sink.send(&sms(1, "+37255500001", "x")).await.unwrap();
    reports_of(&sent.references, source.as_mut()).await;
    let found = smsc.messages().await;
    assert_ne!(
        found[0]["id"], found[0]["receipt_id"],
        "it did write other digits"
    );
}

#[tokio::test]
async fn who_says_stop_gets_no_more_until_they_say_start() {
    let Some(mut smsc) = Smsc::find().await else {
        return;
    };
    let mut source = smsc.open_source().await;
    let sink = smsc.sink("").await;
    smsc.text_us("37255500001", "12345", "Stop!").await;
    take(source.as_mut()).await;
    let error = loop {
        match sink.send(&sms(1, "+37255500001", "x")).await {
            Err(error) => break error,
            Ok(_) => drop(take(source.as_mut()).await),
        }
    };
    assert!(matches!(error, SinkError::Refused { .. }), "{error}");
    assert!(error.to_string().contains("`STOP` to 12345"), "{error}");
    sink.send(&sms(2, "+37255500005", "x")).await.unwrap();
    // A restart forgets nothing, and no sink of the enterprise does.
    drop((source, sink));
    smsc.restart_hub();
    let sink = smsc.sink("opt_out = 'except_transactional'").await;
    let error = refusal(sink.as_ref(), 3, "+37255500001", "x").await;
    assert!(error.to_string().contains("transactional"), "{error}");
    let mut must_know = sms(4, "+37255500001", "x");
    let body = r#"{"to":"+37255500001","text":"x","transactional":true}"#;
    must_know.content = hub_core::Content::bytes(body);
    sink.send(&must_know).await.unwrap();
    let listed = opt_out::list(smsc.context.state.as_ref(), None)
        .await
        .unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].number, "37255500001");
    let mut source = smsc.open_source().await;
    smsc.text_us("37255500001", "12345", "start").await;
    // Receipts of the others may come first.
    while sink.send(&sms(5, "+37255500001", "x")).await.is_err() {
        take(source.as_mut()).await;
    }
}
