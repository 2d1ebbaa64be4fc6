//! Small values of a mapping file that check themselves while they are read, so that the error
//! carries the place of the value.

use std::borrow::Cow;
use std::fmt;

use hub_model::Zone;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, Visitor};

/// Excel's own last column, `XFD`; no text table we read is wider.
pub(crate) const MAX_COLUMNS: usize = 16_384;

/// A single ASCII character such as a delimiter; empty for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark(pub Option<u8>);

impl<'de> Deserialize<'de> for Mark {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.as_bytes() {
            [] => Ok(Self(None)),
            [c] if c.is_ascii() && !matches!(c, b'\n' | b'\r' | 0) => Ok(Self(Some(*c))),
            _ => Err(de::Error::custom(format_args!(
                "`{}` is not one ASCII character such as `;`, `,`, `|` or `\\t`",
                text.escape_debug()
            ))),
        }
    }
}

impl JsonSchema for Mark {
    fn schema_name() -> Cow<'static, str> {
        "Mark".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "maxLength": 1, "description": "One ASCII character; empty for none." })
    }
}

/// A column: by the name in the header, or by its place.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ColumnRef {
    /// By header name; without a header row, by letter (`A`, `B` ... `XFD`).
    Named(String),
    /// By number, counted from 1.
    Numbered(usize),
}

impl ColumnRef {
    /// Its place counted from 0, if it is a number or stands for a letter.
    pub(crate) fn position(&self) -> Option<usize> {
        match self {
            Self::Numbered(number) => Some(number - 1),
            Self::Named(letters) => letters_to_position(letters),
        }
    }
}

fn letters_to_position(letters: &str) -> Option<usize> {
    if letters.is_empty() || letters.len() > 3 {
        return None;
    }
    let mut number = 0;
    for c in letters.bytes() {
        if !c.is_ascii_alphabetic() {
            return None;
        }
        number = number * 26 + usize::from(c.to_ascii_uppercase() - b'A') + 1;
    }
    (number <= MAX_COLUMNS).then(|| number - 1)
}

impl fmt::Display for ColumnRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => f.write_str(name),
            Self::Numbered(number) => write!(f, "column {number}"),
        }
    }
}

impl<'de> Deserialize<'de> for ColumnRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ColumnVisitor)
    }
}

struct ColumnVisitor;

impl Visitor<'_> for ColumnVisitor {
    type Value = ColumnRef;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a column name, or a column number from 1 to {MAX_COLUMNS}"
        )
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<ColumnRef, E> {
        if name.trim().is_empty() {
            return Err(E::invalid_value(de::Unexpected::Str(name), &self));
        }
        Ok(ColumnRef::Named(name.to_owned()))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<ColumnRef, E> {
        usize::try_from(number)
            .ok()
            .filter(|number| (1..=MAX_COLUMNS).contains(number))
            .map(ColumnRef::Numbered)
            .ok_or_else(|| E::invalid_value(de::Unexpected::Signed(number), &self))
    }
}

impl JsonSchema for ColumnRef {
    fn schema_name() -> Cow<'static, str> {
        "ColumnRef".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Header name (without a header row: letter), or column number from 1.",
            "anyOf": [
                { "type": "string", "minLength": 1 },
                { "type": "integer", "minimum": 1, "maximum": MAX_COLUMNS },
            ],
        })
    }
}

/// An IANA time zone name.
#[derive(Debug, Clone)]
pub struct ZoneName(pub Zone);

impl<'de> Deserialize<'de> for ZoneName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Zone::named(&name).map(Self).map_err(de::Error::custom)
    }
}

impl JsonSchema for ZoneName {
    fn schema_name() -> Cow<'static, str> {
        "ZoneName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "IANA time zone such as `Europe/Helsinki`, or an offset such as `+01:00`." })
    }
}

/// A regular expression that a sheet's name must match.
#[derive(Debug, Clone)]
pub struct SheetPattern(pub regex::Regex);

impl<'de> Deserialize<'de> for SheetPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// Compiled size; a sheet name needs a few kilobytes.
        const MAX_REGEX_BYTES: usize = 1 << 20;
        let text = String::deserialize(deserializer)?;
        regex::RegexBuilder::new(&text)
            .size_limit(MAX_REGEX_BYTES)
            .nest_limit(32)
            .build()
            .map(Self)
            .map_err(|error| de::Error::custom(format_args!("not a regular expression: {error}")))
    }
}

impl JsonSchema for SheetPattern {
    fn schema_name() -> Cow<'static, str> {
        "SheetPattern".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "regex" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_excel_columns() {
        for (letters, position) in [("A", 0), ("z", 25), ("AA", 26), ("XFD", 16_383)] {
            assert_eq!(letters_to_position(letters), Some(position), "{letters}");
        }
        for letters in ["", "XFE", "AAAA", "A1", "Ä"] {
            assert_eq!(letters_to_position(letters), None, "{letters}");
        }
    }
}
