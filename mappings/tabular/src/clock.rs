//! Places local times in a zone, quickly on the days when clocks do not change.

use hub_model::{Instant, Zone};
use jiff::tz::{AmbiguousOffset, TimeZone};

use crate::cell::DAY_MICROS;

/// What a local time can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placed {
    /// One instant.
    Once(Instant),
    /// Two: clocks go back.
    Twice(Instant, Instant),
    /// None: clocks go forward and skip it.
    Skipped,
    /// Beyond the calendar.
    OutOfRange,
}

/// A zone's clock, remembering the last day's offset.
#[derive(Debug, Clone)]
pub(crate) struct LocalClock {
    zone: Zone,
    day: i64,
    /// The offset that holds on `day` and both its neighbours, in microseconds.
    steady: Option<i64>,
}

impl LocalClock {
    pub(crate) fn new(zone: Zone) -> Self {
        Self {
            zone,
            day: i64::MIN,
            steady: None,
        }
    }

    pub(crate) const fn zone(&self) -> &Zone {
        &self.zone
    }

    /// Places a local time, given in microseconds as if it were UTC.
    #[inline]
    pub(crate) fn place(&mut self, local: i64) -> Placed {
        let day = local.div_euclid(DAY_MICROS);
        if day != self.day {
            self.turn_to(day);
        }
        match self.steady {
            Some(offset) => Placed::Once(Instant::from_micros(local - offset)),
            None => self.place_slowly(local),
        }
    }

    /// The instant so many seconds later (or earlier); a whole day is a calendar day of the zone.
    #[inline]
    pub(crate) fn moved(&mut self, at: Instant, seconds: i64) -> Instant {
        if seconds.abs() != 86_400 {
            return at.plus_seconds(seconds);
        }
        let local = at
            .micros()
            .saturating_add(i64::from(self.zone.offset_seconds(at)) * 1_000_000);
        match self.place(local.saturating_add(seconds * 1_000_000)) {
            Placed::Once(moved) | Placed::Twice(moved, _) => moved,
            Placed::Skipped | Placed::OutOfRange => at.plus_seconds(seconds),
        }
    }

    /// No zone is more than a day from UTC, so equal offsets a day before and two days after mean
    /// that clocks do not change in between (none changes twice within three days).
    fn turn_to(&mut self, day: i64) {
        self.day = day;
        let Some(from) = day
            .checked_sub(1)
            .and_then(|day| day.checked_mul(DAY_MICROS))
        else {
            self.steady = None;
            return;
        };
        let before = self.zone.offset_seconds(Instant::from_micros(from));
        let after = Instant::from_micros(from.saturating_add(3 * DAY_MICROS));
        let steady = before == self.zone.offset_seconds(after);
        self.steady = steady.then(|| i64::from(before) * 1_000_000);
    }

    fn place_slowly(&self, local: i64) -> Placed {
        let Ok(as_utc) = jiff::Timestamp::from_microsecond(local) else {
            return Placed::OutOfRange;
        };
        let civil = as_utc.to_zoned(TimeZone::UTC).datetime();
        let at = |offset: jiff::tz::Offset| {
            Instant::from_micros(local - i64::from(offset.seconds()) * 1_000_000)
        };
        match self.zone.jiff().to_ambiguous_zoned(civil).offset() {
            AmbiguousOffset::Unambiguous { offset } => Placed::Once(at(offset)),
            AmbiguousOffset::Fold { before, after } => Placed::Twice(at(before), at(after)),
            AmbiguousOffset::Gap { .. } => Placed::Skipped,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn micros(text: &str) -> i64 {
        text.parse::<Instant>().unwrap().micros()
    }

    fn once(text: &str) -> Placed {
        Placed::Once(text.parse().unwrap())
    }

    #[test]
    fn knows_both_clock_changes() {
        let mut clock = LocalClock::new(Zone::named("Europe/Berlin").unwrap());
        let mut place = |text: &str| clock.place(micros(text));
        assert_eq!(place("2026-07-01T12:00:00Z"), once("2026-07-01T10:00:00Z"));
        assert_eq!(place("2026-03-29T01:59:59Z"), once("2026-03-29T00:59:59Z"));
        assert_eq!(place("2026-03-29T02:30:00Z"), Placed::Skipped);
        assert_eq!(place("2026-03-29T03:00:00Z"), once("2026-03-29T01:00:00Z"));
        let (first, second) = (
            "2026-10-25T00:30:00Z".parse().unwrap(),
            "2026-10-25T01:30:00Z".parse().unwrap(),
        );
        assert_eq!(place("2026-10-25T02:30:00Z"), Placed::Twice(first, second));
        assert_eq!(place("2026-10-26T02:30:00Z"), once("2026-10-26T01:30:00Z"));
    }

    #[test]
    fn the_fast_way_agrees_with_the_slow_way() {
        for name in [
            "America/St_Johns",
            "Pacific/Apia",
            "Australia/Lord_Howe",
            "UTC",
        ] {
            let mut clock = LocalClock::new(Zone::named(name).unwrap());
            let start = micros("2011-12-20T00:00:00Z");
            for hour in 0..24 * 400 {
                let local = start + hour * 3_600_000_000;
                assert_eq!(
                    clock.place(local),
                    clock.place_slowly(local),
                    "{name} {hour}"
                );
            }
        }
    }

    #[test]
    fn survives_the_ends_of_time() {
        let mut clock = LocalClock::new(Zone::named("Europe/Berlin").unwrap());
        for local in [i64::MIN, i64::MIN + 1, i64::MAX, 0] {
            let _ = clock.place(local);
        }
    }
}
