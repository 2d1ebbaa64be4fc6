//! Times, fast: the readings of a block mostly fall on one date.

use hub_model::{Instant, InstantError, Zone};

/// Length of `2026-03-29T`.
const DATE: usize = 11;
/// Length of `2026-03-29T00:15:00Z`.
const SHORT: usize = 20;

/// Reads instants, and remembers the date read last.
pub(super) struct Times {
    zone: Zone,
    date: [u8; DATE],
    /// Its midnight in UTC, in seconds since the epoch; `None` until a date is known.
    midnight: Option<i64>,
}

impl Times {
    pub(super) const fn new(zone: Zone) -> Self {
        Self {
            zone,
            date: [0; DATE],
            midnight: None,
        }
    }

    /// Reads an instant exactly as [`Instant::parse`] does.
    #[inline]
    pub(super) fn parse(&mut self, text: &[u8]) -> Result<Instant, InstantError> {
        if let Some(instant) = self.on_known_date(text) {
            return Ok(instant);
        }
        let instant = Instant::parse(text, Some(&self.zone))?;
        if text.len() == SHORT && text.ends_with(b"Z") {
            self.date.copy_from_slice(&text[..DATE]);
            // 24:00:00 belongs to the next date by the calendar, not as it is written.
            let written = two_digits(&text[11..13]).unwrap_or(0) * 3_600
                + two_digits(&text[14..16]).unwrap_or(0) * 60
                + two_digits(&text[17..19]).unwrap_or(0);
            self.midnight = Some(instant.seconds() - written);
        }
        Ok(instant)
    }

    #[inline]
    fn on_known_date(&self, text: &[u8]) -> Option<Instant> {
        let midnight = self.midnight?;
        let text: &[u8; SHORT] = text.try_into().ok()?;
        if text[..DATE] != self.date || text[13] != b':' || text[16] != b':' || text[19] != b'Z' {
            return None;
        }
        let hour = two_digits(&text[11..13])?;
        let minute = two_digits(&text[14..16])?;
        let second = two_digits(&text[17..19])?;
        (hour < 24 && minute < 60 && second < 60)
            .then(|| Instant::from_seconds(midnight + hour * 3_600 + minute * 60 + second))
    }
}

#[inline]
fn two_digits(text: &[u8]) -> Option<i64> {
    let (tens, ones) = (text[0].wrapping_sub(b'0'), text[1].wrapping_sub(b'0'));
    (tens < 10 && ones < 10).then(|| i64::from(tens) * 10 + i64::from(ones))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_model_reads() {
        let zone = Zone::named("Europe/Berlin").unwrap();
        let mut times = Times::new(zone.clone());
        for text in [
            "2026-03-29T00:15:00Z",
            "2026-03-29T00:30:00Z",
            "2026-03-29T24:00:00Z",
            "2026-03-29T24:00:01Z",
            "2026-03-29T23:59:59Z",
            "2026-03-29T23:59:60Z",
            "2026-03-29T23:5x:00Z",
            "2026-03-29T00:15:00+02:00",
            "2026-03-29T02:30:00",
            "2026-03-29T03:30:00",
            "2026-03-30T00:00:00Z",
            "2026-03-30T00:00:00.5Z",
            "2026-03-30 00:15:00Z",
            "2026-03-30T00:15:00Z",
            "0000-00-00T00:00:00Z",
            "",
        ] {
            let expected = Instant::parse(text.as_bytes(), Some(&zone));
            assert_eq!(times.parse(text.as_bytes()), expected, "{text}");
        }
    }
}
