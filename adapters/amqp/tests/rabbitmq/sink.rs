//! The sink.

use std::sync::Arc;
use std::time::{Duration, Instant};

use adapter_amqp::{AmqpSinkConfig, AmqpSourceConfig};
use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::{Select, select};
use hub_core::{Content, Sink, SinkConfig, SinkError, SourceConfig};
use lapin::options::{BasicConsumeOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, Consumer, ExchangeKind};
use meterhub_tests::conformance::{self, Receiver, Taken, message};
use meterhub_tests::services;
use meterhub_tests::wait::{PATIENCE, until_true};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::operator::fill_memory;
use crate::rig::{Broker, alone, calm, header, publish, unique};

/// Connecting may take 3 s, a confirm this long.
const CONFIRM_SECONDS: u64 = 3;

/// What a requester asks of RabbitMQ that has no queue for its answers.
const DIRECT: &str = "amq.rabbitmq.reply-to";

/// A partner that reads a queue.
struct Reader {
    broker: Broker,
    queue: String,
    exchange: String,
}

impl Reader {
    /// Bound by the subjects that the kit uses, except the one that is to be refused.
    async fn new(broker: Broker) -> Self {
        let (queue, exchange) = (unique("sink"), unique("exchange"));
        broker.queue(&queue, "quorum", &[]).await;
        let mut keys = vec!["meter:1".to_owned()];
        keys.extend((100..200).map(|number| format!("meter:{number}")));
        broker
            .exchange(&exchange, ExchangeKind::Direct, &queue, &keys)
            .await;
        Self {
            broker,
            queue,
            exchange,
        }
    }

    async fn connect(&self, password: &str, options: &str) -> Box<dyn Sink> {
        let broker = self.broker.table(&self.broker.address, password);
        let config = format!("{broker}confirm_timeout_seconds = {CONFIRM_SECONDS}\n{options}");
        let config: AmqpSinkConfig = toml::from_str(&config).unwrap();
        assert_eq!(config.validate(), []);
        config.connect(&self.broker.context()).await.unwrap()
    }

    fn by_subject(&self) -> String {
        format!(
            "exchange = '{}'\nrouting_key = '{{subject}}'",
            self.exchange
        )
    }
}

#[async_trait]
impl Receiver for Reader {
    async fn sink(&mut self) -> Box<dyn Sink> {
        self.connect("password", &self.by_subject()).await
    }

    async fn sink_with_wrong_credentials(&mut self) -> Option<Box<dyn Sink>> {
        Some(self.connect("wrong", &self.by_subject()).await)
    }

    async fn taken(&mut self) -> Vec<Taken> {
        let found = self.broker.drain(&self.queue).await;
        let taken = found.into_iter().map(|(properties, body)| Taken {
            id: properties.message_id().clone().unwrap().to_string(),
            body,
        });
        taken.collect()
    }

    async fn kill(&mut self) -> bool {
        self.broker.kill().await;
        true
    }

    async fn restart(&mut self) {
        services::start("rabbitmq").await;
    }

    async fn stall(&mut self) -> bool {
        services::pause("rabbitmq").await;
        true
    }

    async fn resume(&mut self) {
        services::resume("rabbitmq").await;
    }

    /// No queue is bound for it.
    async fn refuse(&mut self) -> bool {
        true
    }

    fn time_limit(&self) -> Duration {
        Duration::from_secs(3 + CONFIRM_SECONDS)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn passes_the_conformance_kit() {
    let Some(broker) = Broker::find() else { return };
    let _alone = alone().await;
    let _resumed = services::ResumeAtEnd("rabbitmq");
    conformance::sink(&mut Reader::new(broker).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_carries_its_properties() {
    let Some(broker) = Broker::find() else { return };
    let _calm = calm().await;
    let reader = Reader::new(broker).await;
    let options = format!(
        "routing_key = '{}'\nreply_to = 'answers'\nmessage_type = 'order'\n\
         expiration_seconds = 600\nheaders = {{ x-sender = 'nord' }}",
        reader.queue
    );
    let sink = reader.connect("password", &options).await;
    let mut message = message(60, "meter:1");
    message.headers = vec![("x-batch".into(), "12".into())];
    let sent = sink.send(&message).await.unwrap();
    assert!(sent.note.contains(&reader.queue), "{}", sent.note);
    let (properties, body) = reader.broker.drain(&reader.queue).await.pop().unwrap();
    assert_eq!(body, b"body 60");
    assert_eq!(properties.delivery_mode(), &Some(2));
    assert_eq!(properties.timestamp(), &Some(1_774_743_300));
    let text = |value: &Option<lapin::types::ShortString>| value.as_ref().map(ToString::to_string);
    let (id, correlation) = (message.message_id, message.correlation_id);
    assert_eq!(text(properties.message_id()), Some(id.to_string()));
    assert_eq!(
        text(properties.correlation_id()),
        Some(correlation.to_string())
    );
    assert_eq!(
        text(properties.content_type()).as_deref(),
        Some("text/plain")
    );
    assert_eq!(text(properties.reply_to()).as_deref(), Some("answers"));
    assert_eq!(text(properties.kind()).as_deref(), Some("order"));
    assert_eq!(text(properties.expiration()).as_deref(), Some("600000"));
    assert_eq!(header(&properties, "x-sender").as_deref(), Some("nord"));
    assert_eq!(header(&properties, "x-batch").as_deref(), Some("12"));
}

/// To a queue that only the requester reads, and by the broker's direct replies, which have none.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_goes_to_the_requesters_own_queue_if_it_may() {
    let Some(broker) = Broker::find() else { return };
    let _calm = calm().await;
    let reader = Reader::new(broker).await;
    let mut requester = Requester::new(&reader).await;
    let options = "routing_key = '{reply_to}'\n\
                   reply_to_targets = ['amq.gen-*', 'amq.rabbitmq.reply-to.*']";
    let sink = reader.connect("password", options).await;
    for (number, reply_to) in [
        (70, requester.queue.clone()),
        (71, requester.direct_reply_to(&reader).await),
    ] {
        let mut answer = message(number, "meter:1");
        answer.headers = vec![
            ("reply-to".into(), reply_to),
            ("correlation-id".into(), format!("request-{number}")),
        ];
        sink.send(&answer).await.unwrap();
        let (properties, body) = requester.answer().await;
        assert_eq!(body, format!("body {number}").into_bytes());
        let correlation = properties.correlation_id().as_ref().unwrap();
        assert_eq!(correlation.as_str(), format!("request-{number}"));
        assert_eq!(properties.reply_to(), &None);
    }
    let mut elsewhere = message(72, "meter:1");
    elsewhere.headers = vec![("reply-to".into(), reader.queue.clone())];
    for (answer, expected) in [
        (elsewhere, "not among `reply_to_targets`"),
        (message(73, "meter:1"), "no `reply-to`"),
    ] {
        match sink.send(&answer).await {
            Err(SinkError::Refused { answer, .. }) => assert!(answer.contains(expected)),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(reader.broker.drain(&reader.queue).await, []);
}

/// A partner that asks and waits for answers.
struct Requester {
    _connection: Connection,
    channel: Channel,
    /// Its own: it ends with the connection, and nobody else may read it.
    queue: String,
    answers: Select<Consumer, Consumer>,
}

impl Requester {
    async fn new(reader: &Reader) -> Self {
        let (connection, channel) = reader.broker.channel().await;
        let options = QueueDeclareOptions {
            exclusive: true,
            ..QueueDeclareOptions::default()
        };
        let declared = channel.queue_declare("".into(), options, FieldTable::default());
        let queue = declared.await.unwrap().name().to_string();
        let consume = async |queue: &str| {
            let options = BasicConsumeOptions {
                no_ack: true,
                ..BasicConsumeOptions::default()
            };
            let none = FieldTable::default();
            let consumer = channel.basic_consume(queue.into(), "".into(), options, none);
            consumer.await.unwrap()
        };
        let answers = select(consume(&queue).await, consume(DIRECT).await);
        Self {
            _connection: connection,
            channel,
            queue,
            answers,
        }
    }

    /// What the broker makes of a wish for a direct reply.
    async fn direct_reply_to(&self, reader: &Reader) -> String {
        let properties = BasicProperties::default().with_reply_to(DIRECT.into());
        publish(&self.channel, &reader.queue, properties, b"request").await;
        let (request, _) = reader.broker.drain(&reader.queue).await.pop().unwrap();
        request.reply_to().as_ref().unwrap().to_string()
    }

    async fn answer(&mut self) -> (BasicProperties, Vec<u8>) {
        let answer = timeout(PATIENCE, self.answers.next()).await;
        let answer = answer.expect("an answer in time").unwrap().unwrap();
        (answer.properties, answer.data)
    }
}

/// Half of a crowd reaches a queue, half does not: each gets its own answer.
#[tokio::test(flavor = "multi_thread")]
async fn what_reaches_no_queue_is_never_delivered_even_in_a_crowd() {
    let Some(broker) = Broker::find() else { return };
    let _calm = calm().await;
    let mut reader = Reader::new(broker).await;
    let sink: Arc<dyn Sink> = reader.sink().await.into();
    let mut sends = JoinSet::new();
    for number in 0..10_000 {
        let sink = sink.clone();
        let subject = if number % 2 == 0 {
            "meter:1"
        } else {
            "nowhere"
        };
        sends.spawn(async move { (number, sink.send(&message(number, subject)).await) });
    }
    while let Some(sent) = sends.join_next().await {
        match sent.unwrap() {
            (number, Ok(_)) => assert_eq!(number % 2, 0, "{number} reached no queue"),
            (number, Err(SinkError::Refused { answer, .. })) => {
                assert_eq!(number % 2, 1, "{number}: {answer}");
                assert!(
                    answer.contains("NO_ROUTE") && answer.contains("nowhere"),
                    "{answer}"
                );
            }
            (number, Err(error)) => panic!("{number}: {error}"),
        }
    }
    assert_eq!(reader.taken().await.len(), 5_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fixed_key_that_leads_nowhere_is_the_endpoints_trouble() {
    let Some(broker) = Broker::find() else { return };
    let _calm = calm().await;
    let reader = Reader::new(broker).await;
    let missing = unique("missing");
    let sink = reader
        .connect("password", &format!("routing_key = '{missing}'"))
        .await;
    let error = sink.send(&message(61, "meter:1")).await.unwrap_err();
    assert!(
        matches!(
            error,
            SinkError::Unavailable {
                answered: false,
                ..
            }
        ),
        "{error}"
    );
    assert!(error.to_string().contains(&missing), "{error}");
    // Somebody makes the queue: no restart is needed.
    reader.broker.queue(&missing, "quorum", &[]).await;
    sink.send(&message(61, "meter:1")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_is_not_a_yes() {
    let Some(broker) = Broker::find() else { return };
    let _calm = calm().await;
    let reader = Reader::new(broker).await;
    let full = unique("full");
    let limits = [
        ("x-max-length", AMQPValue::LongInt(1)),
        ("x-overflow", AMQPValue::LongString("reject-publish".into())),
    ];
    reader.broker.queue(&full, "classic", &limits).await;
    let sink = reader
        .connect("password", &format!("routing_key = '{full}'"))
        .await;
    let mut errors = Vec::new();
    for number in 70..75 {
        errors.extend(sink.send(&message(number, "meter:1")).await.err());
    }
    assert!(!errors.is_empty());
    let waits = |e: &SinkError| matches!(e, SinkError::Unavailable { answered: true, .. });
    assert!(errors.iter().all(waits), "{errors:?}");
    assert_eq!(reader.broker.drain(&full).await.len() + errors.len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_above_the_limit_is_refused_and_one_of_many_frames_is_not() {
    let Some(broker) = Broker::find() else { return };
    let _calm = calm().await;
    let reader = Reader::new(broker).await;
    let options = format!(
        "routing_key = '{}'\nmax_message_bytes = 5000000",
        reader.queue
    );
    let sink = reader.connect("password", &options).await;
    let mut large = message(80, "meter:1");
    let body: Vec<u8> = (0..5_000_000_u32).map(|n| n as u8).collect();
    large.content = Content::bytes(body.clone());
    sink.send(&large).await.unwrap();
    assert!(reader.broker.drain(&reader.queue).await[0].1 == body);
    large.content = Content::bytes([body, vec![0]].concat());
    let error = sink.send(&large).await.unwrap_err();
    assert!(matches!(error, SinkError::Refused { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn exchanges_and_queues_are_declared_or_only_looked_for() {
    let Some(broker) = Broker::find() else { return };
    let _calm = calm().await;
    let reader = Reader::new(broker).await;
    let (exchange, queue) = (unique("exchange"), unique("queue"));
    let options = format!(
        "exchange = '{exchange}'\nrouting_key = 'a.b'\n\
         queues = [{{ queue = '{queue}', routing_key = 'a.#' }}]\n"
    );
    let looks = reader.connect("password", &options).await;
    let error = looks.send(&message(90, "meter:1")).await.unwrap_err();
    assert!(matches!(error, SinkError::Unavailable { .. }), "{error}");
    assert!(error.to_string().contains("no exchange"), "{error}");
    let declares = reader
        .connect("password", &format!("{options}topology = 'declare'"))
        .await;
    declares.send(&message(91, "meter:1")).await.unwrap();
    looks.send(&message(92, "meter:1")).await.unwrap();
    assert_eq!(reader.broker.drain(&queue).await.len(), 2);
}

/// A broker that is full blocks who publishes: the sink says so within its time limit; a source on the
/// same broker goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_broker_is_busy_and_nobody_hangs() {
    let Some(broker) = Broker::find() else { return };
    let _alone = alone().await;
    let mut reader = Reader::new(broker).await;
    let sink = reader.sink().await;
    sink.send(&message(1, "meter:1")).await.unwrap();
    if fill_memory(&reader.broker, true).await.is_none() {
        return;
    }
    let begun = Instant::now();
    let first = sink.send(&message(2, "meter:1")).await;
    let waited = begun.elapsed();
    let begun = Instant::now();
    let second = sink.send(&message(3, "meter:1")).await;
    let waited_then = begun.elapsed();
    let source = format!(
        "{}queue = '{}'\nanswer_timeout_seconds = 5",
        reader.broker.table(&reader.broker.address, "password"),
        reader.queue
    );
    let source: AmqpSourceConfig = toml::from_str(&source).unwrap();
    let mut source = source.connect(&reader.broker.context()).await.unwrap();
    let (_, body, settle) = conformance::open(source.as_mut()).await;
    settle(conformance::accepted()).await;
    drop(source);
    fill_memory(&reader.broker, false).await.unwrap();

    assert_eq!(body, b"body 1", "sources go on");
    assert!(matches!(first, Err(SinkError::Busy { .. })), "{first:?}");
    assert!(waited < reader.time_limit(), "{waited:?}");
    assert!(matches!(second, Err(SinkError::Busy { .. })), "{second:?}");
    assert!(waited_then < reader.time_limit(), "{waited_then:?}");
    until_true("the broker to take messages again", PATIENCE, || async {
        sink.send(&message(3, "meter:1")).await.is_ok()
    })
    .await;
    let found = reader.taken().await;
    assert!(
        found.iter().any(|taken| taken.body == b"body 3"),
        "{found:?}"
    );
}

/// What ends the channel costs only the message that is to blame.
#[tokio::test(flavor = "multi_thread")]
async fn one_that_the_broker_will_never_take_takes_no_other_with_it() {
    /// RabbitMQ's default `max_message_size`, and a little.
    const TOO_LARGE: usize = 134_217_728 + 1_000;
    let Some(broker) = Broker::find() else { return };
    let _alone = alone().await;
    let mut reader = Reader::new(broker).await;
    let options = format!("{}\nmax_message_bytes = 200000000", reader.by_subject());
    let sink: Arc<dyn Sink> = reader.connect("password", &options).await.into();
    sink.send(&message(0, "meter:1")).await.unwrap();
    let mut large = message(1_000, "meter:1");
    large.content = Content::bytes(vec![b'x'; TOO_LARGE]);
    let mut sends = JoinSet::new();
    let send = |message| {
        let sink = sink.clone();
        async move {
            sink.send(&message)
                .await
                .map_err(|error| (message.message_id, error))
        }
    };
    sends.spawn(send(large.clone()));
    for number in 1..200 {
        sends.spawn(send(message(number, "meter:1")));
    }
    let mut errors = Vec::new();
    while let Some(sent) = sends.join_next().await {
        errors.extend(sent.unwrap().err());
    }
    assert_eq!(errors.len(), 1, "{errors:?}");
    let (id, error) = &errors[0];
    assert_eq!(*id, large.message_id);
    assert!(matches!(error, SinkError::Refused { .. }), "{error}");
    assert!(error.to_string().contains("larger than"), "{error}");
    let mut ids: Vec<_> = reader
        .taken()
        .await
        .into_iter()
        .map(|taken| taken.id)
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 200);
}
