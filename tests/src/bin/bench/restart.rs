//! (e) How soon a hub that was killed is back at work, and (f) how soon one is ready, and how
//! little it needs when idle.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use meterhub_tests::config_folder::{ConfigFolder, free_address};
use meterhub_tests::hub_process::{HubProcess, binary};

use crate::Outcome;
use crate::corpus::Corpus;
use crate::hub::{self, Memory, Watch};
use crate::ingest;
use crate::messages::{DECODED, http_to_http, load};
use crate::options::Options;
use crate::receiver::Receiver;
use crate::report::{Bar, Line, Report, Samples, Unit, progress};

/// Messages accepted before the kill.
const QUEUED: u64 = 100_000;
/// A hub is idle when it has done nothing for so long.
const IDLE: Duration = Duration::from_secs(2);
/// Bytes of CIM in the store of a hub that starts with data.
const DATA_BYTES: u64 = 200_000_000;

/// (e) Accepts messages for a partner that does not answer, is killed, and starts again.
///
/// # Errors
/// Something was lost, or the machine refuses.
pub(crate) async fn after_a_kill(
    options: &Options,
    corpus: &Corpus,
    report: &mut Report,
) -> Outcome<()> {
    let count = options.size(QUEUED);
    let (mut ready, mut first, mut all) =
        (Samples::default(), Samples::default(), Samples::default());
    let mut bare = Samples::default();
    let mut open = String::new();
    for number in 1..=options.runs() {
        bare.push(process_start()?);
        let run = kill_and_restart(corpus.folder(), count).await?;
        progress(&format!("(e) run {number}: {run:?}"));
        ready.push(run.ready.as_secs_f64());
        first.push(run.first.as_secs_f64());
        all.push(count as f64 / run.all.as_secs_f64());
        open = format!(
            "{} messages were not processed and {} deliveries pending",
            run.unprocessed, run.pending
        );
    }
    let limit = Some(("start of the bare process".to_owned(), bare));
    let line = |what: &str, figure: Samples, bar| Line {
        what: format!("(e) after SIGKILL with {count} messages queued, {what}"),
        figure,
        unit: Unit::Seconds,
        bar,
        limit: limit.clone(),
    };
    report.add(line("start to ready", ready, Bar::AtMost(2.0)));
    report.add(line("start to first delivery", first, Bar::AtMost(2.0)));
    report.note(format!(
        "(e) At the kill, {open}; after it, the hub delivered all at {:.0} messages/s.",
        all.median()
    ));
    Ok(())
}

/// One kill.
#[derive(Debug)]
struct Recovery {
    unprocessed: u64,
    pending: u64,
    /// From the start of the process.
    ready: Duration,
    first: Duration,
    all: Duration,
}

async fn kill_and_restart(disk: &Path, count: u64) -> Outcome<Recovery> {
    let address = free_address()?;
    let config = http_to_http(disk, DECODED, address)?;
    let hub = HubProcess::start(&config).await;
    load(hub.address(), "/api/v1/messages/in", count)
        .send()
        .await?;
    hub.kill().await;
    let (unprocessed, pending) = queued(&config)?;
    let receiver = Receiver::start(SocketAddr::from(([127, 0, 0, 1], address.port())))?;
    let begun = Instant::now();
    let mut hub = HubProcess::spawn(&config)?;
    hub.ready().await;
    let ready = begun.elapsed();
    let first = receiver.first().await? - begun;
    let all = receiver.last_of(count).await? - begun;
    Watch::open(&config)?.all_done().await?;
    hub.stop().await;
    Ok(Recovery {
        unprocessed,
        pending,
        ready,
        first,
        all,
    })
}

/// Messages and deliveries that the killed hub left open.
fn queued(config: &ConfigFolder) -> Outcome<(u64, u64)> {
    let watch = Watch::open(config)?;
    Ok((
        watch.count("SELECT COUNT(*) FROM message WHERE state <= 1")?,
        watch.count("SELECT COUNT(*) FROM delivery WHERE state <= 1")?,
    ))
}

/// (f) Start to ready, and memory when idle: with nothing, and with a day of readings.
///
/// # Errors
/// The hub does not start, or the machine refuses.
pub(crate) async fn start_up(
    options: &Options,
    corpus: &Corpus,
    report: &mut Report,
) -> Outcome<()> {
    let document = corpus.cim(options.size(DATA_BYTES))?;
    let full = ingest::filled(corpus.folder(), &document).await?;
    let mut bare = Samples::default();
    let mut figures = [Samples::default(), Samples::default()];
    let mut idle = figures.clone();
    for _ in 0..options.runs() {
        bare.push(process_start()?);
        // A hub's first start, which makes its database.
        let empty = ingest::drop_folder(corpus.folder(), "cim")?;
        for (number, config) in [&empty, &full].into_iter().enumerate() {
            let (ready, memory) = start_and_rest(config).await?;
            figures[number].push(ready.as_secs_f64());
            idle[number].push(memory);
        }
    }
    let names = [
        "an empty folder".to_owned(),
        format!("{} readings", document.readings),
    ];
    for ((name, ready), idle) in names.iter().zip(figures).zip(idle) {
        report.add(Line {
            what: format!("(f) start to ready, {name}"),
            figure: ready,
            unit: Unit::Seconds,
            bar: Bar::AtMost(0.3),
            limit: Some(("start of the bare process".to_owned(), bare.clone())),
        });
        report.add(Line {
            what: format!("(f) memory after {} s idle, {name}", IDLE.as_secs()),
            figure: idle,
            unit: Unit::Bytes,
            bar: Bar::AtMost(60.0 * 1_048_576.0),
            limit: None,
        });
    }
    Ok(())
}

async fn start_and_rest(config: &ConfigFolder) -> Outcome<(Duration, f64)> {
    let begun = Instant::now();
    let mut hub = HubProcess::spawn(config)?;
    hub.ready().await;
    let ready = begun.elapsed();
    tokio::time::sleep(IDLE).await;
    let memory = hub::memory(&hub, Memory::Now)?;
    hub.stop().await;
    Ok((ready, memory))
}

/// The least a start can take: the same program saying its version.
fn process_start() -> Outcome<f64> {
    let begun = Instant::now();
    let ended = Command::new(binary())
        .arg("--version")
        .stdout(Stdio::null())
        .status()?;
    match ended.success() {
        true => Ok(begun.elapsed().as_secs_f64()),
        false => Err("meterhub does not say its version".into()),
    }
}
