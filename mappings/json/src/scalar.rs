//! Scalars of the wire: texts, exact decimals, instants, and the words of closed lists.

use std::borrow::Cow;
use std::fmt;

use hub_model::{
    Decimal, EndDeviceStatus, Instant, QualityCode, ReadingType, ServiceKind, WorkOrderAction,
    WorkOrderStatus,
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error as _, Visitor};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// A string, borrowed from the line wherever it holds no escape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Text<'a>(pub(crate) Cow<'a, str>);

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Text(Cow::Owned(text.to_owned())))
    }

    fn visit_string<E>(self, text: String) -> Result<Self::Value, E> {
        Ok(Text(Cow::Owned(text)))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor)
    }
}

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl JsonSchema for Text<'_> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Text".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

/// An exact decimal: written as a string, read from a string or a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Number(pub(crate) Decimal);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The raw text, because a visitor would be handed 0.1 as a float.
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        let parsed = match raw.as_bytes() {
            [b'"', ..] => serde_json::from_str::<Text<'_>>(raw)
                .map_err(D::Error::custom)?
                .0
                .parse(),
            _ => raw.parse::<Decimal>(),
        };
        parsed.map(Self).map_err(|error| {
            let shown: String = raw.chars().take(40).collect();
            D::Error::custom(format_args!(
                "{shown}: {error}, expected a decimal such as \"1.234\""
            ))
        })
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl JsonSchema for Number {
    fn schema_name() -> Cow<'static, str> {
        "Decimal".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "An exact decimal of at most 18 significant digits. The hub writes a string; a number is read just as exactly.",
            "type": ["string", "number"],
            "pattern": r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$",
            "examples": ["1.234", "-0.5", "0"]
        })
    }
}

/// Defines a scalar that is written as a string in one fixed form.
macro_rules! string_scalar {
    ($(#[$doc:meta])* $name:ident($model:ty) named $schema_name:literal, expecting $expecting:literal, check $check:expr, schema $schema:tt) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) struct $name(pub(crate) $model);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Parse;
                impl Visitor<'_> for Parse {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expecting)
                    }

                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$name, E> {
                        text.parse().map($name).map_err(|error| {
                            let shown: String = text.chars().take(80).collect();
                            E::custom(format_args!("`{shown}` {}", because(&error.to_string())))
                        })
                    }
                }
                deserializer.deserialize_str(Parse)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let check: fn($model) -> Result<(), &'static str> = $check;
                check(self.0).map_err(S::Error::custom)?;
                serializer.collect_str(&self.0)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                $schema_name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

/// Joins `text` and an error that is worded as a predicate ("has 3 parts") or a noun ("not a ...").
fn because(error: &str) -> String {
    if error.starts_with("not ") {
        format!("is {error}")
    } else {
        error.to_owned()
    }
}

/// First and last second that have a four-digit year.
const CALENDAR_SECONDS: std::ops::RangeInclusive<i64> = -62_167_219_200..=253_402_300_799;

fn within_calendar(instant: Instant) -> Result<(), &'static str> {
    if CALENDAR_SECONDS.contains(&instant.seconds()) {
        return Ok(());
    }
    Err("an instant outside the years 0000 to 9999 cannot be written")
}

string_scalar! {
    /// An instant, written in UTC.
    Moment(Instant) named "Instant",
    expecting "a date and time such as \"2026-03-29T00:15:00Z\"",
    check within_calendar,
    schema {
        "description": "ISO 8601 date and time with `Z` or an offset, microseconds at the finest. The hub writes UTC.",
        "type": "string",
        "format": "date-time",
        "examples": ["2026-03-29T00:15:00Z", "2026-03-29T03:15:00+03:00"]
    }
}

string_scalar! {
    /// The 18 parts of a reading type.
    TypeCode(ReadingType) named "ReadingType",
    expecting "the 18 dot-separated integers of an IEC 61968-9 ReadingType",
    check |_| Ok(()),
    schema {
        "description": "IEC 61968-9 annex C: macro period, aggregate, measuring period, accumulation, flow direction, commodity, measurement kind, interharmonic (2), argument (2), time of use, critical peak, consumption tier, phases, multiplier (power of ten), unit, currency.",
        "type": "string",
        "pattern": r"^([0-9]+\.){15}-?[0-9]+\.[0-9]+\.[0-9]+$",
        "examples": ["0.0.2.4.1.1.12.0.0.0.0.0.0.0.0.3.72.0"]
    }
}

string_scalar! {
    /// A reading quality code.
    Code(QualityCode) named "QualityCode",
    expecting "a reading quality `system.category.sub` such as \"2.0.0\"",
    check |_| Ok(()),
    schema {
        "description": "IEC 61968-9 annex D: `system.category.sub`.",
        "type": "string",
        "pattern": r"^[0-9]+\.[0-9]+\.[0-9]+$",
        "examples": ["2.0.0", "3.8.0"]
    }
}

/// Defines a word of a closed list of the model.
macro_rules! word {
    ($(#[$doc:meta])* $name:ident($model:ty) named $schema_name:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) struct $name(pub(crate) $model);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Text::deserialize(deserializer)?;
                <$model>::named(&text.0).map(Self).ok_or_else(|| {
                    let valid: Vec<_> =
                        <$model>::ALL.iter().map(|word| format!("`{}`", word.as_str())).collect();
                    let shown: String = text.0.chars().take(80).collect();
                    D::Error::custom(format_args!(
                        "unknown word `{shown}`, expected one of {}", valid.join(", ")
                    ))
                })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.0.as_str())
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                $schema_name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                let words: Vec<_> = <$model>::ALL.iter().map(|word| word.as_str()).collect();
                json_schema!({ "type": "string", "enum": words })
            }
        }
    };
}

word!(
    /// What a partner asks of an order.
    Action(WorkOrderAction) named "WorkOrderAction"
);
word!(
    /// Where an order stands.
    OrderStatus(WorkOrderStatus) named "WorkOrderStatus"
);
word!(
    /// Where a device stands in its life.
    DeviceStatus(EndDeviceStatus) named "EndDeviceStatus"
);
word!(
    /// A commodity.
    Service(ServiceKind) named "ServiceKind"
);
