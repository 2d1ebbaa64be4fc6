//! Hours in which nobody is to be woken.

use hub_model::{Instant, Zone};

const DAY: i64 = 86_400;

/// From one time of the day to another, in a zone; over midnight if the second is the smaller.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Quiet {
    from: i64,
    to: i64,
    zone: Zone,
}

impl Quiet {
    /// Reads times such as `21:30` and an IANA zone.
    ///
    /// # Errors
    /// What would be valid.
    pub(crate) fn parse(from: &str, to: &str, zone: &str) -> Result<Self, String> {
        let quiet = Self {
            from: seconds_of_day(from)?,
            to: seconds_of_day(to)?,
            zone: Zone::named(zone).map_err(|error| error.to_string())?,
        };
        if quiet.from == quiet.to {
            return Err(format!(
                "`from` and `to` are both `{from}`, expected two times"
            ));
        }
        Ok(quiet)
    }

    /// If it is quiet now, in how many seconds it ends.
    pub(crate) fn seconds_left(&self, now: Instant) -> Option<u64> {
        let offset = i64::from(self.zone.offset_seconds(now));
        let time = (now.seconds() + offset).rem_euclid(DAY);
        let is_quiet = if self.from < self.to {
            (self.from..self.to).contains(&time)
        } else {
            time >= self.from || time < self.to
        };
        if !is_quiet {
            return None;
        }
        let left = (self.to - time).rem_euclid(DAY);
        // Clocks may be changed before it ends.
        let offset_then = i64::from(self.zone.offset_seconds(now.plus_seconds(left)));
        u64::try_from(left - (offset_then - offset)).ok()
    }
}

fn seconds_of_day(text: &str) -> Result<i64, String> {
    let wrong = || format!("`{text}` is no time of the day, expected such as `21:30`");
    let (hours, minutes) = text.split_once(':').ok_or_else(wrong)?;
    let number = |text: &str, below: i64| {
        let is_number = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
        let number = text.parse::<i64>().ok().filter(|n| is_number && *n < below);
        number.ok_or_else(wrong)
    };
    Ok(number(hours, 24)? * 3_600 + number(minutes, 60)? * 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(from: &str, to: &str, now: &str) -> Option<u64> {
        let quiet = Quiet::parse(from, to, "Europe/Tallinn").unwrap();
        quiet.seconds_left(now.parse().unwrap())
    }

    #[test]
    fn nights_and_naps_end() {
        for (from, to, now, expected) in [
            ("21:00", "08:00", "2026-01-10T18:59:59Z", None),
            ("21:00", "08:00", "2026-01-10T19:00:00Z", Some(11 * 3_600)),
            ("21:00", "08:00", "2026-01-11T05:59:59Z", Some(1)),
            ("21:00", "08:00", "2026-01-11T06:00:00Z", None),
            ("12:00", "13:30", "2026-01-11T10:00:00Z", Some(5_400)),
            ("12:00", "13:30", "2026-01-11T11:30:00Z", None),
        ] {
            assert_eq!(left(from, to, now), expected, "{from} to {to} at {now}");
        }
    }

    #[test]
    fn nights_of_changed_clocks_are_shorter_and_longer() {
        // 22:00 local both times; 29 March 2026 clocks go forward, 25 October back.
        assert_eq!(
            left("21:00", "08:00", "2026-03-28T20:00:00Z"),
            Some(9 * 3_600)
        );
        assert_eq!(
            left("21:00", "08:00", "2026-10-24T19:00:00Z"),
            Some(11 * 3_600)
        );
    }

    #[test]
    fn what_is_no_time_is_named() {
        for (from, to, zone) in [
            ("9", "08:00", "UTC"),
            ("24:00", "08:00", "UTC"),
            ("21:60", "08:00", "UTC"),
            ("+1:00", "08:00", "UTC"),
            ("21:00", "21:00", "UTC"),
            ("21:00", "08:00", "Tallinn"),
        ] {
            assert!(Quiet::parse(from, to, zone).is_err(), "{from} {to} {zone}");
        }
    }
}
