//! The mapping file of IDocs as it is written: strict, so that a misspelt key is an error.

mod control;

use std::collections::BTreeMap;

use mapping_tabular::{
    Charset, EndDeviceTable, EventTable, NumberFormat, ReadingsTable, RecordName, TimeSettings,
    UsagePointTable, WorkOrderTable, ZoneName,
};
use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use crate::definition::SegmentEntry;
pub use control::{DocumentNumber, WriteTable};

/// How IDocs map to canonical records.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Meterhub mapping file for IDocs")]
pub struct IdocFile {
    /// What this file is for: words for people.
    #[serde(default)]
    pub description: Option<String>,
    /// Zone of dates and times; without it the zone of the enterprise.
    #[serde(default)]
    pub zone: Option<ZoneName>,
    /// Files of segment definitions: `mappings/segments/NAME.toml`, or those that come with the hub.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub segments: Vec<Spanned<String>>,
    /// Segments defined here. They replace those of the same name in files.
    #[serde(default, rename = "segment")]
    #[schemars(with = "Vec<SegmentEntry>")]
    pub entries: Vec<Spanned<SegmentEntry>>,
    /// How flat files are read and written, and which form is written.
    #[serde(default)]
    pub file: FileTable,
    /// The messages, in the order in which their records are told.
    #[serde(rename = "message")]
    #[schemars(with = "Vec<MessageTable>")]
    pub messages: Vec<Spanned<MessageTable>>,
}

/// How files hold IDocs. Which form a file has that is read, shows its first character.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FileTable {
    /// Form of the files that are written.
    pub form: Form,
    /// How characters are written in flat files. XML says it itself, and is written in UTF-8.
    pub encoding: Charset,
    /// What ends the records of flat files that are written.
    pub line_end: LineEnd,
}

/// The two forms of IDocs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// As the HTTP and XML ports have it.
    #[default]
    Xml,
    /// Records of fixed length, as the file port has it.
    Flat,
}

/// What ends a flat record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LineEnd {
    /// A line feed.
    #[default]
    Lf,
    /// Carriage return and line feed.
    Crlf,
    /// Nothing: the next record follows.
    None,
}

/// What the IDocs of one message type become, and how records become such IDocs.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MessageTable {
    /// Message type, `MESTYP` of the control record: `ORDERS`.
    pub mestyp: String,
    /// Message variant, `MESCOD`; without it any.
    #[serde(default)]
    pub mescod: Option<String>,
    /// Message function, `MESFCT`; without it any.
    #[serde(default)]
    pub mesfct: Option<String>,
    /// Basic type, `IDOCTYP`: `ORDERS05`; without it any. Needed for writing.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub idoctyp: Option<String>,
    /// Extension, `CIMTYP`; without it any.
    #[serde(default)]
    pub cimtyp: Option<String>,
    /// The segment that gives a record each time it occurs; without it the whole IDoc gives one.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub each: Option<Spanned<String>>,
    /// What it becomes. A table of the same name says where its fields come from, with paths such as
    /// `E1EDKA1[PARVW=AG]/PARTN` as columns.
    #[schemars(with = "RecordName")]
    pub record: Spanned<RecordName>,
    /// Names for paths, for expressions and fields: `customer = "E1EDKA1[PARVW=AG]/PARTN"`.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, String>")]
    pub names: BTreeMap<String, Spanned<String>>,
    /// Texts that stand for nothing, besides nothing and blanks.
    #[serde(default)]
    pub empty: Vec<String>,
    /// How numbers are written.
    #[serde(default)]
    pub numbers: NumberFormat,
    /// How times are written: `%Y%m%d %H%M%S` in a field with the date and one with the time if left
    /// out.
    #[serde(default)]
    pub times: Option<TimeSettings>,
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
    /// How records become such IDocs. One message of a file may have it.
    #[schemars(with = "Option<WriteTable>")]
    pub write: Option<Spanned<WriteTable>>,
}

/// The JSON Schema of a mapping file for IDocs.
#[must_use]
pub fn mapping_schema() -> schemars::Schema {
    schemars::schema_for!(IdocFile)
}
