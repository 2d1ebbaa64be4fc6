//! What is counted is what happened.

use hub_store::messages::{MessageFilter, MessageView};
use meterhub_tests::observe;
use meterhub_tests::random::{Random, seed_of_run};
use meterhub_tests::receiver::Behaviour;
use meterhub_tests::wait::{PATIENCE, until};
use meterhub_tests::workload::Maker;

use crate::exposition::{Exposition, by, of};
use crate::rig::Rig;

const MESSAGES: usize = 60;

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn number(count: impl TryInto<u64>) -> f64 {
    count.try_into().unwrap_or(u64::MAX) as f64
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_counted_is_what_was_sent() {
    let mut rig = Rig::start(Some("file:metrics-token")).await;
    rig.mdm.behave(|_| Behaviour::Refuse(422));
    let mut maker = Maker::new("hes", Random::new(seed_of_run()));
    let mut last = rig.scrape().await;
    let (mut bytes, mut sent) = (0, Vec::new());
    for index in 0..MESSAGES {
        let content = maker.json_readings(4, (index % 3 == 0).into());
        assert_eq!(rig.post(&format!("hes-{index}"), &content).await, 202);
        bytes += content.bytes.len();
        sent.push(content);
        if index % 10 == 9 {
            let now = rig.scrape().await;
            now.assert_goes_on_from(&last);
            let accepted = by(
                "meterhub_source_messages_total",
                "hes",
                "outcome",
                "accepted",
            );
            assert_eq!(now.value(&accepted), number(index + 1));
            last = now;
        }
    }
    for (index, content) in sent.iter().enumerate().take(5) {
        assert_eq!(
            rig.post(&format!("hes-{index}"), content).await,
            202,
            "a resend"
        );
    }
    let other = maker.json_readings(1, 0);
    assert_eq!(
        rig.post("hes-0", &other).await,
        422,
        "other content of that key"
    );
    rig.idle().await;
    // What waits is looked up at most every few seconds, and what was committed is counted a moment
    // later than the store shows it.
    let seen = until("all to be counted", PATIENCE, || async {
        let seen = rig.scrape().await;
        let ended = ["processed", "processed_with_findings"];
        let ended = ended.map(|state| by("meterhub_source_finished_total", "hes", "state", state));
        let all = [
            seen.value(&of("meterhub_sink_parked_deliveries", "mdm")),
            seen.value(&of("meterhub_sink_parked_total", "mdm")),
            ended.iter().map(|series| seen.value(series)).sum(),
        ];
        (all == [number(MESSAGES); 3]).then_some(seen)
    })
    .await;
    seen.assert_goes_on_from(&last);
    assert_sources(&rig, &seen, bytes).await;
    assert_sinks(&rig, &seen);
    for series in [
        "meterhub_uptime_seconds",
        "meterhub_store_database_bytes",
        "meterhub_store_commit_seconds_count",
        "meterhub_store_commit_jobs_count",
    ] {
        assert!(seen.value(series) > 0.0, "{series}");
    }
    let build = format!(
        "meterhub_build_info{{version=\"{}\"}}",
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(seen.value(&build), 1.0);
    rig.hub.stop().await;
}

async fn assert_sources(rig: &Rig, seen: &Exposition, bytes: usize) {
    let messages = |outcome| {
        let series = by("meterhub_source_messages_total", "hes", "outcome", outcome);
        seen.value(&series)
    };
    assert_eq!(messages("accepted"), number(MESSAGES));
    assert_eq!(messages("duplicate"), 5.0);
    assert_eq!(messages("rejected"), 1.0);
    assert_eq!(messages("put_off"), 0.0);
    let value = |name| seen.value(&of(name, "hes"));
    assert_eq!(value("meterhub_source_connected"), 1.0);
    assert_eq!(value("meterhub_source_connects_total"), 1.0);
    assert_eq!(value("meterhub_source_bytes_total"), number(bytes));
    assert_eq!(value("meterhub_source_unsettled"), 0.0);
    assert_eq!(value("meterhub_source_backlog_messages"), 0.0);
    assert_eq!(
        value("meterhub_source_accept_seconds_count"),
        number(MESSAGES)
    );
    assert!(value("meterhub_source_accept_seconds_sum") > 0.0);

    let store = observe::open(&rig.config.dir().join("data")).await;
    let all = MessageFilter {
        limit: MESSAGES * 2,
        ..MessageFilter::default()
    };
    let kept = store.expect("the store can be read").messages(all).await;
    let kept = kept.expect("the store can be read");
    let sum = |part: fn(&MessageView) -> u64| number(kept.iter().map(part).sum::<u64>());
    let records = |outcome| {
        seen.value(&by(
            "meterhub_source_records_total",
            "hes",
            "outcome",
            outcome,
        ))
    };
    assert_eq!(records("applied"), sum(|message| message.applied));
    assert_eq!(records("rejected"), sum(|message| message.rejected));
    assert!(records("rejected") > 0.0 && records("applied") > records("rejected"));
    assert_eq!(
        value("meterhub_source_findings_total"),
        sum(|message| message.findings)
    );
    let ended = |state| seen.value(&by("meterhub_source_finished_total", "hes", "state", state));
    assert_eq!(
        ended("processed_with_findings"),
        number(MESSAGES.div_ceil(3))
    );
    assert_eq!(ended("processed"), number(MESSAGES - MESSAGES.div_ceil(3)));
    assert_eq!(ended("invalid"), 0.0);

    let absent = |name| seen.value(&of(name, "gateway"));
    assert_eq!(absent("meterhub_source_connected"), 0.0);
    assert!(absent("meterhub_source_connect_failures_total") >= 1.0);
    // What the adapter itself counts is told as well.
    assert!(absent("meterhub_mqtt_connection_failures_total") >= 1.0);
    assert_eq!(
        absent("meterhub_source_connects_total"),
        absent("meterhub_source_connect_failures_total")
    );
}

fn assert_sinks(rig: &Rig, seen: &Exposition) {
    let attempts = |sink, outcome| {
        seen.value(&by(
            "meterhub_sink_attempts_total",
            sink,
            "outcome",
            outcome,
        ))
    };
    let got = rig.erp.received();
    let bytes: usize = got.iter().map(|request| request.body.len()).sum();
    assert_eq!(attempts("erp", "sent"), number(got.len()));
    assert_eq!(got.len(), MESSAGES);
    assert_eq!(
        seen.value(&of("meterhub_sink_bytes_total", "erp")),
        number(bytes)
    );
    assert_eq!(attempts("mdm", "refused"), number(MESSAGES));
    assert_eq!(attempts("mdm", "sent"), 0.0);
    assert_eq!(
        seen.value(&of("meterhub_sink_parked_total", "mdm")),
        number(MESSAGES)
    );
    assert_eq!(seen.value(&of("meterhub_sink_parked_total", "erp")), 0.0);
    for sink in ["erp", "mdm"] {
        let value = |name| seen.value(&of(name, sink));
        assert!(seen.has(&of("meterhub_sink_circuit_open", sink)));
        assert_eq!(value("meterhub_sink_in_flight"), 0.0);
        assert_eq!(value("meterhub_sink_circuit_open"), 0.0);
        assert_eq!(value("meterhub_sink_waiting_deliveries"), 0.0);
        assert_eq!(
            value("meterhub_sink_attempt_seconds_count"),
            number(MESSAGES)
        );
    }
}
