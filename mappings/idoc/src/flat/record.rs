//! Records by their characters.

use mapping_tabular::Charset;

/// With which a control record begins. Unicode file ports of some tools write `EDI_DC40_U`.
pub(super) const CONTROL: &[u8] = b"EDI_DC40";

/// How a flat file holds its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FlatForm {
    /// Each record stands on a line; otherwise all have their full length.
    pub(crate) lines: bool,
    pub(crate) charset: Charset,
}

/// The bytes of so many characters from the front; all if there are fewer. Lengths of IDoc fields
/// count characters, so that in UTF-8 a record with an umlaut has a byte more.
pub(super) fn bytes_of(text: &[u8], characters: usize, charset: Charset) -> usize {
    let least = text.len().min(characters);
    if charset != Charset::Utf8 || text[..least].is_ascii() {
        return least;
    }
    let mut left = characters;
    for (at, &c) in text.iter().enumerate() {
        // Bytes that go on with a character count nothing.
        if c & 0xC0 != 0x80 {
            if left == 0 {
                return at;
            }
            left -= 1;
        }
    }
    text.len()
}

/// Whether a data record may begin here: a segment name, filled with blanks.
pub(super) fn is_segment_name(text: &[u8]) -> bool {
    let name = text.get(..30).unwrap_or(text);
    let trimmed = name.trim_ascii_end();
    let valid = |c: &u8| c.is_ascii_uppercase() || c.is_ascii_digit() || matches!(c, b'_' | b'/');
    !trimmed.is_empty() && trimmed.iter().all(valid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_count_characters() {
        assert_eq!(bytes_of(b"abc", 2, Charset::Utf8), 2);
        assert_eq!(bytes_of(b"abc", 9, Charset::Utf8), 3);
        assert_eq!(bytes_of("aöb".as_bytes(), 2, Charset::Utf8), 3);
        assert_eq!(bytes_of("aöb".as_bytes(), 3, Charset::Utf8), 4);
        assert_eq!(bytes_of(b"a\xf6b", 2, Charset::Latin1), 2);
    }

    #[test]
    fn segment_names_are_capitals_and_digits() {
        assert!(is_segment_name(b"E2EDKA1003                    800"));
        assert!(is_segment_name(b"/ABC/Z2X"));
        assert!(!is_segment_name(b"                              800"));
        assert!(!is_segment_name(b"lower case"));
    }
}
