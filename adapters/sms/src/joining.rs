//! Parts of long messages wait here for each other.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::pdu::{Address, ShortMessage, UDH_INDICATOR, tag};
use crate::session::{Answer, Inbound};

/// Parts that wait, of all messages together. Above it they are offered one by one at once.
const WAITING_PARTS: usize = 1_000;

/// Where a part belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) reference: u16,
    pub(crate) number: u8,
    pub(crate) of: u8,
}

/// A message to offer: the octets of its parts in order, and the answers it owes.
pub(crate) struct Piece {
    /// The first part's fields, without its octets.
    pub(crate) message: ShortMessage,
    pub(crate) octets: Vec<u8>,
    /// Where it belongs, if it is a part whose others stayed away.
    pub(crate) part: Option<Part>,
    pub(crate) answers: Vec<Answer>,
}

/// What parts must have in common.
type Key = ([u8; 3], String, [u8; 2], String, u16, u8);

struct Waiting {
    key: Key,
    until: Instant,
    parts: BTreeMap<u8, (ShortMessage, Vec<u8>, Vec<Answer>)>,
}

/// The parts that wait.
pub(crate) struct Joining {
    patience: Duration,
    waiting: Vec<Waiting>,
}

impl Joining {
    pub(crate) fn new(patience: Duration) -> Self {
        Self {
            patience,
            waiting: Vec::new(),
        }
    }

    /// Takes what came: a whole message, the last part of one, or nothing yet.
    pub(crate) fn take(&mut self, inbound: Inbound, now: Instant) -> Option<Piece> {
        let (mut message, answer) = inbound.into_parts();
        let (part, octets) = open(&mut message);
        let Some(part) = part else {
            return Some(Piece {
                message,
                octets,
                part: None,
                answers: vec![answer],
            });
        };
        if self.waiting.iter().map(|w| w.parts.len()).sum::<usize>() >= WAITING_PARTS {
            return Some(Piece {
                message,
                octets,
                part: Some(part),
                answers: vec![answer],
            });
        }
        self.add(part, message, octets, answer, now)
    }

    fn add(
        &mut self,
        part: Part,
        message: ShortMessage,
        octets: Vec<u8>,
        answer: Answer,
        now: Instant,
    ) -> Option<Piece> {
        let key = key(&message, part);
        let at = self
            .waiting
            .iter()
            .position(|w| w.key == key)
            .unwrap_or_else(|| {
                self.waiting.push(Waiting {
                    key,
                    until: now + self.patience,
                    parts: BTreeMap::new(),
                });
                self.waiting.len() - 1
            });
        let parts = &mut self.waiting[at].parts;
        match parts.get_mut(&part.number) {
            // The same once more: both are answered together.
            Some((_, _, answers)) => answers.push(answer),
            None => drop(parts.insert(part.number, (message, octets, vec![answer]))),
        }
        let is_whole = parts.len() == usize::from(part.of);
        is_whole.then(|| whole(self.waiting.remove(at).parts))?
    }

    /// When the first parts have waited long enough.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.waiting.iter().map(|w| w.until).min()
    }

    /// Those that have waited long enough, one by one.
    pub(crate) fn expired(&mut self, now: Instant) -> Vec<Piece> {
        let (late, waiting) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|w| w.until <= now);
        self.waiting = waiting;
        let late: Vec<Waiting> = late;
        late.into_iter().flat_map(single).collect()
    }
}

fn single(waiting: Waiting) -> impl Iterator<Item = Piece> {
    let (_, _, _, _, reference, of) = waiting.key;
    let parts = waiting.parts.into_iter();
    parts.map(move |(number, (message, octets, answers))| Piece {
        message,
        octets,
        part: Some(Part {
            reference,
            number,
            of,
        }),
        answers,
    })
}

fn whole(parts: BTreeMap<u8, (ShortMessage, Vec<u8>, Vec<Answer>)>) -> Option<Piece> {
    let mut parts = parts.into_values();
    let (message, octets, answers) = parts.next()?;
    let mut piece = Piece {
        message,
        octets,
        part: None,
        answers,
    };
    for (_, octets, answers) in parts {
        piece.octets.extend(octets);
        piece.answers.extend(answers);
    }
    Some(piece)
}

fn key(message: &ShortMessage, part: Part) -> Key {
    let (from, to): (&Address, &Address) = (&message.source, &message.destination);
    (
        [from.ton, from.npi, message.data_coding],
        from.digits.clone(),
        [to.ton, to.npi],
        to.digits.clone(),
        part.reference,
        part.of,
    )
}

/// The octets of a message without a user data header, and where the message belongs.
fn open(message: &mut ShortMessage) -> (Option<Part>, Vec<u8>) {
    let mut octets = match message.tlv(tag::MESSAGE_PAYLOAD) {
        Some(payload) => payload.value.clone(),
        None => std::mem::take(&mut message.short_message),
    };
    let number = |tag| message.tlv(tag).and_then(|tlv| tlv.number());
    let octet = |tag| number(tag).and_then(|n| u8::try_from(n).ok());
    let by_sar = || {
        Some(Part {
            reference: number(tag::SAR_MSG_REF_NUM)?,
            number: octet(tag::SAR_SEGMENT_SEQNUM)?,
            of: octet(tag::SAR_TOTAL_SEGMENTS)?,
        })
    };
    let mut part = by_sar();
    if message.esm_class & UDH_INDICATOR != 0
        && let Some((header, text)) = split_header(&octets)
    {
        part = part_of_header(header).or(part);
        octets = text.to_vec();
    }
    // A part of nothing, or beyond the end, is a message of its own.
    let part = part.filter(|part| part.of > 1 && (1..=part.of).contains(&part.number));
    (part, octets)
}

/// User data header, without its length, and text.
fn split_header(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = octets.split_first()?;
    rest.split_at_checked(usize::from(*length))
}

/// Concatenation with a reference of 8 or 16 bits: 3GPP TS 23.040, 9.2.3.24.1 and .8.
fn part_of_header(mut header: &[u8]) -> Option<Part> {
    while let [kind, length, rest @ ..] = header {
        let (element, after) = rest.split_at_checked(usize::from(*length))?;
        match (kind, element) {
            (0x00, [reference, of, number]) => {
                return Some(Part {
                    reference: u16::from(*reference),
                    number: *number,
                    of: *of,
                });
            }
            (0x08, [high, low, of, number]) => {
                return Some(Part {
                    reference: u16::from_be_bytes([*high, *low]),
                    number: *number,
                    of: *of,
                });
            }
            _ => header = after,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pdu::Tlv;

    fn opened(esm_class: u8, octets: &[u8], tlvs: Vec<Tlv>) -> (Option<(u16, u8, u8)>, Vec<u8>) {
        let mut message = ShortMessage {
            esm_class,
            short_message: octets.to_vec(),
            tlvs,
            ..ShortMessage::default()
        };
        let (part, octets) = open(&mut message);
        (part.map(|p| (p.reference, p.number, p.of)), octets)
    }

    #[test]
    fn parts_say_where_they_belong_in_three_ways() {
        assert_eq!(
            opened(0x40, &[5, 0, 3, 17, 2, 1, b'a'], vec![]),
            (Some((17, 1, 2)), b"a".to_vec())
        );
        let wide = [6, 8, 4, 1, 2, 3, 3, b'b'];
        assert_eq!(
            opened(0x40, &wide, vec![]),
            (Some((0x0102, 3, 3)), b"b".to_vec())
        );
        // Ports first, then concatenation.
        let ports = [11, 5, 4, 1, 2, 3, 4, 0, 3, 9, 2, 2, b'c'];
        assert_eq!(
            opened(0x40, &ports, vec![]),
            (Some((9, 2, 2)), b"c".to_vec())
        );
        let sar = vec![
            Tlv::short(tag::SAR_MSG_REF_NUM, 300),
            Tlv::octet(tag::SAR_TOTAL_SEGMENTS, 2),
            Tlv::octet(tag::SAR_SEGMENT_SEQNUM, 2),
        ];
        assert_eq!(opened(0, b"d", sar), (Some((300, 2, 2)), b"d".to_vec()));
    }

    #[test]
    fn what_makes_no_sense_is_a_message_of_its_own() {
        for octets in [
            &[5, 0, 3, 17, 1, 1][..],
            &[5, 0, 3, 17, 2, 3],
            &[5, 0, 3, 17, 2, 0],
            &[5, 0, 9, 17, 2, 1],
        ] {
            assert_eq!(opened(0x40, octets, vec![]).0, None, "{octets:?}");
        }
        // A header that is longer than the message is text after all.
        assert_eq!(opened(0x40, b"Hello", vec![]), (None, b"Hello".to_vec()));
        assert_eq!(opened(0x00, &[5, 0, 3, 17, 2, 1], vec![]).0, None);
    }

    #[test]
    fn a_payload_counts_more_than_the_short_message() {
        let payload = Tlv {
            tag: tag::MESSAGE_PAYLOAD,
            value: b"long".to_vec(),
        };
        assert_eq!(opened(0, b"", vec![payload]), (None, b"long".to_vec()));
    }
}
