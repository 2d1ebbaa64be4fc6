//! A hub between two topics of a real Mosquitto. Under load the hub is killed and the broker freezes.
//! In the end the conservation law holds.
//!
//! The broker is not crashed here: Mosquitto says yes to a publish before it writes it to disk. What a
//! crash does to the adapter, its own tests ask.

use std::time::Duration;

use meterhub_tests::config_folder::ConfigFolder;
use meterhub_tests::hub_process::HubProcess;
use meterhub_tests::observe;
use meterhub_tests::oracle::{History, Receipt, Route, SentMessage, Tells, assert_conserved};
use meterhub_tests::random::{Random, seed_of_run};
use meterhub_tests::services::{self, service};
use meterhub_tests::wait::{PATIENCE, until_true};
use meterhub_tests::workload::{Maker, facts_of_json, sha256_hex};
use rumqttc::{
    AsyncClient, Event, MqttOptions, Packet, PubAckReason, Publish, PublishOptions,
    PublishProperties, PublishResult, QoS,
};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

const MESSAGES: usize = 300;
const READINGS: u64 = 8;
const DRAIN: Duration = Duration::from_secs(120);
/// Longest wait of the gateway for the broker's yes; then it publishes again.
const ANSWER: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(100);

/// What happens when the gateway has been told yes about so many.
const TROUBLE: [(usize, Trouble); 4] = [
    (60, Trouble::HubKilled),
    (120, Trouble::BrokerFrozen),
    (180, Trouble::HubKilled),
    (240, Trouble::HubKilled),
];

#[derive(Clone, Copy)]
enum Trouble {
    HubKilled,
    BrokerFrozen,
}

/// The broker, and the topics of this run.
struct Broker {
    host: String,
    port: u16,
    user: String,
    password: String,
    inbound: String,
    outbound: String,
}

impl Broker {
    /// `None`, said aloud, if there is none.
    fn find() -> Option<Self> {
        let url = service("MQTT_URL")?;
        let rest = url.strip_prefix("mqtt://").expect("an MQTT URL");
        let (login, address) = rest.split_once('@').expect("user:password@address");
        let (user, password) = login.split_once(':').expect("user:password");
        let (host, port) = address.split_once(':').expect("host:port");
        let process = std::process::id();
        Some(Self {
            host: host.to_owned(),
            port: port.parse().expect("a port"),
            user: user.to_owned(),
            password: password.to_owned(),
            inbound: format!("hub-{process}/in"),
            outbound: format!("hub-{process}/out"),
        })
    }

    fn configuration(&self) -> String {
        let (host, port, user) = (&self.host, self.port, &self.user);
        let broker = format!(
            "broker = {{ url = \"mqtt://{host}:{port}\", keep_alive_seconds = 1, connect_timeout_seconds = 3, \
             auth = {{ password = {{ user = \"{user}\", password = \"file:mqtt-password\" }} }} }}"
        );
        let (inbound, outbound) = (&self.inbound, &self.outbound);
        let process = std::process::id();
        format!(
            r#"
[enterprise.north]
zone = "Europe/Helsinki"
[source.hes]
enterprise = "north"
[source.hes.mqtt]
{broker}
client_id = "hub-{process}-source"
topics = ["{inbound}/#"]
window = 16
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
[sink.erp.mqtt]
{broker}
topic = "{outbound}"
answer_timeout_seconds = 2
"#
        )
    }

    /// A partner's connection, which the library opens again when it is lost.
    fn connect(&self, name: &str, to: Option<mpsc::UnboundedSender<Publish>>) -> AsyncClient {
        let client_id = format!("hub-{}-{name}", std::process::id());
        let mut options = MqttOptions::new(client_id, (self.host.clone(), self.port));
        options.set_credentials(self.user.clone(), self.password.clone());
        options.set_max_packet_size(Some(1024 * 1024));
        let (client, mut events) = AsyncClient::builder(options).build();
        tokio::spawn(async move {
            loop {
                match (events.poll().await, &to) {
                    (Ok(Event::Incoming(Packet::Publish(publish))), Some(to)) => {
                        drop(to.send(publish));
                    }
                    (Ok(_), _) => {}
                    (Err(_), _) => tokio::time::sleep(PAUSE).await,
                }
            }
        });
        client
    }
}

/// Publishes until the broker has it for the hub, as a gateway that cannot know what became of a
/// message without an answer: with the same id.
async fn send(client: &AsyncClient, topic: &str, key: &str, body: &[u8]) {
    let properties = PublishProperties {
        user_properties: vec![("message-id".to_owned(), key.to_owned())],
        content_type: Some("application/xml".to_owned()),
        ..PublishProperties::default()
    };
    loop {
        let options = PublishOptions::at_least_once().properties(properties.clone());
        let published = client.publish_tracked(topic, body.to_vec(), options);
        let notice = published.await.expect("the connection is driven");
        if let Ok(Ok(PublishResult::Qos1(answer))) = timeout(ANSWER, notice.wait_async()).await
            && answer.reason == PubAckReason::Success
        {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Sends all messages and tells how many the broker has.
async fn load(broker: &Broker, told: watch::Sender<usize>) -> Vec<SentMessage> {
    let client = broker.connect("gateway", None);
    let mut maker = Maker::new("hes", Random::new(seed_of_run()));
    let mut sent = Vec::new();
    for number in 0..MESSAGES {
        let content = maker.cim(1, READINGS);
        let key = format!("hes-{number}");
        let topic = format!("{}/gateway-{}", broker.inbound, number % 7);
        send(&client, &topic, &key, &content.bytes).await;
        sent.push(content.sent("hes", Some(key), None));
        told.send_replace(number + 1);
    }
    sent
}

/// Makes trouble; returns the hub that runs in the end.
async fn trouble(
    config: &ConfigFolder,
    mut hub: HubProcess,
    mut told: watch::Receiver<usize>,
) -> HubProcess {
    for (number, trouble) in TROUBLE {
        let reached = told.wait_for(|sent| *sent >= number).await;
        drop(reached.expect("the load goes on"));
        match trouble {
            Trouble::HubKilled => {
                hub.kill().await;
                hub = HubProcess::start(config).await;
            }
            Trouble::BrokerFrozen => {
                let before = lost_connections(&hub);
                services::pause("mosquitto").await;
                until_true("the hub to notice", PATIENCE, || async {
                    lost_connections(&hub) > before
                })
                .await;
                services::resume("mosquitto").await;
            }
        }
    }
    hub
}

fn lost_connections(hub: &HubProcess) -> usize {
    hub.log().matches("source is not available").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_doubled_when_hub_and_broker_fail_under_load() {
    let Some(broker) = Broker::find() else {
        return;
    };
    let _resumed = services::ResumeAtEnd("mosquitto");
    let config = ConfigFolder::new().expect("the disk works");
    std::fs::write(config.dir().join("mqtt-password"), &broker.password).expect("the disk works");
    config
        .write(&broker.configuration())
        .expect("the disk works");
    let (to, mut received) = mpsc::unbounded_channel();
    let erp = broker.connect("erp", Some(to));
    let subscribed = erp.subscribe_tracked(&broker.outbound, QoS::AtLeastOnce);
    let subscribed = subscribed.await.expect("the connection is driven");
    subscribed.wait_async().await.expect("the broker is there");
    let hub = HubProcess::start(&config).await;
    let (told, watched) = watch::channel(0);
    let (sent, hub) = tokio::join!(load(&broker, told), trouble(&config, hub, watched));

    let store = observe::open(&config.dir().join("data")).await;
    let store = store.expect("the store can be read");
    until_true(&format!("all to be done\n{}", hub.log()), DRAIN, || async {
        let kept = observe::messages(&store).await;
        kept.expect("the store can be read").len() >= MESSAGES
            && store.is_idle().await.expect("the store can be read")
    })
    .await;
    let messages = observe::messages(&store).await;
    let messages = messages.expect("the store can be read");
    let deliveries = observe::deliveries(&store, &messages).await;
    let deliveries = deliveries.expect("the store can be read");
    let estate = observe::estate(&store, "north").await;
    let resends = hub.log().matches("resend recognised").count();
    hub.stop().await;
    let mut receipts = Vec::new();
    while let Ok(Some(publish)) = timeout(Duration::from_secs(1), received.recv()).await {
        receipts.push(receipt(&publish));
    }
    println!(
        "{} messages, {resends} came twice; {} deliveries, {} receipts",
        messages.len(),
        deliveries.len(),
        receipts.len(),
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
        estate: estate.expect("the store can be read"),
        receipts,
    });
}

fn receipt(publish: &Publish) -> Receipt {
    let properties = publish.properties.as_ref();
    let mut properties = properties.expect("each has some").user_properties.iter();
    let id = properties.find(|(name, _)| name == "message-id");
    Receipt {
        endpoint: "erp".to_owned(),
        id: id.expect("each has an id").1.clone(),
        hash: sha256_hex(&publish.payload),
        facts: facts_of_json(&publish.payload).expect("is JSON"),
    }
}
