//! Characters that GSM 03.38 has not, written with those that it has.

use super::gsm7;

/// Writes a text with characters of GSM 03.38 as far as possible: marks that it does not have are
/// dropped, typographic signs become plain ones. What cannot be written so stays as it is.
pub(crate) fn transliterate(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        match replacement(character) {
            Some(replaced) if gsm7::septets(character).is_none() => plain.push_str(replaced),
            _ => plain.push(character),
        }
    }
    plain
}

fn replacement(character: char) -> Option<&'static str> {
    TABLE
        .iter()
        .find(|(from, _)| from.contains(character))
        .map(|(_, to)| *to)
}

/// Latin letters of Europe's languages, and typography.
const TABLE: &[(&str, &str)] = &[
    ("áâãāăą", "a"),
    ("ÀÁÂÃĀĂĄ", "A"),
    ("çćčĉċ", "c"),
    ("ĆČĈĊ", "C"),
    ("ďđð", "d"),
    ("ĎĐÐ", "D"),
    ("êëēĕėęě", "e"),
    ("ÈÊËĒĔĖĘĚ", "E"),
    ("ĝğġģ", "g"),
    ("ĜĞĠĢ", "G"),
    ("ĥħ", "h"),
    ("ĤĦ", "H"),
    ("íîïĩīĭįı", "i"),
    ("ÌÍÎÏĨĪĬĮİ", "I"),
    ("ĵ", "j"),
    ("Ĵ", "J"),
    ("ķ", "k"),
    ("Ķ", "K"),
    ("ĺļľŀł", "l"),
    ("ĹĻĽĿŁ", "L"),
    ("ńņňŋ", "n"),
    ("ŃŅŇŊ", "N"),
    ("óôõōŏő", "o"),
    ("ÒÓÔÕŌŎŐ", "O"),
    ("œ", "oe"),
    ("Œ", "OE"),
    ("ŕŗř", "r"),
    ("ŔŖŘ", "R"),
    ("śŝşšș", "s"),
    ("ŚŜŞŠȘ", "S"),
    ("ţťŧț", "t"),
    ("ŢŤŦȚ", "T"),
    ("þ", "th"),
    ("Þ", "Th"),
    ("úûũūŭůűų", "u"),
    ("ÙÚÛŨŪŬŮŰŲ", "U"),
    ("ŵ", "w"),
    ("Ŵ", "W"),
    ("ýÿŷ", "y"),
    ("ÝŸŶ", "Y"),
    ("źżž", "z"),
    ("ŹŻŽ", "Z"),
    ("‘’‚‛′`´", "'"),
    ("“”„‟″«»", "\""),
    ("‐‑‒–—―−", "-"),
    ("…", "..."),
    ("•·", "."),
    ("\u{A0}\u{2007}\u{2009}\u{202F}\t", " "),
    ("\u{AD}\u{200B}\u{FEFF}", ""),
    ("×", "x"),
    ("²", "2"),
    ("³", "3"),
    ("°", "o"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn french_fits_in_one_part_without_its_marks() {
        let text = "Rendez-vous confirmé, à bientôt – forêt";
        assert_eq!(
            transliterate(text),
            "Rendez-vous confirmé, à bientot - foret"
        );
    }

    #[test]
    fn what_can_be_sent_stays_and_what_cannot_be_written_too() {
        assert_eq!(transliterate("Äiti €5 õ 中"), "Äiti €5 o 中");
    }

    #[test]
    fn every_replacement_can_be_sent() {
        for (from, to) in TABLE {
            assert!(gsm7::encode(to).is_ok(), "{from}");
        }
    }
}
