//! How much of a file this mapping holds at once, and what it refuses.
//!
//! Memory is that of one IDoc, whose size has a number here, however many IDocs a file holds.

/// Largest IDoc, in bytes as they are in the file. One that is larger is a finding and is passed
/// over. SAP recommends far smaller ones; a reading upload of 10,000 readings is about 10 MB flat.
pub const MAX_IDOC_BYTES: usize = 32 << 20;

/// Most segments of one IDoc: `SEGNUM` has six digits.
pub const MAX_SEGMENTS: usize = 999_999;

/// Segments inside each other. `HLEVEL` has two digits; released IDoc types stay below ten.
pub const MAX_DEPTH: usize = 32;

/// Elements around the IDocs of an XML file, inside each other (SOAP envelope, IDoc type).
pub const MAX_OUTER_DEPTH: usize = 16;

/// Longest tag around the IDocs, and longest comment anywhere outside of them.
pub const MAX_OUTER_BYTES: usize = 1 << 20;

/// Segments that one written IDoc repeats, for readings. More readings become more IDocs.
pub const MAX_REPEATED_SEGMENTS: usize = 5_000;

/// Largest file of segment definitions.
pub const MAX_DEFINITION_BYTES: usize = 4 << 20;

/// Characters of a flat control record, `EDI_DC40`.
pub const CONTROL_CHARS: usize = 524;

/// Characters before the data of a flat data record, `EDI_DD40`.
pub const HEADER_CHARS: usize = 63;

/// Characters of data in a flat data record.
pub const DATA_CHARS: usize = 1_000;

/// Characters of a control record that must be there, even where blanks at its end were cut off:
/// up to and with `CRETIM`, which is never blank.
pub(crate) const LEAST_CONTROL_CHARS: usize = 392;

/// Bytes read from the payload at once.
pub(crate) const CHUNK_BYTES: usize = 256 << 10;

/// IDocs are handed to threads together, until they are so many bytes.
pub(crate) const PART_BYTES: usize = 1 << 20;
