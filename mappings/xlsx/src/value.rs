//! A cell's value, free of the library that read it.

use calamine::{Data, DataRef, ExcelDateTime};
use hub_model::Instant;
use mapping_tabular::excel_micros;

/// A typed value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Text(String),
    Number(f64),
    /// Local microseconds as if it were UTC.
    Date(i64),
    /// Microseconds since midnight.
    TimeOfDay(i64),
    Bool(bool),
    Error(&'static str),
}

const DAY_MICROS: f64 = 86_400_000_000.0;

/// A date and time of a workbook. Beyond the calendar it stays a number, which no date field takes.
pub(crate) fn from_serial(serial: &ExcelDateTime, from_1904: bool) -> Value {
    let days = serial.as_f64();
    if serial.is_duration() || (0.0..1.0).contains(&days) {
        let millis = (days * DAY_MICROS / 1_000.0).round();
        return Value::TimeOfDay(millis as i64 * 1_000);
    }
    excel_micros(days, from_1904).map_or(Value::Number(days), Value::Date)
}

/// `2026-03-29` or `2026-03-29T12:30:00`, else the text as it is.
pub(crate) fn from_iso(text: &str) -> Value {
    let full = if text.len() == 10 {
        format!("{text}T00:00:00Z")
    } else {
        format!("{}Z", text.trim_end_matches('Z'))
    };
    full.parse::<Instant>().map_or_else(
        |_| Value::Text(text.to_owned()),
        |at| Value::Date(at.micros()),
    )
}

/// `PT12H30M00S`, else the text as it is.
pub(crate) fn from_iso_duration(text: &str) -> Value {
    let seconds = text.strip_prefix("PT").and_then(|rest| {
        let (mut total, mut number) = (0.0, String::new());
        for c in rest.chars() {
            let unit = match c {
                'H' => 3_600.0,
                'M' => 60.0,
                'S' => 1.0,
                _ => {
                    number.push(c);
                    continue;
                }
            };
            total += number.replace(',', ".").parse::<f64>().ok()? * unit;
            number.clear();
        }
        number.is_empty().then_some(total)
    });
    match seconds {
        Some(seconds) if (0.0..1e9).contains(&seconds) => {
            Value::TimeOfDay((seconds * 1_000.0).round() as i64 * 1_000)
        }
        _ => Value::Text(text.to_owned()),
    }
}

const fn error_text(error: &calamine::CellErrorType) -> &'static str {
    use calamine::CellErrorType as E;
    match error {
        E::Div0 => "#DIV/0!",
        E::NA => "#N/A",
        E::Name => "#NAME?",
        E::Null => "#NULL!",
        E::Num => "#NUM!",
        E::Ref => "#REF!",
        E::Value => "#VALUE!",
        _ => "#ERROR",
    }
}

/// A streamed cell; `None` if it is empty.
pub(crate) fn of_ref(data: &DataRef<'_>, from_1904: bool) -> Option<Value> {
    Some(match data {
        DataRef::Empty => return None,
        DataRef::Int(number) => Value::Number(*number as f64),
        DataRef::Float(number) => Value::Number(*number),
        DataRef::String(text) => Value::Text(text.clone()),
        DataRef::SharedString(text) => Value::Text((*text).to_owned()),
        DataRef::Bool(truth) => Value::Bool(*truth),
        DataRef::DateTime(serial) => from_serial(serial, from_1904),
        DataRef::DateTimeIso(text) => from_iso(text),
        DataRef::DurationIso(text) => from_iso_duration(text),
        DataRef::Error(error) => Value::Error(error_text(error)),
    })
}

/// A cell of an old workbook; `None` if it is empty.
pub(crate) fn of_data(data: &Data, from_1904: bool) -> Option<Value> {
    Some(match data {
        Data::Empty => return None,
        Data::Int(number) => Value::Number(*number as f64),
        Data::Float(number) => Value::Number(*number),
        Data::String(text) => Value::Text(text.clone()),
        Data::Bool(truth) => Value::Bool(*truth),
        Data::DateTime(serial) => from_serial(serial, from_1904),
        Data::DateTimeIso(text) => from_iso(text),
        Data::DurationIso(text) => from_iso_duration(text),
        Data::Error(error) => Value::Error(error_text(error)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use calamine::ExcelDateTimeType;

    #[test]
    fn serials_are_dates_or_times_of_day() {
        let serial = |value| ExcelDateTime::new(value, ExcelDateTimeType::DateTime, false);
        assert_eq!(
            from_serial(&serial(0.5), false),
            Value::TimeOfDay(43_200_000_000)
        );
        let date = |from_1904| match from_serial(&serial(44_481.5), from_1904) {
            Value::Date(micros) => Instant::from_micros(micros).to_string(),
            other => format!("{other:?}"),
        };
        assert_eq!(date(true), "2025-10-13T12:00:00Z");
        assert_eq!(date(false), "2021-10-12T12:00:00Z");
        assert_eq!(from_serial(&serial(-1.0), false), Value::Number(-1.0));
    }

    #[test]
    fn iso_texts_are_read_where_they_are_iso() {
        assert_eq!(from_iso("1970-01-01"), Value::Date(0));
        assert_eq!(from_iso("1970-01-01T00:00:01"), Value::Date(1_000_000));
        assert_eq!(from_iso("soon"), Value::Text("soon".into()));
        assert_eq!(
            from_iso_duration("PT1H2M3S"),
            Value::TimeOfDay(3_723_000_000)
        );
        assert_eq!(from_iso_duration("P1D"), Value::Text("P1D".into()));
    }
}
