//! The sink: one post per message to the port for IDocs, its answer understood.

use async_trait::async_trait;
use hub_core::{Meter, OutgoingMessage, Sent, Sink, SinkError};
use hub_web::{Answer as WebAnswer, request_body};
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Method, StatusCode};

use super::answer::{self, Answer, Receipt};
use super::reference::{ours, theirs};
use super::rules::{Means, Rule, meaning};
use super::sent::sent_idocs;
use crate::session::Caller;
use crate::verdict::{is_about_the_client, misconfigured, said, troubled};

/// A configured port.
pub(crate) struct IdocSink {
    pub(crate) endpoint: String,
    pub(crate) caller: Caller,
    /// Path and query of the port.
    pub(crate) path: String,
    pub(crate) content_type: &'static str,
    /// Statuses of an IDoc that mean no.
    pub(crate) refused_statuses: Vec<String>,
    /// Answers that mean something else than they seem to.
    pub(crate) rules: Vec<Rule>,
    pub(crate) meter: Meter,
}

#[async_trait]
impl Sink for IdocSink {
    async fn send(&self, message: &OutgoingMessage) -> Result<Sent, SinkError> {
        let client = &self.caller.client;
        let make = || {
            let request = client
                .request(Method::POST, &self.path)
                .timeout(client.patience(message.content.len()))
                .header(CONTENT_TYPE, self.content_type)
                .header(ACCEPT, "text/xml, */*;q=0.5")
                .header("x-message-id", message.message_id.to_string())
                .header("x-correlation-id", message.correlation_id.to_string());
            request_body(request, &message.content)
        };
        let answer = self.caller.send(make).await?;
        let receipt = self.conclude(&answer)?;
        Ok(Sent {
            note: note(answer.status, &receipt),
            references: self.references(message, &receipt).await,
        })
    }
}

impl IdocSink {
    fn conclude(&self, answer: &WebAnswer) -> Result<Receipt, SinkError> {
        let media_type = answer.headers.get(CONTENT_TYPE);
        let media_type = media_type.and_then(|value| value.to_str().ok());
        let understood = || answer::read(media_type.unwrap_or_default(), &answer.body);
        match meaning(&self.rules, answer) {
            Some(Means::Accepted) => return self.taken(answer, understood().into_receipt()),
            Some(Means::Refused) => return Err(answer.refused(&said(answer))),
            Some(Means::Retry) => return Err(troubled(&self.endpoint, answer, &said(answer))),
            None => {}
        }
        if !answer.status.is_success() {
            return Err(self.failure(answer));
        }
        match understood() {
            Answer::Taken(receipt) => self.taken(answer, receipt),
            Answer::NotTaken(said) => Err(answer.refused(&said)),
            Answer::Page {
                said,
                is_logon: true,
            } => {
                let said =
                    format!("with a page for logon ({said}): check user, password and client");
                Err(misconfigured(&self.endpoint, answer, &said))
            }
            Answer::Page { said, .. } => {
                let said = format!("with a page that is no yes: {said}");
                Err(troubled(&self.endpoint, answer, &said))
            }
        }
    }

    fn taken(&self, answer: &WebAnswer, receipt: Receipt) -> Result<Receipt, SinkError> {
        if let Some(status) = &receipt.status {
            if self.refused_statuses.contains(status) {
                self.meter.count(crate::metrics::REFUSED, 1);
                return Err(answer.refused(&note(answer.status, &receipt)));
            }
            if !is_well(status) {
                self.meter.count(crate::metrics::NOT_POSTED, 1);
            }
        }
        Ok(receipt)
    }

    /// By what the partner may report on the IDocs later: our numbers in their control records, which it
    /// keeps; where they have none, those that it gave them.
    async fn references(&self, message: &OutgoingMessage, receipt: &Receipt) -> Vec<String> {
        let idocs = sent_idocs(&message.content).await;
        let partner = idocs.first().map(|idoc| idoc.partner.clone());
        let partner = partner.filter(|partner| !partner.is_empty());
        if !idocs.is_empty() && idocs.iter().all(|idoc| !idoc.number.is_empty()) {
            let named = idocs.iter().map(|idoc| ours(&idoc.partner, &idoc.number));
            return named.collect();
        }
        let partner = partner.as_ref().unwrap_or(&self.endpoint);
        let named = receipt.numbers.iter().map(|number| theirs(partner, number));
        named.collect()
    }

    fn failure(&self, answer: &WebAnswer) -> SinkError {
        let said = said(answer);
        let is_misconfigured = match answer.status {
            // One path for all messages: what is not there is not there for any of them.
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => true,
            status => is_about_the_client(status, &said),
        };
        match is_misconfigured {
            true => misconfigured(&self.endpoint, answer, &said),
            false => match answer.judged(&[], &said) {
                Err(error) => error,
                Ok(()) => troubled(&self.endpoint, answer, &said),
            },
        }
    }
}

/// Statuses of an inbound IDoc that are on the way or at the end of it: 50 added, 53 posted,
/// 62 passed to the application, 64 ready to be passed. (51 application error, 56 errors added, 60
/// syntax, 63 and 65 errors when passed, 68 no further processing.)
fn is_well(status: &str) -> bool {
    matches!(status, "50" | "52" | "53" | "55" | "57" | "62" | "64")
}

/// `201 Created, IDoc 0000000000004711, status 51: Order is locked`.
fn note(status: StatusCode, receipt: &Receipt) -> String {
    let mut note = status.to_string();
    match receipt.numbers.as_slice() {
        [] => {}
        [number] => note.push_str(&format!(", IDoc {number}")),
        [first, .., last] => {
            let count = receipt.numbers.len();
            note.push_str(&format!(", {count} IDocs, {first} to {last}"));
        }
    }
    if let Some(status) = &receipt.status {
        note.push_str(&format!(", status {status}"));
    }
    if !receipt.said.is_empty() {
        note.push_str(&format!(": {}", receipt.said));
    }
    note
}
