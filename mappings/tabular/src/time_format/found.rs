//! Reads a time by the parts of a pattern.

use hub_model::{Instant, LocalDay};

use super::Stamp;
use super::pattern::{MONTHS, Part};
use crate::cell::DAY_MICROS;

/// What a pattern has found so far.
#[derive(Default)]
pub(super) struct Found {
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
    pub(super) fn take<'a>(&mut self, part: Part, text: &'a [u8]) -> Option<&'a [u8]> {
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

    /// The time; `None` if its parts are none together.
    pub(super) fn stamp(self) -> Option<Stamp> {
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
