//! How many parts may be sent in a day: each is paid for.

use std::sync::{Mutex, MutexGuard, PoisonError};

use hub_model::{Instant, LocalDay, Zone};

/// Counts in memory: a restart begins anew.
#[derive(Debug)]
pub(crate) struct Daily {
    limit: u32,
    zone: Zone,
    /// Parts sent or under way, on which day.
    used: Mutex<(LocalDay, u32)>,
}

/// Parts that may be sent; what is not sent of them is given back.
pub(crate) struct Allowance<'a> {
    daily: &'a Daily,
    day: LocalDay,
    parts: u32,
}

impl Daily {
    pub(crate) fn new(limit: u32, zone: Zone) -> Self {
        Self {
            limit,
            zone,
            used: Mutex::new((LocalDay(i32::MIN), 0)),
        }
    }

    /// Takes so many parts out of today's.
    ///
    /// # Errors
    /// They are used up: the seconds until the next day.
    pub(crate) fn take(&self, parts: u32, now: Instant) -> Result<Allowance<'_>, u64> {
        let day = self.zone.day_of(now);
        let mut used = self.used();
        if used.0 != day {
            *used = (day, 0);
        }
        if used.1.saturating_add(parts) > self.limit {
            let (_, tomorrow) = self.zone.bounds(day);
            let left = tomorrow.seconds() - now.seconds();
            return Err(u64::try_from(left).unwrap_or_default().max(1));
        }
        used.1 += parts;
        Ok(Allowance {
            daily: self,
            day,
            parts,
        })
    }

    fn used(&self) -> MutexGuard<'_, (LocalDay, u32)> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Allowance<'_> {
    /// One part was accepted.
    pub(crate) fn spend(&mut self) {
        self.parts = self.parts.saturating_sub(1);
    }
}

impl Drop for Allowance<'_> {
    fn drop(&mut self) {
        let mut used = self.daily.used();
        if used.0 == self.day {
            used.1 = used.1.saturating_sub(self.parts);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_has_so_many_and_the_next_has_as_many_again() {
        let daily = Daily::new(5, Zone::named("Europe/Tallinn").unwrap());
        // 23:00 local.
        let now: Instant = "2026-01-10T21:00:00Z".parse().unwrap();
        let send = |parts: u32, accepted: u32, now: Instant| {
            let mut allowance = daily.take(parts, now)?;
            (0..accepted).for_each(|_| allowance.spend());
            Ok::<(), u64>(())
        };
        assert_eq!(send(3, 3, now), Ok(()));
        assert_eq!(send(3, 3, now), Err(3_600));
        assert_eq!(
            send(2, 1, now),
            Ok(()),
            "one of two was not accepted, and is given back"
        );
        assert_eq!(send(1, 1, now), Ok(()));
        assert_eq!(send(1, 1, now.plus_seconds(3_599)), Err(1));
        assert_eq!(send(5, 5, now.plus_seconds(3_600)), Ok(()));
    }
}
