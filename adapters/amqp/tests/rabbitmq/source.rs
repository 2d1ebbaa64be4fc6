//! The source.

use std::time::Duration;

use adapter_amqp::AmqpSourceConfig;
use async_trait::async_trait;
use hub_core::{Settlement, Source, SourceConfig, SourceError};
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use meterhub_tests::conformance::{self, Partner, Server, Told, accepted, open, receive};
use meterhub_tests::services;
use meterhub_tests::wait::{PATIENCE, until};

use crate::rig::{Broker, alone, calm, header, named, unique};
use crate::wire::{Answer, Wire};

/// How long an answer may be on its way; how long one that must not come is waited for.
const ON_THE_WAY: Duration = Duration::from_millis(300);

/// A partner that puts messages into a queue and watches what becomes of them.
struct Sender {
    broker: Broker,
    wire: Wire,
    queue: String,
    dead: String,
    options: String,
}

impl Sender {
    async fn new(broker: Broker, kind: &str, options: &str) -> Self {
        let (queue, dead) = (unique("source"), unique("dead"));
        broker.queue(&queue, kind, &[]).await;
        broker.queue(&dead, "quorum", &[]).await;
        Self {
            wire: Wire::to(&broker.address).await,
            options: format!(
                "queue = '{queue}'\ndead_letter_exchange = ''\n\
                 dead_letter_routing_key = '{dead}'\n{options}"
            ),
            broker,
            queue,
            dead,
        }
    }

    fn config(&self, password: &str) -> AmqpSourceConfig {
        let broker = self.broker.table(&self.wire.address, password);
        let config: AmqpSourceConfig = toml::from_str(&(broker + &self.options)).unwrap();
        assert_eq!(config.validate(), []);
        config
    }
}

#[async_trait]
impl Partner for Sender {
    async fn connect(&mut self) -> Box<dyn Source> {
        self.try_connect().await.unwrap()
    }

    async fn send(&mut self, name: &str, body: &[u8]) {
        self.broker.publish(&self.queue, named(name), body).await;
    }

    /// The broker does that.
    async fn send_again(&mut self, _name: &str, _body: &[u8]) {}

    async fn told(&mut self, name: &str) -> Told {
        let answered = tokio::time::timeout(ON_THE_WAY, async {
            loop {
                if let Some(answer) = self.wire.answer(name) {
                    return answer;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        match answered.await {
            Err(_) | Ok(Answer::No { requeue: true }) => Told::Later,
            Ok(Answer::No { requeue: false }) => Told::Never,
            Ok(Answer::Ack) => {
                let dead = self.broker.drain(&self.dead).await;
                let buried = |p| header(p, "x-filename").as_deref() == Some(name);
                match dead.iter().any(|(properties, _)| buried(properties)) {
                    true => Told::Never,
                    false => Told::Yes,
                }
            }
        }
    }
}

#[async_trait]
impl Server for Sender {
    async fn try_connect(&mut self) -> Result<Box<dyn Source>, SourceError> {
        self.config("password")
            .connect(&self.broker.context())
            .await
    }

    async fn try_wrong_credentials(&mut self) -> Result<Box<dyn Source>, SourceError> {
        self.config("wrong").connect(&self.broker.context()).await
    }

    async fn kill(&mut self) {
        self.broker.kill().await;
    }

    async fn restart(&mut self) {
        services::start("rabbitmq").await;
    }

    async fn stall(&mut self) {
        services::pause("rabbitmq").await;
    }

    async fn resume(&mut self) {
        services::resume("rabbitmq").await;
    }

    fn time_limit(&self) -> Duration {
        Duration::from_secs(3)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn passes_the_conformance_kit() {
    for (kind, options) in [
        ("quorum", "window = 1"),
        ("quorum", "window = 64"),
        ("classic", "window = 1"),
    ] {
        let Some(broker) = Broker::find() else { return };
        let _calm = calm().await;
        conformance::source(&mut Sender::new(broker, kind, options).await).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn survives_a_broker_that_crashes_or_freezes() {
    let Some(broker) = Broker::find() else { return };
    let _alone = alone().await;
    let _resumed = services::ResumeAtEnd("rabbitmq");
    let mut sender = Sender::new(broker, "quorum", "window = 16").await;
    conformance::source_of_a_server(&mut sender).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn properties_and_headers_come_with_the_message() {
    let Some(broker) = Broker::find() else { return };
    let _calm = calm().await;
    let mut sender = Sender::new(broker, "quorum", "").await;
    let mut headers = FieldTable::default();
    headers.insert("X-Region".into(), AMQPValue::LongString("north".into()));
    headers.insert("count".into(), AMQPValue::LongInt(3));
    let properties = BasicProperties::default()
        .with_message_id("key-1".into())
        .with_correlation_id("request-9".into())
        .with_content_type("application/xml".into())
        .with_reply_to("answers".into())
        .with_type("MeterReadings".into())
        .with_timestamp(1_774_743_300)
        .with_priority(7)
        .with_headers(headers);
    sender
        .broker
        .publish(&sender.queue, properties, b"<a/>")
        .await;
    let mut source = sender.connect().await;
    let (message, receipt) = receive(source.as_mut()).await.into_parts();
    assert_eq!(message.business_key.as_deref(), Some("key-1"));
    assert_eq!(message.name, "key-1");
    assert_eq!(message.media_type.as_deref(), Some("application/xml"));
    let expected = [
        ("correlation-id", "request-9"),
        ("reply-to", "answers"),
        ("type", "MeterReadings"),
        ("timestamp", "1774743300"),
        ("priority", "7"),
        ("x-region", "north"),
        ("count", "3"),
    ];
    let expected = expected.map(|(n, v)| (n.to_owned(), v.to_owned()));
    assert_eq!(message.headers, expected);
    receipt.settle(accepted()).await;
}

/// A graceful stop does that: what is under way is settled when nothing more is received.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_settled_after_the_source_was_dropped_is_answered() {
    let Some(broker) = Broker::find() else { return };
    let _calm = calm().await;
    let mut sender = Sender::new(broker, "quorum", "window = 16").await;
    for name in ["under-way-1.csv", "under-way-2.csv", "held.csv"] {
        sender.send(name, b"1").await;
    }
    let mut source = sender.connect().await;
    let (_, _, settle_first) = open(source.as_mut()).await;
    let (_, _, settle_second) = open(source.as_mut()).await;
    let (_, held) = receive(source.as_mut()).await.into_parts();
    drop(source);
    // Were the channel closed, it would be by now.
    sender.send("later.csv", b"1").await;
    settle_first(accepted()).await;
    assert_eq!(sender.told("under-way-1.csv").await, Told::Yes);
    let reason = "not for us".to_owned();
    settle_second(Settlement::Reject { reason }).await;
    assert_eq!(sender.told("under-way-2.csv").await, Told::Never);
    drop(held);
    let mut back = Vec::new();
    while back.len() < 2 {
        let found =
            || async { Some(sender.broker.drain(&sender.queue).await).filter(|f| !f.is_empty()) };
        back.extend(until("the rest to be back in its queue", PATIENCE, found).await);
    }
    let names = back.iter().map(|(p, _)| header(p, "x-filename").unwrap());
    let names: std::collections::BTreeSet<_> = names.collect();
    assert_eq!(names, ["held.csv", "later.csv"].map(str::to_owned).into());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_message_keeps_its_reason_and_its_properties() {
    let Some(broker) = Broker::find() else { return };
    let _calm = calm().await;
    let mut sender = Sender::new(broker, "quorum", "max_message_bytes = 10").await;
    let properties = named("large.csv")
        .with_message_id("key-2".into())
        .with_expiration("600000".into());
    sender
        .broker
        .publish(&sender.queue, properties, b"eleven byte")
        .await;
    sender.send("next.csv", b"small").await;
    let mut source = sender.connect().await;
    // The one that is too large is never offered.
    let (name, _, settle) = open(source.as_mut()).await;
    assert_eq!(name, "next.csv");
    settle(Settlement::Reject {
        reason: "not for us".into(),
    })
    .await;
    let mut dead = Vec::new();
    while dead.len() < 2 {
        let found =
            || async { Some(sender.broker.drain(&sender.dead).await).filter(|d| !d.is_empty()) };
        dead.extend(until("a dead letter", PATIENCE, found).await);
    }
    let about = |name: &str| {
        let mut named = dead
            .iter()
            .filter(|(p, _)| header(p, "x-filename").as_deref() == Some(name));
        named.next().unwrap()
    };
    let (properties, body) = about("large.csv");
    assert_eq!(body, b"eleven byte");
    let reason = header(properties, "x-meterhub-reason").unwrap();
    assert_eq!(reason, "it has 11 bytes, and `max_message_bytes` is 10");
    assert_eq!(
        header(properties, "x-meterhub-queue").as_ref(),
        Some(&sender.queue)
    );
    assert_eq!(properties.message_id().as_ref().unwrap().as_str(), "key-2");
    assert_eq!(properties.expiration(), &None, "people may take their time");
    let (properties, _) = about("next.csv");
    assert_eq!(
        header(properties, "x-meterhub-reason").as_deref(),
        Some("not for us")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_buried_stays_in_its_queue() {
    let Some(broker) = Broker::find() else { return };
    let _calm = calm().await;
    let mut sender = Sender::new(broker, "quorum", "").await;
    sender.options = sender.options.replace(&sender.dead, "no.such.queue");
    sender.send("unburied.csv", b"1").await;
    let mut source = sender.connect().await;
    let (_, _, settle) = open(source.as_mut()).await;
    settle(Settlement::Reject {
        reason: "not for us".into(),
    })
    .await;
    assert_eq!(sender.told("unburied.csv").await, Told::Later);
    drop(source);
    let back = || async { sender.broker.drain(&sender.queue).await.pop() };
    let (properties, _) = until("the message to be back in its queue", PATIENCE, back).await;
    assert_eq!(
        header(&properties, "x-filename").as_deref(),
        Some("unburied.csv")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_exchange_of_ours_the_brokers_own_is_used() {
    let Some(broker) = Broker::find() else { return };
    let _calm = calm().await;
    let (queue, dead) = (unique("source"), unique("dead"));
    broker.queue(&dead, "quorum", &[]).await;
    let text = |text: &str| AMQPValue::LongString(text.into());
    let further = [
        ("x-dead-letter-exchange", text("")),
        ("x-dead-letter-routing-key", text(&dead)),
    ];
    broker.queue(&queue, "quorum", &further).await;
    let config = broker.table(&broker.address, "password") + &format!("queue = '{queue}'");
    let config: AmqpSourceConfig = toml::from_str(&config).unwrap();
    let mut source = config.connect(&broker.context()).await.unwrap();
    broker.publish(&queue, named("a.csv"), b"1").await;
    let (_, _, settle) = open(source.as_mut()).await;
    settle(Settlement::Reject {
        reason: "not for us".into(),
    })
    .await;
    let found = || async { broker.drain(&dead).await.pop() };
    let (properties, _) = until("the dead letter", PATIENCE, found).await;
    assert!(
        header(&properties, "x-death").is_some(),
        "the broker did it"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_waits_for_its_next_offer_holds_up_nobody() {
    let Some(broker) = Broker::find() else { return };
    let _calm = calm().await;
    let mut sender = Sender::new(broker, "quorum", "window = 2").await;
    for name in ["wait-1.csv", "wait-2.csv", "go-1.csv", "go-2.csv"] {
        sender.send(name, b"1").await;
    }
    let mut source = sender.connect().await;
    let later = Settlement::Retry {
        after: Duration::from_secs(3_600),
    };
    for expected in ["wait-1.csv", "wait-2.csv"] {
        let (name, _, settle) = open(source.as_mut()).await;
        assert_eq!(name, expected);
        settle(later.clone()).await;
    }
    for expected in ["go-1.csv", "go-2.csv"] {
        let (name, _, settle) = open(source.as_mut()).await;
        assert_eq!(name, expected);
        settle(accepted()).await;
        assert_eq!(sender.told(expected).await, Told::Yes);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn queues_are_declared_or_only_looked_for() {
    let Some(broker) = Broker::find() else { return };
    let _calm = calm().await;
    let (queue, exchange, bound) = (unique("declared"), unique("exchange"), unique("bound"));
    broker.queue(&bound, "quorum", &[]).await;
    broker
        .exchange(&exchange, lapin::ExchangeKind::Topic, &bound, &["x".into()])
        .await;
    let config = |options: &str| -> AmqpSourceConfig {
        let broker = broker.table(&broker.address, "password");
        toml::from_str(&format!("{broker}queue = '{queue}'\n{options}")).unwrap()
    };
    let context = broker.context();
    let missing = config("").check(&context).await.unwrap_err().to_string();
    assert!(
        missing.contains("no queue") && missing.contains(&queue),
        "{missing}"
    );
    let missing = config("")
        .connect(&context)
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(missing.contains(&queue), "{missing}");

    let declare = format!(
        "topology = 'declare'\nbindings = [{{ exchange = '{exchange}', routing_key = 'north.#' }}]"
    );
    let mut source = config(&declare).connect(&context).await.unwrap();
    config("").check(&context).await.unwrap();
    let (_connection, channel) = broker.channel().await;
    let options = lapin::options::BasicPublishOptions::default();
    let (to, key) = (exchange.as_str().into(), "north.readings".into());
    let sent = channel
        .basic_publish(to, key, options, b"1", named("bound.csv"))
        .await
        .unwrap();
    assert!(sent.await.unwrap().is_ack());
    assert_eq!(open(source.as_mut()).await.0, "bound.csv");

    let other = format!("{declare}\nqueue_type = 'classic'");
    let different = config(&other)
        .connect(&context)
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(
        different.contains("inequivalent arg 'x-queue-type'"),
        "{different}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_is_deleted_ends_the_source() {
    let Some(broker) = Broker::find() else { return };
    let _calm = calm().await;
    let mut sender = Sender::new(broker, "classic", "").await;
    let mut source = sender.connect().await;
    let (_connection, channel) = sender.broker.channel().await;
    let options = lapin::options::QueueDeleteOptions::default();
    channel
        .queue_delete(sender.queue.as_str().into(), options)
        .await
        .unwrap();
    let ended = tokio::time::timeout(PATIENCE, source.receive())
        .await
        .unwrap();
    let Err(error) = ended else {
        panic!("there was nothing to receive")
    };
    assert!(error.to_string().contains(&sender.queue), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_virtual_host_is_told() {
    let Some(broker) = Broker::find() else { return };
    let _calm = calm().await;
    let table = broker
        .table(&broker.address, "password")
        .replace("%2f", "elsewhere");
    let config: AmqpSourceConfig = toml::from_str(&(table + "queue = 'q'")).unwrap();
    let begun = std::time::Instant::now();
    let error = config
        .check(&broker.context())
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("elsewhere"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(5));
}
