//! Configuration of a sink for OData services.

use async_trait::async_trait;
use hub_core::{AdapterContext, ConfigProblem, Metric, Sink, SinkConfig, SinkError};
use hub_names::MessageTemplate;
use hub_web::{NoAnswer, WebServer};
use reqwest::Method;
use schemars::JsonSchema;
use serde::Deserialize;

use super::system;
use crate::check::check;
use crate::odata::{Matching, ODataSink, Version};
use crate::session::Caller;
use crate::verdict::said;

/// Sends each message to an OData service of an SAP system: creates or changes an entity.
///
/// A token against cross-site request forgery is fetched first (`X-CSRF-Token: Fetch`), kept with its
/// cookies, and renewed when the service asks for it. Every request carries the constant id of the message
/// as `X-Message-Id`. What the service says beside yes (`sap-message`) is noted with the delivery; of a
/// refusal the error object is shown.
///
/// What an answer means:
///
/// | answer | what follows |
/// | --- | --- |
/// | 2xx | delivered; but not if it is an HTML page |
/// | 403 with `x-csrf-token: Required` | once more with a new token |
/// | 412, with `if_match = "fetched"` | once more with the ETag of now, then the message is parked |
/// | 428 | try again: `if_match` must be set |
/// | 401, 403, a client that does not exist, a service that is not active | try again: the endpoint's trouble |
/// | 408, 423, 425, 5xx but 501 and 505 | try again, after `Retry-After` if told |
/// | 429 | the whole endpoint pauses |
/// | other 4xx, 501, 505 | the message is parked |
///
/// Tested against `mock-sap`, which is nobody's SAP system.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SapODataSinkConfig {
    /// The system.
    pub server: WebServer,
    /// What the service speaks.
    pub version: Version,
    /// Path of the entity set, or of an entity with its key in quotes:
    /// `/sap/opu/odata/sap/ZMETER_SRV/Orders('{subject_id}')`. In braces: `message_id`,
    /// `correlation_id`, `subject` (`work_order:4711`), `subject_id` (`4711`), `route`, `enterprise`,
    /// `source_name`; quotes in their values are doubled, and all is percent-encoded.
    pub path: String,
    /// How.
    #[serde(default)]
    pub method: ODataMethod,
    /// Client of the system, `100` say. Default: the system's own.
    #[serde(default)]
    pub client: Option<String>,
    /// Language of messages and texts, `EN` say.
    #[serde(default)]
    pub language: Option<String>,
    /// Which state of the entity may be changed.
    #[serde(default)]
    pub if_match: Matching,
    /// Say in headers that a repetition is one: V2 `RequestID` and `RepeatabilityCreation` (SAP Gateway's
    /// idempotent services), V4 `Repeatability-Request-ID` and `Repeatability-First-Sent`. Whether the
    /// service heeds them is noted with each delivery; one that does not creates an entity twice when
    /// an answer was lost.
    #[serde(default)]
    pub repeatable: bool,
    /// Path at which tokens are fetched. Default: that of the service, which is `path` without its last
    /// part. Empty: none are needed.
    #[serde(default)]
    pub csrf_path: Option<String>,
}

/// How a message is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum ODataMethod {
    /// `POST`: creates.
    #[default]
    Post,
    /// `PUT`: replaces.
    Put,
    /// `PATCH`: changes what the message names.
    Patch,
    /// `MERGE`: the same in V2, for services that know no `PATCH`.
    Merge,
}

impl ODataMethod {
    fn method(self) -> Method {
        match self {
            Self::Post => Method::POST,
            Self::Put => Method::PUT,
            Self::Patch => Method::PATCH,
            Self::Merge => Method::from_bytes(b"MERGE").expect("is made of letters"),
        }
    }
}

impl SapODataSinkConfig {
    fn sink(&self, context: &AdapterContext) -> Result<ODataSink, String> {
        let path = MessageTemplate::parse(&self.path)?;
        let client = self.server.client(context)?;
        let system_options = system::options(self.client.as_deref(), self.language.as_deref());
        Ok(ODataSink {
            endpoint: context.name.clone(),
            caller: Caller::new(client, self.token_path(), context.meter.clone()),
            version: self.version,
            method: self.method.method(),
            path,
            system_options,
            matching: self.if_match,
            repeatable: self.repeatable,
            meter: context.meter.clone(),
        })
    }

    /// Where tokens are fetched, if they are needed.
    fn token_path(&self) -> Option<String> {
        match self.csrf_path.as_deref() {
            Some("") => None,
            Some(path) => Some(self.addressed(path)),
            None => Some(self.addressed(service(&self.path))),
        }
    }

    fn addressed(&self, path: &str) -> String {
        system::addressed(path, self.client.as_deref(), self.language.as_deref())
    }
}

/// The path of the service of an entity's: up to the last `/` before its key.
fn service(path: &str) -> &str {
    let before_key = path.split(['(', '?']).next().unwrap_or_default();
    before_key.rfind('/').map_or("/", |at| &path[..=at])
}

fn failed(context: &AdapterContext, reason: String) -> SinkError {
    let endpoint = context.name.clone();
    NoAnswer { endpoint, reason }.into()
}

#[async_trait]
impl SinkConfig for SapODataSinkConfig {
    const KIND: &'static str = "sap_odata";

    fn example() -> &'static str {
        r#"server = { url = "https://s4.example:44300", auth = { basic = { user = "METERHUB", password = "env:SAP_PASSWORD" } } }
version = "v2"
path = "/sap/opu/odata/sap/ZMETER_SRV/DeviceOrders('{subject_id}')"
method = "PATCH"
client = "100"
language = "EN"
if_match = "fetched"
repeatable = true
"#
    }

    fn metrics() -> &'static [Metric] {
        &crate::metrics::OF_ODATA_SINK
    }

    fn validate(&self) -> Vec<ConfigProblem> {
        let mut problems = Vec::new();
        self.server.validate("server", &mut problems);
        system::validate(
            self.client.as_deref(),
            self.language.as_deref(),
            &mut problems,
        );
        system::validate_path("path", &self.path, &mut problems);
        if let Err(reason) = MessageTemplate::parse(&self.path) {
            problems.push(ConfigProblem::error("path", reason));
        }
        if let Some(path) = self.csrf_path.as_deref().filter(|path| !path.is_empty()) {
            system::validate_path("csrf_path", path, &mut problems);
        }
        let mut error = |key, reason: &str| problems.push(ConfigProblem::error(key, reason));
        if self.method == ODataMethod::Merge && self.version == Version::V4 {
            error("method", "`MERGE` is of V2, expected `PATCH`");
        }
        if self.method == ODataMethod::Post && self.if_match != Matching::None {
            error(
                "if_match",
                "what is created has no state yet, expected `none`",
            );
        }
        problems
    }

    async fn check(&self, context: &AdapterContext) -> Result<(), SinkError> {
        self.sink(context)
            .map_err(|reason| failed(context, reason))?;
        let token_path = self.token_path();
        let wants_token = token_path.is_some();
        let path = token_path.unwrap_or_else(|| self.addressed(service(&self.path)));
        let answer = check(&self.server, &path, wants_token, context).await?;
        // What describes a service is there, or the service is not.
        match answer.status.is_success() {
            true => Ok(()),
            false => {
                let (status, said) = (answer.status, said(&answer));
                let reason =
                    format!("`{path}` was answered {status} ({said}); is it the service's?");
                Err(failed(context, reason))
            }
        }
    }

    async fn connect(&self, context: &AdapterContext) -> Result<Box<dyn Sink>, SinkError> {
        match self.sink(context) {
            Ok(sink) => Ok(Box::new(sink)),
            Err(reason) => Err(failed(context, reason)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(toml: &str) -> Vec<ConfigProblem> {
        toml::from_str::<SapODataSinkConfig>(toml)
            .unwrap()
            .validate()
    }

    #[test]
    fn the_example_is_valid() {
        assert_eq!(problems(SapODataSinkConfig::example()), []);
    }

    #[test]
    fn wrong_values_are_errors() {
        let server = "server = { url = 'https://s4.example' }";
        for (toml, key) in [
            ("version = 'v4'\npath = '/a'\nmethod = 'MERGE'", "method"),
            ("version = 'v2'\npath = '/a'\nif_match = 'any'", "if_match"),
            ("version = 'v2'\npath = '/a/{subjct}'", "path"),
            ("version = 'v2'\npath = 'a'", "path"),
            ("version = 'v2'\npath = '/a'\ncsrf_path = 'a'", "csrf_path"),
        ] {
            let found = problems(&format!("{toml}\n{server}"));
            assert_eq!(found.len(), 1, "{toml}: {found:?}");
            assert_eq!(found[0].key, key);
        }
    }

    #[test]
    fn the_service_is_found_in_the_path() {
        assert_eq!(
            service("/sap/opu/odata/sap/X_SRV/Set"),
            "/sap/opu/odata/sap/X_SRV/"
        );
        assert_eq!(service("/odata4/x/0001/Set('a/b')/c"), "/odata4/x/0001/");
        assert_eq!(service("/Set?a=/b"), "/");
        assert_eq!(service(""), "/");
    }
}
