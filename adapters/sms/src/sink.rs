//! The sink: a message becomes one or several `submit_sm`.

use std::time::Duration;

use async_trait::async_trait;
use hub_core::{MessageId, OutgoingMessage, Sent, Sink, SinkError};
use tracing::warn;

use crate::account::no_answer;
use crate::carriers::{Carrier, Carriers};
use crate::cutting::Cutting;
use crate::memory::{AcceptedPart, Allowance};
use crate::outgoing::{NoSms, Sms};
use crate::pdu::{Body, ShortMessage, status};
use crate::price::Money;
use crate::rules::Rules;
use crate::session::NoAnswer;
use crate::submission::Submissions;
use crate::text::Alphabet;
use crate::verdict::{Verdict, verdict};

/// Pause that we take when the message centre throttles us; it does not say how long it wants.
const THROTTLED_PAUSE: Duration = Duration::from_secs(1);

/// The configured accounts to send from.
pub(crate) struct SmsSink {
    pub(crate) carriers: Carriers,
    pub(crate) cutting: Cutting,
    pub(crate) submissions: Submissions,
    pub(crate) rules: Rules,
}

/// A text on its way, part by part.
struct Sending<'a> {
    id: MessageId,
    sms: &'a Sms,
    carrier: &'a Carrier,
    parts: Vec<ShortMessage>,
    /// Those at the beginning that were accepted.
    accepted: Vec<AcceptedPart>,
}

/// Why a part was not surely accepted.
struct NotAccepted {
    error: SinkError,
    /// The message centre may have it nevertheless.
    or_is_it: bool,
}

#[async_trait]
impl Sink for SmsSink {
    async fn send(&self, message: &OutgoingMessage) -> Result<Sent, SinkError> {
        let endpoint = &self.rules.endpoint;
        let sms = match Sms::read(&message.content).await {
            Ok(sms) => sms,
            Err(NoSms::Invalid(reason)) => return Err(endpoint.refused(reason)),
            Err(NoSms::Unreadable(reason)) => return Err(endpoint.unavailable(reason, false)),
        };
        let cut = self.cutting.cut(&sms.text);
        let (_, cut) = cut.map_err(|reason| endpoint.refused(reason))?;
        let carrier = self.carriers.carrier(&sms.to);
        let parts = self
            .submissions
            .of(message.message_id, &sms, &cut, &carrier.sender);
        let mut sending = Sending {
            id: message.message_id,
            sms: &sms,
            carrier,
            accepted: self
                .accepted_before(message.message_id, parts.len())
                .await?,
            parts,
        };
        self.send_rest(&mut sending).await?;
        let cost = self.rules.price(&sms);
        let count = u32::try_from(cut.parts.len()).unwrap_or(u32::MAX);
        let cost = cost.map(|each| each.times(count));
        let mut note = note(&sending.accepted, cut.alphabet, cost);
        if self.carriers.are_several() {
            note = format!("{note}; {}", carrier.account.account().name());
        }
        let references = sending.accepted.into_iter().map(|part| part.reference);
        Ok(Sent {
            note,
            references: references.collect(),
        })
    }
}

/// What an operator sees: the ids that receipts will name.
fn note(accepted: &[AcceptedPart], alphabet: Alphabet, cost: Option<Money>) -> String {
    let alphabet = match alphabet {
        Alphabet::Gsm7 => "GSM 7-bit",
        Alphabet::Ucs2 => "UCS-2",
    };
    let parts = match accepted.len() {
        1 => "1 part".to_owned(),
        n => format!("{n} parts"),
    };
    let ids: Vec<&str> = accepted.iter().map(|part| part.id.as_str()).collect();
    let cost = cost.map(|cost| format!("; {cost}")).unwrap_or_default();
    format!("accepted as {}; {parts}, {alphabet}{cost}", ids.join(", "))
}

impl SmsSink {
    /// What an earlier attempt got accepted of a text in several parts. That of one part is either
    /// delivered, or not.
    async fn accepted_before(
        &self,
        id: MessageId,
        parts: usize,
    ) -> Result<Vec<AcceptedPart>, SinkError> {
        if parts == 1 {
            return Ok(Vec::new());
        }
        let accepted = self.rules.memory.half_sent.of(id).await;
        accepted.map_err(|error| self.rules.endpoint.no_memory(&error))
    }

    /// Submits what was not accepted yet.
    async fn send_rest(&self, sending: &mut Sending<'_>) -> Result<(), SinkError> {
        let begun = !sending.accepted.is_empty();
        let rest: Vec<_> = sending
            .parts
            .drain(..)
            .skip(sending.accepted.len())
            .collect();
        let mut allowance = self.rules.admit(sending.sms, rest.len(), begun).await?;
        let (counted, last) = (allowance.counted(), rest.len());
        let submitted = self.submit_all(sending, rest, &mut allowance);
        self.rules.while_counted(counted, submitted).await?;
        if last > 1 || begun {
            self.rules.memory.half_sent.forget(sending.id);
        }
        Ok(())
    }

    /// Submits parts one after the other.
    async fn submit_all(
        &self,
        sending: &mut Sending<'_>,
        rest: Vec<ShortMessage>,
        allowance: &mut Allowance,
    ) -> Result<(), SinkError> {
        let last = rest.len();
        for (number, part) in (1..).zip(rest) {
            match self.submit(sending, part).await {
                Ok(part) => sending.accepted.push(part),
                Err(not_accepted) => {
                    if not_accepted.or_is_it {
                        allowance.spend();
                    }
                    return Err(not_accepted.error);
                }
            }
            allowance.spend();
            self.rules.count(sending.sms, 1);
            // The last is remembered with the delivery itself.
            if number < last {
                self.remember(sending).await;
            }
        }
        Ok(())
    }

    /// On disk before the next part goes: a restart in between goes on with the rest.
    async fn remember(&self, sending: &Sending<'_>) {
        let half_sent = &self.rules.memory.half_sent;
        if let Err(problem) = half_sent.remember(sending.id, &sending.accepted).await {
            let endpoint = &self.rules.endpoint.0;
            warn!(%endpoint, %problem, "after a crash now, a telephone would get a part twice");
        }
    }

    async fn submit(
        &self,
        sending: &Sending<'_>,
        part: ShortMessage,
    ) -> Result<AcceptedPart, NotAccepted> {
        let endpoint = &self.rules.endpoint;
        let surely_not = |error| NotAccepted {
            error,
            or_is_it: false,
        };
        let account = &sending.carrier.account;
        let session = account.session().await;
        let session = session.map_err(|reason| surely_not(endpoint.unavailable(reason, false)))?;
        let answer = match session.submit(part).await {
            Ok(answer) => answer,
            Err(NoAnswer::WindowFull) => return Err(surely_not(endpoint.busy(None))),
            Err(NoAnswer::TooLong(error)) => {
                return Err(surely_not(endpoint.refused(error.to_string())));
            }
            Err(error) => {
                return Err(NotAccepted {
                    error: endpoint.unavailable(no_answer(&error), false),
                    or_is_it: true,
                });
            }
        };
        let shown = || status::describe(answer.status);
        let sender_is_the_messages = sending.sms.from.is_some();
        let error = match (verdict(answer.status, sender_is_the_messages), answer.body) {
            (Verdict::Sent, Body::SubmitSmResp { message_id: id }) => {
                let reference = account.account().reference_of_answer(&id);
                return Ok(AcceptedPart { id, reference });
            }
            (Verdict::Busy, _) => endpoint.busy(Some(THROTTLED_PAUSE)),
            (Verdict::Refused, _) => endpoint.refused(shown()),
            (Verdict::Unavailable, _) => endpoint.unavailable(shown(), false),
            // A generic_nack without an error is no yes either.
            (Verdict::Retry | Verdict::Sent, _) => endpoint.unavailable(shown(), true),
        };
        Err(surely_not(error))
    }
}
