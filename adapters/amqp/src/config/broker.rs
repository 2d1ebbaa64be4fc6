//! Which broker, and who we are to it.

use std::path::PathBuf;
use std::time::Duration;

use hub_broker::{check_range, is_loopback};
use hub_core::{AdapterContext, ConfigProblem, Secret};
use lapin::tcp::{OwnedIdentity, OwnedTLSConfig};
use lapin::uri::{AMQPScheme, AMQPUri, AMQPUserInfo, SASLMechanism};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::link::Endpoint;

/// What marks a certificate in a PEM file.
const CERTIFICATE_MARK: &str = "-----BEGIN CERTIFICATE-----";

/// A broker, and who we are to it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Broker {
    /// Where it is: `amqps://host:port/virtual-host`. Without a path, or with `/%2f`, the virtual
    /// host is `/`. Credentials belong under `auth`.
    pub url: String,
    /// Who we are.
    pub auth: Auth,
    /// File of further certificate authorities to trust, in PEM.
    #[serde(default)]
    pub ca_certificates: Option<PathBuf>,
    /// Our own certificate and its private key, in one PEM: `file:client.pem`.
    #[serde(default)]
    pub client_certificate: Option<Secret>,
    /// Longest wait for a connection, TLS and login included, in seconds.
    #[serde(default = "connect_timeout_seconds")]
    pub connect_timeout_seconds: u64,
    /// A sign of life each way, in seconds. After twice this silence the connection is lost.
    #[serde(default = "heartbeat_seconds")]
    pub heartbeat_seconds: u16,
    /// Send messages and credentials in the clear. Without it, `amqp:` is possible to this machine
    /// only.
    #[serde(default)]
    pub insecure_allow_plain_tcp: bool,
}

/// Who we are to the broker.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Auth {
    /// User and password (SASL `PLAIN`).
    Password(PasswordLogin),
    /// Our client certificate says it (SASL `EXTERNAL`); RabbitMQ needs its plugin
    /// `rabbitmq_auth_mechanism_ssl` for it.
    External,
}

/// A user and where the password is.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordLogin {
    /// User name.
    pub user: String,
    /// The password.
    pub password: Secret,
}

fn connect_timeout_seconds() -> u64 {
    10
}

fn heartbeat_seconds() -> u16 {
    20
}

impl Broker {
    /// Looks for problems, without network or disk.
    pub(super) fn validate(&self, problems: &mut Vec<ConfigProblem>) {
        match self.uri() {
            Err(reason) => problems.push(ConfigProblem::error("broker.url", reason)),
            Ok(uri) => self.validate_encryption(&uri, problems),
        }
        if let Auth::Password(login) = &self.auth
            && login.user.is_empty()
        {
            problems.push(ConfigProblem::error(
                "broker.auth.password.user",
                "is empty",
            ));
        }
        if matches!(self.auth, Auth::External) && self.client_certificate.is_none() {
            let reason = "`external` needs a `client_certificate`: it says who we are";
            problems.push(ConfigProblem::error("broker.auth", reason));
        }
        let key = "broker.connect_timeout_seconds";
        check_range(key, self.connect_timeout_seconds, 1..=300, problems);
        let heartbeat = u64::from(self.heartbeat_seconds);
        check_range("broker.heartbeat_seconds", heartbeat, 1..=600, problems);
    }

    fn validate_encryption(&self, uri: &AMQPUri, problems: &mut Vec<ConfigProblem>) {
        let encrypted = uri.scheme == AMQPScheme::AMQPS;
        let tls_is_configured = self.ca_certificates.is_some() || self.client_certificate.is_some();
        if !encrypted && tls_is_configured {
            let reason = "certificates are of use with `amqps:` only";
            problems.push(ConfigProblem::error("broker.url", reason));
        }
        if encrypted || is_loopback(&uri.authority.host) {
            return;
        }
        problems.push(match self.insecure_allow_plain_tcp {
            true => ConfigProblem::warning(
                "broker.url",
                "messages and credentials go over the network in the clear",
            ),
            false => ConfigProblem::error(
                "broker.url",
                "is not encrypted: use `amqps:`, or set `insecure_allow_plain_tcp = true`",
            ),
        });
    }

    /// The URL, taken apart; without credentials.
    fn uri(&self) -> Result<AMQPUri, String> {
        let expected = "expected a URL such as `amqps://host:5671/virtual-host`";
        let scheme_is_known = ["amqp://", "amqps://"]
            .iter()
            .any(|s| self.url.starts_with(s));
        if !scheme_is_known {
            return Err(format!(
                "begins neither `amqp://` nor `amqps://`; {expected}"
            ));
        }
        if self.url.contains('@') {
            return Err("holds credentials; give them under `auth`, by reference".to_owned());
        }
        if self.url.contains(['?', '#']) {
            return Err(format!("holds a query or fragment; {expected}"));
        }
        let mut uri: AMQPUri = self.url.parse().map_err(|e| format!("{e}; {expected}"))?;
        if uri.vhost.is_empty() {
            uri.vhost = "/".to_owned();
        }
        // Of an address that is no name, the library would silently make `localhost`.
        uri.authority.host = host(&self.url).ok_or(expected)?;
        Ok(uri)
    }

    /// All that is needed to connect, with secrets and certificates read.
    ///
    /// # Errors
    /// What is missing; never names a secret's value.
    pub(crate) fn endpoint(&self, context: &AdapterContext) -> Result<Endpoint, String> {
        let mut uri = self
            .uri()
            .map_err(|reason| format!("`broker.url` {reason}"))?;
        uri.query.heartbeat = Some(self.heartbeat_seconds);
        match &self.auth {
            Auth::Password(login) => {
                let password = login.password.resolve(&context.base_dir);
                uri.authority.userinfo = AMQPUserInfo {
                    username: login.user.clone(),
                    password: password.map_err(|e| e.to_string())?,
                };
            }
            Auth::External => uri.query.auth_mechanism = Some(SASLMechanism::External),
        }
        Ok(Endpoint {
            name: context.name.clone(),
            uri,
            tls: self.tls(context)?,
            connect_timeout: Duration::from_secs(self.connect_timeout_seconds),
            meter: context.meter.clone(),
        })
    }

    fn tls(&self, context: &AdapterContext) -> Result<OwnedTLSConfig, String> {
        let mut tls = OwnedTLSConfig::default();
        if let Some(path) = &self.ca_certificates {
            let path = context.path(path);
            let pem = std::fs::read_to_string(&path);
            let pem = pem.map_err(|e| format!("`{}`: {e}", path.display()))?;
            if !pem.contains(CERTIFICATE_MARK) {
                let path = path.display();
                return Err(format!("`{path}` holds no certificate, expected PEM"));
            }
            tls.cert_chain = Some(pem);
        }
        if let Some(secret) = &self.client_certificate {
            let pem = secret.resolve(&context.base_dir);
            let pem = pem.map_err(|e| e.to_string())?.into_bytes();
            // Each side takes of the one PEM what it needs.
            tls.identity = Some(OwnedIdentity::PKCS8 {
                key: pem.clone(),
                pem,
            });
        }
        Ok(tls)
    }
}

/// The host of a URL: a name or an address, without the brackets of IPv6.
fn host(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split('/').next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(bracketed) => bracketed.split_once(']')?.0,
        None => authority.split(':').next().unwrap_or_default(),
    };
    (!host.is_empty()).then(|| host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(toml: &str) -> Vec<String> {
        let broker: Broker = toml::from_str(toml).unwrap();
        let mut problems = Vec::new();
        broker.validate(&mut problems);
        problems
            .iter()
            .map(|p| format!("{p} {}", p.warning))
            .collect()
    }

    const LOGIN: &str = "auth = { password = { user = 'hub', password = 'env:P' } }";

    #[test]
    fn a_broker_elsewhere_needs_encryption() {
        assert!(problems(&format!("url = 'amqps://b.example/v'\n{LOGIN}")).is_empty());
        assert!(problems(&format!("url = 'amqp://[::1]:5672'\n{LOGIN}")).is_empty());
        let plain = format!("url = 'amqp://b.example/v'\n{LOGIN}");
        assert!(problems(&plain)[0].contains("is not encrypted"));
        let allowed = format!("{plain}\ninsecure_allow_plain_tcp = true");
        assert!(problems(&allowed)[0].ends_with("true"), "only a warning");
    }

    #[test]
    fn wrong_values_are_errors() {
        for url in [
            "http://b",
            "amqps://u:p@b/v",
            "amqps://b/v?heartbeat=1",
            "amqps:///v",
            "b",
        ] {
            let found = problems(&format!("url = '{url}'\n{LOGIN}"));
            assert!(
                found.len() == 1 && found[0].starts_with("`broker.url`"),
                "{url}: {found:?}"
            );
        }
        let found = problems("url = 'amqps://b'\nauth = 'external'\nheartbeat_seconds = 0");
        assert_eq!(found.len(), 2, "{found:?}");
    }

    #[test]
    fn a_url_says_host_port_and_virtual_host() {
        let uri = |url: &str| {
            let broker: Broker = toml::from_str(&format!("url = '{url}'\n{LOGIN}")).unwrap();
            let uri = broker.uri().unwrap();
            (uri.authority.host, uri.authority.port, uri.vhost)
        };
        let expected = |host: &str, port, vhost: &str| (host.to_owned(), port, vhost.to_owned());
        assert_eq!(uri("amqps://b.example"), expected("b.example", 5671, "/"));
        assert_eq!(uri("amqp://127.0.0.1:1/"), expected("127.0.0.1", 1, "/"));
        assert_eq!(uri("amqp://[::1]/a%2fb"), expected("::1", 5672, "a/b"));
    }
}
