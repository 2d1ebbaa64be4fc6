//! The sink: one request per message.

use async_trait::async_trait;
use hub_core::{OutgoingMessage, Sent, Sink, SinkError};
use hub_names::MessageTemplate;
use hub_web::{WebClient, encoded, request_body};
use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderValue, LOCATION};

use super::errors::{Cause, cause, judge, rejected_rows};

/// Most of an answer that is read.
const LARGEST_ANSWER: usize = 64 * 1024;

/// A configured REST service.
pub(crate) struct OrdsSink {
    pub(crate) client: WebClient,
    pub(crate) path: MessageTemplate,
    pub(crate) method: Method,
    pub(crate) duplicate_is_there: bool,
}

#[async_trait]
impl Sink for OrdsSink {
    async fn send(&self, message: &OutgoingMessage) -> Result<Sent, SinkError> {
        let path = self.path.fill(message, encoded);
        let media_type = HeaderValue::try_from(&message.media_type);
        let media_type = media_type.unwrap_or(HeaderValue::from_static("application/json"));
        let make = || {
            let request = self
                .client
                .request(self.method.clone(), &path)
                .timeout(self.client.patience(message.content.len()))
                .header(CONTENT_TYPE, media_type.clone())
                .header(ACCEPT, "application/json")
                .header("x-message-id", message.message_id.to_string());
            request_body(request, &message.content)
        };
        let response = self.client.send(make).await?;
        let answer = self.client.read(response, LARGEST_ANSWER).await;
        if !answer.status.is_success()
            && self.duplicate_is_there
            && cause(&answer) == Some(Cause::Duplicate)
        {
            return Ok(Sent::noted("it was there already"));
        }
        judge(&answer)?;
        if rejected_rows(&answer.body).is_some_and(|rows| rows > 0) {
            return Err(answer.refused(&answer.shown()));
        }
        Ok(Sent::noted(match answer.shown_header(LOCATION) {
            Some(url) => format!("{}, {url}", answer.status),
            None => answer.status.to_string(),
        }))
    }
}
