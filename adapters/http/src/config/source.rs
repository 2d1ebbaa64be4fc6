//! Configuration of an HTTP source.

use std::sync::Arc;

use async_trait::async_trait;
use axum::http::HeaderName;
use hub_core::{
    AdapterContext, ConfigProblem, RateLimit, Secret, Source, SourceConfig, SourceError,
};
use hub_web::{BasicCredential, CertificateRule, DoorConfig, MESSAGES, encoded};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::source::Messages;

/// Headers that carry credentials and are therefore never kept.
const CREDENTIALS: [&str; 4] = [
    "authorization",
    "cookie",
    "proxy-authorization",
    "x-api-key",
];

/// Takes messages that partners post to `POST /api/v1/messages/<source>` on the hub's listener.
///
/// Request headers: `Authorization`, `Content-Type`, `Content-Encoding` (`gzip` or none),
/// `Idempotency-Key` (the partner's own id of the message: 1 to 255 printable ASCII characters,
/// the same at every attempt), and the message's name in `X-Filename` or `Content-Disposition`.
///
/// Answers: 202 once the message is committed, with `Location` and
/// `{"message_id", "duplicate", "status_url"}`. Everything else is a problem document (RFC 9457):
/// 400 incomplete body, bad gzip or bad key; 401 credentials; 403 client certificate; 404 no such
/// source; 405 not a POST; 408 the body stopped coming; 413 too large; 415 media type or encoding;
/// 422 never acceptable (the key was used for other content); 429 rate limit; 503 not now. 408, 429
/// and 503 mean: send it again (429 and 503 say when, in `Retry-After`).
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpSourceConfig {
    /// Tokens that are accepted as `Authorization: Bearer <token>`. Several, so that a token can
    /// be replaced without a gap.
    #[serde(default)]
    pub bearer: Vec<Secret>,
    /// Users that are accepted with `Authorization: Basic`.
    #[serde(default)]
    pub basic: Vec<BasicCredential>,
    /// Certificates of partners, one of which must be shown to the listener (`tls` with
    /// `client_authorities` in `[hub]`), beside the credentials if there are any. Several, so that a
    /// certificate can be replaced without a gap.
    #[serde(default)]
    pub client_certificates: Vec<CertificateRule>,
    /// Take messages from anybody. Only for tests, or behind a proxy that checks who it is.
    #[serde(default)]
    pub insecure_allow_anonymous: bool,
    /// Largest body in bytes, after decompression.
    #[serde(default = "DoorConfig::usual_max_body_bytes")]
    pub max_body_bytes: u64,
    /// Media types that are taken, such as `application/xml` or `text/*`. Empty: all, and none told.
    #[serde(default)]
    pub media_types: Vec<String>,
    /// Longest wait for the commit once the body is complete, in seconds. Then the answer is 503.
    #[serde(default = "DoorConfig::usual_request_timeout_seconds")]
    pub request_timeout_seconds: u64,
    /// Longest silence while the body is coming, in seconds. Then the answer is 408.
    #[serde(default = "DoorConfig::usual_idle_timeout_seconds")]
    pub idle_timeout_seconds: u64,
    /// Most messages under way at once. Above, the answer is 503. 1 keeps the order of requests.
    #[serde(default = "DoorConfig::usual_max_in_flight")]
    pub max_in_flight: usize,
    /// Refuse messages without an `Idempotency-Key`.
    #[serde(default)]
    pub require_idempotency_key: bool,
    /// How many messages a second are taken. Above, the answer is 429. Default: no limit.
    #[serde(default)]
    pub rate_limit: Option<RateLimit>,
    /// Request headers to keep with the message. Never those that carry credentials.
    #[serde(default = "headers")]
    pub headers: Vec<String>,
}

fn headers() -> Vec<String> {
    vec!["x-correlation-id".to_owned(), "traceparent".to_owned()]
}

fn header_names(names: &[String]) -> Result<Vec<HeaderName>, String> {
    let parse = |name: &String| {
        HeaderName::try_from(name.as_str()).map_err(|_| format!("`{name}` is no header name"))
    };
    names.iter().map(parse).collect()
}

impl HttpSourceConfig {
    /// The door, whose keys stand in this table.
    fn door(&self) -> DoorConfig {
        DoorConfig {
            bearer: self.bearer.clone(),
            basic: self.basic.clone(),
            query_tokens: Vec::new(),
            client_certificates: self.client_certificates.clone(),
            insecure_allow_anonymous: self.insecure_allow_anonymous,
            max_body_bytes: self.max_body_bytes,
            request_timeout_seconds: self.request_timeout_seconds,
            idle_timeout_seconds: self.idle_timeout_seconds,
            max_in_flight: self.max_in_flight,
            rate_limit: self.rate_limit,
        }
    }

    fn handler(&self, context: &AdapterContext) -> Result<Messages, SourceError> {
        let keep = self.headers_to_keep();
        Ok(Messages {
            status_prefix: format!("{}{}/", MESSAGES.prefix, encoded(&context.name)),
            media_types: self.media_types.clone(),
            keep: keep.map_err(|reason| disconnected(context, reason))?,
            require_key: self.require_idempotency_key,
        })
    }

    fn headers_to_keep(&self) -> Result<Vec<HeaderName>, String> {
        let names = header_names(&self.headers)?;
        match names.iter().find(|n| CREDENTIALS.contains(&n.as_str())) {
            Some(name) => Err(format!(
                "`{name}` carries credentials, which are never kept"
            )),
            None => Ok(names),
        }
    }
}

fn disconnected(context: &AdapterContext, reason: String) -> SourceError {
    SourceError::Disconnected {
        endpoint: context.name.clone(),
        reason,
    }
}

#[async_trait]
impl SourceConfig for HttpSourceConfig {
    const KIND: &'static str = "http";

    fn example() -> &'static str {
        r#"bearer = ["env:HES_NORTH_TOKEN"]
media_types = ["application/xml", "text/xml"]
max_body_bytes = 536870912
max_in_flight = 512
require_idempotency_key = false
"#
    }

    fn validate(&self) -> Vec<ConfigProblem> {
        let mut problems = Vec::new();
        self.door().validate("", false, &mut problems);
        let mut error = |key, reason: String| problems.push(ConfigProblem::error(key, reason));
        if let Some(wrong) = self.media_types.iter().find(|t| !t.contains('/')) {
            error(
                "media_types",
                format!("`{wrong}` is no media type, expected one such as `text/csv` or `text/*`"),
            );
        }
        if let Err(reason) = self.headers_to_keep() {
            error("headers", reason);
        }
        problems
    }

    async fn check(&self, context: &AdapterContext) -> Result<(), SourceError> {
        self.door().check(context)
    }

    fn has_door(&self) -> bool {
        true
    }

    async fn connect(&self, context: &AdapterContext) -> Result<Box<dyn Source>, SourceError> {
        let handler = Arc::new(self.handler(context)?);
        let door = self.door().open(MESSAGES, handler, context)?;
        Ok(Box::new(door))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(toml: &str) -> Vec<ConfigProblem> {
        toml::from_str::<HttpSourceConfig>(toml).unwrap().validate()
    }

    #[test]
    fn the_example_is_valid() {
        assert_eq!(problems(HttpSourceConfig::example()), []);
    }

    #[test]
    fn access_for_everybody_has_an_unsafe_name_and_a_warning() {
        let nobody = problems("");
        assert!(!nobody[0].warning && nobody[0].reason.contains("env:NAME"));
        let everybody = problems("insecure_allow_anonymous = true");
        assert!(everybody.len() == 1 && everybody[0].warning);
    }

    #[test]
    fn wrong_values_are_errors() {
        let found = problems(
            "bearer = ['env:T']\nmax_body_bytes = 0\nidle_timeout_seconds = 0\n\
             max_in_flight = 0\nmedia_types = ['xml']\nheaders = ['Cookie']",
        );
        let keys: Vec<&str> = found.iter().map(|p| p.key.as_str()).collect();
        let expected = [
            "max_body_bytes",
            "idle_timeout_seconds",
            "max_in_flight",
            "media_types",
            "headers",
        ];
        assert_eq!(keys, expected);
    }

    #[test]
    fn a_secret_in_the_open_is_refused() {
        let error = toml::from_str::<HttpSourceConfig>("bearer = ['hunter2']").unwrap_err();
        assert!(error.to_string().contains("env:NAME"));
    }
}
