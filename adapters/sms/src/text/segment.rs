//! A text in the parts that it goes in: 160 septets or 70 UCS-2 characters in one; 153 or 67 in each
//! of several, because each then begins with six octets that say which part it is.

use super::gsm7;

/// An alphabet that texts are sent in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alphabet {
    /// GSM 03.38 with its extension table.
    Gsm7,
    /// UTF-16, which is what UCS-2 means to telephones.
    Ucs2,
}

impl Alphabet {
    /// `data_coding`.
    #[must_use]
    pub fn data_coding(self) -> u8 {
        match self {
            Self::Gsm7 => 0x00,
            Self::Ucs2 => 0x08,
        }
    }

    /// Septets, or UTF-16 units, that fit in a message of one part, and in a part of several.
    fn room(self) -> (usize, usize) {
        match self {
            Self::Gsm7 => (160, 153),
            Self::Ucs2 => (70, 67),
        }
    }

    /// The units of a character: septets, or UTF-16 units. None in GSM 03.38 if it has it not.
    fn units(self, character: char, units: &mut Vec<u16>) {
        match self {
            Self::Gsm7 => {
                if let Some((escape, septet)) = gsm7::septets(character) {
                    units.extend(escape.map(u16::from));
                    units.push(u16::from(septet));
                }
            }
            Self::Ucs2 => units.extend_from_slice(character.encode_utf16(&mut [0; 2])),
        }
    }

    fn octets(self, units: &[u16]) -> Vec<u8> {
        match self {
            Self::Gsm7 => units.iter().map(|unit| unit.to_be_bytes()[1]).collect(),
            Self::Ucs2 => units.iter().flat_map(|unit| unit.to_be_bytes()).collect(),
        }
    }
}

/// A text, cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segments {
    /// In which alphabet.
    pub alphabet: Alphabet,
    /// The octets of each part, without any header. At least one, at most 255.
    pub parts: Vec<Vec<u8>>,
}

/// The text is too long.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the text needs {needed} parts, and `max_segments` is {allowed}")]
pub struct TooManySegments {
    /// What it would need.
    pub needed: usize,
    /// What is allowed.
    pub allowed: u8,
}

/// Cuts a text into as few parts as it fits in, in GSM 03.38 if that has all its characters and in
/// UCS-2 else. No character is cut, neither an escape from what follows nor a surrogate pair.
///
/// # Errors
/// It needs more than `allowed` parts.
pub fn segments(text: &str, allowed: u8) -> Result<Segments, TooManySegments> {
    let alphabet = match text.chars().all(|c| gsm7::septets(c).is_some()) {
        true => Alphabet::Gsm7,
        false => Alphabet::Ucs2,
    };
    let (single, part) = alphabet.room();
    let mut parts = cut(text, alphabet, single);
    if parts.len() > 1 {
        parts = cut(text, alphabet, part);
    }
    if parts.len() > usize::from(allowed) {
        return Err(TooManySegments {
            needed: parts.len(),
            allowed,
        });
    }
    let parts = parts.iter().map(|units| alphabet.octets(units)).collect();
    Ok(Segments { alphabet, parts })
}

fn cut(text: &str, alphabet: Alphabet, room: usize) -> Vec<Vec<u16>> {
    let mut parts = vec![Vec::with_capacity(room.min(text.len()))];
    let mut character_units = Vec::with_capacity(2);
    for character in text.chars() {
        character_units.clear();
        alphabet.units(character, &mut character_units);
        match parts.last_mut() {
            Some(part) if part.len() + character_units.len() <= room => {
                part.extend_from_slice(&character_units);
            }
            _ => parts.push(character_units.clone()),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn count(text: &str) -> (Alphabet, usize) {
        let cut = segments(text, 255).unwrap();
        (cut.alphabet, cut.parts.len())
    }

    #[test]
    fn parts_are_counted_exactly() {
        use Alphabet::{Gsm7, Ucs2};
        for (text, expected) in [
            (String::new(), (Gsm7, 1)),
            ("a".repeat(160), (Gsm7, 1)),
            ("a".repeat(161), (Gsm7, 2)),
            ("a".repeat(306), (Gsm7, 2)),
            ("a".repeat(307), (Gsm7, 3)),
            ("a".repeat(459), (Gsm7, 3)),
            ("a".repeat(460), (Gsm7, 4)),
            ("€".repeat(80), (Gsm7, 1)),
            ("€".repeat(81), (Gsm7, 2)),
            // 153 is odd: the last septet of each part stays empty, as an escape is not cut off.
            ("€".repeat(152), (Gsm7, 2)),
            ("€".repeat(153), (Gsm7, 3)),
            ("ä".repeat(160), (Gsm7, 1)),
            ("ê".repeat(70), (Ucs2, 1)),
            ("ê".repeat(71), (Ucs2, 2)),
            ("ê".repeat(134), (Ucs2, 2)),
            ("ê".repeat(135), (Ucs2, 3)),
            ("😀".repeat(35), (Ucs2, 1)),
            ("😀".repeat(36), (Ucs2, 2)),
            // 67 is odd: no surrogate pair is cut.
            ("😀".repeat(66), (Ucs2, 2)),
            ("😀".repeat(67), (Ucs2, 3)),
            (
                "Rendez-vous confirmé, à bientôt – forêt".to_owned(),
                (Ucs2, 1),
            ),
        ] {
            assert_eq!(
                count(&text),
                expected,
                "{} × {:?}",
                text.chars().count(),
                text.chars().next()
            );
        }
    }

    #[test]
    fn more_than_allowed_is_said() {
        let error = segments(&"a".repeat(307), 2).unwrap_err();
        assert_eq!((error.needed, error.allowed), (3, 2));
        assert!(segments(&"a".repeat(153 * 256), 255).is_err());
    }

    proptest! {
        #[test]
        fn the_parts_are_the_text(text in "[a-zA-Z0-9 €{}|ÄÖÅäöå]{0,700}|[ -~€ê–中😀]{0,300}") {
            let cut = segments(&text, 255).unwrap();
            let (single, part) = cut.alphabet.room();
            let room = if cut.parts.len() == 1 { single } else { part };
            let mut joined = String::new();
            for octets in &cut.parts {
                joined += &match cut.alphabet {
                    Alphabet::Gsm7 => {
                        prop_assert!(octets.len() <= room);
                        gsm7::decode(octets)
                    }
                    Alphabet::Ucs2 => {
                        prop_assert!(octets.len() <= 2 * room);
                        let units: Vec<u16> = octets.chunks(2).map(|c| u16::from_be_bytes([c[0], c[1]])).collect();
                        // No pair is cut, so each part is valid by itself.
                        String::from_utf16(&units).unwrap()
                    }
                };
            }
            prop_assert_eq!(joined, text);
        }
    }
}
