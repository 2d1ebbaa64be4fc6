//! Configuration of a door: who may come in, how large, how fast, how many.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use hub_core::{AdapterContext, ConfigProblem, RateLimit, Secret, SourceError, TokenBucket};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::sync::{Semaphore, mpsc};

use super::body::Bounds;
use super::certificate::CertificateRule;
use super::credentials::{BasicCredential, Credentials};
use super::door::Door;
use super::doors::Doors;
use super::family::Family;
use super::handler::Handler;
use super::opened::OpenDoor;

/// Most messages under way; more would only queue in memory.
const LARGEST_WINDOW: usize = 16_384;

/// Who may come to a source through the hub's listener, and within which bounds.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DoorConfig {
    /// Tokens that are accepted as `Authorization: Bearer <token>`. Several, so that a token can
    /// be replaced without a gap.
    #[serde(default)]
    pub bearer: Vec<Secret>,
    /// Users that are accepted with `Authorization: Basic`.
    #[serde(default)]
    pub basic: Vec<BasicCredential>,
    /// Tokens that are accepted as `?token=<token>`, for partners that can send no header. Addresses
    /// are written to logs more often than headers are.
    #[serde(default)]
    pub query_tokens: Vec<Secret>,
    /// Certificates of partners, one of which must be shown to the listener (`tls` with
    /// `client_authorities` in `[hub]`), beside the credentials if there are any. Several, so that a
    /// certificate can be replaced without a gap.
    #[serde(default)]
    pub client_certificates: Vec<CertificateRule>,
    /// Take messages from anybody. Only for tests, or behind a proxy that checks who it is.
    #[serde(default)]
    pub insecure_allow_anonymous: bool,
    /// Largest body in bytes, after decompression.
    #[serde(default = "DoorConfig::usual_max_body_bytes")]
    pub max_body_bytes: u64,
    /// Longest wait for the commit once the body is complete, in seconds. Then the answer is 503.
    #[serde(default = "DoorConfig::usual_request_timeout_seconds")]
    pub request_timeout_seconds: u64,
    /// Longest silence while the body is coming, in seconds. Then the answer is 408.
    #[serde(default = "DoorConfig::usual_idle_timeout_seconds")]
    pub idle_timeout_seconds: u64,
    /// Most messages under way at once. Above, the answer is 503. 1 keeps the order of requests.
    #[serde(default = "DoorConfig::usual_max_in_flight")]
    pub max_in_flight: usize,
    /// How many messages a second are taken. Above, the answer is 429. Default: no limit.
    #[serde(default)]
    pub rate_limit: Option<RateLimit>,
}

impl DoorConfig {
    /// Default of `max_body_bytes`.
    #[must_use]
    pub const fn usual_max_body_bytes() -> u64 {
        512 * 1024 * 1024
    }

    /// Default of `request_timeout_seconds`.
    #[must_use]
    pub const fn usual_request_timeout_seconds() -> u64 {
        60
    }

    /// Default of `idle_timeout_seconds`.
    #[must_use]
    pub const fn usual_idle_timeout_seconds() -> u64 {
        30
    }

    /// Default of `max_in_flight`.
    #[must_use]
    pub const fn usual_max_in_flight() -> usize {
        512
    }

    /// Looks for problems, without network or disk. `key` is the table's own, or empty where its keys
    /// stand in the adapter's table. `has_others`: the adapter knows its senders by other means, so
    /// that no credentials need to stand here.
    pub fn validate(&self, key: &str, has_others: bool, problems: &mut Vec<ConfigProblem>) {
        let key = |name: &str| match key {
            "" => name.to_owned(),
            table => format!("{table}.{name}"),
        };
        self.validate_access(&key, has_others, problems);
        let mut error =
            |name, reason: String| problems.push(ConfigProblem::error(&key(name), reason));
        if self.max_body_bytes == 0 {
            error(
                "max_body_bytes",
                "is 0: every message would be too large".to_owned(),
            );
        }
        for (name, seconds) in [
            ("request_timeout_seconds", self.request_timeout_seconds),
            ("idle_timeout_seconds", self.idle_timeout_seconds),
        ] {
            if !(1..=86_400).contains(&seconds) {
                error(name, format!("is {seconds}, expected 1 to 86400"));
            }
        }
        if !(1..=LARGEST_WINDOW).contains(&self.max_in_flight) {
            let count = self.max_in_flight;
            error(
                "max_in_flight",
                format!("is {count}, expected 1 to {LARGEST_WINDOW}"),
            );
        }
    }

    fn validate_access(
        &self,
        key: &impl Fn(&str) -> String,
        has_others: bool,
        problems: &mut Vec<ConfigProblem>,
    ) {
        let own = [&self.bearer, &self.query_tokens];
        let has_credentials = has_others
            || !self.client_certificates.is_empty()
            || !self.basic.is_empty()
            || own.iter().any(|secrets| !secrets.is_empty());
        match (has_credentials, self.insecure_allow_anonymous) {
            (false, false) => problems.push(ConfigProblem::error(
                &key("bearer"),
                "nobody could post: give `bearer` or `basic` credentials by reference, \
                 `bearer = [\"env:NAME\"]`, or `client_certificates`",
            )),
            (_, true) => problems.push(ConfigProblem::warning(
                &key("insecure_allow_anonymous"),
                "anybody who reaches the listener can post messages",
            )),
            (true, false) => {}
        }
        for wrong in self
            .client_certificates
            .iter()
            .filter_map(|rule| rule.read().err())
        {
            problems.push(ConfigProblem::error(&key("client_certificates"), wrong));
        }
        if self.basic.iter().any(|b| !b.is_expressible()) {
            let reason = BasicCredential::NOT_EXPRESSIBLE;
            problems.push(ConfigProblem::error(&key("basic.user"), reason));
        }
    }

    /// Tries whether the door could be opened.
    ///
    /// # Errors
    /// A secret is missing.
    pub fn check(&self, context: &AdapterContext) -> Result<(), SourceError> {
        self.credentials(context).map(drop)
    }

    /// Opens the door of a source on the hub's listener. To be done before anything else of the
    /// source that takes time, as the hub is not ready while a door is awaited.
    ///
    /// # Errors
    /// A secret is missing.
    pub fn open(
        &self,
        family: Family,
        handler: Arc<dyn Handler>,
        context: &AdapterContext,
    ) -> Result<OpenDoor, SourceError> {
        let doors = context.shared.get::<Doors>();
        let credentials = self
            .credentials(context)
            .inspect_err(|_| doors.fail(&context.name))?;
        let window = self.max_in_flight.clamp(1, LARGEST_WINDOW);
        let (sender, arrivals) = mpsc::channel(window);
        let door = Door {
            name: context.name.clone(),
            family,
            handler,
            credentials,
            bounds: Bounds {
                limit: self.max_body_bytes,
                idle: Duration::from_secs(self.idle_timeout_seconds),
            },
            request_timeout: Duration::from_secs(self.request_timeout_seconds),
            rate: self
                .rate_limit
                .map(|limit| Mutex::new(TokenBucket::new(limit))),
            clock: context.clock.clone(),
            in_flight: Arc::new(Semaphore::new(window)),
            arrivals: sender,
        };
        Ok(OpenDoor::open(doors, Arc::new(door), arrivals, window))
    }

    fn credentials(&self, context: &AdapterContext) -> Result<Credentials, SourceError> {
        Credentials::resolve(self, &context.base_dir).map_err(|reason| SourceError::Disconnected {
            endpoint: context.name.clone(),
            reason,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(toml: &str, has_others: bool) -> Vec<ConfigProblem> {
        let config: DoorConfig = toml::from_str(toml).unwrap();
        let mut problems = Vec::new();
        config.validate("door", has_others, &mut problems);
        problems
    }

    #[test]
    fn somebody_must_be_able_to_come_in() {
        assert_eq!(problems("", false)[0].key, "door.bearer");
        assert_eq!(problems("", true), []);
        assert_eq!(problems("query_tokens = ['env:T']", false), []);
        assert_eq!(
            problems("client_certificates = [{ subject = 'CN=hes' }]", false),
            []
        );
        let anybody = problems("insecure_allow_anonymous = true", false);
        assert!(anybody.len() == 1 && anybody[0].warning);
    }

    #[test]
    fn wrong_values_are_errors() {
        let found = problems(
            "bearer = ['env:T']\nbasic = [{ user = 'a:b', password = 'env:P' }]\n\
             client_certificates = [{ fingerprint = 'ab' }]\nmax_body_bytes = 0\nidle_timeout_seconds = 0\nmax_in_flight = 0",
            false,
        );
        let keys: Vec<&str> = found.iter().map(|p| p.key.as_str()).collect();
        let expected = [
            "door.client_certificates",
            "door.basic.user",
            "door.max_body_bytes",
            "door.idle_timeout_seconds",
            "door.max_in_flight",
        ];
        assert_eq!(keys, expected);
    }
}
