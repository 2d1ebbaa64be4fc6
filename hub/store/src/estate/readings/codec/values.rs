//! Values: integers at the day's finest scale, each as its difference from the one before.
//!
//! One byte of head: the scale (0 to 18), and whether all values are equal or have scales of their
//! own (when no common scale can hold them all).

use hub_model::Decimal;

use super::bytes::{Reader, Writer};
use super::damaged;
use crate::StoreError;
use crate::estate::readings::day::StoredReading;

const SCALE: u8 = 0b0001_1111;
const EQUAL: u8 = 0b0010_0000;
const MIXED: u8 = 0b0100_0000;

pub(super) fn encode(readings: &[StoredReading], writer: &mut Writer<'_>) {
    let values = || readings.iter().filter_map(|reading| reading.value);
    let Some(first) = values().next() else {
        return;
    };
    let scale = values().map(Decimal::scale).max().unwrap_or(0);
    if values().all(|value| value == first) {
        writer.byte(scale | EQUAL);
        writer.signed(first.mantissa());
        return;
    }
    let head = writer.0.len();
    writer.byte(scale);
    let mut before = 0i64;
    for value in values() {
        let Some(mantissa) = value.mantissa_at(scale) else {
            writer.0.truncate(head);
            return mixed(values(), writer);
        };
        writer.signed(mantissa.wrapping_sub(before));
        before = mantissa;
    }
}

fn mixed(values: impl Iterator<Item = Decimal>, writer: &mut Writer<'_>) {
    writer.byte(MIXED);
    for value in values {
        writer.byte(value.scale());
        writer.signed(value.mantissa());
    }
}

/// Fills in the values of all readings that are not missing.
pub(super) fn decode(
    readings: &mut [StoredReading],
    missing: Option<impl Iterator<Item = bool>>,
    reader: &mut Reader<'_>,
) -> Result<(), StoreError> {
    let mut present = Vec::new();
    match missing {
        None => present.extend(readings.iter_mut()),
        Some(missing) => {
            present.extend(
                readings
                    .iter_mut()
                    .zip(missing)
                    .filter_map(|(reading, missing)| (!missing).then_some(reading)),
            );
        }
    }
    if present.is_empty() {
        return Ok(());
    }
    let head = reader.byte()?;
    let scale = head & SCALE;
    match head & !SCALE {
        EQUAL => {
            let value = decimal(reader.signed()?, scale)?;
            present.into_iter().for_each(|r| r.value = Some(value));
        }
        MIXED => {
            for reading in present {
                let scale = reader.byte()?;
                reading.value = Some(decimal(reader.signed()?, scale)?);
            }
        }
        0 => {
            let mut mantissa = 0i64;
            for reading in present {
                mantissa = mantissa.wrapping_add(reader.signed()?);
                reading.value = Some(decimal(mantissa, scale)?);
            }
        }
        _ => return Err(damaged("values of an unknown kind")),
    }
    Ok(())
}

fn decimal(mantissa: i64, scale: u8) -> Result<Decimal, StoreError> {
    Decimal::new(mantissa, scale).ok_or_else(|| damaged("a value of more than 18 digits"))
}
