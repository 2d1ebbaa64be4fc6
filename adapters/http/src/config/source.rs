//! Configuration of an HTTP source.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::http::HeaderName;
use hub_core::{
    AdapterContext, Arrival, ConfigProblem, RateLimit, Secret, Source, SourceConfig, SourceError,
    TokenBucket,
};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::sync::{Semaphore, mpsc};

use crate::body::Bounds;
use crate::credentials::Credentials;
use crate::inbox::{Door, HttpInbox};
use crate::receive::MESSAGES;
use crate::source::HttpSource;
use crate::url_template::encoded;

/// Most messages under way; more would only queue in memory.
const LARGEST_WINDOW: usize = 16_384;

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
/// 400 incomplete body, bad gzip or bad key; 401 credentials; 404 no such source; 405 not a POST;
/// 408 the body stopped coming; 413 too large; 415 media type or encoding; 422 never acceptable
/// (the key was used for other content); 429 rate limit; 503 not now. 408, 429 and 503 mean: send
/// it again (429 and 503 say when, in `Retry-After`).
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
    /// Take messages from anybody. Only for tests, or behind a proxy that checks who it is.
    #[serde(default)]
    pub insecure_allow_anonymous: bool,
    /// Largest body in bytes, after decompression.
    #[serde(default = "max_body_bytes")]
    pub max_body_bytes: u64,
    /// Media types that are taken, such as `application/xml` or `text/*`. Empty: all, and none told.
    #[serde(default)]
    pub media_types: Vec<String>,
    /// Longest wait for the commit once the body is complete, in seconds. Then the answer is 503.
    #[serde(default = "request_timeout_seconds")]
    pub request_timeout_seconds: u64,
    /// Longest silence while the body is coming, in seconds. Then the answer is 408.
    #[serde(default = "idle_timeout_seconds")]
    pub idle_timeout_seconds: u64,
    /// Most messages under way at once. Above, the answer is 503. 1 keeps the order of requests.
    #[serde(default = "max_in_flight")]
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

/// A user and where the password is.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BasicCredential {
    /// User name, without a colon.
    pub user: String,
    /// The password.
    pub password: Secret,
}

fn max_body_bytes() -> u64 {
    512 * 1024 * 1024
}

fn request_timeout_seconds() -> u64 {
    60
}

fn idle_timeout_seconds() -> u64 {
    30
}

fn max_in_flight() -> usize {
    512
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
    fn credentials(&self, context: &AdapterContext) -> Result<Credentials, SourceError> {
        Credentials::resolve(self, &context.base_dir)
            .map_err(|reason| disconnected(context, reason))
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

    fn validate_access(&self, problems: &mut Vec<ConfigProblem>) {
        let credentials = !self.bearer.is_empty() || !self.basic.is_empty();
        match (credentials, self.insecure_allow_anonymous) {
            (false, false) => problems.push(ConfigProblem::error(
                "bearer",
                "nobody could post: give `bearer` or `basic` credentials by reference, \
                 `bearer = [\"env:NAME\"]`",
            )),
            (_, true) => problems.push(ConfigProblem::warning(
                "insecure_allow_anonymous",
                "anybody who reaches the listener can post messages",
            )),
            (true, false) => {}
        }
        if self
            .basic
            .iter()
            .any(|b| b.user.is_empty() || b.user.contains(':'))
        {
            let reason = "is empty or holds a colon, which HTTP Basic cannot express";
            problems.push(ConfigProblem::error("basic.user", reason));
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
        self.validate_access(&mut problems);
        let mut error = |key, reason: String| problems.push(ConfigProblem::error(key, reason));
        if self.max_body_bytes == 0 {
            error(
                "max_body_bytes",
                "is 0: every message would be too large".to_owned(),
            );
        }
        for (key, seconds) in [
            ("request_timeout_seconds", self.request_timeout_seconds),
            ("idle_timeout_seconds", self.idle_timeout_seconds),
        ] {
            if !(1..=86_400).contains(&seconds) {
                error(key, format!("is {seconds}, expected 1 to 86400"));
            }
        }
        if !(1..=LARGEST_WINDOW).contains(&self.max_in_flight) {
            let count = self.max_in_flight;
            error(
                "max_in_flight",
                format!("is {count}, expected 1 to {LARGEST_WINDOW}"),
            );
        }
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
        self.credentials(context).map(drop)
    }

    async fn connect(&self, context: &AdapterContext) -> Result<Box<dyn Source>, SourceError> {
        let inbox = context.shared.get::<HttpInbox>();
        let opened = self
            .door(context)
            .inspect_err(|_| inbox.fail(&context.name));
        let (door, arrivals) = opened?;
        let window = self.window();
        Ok(Box::new(HttpSource::open(
            inbox,
            Arc::new(door),
            arrivals,
            window,
        )))
    }
}

impl HttpSourceConfig {
    /// Messages that may be under way at once.
    fn window(&self) -> usize {
        self.max_in_flight.clamp(1, LARGEST_WINDOW)
    }

    fn door(
        &self,
        context: &AdapterContext,
    ) -> Result<(Door, mpsc::Receiver<Arrival>), SourceError> {
        let window = self.window();
        let (sender, arrivals) = mpsc::channel(window);
        let door = Door {
            name: context.name.clone(),
            status_prefix: format!("{MESSAGES}{}/", encoded(&context.name)),
            credentials: self.credentials(context)?,
            bounds: Bounds {
                limit: self.max_body_bytes,
                idle: Duration::from_secs(self.idle_timeout_seconds),
            },
            media_types: self.media_types.clone(),
            keep: self
                .headers_to_keep()
                .map_err(|reason| disconnected(context, reason))?,
            require_key: self.require_idempotency_key,
            request_timeout: Duration::from_secs(self.request_timeout_seconds),
            rate: self
                .rate_limit
                .map(|limit| Mutex::new(TokenBucket::new(limit))),
            clock: context.clock.clone(),
            in_flight: Arc::new(Semaphore::new(window)),
            arrivals: sender,
        };
        Ok((door, arrivals))
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
