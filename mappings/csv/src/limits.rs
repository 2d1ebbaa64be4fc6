//! How much of a payload is held at once.

/// Longest row. A wide row of 100 values with qualities has 2 KB; an unclosed quote must not
/// swallow the file. A row beyond it is a finding, and reading goes on at the next line.
pub const MAX_RECORD_BYTES: usize = 256 << 10;

/// Most cells of a row: Excel's own limit.
pub const MAX_COLUMNS: usize = 16_384;

/// Size of the parts that decode on their own, for a longest row. Smaller parts cost more hand-over
/// and give smaller blocks of readings, larger ones more memory per core. A part must hold a
/// longest row and more, so that an unclosed quote can be told from one that closes later.
#[must_use]
pub const fn segment_bytes(longest_row: usize) -> usize {
    longest_row + longest_row / 2
}

/// Within this many bytes the header must end.
pub const MAX_HEAD_BYTES: usize = 1 << 20;
