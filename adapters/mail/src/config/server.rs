//! Which mail server, and who we are to it.

use std::path::PathBuf;
use std::time::Duration;

use hub_core::{AdapterContext, ConfigProblem, Secret};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Longest time limit that makes sense, in seconds.
const LONGEST_LIMIT_SECONDS: u64 = 3_600;

/// How much longer a server may take over a whole mail than over a command. RFC 5321 (4.5.3.2)
/// wants ten minutes for it.
const SEARCH_FACTOR: u32 = 5;

/// A mail server, and who we are to it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Where it is, as `host:port`. Usual ports: SMTP 587 (`starttls`) or 465 (`tls`), IMAP 143
    /// (`starttls`) or 993 (`tls`).
    pub address: String,
    /// How the connection is encrypted.
    #[serde(default)]
    pub security: Security,
    /// Who we are.
    #[serde(default)]
    pub login: Option<Login>,
    /// File of further certificate authorities to trust, in PEM.
    #[serde(default)]
    pub ca_certificates: Option<PathBuf>,
    /// Longest wait for a connection, TLS and login included, in seconds.
    #[serde(default = "connect_timeout_seconds")]
    pub connect_timeout_seconds: u64,
    /// Longest wait for an answer, in seconds; one second more per 256 KiB of a mail. For the
    /// answer to a whole mail that we send, five times as long: servers search it first, and one
    /// that is given up too soon comes twice.
    #[serde(default = "answer_timeout_seconds")]
    pub answer_timeout_seconds: u64,
}

/// How a connection is encrypted. The server's certificate is always verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Security {
    /// Begins in the clear and must be encrypted before anything else is said.
    #[default]
    Starttls,
    /// Encrypted from the first byte.
    Tls,
    /// Mails and credentials go over the network in the clear.
    InsecurePlain,
}

/// A user and where the password is.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// User name.
    pub user: String,
    /// The password.
    pub password: Secret,
}

fn connect_timeout_seconds() -> u64 {
    10
}

fn answer_timeout_seconds() -> u64 {
    60
}

/// A user name and the password itself.
pub(crate) struct Credentials {
    pub(crate) user: String,
    pub(crate) password: String,
}

/// All that is needed to connect.
pub(crate) struct Endpoint {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) security: Security,
    pub(crate) credentials: Option<Credentials>,
    /// Further authorities to trust, in PEM.
    pub(crate) authorities: Option<Vec<u8>>,
    pub(crate) limits: Limits,
}

/// How long to wait.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) connect: Duration,
    answer: Duration,
}

impl Limits {
    /// For a short answer.
    pub(crate) fn answer(&self) -> Duration {
        self.answer
    }

    /// For an answer of so many bytes.
    pub(crate) fn transfer(&self, bytes: u64) -> Duration {
        self.answer + Duration::from_secs(bytes / (256 * 1024))
    }

    /// For the answer to a mail of so many bytes.
    pub(crate) fn verdict(&self, bytes: u64) -> Duration {
        self.transfer(bytes) + self.answer * (SEARCH_FACTOR - 1)
    }
}

impl Server {
    /// Looks for problems, without network or disk.
    pub(crate) fn validate(&self, problems: &mut Vec<ConfigProblem>) {
        let mut error = |key, reason: String| problems.push(ConfigProblem::error(key, reason));
        if let Err(reason) = host_and_port(&self.address) {
            error("server.address", reason);
        }
        if self.login.as_ref().is_some_and(|l| l.user.is_empty()) {
            error("server.login.user", "is empty".to_owned());
        }
        for (key, seconds) in [
            (
                "server.connect_timeout_seconds",
                self.connect_timeout_seconds,
            ),
            ("server.answer_timeout_seconds", self.answer_timeout_seconds),
        ] {
            if !(1..=LONGEST_LIMIT_SECONDS).contains(&seconds) {
                let reason = format!("is {seconds}, expected 1 to {LONGEST_LIMIT_SECONDS}");
                error(key, reason);
            }
        }
        let elsewhere = host_and_port(&self.address).is_ok_and(|(host, _)| !is_loopback(&host));
        if self.security == Security::InsecurePlain && elsewhere {
            let reason = "mails and credentials go over the network in the clear";
            problems.push(ConfigProblem::warning("server.security", reason));
        }
    }

    /// Fetches secrets and certificates.
    ///
    /// # Errors
    /// One is not there.
    pub(crate) fn endpoint(&self, context: &AdapterContext) -> Result<Endpoint, String> {
        let (host, port) = host_and_port(&self.address)?;
        let credentials = match &self.login {
            None => None,
            Some(login) => Some(Credentials {
                user: login.user.clone(),
                password: login
                    .password
                    .resolve(&context.base_dir)
                    .map_err(|e| format!("`server.login.password`: {e}"))?,
            }),
        };
        let authorities = match &self.ca_certificates {
            None => None,
            Some(path) => {
                let path = context.path(path);
                let pem = std::fs::read(&path);
                Some(pem.map_err(|e| format!("`{}`: {e}", path.display()))?)
            }
        };
        Ok(Endpoint {
            host,
            port,
            security: self.security,
            credentials,
            authorities,
            limits: Limits {
                connect: Duration::from_secs(self.connect_timeout_seconds),
                answer: Duration::from_secs(self.answer_timeout_seconds),
            },
        })
    }
}

/// The parts of `host:port`; an IPv6 address stands in brackets.
fn host_and_port(address: &str) -> Result<(String, u16), String> {
    let parts = address
        .rsplit_once(':')
        .and_then(|(host, port)| Some((host, port.parse().ok()?)));
    let (host, port) = match parts {
        Some((host, port)) if port > 0 => (host, port),
        _ => return Err(format!("is `{address}`, expected `host:port`")),
    };
    let bare = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').unwrap_or_default(),
        None if host.contains([':', '/', '@']) => "",
        None => host,
    };
    match bare.is_empty() {
        true => Err(format!("is `{address}`, expected `host:port`")),
        false => Ok((bare.to_owned(), port)),
    }
}

/// Whether a host is this machine.
fn is_loopback(host: &str) -> bool {
    let address = host.parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|a| a.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(toml: &str) -> Vec<String> {
        let server: Server = toml::from_str(toml).unwrap();
        let mut problems = Vec::new();
        server.validate(&mut problems);
        problems
            .iter()
            .map(|p| format!("{p} {}", p.warning))
            .collect()
    }

    #[test]
    fn encryption_is_required_unless_said_otherwise() {
        let server: Server = toml::from_str("address = 'mail.example:587'").unwrap();
        assert_eq!(server.security, Security::Starttls);
        assert!(problems("address = 'mail.example:587'").is_empty());
        let plain = problems("address = 'mail.example:25'\nsecurity = 'insecure-plain'");
        assert!(plain.len() == 1 && plain[0].ends_with("true"), "{plain:?}");
        assert!(problems("address = 'localhost:25'\nsecurity = 'insecure-plain'").is_empty());
    }

    #[test]
    fn wrong_values_are_errors() {
        for address in ["mail", "mail:", "mail:0", ":25", "smtp://mail:25", "::1:25"] {
            let found = problems(&format!("address = '{address}'"));
            assert!(
                found.len() == 1 && found[0].contains("host:port"),
                "{address}: {found:?}"
            );
        }
        let found = problems("address = '[::1]:25'\nanswer_timeout_seconds = 0");
        assert!(
            found.len() == 1 && found[0].contains("1 to 3600"),
            "{found:?}"
        );
    }
}
