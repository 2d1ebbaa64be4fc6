//! The hub and the bare client in turn, and a row of the table for both.

use std::path::Path;
use std::time::Duration;

use crate::Outcome;
use crate::options::Options;
use crate::report::{Bar, Line, Report, Samples, Unit, progress};

/// What the hub must keep of the bare client's messages a second.
const SHARE_OF_MESSAGES: f64 = 0.5;
/// What it must keep of its megabytes a second with a large file.
const SHARE_OF_BYTES: f64 = 0.8;
/// Bytes of a large file.
const LARGE_BYTES: u64 = 1024 * 1024 * 1024;
/// The same with `--quick`.
const LARGE_BYTES_QUICK: u64 = 256 * 1024 * 1024;

/// Where rows go.
pub(super) struct Table<'a> {
    options: &'a Options,
    disk: &'a Path,
    report: &'a mut Report,
}

/// How much goes one way in a run.
#[derive(Debug, Clone, Copy)]
pub(super) enum Size {
    /// So many messages.
    Messages(u64),
    /// A file of so many bytes.
    Bytes(u64),
}

/// One row.
#[derive(Debug, Clone)]
pub(super) struct Way {
    /// What goes where: `amqp in, 1 KB`.
    pub(super) what: &'static str,
    /// The client without a hub: `lapin alone`.
    pub(super) bare: &'static str,
    /// How much.
    pub(super) size: Size,
}

impl<'a> Table<'a> {
    pub(super) fn new(options: &'a Options, disk: &'a Path, report: &'a mut Report) -> Self {
        Self {
            options,
            disk,
            report,
        }
    }

    /// The disk that is measured.
    pub(super) fn disk(&self) -> &'a Path {
        self.disk
    }

    /// Messages of a run.
    pub(super) fn messages(&self, full: u64) -> u64 {
        self.options.size(full)
    }

    /// Bytes of the large file.
    pub(super) fn large_bytes(&self) -> u64 {
        match self.options.quick {
            true => LARGE_BYTES_QUICK,
            false => LARGE_BYTES,
        }
    }

    /// Adds what stands below the table.
    pub(super) fn note(&mut self, note: String) {
        self.report.note(note);
    }

    /// Runs both in turn, each so often as the options say, and adds the row. Both give the time
    /// that their run took, without what came before and after it. What fails leaves a note in the
    /// place of the row.
    pub(super) async fn compare(
        &mut self,
        way: Way,
        hub: impl AsyncFnMut() -> Outcome<Duration>,
        bare: impl AsyncFnMut() -> Outcome<Duration>,
    ) -> Outcome<()> {
        let what = way.what;
        if let Err(problem) = self.try_compare(way, hub, bare).await {
            self.note(format!("(g) {what}: not measured: {problem}"));
        }
        Ok(())
    }

    async fn try_compare(
        &mut self,
        way: Way,
        mut hub: impl AsyncFnMut() -> Outcome<Duration>,
        mut bare: impl AsyncFnMut() -> Outcome<Duration>,
    ) -> Outcome<()> {
        let (mut with, mut without) = (Samples::default(), Samples::default());
        for number in 1..=self.options.runs() {
            let hub_took = hub().await?;
            let bare_took = bare().await?;
            let rates = (way.size.rate(hub_took), way.size.rate(bare_took));
            progress(&format!(
                "{}: run {number}: {:.0} with the hub in {hub_took:.1?}, {:.0} without in {bare_took:.1?}",
                way.what, rates.0, rates.1
            ));
            with.push(rates.0);
            without.push(rates.1);
        }
        self.report.add(Line {
            what: format!("(g) {}", way.what),
            figure: with,
            unit: way.size.unit(),
            bar: Bar::ShareOfLimit(way.size.share()),
            limit: Some((way.bare.to_owned(), without)),
        });
        Ok(())
    }
}

impl Size {
    fn rate(self, took: Duration) -> f64 {
        match self {
            Self::Messages(count) => count as f64 / took.as_secs_f64(),
            Self::Bytes(bytes) => bytes as f64 / 1e6 / took.as_secs_f64(),
        }
    }

    const fn unit(self) -> Unit {
        match self {
            Self::Messages(_) => Unit::PerSecond("messages"),
            Self::Bytes(_) => Unit::PerSecond("MB"),
        }
    }

    const fn share(self) -> f64 {
        match self {
            Self::Messages(_) => SHARE_OF_MESSAGES,
            Self::Bytes(_) => SHARE_OF_BYTES,
        }
    }
}
