//! Which broker, and who we are to it.

use std::path::PathBuf;
use std::time::Duration;

use fe2o3_amqp::sasl_profile::SaslProfile;
use hub_broker::{check_range, is_loopback};
use hub_core::{AdapterContext, ConfigProblem, Secret};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio_rustls::TlsConnector;

use crate::connection::Endpoint;
use crate::tls;

/// A broker, and who we are to it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Broker {
    /// Where it is: `amqps://host:port`. Usual ports: 5671, and 5672 without encryption. Credentials
    /// belong under `auth`.
    pub url: String,
    /// Who we are.
    pub auth: Auth,
    /// The host we say we want, for brokers that are several. Default: the host of the URL. RabbitMQ
    /// takes `vhost:NAME` for its virtual hosts.
    #[serde(default)]
    pub host_name: Option<String>,
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
    /// User and password (SASL `PLAIN`). At Azure Service Bus the name of an access policy and its
    /// key.
    Password(PasswordLogin),
    /// Our client certificate says it (SASL `EXTERNAL`).
    External,
    /// Nobody in particular (SASL `ANONYMOUS`); the broker lets everybody in, or knows our client
    /// certificate.
    InsecureAnonymous,
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

/// A URL, taken apart.
#[derive(Debug, PartialEq, Eq)]
struct Address {
    encrypted: bool,
    /// A name or an address, without the brackets of IPv6.
    host: String,
    port: u16,
}

impl Broker {
    /// Looks for problems, without network or disk.
    pub(super) fn validate(&self, problems: &mut Vec<ConfigProblem>) {
        match address(&self.url) {
            Err(reason) => problems.push(ConfigProblem::error("broker.url", reason)),
            Ok(address) => self.validate_encryption(&address, problems),
        }
        self.validate_auth(problems);
        let key = "broker.connect_timeout_seconds";
        check_range(key, self.connect_timeout_seconds, 1..=300, problems);
        let heartbeat = u64::from(self.heartbeat_seconds);
        check_range("broker.heartbeat_seconds", heartbeat, 1..=600, problems);
    }

    fn validate_auth(&self, problems: &mut Vec<ConfigProblem>) {
        match &self.auth {
            Auth::Password(login) if login.user.is_empty() => {
                let key = "broker.auth.password.user";
                problems.push(ConfigProblem::error(key, "is empty"));
            }
            Auth::External if self.client_certificate.is_none() => {
                let reason = "`external` needs a `client_certificate`: it says who we are";
                problems.push(ConfigProblem::error("broker.auth", reason));
            }
            Auth::InsecureAnonymous if self.client_certificate.is_none() => {
                let reason = "the broker cannot tell us from others";
                problems.push(ConfigProblem::warning("broker.auth", reason));
            }
            Auth::Password(_) | Auth::External | Auth::InsecureAnonymous => {}
        }
    }

    fn validate_encryption(&self, address: &Address, problems: &mut Vec<ConfigProblem>) {
        let tls_is_configured = self.ca_certificates.is_some() || self.client_certificate.is_some();
        if !address.encrypted && tls_is_configured {
            let reason = "certificates are of use with `amqps:` only";
            problems.push(ConfigProblem::error("broker.url", reason));
        }
        if address.encrypted || is_loopback(&address.host) {
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

    /// All that is needed to connect, with secrets and certificates read.
    ///
    /// # Errors
    /// What is missing; never names a secret's value.
    pub(crate) fn endpoint(
        &self,
        context: &AdapterContext,
        largest: u64,
    ) -> Result<Endpoint, String> {
        let address = address(&self.url).map_err(|reason| format!("`broker.url` {reason}"))?;
        Ok(Endpoint {
            name: context.name.clone(),
            tls: match address.encrypted {
                true => Some(self.tls(context)?),
                false => None,
            },
            host_name: self.host_name.clone().unwrap_or(address.host.clone()),
            host: address.host,
            port: address.port,
            login: self.login(context)?,
            connect_timeout: Duration::from_secs(self.connect_timeout_seconds),
            heartbeat: Duration::from_secs(u64::from(self.heartbeat_seconds)),
            largest,
        })
    }

    fn login(&self, context: &AdapterContext) -> Result<SaslProfile, String> {
        Ok(match &self.auth {
            Auth::External => SaslProfile::External,
            Auth::InsecureAnonymous => SaslProfile::Anonymous,
            Auth::Password(login) => {
                let password = login.password.resolve(&context.base_dir);
                SaslProfile::Plain {
                    username: login.user.clone(),
                    password: password.map_err(|e| e.to_string())?,
                }
            }
        })
    }

    fn tls(&self, context: &AdapterContext) -> Result<TlsConnector, String> {
        let authorities = match &self.ca_certificates {
            None => None,
            Some(path) => {
                let path = context.path(path);
                let pem = std::fs::read(&path);
                Some(pem.map_err(|e| format!("`{}`: {e}", path.display()))?)
            }
        };
        let identity = match &self.client_certificate {
            None => None,
            Some(secret) => {
                let pem = secret.resolve(&context.base_dir);
                Some(pem.map_err(|e| e.to_string())?.into_bytes())
            }
        };
        tls::connector(authorities.as_deref(), identity.as_deref())
    }
}

fn address(url: &str) -> Result<Address, String> {
    let expected = "expected a URL such as `amqps://host:5671`";
    let (encrypted, rest) = match url.split_once("://") {
        Some(("amqps", rest)) => (true, rest),
        Some(("amqp", rest)) => (false, rest),
        _ => {
            let reason = "begins neither `amqp://` nor `amqps://`";
            return Err(format!("{reason}; {expected}"));
        }
    };
    if rest.contains('@') {
        return Err("holds credentials; give them under `auth`, by reference".to_owned());
    }
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if rest.contains(['/', '?', '#']) {
        return Err(format!(
            "holds a path, query or fragment; {expected}, and a virtual host as `host_name`"
        ));
    }
    let (host, port) = match rest.strip_prefix('[') {
        Some(rest) => rest.split_once(']').unwrap_or_default(),
        None => rest.split_at(rest.find(':').unwrap_or(rest.len())),
    };
    let port = match port.strip_prefix(':') {
        Some(port) => port.parse().ok().filter(|port| *port > 0),
        None if port.is_empty() => Some(if encrypted { 5671 } else { 5672 }),
        None => None,
    };
    match port {
        Some(port) if !host.is_empty() => Ok(Address {
            encrypted,
            host: host.to_owned(),
            port,
        }),
        _ => Err(format!("has no usable host and port; {expected}")),
    }
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
        assert!(problems(&format!("url = 'amqps://b.example'\n{LOGIN}")).is_empty());
        assert!(problems(&format!("url = 'amqp://[::1]:5672'\n{LOGIN}")).is_empty());
        let plain = format!("url = 'amqp://b.example'\n{LOGIN}");
        assert!(problems(&plain)[0].contains("is not encrypted"));
        let allowed = format!("{plain}\ninsecure_allow_plain_tcp = true");
        assert!(problems(&allowed)[0].ends_with("true"), "only a warning");
        let anonymous = problems("url = 'amqps://b'\nauth = 'insecure_anonymous'");
        assert!(anonymous[0].ends_with("true"), "only a warning");
    }

    #[test]
    fn wrong_values_are_errors() {
        for url in [
            "http://b",
            "amqps://u:p@b",
            "amqps://b/vhost",
            "amqps://b?heartbeat=1",
            "amqps://",
            "amqps://b:0",
            "amqps://b:port",
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
    fn a_url_says_host_and_port() {
        let parts = |url: &str| {
            let found = address(url).unwrap();
            (found.host, found.port, found.encrypted)
        };
        assert_eq!(parts("amqps://b.example"), ("b.example".into(), 5671, true));
        assert_eq!(parts("amqp://127.0.0.1:1/"), ("127.0.0.1".into(), 1, false));
        assert_eq!(parts("amqp://[::1]"), ("::1".into(), 5672, false));
    }
}
