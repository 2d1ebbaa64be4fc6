//! Reads JSON lines into canonical records.

use hub_model::mapping::{Decode, Halt, Payload, Records, Segments};
use hub_model::{Finding, Place, Record};
use serde::Deserialize;

use crate::group::Grouping;
use crate::segment::Cutter;
use crate::wire::{self, RECORDS, Tagged};
use crate::{MAX_LINE_BYTES, from_wire, reject};

/// Reads JSON lines (one object a line, UTF-8, `\n` or `\r\n`) into canonical records.
///
/// - Readings that follow each other with the same meter, usage point, type and kind become one
///   block; a block never spans two segments.
/// - Empty lines are skipped. A line that cannot be understood is one finding with its line, its
///   field, the reason and the valid names; the rest goes on.
#[derive(Debug, Clone, Copy, Default)]
pub struct JsonDecoder;

impl JsonDecoder {
    /// A decoder; it has no settings.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl Decode for JsonDecoder {
    fn decode(&self, payload: &dyn Payload, out: &mut dyn Records) -> Result<(), Halt> {
        let mut segments = Cutter::new(payload, 0)?;
        while let Some(segment) = segments.next()? {
            (segment.decode)(out)?;
        }
        Ok(())
    }

    fn segments<'a>(
        &'a self,
        payload: &'a dyn Payload,
        from: u64,
    ) -> Result<Option<Box<dyn Segments + 'a>>, Halt> {
        Ok(Some(Box::new(Cutter::new(payload, from)?)))
    }
}

/// Decodes whole lines that begin at `place`.
pub(crate) fn lines(bytes: &[u8], mut place: Place, out: &mut dyn Records) -> Result<(), Halt> {
    let mut group = Grouping::default();
    for line in bytes.split_inclusive(|&b| b == b'\n') {
        decode_line(content(line, place.offset), &place, &mut group, out)?;
        place.offset += line.len() as u64;
        place.line += 1;
    }
    group.flush(out)
}

/// Reports a line that is not read because of its length.
pub(crate) fn too_long(out: &mut dyn Records, place: Place, bytes: u64) -> Result<(), Halt> {
    out.finding(Finding::error(
        "line_too_long",
        place,
        format!("the line has {bytes} bytes, at most {MAX_LINE_BYTES} are read"),
    ))
}

/// A line without white space at its ends, and without a byte-order mark in front of the first.
fn content(line: &[u8], offset: u64) -> &[u8] {
    let line = match line.strip_prefix(b"\xEF\xBB\xBF") {
        Some(rest) if offset == 0 => rest,
        _ => line,
    };
    line.trim_ascii()
}

/// How the hub itself begins the line of a reading: such a line needs no look at its kind first.
const READING: &[u8] = br#"{"record":"reading","#;

fn decode_line(
    line: &[u8],
    place: &Place,
    group: &mut Grouping,
    out: &mut dyn Records,
) -> Result<(), Halt> {
    if line.is_empty() {
        return Ok(());
    }
    if line.starts_with(READING) {
        return reading(line, place, group, out);
    }
    // serde would take an array for a struct, its items in the order of the fields.
    if line[0] != b'{' {
        let reason = "expected one JSON object a line, beginning with `{`";
        return out.finding(Finding::error("bad_json", place.clone(), reason));
    }
    let tagged = match serde_json::from_slice::<Tagged<'_>>(line) {
        Ok(tagged) => tagged,
        Err(_) => return out.finding(reject::line::<Tagged<'_>>(line, place)),
    };
    let kind = tagged.record.as_ref().map(|text| &*text.0);
    let record = match kind {
        Some("reading") => return reading(line, place, group, out),
        Some("work_order") => parse(line, place, |order: wire::WorkOrder<'_>| {
            Record::WorkOrder(Box::new(from_wire::work_order(order)))
        }),
        Some("end_device") => parse(line, place, |device: wire::EndDevice<'_>| {
            Record::EndDevice(Box::new(from_wire::end_device(device)))
        }),
        Some("usage_point") => parse(line, place, |point: wire::UsagePoint<'_>| {
            Record::UsagePoint(Box::new(from_wire::usage_point(point)))
        }),
        Some("end_device_event") => parse(line, place, |event: wire::EndDeviceEvent<'_>| {
            Record::EndDeviceEvent(Box::new(from_wire::end_device_event(event)))
        }),
        other => Err(unknown_record(other, place)),
    };
    match record {
        Ok(record) => {
            group.flush(out)?;
            out.record(place.clone(), record)
        }
        Err(finding) => out.finding(finding),
    }
}

fn reading(
    line: &[u8],
    place: &Place,
    group: &mut Grouping,
    out: &mut dyn Records,
) -> Result<(), Halt> {
    match serde_json::from_slice::<wire::Reading<'_>>(line) {
        Ok(reading) => group.push(reading, place, out),
        Err(_) => out.finding(reject::line::<wire::Reading<'_>>(line, place)),
    }
}

fn parse<'a, T: Deserialize<'a>>(
    line: &'a [u8],
    place: &Place,
    convert: impl FnOnce(T) -> Record,
) -> Result<Record, Finding> {
    serde_json::from_slice::<T>(line)
        .map(convert)
        .map_err(|_| reject::line::<T>(line, place))
}

fn unknown_record(word: Option<&str>, place: &Place) -> Finding {
    let valid = RECORDS.map(|word| format!("`{word}`")).join(", ");
    let reason = match word {
        Some(word) => {
            let shown: String = word.chars().take(80).collect();
            format!("unknown record `{shown}`, expected one of {valid}")
        }
        None => format!("missing field `record`, expected one of {valid}"),
    };
    Finding::error("unknown_record", place.clone(), reason).in_field("record")
}
