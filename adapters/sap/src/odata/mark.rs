//! How far an entity set was read: the highest value of one of its fields.

use std::cmp::Ordering;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Version;

/// Of what type the field is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MarkKind {
    /// `Edm.DateTime`: V2 only.
    DateTime,
    /// `Edm.DateTimeOffset`.
    DateTimeOffset,
    /// `Edm.Int16`, `Edm.Int32`, and in V4 `Edm.Int64`.
    Integer,
    /// `Edm.Int64` in V2, where such numbers are written with an `L`.
    Int64,
    /// `Edm.String`, and `Edm.Guid` in no case. Must be ordered by its characters' codes, as numbers
    /// of a fixed length are.
    String,
}

/// A value of the field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mark {
    Time(Timestamp),
    Number(i64),
    Text(String),
}

impl PartialOrd for Mark {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Time(a), Self::Time(b)) => Some(a.cmp(b)),
            (Self::Number(a), Self::Number(b)) => Some(a.cmp(b)),
            (Self::Text(a), Self::Text(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }
}

impl Mark {
    /// The value as JSON has it: `/Date(1700000000000)/` or ISO 8601, a number or its digits.
    pub(crate) fn of_json(kind: MarkKind, json: &RawValue) -> Result<Self, String> {
        let wrong = || {
            let shown: String = json.get().chars().take(60).collect();
            format!("`{shown}` is no value of the configured `type`")
        };
        let text = match json.get().starts_with('"') {
            true => serde_json::from_str::<String>(json.get()).map_err(|_| wrong())?,
            false => json.get().to_owned(),
        };
        Self::of_text(kind, &text).ok_or_else(wrong)
    }

    /// The value as [`Mark::text`] writes it, or as JSON has it without its quotes.
    pub(crate) fn of_text(kind: MarkKind, text: &str) -> Option<Self> {
        match kind {
            MarkKind::String => Some(Self::Text(text.to_owned())),
            MarkKind::Integer | MarkKind::Int64 => text.parse().ok().map(Self::Number),
            MarkKind::DateTime | MarkKind::DateTimeOffset => time(text).map(Self::Time),
        }
    }

    /// For the memory of the hub.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Time(time) => time.to_string(),
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.clone(),
        }
    }

    /// As a literal in a `$filter`.
    pub(crate) fn literal(&self, kind: MarkKind, version: Version) -> String {
        match (self, kind, version) {
            (Self::Time(time), MarkKind::DateTime, _) => {
                format!("datetime'{}'", time.to_zoned(TimeZone::UTC).datetime())
            }
            (Self::Time(time), _, Version::V2) => format!("datetimeoffset'{time}'"),
            (Self::Time(time), _, Version::V4) => time.to_string(),
            (Self::Number(number), MarkKind::Int64, Version::V2) => format!("{number}L"),
            (Self::Number(number), ..) => number.to_string(),
            (Self::Text(text), ..) => format!("'{}'", text.replace('\'', "''")),
        }
    }
}

/// `/Date(milliseconds)/`, in V2 perhaps with an offset in minutes that changes nothing of the
/// instant; or ISO 8601, as V4 has it and as we write it, in UTC if it names no zone.
fn time(text: &str) -> Option<Timestamp> {
    if let Some(inside) = text.strip_prefix("/Date(") {
        let inside = inside.strip_suffix(")/")?;
        let end = inside[1.min(inside.len())..].find(['+', '-']);
        let millis = end.map_or(inside, |end| &inside[..=end]);
        return Timestamp::from_millisecond(millis.parse().ok()?).ok();
    }
    text.parse()
        .ok()
        .or_else(|| format!("{text}Z").parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn every_type_is_read_and_written_in_both_versions() {
        use MarkKind::{DateTime, DateTimeOffset, Int64, Integer, String};
        for (kind, value, v2, v4) in [
            (
                DateTime,
                r#""/Date(1700000000123)/""#,
                "datetime'2023-11-14T22:13:20.123'",
                "",
            ),
            (
                DateTimeOffset,
                r#""/Date(1700000000000+0060)/""#,
                "datetimeoffset'2023-11-14T22:13:20Z'",
                "2023-11-14T22:13:20Z",
            ),
            (
                DateTimeOffset,
                r#""2023-11-14T23:13:20+01:00""#,
                "datetimeoffset'2023-11-14T22:13:20Z'",
                "2023-11-14T22:13:20Z",
            ),
            (
                DateTime,
                r#""/Date(-1)/""#,
                "datetime'1969-12-31T23:59:59.999'",
                "",
            ),
            (Integer, "17", "17", "17"),
            (Int64, r#""17""#, "17L", "17"),
            (String, r#""O'Neil""#, "'O''Neil'", "'O''Neil'"),
        ] {
            let mark = Mark::of_json(kind, &json(value)).unwrap();
            assert_eq!(mark.literal(kind, Version::V2), v2);
            if !v4.is_empty() {
                assert_eq!(mark.literal(kind, Version::V4), v4);
            }
            assert_eq!(
                Mark::of_text(kind, &mark.text()),
                Some(mark),
                "is remembered as it is"
            );
        }
    }

    #[test]
    fn fractions_and_order_are_exact() {
        let time = |text: &str| Mark::of_text(MarkKind::DateTimeOffset, text).unwrap();
        assert!(time("2026-01-01T00:00:00.1234567Z") > time("2026-01-01T00:00:00.1234566Z"));
        assert!(time("2026-01-01T00:00:00Z") < time("2026-01-01T00:00:00.1Z"));
        assert_eq!(time("2026-01-01T00:00:00"), time("2026-01-01T00:00:00Z"));
    }

    #[test]
    fn other_values_are_errors() {
        for (kind, value) in [
            (MarkKind::DateTime, "null"),
            (MarkKind::DateTime, r#""/Date()/""#),
            (MarkKind::DateTime, r#""/Date(x)/""#),
            (MarkKind::DateTime, r#""/Date(99999999999999999999)/""#),
            (MarkKind::Integer, "1.5"),
            (MarkKind::Integer, "{}"),
            (MarkKind::DateTimeOffset, "\"yesterday\""),
        ] {
            assert!(Mark::of_json(kind, &json(value)).is_err(), "{value}");
        }
    }
}
