//! A hub that fetches from an SFTP server and delivers to it while that server is killed, the wire
//! to it fails, and the hub itself is killed, in the middle of files, under load. In the end the conservation law holds:
//! everything is there, once.
//!
//! `METERHUB_SEED` replays a run's content and faults.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use meterhub_tests::config_folder::ConfigFolder;
use meterhub_tests::files_load::{DropFolder, files_of};
use meterhub_tests::hub_process::HubProcess;
use meterhub_tests::observe;
use meterhub_tests::oracle::{History, Route, SentMessage, Tells, assert_conserved};
use meterhub_tests::proxy::{Fault, Proxy, Step, plan};
use meterhub_tests::random::{Random, seed_of_run};
use meterhub_tests::services;
use meterhub_tests::sftp_partner::{Partner, Server};
use meterhub_tests::wait::{PATIENCE, until_true};
use meterhub_tests::workload::{CSV_MAPPING, Maker};

/// Rounds of load; in each the wire fails in several ways, and server and hub are killed once.
const ROUNDS: u64 = 2;
/// Faults of the wire in a round, at most this many bytes apart.
const FAULTS: usize = 4;
const BYTES_APART: u64 = 700_000;
/// Small files of a round. Each round also has one that takes a while to transfer.
const SMALL_FILES: u64 = 12;
/// Readings in a large file: some 2 MB.
const LARGE_READINGS: u64 = 60_000;
/// Longest time until all is done once nothing fails any more: back-off may have grown.
const DRAIN: Duration = Duration::from_secs(180);

fn configuration(server: &Server, proxy: SocketAddr, partner: &Partner) -> String {
    let (remote, server) = (&partner.remote, server.table(proxy));
    format!(
        r#"
[enterprise.north]
zone = "Europe/Helsinki"

[source.readings]
enterprise = "north"
[source.readings.sftp]
path = "{remote}/in"
complete = "rename"
poll_milliseconds = 100
{server}

[inbound.readings]
from = "readings"
format = "csv"
mapping = "quarter-hours"
unknown_devices = "create"

[outbound.readings]
enterprise = "north"
on = ["meter_readings.accepted"]
format = "json"
to = ["partner", "files"]

[sink.partner]
enterprise = "north"
retry = {{ initial_milliseconds = 20, max_seconds = 1, attempts = 100000 }}
circuit = {{ failures = 3, probe_seconds = 1 }}
[sink.partner.sftp]
path = "{remote}/out"
{server}

[sink.files]
enterprise = "north"
file = {{ path = "../files", create_folder = true }}
"#
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_there_once_though_server_wire_and_hub_fail() {
    let (Some(server), Some(partner)) = (Server::found(), Partner::new()) else {
        return;
    };
    let seed = seed_of_run();
    let proxy = Proxy::start(server.address).await.expect("a proxy");
    let config = ConfigFolder::new().expect("a temporary folder");
    server.make_known(&config.dir(), proxy.address());
    config
        .write_mapping("quarter-hours", CSV_MAPPING)
        .expect("can be written");
    config
        .write(&configuration(&server, proxy.address(), &partner))
        .expect("can be written");

    let mut hub = HubProcess::start(&config).await;
    let inbox = DropFolder::open(&partner.path("in")).expect("is there");
    let mut maker = Maker::new("hes", Random::new(seed));
    let mut sent = Vec::new();
    for round in 0..ROUNDS {
        sent.extend(drop_files(&inbox, &mut maker, round));
        proxy.follow(plan(seed.wrapping_add(round), FAULTS, BYTES_APART));
        storm(&proxy, &inbox).await;
        // Also between a commit and the file's move: the next hub fetches it again, and knows it.
        hub.kill().await;
        hub = HubProcess::start(&config).await;
        proxy.heal();
    }
    // Every kind of fault has a turn, whatever the seed drew.
    sent.extend(drop_files(&inbox, &mut maker, ROUNDS));
    proxy.follow(each_fault_once());
    drained(&config, &inbox, &partner).await;
    proxy.heal();
    idle(&config).await;
    let resends = hub.log().matches("resend recognised").count();
    hub.stop().await;

    eprintln!(
        "{} files, {resends} of them came twice; the wire failed {} times, {} connections, {} MB",
        sent.len(),
        proxy.struck().len(),
        proxy.connections(),
        proxy.forwarded() / 1_000_000
    );
    assert_conserved(&history(&config, &partner, sent).await);
    assert_eq!(
        hidden(&partner.path("out")),
        Vec::<String>::new(),
        "unfinished uploads"
    );
    assert_eq!(inbox.quarantined().expect("can be read").len(), 0);
}

fn each_fault_once() -> [Step; 4] {
    let step = |fault| Step {
        after_bytes: 300_000,
        fault,
    };
    [
        step(Fault::Truncate),
        step(Fault::Stall(Duration::from_secs(4))),
        step(Fault::Cut),
        step(Fault::Heal),
    ]
}

/// Small files and a large one in their midst.
fn drop_files(inbox: &DropFolder, maker: &mut Maker, round: u64) -> Vec<SentMessage> {
    let mut sent = Vec::new();
    for number in 0..SMALL_FILES {
        let content = match number == SMALL_FILES / 2 {
            true => maker.csv(LARGE_READINGS, 0),
            false => maker.csv(20, number % 3),
        };
        inbox
            .drop_file(&format!("{round}-{number:02}.csv"), &content.bytes)
            .expect("can be dropped");
        sent.push(content.sent("readings", None, None));
    }
    sent
}

/// Kills the server while the wire fails, and waits until files move again.
async fn storm(proxy: &Proxy, inbox: &DropFolder) {
    let before = proxy.forwarded();
    until_true("the transfer to have begun", PATIENCE, || async {
        proxy.forwarded() > before + 100_000
    })
    .await;
    services::kill("sshd").await;
    services::start("sshd").await;
    let waiting = inbox.waiting().expect("can be read").len();
    until_true("files to be taken again", DRAIN, || async {
        let left = inbox.waiting().expect("can be read").len();
        left == 0 || left + 2 < waiting
    })
    .await;
}

/// Waits until all files are fetched and archived.
async fn drained(config: &ConfigFolder, inbox: &DropFolder, partner: &Partner) {
    let begun = std::time::Instant::now();
    while !inbox.waiting().expect("can be read").is_empty() {
        let log = || fs::read_to_string(config.root().join("hub.log")).unwrap_or_default();
        let left = files_of(&partner.path("in")).expect("can be read");
        assert!(begun.elapsed() < DRAIN, "{left:?} wait:\n{}", log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn idle(config: &ConfigFolder) {
    let store = observe::open(&config.dir().join("data")).await;
    let store = Arc::new(store.expect("store can be opened"));
    until_true("the hub to have done everything", DRAIN, || {
        let store = store.clone();
        async move { store.is_idle().await.expect("store can be read") }
    })
    .await;
}

async fn history(config: &ConfigFolder, partner: &Partner, sent: Vec<SentMessage>) -> History {
    let store = observe::open(&config.dir().join("data")).await;
    let store = store.expect("store can be opened");
    let messages = observe::messages(&store).await.expect("store can be read");
    let deliveries = observe::deliveries(&store, &messages).await;
    let mut receipts = Vec::new();
    for (endpoint, folder) in [
        ("partner", partner.path("out")),
        ("files", config.root().join("files")),
    ] {
        receipts.extend(observe::receipts_of_files(endpoint, &folder).expect("can be read"));
    }
    History {
        routes: vec![Route {
            name: "readings".to_owned(),
            tells: Tells::Readings,
            endpoints: vec!["partner".to_owned(), "files".to_owned()],
        }],
        sent,
        messages,
        deliveries: deliveries.expect("store can be read"),
        estate: observe::estate(&store, "north").await.expect("can be read"),
        receipts,
    }
}

fn hidden(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with('.')).collect()
}
