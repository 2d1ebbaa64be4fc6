//! The identity of an IDoc, from the first bytes of a payload.

use mapping_tabular::Charset;
use memchr::memmem;
use quick_xml::events::Event;
use quick_xml::{Reader, XmlVersion};

/// Longest value of a field of the control record that is taken.
const VALUE_BYTES: usize = 256;

/// Fields that together name an IDoc: numbers are unique within a client of a system, and two
/// systems may use the same.
const NAMED: [(&str, usize, usize); 4] = [
    ("SNDPOR", 148, 10),
    ("SNDPRN", 162, 10),
    ("MANDT", 10, 3),
    ("DOCNUM", 13, 16),
];

/// `SNDPOR/SNDPRN/MANDT/DOCNUM` of the only IDoc of a payload, zeros before the number left out so
/// that both forms have the same key. `None` if it has no number, or unless it is seen to end and to be
/// the only one: the first one's number is not that of a packet, which may come again with more IDocs
/// behind it, and not that of a file which was cut off.
pub(crate) fn business_key(head: &[u8], is_whole: bool, charset: Charset) -> Option<String> {
    if !is_whole {
        return None;
    }
    let values = match crate::xml::as_utf8(head) {
        Some(text) => of_xml(&text)?,
        None => of_flat(head, charset)?,
    };
    let [port, partner, client, number] = values;
    let number = number.trim_start_matches('0');
    (!number.is_empty()).then(|| format!("{port}/{partner}/{client}/{number}"))
}

fn of_flat(head: &[u8], charset: Charset) -> Option<[String; 4]> {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let head = head.trim_ascii_start();
    let first = memmem::find(head, b"EDI_DC40")?;
    if first != 0 || memmem::find(&head[8..], b"EDI_DC40").is_some() {
        return None;
    }
    let line = head.split(|c| *c == b'\n').next()?;
    // Only the partners' names can have other characters than ASCII, and those stand behind.
    let end = line.len().min(1_024);
    let text = charset.decode(&line[..end]);
    let text = text.unwrap_or_else(|| String::from_utf8_lossy(&line[..end]));
    let value = |(_, offset, length): (&str, usize, usize)| {
        let value: String = text.chars().skip(offset).take(length).collect();
        value.trim().to_owned()
    };
    Some(NAMED.map(value))
}

fn of_xml(text: &[u8]) -> Option<[String; 4]> {
    let mut reader = Reader::from_reader(text);
    let mut path: Vec<String> = Vec::new();
    let mut values: [String; 4] = Default::default();
    let mut idocs = 0;
    loop {
        match reader.read_event().ok()? {
            Event::Start(tag) => {
                let name = tag.local_name().as_ref().to_owned();
                idocs += usize::from(name == "IDOC");
                path.push(name);
            }
            Event::Empty(tag) => idocs += usize::from(tag.local_name().as_ref() == "IDOC"),
            Event::End(_) => drop(path.pop()),
            Event::Text(text) => {
                if let Some(value) = wanted(&path, &mut values) {
                    value.push_str(text.xml_content(XmlVersion::Implicit1_0).trim());
                }
            }
            Event::CData(text) => {
                if let Some(value) = wanted(&path, &mut values) {
                    value.push_str(text.trim());
                }
            }
            Event::GeneralRef(entity) => {
                if let Some(value) = wanted(&path, &mut values) {
                    match entity.resolve_char_ref().ok()? {
                        Some(c) => value.push(c),
                        None => {
                            value.push_str(quick_xml::escape::resolve_predefined_entity(&entity)?)
                        }
                    }
                }
            }
            Event::Eof => return (idocs == 1 && path.is_empty()).then_some(values),
            Event::DocType(_) => return None,
            _ => {}
        }
        if idocs > 1 || values.iter().any(|value| value.len() > VALUE_BYTES) {
            return None;
        }
    }
}

/// Where the text of the current element belongs.
fn wanted<'v>(path: &[String], values: &'v mut [String; 4]) -> Option<&'v mut String> {
    let [.., idoc, control, field] = path else {
        return None;
    };
    if idoc != "IDOC" || control != "EDI_DC40" {
        return None;
    }
    let at = NAMED.iter().position(|(name, ..)| name == field)?;
    Some(&mut values[at])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn xml(number: &str) -> String {
        format!(
            "<?xml version='1.0'?><ORDERS05><IDOC BEGIN='1'><EDI_DC40 SEGMENT='1'><MANDT>800</MANDT>\
             <DOCNUM>{number}</DOCNUM><SNDPOR>SAPT33</SNDPOR><SNDPRN>A&amp;B</SNDPRN></EDI_DC40>\
             <E1EDK01><DOCNUM>9</DOCNUM></E1EDK01></IDOC></ORDERS05>"
        )
    }

    fn flat(number: &str) -> Vec<u8> {
        let mut record = vec![b' '; 524];
        for (offset, text) in [
            (0, "EDI_DC40"),
            (10, "800"),
            (13, number),
            (148, "SAPT33"),
            (162, "A&B"),
        ] {
            record[offset..offset + text.len()].copy_from_slice(text.as_bytes());
        }
        record
    }

    #[test]
    fn both_forms_of_an_idoc_have_the_same_key() {
        let expected = Some("SAPT33/A&B/800/4711".to_owned());
        let of = |head: &[u8]| business_key(head, true, Charset::Utf8);
        assert_eq!(of(xml("0000000000004711").as_bytes()), expected);
        assert_eq!(of(&flat("0000000000004711")), expected);
        assert_eq!(
            of(&[b"\xef\xbb\xbf".to_vec(), flat("4711")].concat()),
            expected
        );
    }

    #[test]
    fn a_file_without_a_number_or_with_several_has_none() {
        let of = |head: &[u8]| business_key(head, true, Charset::Utf8);
        assert_eq!(of(xml("").as_bytes()), None);
        assert_eq!(of(&flat("0000000000000000")), None);
        assert_eq!(of(&[flat("1"), b"\n".to_vec(), flat("2")].concat()), None);
        let second = xml("1").replace("</IDOC>", "</IDOC><IDOC BEGIN='1'></IDOC>");
        assert_eq!(of(second.as_bytes()), None);
        for head in [
            "",
            "a,b\n",
            "<a><EDI_DC40><DOCNUM>1</DOCNUM></EDI_DC40></a>",
            "EDI_DC40",
        ] {
            assert_eq!(of(head.as_bytes()), None, "{head}");
        }
    }

    /// What a packet has behind its first IDoc may be other than before when it is sent again.
    #[test]
    fn what_is_not_seen_to_end_has_none() {
        let whole = xml("1");
        for cut in ["</ORDERS05>", "</IDOC></ORDERS05>", "<E1EDK01>"] {
            let (head, _) = whole.split_once(cut).unwrap();
            assert_eq!(business_key(head.as_bytes(), true, Charset::Utf8), None);
        }
        for head in [whole.as_bytes(), &flat("1")] {
            assert_eq!(business_key(head, false, Charset::Utf8), None);
        }
    }
}
