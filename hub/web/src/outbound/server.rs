//! A partner's server in the configuration.

use std::path::PathBuf;

use hub_core::{AdapterContext, ConfigProblem, Secret};
use reqwest::Url;
use schemars::JsonSchema;
use serde::Deserialize;

use super::auth::Auth;
use super::build::ClientOptions;
use super::client::WebClient;
use crate::inbound::BasicCredential;

/// A server that the hub calls, and who the hub is there.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebServer {
    /// Its address, `https://erp.example` say. Paths of the adapter are added to it.
    pub url: String,
    /// Who we are.
    #[serde(default)]
    pub auth: Option<Auth>,
    /// Longest wait for a connection, in seconds.
    #[serde(default = "WebServer::usual_connect_timeout_seconds")]
    pub connect_timeout_seconds: u64,
    /// Longest wait for an answer, in seconds; one second more per 256 KiB of a message's body.
    #[serde(default = "WebServer::usual_timeout_seconds")]
    pub timeout_seconds: u64,
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
}

impl WebServer {
    /// Default of `connect_timeout_seconds`.
    #[must_use]
    pub const fn usual_connect_timeout_seconds() -> u64 {
        10
    }

    /// Default of `timeout_seconds`.
    #[must_use]
    pub const fn usual_timeout_seconds() -> u64 {
        60
    }

    /// Looks for problems, without network or disk. `key` is the table's own (`server`), or empty
    /// where its keys stand in the adapter's table.
    pub fn validate(&self, key: &str, problems: &mut Vec<ConfigProblem>) {
        self.validate_url(&join(key, "url"), &self.url, problems);
        self.validate_rest(key, problems);
    }

    /// Like [`WebServer::validate`], of all but the `url`.
    pub fn validate_rest(&self, key: &str, problems: &mut Vec<ConfigProblem>) {
        if let Some(auth) = &self.auth {
            if let Auth::Oauth2(oauth) = auth {
                let key = join(key, "auth.oauth2.token_url");
                self.validate_url(&key, &oauth.token_url, problems);
            }
            auth.validate(|name| join(key, name), problems);
        }
        for (name, seconds) in [
            ("connect_timeout_seconds", self.connect_timeout_seconds),
            ("timeout_seconds", self.timeout_seconds),
        ] {
            if !(1..=86_400).contains(&seconds) {
                let reason = format!("is {seconds}, expected 1 to 86400");
                problems.push(ConfigProblem::error(&join(key, name), reason));
            }
        }
        self.validate_proxy(key, problems);
    }

    fn validate_proxy(&self, key: &str, problems: &mut Vec<ConfigProblem>) {
        let mut error = |name, reason: String| {
            problems.push(ConfigProblem::error(&join(key, name), reason));
        };
        match self.proxy.as_deref().map(Url::parse) {
            Some(Err(wrong)) => error(
                "proxy",
                format!("{wrong}, expected a URL such as `http://proxy:3128`"),
            ),
            Some(Ok(url)) if !matches!(url.scheme(), "http" | "https") => error(
                "proxy",
                format!(
                    "has the scheme `{}`, expected `http` or `https`",
                    url.scheme()
                ),
            ),
            Some(Ok(url)) if holds_credentials(&url) => error(
                "proxy",
                "holds credentials; give them under `proxy_auth`, by reference".to_owned(),
            ),
            Some(Ok(_)) => {}
            None if self.proxy_auth.is_some() => {
                error(
                    "proxy_auth",
                    "is for a `proxy`, and there is none".to_owned(),
                );
            }
            None => {}
        }
        if self
            .proxy_auth
            .as_ref()
            .is_some_and(|auth| !auth.is_expressible())
        {
            error(
                "proxy_auth.user",
                BasicCredential::NOT_EXPRESSIBLE.to_owned(),
            );
        }
    }

    /// Whether a URL is one, and encrypted or allowed not to be.
    pub fn validate_url(&self, key: &str, url: &str, problems: &mut Vec<ConfigProblem>) {
        let problem = match Url::parse(url) {
            Err(wrong) => ConfigProblem::error(
                key,
                format!("{wrong}, expected a URL such as `https://erp.example`"),
            ),
            Ok(url) if !matches!(url.scheme(), "http" | "https") => ConfigProblem::error(
                key,
                format!("has the scheme `{}`, expected `https`", url.scheme()),
            ),
            Ok(url) if holds_credentials(&url) => ConfigProblem::error(
                key,
                "holds credentials; give them under `auth`, by reference",
            ),
            Ok(url) if url.scheme() == "https" || is_loopback(&url) => return,
            Ok(_) if self.insecure_allow_plain_http => ConfigProblem::warning(
                key,
                "messages and credentials go over the network in the clear",
            ),
            Ok(_) => ConfigProblem::error(
                key,
                "is not encrypted: use `https:`, or set `insecure_allow_plain_http = true`",
            ),
        };
        problems.push(problem);
    }

    /// The client of this server.
    ///
    /// # Errors
    /// A secret, a certificate or the proxy is not usable.
    pub fn client(&self, context: &AdapterContext) -> Result<WebClient, String> {
        self.client_with(ClientOptions::default(), context)
    }

    /// The client of this server, for an adapter that wants more of it.
    ///
    /// # Errors
    /// A secret, a certificate or the proxy is not usable.
    pub fn client_with(
        &self,
        options: ClientOptions,
        context: &AdapterContext,
    ) -> Result<WebClient, String> {
        WebClient::new(self, options, context)
    }
}

fn join(table: &str, key: &str) -> String {
    match table {
        "" => key.to_owned(),
        table => format!("{table}.{key}"),
    }
}

/// Whether a URL says who we are: that would be a secret as a value.
fn holds_credentials(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

/// Whether a URL stays on this machine.
fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|a| a.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(toml: &str) -> Vec<ConfigProblem> {
        let server: WebServer = toml::from_str(toml).unwrap();
        let mut problems = Vec::new();
        server.validate("server", &mut problems);
        problems
    }

    #[test]
    fn a_server_is_an_encrypted_url_or_says_that_it_is_not() {
        assert_eq!(problems("url = 'https://erp.example/x'"), []);
        assert_eq!(problems("url = 'http://127.0.0.1:80'"), []);
        for (toml, warning) in [
            ("url = 'http://erp.example'", false),
            (
                "url = 'http://erp.example'\ninsecure_allow_plain_http = true",
                true,
            ),
            ("url = 'https://me:secret@erp.example'", false),
            ("url = 'ftp://erp.example'", false),
            ("url = 'erp.example'", false),
        ] {
            let found = problems(toml);
            assert_eq!(found.len(), 1, "{toml}");
            assert_eq!(
                (found[0].key.as_str(), found[0].warning),
                ("server.url", warning)
            );
        }
    }

    #[test]
    fn every_wrong_value_has_its_key() {
        let found = problems(
            "url = 'https://erp.example'\nproxy = 'proxy'\nconnect_timeout_seconds = 0\n\
             [auth.oauth2]\ntoken_url = 'http://login.example/'\nclient_id = ''\n\
             client_secret = 'env:S'",
        );
        let keys: Vec<&str> = found.iter().map(|p| p.key.as_str()).collect();
        let expected = [
            "server.auth.oauth2.token_url",
            "server.auth.oauth2.client_id",
            "server.connect_timeout_seconds",
            "server.proxy",
        ];
        assert_eq!(keys, expected);
    }

    #[test]
    fn who_we_are_to_a_proxy_is_given_by_reference() {
        let server = "url = 'https://erp.example'\n";
        let auth = "proxy_auth = { user = 'hub', password = 'env:PROXY_PASSWORD' }\n";
        let proxy = "proxy = 'http://proxy:3128'\n";
        assert_eq!(problems(&format!("{server}{proxy}")), []);
        assert_eq!(problems(&format!("{server}{proxy}{auth}")), []);
        for (toml, key) in [
            ("proxy = 'http://hub:hunter2@proxy:3128'", "server.proxy"),
            ("proxy = 'http://hub@proxy:3128'", "server.proxy"),
            ("proxy = 'socks5://proxy:1080'", "server.proxy"),
            (auth, "server.proxy_auth"),
            (
                "proxy = 'http://proxy:3128'\nproxy_auth = { user = 'a:b', password = 'env:P' }",
                "server.proxy_auth.user",
            ),
        ] {
            let found = problems(&format!("{server}{toml}"));
            assert_eq!(found.len(), 1, "{toml}: {found:?}");
            assert_eq!((found[0].key.as_str(), found[0].warning), (key, false));
            assert!(!found[0].reason.contains("hunter2"), "{found:?}");
        }
    }
}
