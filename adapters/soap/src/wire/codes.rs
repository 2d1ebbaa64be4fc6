//! Codes of errors in replies (`Reply/Error/code`), all in one table.
//!
//! IEC 61968-100 leaves the codes to the part whose message it is; those of IEC 61968-9 are used for all.
//! What is confirmed, and by what:
//!
//! - the elements of `Error`, its levels, and that `OK` comes with `0.0`: the published `Message.xsd` and
//!   working receivers of it;
//! - the other codes: the enumeration `ReplyError` in the published code of AIMIR, a head-end system in
//!   the field. The text of the standard was not at hand.
//!
//! So nothing here depends on what a partner's code means: it is shown, and which codes are tried again
//! is configured (`retry_codes`). Of ours, what counts is `Result` and the fault around it.

/// No errors.
pub(crate) const NONE: &str = "0.0";
/// The message is not what its schema says.
pub(crate) const FORMAT: &str = "1.8";
/// Too much to do at the moment.
pub(crate) const BUSY: &str = "5.1";
/// Nothing was done with it.
pub(crate) const NOT_TRIED: &str = "5.2";
/// It was tried, and failed.
pub(crate) const FAILED: &str = "5.3";

/// Codes and what they say, in order.
const MEANINGS: [(&str, &str); 60] = [
    (NONE, "no errors"),
    ("0.1", "a part of the result; more follows"),
    ("0.2", "a part of the result; no more follows"),
    ("0.3", "only acknowledged"),
    ("1.5", "elements of the header are missing"),
    ("1.6", "elements of the request are missing"),
    ("1.7", "elements of the payload are missing"),
    (FORMAT, "not valid by its schema"),
    ("1.9", "the revision in the header is not supported"),
    ("2.4", "unknown meters"),
    ("2.5", "unknown noun"),
    ("2.6", "unknown reading types"),
    ("2.9", "unknown verb"),
    ("2.10", "reading types that are not supported"),
    ("2.12", "unknown usage points"),
    ("2.13", "meter and usage point do not belong together"),
    ("2.14", "unknown source"),
    ("2.15", "unknown ids of requests"),
    ("2.16", "unknown service locations"),
    ("2.17", "meter and service location do not belong together"),
    (
        "2.18",
        "communication module and meter do not belong together",
    ),
    ("2.19", "unknown customer accounts"),
    ("2.20", "unknown service suppliers"),
    (
        "2.21",
        "customer account and service supplier do not belong together",
    ),
    ("2.22", "unknown customers"),
    (
        "2.23",
        "customer and customer account do not belong together",
    ),
    ("2.24", "unknown customer agreements"),
    (
        "2.25",
        "customer account and agreement do not belong together",
    ),
    (
        "2.26",
        "customer agreement and usage point do not belong together",
    ),
    (
        "2.27",
        "customer account and usage point do not belong together",
    ),
    (
        "2.28",
        "service supplier and usage point do not belong together",
    ),
    ("2.29", "objects that do not belong together"),
    ("2.30", "unknown communication modules"),
    ("2.31", "unknown service categories"),
    ("2.32", "unknown locations of usage points"),
    ("2.33", "unknown pricing structures"),
    ("3.1", "too many items in the request"),
    ("3.2", "too many requests are pending"),
    ("4.1", "the request timed out"),
    (BUSY, "too busy"),
    (NOT_TRIED, "not tried"),
    (FAILED, "tried, and failed"),
    ("5.4", "errors of several kinds"),
    (
        "5.5",
        "reading types that the meter data system does not have",
    ),
    ("5.6", "reading types that the head-end does not have"),
    ("5.7", "data that is not there"),
    ("5.8", "mandatory fields are missing"),
    ("5.9", "given up to keep the transaction whole"),
    ("6.1", "cancelled by a business rule"),
    ("6.2", "held by a business rule"),
    ("6.3", "released by a business rule"),
    ("6.4", "put off by a business rule"),
    ("6.5", "cancelled by a user"),
    ("7.1", "authentication fails at the moment"),
    ("7.2", "authentication is wanted"),
    ("7.3", "authentication of another kind is wanted"),
    ("7.4", "authentication failed"),
    ("7.5", "not allowed for this user"),
    ("7.6", "encryption is wanted"),
    ("7.7", "against a policy"),
];

/// What a code says, where its sender says no more.
pub(crate) fn meaning(code: &str) -> Option<&'static str> {
    let code = code.trim();
    let mut known = MEANINGS.iter();
    known
        .find(|(known, _)| *known == code)
        .map(|(_, meaning)| *meaning)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_known_once_and_in_order() {
        let number =
            |code: &str| -> Vec<u8> { code.split('.').map(|part| part.parse().unwrap()).collect() };
        for pair in MEANINGS.windows(2) {
            assert!(number(pair[0].0) < number(pair[1].0), "{pair:?}");
        }
    }

    #[test]
    fn a_code_is_known_or_not() {
        assert_eq!(meaning(" 0.0 "), Some("no errors"));
        assert_eq!(meaning("2.4"), Some("unknown meters"));
        assert_eq!(meaning("2.40"), None);
        assert_eq!(meaning(""), None);
    }
}
