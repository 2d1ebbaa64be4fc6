//! Readings of a chunk, gathered by series and day, so that each day is written once.

use std::sync::Arc;

use hub_core::MessageId;
use hub_model::{Instant, LocalDay, Place, QualitySet, ReadingBlock, ReadingKind, ReadingType};
use rustc_hash::FxHashMap;

use super::blocks;
use super::calendar::Calendar;
use super::day::{DayBlock, MAX_READINGS, Origin, StoredReading};
use super::merge::Counts;
use super::palette::Indexer;
use crate::StoreError;
use crate::db::Tx;
use crate::estate::scope::Scope;

/// Readings that wait to be written.
#[derive(Debug)]
pub(in crate::estate) struct Pending {
    calendar: Calendar,
    days: Vec<PendingDay>,
    by_day: FxHashMap<(i64, i32), usize>,
    records: Vec<ReadingRecord>,
    /// Most readings that a day may hold; less only in tests.
    pub(super) most: usize,
}

/// Readings of one series and day, in the order they came.
#[derive(Debug)]
pub(super) struct PendingDay {
    pub(super) series: i64,
    pub(super) day: i32,
    pub(super) step_seconds: Option<u32>,
    /// Its readings need not be in order yet.
    pub(super) incoming: DayBlock,
    qualities: Indexer<QualitySet>,
    /// Which record they came with: end of its readings, and its position in the records.
    pub(super) runs: Vec<(usize, usize)>,
}

impl PendingDay {
    /// Says that the readings up to here came with this record. A record has one run, though it
    /// may come back to the day: which of its readings is the last of an instant shows in all.
    fn close_run(&mut self, record: usize) {
        let end = self.incoming.readings.len();
        match self.runs.last_mut() {
            Some((last, same)) if *same == record => *last = end,
            _ => self.runs.push((end, record)),
        }
    }
}

/// What became of the readings of one record.
#[derive(Debug)]
pub(in crate::estate) struct ReadingRecord {
    /// Which of the chunk's records it is.
    pub(in crate::estate) record: usize,
    pub(in crate::estate) subject: Arc<str>,
    pub(in crate::estate) place: Place,
    pub(in crate::estate) added: u64,
    pub(in crate::estate) unchanged: u64,
    pub(in crate::estate) corrected: u64,
    /// Other than what a newer message said, which stays.
    pub(in crate::estate) superseded: u64,
    /// The newest such message.
    pub(in crate::estate) superseded_by: Option<MessageId>,
    /// Too many for one day.
    pub(in crate::estate) rejected: u64,
    /// Of a day whose stored readings are damaged.
    pub(in crate::estate) unreadable: u64,
    /// The first such day.
    pub(in crate::estate) damaged: Option<LocalDay>,
}

impl ReadingRecord {
    pub(super) fn count(&mut self, counts: Counts) {
        self.added += counts.added;
        self.unchanged += counts.unchanged;
        self.corrected += counts.corrected;
        self.superseded += counts.superseded;
        self.superseded_by = self.superseded_by.max(counts.superseded_by);
        self.rejected += counts.rejected;
    }
}

impl Pending {
    pub(in crate::estate) fn new(scope: &Scope) -> Self {
        Self {
            calendar: Calendar::new(scope.zone.clone()),
            days: Vec::new(),
            by_day: FxHashMap::default(),
            records: Vec::new(),
            most: MAX_READINGS,
        }
    }

    /// Takes the readings of record number `record` of the chunk.
    pub(in crate::estate) fn add(
        &mut self,
        scope: &Scope,
        record: usize,
        (subject, series): (&Arc<str>, i64),
        place: &Place,
        block: &ReadingBlock,
    ) {
        let number = self.records.len();
        self.records.push(ReadingRecord {
            record,
            subject: Arc::clone(subject),
            place: place.clone(),
            added: 0,
            unchanged: 0,
            corrected: 0,
            superseded: 0,
            superseded_by: None,
            rejected: 0,
            unreadable: 0,
            damaged: None,
        });
        let origin = Origin {
            message: scope.message_id,
            sheet: place.sheet.clone(),
        };
        let mut rest = block.readings.as_slice();
        while let Some(first) = rest.first() {
            let day = self.day_of(first.at, block);
            let length = rest
                .iter()
                .position(|reading| self.day_of(reading.at, block) != day)
                .unwrap_or(rest.len());
            let (now, later) = rest.split_at(length);
            rest = later;
            let pending = self.pending_day(series, day, block, now.len());
            let origin = pending.incoming.origin_index(&origin);
            let mut qualities = Qualities::default();
            for reading in now {
                let quality = qualities.index(pending, block, reading.quality);
                pending.incoming.readings.push(StoredReading {
                    at: reading.at,
                    value: reading.value,
                    quality,
                    origin,
                    offset: place.offset,
                    line: line(place, reading.line),
                    detail: reading.detail.clone(),
                });
            }
            pending.close_run(number);
        }
    }

    /// Writes everything and says what became of each record's readings.
    pub(in crate::estate) fn write(
        mut self,
        tx: &mut dyn Tx,
        scope: &Scope,
    ) -> Result<Vec<ReadingRecord>, StoreError> {
        // In the order of the key, so that neighbours land on the same page.
        self.days.sort_unstable_by_key(|day| (day.series, day.day));
        let mut writer = blocks::BlockWriter::new(scope, self.most);
        for day in &self.days {
            writer.write(tx, day, &mut self.records)?;
        }
        Ok(self.records)
    }

    fn day_of(&mut self, at: Instant, block: &ReadingBlock) -> i32 {
        let (kind, reading_type): (ReadingKind, &ReadingType) = (block.kind, &block.reading_type);
        self.calendar.day_of(at, kind, reading_type).0
    }

    fn pending_day(
        &mut self,
        series: i64,
        day: i32,
        block: &ReadingBlock,
        readings: usize,
    ) -> &mut PendingDay {
        let index = *self.by_day.entry((series, day)).or_insert_with(|| {
            self.days.push(PendingDay {
                series,
                day,
                step_seconds: block.reading_type.interval_seconds(),
                incoming: DayBlock {
                    readings: Vec::with_capacity(readings),
                    ..DayBlock::default()
                },
                qualities: Indexer::default(),
                runs: Vec::with_capacity(1),
            });
            self.days.len() - 1
        });
        &mut self.days[index]
    }
}

/// Translates a record's quality indexes to the day's. Neighbours mostly share one.
#[derive(Default)]
struct Qualities(Option<(u16, u32)>);

impl Qualities {
    #[inline]
    fn index(&mut self, day: &mut PendingDay, block: &ReadingBlock, quality: u16) -> u32 {
        match self.0 {
            Some((from, to)) if from == quality => to,
            _ => {
                let none = QualitySet::new();
                let set = block.qualities.get(usize::from(quality)).unwrap_or(&none);
                let to = day.qualities.index(&mut day.incoming.qualities, set);
                self.0 = Some((quality, to));
                to
            }
        }
    }
}

/// The reading's own line; formats without lines have none.
fn line(place: &Place, line: u32) -> u64 {
    match place.line {
        0 => 0,
        first => first.saturating_add(u64::from(line)),
    }
}
