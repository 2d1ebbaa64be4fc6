//! New readings against a day that is known.

use std::ops::Range;

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

/// Whether any reading of the run differs from what the day knows.
pub(super) fn corrects(day: &DayBlock, incoming: &DayBlock, run: Range<usize>) -> bool {
    incoming.readings[run].iter().any(|reading| {
        position(day, reading)
            .is_ok_and(|known| !same(day, &day.readings[known], incoming, reading))
    })
}

/// Takes a run of readings into the day, in the order they came: the last one counts.
pub(super) fn merge(day: &mut DayBlock, incoming: &DayBlock, run: Range<usize>) -> Counts {
    let mut counts = Counts::default();
    let mut translated: Option<(u32, u32)> = None;
    for reading in &incoming.readings[run] {
        let place = position(day, reading);
        if let Ok(known) = place
            && same(day, &day.readings[known], incoming, reading)
        {
            counts.unchanged += 1;
            continue;
        }
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
            Ok(known) => {
                day.readings[known] = stored;
                counts.corrected += 1;
            }
            Err(between) => {
                day.readings.insert(between, stored);
                counts.added += 1;
            }
        }
    }
    counts
}

/// Where an instant is, or would be. Readings mostly come in order.
fn position(day: &DayBlock, reading: &StoredReading) -> Result<usize, usize> {
    match day.readings.last() {
        Some(last) if last.at >= reading.at => {
            day.readings.binary_search_by_key(&reading.at, |r| r.at)
        }
        _ => Err(day.readings.len()),
    }
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
