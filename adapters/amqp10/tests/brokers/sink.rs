//! The sink against RabbitMQ.

use std::sync::Arc;
use std::time::Duration;

use adapter_amqp10::Amqp10SinkConfig;
use async_trait::async_trait;
use fe2o3_amqp::types::messaging::MessageId;
use hub_core::{Content, Sink, SinkConfig, SinkError};
use lapin::types::AMQPValue;
use meterhub_tests::conformance::{self, Receiver, Taken, message};
use meterhub_tests::services;
use tokio::task::JoinSet;

use crate::rig::{Broker, Engine, alone, bytes, calm, id, operator, unique};

/// Connecting may take 5 s, an outcome this long.
const OUTCOME_SECONDS: u64 = 3;

/// A partner that reads a queue.
pub(crate) struct Reader {
    pub(crate) broker: Broker,
    pub(crate) queue: String,
}

impl Reader {
    pub(crate) async fn new(broker: Broker) -> Self {
        let queue = unique("sink");
        broker.queue(&queue, "quorum", &[]).await;
        Self { broker, queue }
    }

    pub(crate) async fn connect(&self, password: &str, options: &str) -> Box<dyn Sink> {
        let broker = self.broker.table(&self.broker.address, password);
        let config = format!("{broker}outcome_timeout_seconds = {OUTCOME_SECONDS}\n{options}");
        let config: Amqp10SinkConfig = toml::from_str(&config).unwrap();
        let problems = config.validate();
        assert!(problems.iter().all(|p| p.warning), "{problems:?}");
        config.connect(&self.broker.context()).await.unwrap()
    }

    pub(crate) fn fixed(&self) -> String {
        format!("address = '{}'", self.broker.address_of(&self.queue))
    }
}

#[async_trait]
impl Receiver for Reader {
    async fn sink(&mut self) -> Box<dyn Sink> {
        self.connect("password", &self.fixed()).await
    }

    async fn sink_with_wrong_credentials(&mut self) -> Option<Box<dyn Sink>> {
        match self.broker.engine {
            Engine::RabbitMq => Some(self.connect("wrong", &self.fixed()).await),
            Engine::Proton => None,
        }
    }

    async fn taken(&mut self) -> Vec<Taken> {
        let found = self.broker.drain(&self.queue).await;
        let taken = found.iter().map(|message| Taken {
            id: id(message),
            body: bytes(message),
        });
        taken.collect()
    }

    async fn kill(&mut self) -> bool {
        self.broker.kill().await;
        true
    }

    async fn restart(&mut self) {
        services::start(self.broker.service()).await;
    }

    async fn stall(&mut self) -> bool {
        services::pause(self.broker.service()).await;
        true
    }

    async fn resume(&mut self) {
        self.broker.resume().await;
    }

    /// It takes all; but see `many_addresses_have_a_link_each_and_an_unknown_one_harms_no_other`.
    async fn refuse(&mut self) -> bool {
        false
    }

    fn time_limit(&self) -> Duration {
        Duration::from_secs(5 + OUTCOME_SECONDS)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn passes_the_conformance_kit() {
    let Some(broker) = Broker::rabbitmq() else {
        return;
    };
    let _alone = alone().await;
    let _resumed = services::ResumeAtEnd("rabbitmq");
    conformance::sink(&mut Reader::new(broker).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_addresses_have_a_link_each_and_an_unknown_one_harms_no_other() {
    let Some(broker) = Broker::rabbitmq() else {
        return;
    };
    let _calm = calm().await;
    let prefix = unique("many");
    for number in 0..3 {
        broker
            .queue(&format!("{prefix}.{number}"), "classic", &[])
            .await;
    }
    let reader = Reader::new(broker).await;
    let sink: Arc<dyn Sink> = reader
        .connect("password", "address = '{subject}'")
        .await
        .into();
    let mut sends = JoinSet::new();
    for number in 0..400_u64 {
        let (sink, prefix) = (sink.clone(), prefix.clone());
        sends.spawn(async move {
            let subject = match number % 4 {
                3 => format!("/exchange/{prefix}.missing/key"),
                n => format!("/amq/queue/{prefix}.{n}"),
            };
            (number, sink.send(&message(number, &subject)).await)
        });
    }
    while let Some(sent) = sends.join_next().await {
        match sent.unwrap() {
            (number, Ok(_)) => assert_ne!(number % 4, 3),
            (number, Err(SinkError::Refused { answer, .. })) => {
                assert_eq!(number % 4, 3, "{answer}");
                assert!(answer.contains("amqp:not-found"), "{answer}");
            }
            (number, Err(error)) => panic!("{number}: {error}"),
        }
    }
    for number in 0..3 {
        let found = reader.broker.drain(&format!("{prefix}.{number}")).await;
        assert_eq!(found.len(), 100);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_goes_to_the_requesters_address_if_it_may() {
    let Some(broker) = Broker::rabbitmq() else {
        return;
    };
    let _calm = calm().await;
    let reader = Reader::new(broker).await;
    let other = unique("other");
    reader.broker.queue(&other, "classic", &[]).await;
    let here = reader.broker.address_of(&reader.queue);
    let options = format!(
        "address = '{{reply_to}}'\nreply_to_targets = ['*{}']",
        reader.queue
    );
    let sink = reader.connect("password", &options).await;
    let answer = |reply_to: String| {
        let mut answer = message(70, "meter:1");
        answer.headers = vec![
            ("reply-to".into(), reply_to),
            ("correlation-id".into(), "request-9".into()),
        ];
        answer
    };
    sink.send(&answer(here)).await.unwrap();
    let found = reader.broker.drain(&reader.queue).await;
    let properties = found[0].properties.as_ref().unwrap();
    let correlation = MessageId::String("request-9".into());
    assert_eq!(properties.correlation_id, Some(correlation));
    assert_eq!(properties.reply_to, None);
    for (answer, expected) in [
        (
            answer(reader.broker.address_of(&other)),
            "not among `reply_to_targets`",
        ),
        (message(71, "meter:1"), "no `reply-to`"),
    ] {
        match sink.send(&answer).await {
            Err(SinkError::Refused { answer, .. }) => {
                assert!(answer.contains(expected), "{answer}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(reader.broker.drain(&other).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fixed_address_that_is_unknown_is_the_endpoints_trouble() {
    let Some(broker) = Broker::rabbitmq() else {
        return;
    };
    let _calm = calm().await;
    let reader = Reader::new(broker).await;
    let missing = unique("missing");
    let options = format!("address = '/exchange/{missing}/key'");
    let sink = reader.connect("password", &options).await;
    let error = sink.send(&message(61, "meter:1")).await.unwrap_err();
    let is_ours = |e: &SinkError| {
        matches!(
            e,
            SinkError::Unavailable {
                answered: false,
                ..
            }
        )
    };
    assert!(is_ours(&error), "{error}");
    let text = error.to_string();
    assert!(
        text.contains(&missing) && text.contains("amqp:not-found"),
        "{text}"
    );
    // Somebody makes the exchange: no restart is needed.
    let (_connection, channel) = operator().await;
    let kind = lapin::ExchangeKind::Fanout;
    let options = lapin::options::ExchangeDeclareOptions::default();
    let made = channel.exchange_declare(missing.as_str().into(), kind, options, Default::default());
    made.await.unwrap();
    sink.send(&message(61, "meter:1")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_is_not_a_yes() {
    let Some(broker) = Broker::rabbitmq() else {
        return;
    };
    let _calm = calm().await;
    let reader = Reader::new(broker).await;
    let full = unique("full");
    let limits = [
        ("x-max-length", AMQPValue::LongInt(1)),
        ("x-overflow", AMQPValue::LongString("reject-publish".into())),
    ];
    reader.broker.queue(&full, "classic", &limits).await;
    let options = format!("address = '/amq/queue/{full}'");
    let sink = reader.connect("password", &options).await;
    let mut errors = Vec::new();
    for number in 70..75 {
        errors.extend(sink.send(&message(number, "meter:1")).await.err());
    }
    println!("{errors:?}");
    assert!(!errors.is_empty());
    assert_eq!(reader.broker.drain(&full).await.len() + errors.len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_above_the_limit_is_refused_and_one_of_many_frames_is_not() {
    let Some(broker) = Broker::rabbitmq() else {
        return;
    };
    let _calm = calm().await;
    let reader = Reader::new(broker).await;
    let options = format!("{}\nmax_message_bytes = 5000000", reader.fixed());
    let sink = reader.connect("password", &options).await;
    let mut large = message(80, "meter:1");
    let body: Vec<u8> = (0..5_000_000_u32).map(|n| n as u8).collect();
    large.content = Content::bytes(body.clone());
    sink.send(&large).await.unwrap();
    assert!(bytes(&reader.broker.drain(&reader.queue).await[0]) == body);
    large.content = Content::bytes([body, vec![0]].concat());
    let error = sink.send(&large).await.unwrap_err();
    assert!(matches!(error, SinkError::Refused { .. }), "{error}");
}
