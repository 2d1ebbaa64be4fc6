//! Quality sets: a palette, and runs of readings that share one.

use hub_model::{Instant, QualityCode, QualitySet, ReadingQuality};

use super::bytes::{Reader, Writer};
use super::{damaged, runs};
use crate::StoreError;
use crate::estate::readings::day::DayBlock;

const COMMENT: u8 = 1;
const SOURCE: u8 = 2;
const TIMESTAMP: u8 = 4;

/// Whether any reading has a quality at all.
pub(super) fn needed(day: &DayBlock) -> bool {
    let empty = |index: u32| {
        day.qualities
            .get(index as usize)
            .is_none_or(|set| set.is_empty())
    };
    match day.qualities.as_slice() {
        [] => false,
        [only] => !only.is_empty(),
        _ => day.readings.iter().any(|reading| !empty(reading.quality)),
    }
}

pub(super) fn encode(day: &DayBlock, writer: &mut Writer<'_>) {
    writer.number(day.qualities.len() as u64);
    for set in &day.qualities {
        writer.number(set.len() as u64);
        set.iter().for_each(|quality| encode_one(quality, writer));
    }
    runs::encode(
        day.readings
            .iter()
            .map(|reading| u64::from(reading.quality)),
        writer,
    );
}

fn encode_one(quality: &ReadingQuality, writer: &mut Writer<'_>) {
    let ReadingQuality {
        code,
        comment,
        source,
        timestamp,
    } = quality;
    for part in [code.system, code.category, code.sub] {
        writer.number(u64::from(part));
    }
    let mut present = 0;
    present |= if comment.is_some() { COMMENT } else { 0 };
    present |= if source.is_some() { SOURCE } else { 0 };
    present |= if timestamp.is_some() { TIMESTAMP } else { 0 };
    writer.byte(present);
    for text in [comment, source].into_iter().flatten() {
        writer.text(text);
    }
    if let Some(timestamp) = timestamp {
        writer.signed(timestamp.micros());
    }
}

pub(super) fn decode(day: &mut DayBlock, reader: &mut Reader<'_>) -> Result<(), StoreError> {
    let sets = reader.number()?;
    if sets > reader.left() as u64 {
        return Err(damaged("more quality sets than bytes"));
    }
    day.qualities.clear();
    for _ in 0..sets {
        day.qualities.push(decode_set(reader)?);
    }
    let readings = &mut day.readings;
    runs::decode(readings.len(), reader, |position, index| {
        if index >= sets {
            return Err(damaged("a quality that is not in the palette"));
        }
        readings[position].quality = index as u32;
        Ok(())
    })
}

fn decode_set(reader: &mut Reader<'_>) -> Result<QualitySet, StoreError> {
    let length = reader.number()?;
    if length > reader.left() as u64 {
        return Err(damaged("more qualities than bytes"));
    }
    (0..length).map(|_| decode_one(reader)).collect()
}

fn decode_one(reader: &mut Reader<'_>) -> Result<ReadingQuality, StoreError> {
    let mut part =
        || u16::try_from(reader.number()?).map_err(|_| damaged("a quality code beyond its range"));
    let code = QualityCode::new(part()?, part()?, part()?);
    let present = reader.byte()?;
    if present & !(COMMENT | SOURCE | TIMESTAMP) != 0 {
        return Err(damaged("a quality of an unknown kind"));
    }
    let mut text = |flag| match present & flag {
        0 => Ok(None),
        _ => reader.text().map(|text| Some(text.to_owned())),
    };
    let (comment, source) = (text(COMMENT)?, text(SOURCE)?);
    let timestamp = match present & TIMESTAMP {
        0 => None,
        _ => Some(Instant::from_micros(reader.signed()?)),
    };
    Ok(ReadingQuality {
        code,
        comment,
        source,
        timestamp,
    })
}
