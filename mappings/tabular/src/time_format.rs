//! How times are written: ISO 8601, counted seconds, day numbers, or a pattern.

use std::borrow::Cow;

use hub_model::{Instant, LocalDay, Zone};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use crate::cell::DAY_MICROS;

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

/// A pattern in parts: `strftime` conversions and the characters between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Literal(u8),
    Year,
    ShortYear,
    Month,
    MonthName,
    Day,
    DayOfYear,
    Hour,
    Hour12,
    Minute,
    Second,
    HalfDay,
    Fraction,
    Offset,
}

const CONVERSIONS: [(u8, Part); 13] = [
    (b'Y', Part::Year),
    (b'y', Part::ShortYear),
    (b'm', Part::Month),
    (b'b', Part::MonthName),
    (b'd', Part::Day),
    (b'j', Part::DayOfYear),
    (b'H', Part::Hour),
    (b'I', Part::Hour12),
    (b'M', Part::Minute),
    (b'S', Part::Second),
    (b'p', Part::HalfDay),
    (b'f', Part::Fraction),
    (b'z', Part::Offset),
];

const MONTHS: [&[u8; 3]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

/// Day number of 1970-01-01 where days count from 1899-12-30.
const EXCEL_EPOCH_DAYS: i64 = 25_569;
/// Days between the 1900 and the 1904 way of counting.
const DAYS_1904: i64 = 1_462;

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
            Self::Pattern(pattern) => pattern.parts.contains(&Part::Literal(b' ')),
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
            Self::Excel => {
                let days = local() as f64 / DAY_MICROS as f64 + EXCEL_EPOCH_DAYS as f64;
                out.extend(
                    format!("{days:.9}")
                        .trim_end_matches('0')
                        .trim_end_matches('.')
                        .bytes(),
                );
            }
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

/// Local microseconds, as if it were UTC, of an Excel day number, rounded to the millisecond that
/// Excel keeps. `None` outside the years 1900 to 9999.
#[must_use]
pub fn excel_micros(serial: f64, from_1904: bool) -> Option<i64> {
    const LAST_DAY: f64 = 2_958_466.0;
    if !serial.is_finite() || !(0.0..LAST_DAY).contains(&serial) {
        return None;
    }
    let millis = (serial * 86_400_000.0).round() as i64;
    let epoch = if from_1904 {
        EXCEL_EPOCH_DAYS - DAYS_1904
    } else {
        EXCEL_EPOCH_DAYS
    };
    // Before 1900-03-01 Excel is a day off, because it believes 1900 was a leap year.
    let leap = i64::from(!from_1904 && (1.0..60.0).contains(&serial));
    Some((millis - (epoch - leap) * 86_400_000) * 1_000)
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

impl Pattern {
    fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut bytes = text.bytes();
        while let Some(c) = bytes.next() {
            if c != b'%' {
                parts.push(Part::Literal(c));
                continue;
            }
            match bytes.next() {
                Some(b'%') => parts.push(Part::Literal(b'%')),
                Some(letter) => parts.push(conversion(letter)?),
                None => return Err("a time pattern cannot end with a single `%`".to_owned()),
            }
        }
        let has = |wanted: &[Part]| parts.iter().any(|part| wanted.contains(part));
        let day =
            has(&[Part::DayOfYear]) || (has(&[Part::Day]) && has(&[Part::Month, Part::MonthName]));
        if !day || !has(&[Part::Year, Part::ShortYear]) {
            return Err(format!(
                "time pattern `{text}` needs a year (%Y), a month (%m) and a day (%d)"
            ));
        }
        Ok(Self {
            text: text.to_owned(),
            parts,
        })
    }

    fn example(&self) -> String {
        let mut out = Vec::new();
        self.write(&mut out, 1_774_743_300_000_000, 0);
        format!("{} ({})", String::from_utf8_lossy(&out), self.text)
    }

    fn read(&self, text: &[u8]) -> Option<Stamp> {
        let mut rest = text;
        let mut found = Found::default();
        for part in &self.parts {
            rest = found.take(*part, rest)?;
        }
        if !rest.is_empty() {
            return None;
        }
        found.stamp()
    }

    fn write(&self, out: &mut Vec<u8>, local: i64, offset_seconds: i32) {
        let iso = Instant::from_micros(local.div_euclid(1_000_000) * 1_000_000).to_string();
        let iso = iso.as_bytes();
        let digits = |from: usize, to: usize| iso.get(from..to).unwrap_or(b"0");
        let number = |from, to| {
            digits(from, to)
                .iter()
                .fold(0u32, |n, c| n * 10 + u32::from(c.wrapping_sub(b'0')))
        };
        let hour = number(11, 13);
        for part in &self.parts {
            match part {
                Part::Literal(c) => out.push(*c),
                Part::Year => out.extend_from_slice(digits(0, 4)),
                Part::ShortYear => out.extend_from_slice(digits(2, 4)),
                Part::Month => out.extend_from_slice(digits(5, 7)),
                Part::MonthName => {
                    let month = number(5, 7).clamp(1, 12) as usize;
                    out.extend_from_slice(MONTHS[month - 1]);
                }
                Part::Day => out.extend_from_slice(digits(8, 10)),
                Part::DayOfYear => out.extend(format!("{:03}", day_of_year(local)).bytes()),
                Part::Hour => out.extend_from_slice(digits(11, 13)),
                Part::Hour12 => out.extend(format!("{:02}", (hour + 11) % 12 + 1).bytes()),
                Part::Minute => out.extend_from_slice(digits(14, 16)),
                Part::Second => out.extend_from_slice(digits(17, 19)),
                Part::HalfDay => out.extend_from_slice(if hour < 12 { b"AM" } else { b"PM" }),
                Part::Fraction => {
                    out.extend(format!("{:06}", local.rem_euclid(1_000_000)).bytes());
                }
                Part::Offset => {
                    let minutes = offset_seconds.abs() / 60;
                    let sign = if offset_seconds < 0 { '-' } else { '+' };
                    out.extend(format!("{sign}{:02}{:02}", minutes / 60, minutes % 60).bytes());
                }
            }
        }
    }
}

fn conversion(letter: u8) -> Result<Part, String> {
    CONVERSIONS
        .iter()
        .find(|(known, _)| *known == letter)
        .map(|(_, part)| *part)
        .ok_or_else(|| {
            let known: Vec<String> = CONVERSIONS
                .iter()
                .map(|(c, _)| format!("%{}", char::from(*c)))
                .collect();
            format!(
                "`%{}` is not a part of a time pattern, expected one of {} or %%",
                char::from(letter).escape_debug(),
                known.join(" ")
            )
        })
}

fn day_of_year(local: i64) -> i64 {
    let day = local.div_euclid(DAY_MICROS);
    let first = LocalDay(i32::try_from(day).unwrap_or(0))
        .date()
        .and_then(|date| LocalDay::from_ymd(date.year(), 1, 1))
        .map_or(day, |first| i64::from(first.0));
    day - first + 1
}

/// What a pattern has found so far.
#[derive(Default)]
struct Found {
    year: i64,
    month: i64,
    day: i64,
    day_of_year: Option<i64>,
    hour: i64,
    half_day: Option<bool>,
    minute: i64,
    second: i64,
    micros: i64,
    offset_seconds: Option<i64>,
}

impl Found {
    /// Reads one part from the front of `text`; gives what is left.
    fn take<'a>(&mut self, part: Part, text: &'a [u8]) -> Option<&'a [u8]> {
        let (target, most) = match part {
            Part::Literal(c) => return text.strip_prefix(&[c]),
            Part::MonthName => {
                let name = text.get(..3)?;
                let at = MONTHS
                    .iter()
                    .position(|month| month.eq_ignore_ascii_case(name))?;
                self.month = at as i64 + 1;
                return text.get(3..);
            }
            Part::HalfDay => {
                let word = text.get(..2)?;
                let afternoon = word.eq_ignore_ascii_case(b"PM");
                if !afternoon && !word.eq_ignore_ascii_case(b"AM") {
                    return None;
                }
                self.half_day = Some(afternoon);
                return text.get(2..);
            }
            Part::Offset => return self.take_offset(text),
            Part::Fraction => {
                let (value, rest) = digits(text, 6)?;
                let missing = 6 - (text.len() - rest.len());
                self.micros = value * 10i64.pow(u32::try_from(missing).ok()?);
                let extra = rest.iter().take_while(|c| c.is_ascii_digit()).count();
                return rest.get(extra..);
            }
            Part::DayOfYear => {
                let (value, rest) = digits(text, 3)?;
                self.day_of_year = Some(value);
                return Some(rest);
            }
            Part::ShortYear => {
                let (value, rest) = digits(text, 2)?;
                // As POSIX has it: 69 to 99 are the last century.
                self.year = value + if value < 69 { 2_000 } else { 1_900 };
                return Some(rest);
            }
            Part::Year => (&mut self.year, 4),
            Part::Month => (&mut self.month, 2),
            Part::Day => (&mut self.day, 2),
            Part::Hour | Part::Hour12 => (&mut self.hour, 2),
            Part::Minute => (&mut self.minute, 2),
            Part::Second => (&mut self.second, 2),
        };
        let (value, rest) = digits(text, most)?;
        *target = value;
        Some(rest)
    }

    fn take_offset<'a>(&mut self, text: &'a [u8]) -> Option<&'a [u8]> {
        if let [b'Z' | b'z', rest @ ..] = text {
            self.offset_seconds = Some(0);
            return Some(rest);
        }
        let (sign, rest) = match text {
            [b'+', rest @ ..] => (1, rest),
            [b'-', rest @ ..] => (-1, rest),
            _ => return None,
        };
        let (hours, rest) = digits(rest, 2)?;
        let rest = rest.strip_prefix(b":").unwrap_or(rest);
        let (minutes, rest) = digits(rest, 2).unwrap_or((0, rest));
        if hours > 14 || minutes > 59 {
            return None;
        }
        self.offset_seconds = Some(sign * (hours * 3_600 + minutes * 60));
        Some(rest)
    }

    fn stamp(self) -> Option<Stamp> {
        let year = i16::try_from(self.year).ok()?;
        let days = match self.day_of_year {
            None => {
                let (month, day) = (i8::try_from(self.month).ok()?, i8::try_from(self.day).ok()?);
                i64::from(LocalDay::from_ymd(year, month, day)?.0)
            }
            Some(nth) => {
                let last = if LocalDay::from_ymd(year, 2, 29).is_some() {
                    366
                } else {
                    365
                };
                if !(1..=last).contains(&nth) {
                    return None;
                }
                i64::from(LocalDay::from_ymd(year, 1, 1)?.0) + nth - 1
            }
        };
        let hour = match self.half_day {
            None => self.hour,
            Some(_) if !(1..=12).contains(&self.hour) => return None,
            Some(afternoon) => self.hour % 12 + if afternoon { 12 } else { 0 },
        };
        let end_of_day = hour == 24 && self.minute == 0 && self.second == 0 && self.micros == 0;
        if (hour > 23 && !end_of_day) || self.minute > 59 || self.second > 59 {
            return None;
        }
        let local = days * DAY_MICROS
            + (hour * 3_600 + self.minute * 60 + self.second) * 1_000_000
            + self.micros;
        Some(match self.offset_seconds {
            Some(offset) => Stamp::Fixed(Instant::from_micros(local - offset * 1_000_000)),
            None => Stamp::Local(local),
        })
    }
}

/// One to `most` digits from the front.
fn digits(text: &[u8], most: usize) -> Option<(i64, &[u8])> {
    let count = text
        .iter()
        .take(most)
        .take_while(|c| c.is_ascii_digit())
        .count();
    if count == 0 {
        return None;
    }
    let value = text[..count]
        .iter()
        .fold(0, |value, c| value * 10 + i64::from(c - b'0'));
    Some((value, &text[count..]))
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

    #[test]
    fn excel_days_count_from_two_epochs() {
        let day = |serial, from_1904| {
            Instant::from_micros(excel_micros(serial, from_1904).unwrap()).to_string()
        };
        assert_eq!(day(1.0, false), "1900-01-01T00:00:00Z");
        assert_eq!(day(61.0, false), "1900-03-01T00:00:00Z");
        assert_eq!(day(45_943.5, false), "2025-10-13T12:00:00Z");
        assert_eq!(day(0.0, true), "1904-01-01T00:00:00Z");
        assert_eq!(day(44_481.5, true), "2025-10-13T12:00:00Z");
    }
}
