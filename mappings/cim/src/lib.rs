//! IEC 61968-9 `MeterReadings` and `EndDeviceEvents`, decoded and encoded as streams.
//!
//! - [`CimDecoder`] reads documents of any size in bounded memory, alone or in an IEC 61968-100 or
//!   SOAP envelope, in any year's namespace. Readings become
//!   [`ReadingBlock`](hub_model::ReadingBlock)s, events
//!   [`EndDeviceEvent`](hub_model::EndDeviceEvent)s; what cannot be understood becomes a finding.
//! - [`CimEncoder`] writes `MeterReadings` in the namespace a partner wants.
//! - [`synthetic`] makes documents of any size for benchmarks and demonstrations.
//!
//! # Parts
//!
//! `segments()` cuts between `MeterReading`s. Its parts, decoded in order, yield exactly what
//! `decode()` yields. A document that is not well-formed ends at a fatal finding: parts after the
//! one that yields it are void, and whoever decodes parts in parallel drops them. A part decoded
//! after the broken one yields nothing.
//!
//! # What this crate leaves to others
//!
//! Schema validation, `GetMeterReadings` requests, `EndDeviceControls`, compressed payloads and
//! the answer to a message. Offsets in documents that are not UTF-8 count the bytes of the text as
//! UTF-8, and such documents are not cut.

mod answer;
mod business_key;
pub mod codes;
mod decode;
mod encode;
mod encoding;
pub mod limits;
mod namespaces;
mod segments;
mod source;
mod stop;
pub mod synthetic;
mod text;
mod wire;
mod xml;

pub use answer::CimAnswer;
pub use decode::CimDecoder;
pub use encode::{CimEncoder, CimNamespace};
