//! Topics of Transactional Event Queues.

use std::time::Duration;

use adapter_oracle::{TxEventQSinkConfig, TxEventQSourceConfig};
use async_trait::async_trait;
use hub_core::{Content, SinkConfig, Source, SourceConfig, SourceError};
use meterhub_tests::conformance::{self, Partner, Server, Taken, Told, accepted, message, open};
use serde_json::Value;

use crate::rig::{Rig, kind, stand_in_receiver};
use crate::standin::World;

const TOPIC: &str = "METER_READINGS";

struct Receiver {
    rig: Rig,
}

const SINK: &str = "topic = 'METER_READINGS'\nkey = '{message_id}/{subject}'\n";

stand_in_receiver!(TxEventQSinkConfig, SINK, |world: &mut World| {
    let records = world
        .queues
        .records
        .iter_mut()
        .flat_map(|log| log.drain(..));
    let taken = records.map(|record| Taken {
        id: record.key.split('/').next().unwrap_or_default().to_owned(),
        body: record.value.as_str().unwrap().as_bytes().to_vec(),
    });
    taken.collect()
});

#[tokio::test(flavor = "multi_thread")]
async fn the_sink_conforms() {
    let rig = Rig::start().await;
    conformance::sink(&mut Receiver { rig }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_and_bytes_go_if_configured() {
    let rig = Rig::start().await;
    let options =
        format!("topic = '{TOPIC}'\nheaders = true\nvalue = 'base64'\nmax_value_bytes = 9");
    let sink = rig.sink::<TxEventQSinkConfig>(&options).await;
    let mut message = message(7, "meter:1");
    message.headers = vec![("traceparent".into(), "00-1".into())];
    message.content = Content::bytes(vec![0xff, 0xfe]);
    let sent = sink.send(&message).await.unwrap();
    assert_eq!(sent.note, "partition 1, offset 0");
    {
        let world = rig.oracle.world();
        let record = &world.queues.records[1][0];
        assert_eq!(
            (record.key.as_str(), &record.value),
            ("meter:1", &Value::from("//4="))
        );
        assert_eq!(record.headers["traceparent"], "00-1");
        assert_eq!(record.headers["message-id"], message.message_id.to_string());
    }
    message.content = Content::bytes("0123456789");
    let error = sink.send(&message).await.unwrap_err();
    assert_eq!(kind(&error), "refused");
}

/// Who produces to partition 0, and reads what the hub wrote down.
struct Producer {
    rig: Rig,
}

impl Producer {
    fn config(&self, password: &str) -> TxEventQSourceConfig {
        self.rig.config(
            password,
            "group = 'METERHUB'\ninstance = 'ONE'\npoll_seconds = 1\n",
        )
    }

    async fn kept(&self, key: &str) -> Option<String> {
        let key = format!("{key}:{TOPIC}/0");
        self.rig.context.state.get("oracle", &key).await.unwrap()
    }
}

#[async_trait]
impl Partner for Producer {
    async fn connect(&mut self) -> Box<dyn Source> {
        self.try_connect().await.unwrap()
    }

    async fn send(&mut self, name: &str, body: &[u8]) {
        let text = std::str::from_utf8(body).unwrap();
        self.rig.oracle.world().queues.add(0, name, text);
    }

    /// The record is still there.
    async fn send_again(&mut self, _: &str, _: &[u8]) {}

    async fn told(&mut self, name: &str) -> Told {
        let offset = {
            let world = self.rig.oracle.world();
            let log = &world.queues.records[0];
            log.iter().rposition(|record| record.key == name).unwrap()
        };
        let next: usize = self.kept("next").await.unwrap().parse().unwrap();
        let skipped = self.kept("skipped").await.unwrap_or_default();
        match next > offset {
            false => Told::Later,
            true if skipped.contains(&format!("\"offset\":{offset},")) => Told::Never,
            true => Told::Yes,
        }
    }
}

#[async_trait]
impl Server for Producer {
    async fn try_connect(&mut self) -> Result<Box<dyn Source>, SourceError> {
        self.config("right").connect(&self.rig.context).await
    }

    async fn try_wrong_credentials(&mut self) -> Result<Box<dyn Source>, SourceError> {
        self.config("wrong").connect(&self.rig.context).await
    }

    async fn kill(&mut self) {
        self.rig.oracle.kill().await;
    }

    async fn restart(&mut self) {
        self.rig.oracle.restart().await;
    }

    async fn stall(&mut self) {
        self.rig.oracle.freeze();
    }

    async fn resume(&mut self) {
        self.rig.oracle.thaw();
    }

    fn time_limit(&self) -> Duration {
        Duration::from_secs(4)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_source_conforms() {
    let rig = Rig::start().await;
    conformance::source(&mut Producer { rig }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_source_conforms_though_the_server_fails() {
    let rig = Rig::start().await;
    conformance::source_of_a_server(&mut Producer { rig }).await;
}

/// Fetching consumes, so what was fetched and not settled must be sought again.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_fetched_and_not_settled_is_fetched_again_in_order() {
    let mut producer = Producer {
        rig: Rig::start().await,
    };
    for number in 0..6 {
        producer.send(&format!("r-{number}"), b"1").await;
    }
    producer.rig.oracle.world().queues.add(1, "other", "2");
    let mut source = producer.connect().await;
    let (name, _, settle) = open(source.as_mut()).await;
    assert_eq!(name, "r-0");
    settle(accepted()).await;
    let (name, ..) = open(source.as_mut()).await;
    assert_eq!(name, "r-1");
    drop(source);
    let mut source = producer.connect().await;
    let mut names = Vec::new();
    for _ in 0..6 {
        let (name, _, settle) = open(source.as_mut()).await;
        settle(accepted()).await;
        names.push(name);
    }
    let in_partition: Vec<_> = names.iter().filter(|name| *name != "other").collect();
    assert_eq!(in_partition, ["r-1", "r-2", "r-3", "r-4", "r-5"]);
    assert!(names.contains(&"other".to_owned()));
}

/// A value that cannot be a body is passed over, and kept with its reason.
#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_no_message_holds_up_nobody() {
    let mut producer = Producer {
        rig: Rig::start().await,
    };
    producer.send("bad", b"not base 64!").await;
    producer.send("good", b"b2s=").await;
    let options = "group = 'METERHUB'\ninstance = 'ONE'\nvalue = 'base64'";
    let config: TxEventQSourceConfig = producer.rig.config("right", options);
    let mut source = config.connect(&producer.rig.context).await.unwrap();
    let (name, body, settle) = open(source.as_mut()).await;
    assert_eq!((name.as_str(), body.as_slice()), ("good", b"ok".as_slice()));
    settle(accepted()).await;
    assert_eq!(producer.told("bad").await, Told::Never);
    assert!(
        producer
            .kept("skipped")
            .await
            .unwrap()
            .contains("no base 64")
    );
}

/// A topic whose answers hold at most a kilobyte.
async fn narrow(producer: &Producer) -> Box<dyn Source> {
    let options = "group = 'METERHUB'\ninstance = 'ONE'\npoll_seconds = 1\nmax_fetch_bytes = 1024";
    let config: TxEventQSourceConfig = producer.rig.config("right", options);
    config.connect(&producer.rig.context).await.unwrap()
}

async fn taken(source: &mut dyn Source, count: usize) -> Vec<String> {
    let mut names = Vec::new();
    for _ in 0..count {
        let (name, _, settle) = open(source).await;
        settle(accepted()).await;
        names.push(name);
    }
    names
}

/// More than there is room for is sought again, also of a partition that was never seen before.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_with_more_than_is_allowed_is_taken_in_parts() {
    let mut producer = Producer {
        rig: Rig::start().await,
    };
    let body = "x".repeat(600);
    for number in 0..2 {
        let name = format!("r-{number}");
        producer.send(&name, body.as_bytes()).await;
    }
    producer.rig.oracle.world().queues.add(1, "other", &body);
    let mut source = narrow(&producer).await;
    let names = taken(source.as_mut(), 3).await;
    assert_eq!(names[0], "r-0");
    let all = std::collections::BTreeSet::from_iter(names.iter().map(String::as_str));
    assert_eq!(all, ["other", "r-0", "r-1"].into());
    assert!(producer.rig.oracle.world().queues.sought >= 1);
}

/// What is in an answer and never given on is not lost, though its partition is new and the hub ends.
#[tokio::test(flavor = "multi_thread")]
async fn all_new_partitions_of_an_answer_are_written_down_at_once() {
    let mut producer = Producer {
        rig: Rig::start().await,
    };
    producer.send("r-0", b"1").await;
    producer.rig.oracle.world().queues.add(1, "other", "2");
    let mut source = producer.connect().await;
    let (name, ..) = open(source.as_mut()).await;
    assert_eq!(name, "r-0");
    drop(source);
    let mut source = producer.connect().await;
    assert_eq!(taken(source.as_mut(), 2).await, ["r-0", "other"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_too_large_is_skipped_and_named() {
    let mut producer = Producer {
        rig: Rig::start().await,
    };
    producer.send("large", "x".repeat(5_000).as_bytes()).await;
    producer.send("small", b"1").await;
    let mut source = narrow(&producer).await;
    assert_eq!(taken(source.as_mut(), 1).await, ["small"]);
    let kept = producer.kept("skipped").await.unwrap();
    for part in ["\"offset\":0,", "`max_fetch_bytes` allows 1024"] {
        assert!(kept.contains(part), "{kept}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_odd_record_becomes_a_message_and_holds_up_nobody() {
    let mut producer = Producer {
        rig: Rig::start().await,
    };
    let odd = r#"{"topic":"METER_READINGS","value":"7"}"#;
    producer.rig.oracle.world().queues.odd = vec![odd.to_owned()];
    producer.send("r-0", b"1").await;
    let mut source = producer.connect().await;
    let (message, receipt) = conformance::receive(source.as_mut()).await.into_parts();
    assert_eq!(message.name, "unreadable record");
    assert_eq!(message.business_key, None, "known by its content");
    let problem = &message.headers[0];
    assert_eq!(problem.0, "txeventq-problem");
    assert!(problem.1.contains("`partition`"), "{}", problem.1);
    let body = conformance::read(message.body).await.unwrap();
    assert_eq!(body, odd.as_bytes());
    receipt.settle(accepted()).await;
    assert_eq!(taken(source.as_mut(), 1).await, ["r-0"]);
}

/// What came before an answer broke off is taken; then the server is asked anew.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_breaks_off_loses_nothing() {
    let mut producer = Producer {
        rig: Rig::start().await,
    };
    producer.send("r-0", b"1").await;
    producer.rig.oracle.world().queues.breaks = true;
    let mut source = producer.connect().await;
    assert_eq!(taken(source.as_mut(), 1).await, ["r-0"]);
    let Err(error) = source.receive().await else {
        panic!("the answer was not whole");
    };
    assert!(error.to_string().contains("ends within"), "{error}");
    let mut source = producer.connect().await;
    producer.send("r-1", b"1").await;
    assert_eq!(taken(source.as_mut(), 1).await, ["r-1"]);
}
