//! A hub between two queues of a real RabbitMQ, which crashes in mid-stream under load. In the end
//! the conservation law holds.

use std::time::Duration;

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
use tokio::sync::watch;

const MESSAGES: usize = 300;
/// The broker crashes when the partner has been told yes about so many.
const CRASHES: [usize; 2] = [80, 190];
const READINGS: u64 = 8;
/// A quorum queue younger than this may be gone after a crash: names of queues are written to disk
/// twice a second (RabbitMQ before ra pull request 443).
const QUEUE_IS_SAFE_AFTER: Duration = Duration::from_secs(1);
const DRAIN: Duration = Duration::from_secs(120);

struct Queues {
    uri: AMQPUri,
    inbound: String,
    outbound: String,
}

impl Queues {
    /// `None`, said aloud, if there is no broker.
    async fn declare() -> Option<Self> {
        let uri = service("AMQP_URL")?.parse().expect("is a URL");
        let name = |what: &str| format!("hub.{what}.{}", std::process::id());
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

async fn crash_and_restart(mut told: watch::Receiver<usize>) {
    for crash in CRASHES {
        let reached = told.wait_for(|sent| *sent >= crash).await;
        drop(reached.expect("the load goes on"));
        services::kill("rabbitmq").await;
        services::start("rabbitmq").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_doubled_when_the_broker_crashes_under_load() {
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
    let (sent, ()) = tokio::join!(load(&queues, told), crash_and_restart(watched));

    let store = observe::open(&config.dir().join("data"))
        .await
        .expect("the store can be read");
    until_true(&format!("all to be done\n{}", hub.log()), DRAIN, || async {
        let kept = observe::messages(&store)
            .await
            .expect("the store can be read");
        kept.len() >= MESSAGES && store.is_idle().await.expect("the store can be read")
    })
    .await;
    let messages = observe::messages(&store)
        .await
        .expect("the store can be read");
    let deliveries = observe::deliveries(&store, &messages)
        .await
        .expect("the store can be read");
    let estate = observe::estate(&store, "north")
        .await
        .expect("the store can be read");
    let log = hub.log();
    hub.stop().await;
    let receipts = queues.received().await;
    println!(
        "{} messages, {} deliveries, {} receipts ({} more than needed)",
        messages.len(),
        deliveries.len(),
        receipts.len(),
        receipts.len().saturating_sub(deliveries.len())
    );
    assert!(
        deliveries.iter().all(|d| d.state == "delivered"),
        "{deliveries:#?}\n{log}"
    );
    assert_eq!(deliveries.len(), MESSAGES);
    assert_conserved(&History {
        routes: vec![Route {
            name: "readings".to_owned(),
            tells: Tells::Readings,
            endpoints: vec!["erp".to_owned()],
        }],
        sent,
        messages,
        deliveries,
        estate,
        receipts,
    });
}
