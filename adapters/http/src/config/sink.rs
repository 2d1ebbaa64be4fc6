//! Configuration of an HTTP sink.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hub_core::{AdapterContext, ConfigProblem, Secret, Sink, SinkConfig, SinkError};
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::net::TcpStream;

use crate::client::client;
use crate::config::BasicCredential;
use crate::oauth::Tokens;
use crate::sink::{Access, HttpSink, is_free};
use crate::url_template::UrlTemplate;

/// Posts each message to a URL.
///
/// Every request carries the constant id of the message as `Idempotency-Key` and `X-Message-Id`,
/// so that the other side can recognise a resend, and the id of the incoming message that caused
/// it as `X-Correlation-Id`.
///
/// What an answer means:
///
/// | answer | what follows |
/// | --- | --- |
/// | 2xx, and those of `accept_statuses` | delivered |
/// | no connection, no answer in time, an answer cut off | try again |
/// | 401, 403, 407 | try again: wrong credentials are the endpoint's trouble, not the message's |
/// | 408, 425, and 5xx but 501 and 505 | try again, after `Retry-After` if told |
/// | 429 | the whole endpoint pauses, as long as `Retry-After` says |
/// | 501, 505, other 4xx (also 409) | the message is parked |
/// | 3xx | try again: the URL has moved, and someone must look |
///
/// `Retry-After` may be seconds or a date, and is honoured up to an hour.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpSinkConfig {
    /// Where to. In braces, percent-encoded: `message_id`, `correlation_id`, `subject`, `route`,
    /// `enterprise`, `source_name`; not in the host.
    pub url: String,
    /// How.
    #[serde(default)]
    pub method: Method,
    /// Further headers. Credentials belong under `auth`.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Who we are.
    #[serde(default)]
    pub auth: Option<Auth>,
    /// Longest wait for a connection, in seconds.
    #[serde(default = "connect_timeout_seconds")]
    pub connect_timeout_seconds: u64,
    /// Longest wait for the answer, in seconds; one second more per 256 KiB of the body.
    #[serde(default = "timeout_seconds")]
    pub timeout_seconds: u64,
    /// Statuses that mean that the message is there already, `[409]` say.
    #[serde(default)]
    pub accept_statuses: Vec<u16>,
    /// Follow redirects that keep the request as it is (307, 308), on the same server.
    #[serde(default)]
    pub follow_redirects: bool,
    /// Send messages and credentials in the clear. Without it, `http:` is possible to this
    /// machine only.
    #[serde(default)]
    pub insecure_allow_plain_http: bool,
    /// File of further certificate authorities to trust, in PEM.
    #[serde(default)]
    pub ca_certificates: Option<PathBuf>,
    /// Our own certificate and its private key, in one PEM: `file:client.pem`.
    #[serde(default)]
    pub client_certificate: Option<Secret>,
    /// Proxy to go through. Proxies named in the environment are not used.
    #[serde(default)]
    pub proxy: Option<String>,
}

/// How a message is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// `POST`.
    #[default]
    Post,
    /// `PUT`: the URL should name the message.
    Put,
}

/// Who we are to the other side.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Auth {
    /// `Authorization: Bearer <token>`.
    Bearer(Secret),
    /// `Authorization: Basic`.
    Basic(BasicCredential),
    /// A secret in a header of another name.
    Header(HeaderSecret),
    /// A token from an OAuth 2 server, by client credentials.
    Oauth2(OAuth2ClientCredentials),
}

/// A header that carries a secret.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HeaderSecret {
    /// Name of the header, `X-Api-Key` say.
    pub name: String,
    /// Its value.
    pub value: Secret,
}

/// OAuth 2 client credentials (RFC 6749, 4.4). The token is kept and renewed before it expires;
/// after a 401 it is renewed once.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OAuth2ClientCredentials {
    /// Where tokens are had.
    pub token_url: String,
    /// Our id there.
    pub client_id: String,
    /// Our secret there.
    pub client_secret: Secret,
    /// Scopes to ask for, separated by spaces.
    #[serde(default)]
    pub scope: Option<String>,
    /// Audience to ask for, where the server wants one.
    #[serde(default)]
    pub audience: Option<String>,
    /// Send id and secret in the form instead of a Basic header.
    #[serde(default)]
    pub secret_in_body: bool,
}

fn connect_timeout_seconds() -> u64 {
    10
}

fn timeout_seconds() -> u64 {
    60
}

fn unavailable(context: &AdapterContext, reason: String) -> SinkError {
    SinkError::Unavailable {
        endpoint: context.name.clone(),
        reason,
        retry_after: None,
        answered: false,
    }
}

/// Whether a URL stays on this machine.
fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|a| a.is_loopback())
}

fn sensitive(text: &str) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::try_from(text)
        .map_err(|_| "the secret holds characters that no header can carry".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}

impl HttpSinkConfig {
    fn static_headers(&self) -> Result<HeaderMap, String> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let parsed = HeaderName::try_from(name.as_str())
                .map_err(|_| format!("`{name}` is no header name"))?;
            if !is_free(&parsed) {
                return Err(format!(
                    "`{name}` is set by the hub, or carries credentials: those belong under `auth`"
                ));
            }
            let value = HeaderValue::try_from(value)
                .map_err(|_| format!("`{name}` holds characters that no header can carry"))?;
            headers.insert(parsed, value);
        }
        Ok(headers)
    }

    fn access(&self, context: &AdapterContext, client: &reqwest::Client) -> Result<Access, String> {
        let resolve =
            |secret: &Secret| secret.resolve(&context.base_dir).map_err(|e| e.to_string());
        let authorization = |text: &str| Ok(Access::Header(AUTHORIZATION, sensitive(text)?));
        match &self.auth {
            None => Ok(Access::Open),
            Some(Auth::Bearer(secret)) => authorization(&format!("Bearer {}", resolve(secret)?)),
            Some(Auth::Basic(credential)) => {
                let pair = format!("{}:{}", credential.user, resolve(&credential.password)?);
                authorization(&format!("Basic {}", BASE64_STANDARD.encode(pair)))
            }
            Some(Auth::Header(header)) => {
                let name = HeaderName::try_from(header.name.as_str())
                    .map_err(|_| format!("`{}` is no header name", header.name))?;
                Ok(Access::Header(name, sensitive(&resolve(&header.value)?)?))
            }
            Some(Auth::Oauth2(oauth)) => Ok(Access::OAuth2(Box::new(Tokens::new(
                oauth.clone(),
                resolve(&oauth.client_secret)?,
                client.clone(),
                Duration::from_secs(self.timeout_seconds),
                context.clock.clone(),
            )))),
        }
    }

    fn sink(&self, context: &AdapterContext) -> Result<HttpSink, String> {
        let client = client(self, context)?;
        Ok(HttpSink {
            endpoint: context.name.clone(),
            url: UrlTemplate::parse(&self.url)?,
            method: match self.method {
                Method::Post => reqwest::Method::POST,
                Method::Put => reqwest::Method::PUT,
            },
            headers: self.static_headers()?,
            access: self.access(context, &client)?,
            client,
            timeout: Duration::from_secs(self.timeout_seconds),
            accept_statuses: self.accept_statuses.clone(),
            clock: context.clock.clone(),
        })
    }

    fn validate_url(&self, key: &str, url: Result<Url, String>, problems: &mut Vec<ConfigProblem>) {
        match url {
            Err(reason) => problems.push(ConfigProblem::error(key, reason)),
            Ok(url) if url.scheme() == "https" || is_loopback(&url) => {}
            Ok(_) if self.insecure_allow_plain_http => problems.push(ConfigProblem::warning(
                key,
                "messages and credentials go over the network in the clear",
            )),
            Ok(_) => problems.push(ConfigProblem::error(
                key,
                "is not encrypted: use `https:`, or set `insecure_allow_plain_http = true`",
            )),
        }
    }

    fn validate_auth(&self, problems: &mut Vec<ConfigProblem>) {
        match &self.auth {
            Some(Auth::Oauth2(oauth)) => {
                let url = Url::parse(&oauth.token_url).map_err(|e| e.to_string());
                self.validate_url("auth.oauth2.token_url", url, problems);
                if oauth.client_id.is_empty() {
                    problems.push(ConfigProblem::error("auth.oauth2.client_id", "is empty"));
                }
            }
            Some(Auth::Basic(basic)) if basic.user.is_empty() || basic.user.contains(':') => {
                let reason = "is empty or holds a colon, which HTTP Basic cannot express";
                problems.push(ConfigProblem::error("auth.basic.user", reason));
            }
            Some(Auth::Header(header)) if HeaderName::try_from(header.name.as_str()).is_err() => {
                let reason = format!("`{}` is no header name", header.name);
                problems.push(ConfigProblem::error("auth.header.name", reason));
            }
            _ => {}
        }
    }
}

#[async_trait]
impl SinkConfig for HttpSinkConfig {
    const KIND: &'static str = "http";

    fn example() -> &'static str {
        r#"url = "https://billing.example/api/readings/{message_id}"
method = "PUT"
auth = { oauth2 = { token_url = "https://login.example/token", client_id = "meterhub", client_secret = "env:BILLING_SECRET", scope = "readings.write" } }
headers = { X-Sender = "nordkraft" }
accept_statuses = [409]
"#
    }

    fn validate(&self) -> Vec<ConfigProblem> {
        let mut problems = Vec::new();
        let url = UrlTemplate::parse(&self.url);
        let base = url.and_then(|u| u.base().ok_or_else(|| "is no URL".to_owned()));
        self.validate_url("url", base, &mut problems);
        self.validate_auth(&mut problems);
        let mut error = |key, reason: String| problems.push(ConfigProblem::error(key, reason));
        if let Err(reason) = self.static_headers() {
            error("headers", reason);
        }
        for (key, seconds) in [
            ("connect_timeout_seconds", self.connect_timeout_seconds),
            ("timeout_seconds", self.timeout_seconds),
        ] {
            if !(1..=86_400).contains(&seconds) {
                error(key, format!("is {seconds}, expected 1 to 86400"));
            }
        }
        if let Some(status) = self
            .accept_statuses
            .iter()
            .find(|s| !(400..=599).contains(*s))
        {
            error(
                "accept_statuses",
                format!("holds {status}, expected 400 to 599"),
            );
        }
        if let Some(Err(wrong)) = self.proxy.as_deref().map(Url::parse) {
            error(
                "proxy",
                format!("{wrong}, expected a URL such as `http://proxy:3128`"),
            );
        }
        problems
    }

    async fn check(&self, context: &AdapterContext) -> Result<(), SinkError> {
        let failed = |reason| unavailable(context, reason);
        let sink = self.sink(context).map_err(failed)?;
        if let Access::OAuth2(tokens) = &sink.access {
            tokens.token().await.map_err(failed)?;
        }
        // A request could be taken for a message; that someone listens must do.
        let server = self
            .proxy
            .as_deref()
            .map_or_else(|| sink.url.base(), |p| Url::parse(p).ok());
        let addresses = server
            .and_then(|url| url.socket_addrs(|| None).ok())
            .ok_or_else(|| failed("its host is not known".to_owned()))?;
        let patience = Duration::from_secs(self.connect_timeout_seconds);
        match tokio::time::timeout(patience, TcpStream::connect(&addresses[..])).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(failed(error.to_string())),
            Err(_) => Err(failed(format!("no connection within {patience:?}"))),
        }
    }

    async fn connect(&self, context: &AdapterContext) -> Result<Box<dyn Sink>, SinkError> {
        match self.sink(context) {
            Ok(sink) => Ok(Box::new(sink)),
            Err(reason) => Err(unavailable(context, reason)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(toml: &str) -> Vec<ConfigProblem> {
        toml::from_str::<HttpSinkConfig>(toml).unwrap().validate()
    }

    #[test]
    fn the_example_is_valid() {
        assert_eq!(problems(HttpSinkConfig::example()), []);
    }

    #[test]
    fn plain_http_stays_on_this_machine_or_has_an_unsafe_name() {
        for url in [
            "http://localhost:80/x",
            "http://127.0.0.1/x",
            "http://[::1]:9/x",
        ] {
            assert_eq!(problems(&format!("url = '{url}'")), [], "{url}");
        }
        for url in ["http://localhost.evil.example/x", "http://10.0.0.1/x"] {
            let found = problems(&format!("url = '{url}'"));
            assert!(!found[0].warning && found[0].reason.contains("insecure_allow_plain_http"));
            let allowed = problems(&format!("url = '{url}'\ninsecure_allow_plain_http = true"));
            assert!(allowed.len() == 1 && allowed[0].warning, "{url}");
        }
        let token = "auth = { oauth2 = { token_url = 'http://login.example/', client_id = 'c', client_secret = 'env:S' } }";
        let found = problems(&format!("url = 'https://x.example/'\n{token}"));
        assert_eq!(found[0].key, "auth.oauth2.token_url");
    }

    #[test]
    fn wrong_values_are_errors() {
        let found = problems(
            "url = 'https://h.example/{x}'\nheaders = { Authorization = 'x' }\n\
             timeout_seconds = 0\naccept_statuses = [200]\nproxy = 'proxy'",
        );
        let keys: Vec<&str> = found.iter().map(|p| p.key.as_str()).collect();
        assert_eq!(
            keys,
            [
                "url",
                "headers",
                "timeout_seconds",
                "accept_statuses",
                "proxy"
            ]
        );
    }

    #[test]
    fn a_header_name_of_the_hub_is_not_for_configurations() {
        for name in ["idempotency-key", "Content-Length", "Cookie"] {
            let found = problems(&format!(
                "url = 'https://h.example/'\nheaders = {{ {name} = 'x' }}"
            ));
            assert_eq!(found.len(), 1, "{name}");
        }
    }
}
