//! What the HTTP port for IDocs answers, understood.
//!
//! SAP's port (`/sap/bc/idoc_xml`) says yes with 200 and usually nothing else: the number that the IDoc
//! got stays in the system. Ports before it (SAP's integration products, gateways of one's own) tell
//! more, in XML, text or JSON: numbers (`DOCNUM`) and the status that the IDoc has. And some say 200
//! over a page that is no yes at all: a logon form, an error page. A yes is therefore only: an empty
//! body, a body that tells numbers, or words without an error in them. What a port's words mean beyond that is
//! configured (`answers`).

use std::collections::BTreeSet;

use quick_xml::Reader;
use quick_xml::events::Event;
use reqwest::header::CONTENT_TYPE;
use serde_json::Value;

use crate::odata::ODataError;
use crate::readable::{one_line, readable};

/// Most numbers of one answer that are kept: IDocs are posted in packets of hundreds at most.
const MOST_NUMBERS: usize = 500;

/// Longest text of one element that is looked at, in bytes.
const LONGEST_TEXT: usize = 4 * 1024;

/// What an answer of success says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The port has the IDoc.
    Taken(Receipt),
    /// It says that it has not.
    NotTaken(String),
    /// A page that says neither.
    Page {
        /// Its words.
        said: String,
        /// Asks for user and password.
        is_logon: bool,
    },
}

impl Answer {
    /// What it tells, where it is known otherwise that the IDoc was taken.
    pub(crate) fn into_receipt(self) -> Receipt {
        match self {
            Self::Taken(receipt) => receipt,
            Self::NotTaken(said) | Self::Page { said, .. } => Receipt {
                said,
                ..Receipt::default()
            },
        }
    }
}

/// What a port tells of IDocs that it took.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Receipt {
    /// Numbers in the receiving system (`DOCNUM`), each once.
    pub(crate) numbers: Vec<String>,
    /// Status in the receiving system: 53 posted, 51 not posted, 64 waiting ...
    pub(crate) status: Option<String>,
    /// What it says of that status, or in all.
    pub(crate) said: String,
}

/// Whether an answer of success asks for user and password instead.
pub(crate) fn is_logon(answer: &hub_web::Answer) -> bool {
    let media_type = answer.headers.get(CONTENT_TYPE);
    let media_type = media_type.and_then(|value| value.to_str().ok());
    let asks = matches!(
        read(media_type.unwrap_or_default(), &answer.body),
        Answer::Page { is_logon: true, .. }
    );
    asks && answer.status.is_success()
}

/// Reads the answer to a post that had a status of success.
pub(crate) fn read(media_type: &str, body: &[u8]) -> Answer {
    let text = body.trim_ascii();
    let is_html = media_type.to_ascii_lowercase().contains("html") || looks_like_html(text);
    match text.first() {
        None => Answer::Taken(Receipt::default()),
        Some(_) if is_html => page(text),
        Some(b'<') => xml(text),
        Some(b'{') => json(text),
        Some(_) => words(text),
    }
}

fn looks_like_html(text: &[u8]) -> bool {
    let head = String::from_utf8_lossy(&text[..text.len().min(200)]).to_ascii_lowercase();
    head.starts_with("<!doctype html") || head.starts_with("<html")
}

/// An HTML page. Success has none, so only numbers that it tells make it a yes.
fn page(text: &[u8]) -> Answer {
    let said = readable(text);
    let markup = String::from_utf8_lossy(text).to_ascii_lowercase();
    let is_logon = markup.contains("type=\"password\"")
        || markup.contains("sap-password")
        || markup.contains("type='password'");
    Answer::Page { said, is_logon }
}

/// What the elements of an answer say that matter.
#[derive(Default)]
struct Elements {
    numbers: BTreeSet<String>,
    status: Option<String>,
    status_text: Option<String>,
    has_error: bool,
}

impl Elements {
    fn note(&mut self, name: &str, text: &str) {
        match name.to_ascii_uppercase().as_str() {
            "DOCNUM" if is_number(text) && self.numbers.len() < MOST_NUMBERS => {
                self.numbers.insert(text.to_owned());
            }
            "STATUS" if self.status.is_none() && is_status(text) => {
                self.status = Some(text.to_owned());
            }
            "STATUS_TEXT" | "STATXT" if self.status_text.is_none() => {
                self.status_text = Some(one_line(text));
            }
            _ => {}
        }
    }

    fn answer(self, said: String) -> Answer {
        match self.has_error && self.numbers.is_empty() {
            true => Answer::NotTaken(said),
            false => Answer::Taken(Receipt {
                numbers: self.numbers.into_iter().collect(),
                status: self.status,
                said: self.status_text.unwrap_or(said),
            }),
        }
    }
}

fn xml(text: &[u8]) -> Answer {
    let said = readable(text);
    let mut reader = Reader::from_reader(text);
    let mut elements = Elements::default();
    let (mut buffer, mut inside) = (Vec::new(), String::new());
    loop {
        buffer.clear();
        match reader.read_event_into(&mut buffer) {
            Ok(Event::Start(element)) => {
                let name = element.local_name().as_ref().to_owned();
                let is_error = ["fault", "error", "exception"];
                elements.has_error |= is_error.contains(&name.to_ascii_lowercase().as_str());
                inside.clear();
            }
            Ok(Event::Text(piece)) if inside.len() < LONGEST_TEXT => {
                inside.push_str(piece.as_ref());
            }
            Ok(Event::End(element)) => {
                let name = element.local_name().as_ref().to_owned();
                elements.note(&name, inside.trim());
                inside.clear();
            }
            // Cut off or not well-formed: what is there says what it says.
            Ok(Event::Eof) | Err(_) => break,
            Ok(_) => {}
        }
    }
    elements.answer(said)
}

fn json(text: &[u8]) -> Answer {
    if let Some(error) = ODataError::read(text) {
        return Answer::NotTaken(error.to_string());
    }
    let mut elements = Elements::default();
    if let Ok(Value::Object(members)) = serde_json::from_slice(text) {
        for (name, value) in &members {
            elements.note(name, value.as_str().unwrap_or_default());
        }
    }
    elements.answer(readable(text))
}

/// Words. A number is given to an IDoc that was taken, whatever else is said; without one, words that
/// tell of an error are a no, unless they say that there was none.
fn words(text: &[u8]) -> Answer {
    let said = readable(text);
    let runs = said.split(|c: char| !c.is_ascii_digit());
    let numbers: BTreeSet<String> = runs
        .filter(|run| run.len() == 16)
        .take(MOST_NUMBERS)
        .map(ToOwned::to_owned)
        .collect();
    if numbers.is_empty() && tells_an_error(&said) {
        return Answer::NotTaken(said);
    }
    Answer::Taken(Receipt {
        numbers: numbers.into_iter().collect(),
        status: None,
        said,
    })
}

/// Words that begin so tell of something bad.
const BAD: [&str; 7] = [
    "error",
    "exception",
    "fault",
    "fail",
    "reject",
    "fehler",
    "invalid",
];
/// What stands right before such a word where there is none of it.
const NONE_BEFORE: [&str; 6] = ["0", "no", "zero", "without", "ohne", "keine"];
/// Bad as a whole.
const BAD_PHRASES: [&str; 2] = ["short dump", "not authorized"];

/// What may stand between such a word and its number.
const COUNTED: [&str; 3] = ["count", "code", "number"];

fn tells_an_error(said: &str) -> bool {
    let lower = said.to_lowercase();
    let words = Words::of(&lower);
    let is_bad = |at: usize| BAD.iter().any(|bad| words.word(at).starts_with(bad));
    let has_phrase = BAD_PHRASES.iter().any(|phrase| lower.contains(phrase));
    has_phrase || (0..words.places.len()).any(|at| is_bad(at) && !words.is_none_of_it(at))
}

/// A text in words, with what stands between them.
struct Words<'t> {
    text: &'t str,
    places: Vec<(usize, usize)>,
}

impl<'t> Words<'t> {
    fn of(text: &'t str) -> Self {
        let words = text.split(|c: char| !c.is_alphanumeric());
        let place = |word: &str| {
            let start = word.as_ptr().addr() - text.as_ptr().addr();
            (start, start + word.len())
        };
        let places = words.filter(|word| !word.is_empty()).map(place).collect();
        Self { text, places }
    }

    fn word(&self, at: usize) -> &'t str {
        self.places
            .get(at)
            .map_or("", |(start, end)| &self.text[*start..*end])
    }

    /// What stands behind a word, before the next.
    fn gap(&self, at: usize) -> &'t str {
        match (self.places.get(at), self.places.get(at + 1)) {
            (Some((_, end)), Some((start, _))) => &self.text[*end..*start],
            _ => "",
        }
    }

    /// Whether it is said that there is none of it: `no errors`, `errors: 0`, `error count = 0`.
    fn is_none_of_it(&self, at: usize) -> bool {
        let is_counted = self.gap(at).trim().is_empty() && COUNTED.contains(&self.word(at + 1));
        let last = at + usize::from(is_counted);
        let number = self.word(last + 1);
        if self.gap(last).contains([':', '=']) && number.starts_with(|c: char| c.is_ascii_digit()) {
            return number.bytes().all(|byte| byte == b'0');
        }
        let before = at.checked_sub(1);
        before.is_some_and(|before| {
            self.gap(before).trim().is_empty() && NONE_BEFORE.contains(&self.word(before))
        })
    }
}

/// `DOCNUM` has 16 digits; some tell it without the leading zeros.
fn is_number(text: &str) -> bool {
    (1..=16).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_status(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(numbers: &[&str], status: Option<&str>, said: &str) -> Answer {
        Answer::Taken(Receipt {
            numbers: numbers.iter().map(|n| (*n).to_owned()).collect(),
            status: status.map(ToOwned::to_owned),
            said: said.to_owned(),
        })
    }

    #[test]
    fn a_yes_is_empty_or_tells_numbers_or_words() {
        assert_eq!(read("text/xml", b""), taken(&[], None, ""));
        assert_eq!(read("", b" \r\n"), taken(&[], None, ""));
        let status = b"<?xml version=\"1.0\"?><IDOC_STATUS><DOCNUM>0000000000004711</DOCNUM>\
            <STATUS>53</STATUS><STATUS_TEXT>Application document posted</STATUS_TEXT></IDOC_STATUS>";
        let posted = taken(
            &["0000000000004711"],
            Some("53"),
            "Application document posted",
        );
        assert_eq!(read("text/xml", status), posted);
        let json = br#"{"DOCNUM":"0000000000004711","STATUS":"53","STATUS_TEXT":"Application document posted"}"#;
        assert_eq!(read("application/json", json), posted);
        let two = b"<r><x:DOCNUM xmlns:x='u'>2</x:DOCNUM><DOCNUM>1</DOCNUM><DOCNUM>2</DOCNUM></r>";
        assert_eq!(read("text/xml", two), taken(&["1", "2"], None, "2 1 2"));
        let text = "IDoc 0000000000004711 received without errors";
        assert_eq!(
            read("text/plain", text.as_bytes()),
            taken(&["0000000000004711"], None, text)
        );
    }

    #[test]
    fn an_error_is_no_yes_whatever_the_status() {
        for (media_type, body, said) in [
            (
                "text/plain",
                "Error in IDoc XML: tag E1X unknown",
                "tag E1X unknown",
            ),
            (
                "text/xml",
                "<soap:Fault xmlns:soap='s'><faultstring>No port</faultstring></soap:Fault>",
                "No port",
            ),
            (
                "text/xml",
                "<error><message>No partner profile</message></error>",
                "No partner profile",
            ),
            (
                "application/json",
                r#"{"error":{"code":"X","message":"No partner profile"}}"#,
                "No partner profile",
            ),
        ] {
            let Answer::NotTaken(found) = read(media_type, body.as_bytes()) else {
                panic!("{body}")
            };
            assert!(found.contains(said), "{found}");
        }
    }

    #[test]
    fn words_are_weighed_and_a_number_is_a_yes() {
        for (text, is_taken) in [
            ("OK", true),
            ("1 IDoc received, errors: 0", true),
            ("processed=1 errors=0 failed=0", true),
            ("error count = 00", true),
            ("0 errors, 1 message", true),
            ("No errors", true),
            ("Verarbeitet ohne Fehler", true),
            (
                "IDoc 0000000000004711 added; error queue has 3 others",
                true,
            ),
            ("errors: 1", false),
            ("10 errors", false),
            ("error 0815", false),
            ("errors: 0, failed: 1", false),
            ("Failed to create IDoc", false),
            ("Message rejected", false),
            ("You are not authorized", false),
            ("no error in header, Error in segment 3", false),
        ] {
            let answer = read("text/plain", text.as_bytes());
            assert_eq!(matches!(answer, Answer::Taken(_)), is_taken, "{text}");
        }
    }

    #[test]
    fn a_page_is_no_yes() {
        let logon = b"<!DOCTYPE HTML><html><title>Logon</title><input name='sap-password' type=\"password\">";
        let expected = |said: &str, is_logon| Answer::Page {
            said: said.to_owned(),
            is_logon,
        };
        assert_eq!(
            read("text/html; charset=utf-8", logon),
            expected("Logon", true)
        );
        assert_eq!(
            read("", b"<HTML><body>Maintenance"),
            expected("Maintenance", false)
        );
    }

    #[test]
    fn anything_is_survived() {
        for body in [
            "<",
            "<a",
            "<a></b>",
            "{",
            "{]",
            "\u{0}",
            "<a><b>x",
            "<DOCNUM>abc</DOCNUM>",
        ] {
            let _ = read("text/xml", body.as_bytes());
        }
        let deep = "<a>".repeat(20_000);
        assert!(matches!(
            read("text/xml", deep.as_bytes()),
            Answer::Taken(_)
        ));
    }
}
