//! Writing days: one statement for a new one, a merge for a known one.

use hub_model::{Instant, LocalDay};

use super::codec;
use super::day::DayBlock;
use super::merge::MergingDay;
use super::pending::{PendingDay, ReadingRecord};
use crate::StoreError;
use crate::db::{Tx, first};
use crate::estate::scope::Scope;

/// Writes the days of one chunk.
pub(super) struct BlockWriter<'a> {
    scope: &'a Scope,
    bytes: Vec<u8>,
    /// Whether the last day was known already: the next one will be, too. A wrong guess costs a
    /// statement, nothing else.
    mostly_known: bool,
    /// Most readings that a day may hold.
    most: usize,
}

/// What is stored of a day.
enum Stored {
    No,
    Known(Known),
    /// It cannot be understood, and why.
    Damaged(String),
}

/// A day as it is stored.
struct Known {
    day: MergingDay,
    version: i64,
    since: Instant,
}

impl<'a> BlockWriter<'a> {
    pub(super) const fn new(scope: &'a Scope, most: usize) -> Self {
        Self {
            scope,
            bytes: Vec::new(),
            mostly_known: false,
            most,
        }
    }

    /// Writes one day and counts what became of the readings of each record.
    pub(super) fn write(
        &mut self,
        tx: &mut dyn Tx,
        pending: &PendingDay,
        records: &mut [ReadingRecord],
    ) -> Result<(), StoreError> {
        if !self.mostly_known && in_order(&pending.incoming) && self.insert(tx, pending)? {
            for (run, record) in runs(pending) {
                records[record].added += run.len() as u64;
            }
            return Ok(());
        }
        let stored = load(tx, pending, self.most)?;
        self.mostly_known = !matches!(stored, Stored::No);
        let (mut known, is_stored) = match stored {
            Stored::Known(known) => (known, true),
            Stored::No => (self.new_day(), false),
            Stored::Damaged(why) => {
                self.leave(pending, &why, records);
                return Ok(());
            }
        };
        let mut changed = false;
        for (run, record) in runs(pending) {
            if known.day.is_corrected_by(&pending.incoming, run.clone()) {
                self.keep_version(tx, pending, &mut known)?;
            }
            let counts = known.day.take(&pending.incoming, run);
            changed |= counts.added + counts.corrected > 0;
            records[record].count(counts);
        }
        match (changed, is_stored) {
            (false, _) => Ok(()),
            (true, true) => self.update(tx, pending, &mut known),
            (true, false) => self.insert_merged(tx, pending, &mut known),
        }
    }

    fn new_day(&self) -> Known {
        Known {
            day: MergingDay::new(DayBlock::default(), self.most),
            version: 1,
            since: self.scope.now,
        }
    }

    /// Leaves a day that cannot be read as it is: its bytes may be all there is to repair it from.
    /// Its readings are not taken; those of other days are.
    fn leave(&self, pending: &PendingDay, why: &str, records: &mut [ReadingRecord]) {
        let day = LocalDay(pending.day);
        tracing::error!(
            message = %self.scope.message_id,
            series = pending.series,
            %day,
            why,
            "the stored readings of a day are damaged, none can be added to it"
        );
        for (run, record) in runs(pending) {
            records[record].unreadable += run.len() as u64;
            records[record].damaged.get_or_insert(day);
        }
    }

    /// Inserts the day as it came; `false` if there is one already.
    fn insert(&mut self, tx: &mut dyn Tx, pending: &PendingDay) -> Result<bool, StoreError> {
        if pending.incoming.readings.len() > self.most {
            return Ok(false);
        }
        self.encode(&pending.incoming, pending);
        let inserted = tx.execute(
            "INSERT INTO reading_block (series_id, day, version, known_since, data) \
             VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
            &[
                pending.series.into(),
                i64::from(pending.day).into(),
                1.into(),
                self.scope.now.micros().into(),
                self.bytes.as_slice().into(),
            ],
        )?;
        Ok(inserted > 0)
    }

    fn insert_merged(
        &mut self,
        tx: &mut dyn Tx,
        pending: &PendingDay,
        known: &mut Known,
    ) -> Result<(), StoreError> {
        self.encode(known.day.settled(), pending);
        tx.execute(
            "INSERT INTO reading_block (series_id, day, version, known_since, data) \
             VALUES (?1, ?2, ?3, ?4, ?5)",
            &[
                pending.series.into(),
                i64::from(pending.day).into(),
                known.version.into(),
                known.since.micros().into(),
                self.bytes.as_slice().into(),
            ],
        )?;
        Ok(())
    }

    fn update(
        &mut self,
        tx: &mut dyn Tx,
        pending: &PendingDay,
        known: &mut Known,
    ) -> Result<(), StoreError> {
        self.encode(known.day.settled(), pending);
        tx.execute(
            "UPDATE reading_block SET version = ?3, known_since = ?4, data = ?5 \
             WHERE series_id = ?1 AND day = ?2",
            &[
                pending.series.into(),
                i64::from(pending.day).into(),
                known.version.into(),
                known.since.micros().into(),
                self.bytes.as_slice().into(),
            ],
        )?;
        Ok(())
    }

    /// Puts the day aside as it was until now, because it is about to be corrected.
    fn keep_version(
        &mut self,
        tx: &mut dyn Tx,
        pending: &PendingDay,
        known: &mut Known,
    ) -> Result<(), StoreError> {
        self.encode(known.day.settled(), pending);
        tx.execute(
            "INSERT INTO reading_block_version \
             (series_id, day, version, known_since, known_until, corrected_by, data) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            &[
                pending.series.into(),
                i64::from(pending.day).into(),
                known.version.into(),
                known.since.micros().into(),
                self.scope.now.micros().into(),
                self.scope.message_id.0.into(),
                self.bytes.as_slice().into(),
            ],
        )?;
        known.version += 1;
        known.since = self.scope.now;
        Ok(())
    }

    fn encode(&mut self, day: &DayBlock, pending: &PendingDay) {
        self.bytes.clear();
        codec::encode(day, pending.step_seconds, &mut self.bytes);
    }
}

fn load(tx: &mut dyn Tx, pending: &PendingDay, most: usize) -> Result<Stored, StoreError> {
    let stored = first(
        tx,
        "SELECT version, known_since, data FROM reading_block WHERE series_id = ?1 AND day = ?2",
        &[pending.series.into(), i64::from(pending.day).into()],
        |row| {
            let day = match codec::decode(row.blob(2)?) {
                Ok(day) => MergingDay::new(day, most),
                Err(StoreError::Damaged(why)) => return Ok(Stored::Damaged(why)),
                Err(other) => return Err(other),
            };
            Ok(Stored::Known(Known {
                version: row.int(0)?,
                since: Instant::from_micros(row.int(1)?),
                day,
            }))
        },
    )?;
    Ok(stored.unwrap_or(Stored::No))
}

/// The readings of each record, and the record.
fn runs(pending: &PendingDay) -> impl Iterator<Item = (std::ops::Range<usize>, usize)> {
    let mut start = 0;
    pending.runs.iter().map(move |(end, record)| {
        let run = start..*end;
        start = *end;
        (run, *record)
    })
}

fn in_order(day: &DayBlock) -> bool {
    day.readings.windows(2).all(|pair| pair[0].at < pair[1].at)
}
