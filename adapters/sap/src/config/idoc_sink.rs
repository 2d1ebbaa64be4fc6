//! Configuration of a sink for IDocs over HTTP.

use async_trait::async_trait;
use hub_core::{AdapterContext, ConfigProblem, Metric, Sink, SinkConfig, SinkError};
use hub_web::{NoAnswer, WebServer};
use schemars::JsonSchema;
use serde::Deserialize;

use super::system;
use crate::check::check;
use crate::idoc::{IdocSink, is_logon};
use crate::session::Caller;

/// Posts IDocs to the HTTP port for IDocs of an SAP system.
///
/// SAP's own is the ICF service `IDOC_XML` (transaction SICF, `/sap/bc/idoc_xml`); it takes IDocs in XML,
/// one or more in a message. What goes there is the message as the route made it. IDocs for a *file port*
/// go through a sink of kind `sftp` or `file` instead.
///
/// Every request carries the constant id of the message as `X-Message-Id`, but SAP's port does not look
/// at it: a message whose answer was lost is posted again, and becomes a second IDoc. SAP's own
/// means against that are checks by the sender's number or reference in the application.
///
/// What an answer means:
///
/// | answer | what follows |
/// | --- | --- |
/// | 2xx without a body, or with numbers of IDocs, or with words that name no error | delivered; numbers and status are noted |
/// | 2xx, and an IDoc status of `refused_statuses` | the message is parked |
/// | 2xx, and an error in XML, JSON or words | the message is parked |
/// | 2xx, and an HTML page (a logon form, an error page) | try again: it is no yes |
/// | 401, 403, 404, 405, or a client that does not exist | try again: the endpoint's trouble, not the message's |
/// | 500 with a short dump, other 5xx, 408, 425 | try again, after `Retry-After` if told |
/// | 429 | the whole endpoint pauses |
/// | 400, 415, other 4xx, 501, 505 | the message is parked |
///
/// Tested against `mock-sap`, which is nobody's SAP system.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SapIdocSinkConfig {
    /// The system.
    pub server: WebServer,
    /// Path of the port.
    #[serde(default = "path")]
    pub path: String,
    /// Client of the system, `100` say. Default: the system's own.
    #[serde(default)]
    pub client: Option<String>,
    /// Language of the answers, `EN` say.
    #[serde(default)]
    pub language: Option<String>,
    /// What the messages are.
    #[serde(default)]
    pub content_type: IdocContentType,
    /// Fetch a token against cross-site request forgery before posting, and send it with its cookies.
    /// SAP's port wants none; some gateways before it do.
    #[serde(default)]
    pub csrf: bool,
    /// Statuses of an IDoc, if the answer tells one, that mean that it will never be posted: the message
    /// is parked. With any other it is delivered, as SAP keeps it and people work on it there.
    #[serde(default = "refused_statuses")]
    pub refused_statuses: Vec<String>,
}

/// The media type of the messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
pub enum IdocContentType {
    /// IDocs in XML.
    #[default]
    #[serde(rename = "text/xml")]
    TextXml,
    /// IDocs in XML, as the SAP Business Connector and what came after it want it.
    #[serde(rename = "application/x-sap.idoc")]
    SapIdoc,
    /// Flat IDocs: records of 524 and 1063 characters. For receivers that say that they take them; SAP's
    /// own port does not.
    #[serde(rename = "text/plain")]
    Flat,
}

impl IdocContentType {
    const fn as_str(self) -> &'static str {
        match self {
            Self::TextXml => "text/xml",
            Self::SapIdoc => "application/x-sap.idoc",
            Self::Flat => "text/plain",
        }
    }
}

fn path() -> String {
    "/sap/bc/idoc_xml".to_owned()
}

fn refused_statuses() -> Vec<String> {
    ["56", "60", "68"].map(ToOwned::to_owned).to_vec()
}

impl SapIdocSinkConfig {
    fn sink(&self, context: &AdapterContext) -> Result<IdocSink, String> {
        let client = self.server.client(context)?;
        let path = self.addressed();
        let token_path = self.csrf.then(|| path.clone());
        Ok(IdocSink {
            endpoint: context.name.clone(),
            caller: Caller::new(client, token_path, context.meter.clone()),
            path,
            content_type: self.content_type.as_str(),
            refused_statuses: self.refused_statuses.clone(),
            meter: context.meter.clone(),
        })
    }

    fn addressed(&self) -> String {
        system::addressed(&self.path, self.client.as_deref(), self.language.as_deref())
    }
}

fn failed(context: &AdapterContext, reason: String) -> SinkError {
    let endpoint = context.name.clone();
    NoAnswer { endpoint, reason }.into()
}

#[async_trait]
impl SinkConfig for SapIdocSinkConfig {
    const KIND: &'static str = "sap_idoc";

    fn example() -> &'static str {
        r#"server = { url = "https://s4.example:44300", auth = { basic = { user = "METERHUB", password = "env:SAP_PASSWORD" } } }
client = "100"
language = "EN"
refused_statuses = ["56", "60", "68"]
"#
    }

    fn metrics() -> &'static [Metric] {
        &crate::metrics::OF_IDOC_SINK
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
        let is_status = |s: &String| s.len() == 2 && s.bytes().all(|b| b.is_ascii_digit());
        if let Some(wrong) = self.refused_statuses.iter().find(|s| !is_status(s)) {
            let reason = format!("holds `{wrong}`, expected two digits such as `56`");
            problems.push(ConfigProblem::error("refused_statuses", reason));
        }
        problems
    }

    async fn check(&self, context: &AdapterContext) -> Result<(), SinkError> {
        let answer = check(&self.server, &self.addressed(), self.csrf, context).await?;
        match is_logon(&answer) {
            false => Ok(()),
            true => {
                let reason = "it answered with a page for logon: check user, password and `client`";
                Err(failed(context, reason.to_owned()))
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
        toml::from_str::<SapIdocSinkConfig>(toml)
            .unwrap()
            .validate()
    }

    #[test]
    fn the_example_is_valid() {
        assert_eq!(problems(SapIdocSinkConfig::example()), []);
    }

    #[test]
    fn wrong_values_are_errors() {
        let found = problems(
            "client = '1'\npath = 'x'\nrefused_statuses = ['5']\nserver = { url = 'http://s4.example' }",
        );
        let keys: Vec<&str> = found.iter().map(|p| p.key.as_str()).collect();
        assert_eq!(keys, ["server.url", "client", "path", "refused_statuses"]);
        let other = "content_type = 'application/xml'\nserver = { url = 'https://s4.example' }";
        assert!(toml::from_str::<SapIdocSinkConfig>(other).is_err());
    }
}
