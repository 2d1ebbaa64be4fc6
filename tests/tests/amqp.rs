//! A hub between two queues of a real RabbitMQ. Under load the broker crashes, or the hub does. In
//! the end the conservation law holds.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use hub_store::messages::Store;
use lapin::options::{
    BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::uri::AMQPUri;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use meterhub_tests::config_folder::ConfigFolder;
use meterhub_tests::hub_process::HubProcess;
use meterhub_tests::observe;
use meterhub_tests::oracle::{History, Receipt, Route, SentMessage, Tells, assert_conserved};
use meterhub_tests::random::{Random, seed_of_run};
use meterhub_tests::services::{self, service};
use meterhub_tests::wait::until_true;
use meterhub_tests::workload::{Maker, facts_of_json, sha256_hex};
use tokio::sync::{Mutex, watch};

const MESSAGES: usize = 300;
/// A crash comes when the partner has been told yes about so many.
const CRASHES: [usize; 2] = [80, 190];
const READINGS: u64 = 8;
/// A quorum queue younger than this may be gone after a crash: names of queues are written to disk
/// twice a second (RabbitMQ before ra pull request 443).
const QUEUE_IS_SAFE_AFTER: Duration = Duration::from_secs(1);
const DRAIN: Duration = Duration::from_secs(120);

/// A number that no other test of this process has.
fn unique() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

struct Queues {
    uri: AMQPUri,
    inbound: String,
    outbound: String,
}

impl Queues {
    /// `None`, said aloud, if there is no broker.
    async fn declare() -> Option<Self> {
        let uri = service("AMQP_URL")?.parse().expect("is a URL");
        let (process, test) = (std::process::id(), unique());
        let name = |what: &str| format!("hub.{what}.{process}.{test}");
        let queues = Self {
            uri,
            inbound: name("in"),
            outbound: name("out"),
        };
        let (_connection, channel) = queues.channel().await.expect("the broker is there");
        for queue in [&queues.inbound, &queues.outbound] {
            let mut arguments = FieldTable::default();
            arguments.insert(
                "x-queue-type".into(),
                AMQPValue::LongString("quorum".into()),
            );
            let options = QueueDeclareOptions {
                durable: true,
                ..QueueDeclareOptions::default()
            };
            let declared = channel.queue_declare(queue.as_str().into(), options, arguments);
            declared.await.expect("a queue can be made");
        }
        tokio::time::sleep(QUEUE_IS_SAFE_AFTER).await;
        Some(queues)
    }

    async fn channel(&self) -> lapin::Result<(Connection, Channel)> {
        let properties = ConnectionProperties::default();
        let connection = Connection::connect_uri(self.uri.clone(), properties).await?;
        let channel = connection.create_channel().await?;
        channel
            .confirm_select(ConfirmSelectOptions::default())
            .await?;
        Ok((connection, channel))
    }

    fn configuration(&self) -> String {
        let authority = &self.uri.authority;
        let broker = format!(
            "broker = {{ url = \"amqp://{}:{}/%2f\", heartbeat_seconds = 2, connect_timeout_seconds = 5, \
             auth = {{ password = {{ user = \"{}\", password = \"file:rabbit-password\" }} }} }}",
            authority.host, authority.port, authority.userinfo.username
        );
        let (inbound, outbound) = (&self.inbound, &self.outbound);
        format!(
            r#"
[enterprise.north]
zone = "Europe/Helsinki"
[source.hes]
enterprise = "north"
[source.hes.amqp]
{broker}
queue = "{inbound}"
window = 64
dead_letter_exchange = ""
dead_letter_routing_key = "{inbound}.dead"
[inbound.hes]
from = "hes"
format = "cim"
unknown_devices = "create"
[outbound.readings]
enterprise = "north"
on = ["meter_readings.accepted"]
format = "json"
to = ["erp"]
[sink.erp]
enterprise = "north"
retry = {{ initial_milliseconds = 50, max_seconds = 1, attempts = 1000 }}
circuit = {{ failures = 5, probe_seconds = 1 }}
[sink.erp.amqp]
{broker}
routing_key = "{outbound}"
confirm_timeout_seconds = 10
"#
        )
    }

    /// Publishes until the broker says yes, as a partner that cannot know what became of a message
    /// whose confirm was lost: with the same id.
    async fn send(&self, key: &str, body: &[u8], kept: &mut Option<(Connection, Channel)>) {
        loop {
            let sent = match kept {
                Some((_, channel)) => publish(channel, &self.inbound, key, body).await,
                None => match self.channel().await {
                    Ok(fresh) => {
                        *kept = Some(fresh);
                        continue;
                    }
                    Err(error) => Err(error),
                },
            };
            match sent {
                Ok(()) => return,
                Err(_) => *kept = None,
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// All that the hub has sent.
    async fn received(&self) -> Vec<Receipt> {
        let (_connection, channel) = self.channel().await.expect("the broker is there");
        let mut receipts = Vec::new();
        let options = BasicGetOptions { no_ack: true };
        let queue = self.outbound.as_str();
        while let Some(got) = channel
            .basic_get(queue.into(), options)
            .await
            .expect("can be read")
        {
            let id = got.delivery.properties.message_id().clone();
            receipts.push(Receipt {
                endpoint: "erp".to_owned(),
                id: id.expect("each has an id").to_string(),
                hash: sha256_hex(&got.delivery.data),
                facts: facts_of_json(&got.delivery.data).expect("is JSON"),
            });
        }
        receipts
    }
}

async fn publish(channel: &Channel, queue: &str, key: &str, body: &[u8]) -> lapin::Result<()> {
    let options = BasicPublishOptions::default();
    let properties = BasicProperties::default()
        .with_delivery_mode(2)
        .with_message_id(key.into())
        .with_content_type("application/xml".into());
    let published = channel.basic_publish("".into(), queue.into(), options, body, properties);
    assert!(published.await?.await?.is_ack(), "the queue takes it");
    Ok(())
}

/// Sends all messages and tells how many the broker has.
async fn load(queues: &Queues, told: watch::Sender<usize>) -> Vec<SentMessage> {
    let mut maker = Maker::new("hes", Random::new(seed_of_run()));
    let mut connection = None;
    let mut sent = Vec::new();
    for number in 0..MESSAGES {
        let content = maker.cim(1, READINGS);
        let key = format!("hes-{number}");
        queues.send(&key, &content.bytes, &mut connection).await;
        sent.push(content.sent("hes", Some(key), None));
        told.send_replace(number + 1);
    }
    sent
}

/// Who crashes.
#[derive(Clone, Copy)]
enum Victim {
    Broker,
    Hub,
}

/// Crashes the victim at its times, and brings it back. Returns the hub that runs then.
async fn crash(
    victim: Victim,
    config: &ConfigFolder,
    mut hub: HubProcess,
    mut told: watch::Receiver<usize>,
) -> HubProcess {
    for crash in CRASHES {
        let reached = told.wait_for(|sent| *sent >= crash).await;
        drop(reached.expect("the load goes on"));
        match victim {
            Victim::Broker => {
                services::kill("rabbitmq").await;
                services::start("rabbitmq").await;
            }
            Victim::Hub => {
                hub.kill().await;
                hub = HubProcess::start(config).await;
            }
        }
    }
    hub
}

async fn nothing_is_lost_or_doubled(victim: Victim) {
    /// The tests share the one broker.
    static ALONE: Mutex<()> = Mutex::const_new(());
    let _alone = ALONE.lock().await;
    let Some(queues) = Queues::declare().await else {
        return;
    };
    let config = ConfigFolder::new().expect("the disk works");
    let password = &queues.uri.authority.userinfo.password;
    std::fs::write(config.dir().join("rabbit-password"), password).expect("the disk works");
    config
        .write(&queues.configuration())
        .expect("the disk works");
    let hub = HubProcess::start(&config).await;
    let (told, watched) = watch::channel(0);
    let (sent, hub) = tokio::join!(load(&queues, told), crash(victim, &config, hub, watched));
    settled(&config, &hub).await;
    hub.stop().await;
    let history = history(&config, &queues, sent).await;
    let (made, received) = (history.deliveries.len(), history.receipts.len());
    println!("{made} deliveries, {received} receipts");
    assert_eq!(made, MESSAGES);
    let delivered = history.deliveries.iter().all(|d| d.state == "delivered");
    assert!(delivered, "{:#?}", history.deliveries);
    assert_conserved(&history);
}

/// Waits until the hub has all messages, and nothing is left to do.
async fn settled(config: &ConfigFolder, hub: &HubProcess) {
    let store = open(config).await;
    let what = format!("all to be done\n{}", hub.log());
    until_true(&what, DRAIN, || async {
        let kept = observe::messages(&store)
            .await
            .expect("the store can be read");
        kept.len() >= MESSAGES && store.is_idle().await.expect("the store can be read")
    })
    .await;
}

async fn open(config: &ConfigFolder) -> Store {
    let store = observe::open(&config.dir().join("data")).await;
    store.expect("the store can be opened")
}

async fn history(config: &ConfigFolder, queues: &Queues, sent: Vec<SentMessage>) -> History {
    let store = open(config).await;
    let messages = observe::messages(&store).await;
    let messages = messages.expect("the store can be read");
    let deliveries = observe::deliveries(&store, &messages).await;
    let estate = observe::estate(&store, "north").await;
    History {
        routes: vec![Route {
            name: "readings".to_owned(),
            tells: Tells::Readings,
            endpoints: vec!["erp".to_owned()],
        }],
        sent,
        messages,
        deliveries: deliveries.expect("the store can be read"),
        estate: estate.expect("the store can be read"),
        receipts: queues.received().await,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_doubled_when_the_broker_crashes_under_load() {
    nothing_is_lost_or_doubled(Victim::Broker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_doubled_when_the_hub_is_killed_under_load() {
    nothing_is_lost_or_doubled(Victim::Hub).await;
}
