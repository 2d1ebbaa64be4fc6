//! What came, as the JSON body that routes decode.

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::address::display;
use crate::joining::Piece;
use crate::receipt::{Receipt, is_receipt};
use crate::text::{Text, text_of};

/// Octets of the digest that are part of an identity: enough that two never meet.
const DIGEST_OCTETS: usize = 12;

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Wire {
    Message {
        from: String,
        #[serde(skip_serializing_if = "String::is_empty")]
        to: String,
        #[serde(flatten)]
        content: Content,
        #[serde(skip_serializing_if = "Option::is_none")]
        part: Option<PartOf>,
    },
    Receipt {
        #[serde(flatten)]
        receipt: Receipt,
        #[serde(skip_serializing_if = "String::is_empty")]
        from: String,
        #[serde(skip_serializing_if = "String::is_empty")]
        to: String,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Content {
    Text(String),
    Data(String),
}

#[derive(Serialize)]
struct PartOf {
    reference: u16,
    number: u8,
    of: u8,
}

/// What came, ready to be offered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Incoming {
    pub(crate) name: String,
    pub(crate) identity: Identity,
    pub(crate) body: Vec<u8>,
    pub(crate) tells: Tells,
}

/// What it tells the hub itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tells {
    /// Nothing: octets, or a piece of a text.
    Nothing,
    /// What somebody wrote.
    Text {
        from: String,
        to: String,
        text: String,
    },
    /// What became of a part.
    Receipt(Receipt),
}

/// How it is recognised if it comes again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Identity {
    /// By what it says.
    Key(String),
    /// By what it says, if it was not surely answered: see `unsettled`.
    Fingerprint(String),
}

impl Incoming {
    pub(crate) fn of(piece: &Piece) -> Self {
        let message = &piece.message;
        let (from, to) = (display(&message.source), display(&message.destination));
        if is_receipt(message) {
            let mut whole = message.clone();
            whole.short_message.clone_from(&piece.octets);
            return Self::receipt(Receipt::of(&whole), from, to);
        }
        let content = match text_of(message.data_coding, &piece.octets) {
            Text::Text(text) => Content::Text(text),
            Text::Binary(octets) => Content::Data(hex(&octets)),
        };
        let tells = match &content {
            Content::Text(text) if piece.part.is_none() => Tells::Text {
                from: from.clone(),
                to: to.clone(),
                text: text.clone(),
            },
            _ => Tells::Nothing,
        };
        let part = piece.part.map(|part| PartOf {
            reference: part.reference,
            number: part.number,
            of: part.of,
        });
        let body = json(&Wire::Message {
            from,
            to,
            content,
            part,
        });
        Self {
            name: "message".to_owned(),
            identity: Identity::Fingerprint(format!("message-{}", digest(&body))),
            body,
            tells,
        }
    }

    /// What somebody wrote, with the id that its carrier gave it, if any.
    pub(crate) fn text(from: String, to: String, text: String, id: Option<&str>) -> Self {
        let body = json(&Wire::Message {
            from: from.clone(),
            to: to.clone(),
            content: Content::Text(text.clone()),
            part: None,
        });
        let identity = match id {
            Some(id) => Identity::Key(format!("message-{id}")),
            None => Identity::Fingerprint(format!("message-{}", digest(&body))),
        };
        Self {
            name: "message".to_owned(),
            identity,
            body,
            tells: Tells::Text { from, to, text },
        }
    }

    /// What became of a text or a part of one.
    pub(crate) fn receipt(receipt: Receipt, from: String, to: String) -> Self {
        let id = receipt.message_id.clone().unwrap_or_default();
        let state = receipt.state.unwrap_or("unknown");
        let tells = Tells::Receipt(receipt.clone());
        let body = json(&Wire::Receipt { receipt, from, to });
        // The digest too: a later receipt of the same state may tell another time.
        let key = format!("receipt-{id}-{state}-{}", digest(&body));
        Self {
            name: format!("receipt {id}").trim_end().to_owned(),
            identity: Identity::Key(key),
            body,
            tells,
        }
    }
}

/// Texts and numbers are always JSON.
fn json(wire: &Wire) -> Vec<u8> {
    serde_json::to_vec(wire).unwrap_or_default()
}

fn digest(body: &[u8]) -> String {
    hex(&Sha256::digest(body)[..DIGEST_OCTETS])
}

fn hex(octets: &[u8]) -> String {
    use std::fmt::Write;
    octets.iter().fold(String::new(), |mut text, octet| {
        // Writing to a string does not fail.
        let _ = write!(text, "{octet:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::joining::Part;
    use crate::pdu::{Address, ShortMessage};

    fn piece(esm_class: u8, data_coding: u8, octets: &[u8]) -> Piece {
        Piece {
            message: ShortMessage {
                source: Address {
                    ton: 1,
                    npi: 1,
                    digits: "37255500001".into(),
                },
                destination: Address {
                    ton: 0,
                    npi: 1,
                    digits: "12345".into(),
                },
                esm_class,
                data_coding,
                ..ShortMessage::default()
            },
            octets: octets.to_vec(),
            part: None,
            answers: Vec::new(),
        }
    }

    fn body(piece: &Piece) -> String {
        String::from_utf8(Incoming::of(piece).body).unwrap()
    }

    #[test]
    fn a_text_is_told_as_documented() {
        assert_eq!(
            body(&piece(0, 0, b"yes")),
            r#"{"type":"message","from":"+37255500001","to":"12345","text":"yes"}"#
        );
        let mut part = piece(0, 4, &[0xAB, 1]);
        part.part = Some(Part {
            reference: 17,
            number: 1,
            of: 3,
        });
        assert_eq!(
            body(&part),
            r#"{"type":"message","from":"+37255500001","to":"12345","data":"ab01","part":{"reference":17,"number":1,"of":3}}"#
        );
    }

    #[test]
    fn a_receipt_is_told_as_documented() {
        let came = piece(
            4,
            0,
            b"id:m17 submit date:2603290015 done date:2603290016 stat:DELIVRD err:000 text:",
        );
        assert_eq!(
            body(&came),
            r#"{"type":"receipt","message_id":"m17","state":"delivered","error":"000","submitted":"2603290015","done":"2603290016","from":"+37255500001","to":"12345"}"#
        );
        let incoming = Incoming::of(&came);
        assert_eq!(incoming.name, "receipt m17");
        assert_eq!(incoming, Incoming::of(&came), "the same again");
        assert!(
            matches!(incoming.identity, Identity::Key(key) if key.starts_with("receipt-m17-delivered-"))
        );
    }
}
