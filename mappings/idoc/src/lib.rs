//! SAP IDocs, read and written as streams, in flat files and in XML, by mapping files.
//!
//! - [`IdocMapping`] is a mapping file: which message types become which canonical records, with
//!   paths such as `E1EDKA1[PARVW=AG]/PARTN` as columns in the language of `mapping-tabular`
//!   (look-ups, defaults, expressions, dates in a zone), and how records become IDocs again.
//! - [`IdocDecoder`] reads files of any number of IDocs in the memory of one. It tells the two forms
//!   apart by the first character.
//! - [`IdocEncoder`] writes one IDoc for each record.
//!
//! # Segments are data
//!
//! What fields a segment has, where they stand and how SAP writes their values is said by definition
//! files ([`SegmentFile`]): those of the configuration (`mappings/segments/NAME.toml`), those that
//! come with this crate, and what the mapping file itself defines. A new segment is no code. A
//! mapping that speaks of a segment or field nobody defined is refused when it is loaded.
//!
//! # What this crate follows
//!
//! Control record `EDI_DC40` and data records `EDI_DD40` of SAP R/3 4.0 and later. Lengths count
//! characters. Flat files in UTF-8, ISO 8859-1 or Windows-1252, as the mapping file says, with or
//! without line ends, blanks at the ends of lines cut off or not; XML in what it declares. An IDoc
//! is read whole or not at all: one that is damaged becomes a finding, and the next one is read. What
//! stands below what says nesting in XML, and `PSGNUM` in flat files; where that is not filled, the
//! definitions say it. `HLEVEL` is written and not read: many tools fill it with anything.
//! Limits: [`limits`].
//!
//! # What this crate leaves to others
//!
//! Status records (`EDI_DS40`), the answer to a message (`ALEAUD`, `STATUS`), the `_-` that XML
//! writes for the `/` of a namespace in a segment's name, RFC and transports. Offsets in XML that is
//! not UTF-8 count the bytes of the text as UTF-8, and such documents are not cut into parts.

mod business_key;
pub mod codes;
mod cut;
mod decode;
mod definition;
mod encode;
mod file;
mod find;
mod flat;
mod idoc;
pub mod limits;
mod path;
mod plan;
mod window;
mod xml;

pub use decode::IdocDecoder;
pub use definition::{FieldEntry, FieldKind, SegmentEntry, SegmentFile, segment_schema};
pub use encode::IdocEncoder;
pub use file::{
    DocumentNumber, FileTable, Form, IdocFile, LineEnd, MessageTable, WriteTable, mapping_schema,
};
pub use plan::{Definition, IdocMapping, asked_definitions};
