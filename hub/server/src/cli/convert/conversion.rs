//! A conversion under way: records in, bytes out, and what is lost on the way.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use hub_model::mapping::{Encode, Envelope, Halt, Loss, write_record};
use hub_model::{Finding, Place, Record, RecordKind};

use super::progress::Progress;
use super::report::Report;
use super::target::Target;
use crate::cli::output::count;
use crate::pipeline::Part;

/// Encoded bytes are written when there are this many.
const FLUSH_BYTES: usize = 256 * 1024;

/// A conversion under way.
pub(super) struct Conversion<'a> {
    encoder: Arc<dyn Encode>,
    envelope: Envelope,
    buffer: Vec<u8>,
    target: Target,
    report: Report<'a>,
    /// Records written, each reading counting as one.
    records: u64,
    /// Records that the output has no place for, by kind.
    left_out: BTreeMap<RecordKind, u64>,
    /// What was lost of the record at hand; kept for its memory.
    losses: Vec<Loss>,
    /// Why the target takes no more.
    broken: Option<io::Error>,
}

impl<'a> Conversion<'a> {
    /// Begins the output.
    pub(super) fn begin(
        encoder: Arc<dyn Encode>,
        envelope: Envelope,
        target: Target,
        report: Report<'a>,
    ) -> Self {
        let mut buffer = Vec::with_capacity(FLUSH_BYTES * 2);
        encoder.head(&envelope, &mut buffer);
        Self {
            encoder,
            envelope,
            buffer,
            target,
            report,
            records: 0,
            left_out: BTreeMap::new(),
            losses: Vec::new(),
            broken: None,
        }
    }

    /// Writes the records of a part, and reports its findings.
    ///
    /// # Errors
    /// The target takes no more.
    pub(super) fn part(&mut self, part: Part, progress: &Progress) -> Result<(), Halt> {
        for finding in &part.findings {
            self.report.finding(finding, progress);
        }
        for (place, record) in part.records {
            self.record(&place, &record, progress);
            if self.buffer.len() >= FLUSH_BYTES {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn record(&mut self, place: &Place, record: &Record, progress: &Progress) {
        if !self.encoder.writes().contains(&record.kind()) {
            *self.left_out.entry(record.kind()).or_default() += record.count();
            return;
        }
        let (encoder, losses) = (&*self.encoder, &mut self.losses);
        self.records += write_record(encoder, &self.envelope, record, &mut self.buffer, losses);
        for loss in losses.drain(..) {
            self.report.finding(&inexpressible(place, loss), progress);
        }
    }

    fn flush(&mut self) -> Result<(), Halt> {
        let written = self.target.write(&self.buffer);
        self.buffer.clear();
        written.map_err(|error| {
            self.broken = Some(error);
            Halt::Stopped
        })
    }

    /// Why the target takes no more, if that is so.
    pub(super) fn broken(&mut self) -> Option<io::Error> {
        self.broken.take()
    }

    /// Ends the output, says what was done, and returns the number of findings. `format` is the
    /// name of the output's.
    ///
    /// # Errors
    /// The target does not take the rest.
    pub(super) fn end(
        mut self,
        format: &str,
        progress: &Progress,
        elapsed: Duration,
    ) -> io::Result<u64> {
        self.encoder.tail(&self.envelope, &mut self.buffer);
        self.target.write(&self.buffer)?;
        self.target.finish()?;
        for (kind, number) in &self.left_out {
            self.report
                .note(&left_out(*kind, *number, format), progress);
        }
        self.report.summary(self.records, elapsed);
        Ok(self.report.count())
    }
}

fn inexpressible(block: &Place, loss: Loss) -> Finding {
    let mut place = block.clone();
    if place.line > 0 {
        place.line += u64::from(loss.line);
    }
    let reason = match loss.records {
        1 => loss.problem.reason,
        more => format!("{} ({} lost)", loss.problem.reason, count(more, "record")),
    };
    Finding::error("inexpressible", place, reason)
        .in_field(loss.problem.field)
        .rejecting(loss.records)
}

/// Asking for another format is no mistake in the file: one warning for each kind, not one error
/// for each record.
fn left_out(kind: RecordKind, number: u64, format: &str) -> Finding {
    let one = match kind {
        RecordKind::Readings => "reading",
        RecordKind::WorkOrder => "work order",
        RecordKind::EndDevice => "device",
        RecordKind::UsagePoint => "usage point",
        RecordKind::EndDeviceEvent => "device event",
    };
    let (have, are) = match number {
        1 => ("has", "is"),
        _ => ("have", "are"),
    };
    let things = count(number, one);
    let reason = format!("{things} {have} no place in {format} and {are} left out");
    Finding::warning("left_out", Place::default(), reason)
}
