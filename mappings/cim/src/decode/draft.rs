//! A reading while its elements are read.

use hub_model::{Decimal, Finding, Instant, Place, ReadingDetail, ReadingKind, TimePeriod};

use super::reading::TypeResult;

/// A reading while its elements are read. Its qualities are in the walk's scratch.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) place: Place,
    pub(super) kind: ReadingKind,
    pub(super) at: Option<Instant>,
    pub(super) value: Option<Decimal>,
    pub(super) detail: ReadingDetail,
    pub(super) period_start: Option<Instant>,
    pub(super) period_end: Option<Instant>,
    pub(super) reading_type: Option<TypeResult>,
    /// The first thing wrong with it.
    fault: Option<Box<Finding>>,
}

impl Draft {
    pub(super) fn new(place: Place, kind: ReadingKind) -> Self {
        Self {
            place,
            kind,
            at: None,
            value: None,
            detail: ReadingDetail::default(),
            period_start: None,
            period_end: None,
            reading_type: None,
            fault: None,
        }
    }

    /// The path of one of its fields.
    pub(super) fn path(&self, field: &str) -> String {
        let reading = match self.kind {
            ReadingKind::Interval => "MeterReading/IntervalBlocks/IntervalReadings",
            ReadingKind::Register => "MeterReading/Readings",
        };
        format!("{reading}/{field}")
    }

    /// Notes what is wrong with it. The first fault counts.
    pub(super) fn reject(&mut self, code: &'static str, place: Place, field: &str, reason: String) {
        if self.fault.is_none() {
            let finding = Finding::error(code, place, reason).in_field(self.path(field));
            self.fault = Some(Box::new(finding));
        }
    }

    /// What is wrong with it, if anything is.
    pub(super) fn take_fault(&mut self) -> Option<Finding> {
        self.fault.take().map(|finding| *finding)
    }

    /// Its rarer properties, if it has any.
    pub(super) fn take_detail(&mut self) -> Option<Box<ReadingDetail>> {
        if let (Some(start), Some(end)) = (self.period_start, self.period_end) {
            self.detail.period = Some(TimePeriod { start, end });
        }
        let detail = std::mem::take(&mut self.detail);
        (detail != ReadingDetail::default()).then(|| Box::new(detail))
    }
}
