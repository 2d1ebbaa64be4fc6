//! Telephone numbers and names, as people write them and as SMPP carries them.

use crate::pdu::Address;

/// Type of number: SMPP 3.4, 5.2.5.
mod ton {
    pub(super) const UNKNOWN: u8 = 0;
    pub(super) const INTERNATIONAL: u8 = 1;
    pub(super) const ALPHANUMERIC: u8 = 5;
}

/// Numbering plan of telephones, E.164: SMPP 3.4, 5.2.6.
const PLAN_UNKNOWN: u8 = 0;
const PLAN_E164: u8 = 1;

/// Digits of an international number: E.164 has at most 15.
const INTERNATIONAL_DIGITS: std::ops::RangeInclusive<usize> = 5..=15;

/// Characters of a name that telephones show as a sender.
const LONGEST_NAME: usize = 11;

/// A recipient: `+` and an international number, or digits as the message centre knows them.
///
/// # Errors
/// What would be valid. Never repeats the number, which is personal data.
pub(crate) fn recipient(text: &str) -> Result<Address, &'static str> {
    number(text).ok_or(
        "is no telephone number, expected `+` and 5 to 15 digits, or 3 to 15 digits without `+`",
    )
}

/// A sender: a number as for [`recipient`], or a name.
///
/// # Errors
/// What would be valid.
pub(crate) fn sender(text: &str) -> Result<Address, &'static str> {
    if let Some(address) = number(text) {
        return Ok(address);
    }
    let is_name = (1..=LONGEST_NAME).contains(&text.len())
        && text.bytes().all(|b| b == b' ' || b.is_ascii_graphic())
        && text.bytes().any(|b| b.is_ascii_alphabetic());
    if !is_name {
        return Err(
            "is no sender, expected `+` and 5 to 15 digits, 3 to 15 digits, or a name of at most \
             11 ASCII characters with a letter in it",
        );
    }
    Ok(Address {
        ton: ton::ALPHANUMERIC,
        npi: PLAN_UNKNOWN,
        digits: text.to_owned(),
    })
}

fn number(text: &str) -> Option<Address> {
    let (digits, ton, length) = match text.strip_prefix('+') {
        Some(digits) => (digits, ton::INTERNATIONAL, INTERNATIONAL_DIGITS),
        None => (text, ton::UNKNOWN, 3..=15),
    };
    let is_number = length.contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| Address {
        ton,
        npi: PLAN_E164,
        digits: digits.to_owned(),
    })
}

/// How people write it: an international number has its `+`.
pub(crate) fn display(address: &Address) -> String {
    match address.ton {
        ton::INTERNATIONAL if !address.digits.starts_with('+') => format!("+{}", address.digits),
        _ => address.digits.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_have_their_kinds() {
        for (text, ton, npi, digits) in [
            ("+37255500001", 1, 1, "37255500001"),
            ("12345", 0, 1, "12345"),
            ("Nordkraft", 5, 0, "Nordkraft"),
        ] {
            let address = sender(text).unwrap();
            assert_eq!(
                (address.ton, address.npi, address.digits.as_str()),
                (ton, npi, digits)
            );
            assert_eq!(display(&address), text);
        }
    }

    #[test]
    fn what_is_neither_is_refused() {
        for text in [
            "",
            "+",
            "+372",
            "12",
            "+372 555 00001",
            "+3725550000123456",
            "Nordkraft",
            "+37२५५५०",
        ] {
            assert!(recipient(text).is_err(), "{text}");
        }
        for text in ["", "Nordkraft Oy AB", "Sähkö", "a\nb", "!!!"] {
            assert!(sender(text).is_err(), "{text}");
        }
    }
}
