//! The names by which the hub finds the delivery that a partner reports on.
//!
//! A partner names our IDoc by the number in our control record, which it keeps; one without a number it
//! can only name by its own. The partner's name (`RCVPRN` of what we sent, `SNDPRN` of what it reports)
//! stands before, as two partners may use the same numbers.

/// By our own number, as it stood in the control record that we sent.
pub(crate) fn ours(partner: &str, number: &str) -> String {
    format!("IDoc to {partner} {}", short(number))
}

/// By the number that the partner gave it.
pub(crate) fn theirs(partner: &str, number: &str) -> String {
    format!("IDoc at {partner} {}", short(number))
}

/// Some write the zeros before a number, some do not.
fn short(number: &str) -> &str {
    number.trim_start_matches('0')
}

/// Whether a field tells a number of an IDoc: one of zeros is none.
pub(crate) fn is_number(text: &str) -> bool {
    let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.len() <= 16 && is_digits && !short(text).is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_do_not_matter_and_partners_do() {
        assert_eq!(ours("S4D", "0000000000004711"), ours("S4D", "4711"));
        assert_ne!(ours("S4D", "1"), ours("S4P", "1"));
        assert_ne!(ours("S4D", "1"), theirs("S4D", "1"));
        assert!(is_number("0000000000004711"));
        for no in ["", "0000000000000000", "47a", "12345678901234567"] {
            assert!(!is_number(no), "{no}");
        }
    }
}
