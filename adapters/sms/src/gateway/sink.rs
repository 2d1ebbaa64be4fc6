//! The sink: a message becomes one request.

use std::collections::BTreeMap;

use async_trait::async_trait;
use hub_core::{OutgoingMessage, Sent, Sink, SinkError};
use hub_web::{Answer, WebClient};

use super::answer::{Ids, Means, Rule, meaning};
use super::reference;
use super::request::Request;
use super::words::Words;
use crate::cutting::Cutting;
use crate::memory::Allowance;
use crate::outgoing::{NoSms, Sms};
use crate::pdu::Address;
use crate::rules::Rules;

/// Most of an answer that is read.
const LARGEST_ANSWER: usize = 64 * 1024;

/// A configured gateway.
pub(crate) struct GatewaySink {
    pub(crate) gateway: String,
    pub(crate) client: WebClient,
    pub(crate) request: Request,
    pub(crate) secrets: BTreeMap<String, String>,
    pub(crate) sender: Address,
    pub(crate) valid_minutes: Option<u32>,
    pub(crate) answers: Vec<Rule>,
    pub(crate) ids: Ids,
    pub(crate) cutting: Cutting,
    pub(crate) rules: Rules,
}

#[async_trait]
impl Sink for GatewaySink {
    async fn send(&self, message: &OutgoingMessage) -> Result<Sent, SinkError> {
        let endpoint = &self.rules.endpoint;
        let sms = match Sms::read(&message.content).await {
            Ok(sms) => sms,
            Err(NoSms::Invalid(reason)) => return Err(endpoint.refused(reason)),
            Err(NoSms::Unreadable(reason)) => return Err(endpoint.unavailable(reason, false)),
        };
        let cut = self.cutting.cut(&sms.text);
        let (text, cut) = cut.map_err(|reason| endpoint.refused(reason))?;
        let words = Words::new(&sms, (&text, &cut), &self.sender, self.valid_minutes);
        let values = words.and(message, &self.secrets);
        let filled = self.request.fill(&values);
        let filled = filled.map_err(|reason| endpoint.refused(format!("the text {reason}")))?;
        let parts = cut.parts.len();
        let mut allowance = self.rules.admit(&sms, parts, false).await?;
        let asked = self
            .client
            .send(|| self.request.build(&self.client, &filled));
        let counted = allowance.counted();
        let answer = self.rules.while_counted(counted, asked).await?;
        let answer = self.client.read(answer, LARGEST_ANSWER).await;
        self.judge(&answer)?;
        spend(&mut allowance, parts);
        let cost = self.rules.count(&sms, parts);
        let ids = self.ids.of(&answer.body, &message.message_id.to_string());
        let cost = cost.map(|cost| format!("; {cost}")).unwrap_or_default();
        let shown = if ids.is_empty() {
            "without an id, so no receipt will find it".to_owned()
        } else {
            format!("as {}", ids.join(", "))
        };
        Ok(Sent {
            note: format!("{}, accepted {shown}{cost}", answer.status),
            references: ids.iter().map(|id| reference(&self.gateway, id)).collect(),
        })
    }
}

fn spend(allowance: &mut Allowance, parts: usize) {
    (0..parts).for_each(|_| allowance.spend());
}

impl GatewaySink {
    fn judge(&self, answer: &Answer) -> Result<(), SinkError> {
        let shown = answer.shown();
        match meaning(&self.answers, answer) {
            None => answer.judged(&[], &shown),
            Some(Means::Accepted) => Ok(()),
            Some(Means::Refused) => Err(answer.refused(&shown)),
            Some(Means::Retry) => Err(answer.unavailable(&shown)),
            Some(Means::Busy) => Err(self.rules.endpoint.busy(answer.retry_after)),
        }
    }
}
