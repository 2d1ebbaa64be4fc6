//! Large files: from the rename into the drop folder to the last reading committed and synced.

use std::path::Path;
use std::time::{Duration, Instant};

use hub_core::{Clock, SystemClock};
use mapping_csv::synthetic::{MAPPING, Order};
use meterhub_tests::config_folder::ConfigFolder;
use meterhub_tests::hub_process::HubProcess;

use crate::Outcome;
use crate::corpus::{Corpus, Document};
use crate::hub::{self, Memory, Watch};
use crate::limits;
use crate::options::Options;
use crate::report::{Bar, Line, Report, Samples, Unit, progress};

const READINGS: Unit = Unit::PerSecond("readings");
/// Bytes of the CIM document.
const CIM_BYTES: u64 = 200_000_000;

/// (a) CIM, beside a bare quick-xml pass.
///
/// # Errors
/// The hub lost or refused something, or the machine refuses.
pub(crate) async fn cim(options: &Options, corpus: &Corpus, report: &mut Report) -> Outcome<()> {
    let document = corpus.cim(options.size(CIM_BYTES))?;
    let case = Case {
        what: "(a) CIM file dropped to readings synced",
        format: "cim",
        bar: Bar::AtLeast(800_000.0),
        limit: ("one-core quick-xml pass", limits::quick_xml_pass),
    };
    case.run(options, corpus, &document, report).await
}

/// (b) CSV in both orders of rows, beside a bare pass of the `csv` crate.
///
/// # Errors
/// As [`cim`].
pub(crate) async fn csv(options: &Options, corpus: &Corpus, report: &mut Report) -> Outcome<()> {
    let cases = [
        (Order::MeterMajor, "(b) CSV file, meter by meter"),
        (Order::TimeMajor, "(b) CSV file, time by time"),
    ];
    for (order, what) in cases {
        let document = corpus.csv(options, order)?;
        let case = Case {
            what,
            format: "csv",
            bar: Bar::AtLeast(3_000_000.0),
            limit: ("one-core csv pass", limits::csv_pass),
        };
        case.run(options, corpus, &document, report).await?;
    }
    Ok(())
}

/// (c) Peak memory for CIM documents of 200 MB and ten times that.
///
/// # Errors
/// As [`cim`].
pub(crate) async fn memory(options: &Options, corpus: &Corpus, report: &mut Report) -> Outcome<()> {
    for (what, bytes) in [("200 MB", CIM_BYTES), ("2 GB", 10 * CIM_BYTES)] {
        let document = corpus.cim(options.size(bytes))?;
        let run = ingest(corpus.folder(), "cim", &document).await?;
        progress(&format!("{} readings in {:?}", document.readings, run.took));
        report.add(Line {
            what: format!("(c) peak memory, {what} of CIM"),
            figure: [run.peak].into_iter().collect(),
            unit: Unit::Bytes,
            bar: Bar::AtMost(150.0 * 1_048_576.0),
            limit: None,
        });
    }
    Ok(())
}

struct Case {
    what: &'static str,
    format: &'static str,
    bar: Bar,
    limit: (&'static str, Probe),
}

/// Reads a document of so many readings without a hub; the readings per second.
type Probe = fn(&Path, u64) -> Outcome<f64>;

impl Case {
    async fn run(
        &self,
        options: &Options,
        corpus: &Corpus,
        document: &Document,
        report: &mut Report,
    ) -> Outcome<()> {
        let (mut figure, mut limit) = (Samples::default(), Samples::default());
        let (mut accepting, mut cpu, mut peak) =
            (Samples::default(), Samples::default(), Samples::default());
        for number in 1..=options.runs() {
            limit.push((self.limit.1)(&document.path, document.readings)?);
            let run = ingest(corpus.folder(), self.format, document).await?;
            figure.push(document.readings as f64 / run.took.as_secs_f64());
            progress(&format!(
                "{}: run {number}: {:?}, of it {:?} until accepted; {:.2} s on the cores; peak {:.0} MiB",
                self.what,
                run.took,
                run.accepting,
                run.cpu,
                run.peak / 1_048_576.0
            ));
            accepting.push(run.accepting.as_secs_f64() / run.took.as_secs_f64());
            cpu.push(run.cpu / run.took.as_secs_f64());
            peak.push(run.peak / 1_048_576.0);
        }
        report.add(Line {
            what: self.what.to_owned(),
            figure,
            unit: READINGS,
            bar: self.bar,
            limit: Some((self.limit.0.to_owned(), limit)),
        });
        report.note(format!(
            "{}: {:.0} % of the time passes until the file is accepted (found, hashed, synced, claimed); {:.1} \
             cores are busy on average; peak memory {:.0} MiB.",
            self.what,
            accepting.median() * 100.0,
            cpu.median(),
            peak.median()
        ));
        Ok(())
    }
}

/// One file taken in.
struct Run {
    /// From the rename to the commit of the last reading.
    took: Duration,
    /// From the rename to the claim.
    accepting: Duration,
    /// Time spent on the cores in all, in seconds.
    cpu: f64,
    /// Most memory that was resident, in bytes.
    peak: f64,
}

async fn ingest(disk: &Path, format: &str, document: &Document) -> Outcome<Run> {
    let config = drop_folder(disk, format)?;
    let hub = HubProcess::start(&config).await;
    let run = drop_and_wait(&config, &hub, document).await;
    hub.stop().await;
    run
}

/// The folder of a hub that has taken in a CIM document.
///
/// # Errors
/// It did not take all of it.
pub(crate) async fn filled(disk: &Path, document: &Document) -> Outcome<ConfigFolder> {
    let config = drop_folder(disk, "cim")?;
    let hub = HubProcess::start(&config).await;
    drop_and_wait(&config, &hub, document).await?;
    hub.stop().await;
    Ok(config)
}

/// A hub that takes files of one format from the folder `in`.
///
/// # Errors
/// The disk refuses.
pub(crate) fn drop_folder(disk: &Path, format: &str) -> Outcome<ConfigFolder> {
    let mapping = if format == "csv" {
        "mapping = \"readings\"\n"
    } else {
        ""
    };
    let config = hub::folder(
        disk,
        &format!(
            "[source.in]\nenterprise = \"north\"\n\
             [source.in.file]\npath = \"../in\"\ncomplete = \"rename\"\npoll_milliseconds = 10\n\n\
             [inbound.readings]\nfrom = \"in\"\nformat = \"{format}\"\n{mapping}unknown_devices = \"create\"\n"
        ),
    )?;
    config.write_mapping("readings", MAPPING)?;
    config.partner("in")?;
    Ok(config)
}

/// Drops a copy of the document and waits until all of it is stored.
///
/// # Errors
/// Something of it was not.
async fn drop_and_wait(
    config: &ConfigFolder,
    hub: &HubProcess,
    document: &Document,
) -> Outcome<Run> {
    let watch = Watch::open(config)?;
    let cpu = hub::cpu_seconds(hub)?;
    let (hidden, name) = (
        config.root().join("in/.upload"),
        config.root().join("in/upload.dat"),
    );
    // On disk before it is dropped: how fast the partner's bytes get there is not the hub's doing.
    std::fs::copy(&document.path, &hidden)?;
    std::fs::File::open(&hidden)?.sync_all()?;
    let (begun, dropped) = (Instant::now(), SystemClock.now());
    std::fs::rename(&hidden, &name)?;
    let done = watch.message_done().await?;
    let took = begun.elapsed();
    if done.applied != document.readings || done.findings > 0 {
        let (applied, findings) = (done.applied, done.findings);
        let expected = document.readings;
        return Err(format!(
            "{applied} of {expected} readings were applied, with {findings} findings"
        )
        .into());
    }
    let accepting = (done.accepted - dropped.micros()).max(0);
    let accepting = Duration::from_micros(accepting.cast_unsigned());
    Ok(Run {
        took,
        accepting,
        cpu: hub::cpu_seconds(hub)? - cpu,
        peak: hub::memory(hub, Memory::Peak)?,
    })
}
