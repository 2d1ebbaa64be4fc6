//! Instants in UTC, zones, and local days of 92, 96 and 100 quarter-hours.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use jiff::tz::TimeZone;

/// A moment in UTC, in microseconds since 1970-01-01T00:00:00Z.
///
/// Finer digits of a partner's time stamp are cut off.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(i64);

/// Why a text is not an [`Instant`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InstantError {
    /// Not `YYYY-MM-DDThh:mm:ss[.fff](Z|±hh:mm)`.
    #[error("not a date and time of the form `2026-03-29T00:15:00Z`")]
    Malformed,
    /// A local time with neither `Z` nor an offset, where no zone is known.
    #[error("has no time zone: end it with `Z` or an offset such as `+02:00`")]
    NoZone,
    /// A local time that the zone skips when clocks go forward.
    #[error("does not exist in its zone: the clocks skip it")]
    Skipped,
}

impl Instant {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);

    /// From microseconds since the epoch.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// From seconds since the epoch; saturates far outside any calendar.
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }

    /// Microseconds since the epoch.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// This instant moved by `seconds`; saturates.
    #[must_use]
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1_000_000)))
    }

    /// Microseconds from `earlier` to this instant.
    #[must_use]
    pub const fn micros_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Reads ISO 8601 / XML `dateTime` in its extended form. A time without `Z` or offset is read
    /// in `zone`, the first of two when clocks go back; without a zone it is an error.
    ///
    /// # Errors
    /// See [`InstantError`].
    pub fn parse(text: &[u8], zone: Option<&Zone>) -> Result<Self, InstantError> {
        let local = parse_local(text)?;
        match local.offset_seconds {
            Some(offset) => Ok(Self(local.micros - i64::from(offset) * 1_000_000)),
            None => zone.ok_or(InstantError::NoZone)?.instant(local.micros),
        }
    }

    /// Writes `2026-03-29T00:15:00Z`, with a fraction only where there is one.
    pub fn write(self, out: &mut Vec<u8>) {
        write_local(out, self.0);
        out.push(b'Z');
    }
}

/// A parsed local time: microseconds as if it were UTC, and the offset if one was written.
struct Local {
    micros: i64,
    offset_seconds: Option<i32>,
}

fn digits(text: &[u8], at: usize, count: usize) -> Result<i64, InstantError> {
    let field = text.get(at..at + count).ok_or(InstantError::Malformed)?;
    let mut value = 0i64;
    for &c in field {
        if !c.is_ascii_digit() {
            return Err(InstantError::Malformed);
        }
        value = value * 10 + i64::from(c - b'0');
    }
    Ok(value)
}

fn sign(text: &[u8], at: usize, allowed: &[u8]) -> Result<(), InstantError> {
    match text.get(at) {
        Some(c) if allowed.contains(c) => Ok(()),
        _ => Err(InstantError::Malformed),
    }
}

fn parse_local(text: &[u8]) -> Result<Local, InstantError> {
    let (year, month, day) = (
        digits(text, 0, 4)?,
        digits(text, 5, 2)?,
        digits(text, 8, 2)?,
    );
    let (hour, minute) = (digits(text, 11, 2)?, digits(text, 14, 2)?);
    sign(text, 4, b"-")?;
    sign(text, 7, b"-")?;
    sign(text, 10, b"T ")?;
    sign(text, 13, b":")?;
    let (second, mut at) = match text.get(16) {
        Some(b':') => (digits(text, 17, 2)?, 19),
        _ => (0, 16),
    };
    let whole_day = hour == 24 && minute == 0 && second == 0;
    if !(1..=12).contains(&month)
        || !(1..=days_in_month(year, month)).contains(&day)
        || (hour > 23 && !whole_day)
        || minute > 59
        || second > 59
    {
        return Err(InstantError::Malformed);
    }
    let mut micros =
        (days_from_civil(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second)
            * 1_000_000;
    if let Some(b'.' | b',') = text.get(at) {
        at += 1;
        let mut unit = 100_000;
        let first = at;
        while let Some(c @ b'0'..=b'9') = text.get(at) {
            micros += i64::from(c - b'0') * unit;
            unit /= 10;
            at += 1;
        }
        if at == first || whole_day {
            return Err(InstantError::Malformed);
        }
    }
    let offset_seconds = parse_offset(&text[at.min(text.len())..])?;
    Ok(Local {
        micros,
        offset_seconds,
    })
}

fn parse_offset(text: &[u8]) -> Result<Option<i32>, InstantError> {
    let (negative, rest) = match text {
        [] => return Ok(None),
        b"Z" | b"z" => return Ok(Some(0)),
        [b'+', rest @ ..] => (false, rest),
        [b'-', rest @ ..] => (true, rest),
        _ => return Err(InstantError::Malformed),
    };
    let hours = digits(rest, 0, 2)?;
    let minutes = match rest.len() {
        2 => 0,
        4 => digits(rest, 2, 2)?,
        5 if rest[2] == b':' => digits(rest, 3, 2)?,
        _ => return Err(InstantError::Malformed),
    };
    if hours > 14 || minutes > 59 {
        return Err(InstantError::Malformed);
    }
    let seconds = (hours * 3_600 + minutes * 60) as i32;
    Ok(Some(if negative { -seconds } else { seconds }))
}

const fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 of a proleptic Gregorian date (Hinnant's algorithm).
const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

const fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

fn push_digits(out: &mut Vec<u8>, value: i64, width: u32) {
    for place in (0..width).rev() {
        out.push(b'0' + ((value / 10i64.pow(place)) % 10) as u8);
    }
}

/// Writes microseconds-as-if-UTC in the extended form, without a zone.
fn write_local(out: &mut Vec<u8>, micros: i64) {
    let seconds = micros.div_euclid(1_000_000);
    let (year, month, day) = civil_from_days(seconds.div_euclid(86_400));
    let time = seconds.rem_euclid(86_400);
    push_digits(out, year, 4);
    out.push(b'-');
    push_digits(out, month, 2);
    out.push(b'-');
    push_digits(out, day, 2);
    out.push(b'T');
    push_digits(out, time / 3_600, 2);
    out.push(b':');
    push_digits(out, time / 60 % 60, 2);
    out.push(b':');
    push_digits(out, time % 60, 2);
    let fraction = micros.rem_euclid(1_000_000);
    if fraction != 0 {
        out.push(b'.');
        push_digits(out, fraction, 6);
        while out.last() == Some(&b'0') {
            out.pop();
        }
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::with_capacity(27);
        self.write(&mut out);
        f.pad(&String::from_utf8_lossy(&out))
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Instant {
    type Err = InstantError;

    fn from_str(text: &str) -> Result<Self, InstantError> {
        Self::parse(text.as_bytes(), None)
    }
}

/// An IANA time zone, such as the one an enterprise lives in.
#[derive(Clone)]
pub struct Zone(TimeZone);

/// The name is not in the time zone database.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown time zone `{0}`, expected an IANA name such as `Europe/Helsinki` or `UTC`")]
pub struct ZoneError(pub String);

impl Zone {
    /// Looks a zone up by its IANA name, or a fixed offset such as `+01:00`.
    ///
    /// # Errors
    /// The name is unknown.
    pub fn named(name: &str) -> Result<Self, ZoneError> {
        if name == "UTC" {
            return Ok(Self::utc());
        }
        if let Ok(Some(seconds)) = parse_offset(name.as_bytes())
            && let Ok(offset) = jiff::tz::Offset::from_seconds(seconds)
        {
            return Ok(Self(TimeZone::fixed(offset)));
        }
        TimeZone::get(name)
            .map(Self)
            .map_err(|_| ZoneError(name.to_owned()))
    }

    /// UTC itself.
    #[must_use]
    pub const fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    /// The zone's name, `UTC` or an offset for one without a name.
    #[must_use]
    pub fn name(&self) -> String {
        self.0
            .iana_name()
            .map_or_else(|| format!("{:?}", self.0), ToOwned::to_owned)
    }

    /// The library's own zone, for civil arithmetic.
    #[must_use]
    pub const fn jiff(&self) -> &TimeZone {
        &self.0
    }

    /// The instant of a local time given as microseconds-as-if-UTC: the first of two when clocks
    /// go back.
    fn instant(&self, local_micros: i64) -> Result<Instant, InstantError> {
        let date_time = jiff::Timestamp::from_microsecond(local_micros)
            .map_err(|_| InstantError::Malformed)?
            .to_zoned(TimeZone::UTC)
            .datetime();
        let ambiguous = self.0.to_ambiguous_zoned(date_time);
        match ambiguous.offset() {
            jiff::tz::AmbiguousOffset::Gap { .. } => Err(InstantError::Skipped),
            _ => ambiguous
                .compatible()
                .map(|zoned| Instant(zoned.timestamp().as_microsecond()))
                .map_err(|_| InstantError::Malformed),
        }
    }

    /// Seconds to add to UTC for local time at `instant`.
    #[must_use]
    pub fn offset_seconds(&self, instant: Instant) -> i32 {
        jiff::Timestamp::from_microsecond(instant.0).map_or(0, |t| self.0.to_offset(t).seconds())
    }

    /// Writes local time with its offset, `2026-03-29T03:15:00+03:00`.
    pub fn write_local(&self, out: &mut Vec<u8>, instant: Instant) {
        let offset = self.offset_seconds(instant);
        write_local(out, instant.0 + i64::from(offset) * 1_000_000);
        out.push(if offset < 0 { b'-' } else { b'+' });
        push_digits(out, i64::from(offset.abs()) / 3_600, 2);
        out.push(b':');
        push_digits(out, i64::from(offset.abs()) / 60 % 60, 2);
    }

    /// The local day that contains `instant`.
    #[must_use]
    pub fn day_of(&self, instant: Instant) -> LocalDay {
        let local = instant.seconds() + i64::from(self.offset_seconds(instant));
        LocalDay(local.div_euclid(86_400) as i32)
    }

    /// First instant of a local day and first instant of the next. 23, 24 or 25 hours apart
    /// in most zones of the world.
    #[must_use]
    pub fn bounds(&self, day: LocalDay) -> (Instant, Instant) {
        (
            self.start_of(day),
            self.start_of(LocalDay(day.0.saturating_add(1))),
        )
    }

    fn start_of(&self, day: LocalDay) -> Instant {
        let fallback = Instant::from_seconds(i64::from(day.0) * 86_400);
        let Some(date) = day.date() else {
            return fallback;
        };
        date.to_zoned(self.0.clone())
            .map_or(fallback, |z| Instant(z.timestamp().as_microsecond()))
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

/// A calendar day in some zone, as days since 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalDay(pub i32);

impl LocalDay {
    /// From a calendar date; `None` if there is no such date.
    #[must_use]
    pub fn from_ymd(year: i16, month: i8, day: i8) -> Option<Self> {
        Date::new(year, month, day).ok()?;
        Some(Self(
            days_from_civil(i64::from(year), i64::from(month), i64::from(day)) as i32,
        ))
    }

    /// The date, if it is within the calendar's range.
    #[must_use]
    pub fn date(self) -> Option<Date> {
        let (year, month, day) = civil_from_days(i64::from(self.0));
        Date::new(i16::try_from(year).ok()?, month as i8, day as i8).ok()
    }
}

impl fmt::Display for LocalDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil_from_days(i64::from(self.0));
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quarter_hours(zone: &str, day: (i16, i8, i8)) -> i64 {
        let zone = Zone::named(zone).unwrap();
        let (start, end) = zone.bounds(LocalDay::from_ymd(day.0, day.1, day.2).unwrap());
        end.micros_since(start) / 900_000_000
    }

    #[test]
    fn days_have_92_96_and_100_quarter_hours() {
        for zone in ["Europe/Helsinki", "Europe/Berlin", "Europe/Stockholm"] {
            assert_eq!(quarter_hours(zone, (2026, 3, 29)), 92, "{zone}");
            assert_eq!(quarter_hours(zone, (2026, 6, 1)), 96, "{zone}");
            assert_eq!(quarter_hours(zone, (2026, 10, 25)), 100, "{zone}");
        }
    }

    #[test]
    fn reads_offsets_fractions_and_short_forms() {
        for (text, expected) in [
            ("2026-03-29T00:15:00Z", "2026-03-29T00:15:00Z"),
            ("2026-03-29T03:15:00+03:00", "2026-03-29T00:15:00Z"),
            ("2026-03-29T00:15Z", "2026-03-29T00:15:00Z"),
            (
                "2017-10-11T19:19:12.1554361Z",
                "2017-10-11T19:19:12.155436Z",
            ),
            ("1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59.5Z"),
            ("2024-02-29T24:00:00Z", "2024-03-01T00:00:00Z"),
            ("2026-01-01 00:00:00-0500", "2026-01-01T05:00:00Z"),
        ] {
            assert_eq!(
                text.parse::<Instant>().map(|i| i.to_string()).as_deref(),
                Ok(expected),
                "{text}"
            );
        }
    }

    #[test]
    fn refuses_what_is_no_time() {
        for text in [
            "",
            "2026-13-01T00:00:00Z",
            "2025-02-29T00:00:00Z",
            "2026-01-01",
            "2026-01-01T25:00:00Z",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00+99:00",
            "2026-01-01T00:00:00Zjunk",
        ] {
            assert_eq!(
                text.parse::<Instant>(),
                Err(InstantError::Malformed),
                "{text}"
            );
        }
        assert_eq!(
            "2026-01-01T00:00:00".parse::<Instant>(),
            Err(InstantError::NoZone)
        );
    }

    #[test]
    fn a_local_time_needs_to_exist() {
        let zone = Zone::named("Europe/Berlin").unwrap();
        let read = |text: &str| Instant::parse(text.as_bytes(), Some(&zone));
        assert_eq!(read("2026-03-29T02:30:00"), Err(InstantError::Skipped));
        assert_eq!(
            read("2026-10-25T02:30:00").unwrap().to_string(),
            "2026-10-25T00:30:00Z"
        );
        assert_eq!(
            read("2026-07-01T12:00:00").unwrap().to_string(),
            "2026-07-01T10:00:00Z"
        );
    }

    #[test]
    fn writes_local_time_with_its_offset() {
        let zone = Zone::named("Europe/Helsinki").unwrap();
        let mut out = Vec::new();
        zone.write_local(&mut out, "2026-07-01T12:00:00Z".parse().unwrap());
        assert_eq!(String::from_utf8(out).unwrap(), "2026-07-01T15:00:00+03:00");
    }
}
