//! The format's own documentation: a JSON Schema of one line.

use schemars::JsonSchema;

use crate::wire;

/// One line of a document of canonical records.
#[derive(JsonSchema)]
#[schemars(untagged)]
// Never made: it exists for its schema.
#[expect(dead_code, reason = "only its schema is used")]
enum RecordLine<'a> {
    Reading(wire::Reading<'a>),
    WorkOrder(wire::WorkOrder<'a>),
    EndDevice(wire::EndDevice<'a>),
    UsagePoint(wire::UsagePoint<'a>),
    EndDeviceEvent(wire::EndDeviceEvent<'a>),
}

/// The JSON Schema (2020-12) of one line, with documentation of every field and examples.
#[must_use]
pub fn record_schema() -> serde_json::Value {
    schemars::schema_for!(RecordLine<'static>).to_value()
}
