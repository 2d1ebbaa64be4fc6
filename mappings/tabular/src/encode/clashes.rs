//! Which readings of a day cannot stand in one row that has a single quality.

use std::collections::BTreeMap;

use hub_model::mapping::Inexpressible;
use hub_model::{LocalDay, ReadingBlock, Zone};

use crate::clock::LocalClock;
use crate::encode::readings::{codes, mixed_qualities};
use crate::grid::WidePlan;

/// The readings that have not the quality of most of their day, by position; of equally many those
/// of the quality that came first stay.
pub(crate) fn of_quality(
    wide: &WidePlan,
    zone: &Zone,
    block: &ReadingBlock,
) -> Vec<(usize, Inexpressible)> {
    let clock = LocalClock::new(zone.clone());
    let sets: Vec<String> = block.qualities.iter().map(|set| codes(set)).collect();
    let quality = |index: u16| sets.get(usize::from(index)).map_or("", String::as_str);
    let days: Vec<LocalDay> = block
        .readings
        .iter()
        .map(|reading| wide.day_of(reading.at, &clock))
        .collect();
    let mut counts: BTreeMap<LocalDay, Vec<(&str, usize)>> = BTreeMap::new();
    for (day, reading) in days.iter().zip(&block.readings) {
        let (of_day, quality) = (counts.entry(*day).or_default(), quality(reading.quality));
        match of_day.iter_mut().find(|(known, _)| *known == quality) {
            Some((_, count)) => *count += 1,
            None => of_day.push((quality, 1)),
        }
    }
    let most: BTreeMap<LocalDay, &str> = counts
        .into_iter()
        .filter_map(|(day, counts)| {
            // The first of the greatest: `max_by_key` would take the last.
            let first = counts.into_iter().rev().max_by_key(|(_, count)| *count)?;
            Some((day, first.0))
        })
        .collect();
    let others = days.iter().zip(&block.readings).enumerate();
    others
        .filter_map(|(position, (day, reading))| {
            let (own, of_row) = (quality(reading.quality), most.get(day)?);
            (own != *of_row).then(|| (position, mixed_qualities(own, of_row)))
        })
        .collect()
}
