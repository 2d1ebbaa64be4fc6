//! Configuration of a server and of who we are there.

use std::path::PathBuf;
use std::time::Duration;

use hub_core::{AdapterContext, ConfigProblem, Secret, SecretError};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::dial::Dial;
use crate::login::Login;
use crate::pool::Pace;

/// SSH's port.
const PORT: u16 = 22;

/// Most sessions to one server: OpenSSH drops beyond ten that are not logged in yet.
const MOST_SESSIONS: usize = 10;

/// Longest of the time-outs. A server that needs more is better taken for stalled.
const LONGEST_TIMEOUT_SECONDS: u32 = 600;

/// An SFTP server and who we are there.
///
/// The server's host key must be in the `known_hosts` file before anything is sent. If it is not,
/// the error shows the key's fingerprint and the line to add once its operator has confirmed it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// `host` or `host:port`; port 22 if none is named.
    pub address: String,
    /// Our name there.
    pub user: String,
    /// File of host keys, as OpenSSH writes it: hashed names, patterns and `@revoked` are
    /// understood, certificates are not.
    #[serde(default = "known_hosts")]
    pub known_hosts: PathBuf,
    /// Our private key, in OpenSSH's or PEM format: `file:secrets/id_ed25519`.
    #[serde(default)]
    pub private_key: Option<Secret>,
    /// The passphrase of the private key, if it has one.
    #[serde(default)]
    pub passphrase: Option<Secret>,
    /// Let the SSH agent that `SSH_AUTH_SOCK` names sign, with any key it has.
    #[serde(default)]
    pub agent: bool,
    /// Socket of another agent.
    #[serde(default)]
    pub agent_socket: Option<PathBuf>,
    /// Our password. With a key or an agent, both are offered, as some servers ask for both.
    #[serde(default)]
    pub password: Option<Secret>,
    /// Most sessions at once. Each transfers one file at a time, on a thread of its own.
    #[serde(default = "sessions")]
    pub sessions: usize,
    /// Longest wait for a connection, and for each step of the login, in seconds.
    #[serde(default = "connect_timeout_seconds")]
    pub connect_timeout_seconds: u32,
    /// Longest wait for each answer, in seconds. A file may take any time, as long as it moves.
    #[serde(default = "timeout_seconds")]
    pub timeout_seconds: u32,
    /// Pause between signs of life on a session that does nothing, in seconds.
    #[serde(default = "keepalive_seconds")]
    pub keepalive_seconds: u32,
}

fn known_hosts() -> PathBuf {
    "known_hosts".into()
}

fn sessions() -> usize {
    2
}

fn connect_timeout_seconds() -> u32 {
    10
}

fn timeout_seconds() -> u32 {
    30
}

fn keepalive_seconds() -> u32 {
    30
}

impl Server {
    /// Looks for problems; their keys are below `server`.
    pub(crate) fn validate(&self) -> Vec<ConfigProblem> {
        let mut problems = Vec::new();
        let mut error = |key: &str, reason: String| {
            problems.push(ConfigProblem::error(&format!("server.{key}"), reason));
        };
        if host_and_port(&self.address).is_none() {
            let reason = "expected `host` or `host:port`, `sftp.example.org:22` say";
            error("address", reason.into());
        }
        if self.user.is_empty() {
            error("user", "is empty, expected our name on the server".into());
        }
        if self.private_key.is_none() && self.password.is_none() && !self.has_agent() {
            let reason = "says not how to log in, expected `private_key`, `agent` or `password`";
            error("user", reason.into());
        }
        if self.passphrase.is_some() && self.private_key.is_none() {
            error("passphrase", "has no `private_key` to open".into());
        }
        if !(1..=MOST_SESSIONS).contains(&self.sessions) {
            let reason = format!("is {}, expected 1 to {MOST_SESSIONS}", self.sessions);
            error("sessions", reason);
        }
        for (key, seconds) in [
            ("connect_timeout_seconds", self.connect_timeout_seconds),
            ("timeout_seconds", self.timeout_seconds),
            ("keepalive_seconds", self.keepalive_seconds),
        ] {
            if !(1..=LONGEST_TIMEOUT_SECONDS).contains(&seconds) {
                let reason = format!("is {seconds}, expected 1 to {LONGEST_TIMEOUT_SECONDS}");
                error(key, reason);
            }
        }
        problems
    }

    fn has_agent(&self) -> bool {
        self.agent || self.agent_socket.is_some()
    }

    /// Fetches the secrets: all that is needed to connect.
    ///
    /// # Errors
    /// A secret is not there.
    pub(crate) fn dial(&self, context: &AdapterContext) -> Result<Dial, SecretError> {
        let fetch = |secret: &Option<Secret>| {
            let resolve = |s: &Secret| s.resolve(&context.base_dir);
            secret.as_ref().map(resolve).transpose()
        };
        let (host, port) = host_and_port(&self.address).unwrap_or_default();
        let timeout = |seconds: u32| Duration::from_secs(u64::from(seconds.max(1)));
        Ok(Dial {
            host,
            port,
            known_hosts: context.path(&self.known_hosts),
            login: Login {
                user: self.user.clone(),
                private_key: fetch(&self.private_key)?,
                passphrase: fetch(&self.passphrase)?,
                agent: self.has_agent(),
                agent_socket: self.agent_socket.as_ref().map(|path| context.path(path)),
                password: fetch(&self.password)?,
            },
            connect_timeout: timeout(self.connect_timeout_seconds),
            timeout: timeout(self.timeout_seconds),
            meter: context.meter.clone(),
        })
    }

    pub(crate) fn pace(&self) -> Pace {
        Pace {
            sessions: self.sessions.clamp(1, MOST_SESSIONS),
            keepalive: Duration::from_secs(u64::from(self.keepalive_seconds.max(1))),
        }
    }
}

/// `host`, `host:port`, `1.2.3.4:port`, `[::1]:port` or `::1`.
fn host_and_port(address: &str) -> Option<(String, u16)> {
    let (host, port) = match address.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            match rest {
                "" => (host, PORT),
                rest => (host, rest.strip_prefix(':')?.parse().ok()?),
            }
        }
        None => match address.split_once(':') {
            Some((_, rest)) if rest.contains(':') => (address, PORT),
            Some((host, port)) => (host, port.parse().ok()?),
            None => (address, PORT),
        },
    };
    let possible = !host.is_empty() && port != 0 && !host.contains(['/', '@', ' ', '\0']);
    possible.then(|| (host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_host_and_maybe_a_port() {
        for (address, expected) in [
            ("a.example", Some(("a.example", 22))),
            ("a.example:2222", Some(("a.example", 2222))),
            ("[::1]:2222", Some(("::1", 2222))),
            ("::1", Some(("::1", 22))),
            ("[::1]", Some(("::1", 22))),
            ("", None),
            (":22", None),
            ("a:b", None),
            ("a:0", None),
            ("sftp://a", None),
            ("me@a", None),
        ] {
            let expected = expected.map(|(host, port)| (host.to_owned(), port));
            assert_eq!(host_and_port(address), expected, "{address}");
        }
    }

    #[test]
    fn problems_name_the_key_and_what_would_be_valid() {
        let server: Server = toml::from_str(
            "address = 'sftp://x'\nuser = ''\nsessions = 0\ntimeout_seconds = 0\npassphrase = 'env:P'",
        )
        .unwrap();
        let found: Vec<String> = server.validate().iter().map(ToString::to_string).collect();
        for (key, hint) in [
            ("`server.address`", "host:port"),
            ("`server.user`", "our name"),
            ("`server.user`", "`private_key`"),
            ("`server.sessions`", "1 to 10"),
            ("`server.timeout_seconds`", "1 to 600"),
            ("`server.passphrase`", "`private_key`"),
        ] {
            let named = |p: &String| p.contains(key) && p.contains(hint);
            assert!(found.iter().any(named), "{key} {hint}: {found:?}");
        }
    }
}
