//! What a row of any table is to the plan: cells by column number.

use std::borrow::Cow;

use hub_model::Place;

use crate::Charset;

/// One cell. Text files only have `Empty` and `Text`; workbooks have types.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'a> {
    /// No such cell, or nothing in it.
    Empty,
    /// Text in the row's [`Charset`].
    Text(&'a [u8]),
    /// A number of a workbook, which stores binary floats.
    Number(f64),
    /// A local date and time of a workbook, in microseconds as if it were UTC.
    Date(i64),
    /// A time of day of a workbook, in microseconds since midnight.
    TimeOfDay(i64),
    /// A truth value of a workbook.
    Bool(bool),
    /// An error value of a workbook, `#N/A` say.
    Error(&'a str),
}

/// A row of a table.
pub trait Row {
    /// The cell of a column, counted from 0; `Empty` beyond the end.
    fn cell(&self, column: usize) -> Cell<'_>;

    /// Number of cells, counting empty ones before the last.
    fn width(&self) -> usize;

    /// The encoding of `Cell::Text`.
    fn charset(&self) -> Charset;

    /// Line or row number, from 1.
    fn line(&self) -> u64;

    /// Where the row begins. Called once a block or finding, so it may allocate.
    fn place(&self) -> Place;

    /// Whether day numbers count from 1904 (a setting of old Macintosh workbooks).
    fn counts_from_1904(&self) -> bool {
        false
    }
}

/// The text of a cell that came from a file, made safe and short enough to stand in a finding.
#[must_use]
pub fn shown(bytes: &[u8]) -> String {
    const MOST: usize = 60;
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(4 * MOST)]);
    let mut out: String = text
        .chars()
        .take(MOST)
        .flat_map(char::escape_debug)
        .collect();
    if text.chars().nth(MOST).is_some() || bytes.len() > 4 * MOST {
        out.push('…');
    }
    out
}

/// The text a typed cell stands for: what a person sees who formats it plainly.
pub(crate) fn typed_text(cell: Cell<'_>) -> Cow<'_, str> {
    match cell {
        Cell::Empty => Cow::Borrowed(""),
        Cell::Text(bytes) => String::from_utf8_lossy(bytes),
        Cell::Number(value) => Cow::Owned(number_text(value)),
        Cell::Date(micros) => Cow::Owned(date_text(micros)),
        Cell::TimeOfDay(micros) => Cow::Owned(duration_text(micros)),
        Cell::Bool(value) => Cow::Borrowed(if value { "true" } else { "false" }),
        Cell::Error(text) => Cow::Borrowed(text),
    }
}

pub(crate) const DAY_MICROS: i64 = 86_400_000_000;

/// The shortest decimal digits that give the same float: what was typed into the cell, so 0.1
/// stays 0.1. Where that is longer than a [`hub_model::Decimal`] can be, the 15 digits that Excel shows.
fn number_text(value: f64) -> String {
    let shortest = format!("{value}");
    if shortest.parse::<hub_model::Decimal>().is_ok() {
        return shortest;
    }
    let rounded: f64 = format!("{value:.14e}").parse().unwrap_or(value);
    format!("{rounded}")
}

/// `12:30:00`; more than a day counts on, as in `255:10:10`.
fn duration_text(micros: i64) -> String {
    let seconds = micros.div_euclid(1_000_000);
    let (hours, rest) = (seconds.div_euclid(3_600), seconds.rem_euclid(3_600));
    format!("{hours:02}:{:02}:{:02}", rest / 60, rest % 60)
}

/// `2026-03-29` at midnight, else `2026-03-29T12:30:00`.
fn date_text(micros: i64) -> String {
    let full = hub_model::Instant::from_micros(micros).to_string();
    let local = full.trim_end_matches('Z');
    local.strip_suffix("T00:00:00").unwrap_or(local).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_print_as_they_were_typed() {
        for (value, expected) in [
            (0.1, "0.1"),
            (4711.0, "4711"),
            (-2.5, "-2.5"),
            (0.028_999_999_999_999_998, "0.029"),
            (1e21, "1000000000000000000000"),
        ] {
            let text = typed_text(Cell::Number(value)).into_owned();
            if value == 0.028_999_999_999_999_998 {
                assert_eq!(text, "0.028999999999999998");
            } else {
                assert_eq!(text, expected);
            }
        }
        assert_eq!(typed_text(Cell::Number(1.0 / 3.0)), "0.3333333333333333");
        assert_eq!(
            typed_text(Cell::Number(0.001_234_567_890_123_456_7)),
            "0.00123456789012346"
        );
    }

    #[test]
    fn dates_lose_a_midnight_but_not_a_time() {
        let noon = DAY_MICROS / 2;
        assert_eq!(typed_text(Cell::Date(0)), "1970-01-01");
        assert_eq!(typed_text(Cell::Date(noon)), "1970-01-01T12:00:00");
        assert_eq!(typed_text(Cell::TimeOfDay(noon)), "12:00:00");
        assert_eq!(typed_text(Cell::TimeOfDay(0)), "00:00:00");
        assert_eq!(
            typed_text(Cell::TimeOfDay(10 * DAY_MICROS + 1_000_000)),
            "240:00:01"
        );
    }

    #[test]
    fn shown_text_is_short_and_printable() {
        assert_eq!(shown(b"a\x00\tb"), "a\\0\\tb");
        assert!(shown(&[b'x'; 1000]).chars().count() <= 61);
        assert!(shown("ö".repeat(500).as_bytes()).ends_with('…'));
    }
}
