//! The hub is killed at random instants under load, again and again. In the end the conservation
//! law holds: nothing is lost, nothing is done twice.
//!
//! `METERHUB_KILLS` says how often (default 36), `METERHUB_SEED` replays a run's content and
//! instants; the schedule of the machine is its own.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use meterhub_tests::config_folder::ConfigFolder;
use meterhub_tests::files_load::DropFolder;
use meterhub_tests::http_load::{Connection, Message, send};
use meterhub_tests::hub_process::HubProcess;
use meterhub_tests::observe;
use meterhub_tests::oracle::{History, Route, SentMessage, Tells, assert_conserved};
use meterhub_tests::random::{Random, seed_of_run};
use meterhub_tests::receiver::{Behaviour, Received, Receiver};
use meterhub_tests::wait::until_true;
use meterhub_tests::workload::{CSV_MAPPING, Content, Maker};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// About one stop in eight is a graceful one, so that at least 30 are kills.
const KILLS: u64 = 36;
/// Longest time until all is done after the last kill.
const DRAIN: Duration = Duration::from_secs(180);
/// Longest time until a sender is told yes: the hub is dead most of the time.
const ACCEPTANCE: Duration = Duration::from_secs(180);
/// Messages that each partner sends from one kill to the next.
const PER_ROUND: u64 = 4;

fn configuration(erp: &str, picky: &str, mdm: &str) -> String {
    format!(
        r#"
[enterprise.north]
zone = "Europe/Helsinki"

[source.orders]
enterprise = "north"
http = {{ insecure_allow_anonymous = true }}
[source.field]
enterprise = "north"
http = {{ insecure_allow_anonymous = true }}
[source.hes-http]
enterprise = "north"
http = {{ insecure_allow_anonymous = true }}
[source.hes]
enterprise = "north"
file = {{ path = "../hes", complete = "rename", poll_milliseconds = 20 }}
[source.contractor]
enterprise = "north"
file = {{ path = "../contractor", complete = "rename", poll_milliseconds = 20 }}
[source.drops]
enterprise = "north"
file = {{ path = "../drops", complete = "rename", poll_milliseconds = 20, window = 4 }}

[inbound.orders]
from = "orders"
format = "json"
[inbound.field]
from = "field"
format = "json"
unknown_devices = "create"
[inbound.hes-http]
from = "hes-http"
format = "cim"
unknown_devices = "create"
[inbound.hes]
from = "hes"
format = "cim"
unknown_devices = "create"
[inbound.contractor]
from = "contractor"
format = "json"
unknown_devices = "create"
[inbound.drops]
from = "drops"
format = "csv"
mapping = "quarter-hours"
unknown_devices = "create"

[outbound.orders]
enterprise = "north"
on = ["work_order.created", "work_order.changed"]
format = "json"
batch = "record"
to = ["erp", "picky", "order-files"]
[outbound.readings]
enterprise = "north"
on = ["meter_readings.accepted"]
format = "json"
to = ["mdm", "reading-files"]

[sink.erp]
enterprise = "north"
retry = {{ initial_milliseconds = 20, max_seconds = 1, attempts = 100000 }}
circuit = {{ failures = 3, probe_seconds = 1 }}
http = {{ url = "{erp}" }}
[sink.picky]
enterprise = "north"
when_parked = "go-on"
retry = {{ initial_milliseconds = 20, max_seconds = 1, attempts = 100000 }}
http = {{ url = "{picky}" }}
[sink.mdm]
enterprise = "north"
retry = {{ initial_milliseconds = 20, max_seconds = 1, attempts = 100000 }}
http = {{ url = "{mdm}" }}
[sink.order-files]
enterprise = "north"
file = {{ path = "../order-files", create_folder = true }}
[sink.reading-files]
enterprise = "north"
file = {{ path = "../reading-files", create_folder = true }}
"#
    )
}

/// What partners do when they receive.
struct Partners {
    erp: Receiver,
    picky: Receiver,
    mdm: Receiver,
}

impl Partners {
    async fn start() -> Self {
        let partners = Self {
            erp: Receiver::start().await,
            picky: Receiver::start().await,
            mdm: Receiver::start().await,
        };
        partners.erp.behave(|received| match received.number % 23 {
            7 => Behaviour::TakeAndBreak,
            13 => Behaviour::Refuse(500),
            17 => Behaviour::Busy(503, 0),
            19 => Behaviour::TakeAfter(Duration::from_millis(30)),
            _ => Behaviour::Take,
        });
        // Refuses for good by content, so that the same orders are refused whenever they come.
        partners
            .picky
            .behave(|received| match is_refused(received) {
                true => Behaviour::Refuse(422),
                false => Behaviour::Take,
            });
        partners.mdm.behave(|received| match received.number % 11 {
            5 => Behaviour::TakeAndBreak,
            _ => Behaviour::Take,
        });
        partners
    }

    fn configuration(&self) -> String {
        configuration(
            &self.erp.url("/orders"),
            &self.picky.url("/orders"),
            &self.mdm.url("/readings"),
        )
    }
}

fn is_refused(received: &Received) -> bool {
    received.hash[0].is_multiple_of(16)
}

fn routes() -> Vec<Route> {
    let route = |name: &str, tells, endpoints: &[&str]| Route {
        name: name.to_owned(),
        tells,
        endpoints: endpoints
            .iter()
            .map(|&endpoint| endpoint.to_owned())
            .collect(),
    };
    vec![
        route("orders", Tells::Orders, &["erp", "picky", "order-files"]),
        route("readings", Tells::Readings, &["mdm", "reading-files"]),
    ]
}

/// The number of the current round; senders end when the channel closes.
type Rounds = watch::Receiver<u64>;

/// Waits until it is the turn of a round. Returns whether it comes.
async fn turn(rounds: &mut Rounds, round: u64) -> bool {
    rounds.wait_for(|current| *current >= round).await.is_ok()
}

type Make = fn(&mut Maker) -> Content;

/// Posts messages, one after the other, each until it is acknowledged.
async fn post_all(
    address: SocketAddr,
    source: &'static str,
    mut maker: Maker,
    make: Make,
    mut rounds: Rounds,
) -> Vec<SentMessage> {
    let mut connection = Connection::new(address);
    let path = format!("/api/v1/messages/{source}");
    let (mut sent, mut round) = (Vec::new(), 1);
    let partner = maker.within(0..u64::MAX);
    while turn(&mut rounds, round).await {
        for number in 0..PER_ROUND {
            let (content, key) = (make(&mut maker), format!("{partner:x}-{round}-{number}"));
            let message = Message {
                path: &path,
                key: Some(&key),
                content_type: "application/octet-stream",
                token: None,
                body: &content.bytes,
            };
            let acknowledged = send(&mut connection, message, ACCEPTANCE).await;
            sent.push(content.sent(source, Some(key), Some(acknowledged.message_id)));
        }
        round += 1;
    }
    sent
}

/// Drops files, whether or not the hub lives.
async fn drop_all(
    folder: DropFolder,
    source: &'static str,
    mut maker: Maker,
    make: Make,
    mut rounds: Rounds,
) -> Vec<SentMessage> {
    let (mut sent, mut round) = (Vec::new(), 1);
    while turn(&mut rounds, round).await {
        for number in 0..PER_ROUND {
            let content = make(&mut maker);
            folder
                .drop_file(&format!("{round:06}-{number}.dat"), &content.bytes)
                .expect("the folder takes files");
            sent.push(content.sent(source, None, None));
        }
        round += 1;
    }
    sent
}

/// One file in 20 takes many chunks, half of those cannot be cut.
fn some_large_cim(maker: &mut Maker) -> Content {
    match maker.within(0..40) {
        0 => maker.cim(400, 96),
        1 => maker.cim(400, 96).in_utf16(),
        _ => maker.cim(2, 24),
    }
}

fn some_large_csv(maker: &mut Maker) -> Content {
    match maker.within(0..10) {
        0 => maker.csv(4_000, 25),
        _ => maker.csv(50, 1),
    }
}

fn orders_or_readings(maker: &mut Maker) -> Content {
    match maker.within(0..4) {
        0 => maker.json_readings(1_500, 20),
        1 => maker.json_readings(10, 3),
        _ => maker.json_orders(4),
    }
}

fn start_senders(
    config: &ConfigFolder,
    random: &Random,
    rounds: &Rounds,
) -> JoinSet<Vec<SentMessage>> {
    let address = config.address();
    let mut senders = JoinSet::new();
    let maker = |name: &str, part| Maker::new(name, random.branch(part));
    for (part, name) in [(1, "erp-a"), (2, "erp-b"), (3, "erp-c")] {
        senders.spawn(post_all(
            address,
            "orders",
            maker(name, part),
            |maker| maker.json_orders(2),
            rounds.clone(),
        ));
    }
    for (part, name) in [(4, "gw-a"), (5, "gw-b")] {
        senders.spawn(post_all(
            address,
            "field",
            maker(name, part),
            |maker| maker.json_readings(8, 2),
            rounds.clone(),
        ));
    }
    senders.spawn(post_all(
        address,
        "hes-http",
        maker("hes-b", 6),
        |maker| maker.cim(1, 96),
        rounds.clone(),
    ));
    let folder =
        |name: &str| DropFolder::open(&config.root().join(name)).expect("a folder can be made");
    senders.spawn(drop_all(
        folder("hes"),
        "hes",
        maker("hes-a", 7),
        some_large_cim,
        rounds.clone(),
    ));
    senders.spawn(drop_all(
        folder("contractor"),
        "contractor",
        maker("con", 8),
        orders_or_readings,
        rounds.clone(),
    ));
    senders.spawn(drop_all(
        folder("drops"),
        "drops",
        maker("csv", 9),
        some_large_csv,
        rounds.clone(),
    ));
    senders
}

/// Kills and restarts the hub, round after round. Most kills hit a busy hub, some one that is
/// still starting.
async fn kill_again_and_again(
    config: &ConfigFolder,
    random: &mut Random,
    kills: u64,
    rounds: &watch::Sender<u64>,
) {
    for round in 1..=kills {
        let mut hub = HubProcess::spawn(config).expect("meterhub can be run");
        rounds.send_replace(round);
        if random.one_in(8) {
            // Now and then it is asked to stop, in the middle of everything.
            hub.ready().await;
            tokio::time::sleep(Duration::from_millis(random.within(0..300))).await;
            hub.stop().await;
            continue;
        }
        if random.one_in(6) {
            tokio::time::sleep(Duration::from_millis(random.within(0..60))).await;
        } else {
            // Now and then it lives long enough to get through some chunks of a large message.
            let longest = if random.one_in(6) { 2_500 } else { 400 };
            hub.ready().await;
            tokio::time::sleep(Duration::from_millis(random.within(0..longest))).await;
        }
        hub.kill().await;
    }
}

/// Waits until the senders have their yes, the folders are empty, and nothing is left to do.
async fn drained(config: &ConfigFolder, senders: JoinSet<Vec<SentMessage>>) -> Vec<SentMessage> {
    let sent = senders.join_all().await.concat();
    for name in ["hes", "contractor", "drops"] {
        let folder = DropFolder::open(&config.root().join(name)).expect("is there");
        let empty = || async { folder.waiting().expect("can be read").is_empty() };
        until_true(&format!("folder `{name}` to be empty"), DRAIN, empty).await;
    }
    let store = Arc::new(
        observe::open(&config.dir().join("data"))
            .await
            .expect("store can be opened"),
    );
    until_true("the hub to have done everything", DRAIN, || {
        let store = store.clone();
        async move { store.is_idle().await.expect("store can be read") }
    })
    .await;
    sent
}

async fn history(config: &ConfigFolder, partners: &Partners, sent: Vec<SentMessage>) -> History {
    let store = observe::open(&config.dir().join("data"))
        .await
        .expect("store can be opened");
    let messages = observe::messages(&store).await.expect("store can be read");
    let deliveries = observe::deliveries(&store, &messages)
        .await
        .expect("store can be read");
    let estate = observe::estate(&store, "north")
        .await
        .expect("store can be read");
    let mut receipts = Vec::new();
    for (endpoint, receiver) in [
        ("erp", &partners.erp),
        ("picky", &partners.picky),
        ("mdm", &partners.mdm),
    ] {
        receipts.extend(observe::receipts_of_requests(
            endpoint,
            &receiver.received(),
        ));
    }
    for endpoint in ["order-files", "reading-files"] {
        let folder = config.root().join(endpoint);
        receipts.extend(observe::receipts_of_files(endpoint, &folder).expect("folder can be read"));
        assert_eq!(
            left_overs(&folder),
            Vec::<String>::new(),
            "temporary files in `{endpoint}`"
        );
    }
    History {
        routes: routes(),
        sent,
        messages,
        deliveries,
        estate,
        receipts,
    }
}

/// Names of hidden files: what a torn write left behind.
fn left_overs(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with('.')).collect()
}

fn report(history: &History, kills: u64, resumptions: i64) {
    let count = |endpoint: &str| {
        history
            .receipts
            .iter()
            .filter(|receipt| receipt.endpoint == endpoint)
            .count()
    };
    let made = |endpoint: &str| {
        history
            .deliveries
            .iter()
            .filter(|delivery| delivery.endpoint == endpoint)
            .count()
    };
    let parked = history
        .deliveries
        .iter()
        .filter(|delivery| delivery.state == "parked")
        .count();
    eprintln!(
        "{kills} kills, {} messages, {resumptions} times one went on in its middle, {} records in the estate, \
         {} deliveries ({parked} parked), received more than once: erp {}, mdm {}",
        history.messages.len(),
        history.estate.len(),
        history.deliveries.len(),
        count("erp") - made("erp"),
        count("mdm") - made("mdm"),
    );
    assert!(parked > 0, "the picky partner refuses some");
}

/// Kills the hub whenever so many records of one large message are applied.
async fn killed_at(content: Content, applied: &[u64]) {
    let config = ConfigFolder::new().expect("a temporary folder");
    let body = "[enterprise.north]\nzone = \"Europe/Helsinki\"\n\
                [source.hes]\nenterprise = \"north\"\n\
                file = { path = \"../hes\", complete = \"rename\", poll_milliseconds = 20 }\n\
                [inbound.hes]\nfrom = \"hes\"\nformat = \"cim\"\nunknown_devices = \"create\"\n";
    config.write(body).expect("can be written");
    let folder = DropFolder::open(&config.root().join("hes")).expect("a folder can be made");
    folder
        .drop_file("large.xml", &content.bytes)
        .expect("the folder takes files");

    let mut hub = HubProcess::start(&config).await;
    let store = observe::open(&config.dir().join("data"))
        .await
        .expect("store can be opened");
    for applied in applied {
        until_true("some chunks to be applied", DRAIN, || async {
            let messages = observe::messages(&store).await.expect("store can be read");
            messages
                .first()
                .is_some_and(|message| message.applied > *applied)
        })
        .await;
        hub.kill().await;
        hub = HubProcess::start(&config).await;
    }
    until_true("the rest to be applied", DRAIN, || async {
        store.is_idle().await.expect("store can be read")
            && folder.waiting().is_ok_and(|files| files.is_empty())
    })
    .await;
    hub.stop().await;
    let resumptions = observe::resumptions(&store)
        .await
        .expect("store can be read");
    assert!(resumptions > 0, "it began anew each time");
    let messages = observe::messages(&store).await.expect("store can be read");
    let estate = observe::estate(&store, "north")
        .await
        .expect("store can be read");
    let sent = vec![content.sent("hes", None, None)];
    assert_conserved(&History {
        sent,
        messages,
        estate,
        ..History::default()
    });
}

#[tokio::test]
async fn a_large_message_goes_on_where_the_hub_was_killed() {
    let content = Maker::new("hes", Random::new(1)).cim(600, 96);
    killed_at(content, &[6_000, 12_000, 18_000]).await;
}

/// Decoding begins anew after each kill, and what was applied is skipped; so it is when the hub
/// is killed while it skips.
#[tokio::test]
async fn a_large_message_that_cannot_be_cut_goes_on_too() {
    let content = Maker::new("hes", Random::new(2)).cim(800, 96).in_utf16();
    killed_at(content, &[15_000, 15_000, 38_000, 38_000, 38_000]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_done_twice_however_often_the_hub_is_killed() {
    let seed = seed_of_run();
    let kills = std::env::var("METERHUB_KILLS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(KILLS);
    let mut random = Random::new(seed);
    let partners = Partners::start().await;
    let config = ConfigFolder::new().expect("a temporary folder");
    config
        .write_mapping("quarter-hours", CSV_MAPPING)
        .expect("can be written");
    config
        .write(&partners.configuration())
        .expect("can be written");

    let (rounds, round) = watch::channel(0);
    let senders = start_senders(&config, &random, &round);
    kill_again_and_again(&config, &mut random, kills, &rounds).await;
    drop(rounds);
    let hub = HubProcess::start(&config).await;
    let sent = drained(&config, senders).await;
    hub.stop().await;

    let history = history(&config, &partners, sent).await;
    let store = observe::open(&config.dir().join("data"))
        .await
        .expect("store can be opened");
    report(
        &history,
        kills,
        observe::resumptions(&store)
            .await
            .expect("store can be read"),
    );
    let outcome = std::panic::catch_unwind(|| assert_conserved(&history));
    if let Err(violations) = outcome {
        eprintln!(
            "METERHUB_SEED={seed}, everything is kept in {}",
            config.keep().display()
        );
        std::panic::resume_unwind(violations);
    }
}
