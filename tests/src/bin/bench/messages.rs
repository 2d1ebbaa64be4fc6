//! (d) Small messages: over HTTP in, each stored and synced before its 202, and over HTTP or as
//! files out.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use meterhub_tests::config_folder::ConfigFolder;
use meterhub_tests::hub_process::HubProcess;

use crate::Outcome;
use crate::corpus::Corpus;
use crate::hub::{self, Watch};
use crate::limits;
use crate::load::{Load, Sent};
use crate::options::Options;
use crate::receiver::Receiver;
use crate::relay::{PARALLEL, Relay};
use crate::report::{Bar, Line, Report, Samples, Unit, progress};

const MESSAGES: Unit = Unit::PerSecond("messages");
/// Connections of the sender, one request under way on each.
pub(crate) const CONNECTIONS: usize = 256;
/// Messages of a run over HTTP.
const COUNT: u64 = 50_000;

/// A way through the hub.
struct Way {
    what: &'static str,
    inbound: &'static str,
    sink: Sink,
    count: u64,
    bar: Bar,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sink {
    Http,
    File,
}

/// Work orders are decoded, stored, and told as JSON, one document each.
pub(crate) const DECODED: &str = "[inbound.orders]\nfrom = \"in\"\nformat = \"json\"\n\n\
     [outbound.orders]\nenterprise = \"north\"\non = [\"work_order.created\"]\nformat = \"json\"\n\
     batch = \"record\"\nto = [\"out\"]\n\n";
/// Messages are stored and passed on as they are.
const OPAQUE: &str = "[inbound.orders]\nfrom = \"in\"\nformat = \"opaque\"\nto = [\"out\"]\n\n";

const WAYS: [Way; 3] = [
    Way {
        what: "(d) HTTP to HTTP, work orders decoded, stored and told",
        inbound: DECODED,
        sink: Sink::Http,
        count: COUNT,
        bar: Bar::AtLeast(10_000.0),
    },
    Way {
        what: "(d) HTTP to HTTP, passed on as they are",
        inbound: OPAQUE,
        sink: Sink::Http,
        count: COUNT,
        bar: Bar::AtLeast(10_000.0),
    },
    Way {
        what: "(d) HTTP to file, work orders decoded, stored and told",
        inbound: DECODED,
        sink: Sink::File,
        count: COUNT / 2,
        bar: Bar::None,
    },
];

/// Runs all ways, beside what the disk and the HTTP libraries do.
///
/// # Errors
/// A message was not accepted, was lost, or the machine refuses.
pub(crate) async fn run(options: &Options, corpus: &Corpus, report: &mut Report) -> Outcome<()> {
    let disk = corpus.folder();
    let (mut syncs, mut commits) = (Samples::default(), Samples::default());
    let mut ceiling = Samples::default();
    let mut taken: Vec<Taken> = WAYS.iter().map(|_| Taken::default()).collect();
    for number in 1..=options.runs() {
        syncs.push(limits::synced_appends(disk)?);
        commits.push(limits::sqlite_commits(disk)?);
        ceiling.push(relayed(options.size(COUNT)).await?);
        for (way, taken) in WAYS.iter().zip(&mut taken) {
            taken.add(way, number, pass(disk, way, options.size(way.count)).await?);
        }
    }
    for (way, taken) in WAYS.iter().zip(taken) {
        let limit = match way.sink {
            Sink::Http => ("same HTTP libraries, no store", ceiling.clone()),
            Sink::File => ("synced 4 KiB writes", syncs.clone()),
        };
        report.add(Line {
            what: way.what.to_owned(),
            figure: taken.delivered,
            unit: MESSAGES,
            bar: way.bar,
            limit: Some((limit.0.to_owned(), limit.1)),
        });
        report.add(Line {
            what: format!("{}: 202s", way.what),
            figure: taken.accepted,
            unit: MESSAGES,
            bar: Bar::None,
            limit: Some(("synced 4 KiB writes".to_owned(), syncs.clone())),
        });
        let (half, most) = (taken.half.median() * 1e3, taken.most.median() * 1e3);
        report.note(format!(
            "{}: half of the 202s come within {half:.1} ms, 99 in 100 within {most:.1} ms, with \
             {CONNECTIONS} requests under way; a message costs the hub {:.0} µs on a core.",
            way.what,
            taken.cpu.median() * 1e6
        ));
    }
    report.note(format!(
        "(d) SQLite alone does {:.0} synced commits of one row a second here; the hub's commits hold many messages.",
        commits.median()
    ));
    Ok(())
}

/// What the runs of one way came to.
#[derive(Default)]
struct Taken {
    delivered: Samples,
    accepted: Samples,
    half: Samples,
    most: Samples,
    /// Seconds on a core for each message.
    cpu: Samples,
}

impl Taken {
    fn add(&mut self, way: &Way, number: usize, run: Run) {
        progress(&format!(
            "{}: run {number}: {:.0}/s delivered, {:.0}/s accepted, 202 within {:?} (p50), {:?} (p99), \
             {:.0} µs on a core each",
            way.what,
            run.delivered,
            run.accepted,
            run.half,
            run.most,
            run.cpu * 1e6
        ));
        self.delivered.push(run.delivered);
        self.accepted.push(run.accepted);
        self.half.push(run.half.as_secs_f64());
        self.most.push(run.most.as_secs_f64());
        self.cpu.push(run.cpu);
    }
}

/// One run of one way.
struct Run {
    /// Messages a second, from the first request to the last delivery.
    delivered: f64,
    /// Messages a second, from the first request to the last 202.
    accepted: f64,
    half: Duration,
    most: Duration,
    cpu: f64,
}

impl Run {
    fn new(count: u64, sent: &Sent, took: Duration, cpu_seconds: f64) -> Self {
        Self {
            delivered: count as f64 / took.as_secs_f64(),
            accepted: count as f64 / sent.took.as_secs_f64(),
            half: sent.percentile(50),
            most: sent.percentile(99),
            cpu: cpu_seconds / count as f64,
        }
    }
}

async fn relayed(count: u64) -> Outcome<f64> {
    let receiver = Receiver::start(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let relay = Relay::start(receiver.address())?;
    let sent = load(relay.address(), "/in", count).send().await?;
    let took = receiver.last_of(count).await? - sent.begun;
    Ok(count as f64 / took.as_secs_f64())
}

/// Work orders to an HTTP source.
pub(crate) fn load(address: SocketAddr, path: &str, count: u64) -> Load {
    Load {
        address,
        path: path.to_owned(),
        count,
        connections: CONNECTIONS,
        body: work_order,
    }
}

/// A work order of about 500 bytes, as an ERP says it.
fn work_order(number: u64, out: &mut Vec<u8>) {
    use std::io::Write;
    let (street, town) = (number % 300, number % 17);
    let written = writeln!(
        out,
        "{{\"record\":\"work_order\",\"number\":\"45{number:08}\",\"revision\":1,\"kind\":\"exchange\",\
         \"priority\":5,\"usage_point\":\"6430075720{number:08}\",\"device\":\"MTR{number:09}\",\
         \"address\":{{\"street\":\"Harbour Street {street}\",\"postal_code\":\"20{town:03}\",\"town\":\"Turku\"}},\
         \"window\":{{\"start\":\"2026-03-02T06:00:00Z\",\"end\":\"2026-03-06T14:00:00Z\"}},\
         \"customer_name\":\"Customer {number}\",\"customer_phone\":\"+358 40 {number:07}\",\
         \"comment\":\"Meter is in the cellar; the key is with the caretaker. Call before you come.\"}}"
    );
    written.expect("writing to memory does not fail");
}

/// The configuration of an HTTP source `in` and an HTTP sink `out`.
///
/// # Errors
/// The disk refuses.
pub(crate) fn http_to_http(disk: &Path, inbound: &str, to: SocketAddr) -> Outcome<ConfigFolder> {
    configured(
        disk,
        inbound,
        &format!("[sink.out.http]\nurl = \"http://{to}/out\"\n"),
    )
}

fn configured(disk: &Path, inbound: &str, sink: &str) -> Outcome<ConfigFolder> {
    hub::folder(
        disk,
        &format!(
            "[source.in]\nenterprise = \"north\"\n[source.in.http]\ninsecure_allow_anonymous = true\n\n\
             [sink.out]\nenterprise = \"north\"\nparallel = {PARALLEL}\n{sink}\n{inbound}"
        ),
    )
}

async fn pass(disk: &Path, way: &Way, count: u64) -> Outcome<Run> {
    match way.sink {
        Sink::Http => over_http(disk, way, count).await,
        Sink::File => as_files(disk, way, count).await,
    }
}

async fn over_http(disk: &Path, way: &Way, count: u64) -> Outcome<Run> {
    let receiver = Receiver::start(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let config = http_to_http(disk, way.inbound, receiver.address())?;
    let hub = HubProcess::start(&config).await;
    let sent = load(hub.address(), "/api/v1/messages/in", count)
        .send()
        .await?;
    let took = receiver.last_of(count).await? - sent.begun;
    settled(&config, count).await?;
    if receiver.repeated() > 0 {
        progress(&format!(
            "{} deliveries came more than once",
            receiver.repeated()
        ));
    }
    let cpu = hub::cpu_seconds(&hub)?;
    hub.stop().await;
    Ok(Run::new(count, &sent, took, cpu))
}

async fn as_files(disk: &Path, way: &Way, count: u64) -> Outcome<Run> {
    let config = configured(disk, way.inbound, "[sink.out.file]\npath = \"../out\"\n")?;
    let folder = config.partner("out")?;
    let hub = HubProcess::start(&config).await;
    let sent = load(hub.address(), "/api/v1/messages/in", count)
        .send()
        .await?;
    settled(&config, count).await?;
    let took = sent.begun.elapsed();
    let files = std::fs::read_dir(&folder)?.count() as u64;
    if files != count {
        return Err(format!("{files} files were delivered, not {count}").into());
    }
    let cpu = hub::cpu_seconds(&hub)?;
    hub.stop().await;
    Ok(Run::new(count, &sent, took, cpu))
}

/// Waits until the store knows of every delivery, and looks whether it knows of all.
async fn settled(config: &ConfigFolder, count: u64) -> Outcome<()> {
    let watch = Watch::open(config)?;
    watch.all_done().await?;
    let (messages, delivered) = (
        watch.count("SELECT COUNT(*) FROM message WHERE state = 2")?,
        watch.count("SELECT COUNT(*) FROM delivery WHERE state = 3")?,
    );
    if (messages, delivered) == (count, count) {
        return Ok(());
    }
    Err(format!("of {count} messages {messages} were processed and {delivered} delivered").into())
}
