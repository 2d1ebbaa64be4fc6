//! Writes canonical records as JSON lines.

use hub_model::mapping::{Encode, Envelope, Inexpressible};
use hub_model::{Record, RecordKind};
use serde::Serialize;

use crate::to_wire;

/// Writes canonical records as JSON lines: one line a record, one line a reading of a block.
///
/// A document has no head and no tail. A block without readings writes nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct JsonEncoder;

impl JsonEncoder {
    /// An encoder; it has no settings.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl Encode for JsonEncoder {
    fn media_type(&self) -> &'static str {
        "application/x-ndjson"
    }

    fn extension(&self) -> &'static str {
        "jsonl"
    }

    fn writes(&self) -> &'static [RecordKind] {
        &[
            RecordKind::Readings,
            RecordKind::WorkOrder,
            RecordKind::EndDevice,
            RecordKind::UsagePoint,
            RecordKind::EndDeviceEvent,
        ]
    }

    fn head(&self, _: &Envelope, _: &mut Vec<u8>) {}

    fn record(
        &self,
        _: &Envelope,
        record: &Record,
        out: &mut Vec<u8>,
    ) -> Result<(), Inexpressible> {
        let before = out.len();
        let written = lines(record, out);
        if written.is_err() {
            out.truncate(before);
        }
        written
    }

    fn tail(&self, _: &Envelope, _: &mut Vec<u8>) {}
}

fn lines(record: &Record, out: &mut Vec<u8>) -> Result<(), Inexpressible> {
    match record {
        Record::Readings(block) => {
            for reading in &block.readings {
                line("reading", &to_wire::reading(block, reading), out)?;
            }
            Ok(())
        }
        Record::WorkOrder(order) => line("work_order", &to_wire::work_order(order), out),
        Record::EndDevice(device) => line("end_device", &to_wire::end_device(device), out),
        Record::UsagePoint(point) => line("usage_point", &to_wire::usage_point(point), out),
        Record::EndDeviceEvent(event) => {
            line("end_device_event", &to_wire::end_device_event(event), out)
        }
    }
}

/// A record as JSON values: one, or of a block of readings one for each.
///
/// # Errors
/// JSON cannot say it.
pub fn values(record: &Record) -> Result<Vec<serde_json::Value>, Inexpressible> {
    match record {
        Record::Readings(block) => {
            let readings = block.readings.iter();
            let value = |reading| value("reading", &to_wire::reading(block, reading));
            readings.map(value).collect()
        }
        Record::WorkOrder(order) => one(value("work_order", &to_wire::work_order(order))),
        Record::EndDevice(device) => one(value("end_device", &to_wire::end_device(device))),
        Record::UsagePoint(point) => one(value("usage_point", &to_wire::usage_point(point))),
        Record::EndDeviceEvent(event) => {
            one(value("end_device_event", &to_wire::end_device_event(event)))
        }
    }
}

fn one<T, E>(value: Result<T, E>) -> Result<Vec<T>, E> {
    value.map(|value| vec![value])
}

fn value(field: &'static str, wire: &impl Serialize) -> Result<serde_json::Value, Inexpressible> {
    serde_json::to_value(wire).map_err(|error| Inexpressible {
        field,
        reason: error.to_string(),
    })
}

/// The only thing JSON cannot say is an instant outside the calendar.
fn line(
    field: &'static str,
    wire: &impl Serialize,
    out: &mut Vec<u8>,
) -> Result<(), Inexpressible> {
    serde_json::to_writer(&mut *out, wire).map_err(|error| Inexpressible {
        field,
        reason: error.to_string(),
    })?;
    out.push(b'\n');
    Ok(())
}
