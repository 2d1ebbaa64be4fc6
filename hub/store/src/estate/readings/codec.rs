//! A day of readings as bytes: one to two bytes a reading, exact, self-describing.
//!
//! A block is a sequence of columns, so that what is the same for the whole day is written once:
//!
//! | part | content |
//! |---|---|
//! | version | one byte, 1 |
//! | flags | one byte, see [`Flags`] |
//! | count | readings in the block |
//! | times | base instant (absolute, UTC) and step, with a bitmap if there are gaps; or every instant |
//! | missing | bitmap of the readings that are known to be missing, if any is |
//! | values | scaled integers: first value, then differences |
//! | qualities | palette and runs, if any reading has one |
//! | origins | palette of messages, with runs if there are several |
//! | offsets, lines | byte offset and line of every reading, as runs of equal differences |
//! | details | index and content of the few readings that have one |
//!
//! Numbers are LEB128 (7 bits a byte, lowest first); signed ones are zig-zag coded before. Because
//! the base is an absolute instant, days of 92, 96 and 100 quarter-hours need nothing special.

mod bytes;
mod details;
mod lineage;
mod qualities;
mod runs;
mod times;
mod values;

use bytes::{Reader, Writer};

use super::day::{DayBlock, MAX_READINGS, StoredReading};
use crate::StoreError;

/// The layout described above. Older versions stay readable for ever.
const VERSION: u8 = 1;

/// What a block has, besides values.
struct Flags;

impl Flags {
    /// How instants are written, see [`times`].
    const TIMES: u8 = 0b0000_0011;
    const MISSING: u8 = 0b0000_0100;
    const QUALITIES: u8 = 0b0000_1000;
    const DETAILS: u8 = 0b0001_0000;
    const ALL: u8 = 0b0001_1111;
}

/// Appends a day to `out`.
///
/// `step_seconds` is the usual distance of two readings, if the reading type says one; it only
/// makes days with gaps smaller. At most [`MAX_READINGS`] readings, in the order of their instants.
pub fn encode(day: &DayBlock, step_seconds: Option<u32>, out: &mut Vec<u8>) {
    let readings = &day.readings;
    out.reserve(48 + 2 * readings.len());
    let mut writer = Writer(out);
    writer.byte(VERSION);
    let flags_at = writer.0.len();
    writer.byte(0);
    writer.number(readings.len() as u64);
    let mut flags = times::encode(readings, step_seconds, &mut writer);
    if readings.iter().any(|reading| reading.value.is_none()) {
        flags |= Flags::MISSING;
        writer.bits(readings.iter().map(|reading| reading.value.is_none()));
    }
    values::encode(readings, &mut writer);
    if qualities::needed(day) {
        flags |= Flags::QUALITIES;
        qualities::encode(day, &mut writer);
    }
    lineage::encode(day, &mut writer);
    if readings.iter().any(|reading| reading.detail.is_some()) {
        flags |= Flags::DETAILS;
        details::encode(readings, &mut writer);
    }
    out[flags_at] = flags;
}

/// Reads a day back.
///
/// # Errors
/// [`StoreError::Damaged`]: the bytes are no block, or one of a newer version.
pub fn decode(bytes: &[u8]) -> Result<DayBlock, StoreError> {
    let mut reader = Reader::new(bytes);
    let version = reader.byte()?;
    if version != VERSION {
        return Err(damaged(&format!("version {version}, expected {VERSION}")));
    }
    let flags = reader.byte()?;
    if flags & !Flags::ALL != 0 {
        return Err(damaged("unknown flags"));
    }
    let count = reader.number()?;
    let count = usize::try_from(count)
        .ok()
        .filter(|count| *count <= MAX_READINGS)
        .ok_or_else(|| damaged("more readings than a day may hold"))?;
    let mut readings = times::decode(flags & Flags::TIMES, count, &mut reader)?;
    let missing = match flags & Flags::MISSING {
        0 => None,
        _ => Some(reader.bits(count)?),
    };
    values::decode(&mut readings, missing, &mut reader)?;
    let mut day = DayBlock {
        readings,
        qualities: vec![Vec::new()],
        origins: Vec::new(),
    };
    if flags & Flags::QUALITIES != 0 {
        qualities::decode(&mut day, &mut reader)?;
    }
    lineage::decode(&mut day, &mut reader)?;
    if flags & Flags::DETAILS != 0 {
        details::decode(&mut day.readings, &mut reader)?;
    }
    reader.end()?;
    Ok(day)
}

/// A reading at an instant, everything else to be filled in.
const fn blank(at: hub_model::Instant) -> StoredReading {
    StoredReading {
        at,
        value: None,
        quality: 0,
        origin: 0,
        offset: 0,
        line: 0,
        detail: None,
    }
}

fn damaged(what: &str) -> StoreError {
    StoreError::Damaged(format!("reading block: {what}"))
}

#[cfg(test)]
mod tests;
