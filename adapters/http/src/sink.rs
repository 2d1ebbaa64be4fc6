//! The sink: one request per message, its answer judged.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hub_core::{Clock, Content, OutgoingMessage, Sent, Sink, SinkError};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, header};
use tokio_util::io::ReaderStream;

use crate::client::{bounded, plain, reason};
use crate::oauth::Tokens;
use crate::url_template::UrlTemplate;
use crate::verdict::{Verdict, is_about_the_message, retry_after, verdict};

/// Most of an answer that is read, and most that is shown of it.
const LARGEST_ANSWER: usize = 8 * 1024;
const LONGEST_ANSWER_SHOWN: usize = 500;

/// A slow line is given a second more for every so many bytes of the body.
const BYTES_PER_SECOND: u64 = 256 * 1024;

/// Bytes read from a file at a time.
const READ_BUFFER: usize = 64 * 1024;

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

/// How requests are made known, with secrets resolved.
pub(crate) enum Access {
    Open,
    Header(HeaderName, HeaderValue),
    OAuth2(Box<Tokens>),
}

/// A configured HTTP endpoint.
pub(crate) struct HttpSink {
    pub(crate) endpoint: String,
    pub(crate) client: Client,
    pub(crate) url: UrlTemplate,
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    pub(crate) access: Access,
    pub(crate) timeout: Duration,
    pub(crate) accept_statuses: Vec<u16>,
    pub(crate) clock: Arc<dyn Clock>,
}

#[async_trait]
impl Sink for HttpSink {
    async fn send(&self, message: &OutgoingMessage) -> Result<Sent, SinkError> {
        let Access::OAuth2(tokens) = &self.access else {
            let answer = self.attempt(message, None).await?;
            return self.conclude(answer).await;
        };
        let get_token = || async { tokens.token().await.map_err(|r| self.unavailable(r)) };
        let token = get_token().await?;
        let mut answer = self.attempt(message, Some(&token)).await?;
        if answer.status() == StatusCode::UNAUTHORIZED {
            // Revoked before its time: once more with a new one.
            tokens.forget(&token).await;
            let token = get_token().await?;
            answer = self.attempt(message, Some(&token)).await?;
        }
        self.conclude(answer).await
    }
}

impl HttpSink {
    async fn attempt(
        &self,
        message: &OutgoingMessage,
        token: Option<&str>,
    ) -> Result<Response, SinkError> {
        let patience = Duration::from_secs(message.content.len() / BYTES_PER_SECOND);
        let mut request = self
            .client
            .request(self.method.clone(), self.url.url(message))
            .timeout(self.timeout.saturating_add(patience))
            .headers(self.headers_for(message));
        if let Access::Header(name, value) = &self.access {
            request = request.header(name, value.clone());
        }
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let sent = with_body(request, &message.content).send().await;
        sent.map_err(|error| self.unavailable(reason(error)))
    }

    fn headers_for(&self, message: &OutgoingMessage) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(8 + message.headers.len());
        for (name, value) in &message.headers {
            // What is no HTTP header cannot be sent as one; it may come from another transport.
            if let (Ok(name), Ok(value)) = (
                HeaderName::try_from(name.as_str()),
                HeaderValue::try_from(value),
            ) && is_free(&name)
            {
                headers.append(name, value);
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

    async fn conclude(&self, mut answer: Response) -> Result<Sent, SinkError> {
        let status = answer.status();
        let pause = self.pause(&answer);
        let location = answer
            .headers()
            .get(header::LOCATION)
            .map(|l| l.as_bytes().to_vec());
        // Read also if it is not shown: the connection can be used again then.
        let body = bounded(&mut answer, LARGEST_ANSWER).await;
        let shown = plain(&body, LONGEST_ANSWER_SHOWN);
        let endpoint = self.endpoint.clone();
        match verdict(status.as_u16(), &self.accept_statuses) {
            Verdict::Sent => Ok(Sent::noted(match location {
                Some(url) => format!("{status}, {}", plain(&url, LONGEST_ANSWER_SHOWN)),
                None => status.to_string(),
            })),
            Verdict::Unavailable => Err(SinkError::Unavailable {
                endpoint,
                reason: format!("it answered {status} {shown}")
                    .trim_end()
                    .to_owned(),
                retry_after: pause,
                answered: is_about_the_message(status.as_u16(), pause.is_some()),
            }),
            Verdict::Busy => Err(SinkError::Busy {
                endpoint,
                retry_after: pause,
            }),
            Verdict::Refused => Err(SinkError::Refused {
                endpoint,
                answer: format!("{status} {shown}").trim_end().to_owned(),
            }),
        }
    }

    fn pause(&self, answer: &Response) -> Option<Duration> {
        let value = answer.headers().get(header::RETRY_AFTER)?.to_str().ok()?;
        retry_after(value, self.clock.now())
    }

    /// No answer to the message came.
    fn unavailable(&self, reason: String) -> SinkError {
        SinkError::Unavailable {
            endpoint: self.endpoint.clone(),
            reason,
            retry_after: None,
            answered: false,
        }
    }
}

/// A body in memory goes as it is; files are streamed, with their length told before.
fn with_body(request: RequestBuilder, content: &Content) -> RequestBuilder {
    match content.as_bytes() {
        Some(bytes) => request.body(bytes),
        None => {
            let stream = ReaderStream::with_capacity(content.reader(), READ_BUFFER);
            request
                .header(header::CONTENT_LENGTH, content.len())
                .body(reqwest::Body::wrap_stream(stream))
        }
    }
}

/// A value that is no header value becomes the empty one.
fn header_value(text: &str) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}
