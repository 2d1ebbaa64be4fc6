//! Delivery receipts: SMPP 3.4, appendix B (a text, which no two message centres write alike) and
//! 5.3.2.12, 5.3.2.35 (optional parameters, which count more).

use hub_core::{DeliveryReport, Reported};
use serde::Serialize;

use crate::pdu::{ShortMessage, tag};
use crate::text::{Text, text_of};

/// Bits of `esm_class` that tell the type of a message: SMPP 3.4, 5.2.12.
const TYPE: u8 = 0b0011_1100;
const DELIVERY_RECEIPT: u8 = 0b0000_0100;
const INTERMEDIATE: u8 = 0b0010_0000;

/// Longest value that is taken from a receipt's text.
const LONGEST_VALUE: usize = 100;

/// What a receipt says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub(crate) struct Receipt {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) state: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    network_error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    submitted: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    done: Option<String>,
}

/// Whether a message is a receipt.
pub(crate) fn is_receipt(message: &ShortMessage) -> bool {
    matches!(message.esm_class & TYPE, DELIVERY_RECEIPT | INTERMEDIATE)
}

impl Receipt {
    /// Reads what a receipt says, as far as it says anything.
    pub(crate) fn of(message: &ShortMessage) -> Self {
        let payload = message.tlv(tag::MESSAGE_PAYLOAD);
        let octets = payload.map_or(&message.short_message, |tlv| &tlv.value);
        let text = match text_of(message.data_coding, octets) {
            Text::Text(text) => text,
            // Some say "binary" of their plain text.
            Text::Binary(octets) => octets.into_iter().map(char::from).collect(),
        };
        let mut receipt = Self::of_text(&text);
        if let Some(id) = message.tlv(tag::RECEIPTED_MESSAGE_ID).map(|tlv| tlv.text())
            && !id.is_empty()
        {
            receipt.message_id = Some(id);
        }
        let state = message.tlv(tag::MESSAGE_STATE).and_then(|tlv| tlv.number());
        receipt.state = state.and_then(state_of_number).or(receipt.state);
        receipt.network_error = message.tlv(tag::NETWORK_ERROR_CODE).and_then(|tlv| {
            let [network, high, low] = tlv.value.as_slice() else {
                return None;
            };
            Some(format!("{network}:{}", u16::from_be_bytes([*high, *low])))
        });
        receipt
    }

    /// What a gateway says.
    pub(crate) fn told(id: String, state: &'static str, error: Option<String>) -> Self {
        Self {
            message_id: Some(id),
            state: Some(state),
            error: error.filter(|error| !error.is_empty()),
            ..Self::default()
        }
    }

    /// What it says of the part with this name.
    pub(crate) fn report(&self, reference: String) -> DeliveryReport {
        let outcome = match self.state.unwrap_or_default() {
            "delivered" => Reported::Arrived,
            "expired" | "undeliverable" | "rejected" | "deleted" | "skipped" => Reported::Failed,
            // Nobody knows, so nothing is over.
            _ => Reported::UnderWay,
        };
        let mut note = self.state.unwrap_or("in no state that is known").to_owned();
        for (what, error) in [
            ("error", &self.error),
            ("network error", &self.network_error),
        ] {
            let error = error
                .as_deref()
                .filter(|error| error.bytes().any(|b| b != b'0'));
            if let Some(error) = error {
                note = format!("{note}, {what} {error}");
            }
        }
        DeliveryReport {
            reference,
            outcome,
            note,
        }
    }

    fn of_text(text: &str) -> Self {
        let field = |name| field(text, name);
        Self {
            message_id: field("id:"),
            state: field("stat:").and_then(|word| state_of_word(&word)),
            error: field("err:"),
            network_error: None,
            submitted: field("submit date:"),
            done: field("done date:"),
        }
    }
}

/// The value behind a name, which stands at the beginning of a word.
fn field(text: &str, name: &str) -> Option<String> {
    // What follows is the beginning of the message itself, which may hold anything.
    let lower = text.to_ascii_lowercase();
    let end = lower.find(" text:").unwrap_or(text.len());
    let found = lower[..end].match_indices(name).find(|(at, _)| {
        let before = text[..*at].chars().next_back();
        // `id:` is not the end of `smsid:`.
        before.is_none_or(|c| c == ' ')
    });
    let value = &text[found?.0 + name.len()..end];
    let value = value.split(' ').next().unwrap_or_default();
    (!value.is_empty()).then(|| value.chars().take(LONGEST_VALUE).collect())
}

fn state_of_number(number: u16) -> Option<&'static str> {
    const STATES: [&str; 10] = [
        "scheduled",
        "enroute",
        "delivered",
        "expired",
        "deleted",
        "undeliverable",
        "accepted",
        "unknown",
        "rejected",
        "skipped",
    ];
    STATES.get(usize::from(number)).copied()
}

/// The words are seven characters long, or spelled out.
pub(crate) fn state_of_word(word: &str) -> Option<&'static str> {
    let word = word.to_ascii_uppercase();
    let state = [
        ("DELIV", "delivered"),
        ("EXPIR", "expired"),
        ("DELET", "deleted"),
        ("UNDEL", "undeliverable"),
        ("ACCEP", "accepted"),
        ("UNKN", "unknown"),
        ("REJEC", "rejected"),
        ("ENROU", "enroute"),
        ("SCHED", "scheduled"),
        ("SKIP", "skipped"),
    ];
    state
        .iter()
        .find(|(start, _)| word.starts_with(start))
        .map(|(_, state)| *state)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pdu::Tlv;

    fn receipt(text: &str, tlvs: Vec<Tlv>) -> Receipt {
        let message = ShortMessage {
            esm_class: DELIVERY_RECEIPT,
            short_message: text.as_bytes().to_vec(),
            tlvs,
            ..ShortMessage::default()
        };
        assert!(is_receipt(&message));
        Receipt::of(&message)
    }

    #[test]
    fn the_text_of_appendix_b_is_read() {
        let text = "id:m17 sub:001 dlvrd:001 submit date:2603290015 done date:2603290016 \
                    stat:DELIVRD err:000 text:id:fake stat:REJECTD";
        assert_eq!(
            receipt(text, vec![]),
            Receipt {
                message_id: Some("m17".into()),
                state: Some("delivered"),
                error: Some("000".into()),
                network_error: None,
                submitted: Some("2603290015".into()),
                done: Some("2603290016".into()),
            }
        );
    }

    #[test]
    fn sloppy_texts_are_read() {
        for (text, id, state) in [
            (
                "Id:9A-7 Stat:UNDELIV Err:011",
                Some("9A-7"),
                Some("undeliverable"),
            ),
            ("stat:EXPIRED id:7 Text:", Some("7"), Some("expired")),
            ("smsid:1 stat:ENROUTE", None, Some("enroute")),
            ("id: stat:WHAT", None, None),
            ("", None, None),
            ("İd:1 id:2", Some("2"), None),
        ] {
            let read = receipt(text, vec![]);
            assert_eq!(
                (read.message_id.as_deref(), read.state),
                (id, state),
                "{text}"
            );
        }
    }

    #[test]
    fn parameters_count_more_than_text() {
        let id = |value: &[u8]| Tlv {
            tag: tag::RECEIPTED_MESSAGE_ID,
            value: value.to_vec(),
        };
        let state = Tlv::octet(tag::MESSAGE_STATE, 8);
        let network = Tlv {
            tag: tag::NETWORK_ERROR_CODE,
            value: vec![3, 0, 27],
        };
        for value in [&b"m18\0"[..], b"m18"] {
            let tlvs = vec![id(value), state.clone(), network.clone()];
            let read = receipt("id:m17 stat:DELIVRD", tlvs);
            assert_eq!(read.message_id.as_deref(), Some("m18"));
            assert_eq!(read.state, Some("rejected"));
            assert_eq!(read.network_error.as_deref(), Some("3:27"));
        }
        let odd = receipt(
            "id:m17 stat:DELIVRD",
            vec![id(b"\0"), Tlv::octet(tag::MESSAGE_STATE, 77)],
        );
        assert_eq!(
            (odd.message_id.as_deref(), odd.state),
            (Some("m17"), Some("delivered"))
        );
    }

    #[test]
    fn a_receipt_says_what_became_of_a_part() {
        use Reported::{Arrived, Failed, UnderWay};
        for (text, outcome, note) in [
            ("id:1 stat:DELIVRD err:000", Arrived, "delivered"),
            (
                "id:1 stat:UNDELIV err:011",
                Failed,
                "undeliverable, error 011",
            ),
            ("id:1 stat:EXPIRED", Failed, "expired"),
            ("id:1 stat:REJECTD", Failed, "rejected"),
            ("id:1 stat:DELETED", Failed, "deleted"),
            ("id:1 stat:ENROUTE", UnderWay, "enroute"),
            ("id:1 stat:ACCEPTD", UnderWay, "accepted"),
            ("id:1 stat:SCHEDULED", UnderWay, "scheduled"),
            ("id:1 stat:UNKNOWN", UnderWay, "unknown"),
            ("id:1", UnderWay, "in no state that is known"),
        ] {
            let report = receipt(text, vec![]).report("x".to_owned());
            assert_eq!(
                (report.outcome, report.note.as_str()),
                (outcome, note),
                "{text}"
            );
        }
    }

    #[test]
    fn a_message_of_a_telephone_is_no_receipt() {
        for esm_class in [0x00, 0x40, 0x03, 0x08, 0x10] {
            assert!(!is_receipt(&ShortMessage {
                esm_class,
                ..ShortMessage::default()
            }));
        }
        assert!(is_receipt(&ShortMessage {
            esm_class: 0x20,
            ..ShortMessage::default()
        }));
    }
}
