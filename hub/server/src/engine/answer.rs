//! Tells the senders of a route what became of their messages (EIP Return Address, Correlation
//! Identifier).

use std::sync::Arc;

use hub_core::{Headers, MessageId};
use hub_model::mapping::{Envelope, Outcome, Told, Verdict};
use hub_model::{Instant, Place, Zone};
use hub_store::messages::{
    Change, Ended, FindingView, MessageState, NewDelivery, OpenMessage, Publication, Publish,
    answer_lane,
};

use crate::config::{AnswerWhen, Answering};

/// Headers of a message that say where an answer goes, and to what it is one.
const REPLY_TO: &str = "reply-to";
const CORRELATION_ID: &str = "correlation-id";
/// What a transport calls the sender's own id of a message.
const OWN_ID: &str = "message-id";

/// Publishes what another publishes, and answers the sender when the message is done.
pub(super) struct WithAnswer {
    pub(super) inner: Arc<dyn Publish>,
    pub(super) answerer: Answerer,
}

/// What is known of a message when it is answered.
pub(super) struct Answerer {
    answering: Answering,
    route: String,
    zone: Zone,
    name: String,
    business_key: Option<String>,
    headers: Headers,
    received: Instant,
}

impl Answerer {
    pub(super) fn new(
        answering: &Answering,
        route: &str,
        zone: &Zone,
        message: &OpenMessage,
    ) -> Self {
        Self {
            answering: answering.clone(),
            route: route.to_owned(),
            zone: zone.clone(),
            name: message.name.clone(),
            business_key: message.business_key.clone(),
            headers: message.headers.clone(),
            received: message.received,
        }
    }

    fn header(&self, wanted: &str) -> Option<&str> {
        let mut named = self.headers.iter().filter(|(name, _)| name == wanted);
        named.next().map(|(_, value)| value.as_str())
    }

    /// The answer is one to the sender's own id of its message; a correlation that the sender gave
    /// itself goes before.
    fn headers(&self) -> Headers {
        let correlation = self
            .header(CORRELATION_ID)
            .or_else(|| self.header(OWN_ID))
            .or(self.business_key.as_deref());
        let header = |name: &str, value: Option<&str>| Some((name.to_owned(), value?.to_owned()));
        let reply_to = header(REPLY_TO, self.header(REPLY_TO));
        let correlation = header(CORRELATION_ID, correlation);
        reply_to.into_iter().chain(correlation).collect()
    }

    fn answer(&self, ended: &Ended) -> NewDelivery {
        let outcome = Outcome {
            message_id: ended.message.to_string(),
            business_key: self.business_key.clone(),
            name: self.name.clone(),
            verdict: verdict(ended),
            applied: ended.applied,
            rejected: ended.rejected,
            findings: ended.findings,
            told: ended.first.iter().map(told).collect(),
        };
        let envelope = Envelope {
            // One answer a message: its id is the message's with a mark, the same at every run.
            message_id: format!("{}-answer", ended.message),
            created: self.received,
            zone: self.zone.clone(),
        };
        let mut body = Vec::new();
        let writer = &self.answering.writer;
        writer.answer(&envelope, &outcome, &mut body);
        NewDelivery {
            route: self.route.clone(),
            endpoint: self.answering.to.clone(),
            lane: answer_lane(ended.message),
            subject: String::new(),
            media_type: writer.media_type().to_owned(),
            extension: writer.extension().to_owned(),
            headers: self.headers(),
            body: Some(body.into()),
        }
    }
}

impl Publish for WithAnswer {
    fn publish(&self, message: MessageId, changes: &[Change<'_>], whole: bool) -> Publication {
        self.inner.publish(message, changes, whole)
    }

    fn answers(&self, state: MessageState) -> bool {
        match self.answerer.answering.when {
            AnswerWhen::Always => true,
            AnswerWhen::Findings => state != MessageState::Processed,
        }
    }

    fn answer(&self, ended: &Ended) -> Option<NewDelivery> {
        Some(self.answerer.answer(ended))
    }

    fn obstacle(&self, route: &str, endpoint: &str) -> Option<String> {
        self.inner.obstacle(route, endpoint)
    }
}

/// Warnings alone do not make it a part: all was applied.
fn verdict(ended: &Ended) -> Verdict {
    match ended.state {
        MessageState::Invalid => Verdict::Refused,
        _ if ended.rejected > 0 && ended.applied == 0 => Verdict::Refused,
        _ if ended.rejected > 0 => Verdict::AppliedInPart,
        _ => Verdict::Applied,
    }
}

fn told(finding: &FindingView) -> Told {
    Told {
        severity: finding.severity,
        code: finding.code.clone(),
        place: Place {
            offset: finding.offset,
            line: finding.line,
            sheet: finding.sheet.as_deref().map(Into::into),
        },
        field: finding.field.clone(),
        reason: finding.reason.clone(),
    }
}
