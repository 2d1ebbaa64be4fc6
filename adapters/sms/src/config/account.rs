//! Configuration of an account at a message centre.

use std::path::PathBuf;
use std::time::Duration;

use hub_core::{ConfigProblem, Secret};
use schemars::JsonSchema;
use serde::Deserialize;

use super::check_range;
use crate::reference::ReceiptIds;

/// Most submitted messages that may wait for an answer.
const LARGEST_WINDOW: u64 = 1_000;

/// An account at a message centre (SMSC), over SMPP 3.4.
///
/// A sink and a source with the very same `account` share one bind (`bind_transceiver`). With a sink
/// only, what telephones answer and receipts have nobody to take them: after ten seconds the message
/// centre is told to try again later.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// The message centre, as `host:port`.
    pub server: String,
    /// Our name there.
    pub system_id: String,
    /// Our password there. The standard allows 8 characters; more are sent as they are.
    pub password: Secret,
    /// `system_type`, if the message centre wants one.
    #[serde(default)]
    pub system_type: String,
    /// How delivery receipts write the ids by which the message centre answered: it is seen in the
    /// notes of deliveries and in what the source takes.
    #[serde(default)]
    pub receipt_ids: ReceiptIds,
    /// Encrypts the connection.
    #[serde(default)]
    pub tls: Option<Tls>,
    /// Allows a connection without `tls` to another machine: password and messages go over the
    /// network in the clear. Common inside a VPN.
    #[serde(default)]
    pub insecure_allow_plain_tcp: bool,
    /// How many submitted messages may wait for their answers at once.
    #[serde(default = "window")]
    pub window: u16,
    /// Longest wait for connection and login, in seconds.
    #[serde(default = "ten_seconds")]
    pub connect_timeout_seconds: u64,
    /// Longest wait for the answer to a request, in seconds.
    #[serde(default = "ten_seconds")]
    pub answer_timeout_seconds: u64,
    /// Pause between two `enquire_link`, in seconds: how soon a dead connection is noticed.
    #[serde(default = "enquire_link_seconds")]
    pub enquire_link_seconds: u64,
}

/// Encryption of the connection.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// PEM file of the authorities to trust. Default: those of the machine.
    #[serde(default)]
    pub ca_certificates: Option<PathBuf>,
    /// Name in the server's certificate. Default: the host of `server`.
    #[serde(default)]
    pub server_name: Option<String>,
}

fn window() -> u16 {
    10
}

fn ten_seconds() -> u64 {
    10
}

fn enquire_link_seconds() -> u64 {
    30
}

impl Account {
    pub(crate) fn connect_timeout(&self) -> Duration {
        Duration::from_secs(self.connect_timeout_seconds)
    }

    pub(crate) fn answer_timeout(&self) -> Duration {
        Duration::from_secs(self.answer_timeout_seconds)
    }

    pub(crate) fn enquire_link(&self) -> Duration {
        Duration::from_secs(self.enquire_link_seconds)
    }

    /// Who we are where, for notes and references.
    pub(crate) fn name(&self) -> String {
        format!("{} at {}", self.system_id, self.server)
    }

    /// What a part is known by whose submission was answered with this id.
    pub(crate) fn reference_of_answer(&self, id: &str) -> String {
        self.reference(&self.receipt_ids.of_answer(id))
    }

    /// What a part is known by whose receipt has this id.
    pub(crate) fn reference_of_receipt(&self, id: &str) -> String {
        self.reference(&self.receipt_ids.of_receipt(id))
    }

    fn reference(&self, id: &str) -> String {
        format!("{}@{}/{id}", self.system_id, self.server)
    }

    /// Where to connect; an IPv6 address stands in brackets.
    ///
    /// # Errors
    /// What would be valid.
    pub(crate) fn host_and_port(&self) -> Result<(&str, u16), String> {
        let wrong = || format!("`{}` is no server, expected `host:port`", self.server);
        let (host, port) = self.server.rsplit_once(':').ok_or_else(wrong)?;
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        let host = bare.unwrap_or(host);
        let port = port.parse().map_err(|_| wrong())?;
        if host.is_empty() || port == 0 || (bare.is_none() && host.contains(':')) {
            return Err(wrong());
        }
        Ok((host, port))
    }

    pub(super) fn validate(&self, key: &str, problems: &mut Vec<ConfigProblem>) {
        let at = |field: &str| format!("{key}.{field}");
        let mut error = |field: &str, reason: String| {
            problems.push(ConfigProblem::error(&at(field), reason));
        };
        match self.host_and_port() {
            Err(reason) => error("server", reason),
            Ok((host, _)) if self.tls.is_some() || is_loopback(host) => {}
            Ok(_) if self.insecure_allow_plain_tcp => problems.push(ConfigProblem::warning(
                &at("server"),
                "password and messages go over the network in the clear",
            )),
            Ok(_) => error(
                "server",
                "is not encrypted: set `tls`, or `insecure_allow_plain_tcp = true`".to_owned(),
            ),
        }
        self.validate_names(key, problems);
        self.validate_limits(key, problems);
    }

    fn validate_names(&self, key: &str, problems: &mut Vec<ConfigProblem>) {
        for (field, name, longest) in [
            ("system_id", &self.system_id, 15),
            ("system_type", &self.system_type, 12),
        ] {
            if !name.is_ascii() || name.len() > longest {
                let reason = format!(
                    "is no name that SMPP can carry, expected at most {longest} ASCII characters"
                );
                problems.push(ConfigProblem::error(&format!("{key}.{field}"), reason));
            }
        }
        if self.system_id.is_empty() {
            problems.push(ConfigProblem::error(
                &format!("{key}.system_id"),
                "is empty",
            ));
        }
    }

    fn validate_limits(&self, key: &str, problems: &mut Vec<ConfigProblem>) {
        for (field, value, longest) in [
            ("window", u64::from(self.window), LARGEST_WINDOW),
            ("connect_timeout_seconds", self.connect_timeout_seconds, 600),
            ("answer_timeout_seconds", self.answer_timeout_seconds, 600),
            ("enquire_link_seconds", self.enquire_link_seconds, 3_600),
        ] {
            check_range(&format!("{key}.{field}"), value, 1..=longest, problems);
        }
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
        let login = "system_id = 'hub'\npassword = 'env:P'\n";
        let account: Account = toml::from_str(&format!("{login}{toml}")).unwrap();
        let mut problems = Vec::new();
        account.validate("account", &mut problems);
        problems
            .iter()
            .map(|p| format!("{p} {}", p.warning))
            .collect()
    }

    #[test]
    fn a_message_centre_elsewhere_needs_encryption() {
        for server in ["localhost:2775", "[::1]:2775", "127.0.0.1:2775"] {
            assert!(
                problems(&format!("server = '{server}'")).is_empty(),
                "{server}"
            );
        }
        assert!(problems("server = 'smsc.example:3550'\ntls = {}").is_empty());
        assert!(problems("server = 'smsc.example:2775'")[0].contains("not encrypted"));
        let allowed = problems("server = 'smsc.example:2775'\ninsecure_allow_plain_tcp = true");
        assert!(
            allowed.len() == 1 && allowed[0].ends_with("true"),
            "{allowed:?}"
        );
    }

    #[test]
    fn wrong_values_are_errors() {
        for server in ["smsc", ":2775", "localhost:0", "localhost:x", "::1:2775"] {
            assert!(
                problems(&format!("server = '{server}'"))[0].contains("host:port"),
                "{server}"
            );
        }
        let found = problems(
            "server = 'localhost:1'\nsystem_type = 'longer than it may be'\nwindow = 0\n\
             connect_timeout_seconds = 0\nanswer_timeout_seconds = 0\nenquire_link_seconds = 0",
        );
        assert_eq!(found.len(), 5, "{found:?}");
    }
}
