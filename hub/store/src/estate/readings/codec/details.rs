//! The rarer properties of the few readings that have any.

use hub_model::{Instant, ReadingDetail, TimePeriod};

use super::bytes::{Reader, Writer};
use super::damaged;
use crate::StoreError;
use crate::estate::readings::day::StoredReading;

const REPORTED: u8 = 1;
const SOURCE: u8 = 2;
const REASON: u8 = 4;
const PERIOD: u8 = 8;

/// Writes how many readings have details, and for each how many readings it lies after the one
/// before. Instants are differences from the reading's own, which is near.
pub(super) fn encode(readings: &[StoredReading], writer: &mut Writer<'_>) {
    let detailed = readings
        .iter()
        .enumerate()
        .filter_map(|(i, reading)| Some((i, reading.at, reading.detail.as_deref()?)));
    writer.number(detailed.clone().count() as u64);
    let mut next = 0;
    for (i, at, detail) in detailed {
        writer.number((i - next) as u64);
        next = i + 1;
        encode_one(at, detail, writer);
    }
}

fn encode_one(at: Instant, detail: &ReadingDetail, writer: &mut Writer<'_>) {
    let ReadingDetail {
        reported,
        source,
        reason,
        period,
    } = detail;
    let mut present = 0;
    present |= if reported.is_some() { REPORTED } else { 0 };
    present |= if source.is_some() { SOURCE } else { 0 };
    present |= if reason.is_some() { REASON } else { 0 };
    present |= if period.is_some() { PERIOD } else { 0 };
    writer.byte(present);
    let mut instant = |instant: Instant| writer.signed(instant.micros().wrapping_sub(at.micros()));
    reported.map(&mut instant);
    if let Some(period) = period {
        instant(period.start);
        instant(period.end);
    }
    for text in [source, reason].into_iter().flatten() {
        writer.text(text);
    }
}

pub(super) fn decode(
    readings: &mut [StoredReading],
    reader: &mut Reader<'_>,
) -> Result<(), StoreError> {
    let mut rest = readings;
    for _ in 0..reader.number()? {
        let skip = usize::try_from(reader.number()?).unwrap_or(usize::MAX);
        let (reading, after) = rest
            .get_mut(skip..)
            .and_then(<[_]>::split_first_mut)
            .ok_or_else(|| damaged("details of no reading"))?;
        reading.detail = Some(Box::new(decode_one(reading.at, reader)?));
        rest = after;
    }
    Ok(())
}

fn decode_one(at: Instant, reader: &mut Reader<'_>) -> Result<ReadingDetail, StoreError> {
    let present = reader.byte()?;
    if present & !(REPORTED | SOURCE | REASON | PERIOD) != 0 {
        return Err(damaged("details of an unknown kind"));
    }
    let has = |flag| present & flag != 0;
    let mut instant = || {
        let distance = reader.signed()?;
        Ok::<_, StoreError>(Instant::from_micros(at.micros().wrapping_add(distance)))
    };
    let reported = has(REPORTED).then(&mut instant).transpose()?;
    let period = match has(PERIOD) {
        true => Some(TimePeriod {
            start: instant()?,
            end: instant()?,
        }),
        false => None,
    };
    let mut text = || reader.text().map(ToOwned::to_owned);
    Ok(ReadingDetail {
        reported,
        source: has(SOURCE).then(&mut text).transpose()?,
        reason: has(REASON).then(&mut text).transpose()?,
        period,
    })
}
