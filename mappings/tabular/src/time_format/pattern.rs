//! Times by a pattern: `%d.%m.%Y %H:%M`.

use hub_model::{Instant, LocalDay};

use super::Stamp;
use super::found::Found;
use crate::cell::DAY_MICROS;

/// A pattern in parts: `strftime` conversions and the characters between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
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

/// English, as `%b` writes them.
pub(super) const MONTHS: [&[u8; 3]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What is wrong with it, and what would be valid.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
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

    /// A time in this pattern, and the pattern.
    pub(super) fn example(&self) -> String {
        let mut out = Vec::new();
        self.write(&mut out, 1_774_743_300_000_000, 0);
        format!("{} ({})", String::from_utf8_lossy(&out), self.text)
    }

    /// Whether a blank stands in it.
    pub(super) fn has_blank(&self) -> bool {
        self.parts.contains(&Part::Literal(b' '))
    }

    /// Reads a time; `None` if the text is not of this pattern.
    pub(super) fn read(&self, text: &[u8]) -> Option<Stamp> {
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

    /// Writes local microseconds that are so many seconds before UTC.
    pub(super) fn write(&self, out: &mut Vec<u8>, local: i64, offset_seconds: i32) {
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
