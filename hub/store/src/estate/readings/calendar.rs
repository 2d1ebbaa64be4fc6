//! Which local day a reading belongs to.

use hub_model::{Instant, LocalDay, ReadingKind, ReadingType, Zone};

const DAY_SECONDS: u32 = 86_400;

/// Finds local days, remembering the last: readings come in runs of one day, and asking the zone
/// costs more than everything else that is done with a reading.
#[derive(Debug)]
pub(super) struct Calendar {
    zone: Zone,
    day: LocalDay,
    start: Instant,
    end: Instant,
}

impl Calendar {
    pub(super) fn new(zone: Zone) -> Self {
        Self {
            zone,
            day: LocalDay(0),
            start: Instant::EPOCH,
            end: Instant::EPOCH,
        }
    }

    /// The day of a reading.
    ///
    /// An interval begins its length before its stamp; a daily one the civil day before, so that
    /// days of 23 and 25 hours are no exception; one of unknown length just before its stamp.
    #[inline]
    pub(super) fn day_of(
        &mut self,
        at: Instant,
        kind: ReadingKind,
        reading_type: &ReadingType,
    ) -> LocalDay {
        match (kind, reading_type.interval_seconds()) {
            (ReadingKind::Register, _) => self.day(at),
            (ReadingKind::Interval, Some(DAY_SECONDS)) => {
                LocalDay(self.day(at).0.saturating_sub(1))
            }
            (ReadingKind::Interval, Some(seconds)) => {
                self.day(at.plus_seconds(-i64::from(seconds)))
            }
            (ReadingKind::Interval, None) => {
                self.day(Instant::from_micros(at.micros().saturating_sub(1)))
            }
        }
    }

    #[inline]
    fn day(&mut self, instant: Instant) -> LocalDay {
        if instant < self.start || instant >= self.end {
            self.day = self.zone.day_of(instant);
            (self.start, self.end) = self.zone.bounds(self.day);
        }
        self.day
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUARTER_HOUR: &str = "0.0.2.4.1.1.12.0.0.0.0.0.0.0.0.3.72.0";
    const DAILY: &str = "0.0.4.4.1.1.12.0.0.0.0.0.0.0.0.3.72.0";

    fn day(zone: &str, at: &str, kind: ReadingKind, reading_type: &str) -> String {
        Calendar::new(Zone::named(zone).unwrap())
            .day_of(at.parse().unwrap(), kind, &reading_type.parse().unwrap())
            .to_string()
    }

    #[test]
    fn midnight_closes_the_day_before() {
        let helsinki = |at, kind| day("Europe/Helsinki", at, kind, QUARTER_HOUR);
        let midnight = "2026-06-01T00:00:00+03:00";
        assert_eq!(helsinki(midnight, ReadingKind::Interval), "2026-05-31");
        assert_eq!(helsinki(midnight, ReadingKind::Register), "2026-06-01");
        assert_eq!(
            helsinki("2026-06-01T00:15:00+03:00", ReadingKind::Interval),
            "2026-06-01"
        );
    }

    #[test]
    fn daily_values_of_short_and_long_days() {
        for zone in ["Europe/Berlin", "Europe/Helsinki", "America/New_York"] {
            let zone_of = Zone::named(zone).unwrap();
            for day_number in 20_500..20_900 {
                let (_, end) = zone_of.bounds(LocalDay(day_number));
                let mut calendar = Calendar::new(zone_of.clone());
                let daily = DAILY.parse().unwrap();
                assert_eq!(
                    calendar.day_of(end, ReadingKind::Interval, &daily),
                    LocalDay(day_number),
                    "{zone}"
                );
            }
        }
    }
}
