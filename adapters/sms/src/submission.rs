//! The `submit_sm` of each part of a text.

use hub_core::MessageId;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::outgoing::{Sms, validity_period};
use crate::pdu::{Address, ShortMessage, Tlv, UDH_INDICATOR, tag};
use crate::text::Segments;

/// Receipts wanted, of success and failure: SMPP 3.4, 5.2.17.
const FINAL_RECEIPT: u8 = 0x01;

/// How the parts of a long text say that they belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LongMessages {
    /// A user data header at the beginning of each part.
    #[default]
    Udh,
    /// The optional parameters `sar_msg_ref_num`, `sar_total_segments` and `sar_segment_seqnum`.
    Sar,
}

/// What all submissions of a sink have in common.
pub(crate) struct Submissions {
    pub(crate) long_messages: LongMessages,
    pub(crate) receipts: bool,
    pub(crate) valid_minutes: Option<u32>,
}

impl Submissions {
    /// The units to submit: the same at every attempt, their reference number too.
    pub(crate) fn of(
        &self,
        id: MessageId,
        sms: &Sms,
        cut: &Segments,
        sender: &Address,
    ) -> Vec<ShortMessage> {
        let minutes = sms.valid_minutes.or(self.valid_minutes);
        let whole = ShortMessage {
            source: sms.from.clone().unwrap_or_else(|| sender.clone()),
            destination: sms.to.clone(),
            validity: minutes.map(validity_period).unwrap_or_default(),
            registered_delivery: if self.receipts { FINAL_RECEIPT } else { 0 },
            data_coding: cut.alphabet.data_coding(),
            ..ShortMessage::default()
        };
        // At most 255, by `max_segments`.
        let total = u8::try_from(cut.parts.len()).unwrap_or(u8::MAX);
        let parts = (1..=total).zip(&cut.parts);
        parts
            .map(|(number, octets)| {
                let mut part = whole.clone();
                if total > 1 {
                    self.mark(&mut part, reference(id), total, number);
                }
                part.short_message.extend_from_slice(octets);
                part
            })
            .collect()
    }

    /// Says where a part belongs.
    fn mark(&self, part: &mut ShortMessage, reference: u16, total: u8, number: u8) {
        match self.long_messages {
            LongMessages::Udh => {
                let [high, _] = reference.to_be_bytes();
                part.esm_class |= UDH_INDICATOR;
                part.short_message = vec![5, 0, 3, high, total, number];
            }
            LongMessages::Sar => {
                part.tlvs = vec![
                    Tlv::short(tag::SAR_MSG_REF_NUM, reference),
                    Tlv::octet(tag::SAR_TOTAL_SEGMENTS, total),
                    Tlv::octet(tag::SAR_SEGMENT_SEQNUM, number),
                ];
            }
        }
    }
}

/// A number that tells a telephone which parts belong together: of the id, spread so that ids made
/// one after the other differ in their first octet.
fn reference(id: MessageId) -> u16 {
    let spread = id.0.cast_unsigned().wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let [high, low, ..] = spread.to_be_bytes();
    u16::from_be_bytes([high, low])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_differ_from_message_to_message() {
        let first = |id: i64| reference(MessageId(id)).to_be_bytes()[0];
        let distinct: std::collections::HashSet<u8> = (0..64).map(|n| first(n << 22)).collect();
        assert!(distinct.len() > 40, "{}", distinct.len());
        assert_eq!(reference(MessageId(4_711)), reference(MessageId(4_711)));
    }
}
