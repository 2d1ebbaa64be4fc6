//! The GSM 7-bit default alphabet with its extension table: 3GPP TS 23.038, 6.2.1.
//!
//! One septet in each octet, as SMPP carries it; the message centre packs them.

/// Septet that announces one of the extension table.
pub const ESCAPE: u8 = 0x1B;

/// The default table. The place of the escape holds a space, which is what a receiver shows that
/// does not know the extension.
const BASIC: [char; 128] = [
    '@', '£', '$', '¥', 'è', 'é', 'ù', 'ì', 'ò', 'Ç', '\n', 'Ø', 'ø', '\r', 'Å', 'å', //
    'Δ', '_', 'Φ', 'Γ', 'Λ', 'Ω', 'Π', 'Ψ', 'Σ', 'Θ', 'Ξ', ' ', 'Æ', 'æ', 'ß', 'É', //
    ' ', '!', '"', '#', '¤', '%', '&', '\'', '(', ')', '*', '+', ',', '-', '.', '/', //
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', ':', ';', '<', '=', '>', '?', //
    '¡', 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O', //
    'P', 'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z', 'Ä', 'Ö', 'Ñ', 'Ü', '§', //
    '¿', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', //
    'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z', 'ä', 'ö', 'ñ', 'ü', 'à',
];

/// The extension table: each costs two septets.
const EXTENSION: [(u8, char); 10] = [
    (0x0A, '\u{0C}'),
    (0x14, '^'),
    (0x28, '{'),
    (0x29, '}'),
    (0x2F, '\\'),
    (0x3C, '['),
    (0x3D, '~'),
    (0x3E, ']'),
    (0x40, '|'),
    (0x65, '€'),
];

/// The septet of each ASCII character that is in the default table: most texts are made of these,
/// and all of their characters are looked at.
const OF_ASCII: [Option<u8>; 128] = {
    let mut septets = [None; 128];
    let mut code = 0;
    while code < BASIC.len() {
        let character = BASIC[code] as usize;
        if character < septets.len() && code != ESCAPE as usize {
            septets[character] = Some(code as u8);
        }
        code += 1;
    }
    septets
};

/// A character in septets: one, or the escape and one. `None` if the alphabet has it not.
#[must_use]
pub fn septets(character: char) -> Option<(Option<u8>, u8)> {
    let ascii = OF_ASCII.get(character as usize).copied().flatten();
    if let Some(septet) = ascii {
        return Some((None, septet));
    }
    let is_escape = |code: &usize| *code == usize::from(ESCAPE);
    let basic = (0..BASIC.len()).find(|code| BASIC[*code] == character && !is_escape(code));
    if let Some(code) = basic {
        return u8::try_from(code).ok().map(|septet| (None, septet));
    }
    let extended = EXTENSION.iter().find(|(_, c)| *c == character);
    extended.map(|(code, _)| (Some(ESCAPE), *code))
}

/// Text of septets. Bits beyond the seventh are ignored; an unknown extension is shown as its
/// character of the default table, as the standard asks.
#[must_use]
pub fn decode(septets: &[u8]) -> String {
    let mut text = String::with_capacity(septets.len());
    let mut rest = septets.iter().map(|octet| octet & 0x7F);
    while let Some(septet) = rest.next() {
        if septet != ESCAPE {
            text.push(BASIC[usize::from(septet)]);
        } else if let Some(extended) = rest.next() {
            let known = EXTENSION.iter().find(|(code, _)| *code == extended);
            text.push(known.map_or(BASIC[usize::from(extended)], |(_, c)| *c));
        }
    }
    text
}

/// The octets of a text, or the first character that the alphabet has not.
///
/// # Errors
/// That character.
pub fn encode(text: &str) -> Result<Vec<u8>, char> {
    let mut octets = Vec::with_capacity(text.len());
    for character in text.chars() {
        let (escape, septet) = septets(character).ok_or(character)?;
        octets.extend(escape);
        octets.push(septet);
    }
    Ok(octets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn national_characters_have_their_septets() {
        for (text, octets) in [
            ("@£$¥", &[0x00, 0x01, 0x02, 0x03][..]),
            ("åäöüñ", &[0x0F, 0x7B, 0x7C, 0x7E, 0x7D]),
            ("ÅÄÖÜÑ", &[0x0E, 0x5B, 0x5C, 0x5E, 0x5D]),
            ("éèùìòà", &[0x05, 0x04, 0x06, 0x07, 0x08, 0x7F]),
            ("ÉÇßÆæØø", &[0x1F, 0x09, 0x1E, 0x1C, 0x1D, 0x0B, 0x0C]),
            (
                "ΔΦΓΛΩΠΨΣΘΞ",
                &[0x10, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1A],
            ),
            ("€^{", &[0x1B, 0x65, 0x1B, 0x14, 0x1B, 0x28]),
            (
                "a 0_¡¿§¤",
                &[0x61, 0x20, 0x30, 0x11, 0x40, 0x60, 0x5F, 0x24],
            ),
        ] {
            assert_eq!(encode(text).unwrap(), octets, "{text}");
            assert_eq!(decode(octets), text);
        }
    }

    #[test]
    fn what_it_has_not_is_named() {
        for character in [
            'ê', 'â', 'î', 'ô', 'û', 'ç', 'ë', 'ï', 'œ', 'õ', 'š', 'ž', '–', '中', '`',
        ] {
            assert_eq!(encode(&format!("a{character}")), Err(character));
        }
    }

    #[test]
    fn broken_escapes_are_survived() {
        assert_eq!(decode(&[0x61, ESCAPE]), "a");
        assert_eq!(decode(&[ESCAPE, 0x61]), "a");
        assert_eq!(decode(&[ESCAPE, ESCAPE, 0x61]), " a");
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(text in "[ -_a-~\\n\\r@£¥èéùìòÇØøÅåΔΦΓΛΩΠΨΣΘΞÆæßÉ¤¡ÄÖÑÜ§¿äöñüà€]{0,300}") {
            prop_assert_eq!(decode(&encode(&text).unwrap()), text);
        }

        #[test]
        fn every_octet_is_some_character(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
            let text = decode(&octets);
            prop_assert!(text.chars().count() <= octets.len());
            prop_assert!(encode(&text).is_ok());
        }
    }
}
