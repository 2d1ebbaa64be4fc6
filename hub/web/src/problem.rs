//! Problem answers: RFC 9457, `application/problem+json`.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Serialize;

/// Why a request was not accepted, and what would be. Everything that the hub serves over HTTP
/// answers with these.
#[derive(Debug)]
pub struct Problem(Box<Parts>);

#[derive(Debug)]
struct Parts {
    status: StatusCode,
    kind: &'static str,
    title: &'static str,
    detail: String,
    header: Option<(HeaderName, HeaderValue)>,
}

#[derive(Serialize)]
struct Json<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    instance: &'a str,
}

impl Problem {
    /// A problem whose `type` is `urn:meterhub:problem:` and `kind`.
    #[must_use]
    pub fn new(
        status: StatusCode,
        kind: &'static str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self(Box::new(Parts {
            status,
            kind,
            title,
            detail: detail.into(),
            header: None,
        }))
    }

    /// With a header.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: impl Into<HeaderValue>) -> Self {
        self.0.header = Some((name, value.into()));
        self
    }

    /// Asks for another attempt after so many seconds, at least one.
    #[must_use]
    pub fn retry_after(self, seconds: u64) -> Self {
        self.with(header::RETRY_AFTER, seconds.max(1))
    }

    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// Its kind: the end of its `type`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.0.kind
    }

    /// What is wrong, in a few words that are the same each time.
    #[must_use]
    pub fn title(&self) -> &'static str {
        self.0.title
    }

    /// What is wrong with this request, and what would be valid.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// The header that belongs to the answer, whatever its form: `Retry-After`, a challenge.
    #[must_use]
    pub fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        self.0.header.clone()
    }

    /// The answer to a request for this path. The query stays out: it may hold secrets.
    #[must_use]
    pub fn response(self, instance: &str) -> Response {
        let parts = *self.0;
        let json = Json {
            r#type: format!("urn:meterhub:problem:{}", parts.kind),
            title: parts.title,
            status: parts.status.as_u16(),
            detail: &parts.detail,
            instance,
        };
        let body = serde_json::to_vec(&json).unwrap_or_default();
        let mut response = Response::new(body.into());
        *response.status_mut() = parts.status;
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.extend(parts.header);
        response
    }
}
