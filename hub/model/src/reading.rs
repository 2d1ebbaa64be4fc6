//! Readings: runs of values of one type at one meter or usage point.

use crate::{Decimal, Instant, ObjectRef, QualitySet, ReadingType};

/// Readings of one [`ReadingType`] at one meter or usage point, as one partner sent them together
/// (CIM: the `IntervalBlock`s or the `Readings` of one type within a `MeterReading`).
#[derive(Debug, Clone, PartialEq)]
pub struct ReadingBlock {
    /// The meter, if the partner named it.
    pub meter: Option<ObjectRef>,
    /// The usage point (metering point), if the partner named it.
    pub usage_point: Option<ObjectRef>,
    /// What is measured, and in which unit.
    pub reading_type: ReadingType,
    /// Intervals or register readings.
    pub kind: ReadingKind,
    /// The sets of qualities that readings refer to by index ([`Reading::quality`]). Index 0 is
    /// always present and is the empty set unless a decoder says otherwise.
    pub qualities: Vec<QualitySet>,
    /// The readings, in the order they came.
    pub readings: Vec<Reading>,
}

/// Whether values belong to intervals or to instants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReadingKind {
    /// Each value belongs to the interval that ends at [`Reading::at`] (CIM `IntervalReading`).
    Interval,
    /// Each value is what a register showed at [`Reading::at`] (CIM `Reading`).
    Register,
}

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// End of the interval, or the instant of the register reading (CIM `timeStamp`).
    pub at: Instant,
    /// The value in the unit and multiplier of the block's reading type; `None` is known to be missing.
    pub value: Option<Decimal>,
    /// Index into [`ReadingBlock::qualities`].
    pub quality: u16,
    /// Line in the file, counted from the line of the block's place. 0 where the format has no lines.
    pub line: u32,
    /// What few readings carry.
    pub detail: Option<Box<ReadingDetail>>,
}

/// The rarer properties of a reading.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct ReadingDetail {
    /// When the head-end received it.
    pub reported: Option<Instant>,
    /// The system that took it.
    pub source: Option<String>,
    /// Why it was taken: billing, inquiry, moveIn ... (register readings only).
    pub reason: Option<String>,
    /// The period it covers, where it is not the interval of the reading type.
    pub period: Option<TimePeriod>,
}

/// A stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TimePeriod {
    /// First instant.
    pub start: Instant,
    /// First instant after it.
    pub end: Instant,
}

impl Reading {
    /// A value with the block's first set of qualities and nothing else.
    #[must_use]
    pub const fn new(at: Instant, value: Option<Decimal>) -> Self {
        Self {
            at,
            value,
            quality: 0,
            line: 0,
            detail: None,
        }
    }
}

impl ReadingBlock {
    /// An empty block for this subject and type, with the empty quality set at index 0.
    #[must_use]
    pub fn new(reading_type: ReadingType, kind: ReadingKind) -> Self {
        Self {
            meter: None,
            usage_point: None,
            reading_type,
            kind,
            qualities: vec![Vec::new()],
            readings: Vec::new(),
        }
    }

    /// The index of this quality set in the block, adding it if it is new.
    ///
    /// Blocks have few distinct sets, so the search is linear. `None` when 65,536 are in use.
    pub fn quality_index(&mut self, set: QualitySet) -> Option<u16> {
        if let Some(found) = self.qualities.iter().position(|known| *known == set) {
            return u16::try_from(found).ok();
        }
        let index = u16::try_from(self.qualities.len()).ok()?;
        self.qualities.push(set);
        Some(index)
    }

    /// The qualities of one of this block's readings.
    #[must_use]
    pub fn qualities_of(&self, reading: &Reading) -> &[crate::ReadingQuality] {
        self.qualities
            .get(usize::from(reading.quality))
            .map_or(&[], Vec::as_slice)
    }

    /// What the readings belong to: the meter if named, else the usage point.
    #[must_use]
    pub fn subject(&self) -> Option<&ObjectRef> {
        self.meter.as_ref().or(self.usage_point.as_ref())
    }
}
