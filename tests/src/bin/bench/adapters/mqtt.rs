//! MQTT 5 with QoS 1: Mosquitto, and rumqttc without a hub. Messages wait in sessions that the broker
//! keeps. It keeps no more than 1,000 for each, so there are several.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use rumqttc::{
    AckMode, AsyncClient, Event, EventLoop, MqttOptions, Outgoing, Packet, PersistedAckMode,
    PersistedSession, PublishOptions, PublishResult, QoS, SessionStore, SessionStoreError,
    SessionStoreKey,
};
use tokio::sync::Semaphore;

use super::compare::{Size, Table, Way};
use super::hub_side::{Accepted, Setup, gives_out, kept, takes_in};
use super::servers::{Place, message, message_bytes, unique, variables};
use crate::Outcome;

/// Sessions that the broker keeps, each a source of the hub.
const SESSIONS: u64 = 20;
/// Messages that wait for each of them.
const WAITING: u64 = 1_000;
/// Messages that go out.
const MESSAGES: u64 = 20_000;
/// Messages under way: the adapter's default.
const WINDOW: u16 = 64;
/// Seconds that the broker keeps a session.
const EXPIRY_SECONDS: u32 = 600;
/// Room for requests of the bare client.
const LARGEST_PACKET: u32 = 1024 * 1024;

/// Both rows.
pub(super) async fn run(table: &mut Table<'_>) -> Outcome<()> {
    let [url] = variables(["MQTT_URL"])?;
    let broker = Broker(Place::parse(&url)?);
    let (disk, waiting) = (table.disk(), table.messages(WAITING));
    let all = SESSIONS * waiting;
    let way = Way {
        what: "mqtt in: 20 kept sessions, QoS 1, 1 KB, window 64",
        bare: "rumqttc alone",
        size: Size::Messages(all),
    };
    let with_hub = async || {
        let sessions = broker.filled(waiting).await?;
        let took = takes_in(disk, &broker.sources(&sessions), all).await?;
        broker.forget(&sessions).await?;
        Ok(took)
    };
    let alone = async || {
        let sessions = broker.filled(waiting).await?;
        let begun = Instant::now();
        try_join_all(sessions.iter().map(|name| broker.take(name, waiting))).await?;
        let took = begun.elapsed();
        broker.forget(&sessions).await?;
        Ok(took)
    };
    table.compare(way, with_hub, alone).await?;

    let count = table.messages(MESSAGES);
    let way = Way {
        what: "mqtt out: QoS 1, 1 KB, 64 in flight",
        bare: "rumqttc alone",
        size: Size::Messages(count),
    };
    let with_hub = async || {
        let topic = unique("topic");
        let listener = broker.listen(&topic, count).await?;
        let accepted = Accepted::Messages(count, message);
        let took = gives_out(disk, &broker.sink(&topic), accepted).await?;
        listener.heard_all().await?;
        Ok(took)
    };
    let alone = async || {
        let topic = unique("topic");
        let listener = broker.listen(&topic, count).await?;
        let begun = Instant::now();
        broker.publish(&[topic], count).await?;
        let took = begun.elapsed();
        listener.heard_all().await?;
        Ok(took)
    };
    table.compare(way, with_hub, alone).await
}

struct Broker(Place);

/// Somebody who subscribes, so that what is published goes to somebody.
struct Listener {
    hearing: tokio::task::JoinHandle<Result<(), String>>,
}

impl Listener {
    async fn heard_all(self) -> Outcome<()> {
        let patience = Duration::from_secs(30);
        let heard = tokio::time::timeout(patience, self.hearing).await;
        Ok(heard.map_err(|_| "not all that was published was heard")???)
    }
}

impl Broker {
    fn section(&self) -> String {
        let Place {
            host, port, user, ..
        } = &self.0;
        format!(
            "broker = {{ url = \"mqtt://{host}:{port}\", \
             auth = {{ password = {{ user = \"{user}\", password = \"file:password\" }} }} }}"
        )
    }

    fn setup(&self, sections: String) -> Setup {
        Setup {
            sections,
            files: vec![("password", self.0.password.clone())],
        }
    }

    fn sources(&self, sessions: &[String]) -> Setup {
        let broker = self.section();
        let source = |(number, name): (usize, &String)| {
            let route = kept(&format!("in{number}"));
            format!(
                "[source.in{number}]\nenterprise = \"north\"\n[source.in{number}.mqtt]\n{broker}\n\
                 client_id = \"{name}\"\ntopics = [\"{name}\"]\nwindow = {WINDOW}\n\n{route}"
            )
        };
        self.setup(sessions.iter().enumerate().map(source).collect())
    }

    fn sink(&self, topic: &str) -> Setup {
        self.setup(format!(
            "[sink.out]\nenterprise = \"north\"\nparallel = {WINDOW}\n[sink.out.mqtt]\n{}\n\
             topic = \"{topic}\"\nmax_in_flight = {WINDOW}\n",
            self.section()
        ))
    }

    fn options(&self, client_id: &str) -> MqttOptions {
        let Place {
            host,
            port,
            user,
            password,
        } = &self.0;
        let mut options = MqttOptions::new(client_id, (host.clone(), *port));
        options
            .set_credentials(user.clone(), password.clone())
            .set_max_packet_size(Some(LARGEST_PACKET))
            .set_outgoing_inflight_upper_limit(WINDOW);
        options
    }

    /// Connects to a session that the broker keeps.
    async fn resume(&self, client_id: &str) -> Outcome<(AsyncClient, EventLoop)> {
        let mut options = self.options(client_id);
        options
            .set_clean_start(false)
            .set_session_expiry_interval(Some(EXPIRY_SECONDS))
            .set_session_store(EmptySession)
            .set_ack_mode(AckMode::Manual)
            .set_receive_maximum(Some(WINDOW * 2));
        connected(options).await
    }

    /// Sessions with so many messages each, nobody connected. A session's topic has its name.
    async fn filled(&self, waiting: u64) -> Outcome<Vec<String>> {
        let sessions: Vec<String> = (0..SESSIONS).map(|_| unique("session")).collect();
        for name in &sessions {
            let (client, mut events) = self.resume(name).await?;
            client.subscribe(name.as_str(), QoS::AtLeastOnce).await?;
            while !matches!(events.poll().await?, Event::Incoming(Packet::SubAck(_))) {}
            leave(&client, &mut events).await?;
        }
        self.publish(&sessions, SESSIONS * waiting).await?;
        Ok(sessions)
    }

    /// The bare client: takes so many messages of a session and acknowledges each.
    async fn take(&self, client_id: &str, count: u64) -> Outcome<()> {
        let (client, mut events) = self.resume(client_id).await?;
        client.subscribe(client_id, QoS::AtLeastOnce).await?;
        let mut acknowledged = 0;
        while acknowledged < count {
            match events.poll().await? {
                Event::Incoming(Packet::Publish(publish)) => client.try_ack(&publish)?,
                Event::Outgoing(Outgoing::PubAck(_)) => acknowledged += 1,
                _ => {}
            }
        }
        leave(&client, &mut events).await
    }

    /// Ends sessions, which must hold nothing any more.
    async fn forget(&self, sessions: &[String]) -> Outcome<()> {
        for name in sessions {
            let mut options = self.options(name);
            options
                .set_clean_start(true)
                .set_session_expiry_interval(Some(0));
            let (client, mut events) = connected(options).await?;
            leave(&client, &mut events).await?;
        }
        Ok(())
    }

    /// The bare client: publishes so many messages to topics in turn, and waits for each answer.
    async fn publish(&self, topics: &[String], count: u64) -> Outcome<()> {
        let mut options = self.options(&unique("publisher"));
        options.set_clean_start(true);
        let (client, mut events) = connected(options).await?;
        let driver = tokio::spawn(async move { while events.poll().await.is_ok() {} });
        let window = Arc::new(Semaphore::new(usize::from(WINDOW)));
        let mut answers = tokio::task::JoinSet::new();
        for (number, topic) in (0..count).zip(topics.iter().cycle()) {
            let slot = window.clone().acquire_owned().await?;
            let options = PublishOptions::at_least_once();
            let body = message_bytes(number);
            let published = client.publish_tracked(topic.as_str(), body, options);
            let notice = published.await?;
            answers.spawn(async move {
                let answer = notice.wait_async().await;
                drop(slot);
                matches!(answer, Ok(PublishResult::Qos1(_)))
            });
            while let Some(answered) = answers.try_join_next() {
                taken(answered)?;
            }
        }
        while let Some(answered) = answers.join_next().await {
            taken(answered)?;
        }
        client.disconnect().await?;
        // It ends with the connection; an error is what ended it.
        let _ = driver.await;
        Ok(())
    }

    /// Subscribes to a topic and counts what comes.
    async fn listen(&self, topic: &str, count: u64) -> Outcome<Listener> {
        let mut options = self.options(&unique("listener"));
        options.set_clean_start(true);
        let (client, mut events) = connected(options).await?;
        client.subscribe(topic, QoS::AtMostOnce).await?;
        while !matches!(events.poll().await?, Event::Incoming(Packet::SubAck(_))) {}
        let hearing = tokio::spawn(async move {
            let mut heard = 0;
            while heard < count {
                let event = events.poll().await.map_err(|error| error.to_string())?;
                heard += u64::from(matches!(event, Event::Incoming(Packet::Publish(_))));
            }
            drop(client);
            Ok(())
        });
        Ok(Listener { hearing })
    }
}

fn taken(answered: Result<bool, tokio::task::JoinError>) -> Outcome<()> {
    match answered? {
        true => Ok(()),
        false => Err("a message was not taken by the broker".into()),
    }
}

async fn connected(options: MqttOptions) -> Outcome<(AsyncClient, EventLoop)> {
    let (client, mut events) = AsyncClient::builder(options).unbounded().build();
    while !matches!(events.poll().await?, Event::Incoming(Packet::ConnAck(_))) {}
    Ok((client, events))
}

/// Disconnects; what was asked for before goes first.
async fn leave(client: &AsyncClient, events: &mut EventLoop) -> Outcome<()> {
    client.disconnect().await?;
    // An error is the end of the connection.
    while let Ok(event) = events.poll().await {
        if matches!(event, Event::Outgoing(Outgoing::Disconnect)) {
            break;
        }
    }
    Ok(())
}

/// Our half of a session that the broker keeps: nothing, because all that was taken is acknowledged.
#[derive(Debug)]
struct EmptySession;

type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, SessionStoreError>> + Send + 'a>>;

impl SessionStore for EmptySession {
    fn load<'a>(&'a self, key: &'a SessionStoreKey) -> Answer<'a, Option<PersistedSession>> {
        let session = PersistedSession {
            format_version: 1,
            client_id: key.client_id().to_owned(),
            clean_start: false,
            session_expiry_interval: Some(EXPIRY_SECONDS),
            outgoing_inflight_upper_limit: Some(WINDOW),
            ack_mode: PersistedAckMode::Manual,
            last_pkid: 0,
            last_puback: 0,
            replay: Vec::new(),
            incoming_qos2: Vec::new(),
        };
        Box::pin(std::future::ready(Ok(Some(session))))
    }

    fn save<'a>(&'a self, _: &'a SessionStoreKey, _: &'a PersistedSession) -> Answer<'a, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn clear<'a>(&'a self, _: &'a SessionStoreKey) -> Answer<'a, ()> {
        Box::pin(std::future::ready(Ok(())))
    }
}
