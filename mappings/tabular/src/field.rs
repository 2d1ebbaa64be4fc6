//! One field of a record: where its value comes from, and how it is read and written.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};

use crate::setting::ColumnRef;
use crate::{Expression, TimeFormat};

/// Where the value of a canonical field comes from. In a mapping file either short, `"Name"` or
/// `3`, for a column; or a table with these keys.
#[derive(Debug, Clone, Default)]
pub struct Field {
    /// What the table says.
    pub keys: FieldKeys,
}

/// The keys of a [`Field`] written as a table.
#[derive(Debug, Clone, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FieldKeys {
    /// Column it is read from and written to.
    pub column: Option<ColumnRef>,
    /// Times only: a second column with the time of day; `column` then holds the date, and the
    /// format is that of both with a blank between them.
    pub time_column: Option<ColumnRef>,
    /// The same value in every row.
    pub constant: Option<String>,
    /// CEL expression that computes it from the row's columns when reading.
    pub expression: Option<Expression>,
    /// The partner's words on the left, ours on the right. Used backwards when writing.
    pub lookup: Option<BTreeMap<String, String>>,
    /// What to take for a word that `lookup` does not know; without it such a word is a finding.
    pub otherwise: Option<String>,
    /// What to take where the cell is empty.
    pub default: Option<String>,
    /// `true`: a row without it is a finding. `false`: even the column may be missing.
    pub required: Option<bool>,
    /// Times only: the format, where it differs from `times.format`.
    pub format: Option<TimeFormat>,
    /// Numbers only: the file's number times ten to this power is ours (3: the file has kWh, the reading type Wh).
    pub power_of_ten: i32,
    /// CEL expression over our own fields (`number`, `kind` ...) that gives the text to write.
    pub write: Option<Expression>,
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FieldVisitor)
    }
}

struct FieldVisitor;

impl<'de> Visitor<'de> for FieldVisitor {
    type Value = Field;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a column name, a column number, or a table with `column`, `constant` or `expression`",
        )
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Field, E> {
        let column = ColumnRef::deserialize(de::value::StrDeserializer::new(name))?;
        Ok(Field::of_column(column))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Field, E> {
        let column = ColumnRef::deserialize(de::value::I64Deserializer::new(number))?;
        Ok(Field::of_column(column))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Field, A::Error> {
        FieldKeys::deserialize(MapAccessDeserializer::new(map)).map(|keys| Field { keys })
    }
}

impl Field {
    fn of_column(column: ColumnRef) -> Self {
        Self {
            keys: FieldKeys {
                column: Some(column),
                ..FieldKeys::default()
            },
        }
    }
}

impl JsonSchema for Field {
    fn schema_name() -> Cow<'static, str> {
        "Field".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let column = generator.subschema_for::<ColumnRef>();
        let table = generator.subschema_for::<FieldKeys>();
        schemars::json_schema!({
            "description": "A column, or a table that says where the value comes from.",
            "anyOf": [column, table],
        })
    }
}
