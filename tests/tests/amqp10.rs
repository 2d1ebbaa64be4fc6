//! A hub that speaks AMQP 1.0 between two queues of a real RabbitMQ, whose partner speaks AMQP 0-9-1:
//! the broker translates. Under load the broker crashes, or the hub does. In the end the conservation
//! law holds.

use std::time::Duration;

use hub_store::messages::Store;
use meterhub_tests::config_folder::ConfigFolder;
use meterhub_tests::hub_process::HubProcess;
use meterhub_tests::observe;
use meterhub_tests::oracle::{History, Route, SentMessage, Tells, assert_conserved};
use meterhub_tests::rabbit::Queues;
use meterhub_tests::random::{Random, seed_of_run};
use meterhub_tests::services;
use meterhub_tests::wait::until_true;
use meterhub_tests::workload::Maker;
use tokio::sync::{Mutex, watch};

const MESSAGES: usize = 300;
/// A crash comes when the partner has been told yes about so many.
const CRASHES: [usize; 2] = [80, 190];
const READINGS: u64 = 8;
const DRAIN: Duration = Duration::from_secs(120);

fn configuration(queues: &Queues) -> String {
    // Here a virtual host is no path.
    let broker = queues.broker(queues.address()).replace("/%2f", "");
    let (inbound, outbound) = (&queues.inbound, &queues.outbound);
    format!(
        r#"
[enterprise.north]
zone = "Europe/Helsinki"
[source.hes]
enterprise = "north"
[source.hes.amqp10]
{broker}
address = "/amq/queue/{inbound}"
window = 64
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
[sink.erp.amqp10]
{broker}
address = "/amq/queue/{outbound}"
outcome_timeout_seconds = 10
"#
    )
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
    queues.write_password(&config);
    config
        .write(&configuration(&queues))
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
        receipts: queues.received("erp").await,
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
