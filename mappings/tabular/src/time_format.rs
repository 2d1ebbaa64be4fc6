//! How times are written: ISO 8601, counted seconds, day numbers, or a pattern.

mod excel;
mod found;
mod pattern;

use std::borrow::Cow;

use hub_model::{Instant, Zone};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

pub use excel::excel_micros;
pub(crate) use pattern::Pattern;

/// How a file writes a date and time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum TimeFormat {
    /// `iso`: `2026-03-29T00:15:00Z`; without `Z` or offset it is local. Written in UTC.
    #[default]
    Iso,
    /// `iso_local`: as `iso`, but written in local time with its offset.
    IsoLocal,
    /// `epoch_seconds`: seconds since 1970-01-01T00:00:00Z.
    EpochSeconds,
    /// `epoch_millis`: milliseconds since 1970-01-01T00:00:00Z.
    EpochMillis,
    /// `excel`: local days since 1899-12-30, with the time of day as a fraction.
    Excel,
    /// A pattern such as `%d.%m.%Y %H:%M`.
    Pattern(Pattern),
}

/// What to make of a local time that exists twice, when clocks go back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RepeatedHour {
    /// The first of the two (still daylight-saving time).
    #[default]
    First,
    /// The second of the two (standard time again).
    Second,
    /// The first when a meter's local time comes for the first time in the file, the second when
    /// it comes again. Such a file is decoded on one thread.
    InOrder,
    /// A finding: the file should say which one it means.
    Reject,
}

/// A time as it was read: fixed, or local and yet to be placed in a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stamp {
    /// UTC is known.
    Fixed(Instant),
    /// Microseconds of the local wall clock, as if it were UTC.
    Local(i64),
}

impl TimeFormat {
    /// Reads the name of a format, or a pattern.
    ///
    /// # Errors
    /// What is wrong with it, and what would be valid.
    pub fn parse(text: &str) -> Result<Self, String> {
        Ok(match text {
            "iso" => Self::Iso,
            "iso_local" => Self::IsoLocal,
            "epoch_seconds" => Self::EpochSeconds,
            "epoch_millis" => Self::EpochMillis,
            "excel" => Self::Excel,
            pattern if pattern.contains('%') => Self::Pattern(Pattern::parse(pattern)?),
            other => {
                return Err(format!(
                    "`{}` is not a time format, expected `iso`, `iso_local`, `epoch_seconds`, \
                     `epoch_millis`, `excel` or a pattern such as `%d.%m.%Y %H:%M`",
                    other.escape_debug()
                ));
            }
        })
    }

    /// What a valid text looks like, for findings.
    pub(crate) fn example(&self) -> Cow<'_, str> {
        match self {
            Self::Iso | Self::IsoLocal => "2026-03-29T00:15:00Z".into(),
            Self::EpochSeconds => "1774743300".into(),
            Self::EpochMillis => "1774743300000".into(),
            Self::Excel => "46110.010416667".into(),
            Self::Pattern(pattern) => pattern.example().into(),
        }
    }

    /// Whether date and time are separated by a blank, so that they can stand in two columns.
    pub(crate) fn splits(&self) -> bool {
        match self {
            Self::Iso | Self::IsoLocal => true,
            Self::Pattern(pattern) => pattern.has_blank(),
            _ => false,
        }
    }

    /// Reads a time; `None` if the text is not of this format.
    pub(crate) fn read(&self, text: &[u8]) -> Option<Stamp> {
        match self {
            Self::Iso | Self::IsoLocal => read_iso(text),
            Self::EpochSeconds => read_epoch(text, 1_000_000),
            Self::EpochMillis => read_epoch(text, 1_000),
            Self::Excel => {
                let serial: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
                excel_micros(serial, false).map(Stamp::Local)
            }
            Self::Pattern(pattern) => pattern.read(text),
        }
    }

    /// Writes an instant.
    pub(crate) fn write(&self, out: &mut Vec<u8>, instant: Instant, zone: &Zone) {
        let local = || instant.micros() + i64::from(zone.offset_seconds(instant)) * 1_000_000;
        match self {
            Self::Iso => instant.write(out),
            Self::IsoLocal => zone.write_local(out, instant),
            Self::EpochSeconds => out.extend(instant.seconds().to_string().bytes()),
            Self::EpochMillis => {
                out.extend(instant.micros().div_euclid(1_000).to_string().bytes());
            }
            Self::Excel => excel::write(out, local()),
            Self::Pattern(pattern) => pattern.write(out, local(), zone.offset_seconds(instant)),
        }
    }
}

impl<'de> Deserialize<'de> for TimeFormat {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

impl JsonSchema for TimeFormat {
    fn schema_name() -> Cow<'static, str> {
        "TimeFormat".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "`iso`, `iso_local`, `epoch_seconds`, `epoch_millis`, `excel`, or a pattern of %Y %y %m %b %d %j %H %I %M %S %p %f %z and the characters between.",
        })
    }
}

fn read_epoch(text: &[u8], unit_micros: i64) -> Option<Stamp> {
    let count: i64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    count
        .checked_mul(unit_micros)
        .map(Instant::from_micros)
        .map(Stamp::Fixed)
}

/// ISO 8601 with or without an offset; a date alone is local midnight.
fn read_iso(text: &[u8]) -> Option<Stamp> {
    if text.len() == 10 {
        let mut padded = [0u8; 20];
        padded[..10].copy_from_slice(text);
        padded[10..].copy_from_slice(b"T00:00:00Z");
        return Instant::parse(&padded, None)
            .ok()
            .map(|at| Stamp::Local(at.micros()));
    }
    match Instant::parse(text, None) {
        Ok(instant) => Some(Stamp::Fixed(instant)),
        Err(hub_model::InstantError::NoZone) => read_local_iso(text).map(Stamp::Local),
        Err(_) => None,
    }
}

/// A local ISO time is read as if it were UTC, which spares the zone arithmetic.
fn read_local_iso(text: &[u8]) -> Option<i64> {
    let mut padded = [0u8; 40];
    padded.get_mut(..text.len())?.copy_from_slice(text);
    *padded.get_mut(text.len())? = b'Z';
    Instant::parse(&padded[..=text.len()], None)
        .ok()
        .map(Instant::micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(format: &str, text: &str) -> Option<String> {
        match TimeFormat::parse(format).unwrap().read(text.as_bytes())? {
            Stamp::Local(micros) => Some(Instant::from_micros(micros).to_string().replace('Z', "")),
            Stamp::Fixed(instant) => Some(instant.to_string()),
        }
    }

    #[test]
    fn reads_what_partners_write() {
        for (format, text, expected) in [
            ("%d.%m.%Y %H:%M", "29.03.2026 00:15", "2026-03-29T00:15:00"),
            ("%d.%m.%Y %H:%M", "1.3.2026 24:00", "2026-03-02T00:00:00"),
            (
                "%m/%d/%y %I:%M %p",
                "3/9/26 12:05 am",
                "2026-03-09T00:05:00",
            ),
            (
                "%m/%d/%y %I:%M %p",
                "3/9/26 12:05 PM",
                "2026-03-09T12:05:00",
            ),
            ("%Y%m%d%H%M%S", "20260329001500", "2026-03-29T00:15:00"),
            ("%d-%b-%Y", "29-MAR-2026", "2026-03-29T00:00:00"),
            ("%Y-%j", "2024-366", "2024-12-31T00:00:00"),
            (
                "%Y-%m-%d %H:%M:%S.%f",
                "2026-03-29 00:15:00.25",
                "2026-03-29T00:15:00.25",
            ),
            (
                "%Y-%m-%dT%H:%M%z",
                "2026-03-29T00:15+02:00",
                "2026-03-28T22:15:00Z",
            ),
            ("iso", "2026-03-29", "2026-03-29T00:00:00"),
            ("iso", "2026-03-29 00:15", "2026-03-29T00:15:00"),
            ("iso", "2026-03-29T00:15:00Z", "2026-03-29T00:15:00Z"),
            ("epoch_seconds", "1774743300", "2026-03-29T00:15:00Z"),
            ("epoch_millis", "-1", "1969-12-31T23:59:59.999Z"),
            ("excel", "46110.010416667", "2026-03-29T00:15:00"),
        ] {
            assert_eq!(
                local(format, text).as_deref(),
                Some(expected),
                "{format}: {text}"
            );
        }
    }

    #[test]
    fn refuses_what_is_no_time() {
        for (format, text) in [
            ("%d.%m.%Y", "31.02.2026"),
            ("%d.%m.%Y", "1.1.2026 "),
            ("%d.%m.%Y %H:%M", "01.01.2026 24:01"),
            ("%I %p %d.%m.%Y", "13 PM 01.01.2026"),
            ("%Y-%j", "2025-366"),
            ("iso", ""),
            ("iso", "29.03.2026"),
            ("epoch_seconds", "99999999999999999"),
            ("excel", "-1"),
            ("excel", "nan"),
        ] {
            assert_eq!(local(format, text), None, "{format}: {text}");
        }
    }

    #[test]
    fn patterns_are_checked() {
        assert!(
            TimeFormat::parse("%H:%M")
                .unwrap_err()
                .contains("needs a year")
        );
        assert!(TimeFormat::parse("%Q").unwrap_err().contains("%Y"));
        assert!(
            TimeFormat::parse("rfc3339")
                .unwrap_err()
                .contains("epoch_millis")
        );
        assert!(TimeFormat::parse("%Y-%m-%d%").is_err());
    }

    #[test]
    fn writes_what_it_reads() {
        let zone = Zone::named("Europe/Helsinki").unwrap();
        let instant: Instant = "2026-10-25T00:30:00Z".parse().unwrap();
        for (format, expected) in [
            ("iso", "2026-10-25T00:30:00Z"),
            ("iso_local", "2026-10-25T03:30:00+03:00"),
            ("epoch_seconds", "1792888200"),
            ("excel", "46320.145833333"),
            ("%d.%m.%y %I:%M:%S %p %z", "25.10.26 03:30:00 AM +0300"),
            ("%j %b %Y %d %f", "298 Oct 2026 25 000000"),
        ] {
            let mut out = Vec::new();
            TimeFormat::parse(format)
                .unwrap()
                .write(&mut out, instant, &zone);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
