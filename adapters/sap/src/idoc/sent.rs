//! The numbers of the IDocs in a message that is sent: by them a partner reports on it later.

use std::io::{self, BufRead, BufReader, Read};

use hub_core::Content;
use quick_xml::Reader;
use quick_xml::events::Event;
use tokio_util::io::SyncIoBridge;

use super::reference::is_number;

/// Most of a message that is looked at. What is larger is sent, and cannot be reported on.
const LONGEST: u64 = 16 << 20;
/// Most IDocs of a message whose numbers are kept.
const MOST: usize = 5_000;
/// Longest value of a field of the control record.
const LONGEST_VALUE: usize = 70;
/// Longest line of a flat file: a record has 1,063 characters of at most four bytes.
const LONGEST_LINE: u64 = 4_300;
/// Offsets and lengths in a flat control record: `DOCNUM`, `RCVPRN`.
const FLAT: [(usize, usize); 2] = [(13, 16), (277, 10)];

/// An IDoc that is sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SentIdoc {
    /// Its number; empty if the receiver is to give it one.
    pub(crate) number: String,
    /// The partner that it is for (`RCVPRN`).
    pub(crate) partner: String,
}

/// All IDocs of a message; none if it is no IDoc, or has more than is looked at.
pub(crate) async fn sent_idocs(content: &Content) -> Vec<SentIdoc> {
    let content = content.clone();
    let found = tokio::task::spawn_blocking(move || {
        if content.len() > LONGEST {
            return Ok(Vec::new());
        }
        read(BufReader::new(SyncIoBridge::new(content.reader())))
    });
    // What cannot be read has no numbers; the message itself was sent.
    found.await.ok().and_then(Result::ok).unwrap_or_default()
}

fn read(mut text: impl BufRead) -> io::Result<Vec<SentIdoc>> {
    let found = match text.fill_buf()?.trim_ascii_start().first() {
        Some(b'E') => flat(text)?,
        _ => xml(text),
    };
    Ok(match found.len() <= MOST {
        true => found,
        false => Vec::new(),
    })
}

fn flat(mut text: impl BufRead) -> io::Result<Vec<SentIdoc>> {
    let mut found = Vec::new();
    let mut line = Vec::new();
    while found.len() <= MOST {
        line.clear();
        let read = (&mut text)
            .take(LONGEST_LINE)
            .read_until(b'\n', &mut line)?;
        if read == 0 {
            break;
        }
        if read as u64 == LONGEST_LINE {
            // Records without line ends: where the next one begins is not known here.
            return Ok(Vec::new());
        }
        if line.starts_with(b"EDI_DC40") {
            let record: Vec<char> = String::from_utf8_lossy(&line).chars().collect();
            let [number, partner] = FLAT.map(|(at, length)| {
                let end = record.len().min(at + length);
                let value: String = record.get(at..end).unwrap_or_default().iter().collect();
                value.trim().to_owned()
            });
            found.push(SentIdoc { number, partner }.numbered());
        }
    }
    Ok(found)
}

fn xml(text: impl BufRead) -> Vec<SentIdoc> {
    let mut found = Vec::new();
    let mut reader = Reader::from_reader(text);
    let (mut buffer, mut value) = (Vec::new(), String::new());
    let mut control: Option<SentIdoc> = None;
    while found.len() <= MOST {
        buffer.clear();
        match reader.read_event_into(&mut buffer) {
            Ok(Event::Start(tag)) => {
                if tag.local_name().as_ref() == "EDI_DC40" {
                    control = Some(SentIdoc::default());
                }
                value.clear();
            }
            Ok(Event::Text(piece)) if control.is_some() && value.len() < LONGEST_VALUE => {
                value.push_str(piece.as_ref());
            }
            Ok(Event::End(tag)) => match (tag.local_name().as_ref(), &mut control) {
                ("DOCNUM", Some(idoc)) => value.trim().clone_into(&mut idoc.number),
                ("RCVPRN", Some(idoc)) => value.trim().clone_into(&mut idoc.partner),
                ("EDI_DC40", _) => found.extend(control.take().map(SentIdoc::numbered)),
                _ => {}
            },
            Ok(Event::Eof) => break,
            // Not well-formed is for the receiver to say.
            Err(_) => return Vec::new(),
            Ok(_) => {}
        }
    }
    found
}

impl SentIdoc {
    /// With its number, if it is one.
    fn numbered(mut self) -> Self {
        if !is_number(&self.number) {
            self.number.clear();
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(String, String)> {
        let found = read(text.as_bytes()).unwrap();
        let pairs = found.into_iter().map(|idoc| (idoc.number, idoc.partner));
        pairs.collect()
    }

    fn pair(number: &str, partner: &str) -> (String, String) {
        (number.to_owned(), partner.to_owned())
    }

    #[test]
    fn every_idoc_of_a_message_is_found() {
        let idoc = |number: &str| {
            format!(
                "<IDOC BEGIN=\"1\"><EDI_DC40 SEGMENT=\"1\"><DOCNUM>{number}</DOCNUM><RCVPRN>S4D</RCVPRN>\
                 </EDI_DC40><E1EDK01><DOCNUM>9</DOCNUM></E1EDK01></IDOC>"
            )
        };
        let packet = format!(
            "<A>{}{}{}</A>",
            idoc("0000000000004711"),
            idoc(""),
            idoc("000")
        );
        let expected = [
            pair("0000000000004711", "S4D"),
            pair("", "S4D"),
            pair("", "S4D"),
        ];
        assert_eq!(found(&packet), expected);
    }

    #[test]
    fn flat_ones_say_the_same() {
        let mut record = vec![' '; 524];
        for (at, text) in [
            (0, "EDI_DC40"),
            (13, "0000000000004711"),
            (193, "Zähler"),
            (277, "S4D"),
        ] {
            record.splice(at..at + text.chars().count(), text.chars());
        }
        let record: String = record.iter().collect();
        let expected = pair("0000000000004711", "S4D");
        assert_eq!(found(&record), std::slice::from_ref(&expected));
        let two = format!("{record}\r\nE1EDK01\n{record}\n");
        assert_eq!(found(&two), [expected.clone(), expected]);
        assert_eq!(found(&record.repeat(20)), [], "without line ends");
    }

    #[test]
    fn anything_is_survived() {
        for text in ["", "<", "<EDI_DC40>", "<a></b>", "{}", "E", "\u{0}"] {
            assert_eq!(found(text), [], "{text}");
        }
        let many = "<IDOC><EDI_DC40/></IDOC>".repeat(3);
        assert_eq!(found(&format!("<A>{many}</A>")), []);
        let many = "<EDI_DC40></EDI_DC40>".repeat(MOST + 1);
        assert_eq!(found(&format!("<A>{many}</A>")), [], "too many to follow");
    }
}
