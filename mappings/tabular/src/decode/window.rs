//! Gathers readings of one series into blocks, for a bounded stretch of the payload.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::ops::Range;

use hub_model::mapping::{Halt, Records};
use hub_model::{Place, QualitySet, Reading, ReadingBlock, Record};
use rustc_hash::{FxHashMap, FxHasher};

/// Readings gathered before blocks are handed out. Fewer make small blocks of payloads that are
/// sorted by time; more cost memory (48 bytes each).
pub(crate) const WINDOW_READINGS: usize = 65_536;
/// Bytes of names and details gathered, for payloads whose names are absurdly long.
const WINDOW_BYTES: usize = 16 << 20;

/// The readings gathered so far.
pub(crate) struct Window {
    series: Vec<Series>,
    names: Names,
    /// The series of the row before, which is the next row's too in most files.
    last: usize,
    readings: usize,
    bytes: usize,
    /// Usual number of readings of a series, to size the next.
    usual: usize,
}

/// From the bytes that name a series in the payload to its number, without an allocation a name:
/// files that are sorted by time have as many series as rows.
struct Names {
    /// All names, one after the other.
    bytes: Vec<u8>,
    /// Where each name stands in `bytes`.
    ranges: Vec<Range<usize>>,
    by_hash: FxHashMap<u64, usize>,
    /// Names whose hash another name has.
    collided: HashMap<Box<[u8]>, usize>,
    /// A secret of this run, so that no file can be made of names that collide.
    seed: usize,
}

impl Names {
    fn new() -> Self {
        let seed = RandomState::new().build_hasher().finish() as usize;
        Self {
            bytes: Vec::new(),
            ranges: Vec::new(),
            by_hash: FxHashMap::default(),
            collided: HashMap::new(),
            seed,
        }
    }

    #[inline]
    fn hash(&self, key: &[u8]) -> u64 {
        let mut hasher = FxHasher::with_seed(self.seed);
        hasher.write(key);
        hasher.finish()
    }

    #[inline]
    fn is(&self, number: usize, key: &[u8]) -> bool {
        self.ranges
            .get(number)
            .is_some_and(|range| &self.bytes[range.clone()] == key)
    }

    #[inline]
    fn find(&self, key: &[u8]) -> Option<usize> {
        let number = *self.by_hash.get(&self.hash(key))?;
        if self.is(number, key) {
            Some(number)
        } else {
            self.collided.get(key).copied()
        }
    }

    fn add(&mut self, key: &[u8]) {
        let (number, start) = (self.ranges.len(), self.bytes.len());
        self.bytes.extend_from_slice(key);
        self.ranges.push(start..self.bytes.len());
        match self.by_hash.entry(self.hash(key)) {
            Entry::Vacant(free) => {
                free.insert(number);
            }
            Entry::Occupied(_) => {
                self.collided.insert(key.into(), number);
            }
        }
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.ranges.clear();
        self.by_hash.clear();
        self.collided.clear();
    }
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
    pub(crate) fn new() -> Self {
        Self {
            series: Vec::new(),
            names: Names::new(),
            last: 0,
            readings: 0,
            bytes: 0,
            // Files that are sorted by time have one reading of each series.
            usual: 1,
        }
    }

    /// The series that these bytes name, if it has begun.
    #[inline]
    pub(crate) fn find(&mut self, key: &[u8]) -> Option<usize> {
        if !self.names.is(self.last, key) {
            self.last = self.names.find(key)?;
        }
        Some(self.last)
    }

    /// Begins a series.
    pub(crate) fn begin(&mut self, key: &[u8], mut series: Series) -> usize {
        series.block.readings.reserve_exact(self.usual);
        self.last = self.series.len();
        self.series.push(series);
        self.names.add(key);
        self.bytes += key.len();
        self.last
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
        self.names.clear();
        (self.readings, self.bytes) = (0, 0);
        for series in self.series.drain(..) {
            if !series.block.readings.is_empty() {
                out.record(series.place, Record::Readings(series.block))?;
            }
        }
        Ok(())
    }
}
