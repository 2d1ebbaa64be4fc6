//! New readings against a day that is known.
//!
//! What counts for an instant does not depend on when a message is processed, but on when it was
//! accepted and where in it the reading stands:
//!
//! - The message that was accepted last counts (message ids grow with acceptance). An older one
//!   that is replayed, begun again or overtaken adds what is missing and takes nothing back.
//! - Within a message, what stands last counts. Within a record only that is looked at; across
//!   records a reading gives way to one that stands after it, so a message that says an instant
//!   twice changes nothing when it is applied again.
//!
//! A message that says what is known already does not become its origin: a resend rewrites nothing.

use std::collections::BTreeMap;
use std::ops::Range;

use hub_core::MessageId;
use hub_model::{Instant, QualitySet};
use rustc_hash::FxHashMap;

use super::day::{DayBlock, Origin, StoredReading};
use super::palette::Indexer;

/// What became of readings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counts {
    /// At instants not known before.
    pub(super) added: u64,
    /// Known with this value and quality, or said otherwise further on in the message.
    pub(super) unchanged: u64,
    /// Other than what was known.
    pub(super) corrected: u64,
    /// Other than what a newer message said, which stays.
    pub(super) superseded: u64,
    /// The newest such message.
    pub(super) superseded_by: Option<MessageId>,
    /// At instants for which the day has no room.
    pub(super) rejected: u64,
}

/// What a reading means against the day.
enum Verdict {
    Added,
    Unchanged,
    Corrects(Place),
    Superseded(MessageId),
}

/// A day that takes in readings.
///
/// Readings mostly come in order and are appended. Those that belong between others are kept aside
/// until the day is asked for, and then put in their places all at once: moving all later readings
/// for each of them would take seconds for a day of 86,400 that comes newest first.
#[derive(Debug)]
pub(super) struct MergingDay {
    day: DayBlock,
    /// At instants that `day` does not have, all before its last.
    between: BTreeMap<Instant, StoredReading>,
    qualities: Indexer<QualitySet>,
    /// Most readings that it may have.
    most: usize,
}

/// Where a known reading is kept.
enum Place {
    Day(usize),
    Between,
}

impl MergingDay {
    pub(super) fn new(day: DayBlock, most: usize) -> Self {
        Self {
            day,
            between: BTreeMap::new(),
            qualities: Indexer::default(),
            most,
        }
    }

    /// How many readings it has.
    pub(super) fn len(&self) -> usize {
        self.day.readings.len() + self.between.len()
    }

    /// The day with all readings in their order.
    pub(super) fn settled(&mut self) -> &DayBlock {
        if !self.between.is_empty() {
            let between = std::mem::take(&mut self.between);
            let day = std::mem::take(&mut self.day.readings);
            self.day.readings = in_order(day, between);
        }
        &self.day
    }

    /// Whether any reading of the run corrects what the day knows.
    pub(super) fn is_corrected_by(&self, incoming: &DayBlock, run: Range<usize>) -> bool {
        let last = Last::of(incoming, &run);
        run.filter(|at| last.is(incoming, *at)).any(|at| {
            let verdict = self.verdict(incoming, &incoming.readings[at]);
            matches!(verdict, Verdict::Corrects(_))
        })
    }

    /// Takes in a run of readings, in the order they came: the last one counts.
    pub(super) fn take(&mut self, incoming: &DayBlock, run: Range<usize>) -> Counts {
        let mut counts = Counts::default();
        let mut translated: Option<(u32, u32)> = None;
        let last = Last::of(incoming, &run);
        for at in run {
            let reading = &incoming.readings[at];
            if !last.is(incoming, at) {
                counts.unchanged += 1;
                continue;
            }
            let place = match self.verdict(incoming, reading) {
                Verdict::Unchanged => {
                    counts.unchanged += 1;
                    continue;
                }
                Verdict::Superseded(by) => {
                    counts.superseded += 1;
                    counts.superseded_by = counts.superseded_by.max(Some(by));
                    continue;
                }
                Verdict::Added if self.len() >= self.most => {
                    counts.rejected += 1;
                    continue;
                }
                Verdict::Added => {
                    counts.added += 1;
                    None
                }
                Verdict::Corrects(place) => {
                    counts.corrected += 1;
                    Some(place)
                }
            };
            let stored = self.translate(incoming, reading, &mut translated);
            self.put(place, stored);
        }
        counts
    }

    /// The reading with the day's own indexes. Neighbours mostly share a quality.
    fn translate(
        &mut self,
        incoming: &DayBlock,
        reading: &StoredReading,
        translated: &mut Option<(u32, u32)>,
    ) -> StoredReading {
        let quality = match *translated {
            Some((from, to)) if from == reading.quality => to,
            _ => {
                let set = &incoming.qualities[reading.quality as usize];
                self.qualities.index(&mut self.day.qualities, set)
            }
        };
        *translated = Some((reading.quality, quality));
        let origin = &incoming.origins[reading.origin as usize];
        StoredReading {
            quality,
            origin: self.day.origin_index(origin),
            ..reading.clone()
        }
    }

    fn verdict(&self, incoming: &DayBlock, reading: &StoredReading) -> Verdict {
        let Some((place, known)) = self.find(reading.at) else {
            return Verdict::Added;
        };
        if same(&self.day, known, incoming, reading) {
            return Verdict::Unchanged;
        }
        let origin = &incoming.origins[reading.origin as usize];
        match self.day.origin_of(known) {
            Some(newer) if newer.message > origin.message => Verdict::Superseded(newer.message),
            Some(same) if same.message == origin.message => {
                match self.stands_later(known, origin, reading) {
                    true => Verdict::Unchanged,
                    false => Verdict::Corrects(place),
                }
            }
            _ => Verdict::Corrects(place),
        }
    }

    /// Whether the known reading stands after the other in the message that both come from. Sheets
    /// stand in the order in which they came.
    fn stands_later(
        &self,
        known: &StoredReading,
        origin: &Origin,
        reading: &StoredReading,
    ) -> bool {
        let known_sheet = known.origin as usize;
        match self.day.find_origin(origin) {
            Some(sheet) if sheet == known_sheet => {
                (known.offset, known.line) > (reading.offset, reading.line)
            }
            sheet => sheet.is_some_and(|sheet| sheet < known_sheet),
        }
    }

    fn put(&mut self, place: Option<Place>, reading: StoredReading) {
        let readings = &mut self.day.readings;
        match place {
            Some(Place::Day(known)) => readings[known] = reading,
            None if readings.last().is_none_or(|last| last.at < reading.at) => {
                readings.push(reading);
            }
            Some(Place::Between) | None => {
                self.between.insert(reading.at, reading);
            }
        }
    }

    fn find(&self, at: Instant) -> Option<(Place, &StoredReading)> {
        let readings = &self.day.readings;
        // Readings mostly come in order.
        if readings.last().is_none_or(|last| last.at < at) {
            return None;
        }
        match readings.binary_search_by_key(&at, |known| known.at) {
            Ok(found) => Some((Place::Day(found), &readings[found])),
            Err(_) => Some((Place::Between, self.between.get(&at)?)),
        }
    }
}

/// Which readings of a run are the last of their instant: only for a run that is not in order,
/// which could say one twice.
struct Last(Option<FxHashMap<Instant, usize>>);

impl Last {
    fn of(incoming: &DayBlock, run: &Range<usize>) -> Self {
        let readings = &incoming.readings[run.clone()];
        if readings.windows(2).all(|pair| pair[0].at < pair[1].at) {
            return Self(None);
        }
        let at = readings.iter().map(|reading| reading.at);
        Self(Some(at.zip(run.clone()).collect()))
    }

    fn is(&self, incoming: &DayBlock, at: usize) -> bool {
        let last = |last: &FxHashMap<_, _>| last.get(&incoming.readings[at].at) == Some(&at);
        self.0.as_ref().is_none_or(last)
    }
}

/// Readings of both, in the order of their instants, which are all different.
fn in_order(
    day: Vec<StoredReading>,
    between: BTreeMap<Instant, StoredReading>,
) -> Vec<StoredReading> {
    let mut all = Vec::with_capacity(day.len() + between.len());
    let mut between = between.into_values().peekable();
    for reading in day {
        while let Some(earlier) = between.next_if(|other| other.at < reading.at) {
            all.push(earlier);
        }
        all.push(reading);
    }
    all.extend(between);
    all
}

/// The same value and quality; details and lineage stay those of the first.
fn same(
    day: &DayBlock,
    known: &StoredReading,
    incoming: &DayBlock,
    reading: &StoredReading,
) -> bool {
    known.value == reading.value && day.qualities_of(known) == incoming.qualities_of(reading)
}

#[cfg(test)]
mod tests {
    use hub_model::Decimal;

    use super::super::day::MAX_READINGS;
    use super::*;

    /// Readings at these seconds with these values, each as it came.
    fn incoming(readings: impl Iterator<Item = (i64, i64)>) -> DayBlock {
        let reading = |(second, value)| StoredReading {
            at: Instant::from_seconds(second),
            value: Decimal::whole(value),
            quality: 0,
            origin: 0,
            offset: 0,
            line: second.unsigned_abs(),
            detail: None,
        };
        DayBlock {
            readings: readings.map(reading).collect(),
            qualities: vec![Vec::new()],
            origins: vec![Origin {
                message: MessageId(1),
                sheet: None,
            }],
        }
    }

    fn empty() -> MergingDay {
        MergingDay::new(DayBlock::default(), MAX_READINGS)
    }

    /// Takes in each reading as a run of its own: the most work that a day can be.
    fn one_by_one(day: &mut MergingDay, incoming: &DayBlock) -> Counts {
        let mut all = Counts::default();
        for at in 0..incoming.readings.len() {
            let counts = day.take(incoming, at..at + 1);
            all.added += counts.added;
            all.unchanged += counts.unchanged;
            all.corrected += counts.corrected;
            all.rejected += counts.rejected;
        }
        all
    }

    #[test]
    fn a_day_of_seconds_that_comes_newest_first_is_put_in_order_once() {
        const SECONDS: i64 = 86_400;
        let forward = incoming((0..SECONDS).map(|second| (second, second * 2)));
        let backward = incoming((0..SECONDS).rev().map(|second| (second, second * 2)));
        let (mut oldest_first, mut newest_first) = (empty(), empty());
        let counts = one_by_one(&mut oldest_first, &forward);
        assert_eq!(oldest_first.between.len(), 0, "all are appended");
        assert_eq!(one_by_one(&mut newest_first, &backward), counts);
        let waiting = newest_first.between.len();
        assert_eq!(waiting, 86_399, "none was moved for another");
        assert_eq!(newest_first.len(), 86_400);
        assert_eq!(newest_first.settled(), oldest_first.settled());
        // The morning after the evening, into a day that is known.
        let mut halves = empty();
        let noon = 43_200;
        halves.take(&forward, noon..86_400);
        halves.take(&forward, 0..noon);
        assert_eq!(halves.between.len(), noon);
        assert_eq!(halves.settled(), oldest_first.settled());
    }

    #[test]
    fn the_last_of_one_instant_counts_wherever_it_is_kept() {
        let mut day = empty();
        let first = incoming([(9, 9), (3, 3), (5, 5), (3, 3), (3, 4), (9, 9)].into_iter());
        let counts = day.take(&first, 0..6);
        let expected = Counts {
            added: 3,
            unchanged: 3,
            ..Counts::default()
        };
        assert_eq!((counts, day.len()), (expected, 3));
        let later = incoming([(3, 4), (5, 6), (7, 7), (10, 1)].into_iter());
        assert!(!day.is_corrected_by(&later, 0..1));
        assert!(day.is_corrected_by(&later, 1..2));
        assert!(!day.is_corrected_by(&later, 2..4));
        day.take(&later, 0..4);
        let values: Vec<_> = day
            .settled()
            .readings
            .iter()
            .map(|reading| (reading.at, reading.value))
            .collect();
        let at = |second, value| (Instant::from_seconds(second), Decimal::whole(value));
        assert_eq!(values, [at(3, 4), at(5, 6), at(7, 7), at(9, 9), at(10, 1)]);
        assert_eq!(day.take(&later, 0..4).unchanged, 4, "also when settled");
    }
}
