//! The sink: one request per message to an OData service, its answer judged.

use async_trait::async_trait;
use hub_core::{Meter, OutgoingMessage, Sent, Sink, SinkError};
use hub_names::MessageTemplate;
use hub_web::{Answer, request_body};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderValue, IF_MATCH, LOCATION};
use reqwest::{Method, StatusCode};
use schemars::JsonSchema;
use serde::Deserialize;

use super::etag::{State, state};
use super::link::with_options;
use super::messages::messages;
use super::{Version, repeat};
use crate::readable::one_line;
use crate::session::Caller;
use crate::verdict::{is_about_the_client, misconfigured, said, troubled};

/// Largest entity that is fetched for an ETag which no header tells, in bytes.
const LARGEST_ENTITY: usize = 1 << 20;

/// Which state of an entity a request may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Matching {
    /// Nothing is said: for what is created, and services without ETags.
    #[default]
    None,
    /// The state that is there right before: its ETag is fetched, and sent as `If-Match`. Not taken
    /// twice in a row, the message is parked. So it is if the ETag is told only within an entity of more
    /// than 1 MiB.
    Fetched,
    /// Any: `If-Match: *`.
    Any,
}

/// A configured service.
pub(crate) struct ODataSink {
    pub(crate) endpoint: String,
    pub(crate) caller: Caller,
    pub(crate) version: Version,
    pub(crate) method: Method,
    /// Path of the entity or set.
    pub(crate) path: MessageTemplate,
    /// `sap-client` and `sap-language`.
    pub(crate) system_options: Vec<(&'static str, String)>,
    pub(crate) matching: Matching,
    pub(crate) repeatable: bool,
    pub(crate) meter: Meter,
}

#[async_trait]
impl Sink for ODataSink {
    async fn send(&self, message: &OutgoingMessage) -> Result<Sent, SinkError> {
        let path = self.path_for(message);
        let mut answer = self.attempt(message, &path).await?;
        if answer.status == StatusCode::PRECONDITION_FAILED && self.matching == Matching::Fetched {
            // Changed between our two requests: once more, by its state now.
            self.meter.count(crate::metrics::CONFLICTS, 1);
            answer = self.attempt(message, &path).await?;
        }
        self.conclude(&answer)
    }
}

impl ODataSink {
    fn path_for(&self, message: &OutgoingMessage) -> String {
        let path = self.path.fill(message, fit);
        let options: Vec<(&str, &str)> = self
            .system_options
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        with_options(&path, &options)
    }

    async fn attempt(&self, message: &OutgoingMessage, path: &str) -> Result<Answer, SinkError> {
        let if_match = self.if_match(path).await?;
        let client = &self.caller.client;
        let make = || {
            let mut request = client
                .request(self.method.clone(), path)
                .timeout(client.patience(message.content.len()))
                .header(CONTENT_TYPE, message.media_type.as_str())
                .header(ACCEPT, "application/json")
                .header("x-message-id", message.message_id.to_string())
                .header("x-correlation-id", message.correlation_id.to_string());
            if let Some(etag) = &if_match {
                request = request.header(IF_MATCH, etag.clone());
            }
            if self.repeatable {
                for (name, value) in repeat::headers(self.version, &self.endpoint, message) {
                    request = request.header(name, value);
                }
            }
            request_body(request, &message.content)
        };
        self.caller.send(make).await
    }

    async fn if_match(&self, path: &str) -> Result<Option<HeaderValue>, SinkError> {
        match self.matching {
            Matching::None => return Ok(None),
            Matching::Any => return Ok(Some(HeaderValue::from_static("*"))),
            Matching::Fetched => {}
        }
        let client = &self.caller.client;
        let make = || {
            client
                .request(Method::GET, path)
                .header(ACCEPT, "application/json")
        };
        let response = client.send(make).await?;
        let answer = client.read(response, LARGEST_ENTITY + 1).await;
        if !answer.status.is_success() {
            return Err(self.failure(&answer));
        }
        match state(&answer.headers, &answer.body) {
            State::Tagged(etag) => Ok(Some(etag)),
            // An entity type without ETags has none to match.
            State::Untagged => Ok(None),
            // Without one the request would change whatever is there.
            State::Unread if answer.body.len() > LARGEST_ENTITY => {
                let said = format!(
                    "with an entity of more than {LARGEST_ENTITY} bytes and without an `ETag` header: it cannot be \
                     changed by its state; not sent"
                );
                Err(answer.refused(&said))
            }
            State::Unread => {
                let said = format!(
                    "with no entity whose state could be read: {}",
                    said(&answer)
                );
                Err(troubled(&self.endpoint, &answer, &said))
            }
        }
    }

    fn conclude(&self, answer: &Answer) -> Result<Sent, SinkError> {
        if !answer.status.is_success() {
            return Err(self.failure(answer));
        }
        let media_type = answer.headers.get(CONTENT_TYPE);
        let is_html = media_type.is_some_and(|value| {
            String::from_utf8_lossy(value.as_bytes())
                .to_ascii_lowercase()
                .contains("html")
        });
        if is_html {
            let said = format!("with a page instead of an entity: {}", said(answer));
            return Err(misconfigured(&self.endpoint, answer, &said));
        }
        Ok(Sent::noted(self.note(answer)))
    }

    fn note(&self, answer: &Answer) -> String {
        let mut note = answer.status.to_string();
        let location = answer
            .headers
            .get(LOCATION)
            .and_then(|value| value.to_str().ok());
        if let Some(location) = location {
            // The entity, without the server.
            let path = reqwest::Url::parse(location).map(|url| url.path().to_owned());
            let path = path.unwrap_or_else(|_| location.to_owned());
            let entity = path.rsplit('/').next().unwrap_or_default();
            note.push_str(&format!(", {}", one_line(entity)));
        }
        let messages = messages(&answer.headers);
        if !messages.is_empty() {
            note.push_str(&format!("; {messages}"));
        }
        if self.repeatable {
            note.push_str(match repeat::result(&answer.headers) {
                Some(result) if result.eq_ignore_ascii_case("accepted") => "; repeatable",
                _ => "; not repeatable: the service does not recognise a repetition",
            });
        }
        note
    }

    fn failure(&self, answer: &Answer) -> SinkError {
        let said = said(answer);
        let is_ours = match answer.status {
            StatusCode::NOT_FOUND => said.starts_with("/IWFND/"),
            StatusCode::PRECONDITION_REQUIRED => true,
            status => is_about_the_client(status, &said),
        };
        if is_ours {
            return misconfigured(&self.endpoint, answer, &said);
        }
        match answer.status {
            // Somebody works on it, who will be done some day.
            StatusCode::LOCKED => troubled(&self.endpoint, answer, &said),
            _ => match answer.judged(&[], &said) {
                Err(error) => error,
                Ok(()) => troubled(&self.endpoint, answer, &said),
            },
        }
    }
}

/// A value in a path: quotes doubled, as it stands between quotes, and percent-encoded.
fn fit(value: &str) -> String {
    hub_web::encoded(&value.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_cannot_leave_its_quotes() {
        let path = MessageTemplate::parse("/s/Set('{subject}')").unwrap();
        let message = meterhub_tests::conformance::message(1, "O'Neil')/x?");
        assert_eq!(
            path.fill(&message, fit),
            "/s/Set('O%27%27Neil%27%27%29%2Fx%3F')"
        );
    }
}
