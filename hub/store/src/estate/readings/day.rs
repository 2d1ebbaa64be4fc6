//! The readings of one series in one local day, in memory.

use std::sync::Arc;

use hub_core::MessageId;
use hub_model::{Decimal, Instant, QualitySet, ReadingDetail};

/// Most readings that a day may hold: one a second for a day of 25 hours, and some. More would
/// make a single row too large to rewrite when one of them is corrected.
pub const MAX_READINGS: usize = 1 << 17;

/// A day of one series.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DayBlock {
    /// The readings, in the order of their instants, which are all different.
    pub readings: Vec<StoredReading>,
    /// Quality sets that readings refer to by index.
    pub qualities: Vec<QualitySet>,
    /// Sources that readings refer to by index.
    pub origins: Vec<Origin>,
}

/// One reading with its lineage.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredReading {
    /// End of the interval, or the instant of the register reading.
    pub at: Instant,
    /// The value; `None` is known to be missing, which differs from a gap.
    pub value: Option<Decimal>,
    /// Index into [`DayBlock::qualities`].
    pub quality: u32,
    /// Index into [`DayBlock::origins`].
    pub origin: u32,
    /// Byte offset in the origin of the record that held it.
    pub offset: u64,
    /// Line in the origin, from 1; 0 if it has none.
    pub line: u64,
    /// What few readings carry.
    pub detail: Option<Box<ReadingDetail>>,
}

/// Where readings came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The message.
    pub message: MessageId,
    /// The sheet, if the message is a workbook.
    pub sheet: Option<Arc<str>>,
}

impl DayBlock {
    /// The qualities of one of this day's readings.
    #[must_use]
    pub fn qualities_of(&self, reading: &StoredReading) -> &[hub_model::ReadingQuality] {
        self.qualities
            .get(reading.quality as usize)
            .map_or(&[], Vec::as_slice)
    }

    /// Where one of this day's readings came from.
    #[must_use]
    pub fn origin_of(&self, reading: &StoredReading) -> Option<&Origin> {
        self.origins.get(reading.origin as usize)
    }

    /// The index of this origin, if one of its readings may come from it.
    pub(super) fn find_origin(&self, origin: &Origin) -> Option<usize> {
        self.origins.iter().rposition(|known| known == origin)
    }

    /// The index of this origin, adding it if it is new. They stay in the order in which they came.
    pub(super) fn origin_index(&mut self, origin: &Origin) -> u32 {
        let index = self.find_origin(origin).unwrap_or_else(|| {
            self.origins.push(origin.clone());
            self.origins.len() - 1
        });
        u32::try_from(index).expect("a day has at most MAX_READINGS palette entries")
    }
}
