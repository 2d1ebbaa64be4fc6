//! The mapping-file language: one TOML file describes a partner's table, whether it comes as CSV
//! or as an Excel sheet, and compiles into a plan that reads its rows and writes them.
//!
//! - [`Mapping::load`] checks a file and names what is wrong by line, column and valid names.
//! - [`Layout`] binds a mapping to the header that a payload really has.
//! - [`RowDecoder`] turns rows ([`Row`], [`Cell`]) into canonical records and findings.
//! - [`RowWriter`] turns canonical records into rows of text.
//!
//! It does *not* know how bytes become rows, what a zip or a quote is, or how large a file may be:
//! that is the business of `mapping-csv` and `mapping-xlsx`.

mod cell;
mod charset;
mod clock;
mod compile;
mod decode;
mod encode;
mod error;
mod expression;
mod field;
mod file;
mod grid;
mod header;
mod mapping;
mod number;
mod schema;
mod setting;
mod source;
mod tables;
mod time_format;

pub use cell::{Cell, Row, shown};
pub use charset::Charset;
pub use decode::RowDecoder;
pub use encode::{EmitRow, RowWriter};
pub use error::MappingError;
pub use expression::Expression;
pub use field::{Field, FieldKeys};
pub use file::{
    CsvFormat, DecimalSign, ExcelFormat, MappingFile, NumberFormat, RecordName, Sheet,
    SheetMatching, TimeSettings,
};
pub use header::{HeaderFault, Layout};
pub use mapping::Mapping;
pub use schema::mapping_schema;
pub use setting::{ColumnRef, Mark, SheetPattern, ZoneName};
pub use tables::{
    Attributes, DstColumns, EmptyValue, EndDeviceTable, EventTable, ReadingsTable, Stamp,
    UsagePointTable, Wide, WorkOrderTable,
};
pub use time_format::{RepeatedHour, TimeFormat, excel_micros};
