//! The sink: a message becomes one or several `submit_sm`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use hub_core::{Clock, MessageId, OutgoingMessage, Sent, Sink, SinkError};

use crate::account::no_answer;
use crate::carriers::{Carrier, Carriers};
use crate::config::{LongMessages, NotInGsm7};
use crate::daily::{Allowance, Daily};
use crate::outgoing::{NoSms, Sms, validity_period};
use crate::pdu::{Address, Body, ShortMessage, Tlv, UDH_INDICATOR, status, tag};
use crate::quiet::Quiet;
use crate::session::NoAnswer;
use crate::text::{Alphabet, Segments, gsm7, segments, transliterate};
use crate::verdict::{Verdict, verdict};

/// Pause that we take when the message centre throttles us; it does not say how long it wants.
const THROTTLED_PAUSE: Duration = Duration::from_secs(1);

/// Messages remembered of which only some parts were accepted. Above it one is forgotten, whose
/// parts are then all sent again.
const HALF_SENT: usize = 10_000;

/// Receipts wanted, of success and failure: SMPP 3.4, 5.2.17.
const FINAL_RECEIPT: u8 = 0x01;

/// The configured accounts to send from.
pub(crate) struct SmsSink {
    pub(crate) endpoint: String,
    pub(crate) carriers: Carriers,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) quiet: Option<Quiet>,
    pub(crate) daily: Option<Daily>,
    pub(crate) long_messages: LongMessages,
    pub(crate) not_in_gsm7: NotInGsm7,
    pub(crate) max_segments: u8,
    pub(crate) receipts: bool,
    pub(crate) valid_minutes: Option<u32>,
    /// Ids of the parts that were accepted, of messages that were not accepted wholly.
    pub(crate) half_sent: Mutex<HashMap<MessageId, Vec<String>>>,
}

#[async_trait]
impl Sink for SmsSink {
    async fn send(&self, message: &OutgoingMessage) -> Result<Sent, SinkError> {
        let sms = match Sms::read(&message.content).await {
            Ok(sms) => sms,
            Err(NoSms::Invalid(reason)) => return Err(self.refused(reason)),
            Err(NoSms::Unreadable(reason)) => return Err(self.unavailable(reason, false)),
        };
        let cut = self.cut(&sms.text)?;
        let carrier = self.carriers.carrier(&sms.to);
        let parts = self.parts(message.message_id, &sms, &cut, &carrier.sender);
        let mut ids = self
            .half_sent()
            .remove(&message.message_id)
            .unwrap_or_default();
        let is_own = sms.from.is_some();
        if let Err(error) = self.send_rest(carrier, parts, is_own, &mut ids).await {
            self.remember(message.message_id, ids);
            return Err(error);
        }
        let mut note = note(&ids, cut.alphabet);
        if self.carriers.are_several() {
            note = format!("{note}; {}", carrier.name);
        }
        Ok(Sent::noted(note))
    }
}

/// What an operator sees: the ids that receipts will name.
fn note(ids: &[String], alphabet: Alphabet) -> String {
    let alphabet = match alphabet {
        Alphabet::Gsm7 => "GSM 7-bit",
        Alphabet::Ucs2 => "UCS-2",
    };
    let parts = match ids.len() {
        1 => "1 part".to_owned(),
        n => format!("{n} parts"),
    };
    format!("accepted as {}; {parts}, {alphabet}", ids.join(", "))
}

impl SmsSink {
    /// Submits what was not accepted yet; `ids` are those of what was.
    async fn send_rest(
        &self,
        carrier: &Carrier,
        parts: Vec<ShortMessage>,
        sender_is_the_messages: bool,
        ids: &mut Vec<String>,
    ) -> Result<(), SinkError> {
        // The rest of what has begun to arrive wakes nobody any more.
        if ids.is_empty() {
            self.wait_while_quiet()?;
        }
        let rest = parts.into_iter().skip(ids.len());
        let mut allowance = self.allowance(rest.len())?;
        for part in rest {
            ids.push(self.submit(carrier, part, sender_is_the_messages).await?);
            if let Some(allowance) = &mut allowance {
                allowance.spend();
            }
        }
        Ok(())
    }

    fn cut(&self, text: &str) -> Result<Segments, SinkError> {
        let missing = || text.chars().find(|c| gsm7::septets(*c).is_none());
        let cut = match (self.not_in_gsm7, missing()) {
            (NotInGsm7::Transliterate, Some(_)) => {
                segments(&transliterate(text), self.max_segments)
            }
            (NotInGsm7::Reject, Some(character)) => {
                return Err(self.refused(format!(
                    "`text` holds `{character}`, which GSM 03.38 has not, and `not_in_gsm7` is \
                     \"reject\""
                )));
            }
            _ => segments(text, self.max_segments),
        };
        cut.map_err(|error| self.refused(error.to_string()))
    }

    fn wait_while_quiet(&self) -> Result<(), SinkError> {
        let quiet = self.quiet.as_ref();
        match quiet.and_then(|quiet| quiet.seconds_left(self.clock.now())) {
            Some(seconds) => Err(self.busy(Some(Duration::from_secs(seconds)))),
            None => Ok(()),
        }
    }

    fn allowance(&self, parts: usize) -> Result<Option<Allowance<'_>>, SinkError> {
        let Some(daily) = &self.daily else {
            return Ok(None);
        };
        let parts = u32::try_from(parts).unwrap_or(u32::MAX);
        let taken = daily.take(parts, self.clock.now());
        taken
            .map(Some)
            .map_err(|seconds| self.busy(Some(Duration::from_secs(seconds))))
    }

    /// The units to submit: the same at every attempt, their reference number too.
    fn parts(
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
                match self.long_messages {
                    _ if total == 1 => {}
                    LongMessages::Udh => {
                        part.esm_class |= UDH_INDICATOR;
                        part.short_message =
                            vec![5, 0, 3, reference(id).to_be_bytes()[0], total, number];
                    }
                    LongMessages::Sar => {
                        part.tlvs = vec![
                            Tlv::short(tag::SAR_MSG_REF_NUM, reference(id)),
                            Tlv::octet(tag::SAR_TOTAL_SEGMENTS, total),
                            Tlv::octet(tag::SAR_SEGMENT_SEQNUM, number),
                        ]
                    }
                }
                part.short_message.extend_from_slice(octets);
                part
            })
            .collect()
    }

    async fn submit(
        &self,
        carrier: &Carrier,
        part: ShortMessage,
        sender_is_the_messages: bool,
    ) -> Result<String, SinkError> {
        let session = carrier.account.session().await;
        let session = session.map_err(|reason| self.unavailable(reason, false))?;
        let answer = match session.submit(part).await {
            Ok(answer) => answer,
            Err(NoAnswer::WindowFull) => return Err(self.busy(None)),
            Err(NoAnswer::TooLong(error)) => return Err(self.refused(error.to_string())),
            Err(error) => return Err(self.unavailable(no_answer(&error), false)),
        };
        let shown = || status::describe(answer.status);
        match (verdict(answer.status, sender_is_the_messages), answer.body) {
            (Verdict::Sent, Body::SubmitSmResp { message_id }) => Ok(message_id),
            (Verdict::Busy, _) => Err(self.busy(Some(THROTTLED_PAUSE))),
            (Verdict::Refused, _) => Err(self.refused(shown())),
            (Verdict::Unavailable, _) => Err(self.unavailable(shown(), false)),
            // A generic_nack without an error is no yes either.
            (Verdict::Retry | Verdict::Sent, _) => Err(self.unavailable(shown(), true)),
        }
    }

    fn half_sent(&self) -> MutexGuard<'_, HashMap<MessageId, Vec<String>>> {
        self.half_sent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, id: MessageId, ids: Vec<String>) {
        if ids.is_empty() {
            return;
        }
        let mut half_sent = self.half_sent();
        if half_sent.len() >= HALF_SENT
            && let Some(any) = half_sent.keys().next().copied()
        {
            half_sent.remove(&any);
        }
        half_sent.insert(id, ids);
    }

    fn busy(&self, retry_after: Option<Duration>) -> SinkError {
        SinkError::Busy {
            endpoint: self.endpoint.clone(),
            retry_after,
        }
    }

    fn unavailable(&self, reason: String, answered: bool) -> SinkError {
        SinkError::Unavailable {
            endpoint: self.endpoint.clone(),
            reason,
            retry_after: None,
            answered,
        }
    }

    fn refused(&self, answer: String) -> SinkError {
        SinkError::Refused {
            endpoint: self.endpoint.clone(),
            answer,
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
