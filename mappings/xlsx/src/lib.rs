//! Excel workbooks (xlsx, xlsm, xlsb, xls) and OpenDocument sheets in, by mapping files of
//! `mapping-tabular`.
//!
//! [`XlsxDecoder`] finds the sheet and the header (contractors put titles above it), and reads
//! typed cells: numbers exactly, dates of both epochs, error values as findings.
//!
//! Workbooks come from anyone with an e-mail account, so nothing in one is believed: sizes, ratios
//! and counts are checked before a library sees the bytes (see [`limits`]), sheets are streamed
//! cell by cell and never as a dense range, and a panic of the library becomes a finding.
//!
//! It does *not* write workbooks, run formulas or macros, or know what columns mean.

mod biff;
mod book;
mod cfb;
mod decode;
pub mod limits;
mod ods;
mod package;
mod row;
mod value;

pub use decode::XlsxDecoder;
