//! What a workbook may cost. Each limit says what breaks when it is larger.

/// Largest workbook: it is held in memory, as a zip can only be read from its end.
pub const MAX_FILE_BYTES: u64 = 64 << 20;

/// Most entries of a zip; a workbook of 200 sheets with pictures has some 1,000.
pub const MAX_ENTRIES: usize = 8_192;

/// Most bytes that all the parts we read may unpack to. Unpacking costs time (1 s for 300 MB).
pub const MAX_UNPACKED_BYTES: u64 = 512 << 20;

/// Most bytes of the shared strings, which are held in memory at up to five times that.
pub const MAX_STRINGS_BYTES: u64 = 64 << 20;

/// Most bytes of styles, relations and the list of sheets, held in memory as structures at up to
/// forty times that.
pub const MAX_PLAN_BYTES: u64 = 4 << 20;

/// Most times a part may be larger unpacked than packed, beyond its first megabyte. Sheets of
/// nothing but zeros reach 15, and 215 where their cells leave out their places; bombs reach 1,000.
pub const MAX_RATIO: u64 = 300;

/// Longest single text or tag of a part, held in memory. Excel's longest cell has 32,767 characters.
pub const MAX_MARKUP_BYTES: usize = 1 << 20;

/// Most cells read of a sheet; costs time only (2 million a second).
pub const MAX_CELLS: u64 = 50_000_000;

/// Most cells of all the rectangles that the sheets of an old `.xls` span, which its reader holds
/// in memory at 24 bytes each, twice.
pub const MAX_DENSE_CELLS: u64 = 4_000_000;

/// Most sheets of an old `.xls`.
pub const MAX_SHEETS: usize = 1_024;

/// Rows searched for the header.
pub const HEADER_SEARCH_ROWS: usize = 100;

/// Excel's own last column.
pub const MAX_COLUMNS: u32 = 16_384;
