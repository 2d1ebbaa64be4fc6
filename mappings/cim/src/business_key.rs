//! The partner's id of a message, from the first bytes of a payload.

use std::borrow::Cow;

use encoding_rs::Encoding;
use quick_xml::Reader;
use quick_xml::XmlVersion;
use quick_xml::events::Event;

use crate::encoding::{Characters, detect};

/// Bytes looked at.
const HEAD_BYTES: usize = 64 << 10;
/// Longest id that is taken.
const KEY_BYTES: usize = 256;

/// `Header/MessageID` of the IEC 61968-100 envelope, whatever its namespace. The `MessageID` of a
/// SOAP header is the transport's, not the message's, and does not count.
pub(crate) fn business_key(head: &[u8]) -> Option<String> {
    let text = as_utf8(&head[..head.len().min(HEAD_BYTES)]);
    let mut reader = Reader::from_reader(&text[..]);
    let mut path: Vec<String> = Vec::new();
    let mut key = String::new();
    loop {
        match reader.read_event().ok()? {
            Event::Start(tag) => {
                path.push(tag.local_name().as_ref().to_owned());
                if path.last().is_some_and(|name| name == "Payload") {
                    return None;
                }
            }
            Event::End(_) => {
                if is_key(&path) && !key.trim().is_empty() {
                    return Some(key.trim().to_owned());
                }
                path.pop();
            }
            Event::Text(text) if is_key(&path) => {
                key.push_str(&text.xml_content(XmlVersion::Implicit1_0));
            }
            Event::CData(text) if is_key(&path) => key.push_str(&text),
            Event::GeneralRef(entity) if is_key(&path) => match entity.resolve_char_ref().ok()? {
                Some(c) => key.push(c),
                None => key.push_str(quick_xml::escape::resolve_predefined_entity(&entity)?),
            },
            Event::DocType(_) | Event::Eof => return None,
            _ => {}
        }
        if key.len() > KEY_BYTES {
            return None;
        }
    }
}

fn is_key(path: &[String]) -> bool {
    match path {
        [.., above, header, id] => header == "Header" && id == "MessageID" && above != "Envelope",
        _ => false,
    }
}

fn as_utf8(head: &[u8]) -> Cow<'_, [u8]> {
    let encoding = match detect(head) {
        Ok(Characters::Utf16) if head.starts_with(b"\xfe\xff") || head.first() == Some(&0) => {
            encoding_rs::UTF_16BE
        }
        Ok(Characters::Utf16) => encoding_rs::UTF_16LE,
        Ok(Characters::Declared(encoding)) => encoding,
        Ok(Characters::Utf8 { .. }) | Err(_) => return Cow::Borrowed(head),
    };
    decoded(encoding, head)
}

fn decoded<'h>(encoding: &'static Encoding, head: &'h [u8]) -> Cow<'h, [u8]> {
    match encoding.decode(head).0 {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &str = "<m:EventMessage xmlns:m='urn:x'><m:Header><m:Verb>created</m:Verb>\
        <m:MessageID> a&amp;b </m:MessageID></m:Header><m:Payload>";

    #[test]
    fn is_the_message_id_of_any_namespace() {
        assert_eq!(business_key(MESSAGE.as_bytes()).as_deref(), Some("a&b"));
        let soap = format!(
            "<s:Envelope><s:Header><w:MessageID>transport</w:MessageID></s:Header><s:Body>{MESSAGE}"
        );
        assert_eq!(business_key(soap.as_bytes()).as_deref(), Some("a&b"));
    }

    #[test]
    fn is_found_in_utf_16() {
        let bytes: Vec<u8> = format!("\u{feff}{MESSAGE}")
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        assert_eq!(business_key(&bytes).as_deref(), Some("a&b"));
    }

    #[test]
    fn is_nothing_where_there_is_none() {
        for head in [
            "",
            "<MeterReadings><MeterReading>",
            "<Message><Header></Header><Payload><Header><MessageID>1</MessageID>",
            "<Message><Header><MessageID></MessageID></Header>",
            "a,b,c\n",
            "<!DOCTYPE x><a><Header><MessageID>1</MessageID></Header></a>",
        ] {
            assert_eq!(business_key(head.as_bytes()), None, "{head}");
        }
    }
}
