//! Gathers readings of one series into blocks, for a bounded stretch of the payload.

use hub_model::mapping::{Halt, Records};
use hub_model::{Place, QualitySet, Reading, ReadingBlock, Record};
use rustc_hash::FxHashMap;

/// Readings gathered before blocks are handed out. Fewer make small blocks of payloads that are
/// sorted by time; more cost memory (48 bytes each).
pub(crate) const WINDOW_READINGS: usize = 65_536;
/// Bytes of names and details gathered, for payloads whose names are absurdly long.
const WINDOW_BYTES: usize = 16 << 20;

/// The readings gathered so far.
#[derive(Default)]
pub(crate) struct Window {
    series: Vec<Series>,
    /// From the bytes that name a series in the payload to its place in `series`.
    known: FxHashMap<Box<[u8]>, usize>,
    last_key: Vec<u8>,
    last: usize,
    readings: usize,
    bytes: usize,
    /// Usual number of readings of a series, to size the next.
    usual: usize,
}

/// One series of the window.
pub(crate) struct Series {
    pub(crate) block: ReadingBlock,
    pub(crate) interval_seconds: Option<u32>,
    place: Place,
    line: u64,
    /// Quality set of the decoder to index of the block.
    qualities: Vec<(u32, u16)>,
}

impl Series {
    pub(crate) fn new(
        block: ReadingBlock,
        interval_seconds: Option<u32>,
        place: Place,
        line: u64,
    ) -> Self {
        Self {
            block,
            interval_seconds,
            place,
            line,
            qualities: Vec::new(),
        }
    }

    /// The block's index of a quality set; `None` when the block has 65,536 others.
    #[inline]
    pub(crate) fn quality(&mut self, id: u32, set: &QualitySet) -> Option<u16> {
        if id == 0 {
            return Some(0);
        }
        if let Some((_, index)) = self.qualities.iter().find(|(known, _)| *known == id) {
            return Some(*index);
        }
        let index = self.block.quality_index(set.clone())?;
        self.qualities.push((id, index));
        Some(index)
    }

    /// A row's line counted from where the block began.
    #[inline]
    pub(crate) fn line_of(&self, line: u64) -> u32 {
        u32::try_from(line.saturating_sub(self.line)).unwrap_or(u32::MAX)
    }
}

impl Window {
    /// The series that these bytes name, if it has begun.
    #[inline]
    pub(crate) fn find(&mut self, key: &[u8]) -> Option<usize> {
        if key == self.last_key && self.last < self.series.len() {
            return Some(self.last);
        }
        let found = *self.known.get(key)?;
        self.remember(key, found);
        Some(found)
    }

    fn remember(&mut self, key: &[u8], at: usize) {
        self.last_key.clear();
        self.last_key.extend_from_slice(key);
        self.last = at;
    }

    /// Begins a series.
    pub(crate) fn begin(&mut self, key: &[u8], mut series: Series) -> usize {
        series.block.readings.reserve(self.usual);
        let at = self.series.len();
        self.series.push(series);
        self.known.insert(key.into(), at);
        self.bytes += key.len();
        self.remember(key, at);
        at
    }

    #[inline]
    pub(crate) fn series(&mut self, at: usize) -> &mut Series {
        &mut self.series[at]
    }

    /// Adds a reading to a series, with the number of bytes that its details need.
    #[inline]
    pub(crate) fn push(&mut self, at: usize, reading: Reading, bytes: usize) {
        self.readings += 1;
        self.bytes += bytes;
        self.series[at].block.readings.push(reading);
    }

    #[inline]
    pub(crate) const fn is_full(&self) -> bool {
        self.readings >= WINDOW_READINGS || self.bytes >= WINDOW_BYTES
    }

    /// Hands out all blocks in the order in which they began.
    pub(crate) fn flush(&mut self, out: &mut dyn Records) -> Result<(), Halt> {
        self.usual = self.readings.checked_div(self.series.len()).unwrap_or(0);
        self.known.clear();
        self.last_key.clear();
        (self.readings, self.bytes) = (0, 0);
        for series in self.series.drain(..) {
            if !series.block.readings.is_empty() {
                out.record(series.place, Record::Readings(series.block))?;
            }
        }
        Ok(())
    }
}
