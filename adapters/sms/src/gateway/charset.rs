//! Percent-encoding in the character set that a gateway reads and writes.

use std::borrow::Cow;

use encoding_rs::Encoding;

/// A character set by its name on the web: `utf-8`, `iso-8859-1`.
///
/// # Errors
/// What would be valid.
pub(crate) fn charset(name: &str) -> Result<&'static Encoding, String> {
    let known = Encoding::for_label(name.as_bytes());
    // UTF-16 can be read, but not written.
    let known = known.filter(|encoding| encoding.output_encoding() == *encoding);
    known.ok_or_else(|| format!("`{name}` is no character set for texts, expected such as `utf-8`"))
}

/// A text in octets.
///
/// # Errors
/// The character set lacks some of it.
pub(crate) fn encoded(text: &str, charset: &'static Encoding) -> Result<Vec<u8>, String> {
    let (octets, _, has_unmappable) = charset.encode(text);
    match has_unmappable {
        false => Ok(octets.into_owned()),
        true => Err(format!(
            "holds characters that `{}` has not; `charset` says in which the gateway reads",
            charset.name()
        )),
    }
}

/// Percent-encodes all but the unreserved characters of RFC 3986: fit for a query and a form.
///
/// # Errors
/// The character set lacks some of it.
pub(crate) fn percent_encoded(text: &str, charset: &'static Encoding) -> Result<String, String> {
    use std::fmt::Write;
    let mut out = String::with_capacity(text.len());
    for octet in encoded(text, charset)? {
        match octet {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'~' | b'.' => {
                out.push(octet.into());
            }
            // Writing to a string does not fail.
            _ => drop(write!(out, "%{octet:02X}")),
        }
    }
    Ok(out)
}

/// `name=value` pairs of a query or form.
pub(crate) fn pairs(text: &[u8], charset: &'static Encoding) -> Vec<(String, String)> {
    let decoded = |octets: &[u8]| {
        let octets = percent_decoded(octets);
        let (text, _): (Cow<'_, str>, _) = charset.decode_without_bom_handling(&octets);
        text.into_owned()
    };
    let pair = |pair: &[u8]| {
        let at = pair.iter().position(|b| *b == b'=').unwrap_or(pair.len());
        let (name, value) = pair.split_at(at);
        (decoded(name), decoded(value.get(1..).unwrap_or_default()))
    };
    let all = text.split(|b| *b == b'&');
    all.filter(|part| !part.is_empty()).map(pair).collect()
}

fn percent_decoded(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(octets.len());
    let mut rest = octets;
    while let [first, after @ ..] = rest {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let hex = hex.filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
        let octet = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        rest = match (first, octet) {
            (b'%', Some(octet)) => {
                out.push(octet);
                &after[2..]
            }
            (b'+', _) => {
                out.push(b' ');
                after
            }
            _ => {
                out.push(*first);
                after
            }
        };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded() {
        for (name, text, expected) in [
            ("utf-8", "õ 1+1=2 & co", "%C3%B5%201%2B1%3D2%20%26%20co"),
            ("iso-8859-1", "õ", "%F5"),
            ("utf-8", "...", "..."),
        ] {
            let charset = charset(name).unwrap();
            let encoded = percent_encoded(text, charset).unwrap();
            assert_eq!(encoded, expected);
            let query = format!("a=1&text={encoded}&b");
            let pairs = pairs(query.as_bytes(), charset);
            assert_eq!(pairs[1], ("text".to_owned(), text.to_owned()));
            assert_eq!(pairs[2], ("b".to_owned(), String::new()));
        }
        let form = pairs(b"t=a+b%2", charset("utf-8").unwrap());
        assert_eq!(form[0].1, "a b%2");
    }

    #[test]
    fn what_cannot_be_written_is_refused() {
        assert!(charset("utf-16le").is_err() && charset("x").is_err());
        let latin = charset("iso-8859-1").unwrap();
        assert!(
            percent_encoded("中", latin)
                .unwrap_err()
                .contains("windows-1252")
        );
    }
}
