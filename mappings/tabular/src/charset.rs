//! Character encodings of text files: single bytes or UTF-8, so that structure is always ASCII.

use std::borrow::Cow;

use encoding_rs::WINDOWS_1252;
use schemars::JsonSchema;
use serde::Deserialize;

/// How a text file writes characters.
///
/// In all of them delimiters, digits and line ends are single ASCII bytes, so a file is cut into
/// cells first and only the cells that are kept as text are decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
pub enum Charset {
    /// UTF-8; a byte order mark at the beginning is skipped.
    #[default]
    #[serde(rename = "utf-8")]
    Utf8,
    /// ISO 8859-1.
    #[serde(rename = "latin-1")]
    Latin1,
    /// Windows code page 1252 (Western European, with the euro sign).
    #[serde(rename = "windows-1252")]
    Windows1252,
}

impl Charset {
    /// The bytes as text; `None` if they are not of this encoding. Never copies plain ASCII.
    #[must_use]
    pub fn decode(self, bytes: &[u8]) -> Option<Cow<'_, str>> {
        if bytes.is_ascii() || self == Self::Utf8 {
            return std::str::from_utf8(bytes).ok().map(Cow::Borrowed);
        }
        Some(match self {
            Self::Windows1252 => WINDOWS_1252.decode_without_bom_handling(bytes).0,
            Self::Utf8 | Self::Latin1 => Cow::Owned(bytes.iter().map(|b| char::from(*b)).collect()),
        })
    }

    /// Appends `text` in this encoding.
    ///
    /// # Errors
    /// The first character that the encoding has no byte for; nothing is appended then.
    pub fn encode(self, text: &str, out: &mut Vec<u8>) -> Result<(), char> {
        if text.is_ascii() || self == Self::Utf8 {
            out.extend_from_slice(text.as_bytes());
            return Ok(());
        }
        let before = out.len();
        for c in text.chars() {
            match self.byte_of(c) {
                Some(byte) => out.push(byte),
                None => {
                    out.truncate(before);
                    return Err(c);
                }
            }
        }
        Ok(())
    }

    fn byte_of(self, c: char) -> Option<u8> {
        if c.is_ascii() {
            return u8::try_from(c).ok();
        }
        if self == Self::Latin1 {
            return u8::try_from(u32::from(c)).ok();
        }
        let mut buffer = [0u8; 4];
        let (bytes, _, unmappable) = WINDOWS_1252.encode(c.encode_utf8(&mut buffer));
        match (unmappable, bytes.as_ref()) {
            (false, [byte]) => Some(*byte),
            _ => None,
        }
    }

    /// The name a mapping file uses.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "utf-8",
            Self::Latin1 => "latin-1",
            Self::Windows1252 => "windows-1252",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_survives_the_single_byte_encodings() {
        let all: Vec<u8> = (0..=255).collect();
        for charset in [Charset::Latin1, Charset::Windows1252] {
            let text = charset.decode(&all).unwrap();
            let mut back = Vec::new();
            charset.encode(&text, &mut back).unwrap();
            assert_eq!(back, all, "{charset:?}");
        }
    }

    #[test]
    fn the_euro_sign_tells_the_two_apart() {
        assert_eq!(Charset::Windows1252.decode(b"\x80").as_deref(), Some("€"));
        assert_eq!(Charset::Latin1.encode("1 €", &mut Vec::new()), Err('€'));
        assert_eq!(Charset::Windows1252.encode("Ω", &mut Vec::new()), Err('Ω'));
    }

    #[test]
    fn invalid_utf8_is_none() {
        assert_eq!(Charset::Utf8.decode(b"M\xfcller"), None);
    }
}
