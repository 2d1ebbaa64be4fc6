//! Day numbers as Excel counts them.

use crate::cell::DAY_MICROS;

/// Day number of 1970-01-01 where days count from 1899-12-30.
const EXCEL_EPOCH_DAYS: i64 = 25_569;
/// Days between the 1900 and the 1904 way of counting.
const DAYS_1904: i64 = 1_462;

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

/// Writes local microseconds as a day number; nine digits tell a tenth of a millisecond.
pub(super) fn write(out: &mut Vec<u8>, local: i64) {
    let days = local as f64 / DAY_MICROS as f64 + EXCEL_EPOCH_DAYS as f64;
    let text = format!("{days:.9}");
    out.extend(text.trim_end_matches('0').trim_end_matches('.').bytes());
}

#[cfg(test)]
mod tests {
    use hub_model::Instant;

    use super::*;

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
