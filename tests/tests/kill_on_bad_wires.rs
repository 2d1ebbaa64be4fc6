//! The hub is killed at random instants while it takes from a real broker and a real SFTP server and
//! delivers to both, over wires that are cut, truncated, delayed, throttled and stalled. In the end
//! the conservation law holds.
//!
//! `METERHUB_KILLS` says how often (default 16), `METERHUB_SEED` replays content, instants and
//! faults; the schedule of the machine is its own.

use std::net::SocketAddr;
use std::time::Duration;

use meterhub_tests::config_folder::ConfigFolder;
use meterhub_tests::files_load::DropFolder;
use meterhub_tests::hub_process::HubProcess;
use meterhub_tests::observe;
use meterhub_tests::oracle::{History, Route, SentMessage, Tells, assert_conserved};
use meterhub_tests::proxy::{Proxy, plan};
use meterhub_tests::rabbit::Queues;
use meterhub_tests::random::{Random, seed_of_run};
use meterhub_tests::sftp_partner::{Partner, Server};
use meterhub_tests::wait::until_true;
use meterhub_tests::workload::{CSV_MAPPING, Maker};

const KILLS: u64 = 16;
/// Messages and files of a round. One file of a round takes a while to transfer.
const MESSAGES: u64 = 12;
const FILES: u64 = 4;
const READINGS: u64 = 8;
const LARGE_READINGS: u64 = 20_000;
/// Faults of each wire in a round, at most so many bytes apart: some 1 MB goes over it.
const FAULTS: usize = 3;
const BYTES_APART: u64 = 150_000;
/// Longest life of a hub: to connect to both, and to get something done.
const LIFE: Duration = Duration::from_millis(2_500);
/// Longest time until all is done once nothing fails any more: back-off may have grown.
const DRAIN: Duration = Duration::from_secs(180);

/// The partners at both ends of the bad wires.
struct Partners {
    queues: Queues,
    server: Server,
    folders: Partner,
}

impl Partners {
    async fn found() -> Option<Self> {
        Some(Self {
            queues: Queues::declare().await?,
            server: Server::found()?,
            folders: Partner::new()?,
        })
    }

    fn configuration(&self, broker: SocketAddr, sftp: SocketAddr) -> String {
        let (broker, server) = (self.queues.broker(broker), self.server.table(sftp));
        let (inbound, outbound) = (&self.queues.inbound, &self.queues.outbound);
        let remote = &self.folders.remote;
        format!(
            r#"
[enterprise.north]
zone = "Europe/Helsinki"

[source.hes]
enterprise = "north"
[source.hes.amqp]
{broker}
queue = "{inbound}"
window = 8
dead_letter_exchange = ""
dead_letter_routing_key = "{inbound}.dead"
[inbound.hes]
from = "hes"
format = "cim"
unknown_devices = "create"

[source.drops]
enterprise = "north"
[source.drops.sftp]
path = "{remote}/in"
complete = "rename"
poll_milliseconds = 100
{server}
[inbound.drops]
from = "drops"
format = "csv"
mapping = "quarter-hours"
unknown_devices = "create"

[outbound.readings]
enterprise = "north"
on = ["meter_readings.accepted"]
format = "json"
to = ["erp", "partner"]

[sink.erp]
enterprise = "north"
retry = {{ initial_milliseconds = 20, max_seconds = 1, attempts = 100000 }}
circuit = {{ failures = 3, probe_seconds = 1 }}
[sink.erp.amqp]
{broker}
routing_key = "{outbound}"
confirm_timeout_seconds = 5

[sink.partner]
enterprise = "north"
retry = {{ initial_milliseconds = 20, max_seconds = 1, attempts = 100000 }}
circuit = {{ failures = 3, probe_seconds = 1 }}
[sink.partner.sftp]
path = "{remote}/out"
{server}
"#
        )
    }

    fn inbox(&self) -> DropFolder {
        DropFolder::open(&self.folders.path("in")).expect("is there")
    }
}

/// What partners send: messages to the queue, files to the server.
struct Load<'p> {
    partners: &'p Partners,
    inbox: DropFolder,
    messages: Maker,
    files: Maker,
    sent: Vec<SentMessage>,
}

impl<'p> Load<'p> {
    fn new(partners: &'p Partners, random: &Random) -> Self {
        Self {
            partners,
            inbox: partners.inbox(),
            messages: Maker::new("hes", random.branch(1)),
            files: Maker::new("csv", random.branch(2)),
            sent: Vec::new(),
        }
    }

    async fn round(&mut self, round: u64) {
        let mut connection = None;
        for number in 0..MESSAGES {
            let content = self.messages.cim(1, READINGS);
            let key = format!("hes-{round}-{number}");
            let queues = &self.partners.queues;
            queues.send(&key, &content.bytes, &mut connection).await;
            self.sent.push(content.sent("hes", Some(key), None));
        }
        for number in 0..FILES {
            let content = match number {
                0 => self.files.csv(LARGE_READINGS, 1),
                _ => self.files.csv(20, number % 3),
            };
            let name = format!("{round:04}-{number}.csv");
            let dropped = self.inbox.drop_file(&name, &content.bytes);
            dropped.expect("the folder takes files");
            self.sent.push(content.sent("drops", None, None));
        }
    }
}

fn kills() -> u64 {
    let asked = std::env::var("METERHUB_KILLS").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(KILLS)
}

/// Lives of the hub, each of which ends with a kill, over wires that fail as the seed says.
async fn kill_again_and_again(
    config: &ConfigFolder,
    load: &mut Load<'_>,
    wires: [&Proxy; 2],
    seed: u64,
) {
    let mut random = Random::new(seed);
    for round in 0..kills() {
        for (wire, proxy) in (0..).zip(wires) {
            proxy.follow(plan(seed ^ (round * 2 + wire), FAULTS, BYTES_APART));
        }
        let hub = HubProcess::spawn(config).expect("meterhub can be run");
        load.round(round).await;
        let longest = u64::try_from(LIFE.as_millis()).unwrap_or(u64::MAX);
        tokio::time::sleep(Duration::from_millis(random.within(0..longest))).await;
        hub.kill().await;
    }
    wires.iter().for_each(|proxy| {
        proxy.follow([]);
        proxy.heal();
    });
}

/// Waits until everything was fetched, and nothing is left to do.
async fn drained(config: &ConfigFolder, hub: &HubProcess, load: &Load<'_>) {
    let store = observe::open(&config.dir().join("data")).await;
    let store = store.expect("the store can be opened");
    let what = format!("all to be done\n{}", hub.log());
    until_true(&what, DRAIN, || async {
        let kept = observe::messages(&store).await;
        let waiting = load.inbox.waiting().expect("can be read");
        let idle = store.is_idle().await;
        waiting.is_empty()
            && kept.expect("can be read").len() >= load.sent.len()
            && idle.expect("can be read")
    })
    .await;
}

async fn history(config: &ConfigFolder, partners: &Partners, sent: Vec<SentMessage>) -> History {
    let store = observe::open(&config.dir().join("data")).await;
    let store = store.expect("the store can be opened");
    let messages = observe::messages(&store).await.expect("can be read");
    let deliveries = observe::deliveries(&store, &messages).await;
    let mut receipts = partners.queues.received("erp").await;
    let files = observe::receipts_of_files("partner", &partners.folders.path("out"));
    receipts.extend(files.expect("can be read"));
    History {
        routes: vec![Route {
            name: "readings".to_owned(),
            tells: Tells::Readings,
            endpoints: vec!["erp".to_owned(), "partner".to_owned()],
        }],
        sent,
        deliveries: deliveries.expect("can be read"),
        estate: observe::estate(&store, "north").await.expect("can be read"),
        messages,
        receipts,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_done_twice_over_bad_wires_however_often_the_hub_is_killed() {
    let Some(partners) = Partners::found().await else {
        return;
    };
    let seed = seed_of_run();
    let broker = Proxy::start(partners.queues.address())
        .await
        .expect("a proxy");
    let sftp = Proxy::start(partners.server.address)
        .await
        .expect("a proxy");
    let config = ConfigFolder::new().expect("a temporary folder");
    let mapping = config.write_mapping("quarter-hours", CSV_MAPPING);
    mapping.expect("can be written");
    partners.queues.write_password(&config);
    partners.server.make_known(&config.dir(), sftp.address());
    let text = partners.configuration(broker.address(), sftp.address());
    config.write(&text).expect("can be written");

    let mut load = Load::new(&partners, &Random::new(seed));
    kill_again_and_again(&config, &mut load, [&broker, &sftp], seed).await;
    let hub = HubProcess::start(&config).await;
    drained(&config, &hub, &load).await;
    let resends = hub.log().matches("resend recognised").count();
    hub.stop().await;

    let history = history(&config, &partners, load.sent).await;
    let struck = [&broker, &sftp].map(|wire| wire.struck().len());
    eprintln!(
        "{} kills, {} messages, {resends} of them came twice, {} deliveries, {} receipts; the wires \
         failed {} and {} times",
        kills(),
        history.messages.len(),
        history.deliveries.len(),
        history.receipts.len(),
        struck[0],
        struck[1],
    );
    let all_struck = struck.iter().all(|faults| *faults > 0);
    assert!(
        kills() == 0 || all_struck,
        "a wire never failed: {struck:?}"
    );
    let outcome = std::panic::catch_unwind(|| assert_conserved(&history));
    if let Err(violations) = outcome {
        let kept = config.keep();
        eprintln!(
            "METERHUB_SEED={seed}, everything is kept in {}",
            kept.display()
        );
        std::panic::resume_unwind(violations);
    }
}
