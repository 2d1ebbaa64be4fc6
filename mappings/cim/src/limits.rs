//! How much of a document this mapping holds at once, and what it refuses.
//!
//! Memory does not grow with the payload because each of these has a number.

/// Readings of one `MeterReading` kept until its `Meter` is known. The meter stands after them in
/// schema order; beyond this number it is looked up ahead and they are passed on. Too small costs
/// a second pass over large meter readings, too big costs memory (about 60 bytes each).
pub const MAX_BUFFERED_READINGS: usize = 100_000;

/// Bytes of texts (sources, comments ...) kept with them, for the same reason.
pub const MAX_BUFFERED_BYTES: usize = 32 << 20;

/// Distinct sets of qualities in one block, before it is passed on in pieces. Below the 65,536
/// that a block can number.
pub const MAX_QUALITY_SETS: usize = 50_000;

/// Qualities of one reading.
pub const MAX_QUALITIES: usize = 256;

/// Names of one meter or usage point, and details of one event.
pub const MAX_NAMES: usize = 100;

/// Length in bytes of one tag, comment or stretch of text. A longer one ends the document.
pub const MAX_TOKEN_BYTES: usize = 1 << 20;

/// Length in bytes of the text of one field. A longer one is a finding.
pub const MAX_TEXT_BYTES: usize = 16 << 10;

/// Elements inside each other. The deepest document of the standard, in two envelopes, has 14.
pub const MAX_DEPTH: usize = 64;

/// Namespace declarations in force at one place.
pub const MAX_NAMESPACES: usize = 256;

/// Size of a part that [`hub_model::mapping::Segments`] yields, unless one `MeterReading` is larger.
pub const PART_BYTES: usize = 1 << 20;

/// Largest part. A payload with a larger `MeterReading` is decoded in one go.
pub const MAX_PART_BYTES: usize = 8 << 20;

/// What may stand before the first `MeterReading` (envelopes, headers) in a payload that is cut.
/// Every part decodes it again.
pub const MAX_HEAD_BYTES: u64 = 64 << 10;

/// Bytes read from the payload at once.
pub(crate) const CHUNK_BYTES: usize = 256 << 10;
