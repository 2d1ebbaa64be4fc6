//! The mapping file as it is written: strict, so that a misspelt key is an error.

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use crate::Charset;
use crate::setting::{Mark, SheetPattern, ZoneName};
use crate::tables::{EndDeviceTable, EventTable, ReadingsTable, UsagePointTable, WorkOrderTable};
use crate::time_format::{RepeatedHour, TimeFormat};

/// How a partner's table maps to canonical records.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Meterhub mapping file for tables (CSV and Excel)")]
pub struct MappingFile {
    /// What a row is. A table of the same name says where its fields come from.
    #[schemars(with = "RecordName")]
    pub record: Spanned<RecordName>,
    /// What this file is for: words for people.
    pub description: Option<String>,
    /// Zone of times without an offset; without it the zone of the enterprise.
    pub zone: Option<ZoneName>,
    /// Texts that stand for an empty cell, besides nothing and blanks. The first is what is
    /// written for a missing value.
    #[serde(default)]
    pub empty: Vec<String>,
    /// How text files are cut into cells.
    #[serde(default)]
    pub csv: CsvFormat,
    /// Which sheet of a workbook, and where its header is.
    #[serde(default)]
    pub excel: ExcelFormat,
    /// How numbers are written.
    #[serde(default)]
    pub numbers: NumberFormat,
    /// How times are written.
    #[serde(default)]
    pub times: TimeSettings,
    /// Fields of `record = "readings"`.
    #[schemars(with = "Option<ReadingsTable>")]
    pub readings: Option<Spanned<ReadingsTable>>,
    /// Fields of `record = "work_order"`.
    #[schemars(with = "Option<WorkOrderTable>")]
    pub work_order: Option<Spanned<WorkOrderTable>>,
    /// Fields of `record = "end_device"`.
    #[schemars(with = "Option<EndDeviceTable>")]
    pub end_device: Option<Spanned<EndDeviceTable>>,
    /// Fields of `record = "usage_point"`.
    #[schemars(with = "Option<UsagePointTable>")]
    pub usage_point: Option<Spanned<UsagePointTable>>,
    /// Fields of `record = "end_device_event"`.
    #[schemars(with = "Option<EventTable>")]
    pub end_device_event: Option<Spanned<EventTable>>,
}

/// Kinds of records that rows can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RecordName {
    /// Meter readings: one a row, or a day of them a row.
    Readings,
    /// Work orders.
    WorkOrder,
    /// Meters and other devices.
    EndDevice,
    /// Usage points with their sites.
    UsagePoint,
    /// Events that devices report.
    EndDeviceEvent,
}

impl RecordName {
    /// As it is written in a mapping file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Readings => "readings",
            Self::WorkOrder => "work_order",
            Self::EndDevice => "end_device",
            Self::UsagePoint => "usage_point",
            Self::EndDeviceEvent => "end_device_event",
        }
    }
}

/// How a text file is cut into rows and cells.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CsvFormat {
    /// Character between cells.
    pub delimiter: Mark,
    /// Character around cells that hold delimiters or line ends, doubled inside them; empty for none.
    pub quote: Mark,
    /// How characters are written.
    pub encoding: Charset,
    /// Whether the first row has the column names. Without it columns are numbers or letters.
    pub header: bool,
    /// Lines to skip before the header.
    pub skip_lines: u32,
    /// Rows that begin with this character are comments.
    pub comment: Option<Mark>,
    /// Order of the columns when writing; without it, the order of the fields in our own records.
    pub columns: Vec<String>,
    /// Whether written lines end in CR LF, as RFC 4180 has it, instead of LF.
    pub crlf: bool,
}

impl Default for CsvFormat {
    fn default() -> Self {
        Self {
            delimiter: Mark(Some(b',')),
            quote: Mark(Some(b'"')),
            encoding: Charset::Utf8,
            header: true,
            skip_lines: 0,
            comment: None,
            columns: Vec::new(),
            crlf: false,
        }
    }
}

/// Where in a workbook the table is.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ExcelFormat {
    /// The sheet: a name, a number from 1, or `{ matching = "regex" }`; without it the first.
    pub sheet: Option<Sheet>,
    /// Row of the header, from 1; without it the first row that has all the columns named here.
    pub header_row: Option<u32>,
}

/// Which sheet.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "a sheet name, a sheet number from 1, or `{ matching = \"regex\" }`"
)]
pub enum Sheet {
    /// By name.
    Named(String),
    /// By number, from 1.
    Numbered(u16),
    /// The first whose name matches.
    Matching(SheetMatching),
}

/// A sheet found by its name.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SheetMatching {
    /// Regular expression.
    pub matching: SheetPattern,
}

/// How numbers are written.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NumberFormat {
    /// The decimal sign.
    pub decimal: DecimalSign,
    /// Character between groups of three digits, if any. A blank also stands for the no-break blanks.
    pub thousands: Option<char>,
}

/// The decimal sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
pub enum DecimalSign {
    /// `12.5`
    #[default]
    #[serde(rename = ".")]
    Point,
    /// `12,5`
    #[serde(rename = ",")]
    Comma,
}

impl DecimalSign {
    /// The ASCII byte.
    #[must_use]
    pub const fn byte(self) -> u8 {
        match self {
            Self::Point => b'.',
            Self::Comma => b',',
        }
    }
}

/// How times are written.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TimeSettings {
    /// `iso`, `iso_local`, `epoch_seconds`, `epoch_millis`, `excel` or a pattern such as `%d.%m.%Y %H:%M`.
    pub format: TimeFormat,
    /// What a local time means that exists twice, when clocks go back.
    pub repeated_hour: RepeatedHour,
}
