//! CSV and its relatives, in and out, by mapping files of `mapping-tabular`.
//!
//! - [`CsvDecoder`] streams a file of any size in bounded memory, and cuts it into parts that
//!   decode on all cores; a row that cannot be understood is a finding with its line.
//! - [`CsvEncoder`] writes canonical records by the same mapping file.
//! - [`synthetic`] makes readings files for benchmarks.
//!
//! It does *not* know what columns mean: that is the mapping file.

mod cut;
mod decode;
mod encode;
mod extent;
mod head;
mod limits;
mod row;
pub mod synthetic;

pub use decode::CsvDecoder;
pub use encode::CsvEncoder;
pub use limits::{MAX_COLUMNS, MAX_HEAD_BYTES, MAX_RECORD_BYTES, segment_bytes};
