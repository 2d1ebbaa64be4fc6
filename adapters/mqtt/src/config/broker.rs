//! Which broker, and who we are to it.

use std::path::PathBuf;
use std::time::Duration;

use hub_broker::{check_range, is_loopback};
use hub_core::{AdapterContext, ConfigProblem, Secret};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::link::{Endpoint, Login};
use crate::tls;

/// A broker, and who we are to it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Broker {
    /// Where it is: `mqtts://host:port`. Usual ports: 8883, and 1883 without encryption. Credentials
    /// belong under `auth`.
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
    #[serde(default = "keep_alive_seconds")]
    pub keep_alive_seconds: u16,
    /// Send messages and credentials in the clear. Without it, `mqtt:` is possible to this machine
    /// only.
    #[serde(default)]
    pub insecure_allow_plain_tcp: bool,
}

/// Who we are to the broker.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Auth {
    /// User and password.
    Password(PasswordLogin),
    /// Our client certificate says it.
    Certificate,
    /// Nobody in particular; the broker lets everybody in.
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

fn keep_alive_seconds() -> u16 {
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
        let keep_alive = u64::from(self.keep_alive_seconds);
        check_range("broker.keep_alive_seconds", keep_alive, 1..=600, problems);
    }

    fn validate_auth(&self, problems: &mut Vec<ConfigProblem>) {
        match &self.auth {
            Auth::Password(login) if login.user.is_empty() => {
                let key = "broker.auth.password.user";
                problems.push(ConfigProblem::error(key, "is empty"));
            }
            Auth::Certificate if self.client_certificate.is_none() => {
                let reason = "`certificate` needs a `client_certificate`: it says who we are";
                problems.push(ConfigProblem::error("broker.auth", reason));
            }
            Auth::InsecureAnonymous => {
                let reason = "the broker cannot tell us from others";
                problems.push(ConfigProblem::warning("broker.auth", reason));
            }
            Auth::Password(_) | Auth::Certificate => {}
        }
    }

    fn validate_encryption(&self, address: &Address, problems: &mut Vec<ConfigProblem>) {
        let tls_is_configured = self.ca_certificates.is_some() || self.client_certificate.is_some();
        if !address.encrypted && tls_is_configured {
            let reason = "certificates are of use with `mqtts:` only";
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
                "is not encrypted: use `mqtts:`, or set `insecure_allow_plain_tcp = true`",
            ),
        });
    }

    /// All that is needed to connect, with secrets and certificates read.
    ///
    /// # Errors
    /// What is missing; never names a secret's value.
    pub(crate) fn endpoint(&self, context: &AdapterContext) -> Result<Endpoint, String> {
        let address = address(&self.url).map_err(|reason| format!("`broker.url` {reason}"))?;
        let login = match &self.auth {
            Auth::Certificate | Auth::InsecureAnonymous => None,
            Auth::Password(login) => {
                let password = login.password.resolve(&context.base_dir);
                Some(Login {
                    user: login.user.clone(),
                    password: password.map_err(|e| e.to_string())?,
                })
            }
        };
        Ok(Endpoint {
            tls: match address.encrypted {
                true => Some(self.tls(context)?),
                false => None,
            },
            host: address.host,
            port: address.port,
            login,
            connect_timeout: Duration::from_secs(self.connect_timeout_seconds),
            keep_alive_seconds: self.keep_alive_seconds,
            meter: context.meter.clone(),
        })
    }

    fn tls(&self, context: &AdapterContext) -> Result<tls::ClientTls, String> {
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
        tls::client(authorities.as_deref(), identity.as_deref())
    }
}

fn address(url: &str) -> Result<Address, String> {
    let expected = "expected a URL such as `mqtts://host:8883`";
    let (encrypted, rest) = match url.split_once("://") {
        Some(("mqtts", rest)) => (true, rest),
        Some(("mqtt", rest)) => (false, rest),
        _ => {
            let reason = "begins neither `mqtt://` nor `mqtts://`";
            return Err(format!("{reason}; {expected}"));
        }
    };
    if rest.contains('@') {
        return Err("holds credentials; give them under `auth`, by reference".to_owned());
    }
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if rest.contains(['/', '?', '#']) {
        return Err(format!("holds a path, query or fragment; {expected}"));
    }
    let (host, port) = match rest.strip_prefix('[') {
        Some(rest) => rest.split_once(']').unwrap_or_default(),
        None => rest.split_at(rest.find(':').unwrap_or(rest.len())),
    };
    let port = match port.strip_prefix(':') {
        Some(port) => port.parse().ok().filter(|port| *port > 0),
        None if port.is_empty() => Some(if encrypted { 8883 } else { 1883 }),
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
        assert!(problems(&format!("url = 'mqtts://b.example'\n{LOGIN}")).is_empty());
        assert!(problems(&format!("url = 'mqtt://[::1]:1883'\n{LOGIN}")).is_empty());
        let plain = format!("url = 'mqtt://b.example'\n{LOGIN}");
        assert!(problems(&plain)[0].contains("is not encrypted"));
        let allowed = format!("{plain}\ninsecure_allow_plain_tcp = true");
        assert!(problems(&allowed)[0].ends_with("true"), "only a warning");
        let anonymous = problems("url = 'mqtts://b'\nauth = 'insecure_anonymous'");
        assert!(anonymous[0].ends_with("true"), "only a warning");
    }

    #[test]
    fn wrong_values_are_errors() {
        for url in [
            "http://b",
            "mqtts://u:p@b",
            "mqtts://b/topic",
            "mqtts://",
            "mqtts://b:0",
            "mqtts://[::1",
            "mqtts://[::1]x",
            "b",
        ] {
            let found = problems(&format!("url = '{url}'\n{LOGIN}"));
            assert!(
                found.len() == 1 && found[0].starts_with("`broker.url`"),
                "{url}: {found:?}"
            );
        }
        let found = problems("url = 'mqtts://b'\nauth = 'certificate'\nkeep_alive_seconds = 0");
        assert_eq!(found.len(), 2, "{found:?}");
    }

    #[test]
    fn a_url_says_host_and_port() {
        let parts = |url: &str| address(url).map(|a| (a.encrypted, a.host, a.port)).unwrap();
        assert_eq!(parts("mqtts://b.example"), (true, "b.example".into(), 8883));
        assert_eq!(parts("mqtt://127.0.0.1:1/"), (false, "127.0.0.1".into(), 1));
        assert_eq!(parts("mqtt://[::1]"), (false, "::1".into(), 1883));
    }
}
