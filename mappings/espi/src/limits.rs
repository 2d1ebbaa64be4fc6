//! Named limits of what is kept in memory or believed. Beyond them a payload is refused, visibly.

/// Longest tag, text or comment, in bytes. Larger lets a payload fill memory with one token.
pub const MAX_TOKEN_BYTES: u64 = 256 * 1024;

/// Deepest nesting of elements. ESPI needs ten.
pub const MAX_DEPTH: usize = 64;

/// Longest text of an element that is read, in bytes: numbers, in ESPI.
pub const MAX_TEXT_BYTES: usize = 256;

/// Links and reading types that are kept between the two passes, in bytes. A feed of more
/// (tens of thousands of usage points) must be split by its sender.
pub const MAX_CATALOG_BYTES: usize = 128 * 1024 * 1024;

/// Links of one entry that are looked at.
pub const MAX_LINKS: usize = 64;

/// Longest link that is looked at, in bytes.
pub const MAX_HREF_BYTES: usize = 2_048;

/// Readings after which a block is handed on. Larger makes records larger, smaller makes more.
pub const MAX_BLOCK_READINGS: usize = 8_192;

/// Qualities of one reading that are kept.
pub const MAX_QUALITIES: usize = 32;
