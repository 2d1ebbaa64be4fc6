//! The tables of a mapping file that list the fields of each kind of record.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use crate::field::Field;
use crate::setting::ColumnRef;
use crate::source::Class;

/// Declares a table of fields: a struct whose keys are the only valid ones, and its list.
macro_rules! field_table {
    (
        $(#[$doc:meta])* $table:ident {
            $($(#[$field_doc:meta])* $field:ident: $class:ident,)*
        }
        $(and { $($(#[$extra_doc:meta])* $extra:ident: $type:ty,)* })?
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, default)]
        pub struct $table {
            $($(#[$field_doc])* #[schemars(with = "Option<Field>")] pub $field: Option<Spanned<Field>>,)*
            $($($(#[$extra_doc])* pub $extra: $type,)*)?
        }

        impl $table {
            pub(crate) fn fields(&self) -> Vec<(&'static str, Class, &Spanned<Field>)> {
                let all = [$((stringify!($field), Class::$class, self.$field.as_ref())),*];
                all.into_iter().filter_map(|(name, class, field)| Some((name, class, field?))).collect()
            }
        }
    };
}

/// Properties kept under a name of their own.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Attributes(
    #[schemars(with = "BTreeMap<String, Field>")] pub(crate) BTreeMap<String, Spanned<Field>>,
);

field_table! {
    /// Fields of readings, and how a row holds them.
    ReadingsTable {
        /// The meter's id.
        meter: Text,
        /// The usage point's id, where the partner names that.
        usage_point: Text,
        /// What is measured: a ReadingType of 18 dot-separated integers.
        reading_type: ReadingType,
        /// `interval` or `register`; without it, intervals where the reading type has a measuring period.
        kind: ReadingKind,
        /// The time stamp. Not for wide rows.
        at: Time,
        /// The value. Not for wide rows.
        value: Number,
        /// Quality codes `system.category.sub`, separated by blanks; empty for none.
        quality: Quality,
        /// The local day of a wide row.
        day: Time,
        /// When the head-end received the reading.
        reported: Time,
        /// The system that took the reading.
        source: Text,
        /// Why a register was read.
        reason: Text,
    }
    and {
        /// Whether time stamps name the beginning or the end of their interval.
        stamp: Stamp,
        /// Length of an interval; without it that of the reading type. 86400 is a calendar day of the zone.
        interval_seconds: Option<u32>,
        /// What an empty value means.
        empty_value: EmptyValue,
        /// One row a day instead of one row a reading.
        wide: Option<Wide>,
    }
}

/// What the time stamp of an interval names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stamp {
    /// Its first instant.
    Start,
    /// The first instant after it, as in the CIM.
    #[default]
    End,
}

/// What an empty value means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EmptyValue {
    /// The reading is known to be missing.
    #[default]
    Missing,
    /// There is no reading.
    Skip,
    /// The row is wrong.
    Reject,
}

/// Rows that hold the readings of one local day in columns side by side.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wide {
    /// The column of the first value.
    pub first_column: ColumnRef,
    /// Number of values: 96, or 100 where the long day has columns of its own at the end.
    pub count: u16,
    /// Columns from one value to the next: 2 where each value is followed by its quality.
    #[serde(default = "one")]
    pub step: u16,
    /// The column of the first quality, which runs along with the values. The field `quality`
    /// then only has `lookup`, `otherwise` and `default`.
    pub first_quality_column: Option<ColumnRef>,
    /// Length of an interval, in seconds.
    pub interval_seconds: u32,
    /// Stamp of the first column in seconds after local midnight; without it 0 for stamps that
    /// name the start and one interval for stamps that name the end.
    pub first_seconds: Option<u32>,
    /// What columns mean on the days when clocks change.
    #[serde(default)]
    pub dst: DstColumns,
    /// The file's numbers times ten to this power are ours.
    #[serde(default)]
    pub power_of_ten: i32,
    /// `dst = "clock"`: first of the further columns that hold the repeated hour; with `step = 1`
    /// their qualities follow after the last of them.
    pub repeated_column: Option<ColumnRef>,
}

const fn one() -> u16 {
    1
}

/// What the columns of a wide row count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DstColumns {
    /// Intervals since local midnight: 92 are filled on the short day, 100 on the long one.
    #[default]
    Elapsed,
    /// Times of the clock: the skipped hour's columns stay empty.
    Clock,
}

field_table! {
    /// Fields of work orders.
    WorkOrderTable {
        /// The client's order number.
        number: Text,
        /// The client's revision, a whole number.
        revision: Integer,
        /// `upsert`, `cancel` or `report`.
        action: Action,
        /// The partner's word for the kind of work.
        kind: Text,
        /// Where the order stands: `created`, `scheduled`, `completed` ...
        status: OrderStatus,
        /// 0 (lowest) to 9.
        priority: Priority,
        /// The usage point to visit.
        usage_point: Text,
        /// Street and number.
        street: Text,
        /// Postal code.
        postal_code: Text,
        /// Town.
        town: Text,
        /// Country.
        country: Text,
        /// The device that is there.
        device: Text,
        /// The device to mount.
        new_device: Text,
        /// First moment when the work may be done.
        window_start: Time,
        /// First moment after that.
        window_end: Time,
        /// When it was done.
        performed: Time,
        /// The customer to speak to.
        customer_name: Text,
        /// The customer's telephone.
        customer_phone: Text,
        /// Instructions, remarks.
        comment: Text,
        /// Why it was not done as asked.
        deviation: Text,
    }
    and {
        /// Further properties to keep, by the name we keep them under.
        attributes: Attributes,
    }
}

field_table! {
    /// Fields of devices.
    EndDeviceTable {
        /// What the partner calls it.
        id: Text,
        /// The maker's serial number, where it is not the id.
        serial_number: Text,
        /// Type or model.
        device_type: Text,
        /// Maker.
        manufacturer: Text,
        /// `electricity`, `gas`, `water` or `heat`.
        service: Service,
        /// The usage point it is mounted at.
        usage_point: Text,
        /// `in_stock`, `installed`, `removed` or `scrapped`.
        status: DeviceStatus,
        /// When it was installed.
        installed: Time,
    }
    and {
        /// Further properties to keep, by the name we keep them under.
        attributes: Attributes,
    }
}

field_table! {
    /// Fields of usage points.
    UsagePointTable {
        /// What the partner calls it.
        id: Text,
        /// `electricity`, `gas`, `water` or `heat`.
        service: Service,
        /// Street and number.
        street: Text,
        /// Postal code.
        postal_code: Text,
        /// Town.
        town: Text,
        /// Country.
        country: Text,
        /// Degrees north, WGS 84.
        latitude: Number,
        /// Degrees east, WGS 84.
        longitude: Number,
        /// How to get in.
        access: Text,
    }
}

field_table! {
    /// Fields of device events.
    EventTable {
        /// The partner's id of the event.
        mrid: Text,
        /// The device it happened at.
        device: Text,
        /// The usage point, if named.
        usage_point: Text,
        /// Type code such as `3.26.0.47`.
        event_type: Text,
        /// When it happened.
        at: Time,
        /// Why, in the partner's words.
        reason: Text,
        /// How bad, in the partner's words.
        severity: Text,
    }
    and {
        /// Details to keep, by the name we keep them under.
        attributes: Attributes,
    }
}
