//! Configuration of an HTTP sink.

use std::collections::BTreeMap;
use std::path::PathBuf;

use async_trait::async_trait;
use hub_core::{AdapterContext, ConfigProblem, Secret, Sink, SinkConfig, SinkError};
use hub_web::{
    Auth, BasicCredential, ClientOptions, NoAnswer, Probe, UrlTemplate, WebClient, WebServer,
};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::sink::{HttpSink, is_free};

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
    /// Names of headers that a message which is passed on keeps, and an answer has, `correlation-id`
    /// say. No other becomes a header of the request: they are what another partner wrote.
    #[serde(default)]
    pub pass_headers: Vec<String>,
    /// Who we are.
    #[serde(default)]
    pub auth: Option<Auth>,
    /// Longest wait for a connection, in seconds.
    #[serde(default = "WebServer::usual_connect_timeout_seconds")]
    pub connect_timeout_seconds: u64,
    /// Longest wait for the answer, in seconds; one second more per 256 KiB of the body.
    #[serde(default = "WebServer::usual_timeout_seconds")]
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
    /// Who we are to the proxy, if it asks.
    #[serde(default)]
    pub proxy_auth: Option<BasicCredential>,
    /// How `meterhub check --connect` asks, with our credentials, whether messages could be sent.
    #[serde(default)]
    pub check_method: CheckMethod,
    /// What it asks for instead of the `url`, `/health` say: a path on the same server. Without it, of
    /// a `url` with braces only what stands before them is asked for, and need not be there.
    #[serde(default)]
    pub check_path: Option<String>,
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

/// How a server is asked whether messages could be sent. Any answer will do but 401, 403 and 407 (our
/// credentials), 404 and 410, redirects, and 502 to 504.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum CheckMethod {
    /// `HEAD`.
    #[default]
    Head,
    /// `OPTIONS`. Some servers answer it whoever asks.
    Options,
    /// `GET`.
    Get,
    /// Not at all: for servers that take any request for a message. Name, connection, certificate and
    /// OAuth 2 token are tried.
    #[serde(rename = "none")]
    None,
}

impl HttpSinkConfig {
    fn static_headers(&self) -> Result<HeaderMap, String> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let parsed = self.free_header(name)?;
            let value = HeaderValue::try_from(value)
                .map_err(|_| format!("`{name}` holds characters that no header can carry"))?;
            headers.insert(parsed, value);
        }
        Ok(headers)
    }

    fn passed_headers(&self) -> Result<Vec<HeaderName>, String> {
        let names = self.pass_headers.iter();
        names.map(|name| self.free_header(name)).collect()
    }

    /// A name that is neither the hub's to set nor that of our credentials.
    fn free_header(&self, name: &str) -> Result<HeaderName, String> {
        let parsed =
            HeaderName::try_from(name).map_err(|_| format!("`{name}` is no header name"))?;
        let is_secret = match &self.auth {
            Some(Auth::Header(secret)) => secret.name.eq_ignore_ascii_case(name),
            _ => false,
        };
        match is_free(&parsed) && !is_secret {
            true => Ok(parsed),
            false => Err(format!(
                "`{name}` is set by the hub, or carries credentials: those belong under `auth`"
            )),
        }
    }

    /// The server, whose keys stand in this table.
    fn server(&self) -> WebServer {
        let base = UrlTemplate::parse(&self.url)
            .ok()
            .and_then(|url| url.base());
        WebServer {
            url: base.map(String::from).unwrap_or_default(),
            auth: self.auth.clone(),
            connect_timeout_seconds: self.connect_timeout_seconds,
            timeout_seconds: self.timeout_seconds,
            insecure_allow_plain_http: self.insecure_allow_plain_http,
            ca_certificates: self.ca_certificates.clone(),
            client_certificate: self.client_certificate.clone(),
            proxy: self.proxy.clone(),
            proxy_auth: self.proxy_auth.clone(),
        }
    }

    fn options(&self) -> ClientOptions {
        ClientOptions {
            follow_redirects: self.follow_redirects,
            ..ClientOptions::default()
        }
    }

    /// What `check --connect` asks for.
    fn probe(&self) -> Option<Probe> {
        let method = match self.check_method {
            CheckMethod::Head => reqwest::Method::HEAD,
            CheckMethod::Options => reqwest::Method::OPTIONS,
            CheckMethod::Get => reqwest::Method::GET,
            CheckMethod::None => return None,
        };
        if let Some(path) = &self.check_path {
            return Some(Probe::new(method, path));
        }
        let mut url = UrlTemplate::parse(&self.url).ok()?.base()?;
        let has_braces = self.url.contains('{');
        let has_whole_path = url.query().is_some();
        if has_braces {
            url.set_query(None);
        }
        Some(Probe::new(method, url).may_be_absent(has_braces && !has_whole_path))
    }

    fn client(&self, context: &AdapterContext) -> Result<WebClient, SinkError> {
        let client = self.server().client_with(self.options(), context);
        client.map_err(|reason| unavailable(context, reason))
    }

    fn validate_server(&self, problems: &mut Vec<ConfigProblem>) {
        let server = self.server();
        match UrlTemplate::parse(&self.url) {
            Ok(_) => server.validate_url("url", &server.url, problems),
            Err(reason) => problems.push(ConfigProblem::error("url", reason)),
        }
        server.validate_rest("", problems);
    }
}

fn unavailable(context: &AdapterContext, reason: String) -> SinkError {
    let endpoint = context.name.clone();
    NoAnswer { endpoint, reason }.into()
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
        self.validate_server(&mut problems);
        let mut error = |key, reason: String| problems.push(ConfigProblem::error(key, reason));
        if let Err(reason) = self.static_headers() {
            error("headers", reason);
        }
        if let Err(reason) = self.passed_headers() {
            error("pass_headers", reason);
        }
        if self
            .check_path
            .as_deref()
            .is_some_and(|path| !path.starts_with('/'))
        {
            error("check_path", "does not begin with `/`".to_owned());
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
        problems
    }

    async fn check(&self, context: &AdapterContext) -> Result<(), SinkError> {
        let server = self.server();
        let probe = self.probe();
        server
            .check(self.options(), probe.as_ref(), context)
            .await?;
        Ok(())
    }

    async fn connect(&self, context: &AdapterContext) -> Result<Box<dyn Sink>, SinkError> {
        let failed = |reason| unavailable(context, reason);
        Ok(Box::new(HttpSink {
            client: self.client(context)?,
            url: UrlTemplate::parse(&self.url).map_err(failed)?,
            method: match self.method {
                Method::Post => reqwest::Method::POST,
                Method::Put => reqwest::Method::PUT,
            },
            headers: self.static_headers().map_err(failed)?,
            pass_headers: self.passed_headers().map_err(failed)?,
            accept_statuses: self.accept_statuses.clone(),
        }))
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
             timeout_seconds = 0\naccept_statuses = [200]\nproxy = 'proxy'\ncheck_path = 'x'\n\
             pass_headers = ['X-Api-Key']\nauth = { header = { name = 'x-api-key', value = 'env:K' } }",
        );
        let keys: Vec<&str> = found.iter().map(|p| p.key.as_str()).collect();
        assert_eq!(
            keys,
            [
                "url",
                "timeout_seconds",
                "proxy",
                "headers",
                "pass_headers",
                "check_path",
                "accept_statuses"
            ]
        );
    }

    #[test]
    fn a_check_asks_for_what_is_known_of_the_url() {
        let asked = |toml: &str| {
            let config: HttpSinkConfig = toml::from_str(toml).unwrap();
            config.probe().map(|probe| format!("{probe:?}"))
        };
        for (toml, expected) in [
            (
                "url = 'https://h/in?a=b'",
                ["HEAD", "https://h/in?a=b", "absent: false"],
            ),
            (
                "url = 'https://h/in?id={message_id}'",
                ["HEAD", "\"https://h/in\"", "absent: false"],
            ),
            (
                "url = 'https://h/in/{message_id}'",
                ["HEAD", "\"https://h/in/\"", "absent: true"],
            ),
            (
                "url = 'https://h/{subject}'\ncheck_path = '/health'\ncheck_method = 'OPTIONS'",
                ["OPTIONS", "\"/health\"", "absent: false"],
            ),
        ] {
            let found = asked(toml).unwrap();
            assert!(
                expected.iter().all(|part| found.contains(part)),
                "{toml}: {found}"
            );
        }
        assert_eq!(asked("url = 'https://h/in'\ncheck_method = 'none'"), None);
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
