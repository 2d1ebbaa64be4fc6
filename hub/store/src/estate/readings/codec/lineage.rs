//! Where readings came from: messages, and the byte offset and line within them.

use std::sync::Arc;

use hub_core::MessageId;

use super::bytes::{Reader, Writer};
use super::{damaged, runs};
use crate::StoreError;
use crate::estate::readings::day::{DayBlock, Origin};

pub(super) fn encode(day: &DayBlock, writer: &mut Writer<'_>) {
    let readings = &day.readings;
    writer.number(day.origins.len() as u64);
    for origin in &day.origins {
        writer.fixed(origin.message.0);
        match &origin.sheet {
            None => writer.byte(0),
            Some(sheet) => {
                writer.byte(1);
                writer.text(sheet);
            }
        }
    }
    if day.origins.len() > 1 {
        runs::encode(readings.iter().map(|r| u64::from(r.origin)), writer);
    }
    runs::encode(readings.iter().map(|r| r.offset), writer);
    runs::encode(readings.iter().map(|r| r.line), writer);
}

pub(super) fn decode(day: &mut DayBlock, reader: &mut Reader<'_>) -> Result<(), StoreError> {
    let origins = reader.number()?;
    if origins > reader.left() as u64 {
        return Err(damaged("more origins than bytes"));
    }
    for _ in 0..origins {
        day.origins.push(decode_origin(reader)?);
    }
    let readings = &mut day.readings;
    let count = readings.len();
    if origins > 1 {
        runs::decode(count, reader, |position, index| {
            if index >= origins {
                return Err(damaged("an origin that is not in the palette"));
            }
            readings[position].origin = index as u32;
            Ok(())
        })?;
    }
    runs::decode(count, reader, |position, offset| {
        readings[position].offset = offset;
        Ok(())
    })?;
    runs::decode(count, reader, |position, line| {
        readings[position].line = line;
        Ok(())
    })
}

fn decode_origin(reader: &mut Reader<'_>) -> Result<Origin, StoreError> {
    let message = MessageId(reader.fixed()?);
    let sheet = match reader.byte()? {
        0 => None,
        1 => Some(Arc::from(reader.text()?)),
        _ => return Err(damaged("an origin of an unknown kind")),
    };
    Ok(Origin { message, sheet })
}
