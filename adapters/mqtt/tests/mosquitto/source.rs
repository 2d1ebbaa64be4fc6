//! The source.

use std::time::Duration;

use adapter_mqtt::MqttSourceConfig;
use async_trait::async_trait;
use hub_core::{AdapterContext, Settlement, Source, SourceConfig, SourceError};
use meterhub_tests::conformance::{self, Partner, Server, Told, accepted, open, receive};
use meterhub_tests::services;
use meterhub_tests::wait::{PATIENCE, until};
use rumqttc::{PubAckReason, PublishOptions, PublishProperties};

use crate::rig::{Broker, Reader, alone, calm, named, unique, user_property, with};
use crate::wire::Wire;

/// How long an answer may be on its way; how long one that must not come is waited for.
const ON_THE_WAY: Duration = Duration::from_millis(300);

/// A gateway that publishes and watches what becomes of its messages.
struct Gateway {
    broker: Broker,
    context: AdapterContext,
    wire: Wire,
    /// What its topics begin with.
    root: String,
    client_id: String,
    options: String,
    rejected: Reader,
    rejected_names: Vec<String>,
}

impl Gateway {
    async fn new(broker: Broker, options: &str) -> Self {
        let root = unique("source");
        let rejected = broker.reader(&format!("{root}/rejected")).await;
        Self {
            wire: Wire::to(&broker.address).await,
            context: broker.context(),
            client_id: root.clone(),
            options: format!("rejected_topic = '{root}/rejected'\n{options}"),
            broker,
            root,
            rejected,
            rejected_names: Vec::new(),
        }
    }

    fn config(&self, password: &str) -> MqttSourceConfig {
        let url = format!("mqtt://{}", self.wire.address);
        let broker = self.broker.table(&url, password, "");
        let (client_id, root, options) = (&self.client_id, &self.root, &self.options);
        let topics = match options.contains("topics") {
            true => String::new(),
            false => format!("topics = ['{root}/in/+']\n"),
        };
        let config = format!("{broker}client_id = '{client_id}'\n{topics}{options}");
        let config: MqttSourceConfig = toml::from_str(&config).unwrap();
        assert_eq!(config.validate(), []);
        config
    }

    async fn publish(&self, place: &str, properties: PublishProperties, body: &[u8]) {
        let topic = format!("{}/{place}", self.root);
        let reason = self.broker.publish(&topic, properties, body).await;
        assert_eq!(reason, PubAckReason::Success, "{topic} has a session");
    }

    /// The session exists from now on, and nobody reads.
    async fn begin_session(&mut self) {
        drop(self.connect().await);
    }
}

#[async_trait]
impl Partner for Gateway {
    /// The library writes a PUBACK after the receipt is settled; one that was not written when the
    /// source is dropped is lost, and the broker offers the message again.
    fn answers_may_be_lost(&self) -> bool {
        true
    }

    async fn connect(&mut self) -> Box<dyn Source> {
        self.try_connect().await.unwrap()
    }

    async fn send(&mut self, name: &str, body: &[u8]) {
        self.publish("in/readings", named(name), body).await;
    }

    /// The broker does that.
    async fn send_again(&mut self, _name: &str, _body: &[u8]) {}

    async fn told(&mut self, name: &str) -> Told {
        let answered = tokio::time::timeout(ON_THE_WAY, async {
            while !self.wire.acknowledged(name) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        if answered.await.is_err() {
            return Told::Later;
        }
        for rejected in self.rejected.all().await {
            let name = user_property(&rejected, "x-filename");
            self.rejected_names.extend(name);
        }
        match self.rejected_names.iter().any(|rejected| rejected == name) {
            true => Told::Never,
            false => Told::Yes,
        }
    }
}

#[async_trait]
impl Server for Gateway {
    async fn try_connect(&mut self) -> Result<Box<dyn Source>, SourceError> {
        self.config("password").connect(&self.context).await
    }

    async fn try_wrong_credentials(&mut self) -> Result<Box<dyn Source>, SourceError> {
        self.config("wrong").connect(&self.context).await
    }

    async fn kill(&mut self) {
        self.broker.kill().await;
    }

    async fn restart(&mut self) {
        services::start("mosquitto").await;
    }

    async fn stall(&mut self) {
        services::pause("mosquitto").await;
    }

    async fn resume(&mut self) {
        services::resume("mosquitto").await;
    }

    fn time_limit(&self) -> Duration {
        Duration::from_secs(3)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn passes_the_conformance_kit() {
    for options in ["window = 1", "window = 8", "identity = 'each'"] {
        let Some(broker) = Broker::find() else { return };
        let _calm = calm().await;
        conformance::source(&mut Gateway::new(broker, options).await).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn survives_a_broker_that_crashes_or_freezes() {
    let Some(broker) = Broker::find() else { return };
    let _alone = alone().await;
    let _resumed = services::ResumeAtEnd("mosquitto");
    let mut gateway = Gateway::new(broker, "window = 8").await;
    conformance::source_of_a_server(&mut gateway).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_broker_keeps_messages_while_the_hub_is_away() {
    let Some(broker) = Broker::find() else { return };
    let _calm = calm().await;
    let mut gateway = Gateway::new(broker, "").await;
    gateway.begin_session().await;
    for number in 0..50 {
        gateway.send(&format!("away-{number}"), b"1").await;
    }
    let mut source = gateway.connect().await;
    for number in 0..50 {
        let (name, _, settle) = open(source.as_mut()).await;
        assert_eq!(name, format!("away-{number}"));
        settle(accepted()).await;
    }
    // What was acknowledged last is not forgotten when the source goes.
    drop(source);
    assert_eq!(gateway.told("away-49").await, Told::Yes);
    let mut source = gateway.connect().await;
    gateway.send("next", b"1").await;
    assert_eq!(open(source.as_mut()).await.0, "next");
}

#[tokio::test(flavor = "multi_thread")]
async fn topic_and_properties_come_with_the_message() {
    let Some(broker) = Broker::find() else { return };
    let _calm = calm().await;
    let mut gateway = Gateway::new(broker, "").await;
    let mut source = gateway.connect().await;
    let properties = PublishProperties {
        response_topic: Some("answers".into()),
        correlation_data: Some(vec![0, 0xff].into()),
        content_type: Some("application/json".into()),
        ..with(&[("message-id", "key-1"), ("X-Region", "north")])
    };
    gateway.publish("in/gw-7", properties, b"{}").await;
    let (message, receipt) = receive(source.as_mut()).await.into_parts();
    let topic = format!("{}/in/gw-7", gateway.root);
    assert_eq!(message.business_key.as_deref(), Some("key-1"));
    assert_eq!(message.name, topic);
    assert_eq!(message.media_type.as_deref(), Some("application/json"));
    let expected = [
        ("topic", topic.as_str()),
        ("reply-to", "answers"),
        ("correlation-id", "hex:00ff"),
        ("message-id", "key-1"),
        ("x-region", "north"),
    ];
    let expected = expected.map(|(n, v)| (n.to_owned(), v.to_owned()));
    assert_eq!(message.headers, expected);
    receipt.settle(accepted()).await;
}

/// The keys of two equal readings, and of the first when the broker delivers it again.
async fn keys(options: &str) -> Option<[String; 3]> {
    let mut gateway = Gateway::new(Broker::find()?, options).await;
    let mut source = gateway.connect().await;
    for _ in 0..2 {
        gateway.publish("in/gw-7", with(&[]), b"12.5").await;
    }
    let first = receive(source.as_mut()).await;
    let second = receive(source.as_mut()).await;
    // The first is lost with its connection, unacknowledged.
    let key = |arrival: &hub_core::Arrival| arrival.message.business_key.clone().unwrap();
    let (first_key, second_key) = (key(&first), key(&second));
    drop((source, first, second));
    let mut source = gateway.connect().await;
    let again = receive(source.as_mut()).await;
    let keys = [first_key, second_key, key(&again)];
    Some(keys)
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_messages_are_resends_or_not_as_configured() {
    let _calm = calm().await;
    let Some([first, second, again]) = keys("identity = 'content'").await else {
        return;
    };
    assert!(first == second && first == again);
    let [first, second, again] = keys("identity = 'each'").await.unwrap();
    assert_ne!(first, second, "published twice on purpose");
    assert_eq!(first, again, "delivered again by the broker");
}

#[tokio::test(flavor = "multi_thread")]
async fn retained_messages_are_taken_as_configured() {
    let Some(broker) = Broker::find() else { return };
    let _calm = calm().await;
    let mut gateway = Gateway::new(broker, "").await;
    let topic = format!("{}/in/state", gateway.root);
    let options = PublishOptions::at_least_once()
        .retained()
        .properties(named("kept"));
    gateway.broker.publish_with(&topic, options, b"1").await;
    let rule = gateway.options.clone();
    // By connection: whether the retained message comes.
    for (word, expected) in [
        ("once", [true, false]),
        ("always", [true, true]),
        ("never", [false, false]),
    ] {
        gateway.client_id = unique(word);
        gateway.options = format!("{rule}\nretained = '{word}'");
        for comes in expected {
            let mut source = gateway.connect().await;
            if comes {
                let (message, receipt) = receive(source.as_mut()).await.into_parts();
                assert_eq!(message.name, "kept", "{word}");
                let header = ("retained".to_owned(), "true".to_owned());
                assert!(message.headers.contains(&header));
                receipt.settle(accepted()).await;
            }
            gateway.send("live", b"1").await;
            let (name, _, settle) = open(source.as_mut()).await;
            assert_eq!(name, "live", "{word}");
            settle(accepted()).await;
            assert_eq!(gateway.told("live").await, Told::Yes);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wildcards_and_shared_subscriptions_are_subscribed_to() {
    let Some(broker) = Broker::find() else { return };
    let _calm = calm().await;
    let mut gateway = Gateway::new(broker, "").await;
    let root = gateway.root.clone();
    gateway.options =
        format!("topics = ['{root}/+/readings', '{root}/deep/#', '$share/hubs/{root}/shared/+']");
    let mut first = gateway.connect().await;
    for place in ["a/readings", "deep/er/x", "shared/1"] {
        gateway.publish(place, with(&[]), b"1").await;
        let (name, _, settle) = open(first.as_mut()).await;
        assert_eq!(name, format!("{root}/{place}"));
        settle(accepted()).await;
    }
    // Two hubs share the work.
    gateway.options = format!("topics = ['$share/hubs/{root}/shared/+']");
    gateway.client_id = unique("second");
    let mut second = gateway.connect().await;
    for number in 0..10 {
        gateway
            .publish("shared/1", named(&number.to_string()), b"1")
            .await;
    }
    let mut counts = [0, 0];
    while counts[0] + counts[1] < 10 {
        let (index, arrival) = tokio::select! {
            arrival = first.receive() => (0, arrival),
            arrival = second.receive() => (1, arrival),
        };
        arrival.unwrap().into_parts().1.settle(accepted()).await;
        counts[index] += 1;
    }
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_message_keeps_its_reason_and_its_properties() {
    let Some(broker) = Broker::find() else { return };
    let _calm = calm().await;
    let mut gateway = Gateway::new(broker, "max_message_bytes = 10").await;
    let mut source = gateway.connect().await;
    let properties = PublishProperties {
        message_expiry_interval: Some(600),
        ..with(&[("x-filename", "large.csv"), ("message-id", "key-2")])
    };
    gateway.publish("in/gw", properties, b"eleven byte").await;
    gateway.send("next.csv", b"small").await;
    // The one that is too large is never offered.
    let (name, _, settle) = open(source.as_mut()).await;
    assert_eq!(name, "next.csv");
    let reason = "not for us".to_owned();
    settle(Settlement::Reject { reason }).await;
    let mut rejected = [gateway.rejected.next().await, gateway.rejected.next().await];
    rejected.sort_by_key(|r| user_property(r, "x-filename"));
    let [large, next] = rejected;
    assert_eq!(large.payload.as_ref(), b"eleven byte");
    for (name, value) in [
        (
            "x-meterhub-reason",
            "it has 11 bytes, and `max_message_bytes` is 10",
        ),
        ("x-meterhub-topic", &format!("{}/in/gw", gateway.root)),
        ("x-meterhub-source", "partner"),
        ("message-id", "key-2"),
    ] {
        assert_eq!(
            user_property(&large, name).as_deref(),
            Some(value),
            "{name}"
        );
    }
    let expiry = large.properties.unwrap().message_expiry_interval;
    assert_eq!(expiry, None, "people may take their time");
    let reason = user_property(&next, "x-meterhub-reason");
    assert_eq!(reason.as_deref(), Some("not for us"));
    for name in ["large.csv", "next.csv"] {
        let acknowledged = || async { gateway.wire.acknowledged(name).then_some(()) };
        until("the acknowledgement", PATIENCE, acknowledged).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_takes_is_not_acknowledged() {
    let Some(broker) = Broker::find() else { return };
    let _calm = calm().await;
    let mut gateway = Gateway::new(broker, "").await;
    gateway.options = format!("rejected_topic = '{}/nobody'", gateway.root);
    let mut source = gateway.connect().await;
    gateway.send("unheard.csv", b"1").await;
    let reject = Settlement::Reject {
        reason: "not for us".into(),
    };
    let (_, _, settle) = open(source.as_mut()).await;
    settle(reject.clone()).await;
    assert_eq!(gateway.told("unheard.csv").await, Told::Later);
    drop(source);
    // Without such a topic the log has the reason, and the broker may forget the message.
    gateway.options = String::new();
    let mut source = gateway.connect().await;
    let (name, _, settle) = open(source.as_mut()).await;
    assert_eq!(name, "unheard.csv");
    settle(reject).await;
    assert_eq!(gateway.told("unheard.csv").await, Told::Yes);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_waits_for_its_next_offer_holds_up_nobody() {
    let Some(broker) = Broker::find() else { return };
    let _calm = calm().await;
    let mut gateway = Gateway::new(broker, "window = 2").await;
    let mut source = gateway.connect().await;
    for name in ["wait-1.csv", "wait-2.csv", "go-1.csv", "go-2.csv"] {
        gateway.send(name, b"1").await;
    }
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
        assert_eq!(gateway.told(expected).await, Told::Yes);
    }
}

/// Mosquitto sends more than the receive maximum once a resumed session is being acknowledged.
#[tokio::test(flavor = "multi_thread")]
async fn order_is_kept_though_the_broker_sends_too_much() {
    let Some(broker) = Broker::find() else { return };
    let _calm = calm().await;
    let mut gateway = Gateway::new(broker, "window = 1").await;
    gateway.begin_session().await;
    for number in 0..40 {
        gateway.send(&format!("away-{number}"), b"1").await;
    }
    let mut source = gateway.connect().await;
    for number in 0..40 {
        let expected = format!("away-{number}");
        let (name, _, settle) = open(source.as_mut()).await;
        assert_eq!(name, expected);
        let after = Duration::from_millis(20);
        settle(Settlement::Retry { after }).await;
        let (name, _, settle) = open(source.as_mut()).await;
        assert_eq!(name, expected, "it comes again before others");
        settle(accepted()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_throws_nobody_out() {
    let Some(broker) = Broker::find() else { return };
    let _calm = calm().await;
    let mut gateway = Gateway::new(broker, "").await;
    let mut source = gateway.connect().await;
    gateway
        .config("password")
        .check(&gateway.context)
        .await
        .unwrap();
    gateway.send("still-here.csv", b"1").await;
    assert_eq!(open(source.as_mut()).await.0, "still-here.csv");
    let wrong = gateway.config("wrong").check(&gateway.context).await;
    let error = wrong.unwrap_err().to_string();
    assert!(error.contains("refuses our credentials"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_client_of_the_same_id_is_told() {
    let Some(broker) = Broker::find() else { return };
    let _calm = calm().await;
    let mut gateway = Gateway::new(broker, "").await;
    let mut first = gateway.connect().await;
    let _second = gateway.connect().await;
    let ended = tokio::time::timeout(PATIENCE, first.receive())
        .await
        .unwrap();
    let Err(error) = ended else {
        panic!("there was nothing to receive")
    };
    let told = ["SessionTakenOver", "another client"];
    assert!(
        told.iter().any(|t| error.to_string().contains(t)),
        "{error}"
    );
}
