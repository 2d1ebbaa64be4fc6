//! The source against RabbitMQ.

use std::time::Duration;

use adapter_amqp10::Amqp10SourceConfig;
use async_trait::async_trait;
use fe2o3_amqp::types::messaging::DeliveryState;
use hub_core::{Settlement, Source, SourceConfig, SourceError};
use lapin::types::AMQPValue;
use meterhub_tests::conformance::{self, Partner, Server, Told, accepted, open};
use meterhub_tests::services;
use meterhub_tests::wait::{PATIENCE, until};

use crate::rig::{Broker, Engine, alone, bytes, calm, named, operator, unique};
use crate::wire::Wire;

/// How long an answer may be on its way; how long one that must not come is waited for.
const ON_THE_WAY: Duration = Duration::from_millis(300);

/// A partner that puts messages into a queue and watches what becomes of them.
pub(crate) struct SenderSide {
    pub(crate) broker: Broker,
    pub(crate) wire: Wire,
    pub(crate) queue: String,
    dead: Option<String>,
    options: String,
}

impl SenderSide {
    pub(crate) async fn new(broker: Broker, kind: &str, options: &str) -> Self {
        let (queue, dead) = (unique("source"), unique("dead"));
        let text = |text: &str| AMQPValue::LongString(text.into());
        let further = [
            ("x-dead-letter-exchange", text("")),
            ("x-dead-letter-routing-key", text(&dead)),
        ];
        broker.queue(&dead, "classic", &[]).await;
        broker.queue(&queue, kind, &further).await;
        Self {
            wire: Wire::to(&broker.address).await,
            dead: (broker.engine == Engine::RabbitMq).then_some(dead),
            options: format!("address = '{}'\n{options}", broker.address_of(&queue)),
            broker,
            queue,
        }
    }

    pub(crate) fn config(&self, password: &str) -> Amqp10SourceConfig {
        let broker = self.broker.table(&self.wire.address, password);
        let config: Amqp10SourceConfig = toml::from_str(&(broker + &self.options)).unwrap();
        let problems = config.validate();
        assert!(problems.iter().all(|p| p.warning), "{problems:?}");
        config
    }
}

#[async_trait]
impl Partner for SenderSide {
    async fn connect(&mut self) -> Box<dyn Source> {
        self.try_connect().await.unwrap()
    }

    async fn send(&mut self, name: &str, body: &[u8]) {
        self.broker.send(&self.queue, named(name, body)).await;
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
            Err(_) | Ok(DeliveryState::Released(_) | DeliveryState::Modified(_)) => Told::Later,
            Ok(DeliveryState::Accepted(_)) => Told::Yes,
            Ok(DeliveryState::Rejected(rejected)) => {
                let error = rejected.error.expect("with a reason");
                assert_eq!(error.description.as_deref(), Some("not for us"));
                if let Some(dead) = &self.dead {
                    let broker = &self.broker;
                    let buried = || async { broker.drain(dead).await.pop() };
                    until("the dead letter", PATIENCE, buried).await;
                }
                Told::Never
            }
            Ok(other) => panic!("{other:?}"),
        }
    }
}

#[async_trait]
impl Server for SenderSide {
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
        services::start(self.broker.service()).await;
    }

    async fn stall(&mut self) {
        services::pause(self.broker.service()).await;
    }

    async fn resume(&mut self) {
        self.broker.resume().await;
    }

    fn time_limit(&self) -> Duration {
        Duration::from_secs(5)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn passes_the_conformance_kit() {
    for (kind, options) in [
        ("quorum", "window = 1"),
        ("quorum", "window = 64"),
        ("quorum", "window = 64\ngive_back = 'kept'"),
        ("classic", "window = 1\ngive_back = 'modified'"),
    ] {
        let Some(broker) = Broker::rabbitmq() else {
            return;
        };
        let _calm = calm().await;
        println!("{kind} {options}");
        conformance::source(&mut SenderSide::new(broker, kind, options).await).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn survives_a_broker_that_crashes_or_freezes() {
    let Some(broker) = Broker::rabbitmq() else {
        return;
    };
    let _alone = alone().await;
    let _resumed = services::ResumeAtEnd("rabbitmq");
    let mut sender = SenderSide::new(broker, "quorum", "window = 16").await;
    conformance::source_of_a_server(&mut sender).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_too_large_is_rejected_and_never_offered() {
    let Some(broker) = Broker::rabbitmq() else {
        return;
    };
    let _calm = calm().await;
    let mut sender = SenderSide::new(broker, "quorum", "max_message_bytes = 1000").await;
    sender.send("large.csv", &[b'x'; 1_001]).await;
    sender.send("next.csv", b"small").await;
    let mut source = sender.connect().await;
    let (name, _, settle) = open(source.as_mut()).await;
    assert_eq!(name, "next.csv");
    settle(accepted()).await;
    let answered = || async { sender.wire.answer("large.csv") };
    let rejected = until("the rejection", PATIENCE, answered).await;
    let DeliveryState::Rejected(rejected) = rejected else {
        panic!("{rejected:?}")
    };
    assert_eq!(
        rejected.error.unwrap().description.as_deref(),
        Some("it has 1001 bytes, and `max_message_bytes` is 1000")
    );
    let dead = sender.dead.as_ref().unwrap();
    let buried = || async { sender.broker.drain(dead).await.pop() };
    let buried = until("the dead letter", PATIENCE, buried).await;
    assert_eq!(bytes(&buried).len(), 1_001);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_waits_to_be_given_back_holds_up_nobody() {
    let Some(broker) = Broker::rabbitmq() else {
        return;
    };
    let _calm = calm().await;
    let mut sender = SenderSide::new(broker, "quorum", "window = 2").await;
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
async fn a_queue_that_is_deleted_ends_the_source() {
    let Some(broker) = Broker::rabbitmq() else {
        return;
    };
    let _calm = calm().await;
    let mut sender = SenderSide::new(broker, "classic", "").await;
    let mut source = sender.connect().await;
    let (_connection, channel) = operator().await;
    let options = lapin::options::QueueDeleteOptions::default();
    let deleted = channel.queue_delete(sender.queue.as_str().into(), options);
    deleted.await.unwrap();
    let ended = tokio::time::timeout(PATIENCE, source.receive())
        .await
        .unwrap();
    let Err(error) = ended else {
        panic!("there was nothing to receive")
    };
    println!("{error}");
    // Its plugin dies of that and says no more.
    assert!(error.to_string().contains("hung up"), "{error}");
}
