//! Times of rows: a fast way for the usual ISO form, the zone, and the hour that comes twice.

use std::collections::HashSet;

use hub_model::Instant;

use crate::cell::{Cell, DAY_MICROS, Row, shown, typed_text};
use crate::clock::{LocalClock, Placed};
use crate::header::Layout;
use crate::source::{Fault, Origin, Raw, Source};
use crate::time_format::{RepeatedHour, Stamp, TimeFormat, excel_micros};

/// Most local times of repeated hours remembered for `in_order`: a million meters would have
/// four each. Beyond, a second occurrence could not be told from a first.
const MAX_REPEATED: usize = 4_000_000;

/// Reads times and places them in the layout's zone.
pub(crate) struct TimeReader {
    pub(crate) clock: LocalClock,
    repeated: RepeatedHour,
    seen: HashSet<(Box<[u8]>, i64)>,
    /// The last ISO date, and its midnight as if it were UTC.
    date: [u8; 10],
    midnight: i64,
}

impl TimeReader {
    pub(crate) fn new(layout: &Layout) -> Self {
        Self {
            clock: LocalClock::new(layout.zone().clone()),
            repeated: layout.mapping().file().times.repeated_hour,
            seen: HashSet::new(),
            date: [0; 10],
            midnight: 0,
        }
    }

    /// The time of a field; `None` if it is empty. `series` tells repeated hours apart.
    #[inline]
    pub(crate) fn read<R: Row>(
        &mut self,
        source: &Source,
        layout: &Layout,
        row: &R,
        series: &[u8],
    ) -> Result<Option<Instant>, Fault> {
        let plain = source.time_slot.is_none() && source.lookup.is_none();
        if let (true, TimeFormat::Iso, Origin::Column(slot)) =
            (plain, &source.format, &source.origin)
            && let Cell::Text(text) = layout.cell(row, *slot)
            && let Some(instant) = self.read_utc(text)
        {
            return Ok(Some(instant));
        }
        let Some(stamp) = self.stamp(source, layout, row)? else {
            return Ok(None);
        };
        self.place(stamp, series)
            .map(Some)
            .map_err(|reason| source.fault(layout, reason))
    }

    /// `2026-03-29T00:15:00Z` and nothing else, with one comparison for the date of the row before.
    #[inline]
    fn read_utc(&mut self, text: &[u8]) -> Option<Instant> {
        let text: &[u8; 20] = text.try_into().ok()?;
        let two = |at: usize| {
            let (tens, ones) = (text[at].wrapping_sub(b'0'), text[at + 1].wrapping_sub(b'0'));
            (tens < 10 && ones < 10).then(|| i64::from(tens) * 10 + i64::from(ones))
        };
        let signs = text[10] == b'T' && text[13] == b':' && text[16] == b':' && text[19] == b'Z';
        let (hour, minute, second) = (two(11)?, two(14)?, two(17)?);
        if !signs || hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        if text[..10] != self.date {
            let mut midnight = *text;
            midnight[10..].copy_from_slice(b"T00:00:00Z");
            self.midnight = Instant::parse(&midnight, None).ok()?.micros();
            self.date.copy_from_slice(&text[..10]);
        }
        Some(Instant::from_micros(
            self.midnight + (hour * 3_600 + minute * 60 + second) * 1_000_000,
        ))
    }

    /// The time of a field before it is placed in the zone.
    pub(crate) fn stamp<R: Row>(
        &self,
        source: &Source,
        layout: &Layout,
        row: &R,
    ) -> Result<Option<Stamp>, Fault> {
        let raw = source.raw(layout, row)?;
        let time = source
            .time_slot
            .map_or(Cell::Empty, |slot| layout.cell(row, slot));
        let wrong = |text: &[u8]| {
            let example = source.format.example();
            source.fault(
                layout,
                format!(
                    "`{}` is not a time, expected one such as `{example}`",
                    shown(text)
                ),
            )
        };
        let read = |text: &[u8]| {
            source
                .format
                .read(text)
                .map(Some)
                .ok_or_else(|| wrong(text))
        };
        match raw {
            Raw::Nothing => Ok(None),
            Raw::Ours(text) => Ok(text.parse().ok().map(Stamp::Fixed)),
            Raw::Made(text) => read(text.as_bytes()),
            Raw::Cell(Cell::Text(date)) => match time {
                Cell::Empty if source.time_slot.is_some() => Err(wrong(date)),
                Cell::Empty => read(date),
                Cell::Text(time) => read(&[date, b" ", time].concat()),
                other => read(&[date, b" ", typed_text(other).as_bytes()].concat()),
            },
            Raw::Cell(cell) => day_and_time(cell, time, row.counts_from_1904())
                .map(|micros| Some(Stamp::Local(micros)))
                .ok_or_else(|| wrong(typed_text(cell).as_bytes())),
        }
    }

    /// Places a time in the zone.
    ///
    /// # Errors
    /// The local time does not exist, or exists twice and the mapping wants to know which.
    #[inline]
    pub(crate) fn place(&mut self, stamp: Stamp, series: &[u8]) -> Result<Instant, String> {
        let local = match stamp {
            Stamp::Fixed(instant) => return Ok(instant),
            Stamp::Local(local) => local,
        };
        match self.clock.place(local) {
            Placed::Once(instant) => Ok(instant),
            Placed::Twice(first, second) => self.choose(local, first, second, series),
            Placed::Skipped => Err(self.odd(
                local,
                "does not exist: the clocks skip it, expected a time that they show",
            )),
            Placed::OutOfRange => {
                Err("is beyond the calendar, expected a year from 1 to 9999".to_owned())
            }
        }
    }

    #[cold]
    fn choose(
        &mut self,
        local: i64,
        first: Instant,
        second: Instant,
        series: &[u8],
    ) -> Result<Instant, String> {
        match self.repeated {
            RepeatedHour::First => Ok(first),
            RepeatedHour::Second => Ok(second),
            RepeatedHour::Reject => {
                Err(self.odd(local, "exists twice, expected a time with its offset"))
            }
            RepeatedHour::InOrder if self.seen.len() >= MAX_REPEATED => Err(self.odd(
                local,
                "exists twice, and too many such times came before it",
            )),
            RepeatedHour::InOrder => Ok(if self.seen.insert((series.into(), local)) {
                first
            } else {
                second
            }),
        }
    }

    fn odd(&self, local: i64, what: &str) -> String {
        let local = Instant::from_micros(local).to_string();
        format!(
            "`{}` in {} {what}",
            local.trim_end_matches('Z'),
            self.clock.zone().name()
        )
    }
}

/// Local microseconds of a typed cell, with the time of day of a second one.
fn day_and_time(cell: Cell<'_>, time: Cell<'_>, from_1904: bool) -> Option<i64> {
    let day = match cell {
        Cell::Date(micros) => micros,
        Cell::Number(serial) => excel_micros(serial, from_1904)?,
        _ => return None,
    };
    let within = match time {
        Cell::Empty => return Some(day),
        Cell::TimeOfDay(micros) => micros,
        Cell::Date(micros) => micros.rem_euclid(DAY_MICROS),
        Cell::Number(part) if (0.0..=1.0).contains(&part) => {
            (part * 86_400_000.0).round() as i64 * 1_000
        }
        Cell::Text(text) => clock_time(text)?,
        _ => return None,
    };
    Some(day.div_euclid(DAY_MICROS) * DAY_MICROS + within)
}

/// `hh:mm` or `hh:mm:ss` beside a date cell.
fn clock_time(text: &[u8]) -> Option<i64> {
    let format = TimeFormat::parse(if text.len() > 5 {
        "%Y-%m-%d %H:%M:%S"
    } else {
        "%Y-%m-%d %H:%M"
    })
    .ok()?;
    match format.read(&[b"1970-01-01 ", text].concat())? {
        Stamp::Local(micros) => Some(micros),
        Stamp::Fixed(_) => None,
    }
}
