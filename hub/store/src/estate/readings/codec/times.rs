//! Instants: a base and a step where they are regular, each of them where they are not.
//!
//! Modes: 0 regular (base, step), 1 regular with gaps (base, step, slots, bitmap of the slots that
//! have a reading), 2 whole seconds (first, differences), 3 microseconds (first, differences).

use hub_model::Instant;

use super::bytes::{Reader, Writer};
use super::{blank, damaged};
use crate::StoreError;
use crate::estate::readings::day::{MAX_READINGS, StoredReading};

const REGULAR: u8 = 0;
const GAPS: u8 = 1;
const SECONDS: u8 = 2;
const MICROS: u8 = 3;
const SECOND: i64 = 1_000_000;

/// Writes the instants and returns the mode.
pub(super) fn encode(
    readings: &[StoredReading],
    step_seconds: Option<u32>,
    writer: &mut Writer<'_>,
) -> u8 {
    let Some(first) = readings.first().map(|reading| reading.at.micros()) else {
        return SECONDS;
    };
    let distance = readings
        .get(1)
        .map_or(0, |second| second.at.micros() - first);
    let regular = (0i64..)
        .zip(readings)
        .all(|(i, reading)| reading.at.micros() - first == i * distance);
    let whole = |micros: i64| micros % SECOND == 0;
    if regular && whole(first) && whole(distance) {
        writer.signed(first / SECOND);
        writer.number((distance / SECOND).cast_unsigned());
        return REGULAR;
    }
    if !readings.iter().all(|reading| whole(reading.at.micros())) {
        explicit(readings, 1, writer);
        return MICROS;
    }
    match slots(readings, step_seconds) {
        Some((step, slots)) => {
            with_gaps(readings, step, slots, writer);
            GAPS
        }
        None => {
            explicit(readings, SECOND, writer);
            SECONDS
        }
    }
}

/// Step in microseconds and number of slots, if a bitmap of them is smaller than the differences.
fn slots(readings: &[StoredReading], step_seconds: Option<u32>) -> Option<(i64, i64)> {
    let first = readings.first()?.at.micros();
    let span = readings.last()?.at.micros() - first;
    let smallest = readings
        .windows(2)
        .map(|pair| pair[1].at.micros() - pair[0].at.micros())
        .min()?;
    let named = step_seconds.map(|seconds| i64::from(seconds) * SECOND);
    let step = named
        .into_iter()
        .chain([smallest])
        .find(|step| *step > 0 && readings.iter().all(|r| (r.at.micros() - first) % step == 0))?;
    let slots = span / step + 1;
    (slots <= readings.len() as i64 * 8).then_some((step, slots))
}

fn with_gaps(readings: &[StoredReading], step: i64, slots: i64, writer: &mut Writer<'_>) {
    let first = readings[0].at.micros();
    writer.signed(first / SECOND);
    writer.number((step / SECOND).cast_unsigned());
    writer.number(slots.cast_unsigned());
    let mut filled = readings.iter().map(|r| (r.at.micros() - first) / step);
    let mut next = filled.next();
    writer.bits((0..slots).map(|slot| {
        let here = next == Some(slot);
        if here {
            next = filled.next();
        }
        here
    }));
}

fn explicit(readings: &[StoredReading], unit: i64, writer: &mut Writer<'_>) {
    let mut before = 0;
    for reading in readings {
        let at = reading.at.micros() / unit;
        writer.signed(at.wrapping_sub(before));
        before = at;
    }
}

/// Reads `count` instants and makes a blank reading for each. They are in order and all different.
pub(super) fn decode(
    mode: u8,
    count: usize,
    reader: &mut Reader<'_>,
) -> Result<Vec<StoredReading>, StoreError> {
    let mut readings = Vec::with_capacity(count);
    match mode {
        REGULAR => {
            let (first, step) = base(reader)?;
            readings.extend((0..count as i64).map(|i| at(first, step, i)));
        }
        GAPS => {
            let (first, step) = base(reader)?;
            let slots = reader.number()?;
            let slots = usize::try_from(slots)
                .ok()
                .filter(|slots| *slots <= 8 * MAX_READINGS)
                .ok_or_else(|| damaged("more slots than a day may have"))?;
            for (slot, filled) in (0i64..).zip(reader.bits(slots)?) {
                if filled && readings.len() < count {
                    readings.push(at(first, step, slot));
                }
            }
        }
        mode => {
            let unit = if mode == MICROS { 1 } else { SECOND };
            let mut now = 0i64;
            for _ in 0..count {
                now = now.wrapping_add(reader.signed()?);
                readings.push(blank(Instant::from_micros(now.saturating_mul(unit))));
            }
        }
    }
    if readings.len() != count {
        return Err(damaged("fewer instants than readings"));
    }
    if readings.windows(2).any(|pair| pair[0].at >= pair[1].at) {
        return Err(damaged("instants out of order"));
    }
    Ok(readings)
}

/// First instant and step, in seconds.
fn base(reader: &mut Reader<'_>) -> Result<(i64, i64), StoreError> {
    let first = reader.signed()?;
    let step = i64::try_from(reader.number()?).map_err(|_| damaged("a step beyond all time"))?;
    Ok((first, step))
}

const fn at(first: i64, step: i64, slot: i64) -> StoredReading {
    let seconds = first.saturating_add(step.saturating_mul(slot));
    blank(Instant::from_seconds(seconds))
}
