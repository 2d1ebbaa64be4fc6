//! New readings against a day that is known.

use std::collections::BTreeMap;
use std::ops::Range;

use hub_model::Instant;

use super::day::{DayBlock, StoredReading};

/// What became of readings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counts {
    /// At instants not known before.
    pub(super) added: u64,
    /// Known with this value and quality.
    pub(super) unchanged: u64,
    /// Other than what was known.
    pub(super) corrected: u64,
}

/// A day that takes in readings.
///
/// Readings mostly come in order and are appended. Those that belong between others are kept aside
/// until the day is asked for, and then put in their places all at once: moving all later readings
/// for each of them would take seconds for a day of 86,400 that comes newest first.
#[derive(Debug, Default)]
pub(super) struct MergingDay {
    day: DayBlock,
    /// At instants that `day` does not have, all before its last.
    between: BTreeMap<Instant, StoredReading>,
}

/// Where a known reading is kept.
enum Place {
    Day(usize),
    Between,
}

impl MergingDay {
    pub(super) const fn new(day: DayBlock) -> Self {
        Self {
            day,
            between: BTreeMap::new(),
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

    /// Whether any reading of the run differs from what the day knows.
    pub(super) fn is_corrected_by(&self, incoming: &DayBlock, run: Range<usize>) -> bool {
        incoming.readings[run].iter().any(|reading| {
            self.find(reading.at)
                .is_some_and(|(_, known)| !same(&self.day, known, incoming, reading))
        })
    }

    /// Takes in a run of readings, in the order they came: the last one counts.
    pub(super) fn take(&mut self, incoming: &DayBlock, run: Range<usize>) -> Counts {
        let mut counts = Counts::default();
        let mut translated: Option<(u32, u32)> = None;
        for reading in &incoming.readings[run] {
            let place = match self.find(reading.at) {
                Some((_, known)) if same(&self.day, known, incoming, reading) => {
                    counts.unchanged += 1;
                    continue;
                }
                Some((place, _)) => Some(place),
                None => None,
            };
            let day = &mut self.day;
            let quality = match translated {
                Some((from, to)) if from == reading.quality => to,
                _ => day.quality_index(&incoming.qualities[reading.quality as usize]),
            };
            translated = Some((reading.quality, quality));
            let origin = day.origin_index(&incoming.origins[reading.origin as usize]);
            let stored = StoredReading {
                quality,
                origin,
                ..reading.clone()
            };
            match place {
                Some(_) => counts.corrected += 1,
                None => counts.added += 1,
            }
            self.put(place, stored);
        }
        counts
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
    use hub_core::MessageId;
    use hub_model::Decimal;

    use super::super::day::Origin;
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

    /// Takes in each reading as a run of its own: the most work that a day can be.
    fn one_by_one(day: &mut MergingDay, incoming: &DayBlock) -> Counts {
        let mut all = Counts::default();
        for at in 0..incoming.readings.len() {
            let counts = day.take(incoming, at..at + 1);
            all.added += counts.added;
            all.unchanged += counts.unchanged;
            all.corrected += counts.corrected;
        }
        all
    }

    #[test]
    fn a_day_of_seconds_that_comes_newest_first_is_put_in_order_once() {
        const SECONDS: i64 = 86_400;
        let forward = incoming((0..SECONDS).map(|second| (second, second * 2)));
        let backward = incoming((0..SECONDS).rev().map(|second| (second, second * 2)));
        let (mut oldest_first, mut newest_first) = (MergingDay::default(), MergingDay::default());
        let counts = one_by_one(&mut oldest_first, &forward);
        assert_eq!(oldest_first.between.len(), 0, "all are appended");
        assert_eq!(one_by_one(&mut newest_first, &backward), counts);
        let waiting = newest_first.between.len();
        assert_eq!(waiting, 86_399, "none was moved for another");
        assert_eq!(newest_first.len(), 86_400);
        assert_eq!(newest_first.settled(), oldest_first.settled());
        // The morning after the evening, into a day that is known.
        let mut halves = MergingDay::default();
        let noon = 43_200;
        halves.take(&forward, noon..86_400);
        halves.take(&forward, 0..noon);
        assert_eq!(halves.between.len(), noon);
        assert_eq!(halves.settled(), oldest_first.settled());
    }

    #[test]
    fn the_last_of_one_instant_counts_wherever_it_is_kept() {
        let mut day = MergingDay::default();
        let first = incoming([(9, 9), (3, 3), (5, 5), (3, 3), (3, 4), (9, 9)].into_iter());
        let counts = day.take(&first, 0..6);
        let expected = Counts {
            added: 3,
            unchanged: 2,
            corrected: 1,
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
