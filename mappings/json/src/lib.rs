//! The canonical records as JSON lines: one reading, order, device, usage point or event a line.
//!
//! This is the hub's own format: what partners without a standard format send, what `convert`
//! prints, and what fixtures of other mappings expect. It says everything the canonical model can
//! say, so `decode ∘ encode` is the identity up to how readings are grouped into blocks.
//!
//! - Exact: decimals are written as strings and read from strings or numbers, never through a float.
//! - Strict: unknown fields, duplicate fields and unknown words are findings with the valid names.
//! - Streaming: memory is bounded by [`MAX_LINE_BYTES`] a segment, whatever the payload's size.
//!
//! [`record_schema`] documents every field as a JSON Schema.

#![warn(missing_docs)]

mod answer;
mod decode;
mod encode;
mod from_wire;
mod group;
mod reject;
mod scalar;
mod schema;
mod segment;
mod to_wire;
mod wire;

pub use answer::JsonAnswer;
pub use decode::JsonDecoder;
pub use encode::{JsonEncoder, values};
pub use schema::record_schema;
pub use segment::MAX_LINE_BYTES;
