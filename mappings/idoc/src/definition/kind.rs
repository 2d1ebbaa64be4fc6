//! Types of fields: how SAP writes a value, and what it means.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::Deserialize;

/// How SAP writes the values of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FieldKind {
    /// CHAR: a text, blanks at its end cut off.
    #[default]
    Text,
    /// CHAR with the conversion exit ALPHA: a number has zeros before it up to the field's length,
    /// which are not part of it (order `000004000123` is `4000123`); other texts are as they are.
    Alpha,
    /// NUMC: digits, with zeros before them up to the field's length when written.
    Digits,
    /// A number with a decimal point, and a minus sign after it: `12.50-`.
    Number,
    /// DATS: `YYYYMMDD`; `00000000` is no date.
    Date,
    /// TIMS: `HHMMSS`; blank beside a date is midnight.
    Time,
}

impl FieldKind {
    /// What a value of the file means; empty for none.
    pub(crate) fn read(self, text: &str) -> Cow<'_, str> {
        let text = text.trim_matches([' ', '\t', '\r', '\n']);
        match self {
            Self::Text | Self::Digits => Cow::Borrowed(text),
            Self::Alpha => Cow::Borrowed(without_zeros(text)),
            Self::Number => match text.strip_suffix('-') {
                Some(number) => Cow::Owned(format!("-{}", number.trim_end())),
                None => Cow::Borrowed(text),
            },
            Self::Date if text.bytes().all(|c| c == b'0') => Cow::Borrowed(""),
            Self::Time if text.is_empty() => Cow::Borrowed("000000"),
            Self::Date | Self::Time => Cow::Borrowed(text),
        }
    }

    /// How a value is written in a field of this length.
    pub(crate) fn write(self, text: &str, length: Option<usize>) -> Cow<'_, str> {
        let digits = !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
        match (self, length) {
            (Self::Alpha | Self::Digits, Some(length)) if digits && text.len() < length => {
                Cow::Owned(format!("{text:0>length$}"))
            }
            (Self::Number, _) => match text.strip_prefix('-') {
                Some(number) => Cow::Owned(format!("{number}-")),
                None => Cow::Borrowed(text),
            },
            _ => Cow::Borrowed(text),
        }
    }
}

/// A number without the zeros before it; zero itself keeps one.
fn without_zeros(text: &str) -> &str {
    if text.is_empty() || !text.bytes().all(|c| c.is_ascii_digit()) {
        return text;
    }
    match text.trim_start_matches('0') {
        "" => "0",
        rest => rest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_mean_what_sap_means() {
        for (kind, text, meaning) in [
            (FieldKind::Text, " a b  ", "a b"),
            (FieldKind::Alpha, "000004000123", "4000123"),
            (FieldKind::Alpha, "00A1", "00A1"),
            (FieldKind::Alpha, "0000", "0"),
            (FieldKind::Digits, "0007", "0007"),
            (FieldKind::Number, "12.50-", "-12.50"),
            (FieldKind::Number, "  12.500 ", "12.500"),
            (FieldKind::Date, "00000000", ""),
            (FieldKind::Date, "20260329", "20260329"),
            (FieldKind::Time, "      ", "000000"),
        ] {
            assert_eq!(kind.read(text), meaning, "{kind:?} {text}");
        }
    }

    #[test]
    fn numbers_are_filled_and_signed_as_sap_does() {
        assert_eq!(FieldKind::Alpha.write("4711", Some(12)), "000000004711");
        assert_eq!(FieldKind::Alpha.write("A1", Some(12)), "A1");
        assert_eq!(FieldKind::Digits.write("7", Some(4)), "0007");
        assert_eq!(FieldKind::Digits.write("7", None), "7");
        assert_eq!(FieldKind::Number.write("-12.5", Some(15)), "12.5-");
    }
}
