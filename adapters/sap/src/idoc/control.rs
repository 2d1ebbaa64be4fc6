//! The control record of an IDoc, read from the head of a message: whose it is, and what number it has.
//!
//! No more of the format than that: what an IDoc says is a mapping's business.

use quick_xml::Reader;
use quick_xml::events::Event;

/// Longest value of a control field that is taken, in bytes.
const LONGEST_VALUE: usize = 70;

/// Fields of `EDI_DC40` that name an IDoc.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Control {
    /// Client of the sending system.
    pub(crate) mandt: String,
    /// Number in the sending system.
    pub(crate) docnum: String,
    /// Port of the sender, `SAPDEV` say: names the system.
    pub(crate) sndpor: String,
    /// Partner number of the sender, `DEVCLNT100` say.
    pub(crate) sndprn: String,
    /// Message type, `ORDERS` say.
    pub(crate) mestyp: String,
}

/// Offset and length in a flat control record (524 characters).
const FLAT: [(usize, usize); 5] = [(10, 3), (13, 16), (148, 10), (162, 10), (99, 30)];

impl Control {
    /// The control record at the head of a message; `None` if there is none, or if the message holds
    /// more IDocs than one as far as it can be seen (`is_whole`: it is all of the message). A packet
    /// has no number of its own.
    pub(crate) fn read(head: &[u8], is_whole: bool) -> Option<Self> {
        let text = head.trim_ascii_start();
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        match text.first()? {
            b'<' => Self::from_xml(text, is_whole),
            _ if text.starts_with(b"EDI_DC40") => Self::from_flat(text, is_whole),
            _ => None,
        }
    }

    /// What makes an IDoc the same when it is sent again: the sender's port and partner number, client
    /// and number, as the format `idoc` has it.
    pub(crate) fn key(&self) -> Option<String> {
        let number = self.docnum.trim_start_matches('0');
        let Self {
            mandt,
            sndpor,
            sndprn,
            ..
        } = self;
        (!number.is_empty()).then(|| format!("{sndpor}/{sndprn}/{mandt}/{number}"))
    }

    fn from_flat(text: &[u8], is_whole: bool) -> Option<Self> {
        let text = String::from_utf8_lossy(text);
        let mut lines = text.lines();
        let record: Vec<char> = lines.next()?.chars().collect();
        if !is_whole || lines.any(|line| line.starts_with("EDI_DC40")) {
            return None;
        }
        let field = |(at, length): (usize, usize)| {
            let end = record.len().min(at + length);
            let value: String = record.get(at..end).unwrap_or_default().iter().collect();
            value.trim_end().to_owned()
        };
        let [mandt, docnum, sndpor, sndprn, mestyp] = FLAT.map(field);
        Some(Self {
            mandt,
            docnum,
            sndpor,
            sndprn,
            mestyp,
        })
    }

    fn from_xml(text: &[u8], is_whole: bool) -> Option<Self> {
        let mut found: Option<Self> = None;
        let mut depth_in_record = 0usize;
        let mut reader = Reader::from_reader(text);
        let (mut buffer, mut value) = (Vec::new(), String::new());
        loop {
            buffer.clear();
            match reader.read_event_into(&mut buffer) {
                Ok(Event::Start(element)) => {
                    match element.local_name().as_ref() {
                        "EDI_DC40" if found.is_some() => return None,
                        "EDI_DC40" => (found, depth_in_record) = (Some(Self::default()), 1),
                        _ if depth_in_record > 0 => depth_in_record += 1,
                        _ => {}
                    }
                    value.clear();
                }
                Ok(Event::Text(piece)) if depth_in_record == 2 && value.len() < LONGEST_VALUE => {
                    value.push_str(piece.as_ref());
                }
                Ok(Event::End(element)) if depth_in_record > 0 => {
                    if let Some(control) = &mut found {
                        control.set(element.local_name().as_ref(), value.trim());
                    }
                    depth_in_record -= 1;
                }
                Ok(Event::Eof) => return found.filter(|_| is_whole),
                // Not well-formed is for a mapping to say; here it only has no name.
                Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    fn set(&mut self, field: &str, value: &str) {
        let slot = match field {
            "MANDT" => &mut self.mandt,
            "DOCNUM" => &mut self.docnum,
            "SNDPRN" => &mut self.sndprn,
            "MESTYP" => &mut self.mestyp,
            "SNDPOR" => &mut self.sndpor,
            _ => return,
        };
        value.clone_into(slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn xml(idocs: &[&str]) -> String {
        let idocs: String = idocs
            .iter()
            .map(|number| {
                format!(
                    "<IDOC BEGIN=\"1\"><EDI_DC40 SEGMENT=\"1\"><TABNAM>EDI_DC40</TABNAM><MANDT>100</MANDT>\
                     <DOCNUM>{number}</DOCNUM><IDOCTYP>ORDERS05</IDOCTYP><MESTYP>ORDERS</MESTYP>\
                     <SNDPOR>SAPDEV</SNDPOR><SNDPRN>DEVCLNT100</SNDPRN></EDI_DC40><E1EDK01><DOCNUM>9</DOCNUM></E1EDK01></IDOC>"
                )
            })
            .collect();
        format!("<?xml version=\"1.0\" encoding=\"utf-8\"?><ORDERS05>{idocs}</ORDERS05>")
    }

    #[test]
    fn one_idoc_has_its_number_as_key() {
        let control = Control::read(xml(&["0000000000004711"]).as_bytes(), true).unwrap();
        assert_eq!(control.mestyp, "ORDERS");
        assert_eq!(control.key().unwrap(), "SAPDEV/DEVCLNT100/100/4711");
    }

    #[test]
    fn a_flat_record_says_the_same() {
        let mut record = vec![b' '; 524];
        for (at, text) in [
            (0, "EDI_DC40"),
            (10, "100"),
            (13, "0000000000004711"),
            (39, "ORDERS05"),
            (99, "ORDERS"),
            (148, "SAPDEV"),
            (162, "DEVCLNT100"),
        ] {
            record[at..at + text.len()].copy_from_slice(text.as_bytes());
        }
        let control = Control::read(&record, true).unwrap();
        assert_eq!(control.key().unwrap(), "SAPDEV/DEVCLNT100/100/4711");
        assert_eq!(
            Control::read(&record[..200], true).unwrap().sndprn,
            "DEVCLNT100"
        );
        let two = [record.as_slice(), b"\n", record.as_slice()].concat();
        assert_eq!(Control::read(&two, true), None, "a packet");
    }

    #[test]
    fn packets_and_what_cannot_be_seen_whole_have_no_key() {
        assert_eq!(Control::read(xml(&["1", "2"]).as_bytes(), true), None);
        assert_eq!(
            Control::read(xml(&["1"]).as_bytes(), false),
            None,
            "there may be more"
        );
        let unnumbered = Control::read(xml(&["0000000000000000"]).as_bytes(), true).unwrap();
        assert_eq!(unnumbered.key(), None);
    }

    #[test]
    fn anything_is_survived() {
        for text in [
            "",
            "<",
            "<a>",
            "EDI_DC40",
            "EDI_DC40\u{e4}",
            "\u{feff}<a/>",
            "<EDI_DC40><EDI_DC40>",
            "x",
        ] {
            let _ = Control::read(text.as_bytes(), true);
        }
    }
}
