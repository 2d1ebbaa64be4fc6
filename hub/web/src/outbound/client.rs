//! The client of one server: adds our credentials, and leads nowhere else.

use std::sync::Arc;
use std::time::Duration;

use hub_core::{AdapterContext, Clock, Content, SinkError, SourceError};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url, header};

use super::access::Access;
use super::answer::{Answer, reason};
use super::build::{self, ClientOptions};
use super::server::WebServer;

/// A slow line is given a second more for every so many bytes of the body.
const BYTES_PER_SECOND: u64 = 256 * 1024;

/// No answer came: no connection, no answer in time, an answer cut off, no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{endpoint} is not answering: {reason}")]
pub struct NoAnswer {
    /// The endpoint's name in the configuration.
    pub endpoint: String,
    /// What was seen. Holds no URL of a message, which may be personal data.
    pub reason: String,
}

impl From<NoAnswer> for SinkError {
    fn from(NoAnswer { endpoint, reason }: NoAnswer) -> Self {
        Self::Unavailable {
            endpoint,
            reason,
            retry_after: None,
            answered: false,
        }
    }
}

impl From<NoAnswer> for SourceError {
    fn from(NoAnswer { endpoint, reason }: NoAnswer) -> Self {
        Self::Disconnected { endpoint, reason }
    }
}

/// Calls one server.
pub struct WebClient {
    endpoint: String,
    url: Url,
    client: Client,
    access: Access,
    timeout: Duration,
    clock: Arc<dyn Clock>,
}

impl WebClient {
    pub(super) fn new(
        server: &WebServer,
        options: ClientOptions,
        context: &AdapterContext,
    ) -> Result<Self, String> {
        let client = build::client(server, options, context)?;
        let timeout = Duration::from_secs(server.timeout_seconds);
        let auth = server.auth.as_ref();
        let access = Access::resolve(auth, &context.base_dir, &client, timeout, &context.clock)?;
        Ok(Self {
            endpoint: context.name.clone(),
            url: Url::parse(&server.url).map_err(|error| error.to_string())?,
            client,
            access,
            timeout,
            clock: Arc::clone(&context.clock),
        })
    }

    /// The server's address, as configured.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// A request within the configured time-out. `path` is added to the server's address; with a
    /// leading `/` it takes the place of the address's own path; a whole URL is taken as it is, but
    /// must be of the same server ([`WebClient::send`] refuses it else). Not encoded here.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, self.target(path));
        request.timeout(self.timeout)
    }

    /// The time-out for a request with a body of so many bytes: a slow line is given more time.
    #[must_use]
    pub fn patience(&self, body_bytes: u64) -> Duration {
        let more = Duration::from_secs(body_bytes / BYTES_PER_SECOND);
        self.timeout.saturating_add(more)
    }

    /// The whole address of a path.
    pub(super) fn target(&self, path: &str) -> String {
        let base = self.url.as_str();
        match path {
            "" => base.to_owned(),
            path if path.starts_with("https://") || path.starts_with("http://") => path.to_owned(),
            path if path.starts_with('/') => {
                format!("{}{path}", self.url.origin().ascii_serialization())
            }
            path => format!("{}/{path}", base.trim_end_matches('/')),
        }
    }

    /// Sends with our credentials. `make` is asked again for the same request after a 401 to an
    /// OAuth 2 token, which is renewed once.
    ///
    /// # Errors
    /// No answer came, or the URL is another server's. Any status is an answer.
    pub async fn send(
        &self,
        make: impl Fn() -> RequestBuilder + Send + Sync,
    ) -> Result<Response, NoAnswer> {
        let sent = match &self.access {
            Access::Open => self.attempt(make()).await,
            Access::Header(name, value) => self.attempt(make().header(name, value.clone())).await,
            Access::OAuth2(_) => self.with_token(make).await,
        };
        sent.map_err(|reason| self.no_answer(reason))
    }

    async fn with_token(
        &self,
        make: impl Fn() -> RequestBuilder + Send + Sync,
    ) -> Result<Response, String> {
        let Access::OAuth2(tokens) = &self.access else {
            return self.attempt(make()).await;
        };
        let token = tokens.token().await?;
        let answer = self.attempt(make().bearer_auth(&token)).await?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        // Revoked before its time: once more with a new one.
        tokens.forget(&token).await;
        let token = tokens.token().await?;
        self.attempt(make().bearer_auth(&token)).await
    }

    async fn attempt(&self, request: RequestBuilder) -> Result<Response, String> {
        let request = request.build().map_err(reason)?;
        // A message, or an answer of the server, must never choose who gets our credentials.
        if request.url().origin() != self.url.origin() {
            return Err("the URL leads to another server than the configured one".to_owned());
        }
        self.client.execute(request).await.map_err(reason)
    }

    /// Reads an answer, at most `limit` bytes of its body.
    pub async fn read(&self, response: Response, limit: usize) -> Answer {
        Answer::read(&self.endpoint, response, limit, self.clock.now()).await
    }

    /// Makes sure that a token is granted, where one is needed.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) async fn token(&self) -> Result<(), String> {
        match &self.access {
            Access::OAuth2(tokens) => tokens.token().await.map(drop),
            Access::Open | Access::Header(..) => Ok(()),
        }
    }

    /// Whether we say who we are, other than by a certificate.
    pub(super) fn has_credentials(&self) -> bool {
        !matches!(self.access, Access::Open)
    }

    /// What is told when no use can be made of the server: it did not answer, or not sensibly.
    #[must_use]
    pub fn no_answer(&self, reason: String) -> NoAnswer {
        NoAnswer {
            endpoint: self.endpoint.clone(),
            reason,
        }
    }
}

/// A request with a body: what is in memory goes as it is; files are streamed, with their length
/// told before.
pub fn request_body(request: RequestBuilder, content: &Content) -> RequestBuilder {
    match content.as_bytes() {
        Some(bytes) => request.body(bytes),
        None => {
            let chunks = content.chunks();
            request
                .header(header::CONTENT_LENGTH, content.len())
                .body(reqwest::Body::wrap_stream(chunks))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(url: &str) -> WebClient {
        let server: WebServer = toml::from_str(&format!("url = '{url}'")).unwrap();
        let context = AdapterContext::alone("erp", "north", std::path::Path::new("."));
        server.client(&context).unwrap()
    }

    #[test]
    fn paths_are_added_replaced_or_whole() {
        let target = |base, path| {
            let request = client(base).request(Method::GET, path).build();
            request.unwrap().url().to_string()
        };
        assert_eq!(target("https://erp.example", ""), "https://erp.example/");
        assert_eq!(
            target("https://erp.example/a", "b?c=1"),
            "https://erp.example/a/b?c=1"
        );
        assert_eq!(
            target("https://erp.example/a/", "b"),
            "https://erp.example/a/b"
        );
        assert_eq!(
            target("https://erp.example:8/a", "/b"),
            "https://erp.example:8/b"
        );
        assert_eq!(
            target("https://erp.example/a", "https://x.example/b"),
            "https://x.example/b"
        );
    }

    #[tokio::test]
    async fn another_server_never_sees_a_request() {
        let client = client("https://erp.example");
        for foreign in [
            "https://erp.example.evil.example/",
            "http://erp.example/",
            "https://erp.example:444/",
        ] {
            let sent = client.send(|| client.request(Method::GET, foreign)).await;
            let error = sent.unwrap_err();
            assert!(error.reason.contains("another server"), "{error}");
            assert!(!error.to_string().contains("http"), "{error}");
        }
    }
}
