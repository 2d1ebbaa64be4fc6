//! What a hub tells of itself, held against what was sent to it and what its partners got:
//! `/metrics`, `/api/v1/endpoints`, and `meterhub endpoints`.

mod exposition;

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use exposition::Exposition;
use hub_store::messages::{MessageFilter, MessageView};
use meterhub_tests::config_folder::{ConfigFolder, free_address};
use meterhub_tests::http_load::{Connection, Message};
use meterhub_tests::hub_process::{self, HubProcess};
use meterhub_tests::observe;
use meterhub_tests::random::{Random, seed_of_run};
use meterhub_tests::receiver::{Behaviour, Receiver};
use meterhub_tests::wait::{PATIENCE, until, until_true};
use meterhub_tests::workload::{Content, Maker};
use serde_json::Value;

const MESSAGES: usize = 60;
const TOKEN: &str = "what-the-scraper-shows";

/// Two sinks get the readings: one takes them, one never does. One source's partner is not there.
fn configuration(erp: &Receiver, mdm: &Receiver, absent: &str) -> String {
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
struct Rig {
    config: ConfigFolder,
    hub: HubProcess,
    erp: Receiver,
    mdm: Receiver,
    client: reqwest::Client,
    partner: Connection,
}

impl Rig {
    async fn start(token: Option<&str>) -> Self {
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
        }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.hub.address())
    }

    async fn get(&self, path: &str) -> String {
        let answer = self.client.get(self.url(path)).bearer_auth(TOKEN).send();
        let answer = answer.await.expect("the hub answers");
        assert_eq!(answer.status(), 200, "{path}");
        answer.text().await.expect("the answer is whole")
    }

    async fn scrape(&self) -> Exposition {
        Exposition::read(&self.get("/metrics").await)
    }

    async fn endpoint(&self, role: &str, name: &str) -> Value {
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

    async fn post(&mut self, key: &str, content: &Content) -> u16 {
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

    async fn idle(&self) {
        let store = observe::open(&self.config.dir().join("data")).await;
        let store = store.expect("the store can be read");
        until_true("the hub to have done everything", PATIENCE, || async {
            store.is_idle().await.expect("the store can be read")
        })
        .await;
    }
}

fn of(name: &str, endpoint: &str) -> String {
    format!("{name}{{enterprise=\"north\",endpoint=\"{endpoint}\"}}")
}

fn by(name: &str, endpoint: &str, key: &str, value: &str) -> String {
    format!("{name}{{enterprise=\"north\",endpoint=\"{endpoint}\",{key}=\"{value}\"}}")
}

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
    // What waits is looked up at most every few seconds.
    let seen = until("the look at what waits", PATIENCE, || async {
        let seen = rig.scrape().await;
        let parked = seen.value(&of("meterhub_sink_parked_deliveries", "mdm"));
        (parked == number(MESSAGES)).then_some(seen)
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

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sees_what_is_down_and_that_it_is_back() {
    let mut rig = Rig::start(Some("file:metrics-token")).await;
    let mut maker = Maker::new("hes", Random::new(seed_of_run()));
    assert_eq!(rig.endpoint("sink", "erp").await["health"], "waiting");
    assert_eq!(rig.post("first", &maker.json_readings(1, 0)).await, 202);
    rig.idle().await;
    for (role, name) in [("source", "hes"), ("sink", "erp"), ("sink", "mdm")] {
        let well = rig.endpoint(role, name).await;
        assert_eq!(well["health"], "ok", "{well}");
        assert!(well["last_success"].is_string(), "{well}");
        assert!(well["reason"].is_null() && well["failures"] == 0, "{well}");
    }
    let absent = rig.endpoint("source", "gateway").await;
    assert_eq!(absent["health"], "retrying");
    assert!(
        absent["last_success"].is_null() && absent["next_attempt"].is_string(),
        "{absent}"
    );
    assert!(
        absent["reason"]
            .as_str()
            .is_some_and(|why| why.contains("refused")),
        "{absent}"
    );

    rig.erp.behave(|_| Behaviour::Refuse(503));
    for index in 0..4 {
        assert_eq!(
            rig.post(&format!("later-{index}"), &maker.json_readings(1, 0))
                .await,
            202
        );
    }
    let down = until("the circuit to open", PATIENCE, || async {
        let erp = rig.endpoint("sink", "erp").await;
        let counted = erp["waiting"].as_u64() == Some(4);
        (erp["health"] == "circuit_open" && counted).then_some(erp)
    })
    .await;
    assert!(down["failures"].as_u64() >= Some(3), "{down}");
    assert!(
        down["reason"]
            .as_str()
            .is_some_and(|why| why.contains("503")),
        "{down}"
    );
    assert!(
        down["oldest_waiting"].is_string() && down["next_attempt"].is_string(),
        "{down}"
    );
    let seen = rig.scrape().await;
    assert_eq!(seen.value(&of("meterhub_sink_circuit_open", "erp")), 1.0);
    assert!(
        seen.value(&by(
            "meterhub_sink_attempts_total",
            "erp",
            "outcome",
            "unavailable"
        )) >= 3.0
    );
    assert_eq!(
        seen.value(&of("meterhub_sink_waiting_deliveries", "erp")),
        4.0
    );
    assert!(seen.value(&of("meterhub_sink_waiting_seconds", "erp")) > 0.0);
    assert_command(&rig.config);

    rig.erp.behave(|_| Behaviour::Take);
    until_true("the endpoint to be back", PATIENCE, || async {
        rig.endpoint("sink", "erp").await["health"] == "ok"
    })
    .await;
    rig.idle().await;
    rig.hub.stop().await;
    let output = hub_process::run(&rig.config, &["endpoints"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(
        said.contains("no hub is running at") && said.contains("meterhub run"),
        "{said}"
    );
}

/// The command tells the same, and its exit code that something is down.
fn assert_command(config: &ConfigFolder) {
    let output = hub_process::run(config, &["endpoints"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    println!("{text}");
    for part in [
        "sink erp",
        "circuit open for",
        "503",
        "source gateway",
        "retrying for",
        "4 endpoints, 2 down",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    let tables = text.lines().filter(|line| !line.starts_with(' '));
    for line in tables {
        assert!(line.chars().count() <= 80, "{line}");
    }
    let json = hub_process::run_json(config, &["endpoints", "--enterprise", "north"]);
    assert_eq!(json[0]["endpoints"].as_array().map(Vec::len), Some(4));
    let none = hub_process::run(config, &["endpoints", "--enterprise", "nord"]);
    assert_eq!(none.status.code(), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_operators_are_told() {
    let guarded = Rig::start(Some("file:metrics-token")).await;
    for path in ["/metrics", "/api/v1/endpoints"] {
        for token in [None, Some("wrong")] {
            let mut request = guarded.client.get(guarded.url(path));
            if let Some(token) = token {
                request = request.bearer_auth(token);
            }
            let answer = request.send().await.expect("the hub answers");
            assert_eq!(answer.status(), 401, "{path} with {token:?}");
        }
    }
    guarded.hub.stop().await;
    let open = Rig::start(None).await;
    for (header, status) in [(None, 200), (Some("x-forwarded-for"), 403)] {
        let mut request = open.client.get(open.url("/metrics"));
        if let Some(header) = header {
            request = request.header(header, "10.0.0.7");
        }
        let answer = request.send().await.expect("the hub answers");
        assert_eq!(answer.status(), status, "{header:?}");
    }
    open.hub.stop().await;
}

/// Prometheus' own judgement.
#[tokio::test(flavor = "multi_thread")]
async fn promtool_has_nothing_to_complain_about() {
    let mut rig = Rig::start(None).await;
    let mut maker = Maker::new("hes", Random::new(seed_of_run()));
    assert_eq!(rig.post("first", &maker.json_readings(2, 1)).await, 202);
    rig.idle().await;
    let text = Arc::new(rig.get("/metrics").await);
    rig.hub.stop().await;
    let promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut promtool) = promtool else {
        eprintln!("SKIPPED: there is no `promtool` here; it comes with Debian's `prometheus`");
        return;
    };
    let mut input = promtool.stdin.take().expect("is piped");
    let written = tokio::task::spawn_blocking(move || input.write_all(text.as_bytes()));
    written
        .await
        .expect("does not panic")
        .expect("promtool reads");
    let output = promtool.wait_with_output().expect("promtool ends");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success() && said.trim().is_empty(), "{said}");
}

/// Looking often costs little: a look into the store is kept for a while.
#[tokio::test(flavor = "multi_thread")]
async fn scraping_often_is_answered_at_once() {
    let rig = Rig::start(None).await;
    let begun = std::time::Instant::now();
    for _ in 0..50 {
        rig.scrape().await;
    }
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "{:?}",
        begun.elapsed()
    );
    rig.hub.stop().await;
}
