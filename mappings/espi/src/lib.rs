//! Green Button (NAESB REQ.21 "ESPI", an Atom feed) to canonical records.
//!
//! What is read: `UsagePoint` and the readings of `IntervalBlock`, typed by the `ReadingType` that
//! their `MeterReading` links to. Summaries, costs, customers, authorisations and
//! `LocalTimeParameters` are skipped: every time in an `IntervalBlock` is Unix time.
//!
//! - A payload is a feed, one entry, or one bare resource; prefixes do not matter, namespaces do.
//! - Entries may stand in any order, so the payload is read twice: first the small resources and
//!   their links, then the readings. Memory is bounded by the limits in [`limits`], not by the payload.
//! - A value stays the integer that was sent; its power of ten is part of the reading type.
//! - `start + duration` becomes the END of the interval, as the canonical model has it.
//!
//! [`EspiDecoder`] says how each thing is mapped. There is no encoder.

#![warn(missing_docs)]

mod block;
mod catalog;
mod decode;
mod href;
pub mod limits;
mod number;
mod quality;
mod reading;
mod reading_type;
mod source;
mod usage_point;
mod walk;
mod xml;

pub use decode::{EspiDecoder, UsagePointId};
