//! Texts that the protocol can carry (MQTT 5, 1.5.4).
//!
//! One that it cannot, a broker answers by ending the connection, and with it all that is in flight.

/// Longest text, in bytes.
const LONGEST: usize = 65_535;

/// Whether a text can be sent.
///
/// # Errors
/// Why not.
pub(crate) fn check_text(text: &str) -> Result<(), String> {
    let length = text.len();
    if length > LONGEST {
        return Err(format!("has {length} bytes, expected at most {LONGEST}"));
    }
    match text.contains(|c: char| c.is_control() || is_no_character(c)) {
        true => Err("holds control characters".to_owned()),
        false => Ok(()),
    }
}

/// What Unicode has set apart and brokers refuse.
fn is_no_character(c: char) -> bool {
    let code = u32::from(c);
    (0xFDD0..=0xFDEF).contains(&code) || code & 0xFFFE == 0xFFFE
}

/// Bytes as text if they are such, else as `hex:` with hexadecimal digits.
pub(crate) fn text_or_hex(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains(char::is_control) && !text.starts_with(HEX) => text.to_owned(),
        _ => format!("{HEX}{}", hex(bytes)),
    }
}

/// The bytes that [`text_or_hex`] has shown.
pub(crate) fn bytes_of(text: &str) -> Vec<u8> {
    let digits = text.strip_prefix(HEX).filter(|digits| digits.is_ascii());
    let parsed = digits.and_then(|digits| {
        let pairs = digits.as_bytes().chunks(2);
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        pairs.map(byte).collect()
    });
    parsed.unwrap_or_else(|| text.as_bytes().to_vec())
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const HEX: &str = "hex:";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_and_come_back() {
        for (bytes, shown) in [
            (b"request-9".as_slice(), "request-9"),
            (&[0x00, 0xff], "hex:00ff"),
            (b"hex:00", "hex:6865783a3030"),
        ] {
            assert_eq!(text_or_hex(bytes), shown);
            assert_eq!(bytes_of(shown), bytes);
        }
        assert_eq!(bytes_of("hex:zz"), b"hex:zz", "nobody's digits");
        assert_eq!(bytes_of("hex:ä"), "hex:ä".as_bytes());
    }

    #[test]
    fn what_brokers_refuse_is_not_sent() {
        assert!(check_text("Zähler 7").is_ok());
        for wrong in ["a\0", "a\nb", "\u{fffe}", "\u{fdd0}", &"x".repeat(65_536)] {
            assert!(check_text(wrong).is_err());
        }
    }
}
