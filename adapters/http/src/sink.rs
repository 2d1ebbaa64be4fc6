//! The sink: one request per message, its answer judged.

use async_trait::async_trait;
use hub_core::{OutgoingMessage, Sent, Sink, SinkError};
use hub_web::{Answer, UrlTemplate, WebClient, request_body};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, header};

/// Most of an answer that is read.
const LARGEST_ANSWER: usize = 8 * 1024;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const MESSAGE_ID: HeaderName = HeaderName::from_static("x-message-id");
const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");

/// What a message must not set: the transport's own, credentials, and what this sink sets itself.
const RESERVED: [HeaderName; 12] = [
    header::AUTHORIZATION,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::COOKIE,
    header::EXPECT,
    header::HOST,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Whether a configuration or a message may set this header.
pub(crate) fn is_free(name: &HeaderName) -> bool {
    !RESERVED.contains(name) && ![IDEMPOTENCY_KEY, MESSAGE_ID, CORRELATION_ID].contains(name)
}

/// A configured HTTP endpoint.
pub(crate) struct HttpSink {
    pub(crate) client: WebClient,
    pub(crate) url: UrlTemplate,
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    /// Headers of a message that become those of its request. No others: a partner must not steer a
    /// call that carries our credentials.
    pub(crate) pass_headers: Vec<HeaderName>,
    pub(crate) accept_statuses: Vec<u16>,
}

#[async_trait]
impl Sink for HttpSink {
    async fn send(&self, message: &OutgoingMessage) -> Result<Sent, SinkError> {
        let url = self.url.url(message);
        let headers = self.headers_for(message);
        let make = || {
            let request = self
                .client
                .request(self.method.clone(), &url)
                .timeout(self.client.patience(message.content.len()))
                .headers(headers.clone());
            request_body(request, &message.content)
        };
        let answer = self.client.send(make).await?;
        let answer = self.client.read(answer, LARGEST_ANSWER).await;
        answer.judged(&self.accept_statuses, &answer.shown())?;
        Ok(Sent::noted(note(&answer)))
    }
}

fn note(answer: &Answer) -> String {
    let status = answer.status;
    match answer.shown_header(header::LOCATION) {
        Some(url) => format!("{status}, {url}"),
        None => status.to_string(),
    }
}

impl HttpSink {
    fn headers_for(&self, message: &OutgoingMessage) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(8 + self.pass_headers.len());
        for name in &self.pass_headers {
            let named = |(has, _): &&(String, String)| name.as_str().eq_ignore_ascii_case(has);
            for (_, value) in message.headers.iter().filter(named) {
                // What is no HTTP value cannot be sent as one; it may come from another transport.
                if let Ok(value) = HeaderValue::try_from(value) {
                    headers.append(name, value);
                }
            }
        }
        headers.extend(self.headers.clone());
        let id = header_value(&message.message_id.to_string());
        headers.insert(IDEMPOTENCY_KEY, id.clone());
        headers.insert(MESSAGE_ID, id);
        headers.insert(
            CORRELATION_ID,
            header_value(&message.correlation_id.to_string()),
        );
        headers.insert(header::CONTENT_TYPE, header_value(&message.media_type));
        headers
    }
}

/// A value that is no header value becomes the empty one.
fn header_value(text: &str) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}
