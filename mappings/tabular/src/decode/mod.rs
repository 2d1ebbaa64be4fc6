//! From rows to canonical records and findings.

mod fields;
mod readings;
mod records;
mod times;
mod window;

use hub_model::mapping::{Halt, Records};
use hub_model::{Finding, Place};

use crate::cell::Row;
use crate::file::RecordName;
use crate::header::Layout;
use crate::source::Fault;

use readings::ReadingsDecoder;
use times::TimeReader;

/// Decodes the rows of one payload, or of one part of it, in order.
///
/// - Shape: a row gives one record, or one reading, or the readings of a day; blank rows nothing.
/// - Readings of one meter, reading type and kind are gathered into blocks within a window of
///   65,536 readings, in the order in which the blocks began. [`Self::finish`] gives the last.
/// - A row that cannot be understood becomes a finding that rejects it; in a wide row each value does.
pub struct RowDecoder<'l> {
    layout: &'l Layout,
    kind: Kind<'l>,
}

enum Kind<'l> {
    Readings(Box<ReadingsDecoder<'l>>),
    Other(RecordName, Box<TimeReader>),
}

impl<'l> RowDecoder<'l> {
    /// A decoder for rows of this layout.
    #[must_use]
    pub fn new(layout: &'l Layout) -> Self {
        let times = TimeReader::new(layout);
        let kind = match layout.mapping().record() {
            RecordName::Readings => Kind::Readings(Box::new(ReadingsDecoder::new(layout, times))),
            other => Kind::Other(other, Box::new(times)),
        };
        Self { layout, kind }
    }

    /// Decodes one row.
    ///
    /// # Errors
    /// Only what the receiver says.
    #[inline]
    pub fn row<R: Row>(&mut self, row: &R, out: &mut dyn Records) -> Result<(), Halt> {
        match &mut self.kind {
            Kind::Readings(readings) => readings.row(row, out),
            Kind::Other(name, times) => match records::decode(*name, self.layout, row, times) {
                Ok(record) => out.record(row.place(), record),
                // A row of nothing but delimiters is what spreadsheets leave at the end.
                Err(_) if !self.layout.touches(row) => Ok(()),
                Err(faults) => report(faults, &row.place(), out),
            },
        }
    }

    /// Hands out what is still gathered.
    ///
    /// # Errors
    /// Only what the receiver says.
    pub fn finish(&mut self, out: &mut dyn Records) -> Result<(), Halt> {
        match &mut self.kind {
            Kind::Readings(readings) => readings.flush(out),
            Kind::Other(..) => Ok(()),
        }
    }
}

/// All faults of a row: each is a finding, and together they reject one record.
fn report(faults: Vec<Fault>, place: &Place, out: &mut dyn Records) -> Result<(), Halt> {
    for (at, fault) in faults.into_iter().enumerate() {
        out.finding(finding(fault, place.clone(), u64::from(at == 0)))?;
    }
    Ok(())
}

fn finding(fault: Fault, place: Place, rejects: u64) -> Finding {
    Finding::error(fault.code, place, fault.reason)
        .in_field(fault.field)
        .rejecting(rejects)
}
