//! Numbers as people write them: decimal comma, thousands separators, powers of ten.

use std::borrow::Cow;

use hub_model::Decimal;

use crate::Charset;
use crate::cell::{Cell, shown, typed_text};
use crate::file::NumberFormat;

/// Reads a cell as an exact decimal times `10^power`.
///
/// # Errors
/// What is wrong with it and what would be valid.
#[inline]
pub(crate) fn read_number(
    cell: Cell<'_>,
    charset: Charset,
    format: &NumberFormat,
    power: i32,
) -> Result<Decimal, String> {
    let value = match cell {
        Cell::Text(bytes) if format.thousands.is_none() => {
            Decimal::parse(bytes, format.decimal.byte())
        }
        Cell::Text(bytes) => read_grouped(bytes, charset, format),
        Cell::Number(_) => Decimal::parse(typed_text(cell).as_bytes(), b'.'),
        _ => Err(hub_model::DecimalError::NotANumber),
    };
    let value = value.map_err(|error| refuse(cell, format, &error.to_string()))?;
    if power == 0 {
        return Ok(value);
    }
    value.times_power_of_ten(power).ok_or_else(|| {
        refuse(
            cell,
            format,
            &format!("times 10^{power} cannot be kept exactly"),
        )
    })
}

#[cold]
fn refuse(cell: Cell<'_>, format: &NumberFormat, why: &str) -> String {
    let text = match cell {
        Cell::Text(bytes) => shown(bytes),
        other => typed_text(other).into_owned(),
    };
    let point = char::from(format.decimal.byte());
    format!("`{text}` is {why}, expected a number such as `12{point}5`")
}

/// Groups of three digits, separated before the decimal sign only.
fn read_grouped(
    bytes: &[u8],
    charset: Charset,
    format: &NumberFormat,
) -> Result<Decimal, hub_model::DecimalError> {
    let wrong = hub_model::DecimalError::NotANumber;
    let text = charset.decode(bytes).ok_or(wrong)?;
    let point = char::from(format.decimal.byte());
    let (whole, fraction) = match text.find(point) {
        Some(at) => text.split_at(at),
        None => (text.as_ref(), ""),
    };
    let separator = format.thousands.unwrap_or(' ');
    let same = |c: char| c == separator || (separator == ' ' && matches!(c, '\u{a0}' | '\u{202f}'));
    let plain: Cow<'_, str> = if whole.contains(same) {
        let mut groups = whole.split(same);
        let first = groups.next().unwrap_or("").trim_start_matches(['-', '+']);
        if !(1..=3).contains(&first.len()) || groups.any(|group| group.len() != 3) {
            return Err(wrong);
        }
        Cow::Owned(whole.chars().filter(|c| !same(*c)).collect::<String>() + fraction)
    } else {
        Cow::Borrowed(&text)
    };
    Decimal::parse(plain.as_bytes(), format.decimal.byte())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::DecimalSign;

    fn read(text: &str, thousands: Option<char>) -> Option<String> {
        let format = NumberFormat {
            decimal: DecimalSign::Comma,
            thousands,
        };
        read_number(Cell::Text(text.as_bytes()), Charset::Utf8, &format, 0)
            .ok()
            .map(|d| d.to_string())
    }

    #[test]
    fn thousands_stand_every_three_digits() {
        for (text, expected) in [
            ("1.234.567,89", Some("1234567.89")),
            ("-1.234", Some("-1234")),
            ("12,5", Some("12.5")),
            ("1.23", None),
            ("1234.567", None),
            ("1,234.567", None),
            (".123", None),
        ] {
            assert_eq!(read(text, Some('.')).as_deref(), expected, "{text}");
        }
        assert_eq!(read("1\u{a0}234,5", Some(' ')).as_deref(), Some("1234.5"));
        assert_eq!(read("1.234", None), None);
    }

    #[test]
    fn floats_of_a_workbook_are_read_shortest() {
        let format = NumberFormat::default();
        let read = |value, power| {
            read_number(Cell::Number(value), Charset::Utf8, &format, power).map(|d| d.to_string())
        };
        assert_eq!(read(0.1, 0).as_deref(), Ok("0.1"));
        assert_eq!(read(1.5, -3).as_deref(), Ok("0.0015"));
        assert!(read(f64::NAN, 0).is_err());
        assert!(read(1.0, 40).unwrap_err().contains("10^40"));
    }
}
