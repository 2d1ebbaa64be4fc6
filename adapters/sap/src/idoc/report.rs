//! What a partner tells of IDocs that it was sent: the message types `ALEAUD` (audit confirmations of
//! ALE) and `STATUS` (status records), in XML.
//!
//! Read in SAP's documentation of `ALEAUD01`: `E1STATE` holds the number of the IDoc in the sending
//! system, its status in the receiving one and the fields of a message; `E1PRTOB` below it the number in the
//! receiving system. An IDoc confirms at most 500. `STATUS` (`SYSTAT01`) has the same fields in
//! `E1STATS`. Flat ones are not read.

use std::collections::HashMap;

use hub_core::{DeliveryReport, Reported};
use quick_xml::Reader;
use quick_xml::events::Event;

use super::reference::{is_number, ours, theirs};
use crate::readable::one_line;

/// Most of a message that is read: 500 confirmations have about half of it.
pub(crate) const LARGEST: usize = 1 << 20;

/// Longest value of a field, in bytes.
const LONGEST_VALUE: usize = 400;

/// Whether what begins so may tell of statuses.
pub(crate) fn may_tell(head: &[u8]) -> bool {
    let holds = |text: &[u8]| head.windows(text.len()).any(|part| part == text);
    holds(b"<MESTYP>ALEAUD<") || holds(b"<MESTYP>STATUS<")
}

/// What a message tells, by the names that deliveries have; of each the last. Nothing if it is not
/// well-formed.
pub(crate) fn reports(text: &[u8]) -> Vec<DeliveryReport> {
    let mut reader = Reader::from_reader(text);
    let mut found = Found::default();
    let mut path: Vec<String> = Vec::new();
    let mut value = String::new();
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        match reader.read_event_into(&mut buffer) {
            Ok(Event::Start(tag)) => {
                value.clear();
                path.push(tag.local_name().as_ref().to_owned());
                found.begin(&path);
            }
            Ok(Event::Text(piece)) if value.len() < LONGEST_VALUE => {
                value.push_str(piece.as_ref());
            }
            Ok(Event::GeneralRef(entity)) if value.len() < LONGEST_VALUE => {
                let text = quick_xml::escape::resolve_predefined_entity(&entity);
                value.push_str(text.unwrap_or("?"));
            }
            Ok(Event::End(_)) => {
                found.end(&path, value.trim());
                value.clear();
                path.pop();
            }
            Ok(Event::Eof) => return found.reports,
            Err(_) => return Vec::new(),
            Ok(_) => {}
        }
    }
}

#[derive(Default)]
struct Found {
    /// Of the IDoc that is being read.
    message_type: String,
    sender: String,
    state: State,
    reports: Vec<DeliveryReport>,
    /// Where the report of a name is.
    positions: HashMap<String, usize>,
}

/// A status record.
#[derive(Default)]
struct State {
    number: String,
    status: String,
    text: String,
    parameters: [String; 4],
    /// The number in the receiving system.
    received: String,
}

impl Found {
    fn begin(&mut self, path: &[String]) {
        match path.last().map(String::as_str) {
            Some("EDI_DC40") => (self.message_type, self.sender) = Default::default(),
            Some("E1STATE" | "E1STATS") => self.state = State::default(),
            _ => {}
        }
    }

    fn end(&mut self, path: &[String], value: &str) {
        let mut names = path.iter().rev().map(String::as_str);
        let (name, above) = (names.next().unwrap_or_default(), names.next());
        let field = match (above, name) {
            (_, "E1STATE" | "E1STATS") => return self.tell(),
            (Some("EDI_DC40"), "MESTYP") => &mut self.message_type,
            (Some("EDI_DC40"), "SNDPRN") => &mut self.sender,
            (Some("E1STATE" | "E1STATS"), name) => match self.state.field(name) {
                Some(field) => field,
                None => return,
            },
            (Some("E1PRTOB"), "DOCNUM") => &mut self.state.received,
            _ => return,
        };
        value.clone_into(field);
    }

    fn tell(&mut self) {
        let state = std::mem::take(&mut self.state);
        if !matches!(self.message_type.as_str(), "ALEAUD" | "STATUS") || !is_status(&state.status) {
            return;
        }
        let note = one_line(&format!("status {} {}", state.status, state.said()));
        let named = [
            (&state.number, ours as fn(&str, &str) -> String),
            (&state.received, theirs),
        ];
        for (number, name) in named {
            if is_number(number) {
                let report = DeliveryReport {
                    reference: name(&self.sender, number),
                    outcome: outcome(&state.status),
                    note: note.trim_end().to_owned(),
                };
                self.keep(report);
            }
        }
    }

    fn keep(&mut self, report: DeliveryReport) {
        let next = self.reports.len();
        match *self
            .positions
            .entry(report.reference.clone())
            .or_insert(next)
        {
            known if known < next => self.reports[known] = report,
            _ => self.reports.push(report),
        }
    }
}

impl State {
    fn field(&mut self, name: &str) -> Option<&mut String> {
        let [first, second, third, fourth] = &mut self.parameters;
        Some(match name {
            "DOCNUM" => &mut self.number,
            "STATUS" => &mut self.status,
            "STATXT" => &mut self.text,
            "STAPA1_LNG" | "STAPA1" if first.is_empty() => first,
            "STAPA2_LNG" | "STAPA2" if second.is_empty() => second,
            "STAPA3_LNG" | "STAPA3" if third.is_empty() => third,
            "STAPA4_LNG" | "STAPA4" if fourth.is_empty() => fourth,
            _ => return None,
        })
    }

    /// The text with its parameters, which stand at `&`, `&1` and so on.
    fn said(&self) -> String {
        let mut said = String::new();
        let mut used = [false; 4];
        let mut pieces = self.text.split('&');
        said.push_str(pieces.next().unwrap_or_default());
        for (position, piece) in pieces.enumerate() {
            let number = piece.chars().next().and_then(|c| c.to_digit(10));
            let (at, rest) = match number.and_then(|number| usize::try_from(number).ok()) {
                Some(number @ 1..=4) => (number - 1, &piece[1..]),
                _ => (position, piece),
            };
            if let Some(parameter) = self.parameters.get(at) {
                said.push_str(parameter);
                used[at] = true;
            }
            said.push_str(rest);
        }
        for (parameter, is_used) in self.parameters.iter().zip(used) {
            if !is_used && !parameter.is_empty() {
                said.push(' ');
                said.push_str(parameter);
            }
        }
        said
    }
}

fn is_status(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// What a status means for who sent the IDoc. From 50 on they are those of the receiving system, below
/// those of a subsystem on the way there.
///
/// | status | outcome |
/// | --- | --- |
/// | 53 posted; 41 application document created; 14, 16 acknowledged | arrived |
/// | 51 not posted, 56, 60, 61, 63, 65 errors, 68 nothing follows; 40; 02, 04, 05, 07, 09, 11, 15, 17, 20, 23, 26, 27, 29, 31, 34, 37 | failed |
/// | any other: 50 added, 62, 64 ready, 12 dispatched, 39 in the target system ... | under way |
fn outcome(status: &str) -> Reported {
    match status {
        "53" | "41" | "14" | "16" => Reported::Arrived,
        "51" | "56" | "60" | "61" | "63" | "65" | "68" | "40" | "02" | "04" | "05" | "07"
        | "09" | "11" | "15" | "17" | "20" | "23" | "26" | "27" | "29" | "31" | "34" | "37" => {
            Reported::Failed
        }
        _ => Reported::UnderWay,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idoc(message_type: &str, states: &str) -> String {
        format!(
            "<IDOC BEGIN=\"1\"><EDI_DC40 SEGMENT=\"1\"><DOCNUM>77</DOCNUM><MESTYP>{message_type}</MESTYP>\
             <SNDPRN>S4DCLNT100</SNDPRN></EDI_DC40><E1ADHDR SEGMENT=\"1\"><MESTYP>ORDERS</MESTYP>{states}\
             </E1ADHDR></IDOC>"
        )
    }

    fn state(number: &str, status: &str, more: &str) -> String {
        format!(
            "<E1STATE SEGMENT=\"1\"><DOCNUM>{number}</DOCNUM><STATUS>{status}</STATUS>{more}</E1STATE>"
        )
    }

    fn told(text: &str) -> Vec<(String, Reported, String)> {
        let told = reports(text.as_bytes()).into_iter();
        told.map(|r| (r.reference, r.outcome, r.note)).collect()
    }

    #[test]
    fn each_confirmation_is_a_report_by_both_numbers() {
        let posted = state(
            "0000000000004711",
            "53",
            "<STATXT>Order &amp; was &amp;2</STATXT><STAPA1_LNG>4711</STAPA1_LNG><STAPA1>47</STAPA1>\
             <STAPA2_LNG>saved</STAPA2_LNG><E1PRTOB SEGMENT=\"1\"><DOCNUM>0000000000000815</DOCNUM>\
             <OBJTYPE>BUS2032</OBJTYPE></E1PRTOB>",
        );
        let locked = state("4712", "51", "<STATXT>Order is locked</STATXT>");
        let text = format!(
            "<ALEAUD01>{}</ALEAUD01>",
            idoc("ALEAUD", &(posted + &locked))
        );
        assert!(may_tell(text.as_bytes()));
        let note = "status 53 Order 4711 was saved".to_owned();
        let expected = [
            (ours("S4DCLNT100", "4711"), Reported::Arrived, note.clone()),
            (theirs("S4DCLNT100", "815"), Reported::Arrived, note),
            (
                ours("S4DCLNT100", "4712"),
                Reported::Failed,
                "status 51 Order is locked".to_owned(),
            ),
        ];
        assert_eq!(told(&text), expected);
    }

    #[test]
    fn of_one_idoc_the_last_status_counts() {
        let states = ["03", "12", "16"]
            .map(|status| state("9", status, ""))
            .concat();
        let states = states.replace("E1STATE", "E1STATS");
        let text = idoc("STATUS", &states);
        let expected = (
            ours("S4DCLNT100", "9"),
            Reported::Arrived,
            "status 16".to_owned(),
        );
        assert_eq!(told(&text), [expected]);
    }

    #[test]
    fn what_tells_nothing_is_none() {
        for text in [
            idoc("ORDERS", &state("1", "53", "")),
            idoc("ALEAUD", &state("0000000000000000", "53", "")),
            idoc("ALEAUD", &state("1", "", "")),
            idoc("ALEAUD", &state("1", "5x", "")),
            idoc("ALEAUD", ""),
            idoc("ALEAUD", &state("1", "53", "")).replace("</IDOC>", "</IDOX>"),
            "<".to_owned(),
            String::new(),
        ] {
            assert_eq!(told(&text), [], "{text}");
        }
    }

    #[test]
    fn a_status_without_a_final_word_is_under_way() {
        for (status, expected) in [
            ("50", Reported::UnderWay),
            ("64", Reported::UnderWay),
            ("12", Reported::UnderWay),
            ("39", Reported::UnderWay),
            ("99", Reported::UnderWay),
            ("41", Reported::Arrived),
            ("40", Reported::Failed),
            ("68", Reported::Failed),
        ] {
            assert_eq!(outcome(status), expected, "{status}");
        }
    }
}
