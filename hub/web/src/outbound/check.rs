//! `check --connect` of what calls a server: as much as can be told without sending a message.
//!
//! In this order, up to the first trouble: the name is known, a connection is taken (through the proxy, if
//! there is one) and the server's certificate trusted, an OAuth 2 server grants a token, and the answer to
//! a harmless request, if the adapter has one, says that we are known there and that there is something.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use hub_core::AdapterContext;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode, Url, header};
use tokio::time::{Instant, timeout_at};
use tower::BoxError;
use tower::util::MapResultLayer;

use super::answer::{Answer, reason};
use super::build::{self, ClientOptions};
use super::client::{NoAnswer, WebClient};
use super::server::WebServer;

/// Longest check of a server. Less than `meterhub check` gives to an endpoint (15 s), so that what is
/// told says what was waited for.
const PATIENCE: Duration = Duration::from_secs(12);

/// Most of an answer that is read.
const LARGEST_ANSWER: usize = 64 * 1024;

/// A request that changes nothing and is no message, to see what a server says to it.
#[derive(Debug, Clone)]
pub struct Probe {
    method: Method,
    path: String,
    headers: HeaderMap,
    may_be_absent: bool,
    said: fn(&Answer) -> String,
}

impl Probe {
    /// A request; `path` as at [`WebClient::request`].
    #[must_use]
    pub fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            headers: HeaderMap::new(),
            may_be_absent: false,
            said: Answer::shown,
        }
    }

    /// With a header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// That there is nothing at this path is no trouble: what messages are sent to is below it, or is
    /// not made for such requests.
    #[must_use]
    pub fn may_be_absent(mut self, may_be: bool) -> Self {
        self.may_be_absent = may_be;
        self
    }

    /// How the server's words are read, where they stand in a form of its own.
    #[must_use]
    pub fn read_by(mut self, said: fn(&Answer) -> String) -> Self {
        self.said = said;
        self
    }

    /// Asks; gives an answer that is no trouble.
    async fn ask(&self, client: &WebClient) -> Result<Answer, String> {
        let asked = format!("`{} {}`", self.method, client.target(&self.path));
        let make = || {
            let request = client.request(self.method.clone(), &self.path);
            request.headers(self.headers.clone())
        };
        let response = client.send(make).await;
        let response = response.map_err(|error| advised(format!("{asked}: {}", error.reason)))?;
        let answer = client.read(response, LARGEST_ANSWER).await;
        match self.trouble(&answer, client.has_credentials()) {
            None => Ok(answer),
            Some(advice) => Err(answered(
                &asked,
                answer.status,
                &(self.said)(&answer),
                &advice,
            )),
        }
    }

    /// What is to be done about an answer, if anything.
    fn trouble(&self, answer: &Answer, has_credentials: bool) -> Option<String> {
        let advice = match answer.status.as_u16() {
            401 if has_credentials => {
                "our credentials are refused; are they right in `auth`, and where its secrets are?"
            }
            401 => "credentials are wanted, and none are given; give them in `auth`",
            403 => {
                "who we are there may not do this; check `auth` or `client_certificate`, and the rights there"
            }
            407 => "the proxy wants credentials",
            404 | 410 if !self.may_be_absent => {
                "there is nothing at this path; check it with the partner"
            }
            301..=303 | 307 | 308 => {
                let to = answer.shown_header(header::LOCATION).unwrap_or_default();
                return Some(format!("it leads to `{to}`; is the address right?"));
            }
            502..=504 => {
                "what answers does not reach the server behind it, or that is being serviced"
            }
            _ => return None,
        };
        Some(advice.to_owned())
    }
}

/// `` `HEAD https://erp.example/in` was answered 401 Unauthorized (who are you?); do this ``.
fn answered(asked: &str, status: StatusCode, said: &str, advice: &str) -> String {
    match said {
        "" => format!("{asked} was answered {status}; {advice}"),
        said => format!("{asked} was answered {status} ({said}); {advice}"),
    }
}

impl WebServer {
    /// Checks the server; gives the answer to the probe, if there is one, for the adapter to judge what
    /// only it understands.
    ///
    /// # Errors
    /// What, where, and what to do about it. Within 12 seconds, whatever the server does.
    pub async fn check(
        &self,
        options: ClientOptions,
        probe: Option<&Probe>,
        context: &AdapterContext,
    ) -> Result<Option<Answer>, NoAnswer> {
        let begun = Instant::now();
        let stages = Stages {
            server: self,
            context,
            until: begun + PATIENCE,
        };
        let checked = stages.pass(options, probe).await;
        checked.map_err(|reason| NoAnswer {
            endpoint: context.name.clone(),
            reason,
        })
    }
}

struct Stages<'a> {
    server: &'a WebServer,
    context: &'a AdapterContext,
    until: Instant,
}

impl Stages<'_> {
    async fn pass(
        &self,
        options: ClientOptions,
        probe: Option<&Probe>,
    ) -> Result<Option<Answer>, String> {
        let client = self.server.client_with(options, self.context)?;
        let there = client.url().origin().ascii_serialization();
        self.within(
            &format!("the name of `{there}` is not resolved"),
            self.resolve(),
        )
        .await?;
        self.within(&format!("no connection to `{there}`"), self.connect(&there))
            .await?;
        self.within("no token", client.token()).await?;
        match probe {
            None => Ok(None),
            Some(probe) => {
                let what = format!("no answer from `{there}` to {}", probe.method);
                self.within(&what, probe.ask(&client)).await.map(Some)
            }
        }
    }

    async fn within<T>(
        &self,
        what: &str,
        stage: impl Future<Output = Result<T, String>>,
    ) -> Result<T, String> {
        match timeout_at(self.until, stage).await {
            Ok(done) => done,
            Err(_) => Err(format!("{what} within {} s", PATIENCE.as_secs())),
        }
    }

    /// Whether the server's name is known, or the proxy's: who goes through one need not know others.
    async fn resolve(&self) -> Result<(), String> {
        let address = self.server.proxy.as_ref().unwrap_or(&self.server.url);
        let url = Url::parse(address).map_err(|error| format!("`{address}`: {error}"))?;
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let port = url.port_or_known_default().unwrap_or_default();
        let found = tokio::net::lookup_host((host, port)).await;
        found.map(drop).map_err(|error| {
            format!(
                "the name `{host}` is not known here ({error}); is it right, and does this machine resolve names?"
            )
        })
    }

    /// Connects as a request would, with the configured trust, and says nothing.
    async fn connect(&self, there: &str) -> Result<(), String> {
        let builder = build::builder(self.server, ClientOptions::default(), self.context)?;
        let builder = builder.connector_layer(MapResultLayer::new(let_go));
        let client = builder.build().map_err(reason)?;
        let Err(error) = client.head(there).send().await else {
            return Ok(());
        };
        if was_connected(&error) {
            return Ok(());
        }
        let waited = self.server.connect_timeout_seconds;
        if error.is_timeout() {
            return Err(format!("no connection to `{there}` within {waited} s"));
        }
        let reason = reason(error);
        // What every trouble of this kind begins with says nothing about this one.
        let reason = reason.trim_start_matches("error sending request: client error (Connect): ");
        Err(advised(format!("no connection to `{there}`: {reason}")))
    }
}

/// A connection was made, and is not wanted.
#[derive(Debug)]
struct Connected;

impl fmt::Display for Connected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("connected")
    }
}

impl Error for Connected {}

fn let_go<C>(connected: Result<C, BoxError>) -> Result<C, BoxError> {
    connected.and_then(|_| Err(Connected.into()))
}

fn was_connected(error: &reqwest::Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if error.is::<Connected>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// What to do where the words are those of TLS. What is said of the server's certificate is told by
/// `meterhub check`, for all adapters alike.
fn advised(problem: String) -> String {
    let advice =
        if problem.contains("CertificateRequired") || problem.contains("CertificateUnknown") {
            "the server wants a certificate of ours that it knows; give it in `client_certificate`"
        } else if problem.contains("InvalidContentType") || problem.contains("corrupt message") {
            "what listens there does not speak TLS; is it the right port, or `http:`?"
        } else {
            return problem;
        };
    format!("{problem}; {advice}")
}
