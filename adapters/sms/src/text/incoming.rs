//! The text of what came: SMPP 3.4, 5.2.19 and, for its coding groups, 3GPP TS 23.038, 4.

use encoding_rs::{Encoding, ISO_8859_5, ISO_8859_8};

use super::gsm7;

/// Text, or octets that are none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Text {
    Text(String),
    Binary(Vec<u8>),
}

/// Reads octets in the alphabet that `data_coding` names. The message centre's default alphabet is
/// taken to be GSM 03.38.
pub(crate) fn text_of(data_coding: u8, octets: &[u8]) -> Text {
    let with = |encoding: &'static Encoding| {
        let (text, _) = encoding.decode_without_bom_handling(octets);
        Text::Text(text.into_owned())
    };
    match data_coding {
        0x00 => Text::Text(gsm7::decode(octets)),
        0x01 | 0x03 => Text::Text(octets.iter().copied().map(char::from).collect()),
        0x06 => with(ISO_8859_5),
        0x07 => with(ISO_8859_8),
        0x08 => Text::Text(utf16(octets)),
        // A message class: bit 2 says whether it is data.
        0xF0..=0xFF if data_coding & 0x04 == 0 => Text::Text(gsm7::decode(octets)),
        // General data coding, uncompressed: bits 3 and 2 name the alphabet.
        0x10..=0x1F => match data_coding & 0x0C {
            0x00 => Text::Text(gsm7::decode(octets)),
            0x08 => Text::Text(utf16(octets)),
            _ => Text::Binary(octets.to_vec()),
        },
        _ => Text::Binary(octets.to_vec()),
    }
}

fn utf16(octets: &[u8]) -> String {
    let units = octets
        .chunks_exact(2)
        .map(|c| u16::from_be_bytes([c[0], c[1]]));
    char::decode_utf16(units)
        .map(|character| character.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_coding_is_text_or_data() {
        let text = |s: &str| Text::Text(s.to_owned());
        for (data_coding, octets, expected) in [
            (0x00, &[0x0F, 0x1B, 0x65][..], text("å€")),
            (0x01, b"yes", text("yes")),
            (0x03, &[0xE5], text("å")),
            (0x06, &[0xB4, 0xD0], text("Да")),
            (0x08, &[0x4E, 0x2D, 0xD8, 0x3D, 0xDE, 0x00], text("中😀")),
            (0x08, &[0xD8, 0x3D, 0x00], text("\u{FFFD}")),
            (0x11, &[0x0F], text("å")),
            (0x18, &[0x4E, 0x2D], text("中")),
            (0xF0, &[0x0F], text("å")),
            (0x04, &[1, 2], Text::Binary(vec![1, 2])),
            (0xF5, &[1, 2], Text::Binary(vec![1, 2])),
            (0x14, &[1], Text::Binary(vec![1])),
        ] {
            assert_eq!(text_of(data_coding, octets), expected, "{data_coding:#x}");
        }
    }
}
