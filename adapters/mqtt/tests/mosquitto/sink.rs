//! The sink.

use std::time::Duration;

use adapter_mqtt::MqttSinkConfig;
use async_trait::async_trait;
use hub_core::{Content, Sink, SinkConfig, SinkError};
use meterhub_tests::conformance::{self, Receiver, Taken, message};
use meterhub_tests::services::{self, service};

use crate::rig::{Broker, Reader, alone, calm, unique, user_property};

/// A partner that subscribes.
struct Subscriber {
    broker: Broker,
    root: String,
    /// Subscribes to the subjects that the kit uses, except the one that is to be refused.
    reader: Option<Reader>,
}

impl Subscriber {
    async fn new(broker: Broker) -> Self {
        let mut subscriber = Self {
            root: unique("sink"),
            broker,
            reader: None,
        };
        subscriber.subscribe().await;
        subscriber
    }

    async fn subscribe(&mut self) {
        let topic = format!("{}/+/taken", self.root);
        self.reader = Some(self.broker.reader(&topic).await);
    }

    fn reader(&mut self) -> &mut Reader {
        self.reader.as_mut().unwrap()
    }

    async fn connect(&self, password: &str, options: &str) -> Box<dyn Sink> {
        let url = format!("mqtt://{}", self.broker.address);
        let broker = self.broker.table(&url, password, "");
        let config = config(&broker, options);
        config.connect(&self.broker.context()).await.unwrap()
    }

    /// A topic of which `refused` is no part that anybody subscribes to.
    fn by_subject(&self) -> String {
        format!("topic = '{}/{{subject}}/taken'", self.root)
    }
}

fn config(broker: &str, options: &str) -> MqttSinkConfig {
    let config = format!("{broker}answer_timeout_seconds = 3\n{options}");
    let config: MqttSinkConfig = toml::from_str(&config).unwrap();
    assert_eq!(config.validate(), []);
    config
}

#[async_trait]
impl Receiver for Subscriber {
    async fn sink(&mut self) -> Box<dyn Sink> {
        self.connect("password", &self.by_subject()).await
    }

    async fn sink_with_wrong_credentials(&mut self) -> Option<Box<dyn Sink>> {
        Some(self.connect("wrong", &self.by_subject()).await)
    }

    async fn taken(&mut self) -> Vec<Taken> {
        let found = self.reader().all().await;
        let taken = found.into_iter().map(|publish| Taken {
            id: user_property(&publish, "message-id").unwrap(),
            body: publish.payload.to_vec(),
        });
        taken.collect()
    }

    async fn kill(&mut self) -> bool {
        self.broker.kill().await;
        true
    }

    async fn restart(&mut self) {
        services::start("mosquitto").await;
        self.subscribe().await;
    }

    async fn stall(&mut self) -> bool {
        services::pause("mosquitto").await;
        true
    }

    async fn resume(&mut self) {
        services::resume("mosquitto").await;
    }

    /// Nobody can be kept from subscribing to one subject of a pattern: the test of its own below.
    async fn refuse(&mut self) -> bool {
        false
    }

    fn time_limit(&self) -> Duration {
        Duration::from_secs(6)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn passes_the_conformance_kit() {
    let Some(broker) = Broker::find() else { return };
    let _alone = alone().await;
    let _resumed = services::ResumeAtEnd("mosquitto");
    conformance::sink(&mut Subscriber::new(broker).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_carries_its_properties() {
    let Some(broker) = Broker::find() else { return };
    let _calm = calm().await;
    let mut subscriber = Subscriber::new(broker).await;
    let options = format!(
        "{}\nresponse_topic = 'answers'\nexpiry_seconds = 600\nuser_properties = {{ x-sender = 'nord' }}",
        subscriber.by_subject()
    );
    let sink = subscriber.connect("password", &options).await;
    let mut message = message(60, "work_order:47/11");
    message.headers = vec![
        ("x-batch".into(), "12".into()),
        ("correlation-id".into(), "hex:00ff".into()),
    ];
    let sent = sink.send(&message).await.unwrap();
    let topic = format!("{}/work_order:47%2F11/taken", subscriber.root);
    assert!(sent.note.contains(&topic), "{}", sent.note);
    let got = subscriber.reader().next().await;
    assert_eq!(got.topic.as_ref(), topic.as_bytes());
    assert_eq!(got.payload.as_ref(), b"body 60");
    for (name, value) in [
        ("message-id", message.message_id.to_string().as_str()),
        ("correlation-id", "hex:00ff"),
        ("x-sender", "nord"),
        ("x-batch", "12"),
    ] {
        assert_eq!(user_property(&got, name).as_deref(), Some(value), "{name}");
    }
    let properties = got.properties.unwrap();
    assert_eq!(properties.response_topic.as_deref(), Some("answers"));
    assert_eq!(properties.content_type.as_deref(), Some("text/plain"));
    assert_eq!(properties.message_expiry_interval, Some(600));
    let data = properties.correlation_data.unwrap();
    assert_eq!(data.as_ref(), [0, 0xff]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_goes_to_the_response_topic_if_it_may() {
    let Some(broker) = Broker::find() else { return };
    let _calm = calm().await;
    let mut subscriber = Subscriber::new(broker).await;
    let root = subscriber.root.clone();
    let options = format!("topic = '{{reply_to}}'\nreply_to_targets = ['{root}/+/taken']");
    let sink = subscriber.connect("password", &options).await;
    let answer = |reply_to: &str| {
        let mut answer = message(70, "meter:1");
        answer.headers = vec![
            ("reply-to".into(), format!("{root}/{reply_to}")),
            ("correlation-id".into(), "request-9".into()),
        ];
        answer
    };
    sink.send(&answer("gw-7/taken")).await.unwrap();
    let got = subscriber.reader().next().await;
    assert_eq!(got.topic.as_ref(), format!("{root}/gw-7/taken").as_bytes());
    let properties = got.properties.unwrap();
    assert_eq!(properties.response_topic, None);
    let data = properties.correlation_data.unwrap();
    assert_eq!(data.as_ref(), b"request-9");
    for (answer, expected) in [
        (answer("gw-7/orders"), "not among `reply_to_targets`"),
        (answer("gw/7/taken"), "not among `reply_to_targets`"),
        (answer("+/taken"), "holds `+` or `#`"),
        (message(71, "meter:1"), "no `reply-to`"),
    ] {
        match sink.send(&answer).await {
            Err(SinkError::Refused { answer, .. }) => {
                assert!(answer.contains(expected), "{answer}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(subscriber.reader().all().await.len(), 0);
}

/// Half of a crowd has a subscriber, half has none: each gets its own answer.
#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_subscribes_to_is_never_delivered_even_in_a_crowd() {
    let Some(broker) = Broker::find() else { return };
    let _calm = calm().await;
    let mut subscriber = Subscriber::new(broker).await;
    let options = format!("topic = '{}/x/{{subject}}'", subscriber.root);
    let sink = subscriber.connect("password", &options).await;
    let sink: std::sync::Arc<dyn Sink> = sink.into();
    let mut sends = tokio::task::JoinSet::new();
    for number in 0..1_000 {
        let sink = sink.clone();
        let subject = if number % 2 == 0 { "taken" } else { "nowhere" };
        sends.spawn(async move { (number, sink.send(&message(number, subject)).await) });
    }
    while let Some(sent) = sends.join_next().await {
        match sent.unwrap() {
            (number, Ok(_)) => assert_eq!(number % 2, 0, "{number} has no subscriber"),
            (number, Err(SinkError::Refused { answer, .. })) => {
                assert_eq!(number % 2, 1, "{number}: {answer}");
                assert!(answer.contains("nowhere"), "{answer}");
            }
            (number, Err(error)) => panic!("{number}: {error}"),
        }
    }
    for _ in 0..500 {
        subscriber.reader().next().await;
    }
    assert_eq!(subscriber.reader().all().await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fixed_topic_without_subscriber_is_the_endpoints_trouble() {
    let Some(broker) = Broker::find() else { return };
    let _calm = calm().await;
    let subscriber = Subscriber::new(broker).await;
    let topic = unique("nobody");
    let options = format!("topic = '{topic}'");
    let sink = subscriber.connect("password", &options).await;
    let error = sink.send(&message(61, "meter:1")).await.unwrap_err();
    let waits = matches!(
        error,
        SinkError::Unavailable {
            answered: false,
            ..
        }
    );
    assert!(waits && error.to_string().contains(&topic), "{error}");
    let client_id = unique("hub");
    let accepts =
        format!("{options}\nno_subscriber = 'accept'\nretain = true\nclient_id = '{client_id}'");
    let accepts = subscriber.connect("password", &accepts).await;
    let sent = accepts.send(&message(61, "meter:1")).await.unwrap();
    assert!(sent.note.contains("nobody subscribes"), "{}", sent.note);
    // It is retained: who comes later has it. No restart is needed for the other.
    let mut late = subscriber.broker.reader(&topic).await;
    assert!(late.next().await.retain);
    sink.send(&message(62, "meter:1")).await.unwrap();
    assert_eq!(late.next().await.payload.as_ref(), b"body 62");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_above_the_limit_is_refused_and_a_large_one_is_not() {
    let Some(broker) = Broker::find() else { return };
    let _calm = calm().await;
    let mut subscriber = Subscriber::new(broker).await;
    let options = format!("{}\nmax_message_bytes = 5000000", subscriber.by_subject());
    let sink = subscriber.connect("password", &options).await;
    let mut large = message(80, "meter:1");
    let body: Vec<u8> = (0..5_000_000_u32).map(|n| n as u8).collect();
    large.content = Content::bytes(body.clone());
    sink.send(&large).await.unwrap();
    assert!(subscriber.reader().next().await.payload == body);
    large.content = Content::bytes([body, vec![0]].concat());
    let error = sink.send(&large).await.unwrap_err();
    assert!(matches!(error, SinkError::Refused { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_the_protocol_cannot_carry_harms_no_other() {
    let Some(broker) = Broker::find() else { return };
    let _calm = calm().await;
    let mut subscriber = Subscriber::new(broker).await;
    let sink = subscriber.sink().await;
    let mut wrong = message(81, "meter:1");
    wrong.headers = vec![("x-text".into(), "a\0b".into())];
    for wrong in [
        wrong,
        message(82, "meter\n1"),
        message(83, &"x".repeat(70_000)),
    ] {
        let error = sink.send(&wrong).await.unwrap_err();
        assert!(matches!(error, SinkError::Refused { .. }), "{error}");
    }
    sink.send(&message(84, "meter:1")).await.unwrap();
    assert_eq!(subscriber.taken().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn encryption_is_verified() {
    let (Some(broker), Some(url)) = (Broker::find(), service("MQTTS_URL")) else {
        return;
    };
    let _calm = calm().await;
    let mut subscriber = Subscriber::new(broker).await;
    let address = url.rsplit_once('@').unwrap().1;
    let url = format!("mqtts://{address}");
    let with = |authority: &str| {
        let authority = std::env::var(authority).unwrap();
        let further =
            format!(", ca_certificates = '{authority}', client_certificate = 'file:client.pem'");
        let broker = subscriber.broker.table(&url, "password", &further);
        config(&broker, &subscriber.by_subject())
    };
    let ours = ["TLS_CLIENT_CERT", "TLS_CLIENT_KEY"]
        .map(|variable| std::fs::read_to_string(std::env::var(variable).unwrap()).unwrap());
    let pem = subscriber.broker.base.path().join("client.pem");
    std::fs::write(pem, ours.concat()).unwrap();
    let context = subscriber.broker.context();
    let trusted = with("TLS_CA");
    let begun = std::time::Instant::now();
    let refused = with("TLS_OTHER_CA").check(&context).await.unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(3));
    assert!(refused.to_string().contains("certificate"), "{refused}");
    trusted.check(&context).await.unwrap();
    let sink = trusted.connect(&context).await.unwrap();
    sink.send(&message(90, "meter:1")).await.unwrap();
    assert_eq!(subscriber.taken().await.len(), 1);
}
