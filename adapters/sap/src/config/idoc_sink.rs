//! Configuration of a sink for IDocs over HTTP.

use async_trait::async_trait;
use hub_core::{AdapterContext, ConfigProblem, Metric, Sink, SinkConfig, SinkError};
use hub_web::{NoAnswer, WebServer};
use regex::Regex;
use schemars::JsonSchema;
use serde::Deserialize;

use super::system;
use crate::check::check;
use crate::idoc::{IdocSink, Means, Rule, is_logon};
use crate::session::Caller;

/// Posts IDocs to the HTTP port for IDocs of an SAP system.
///
/// SAP's own is the ICF service `IDOC_XML` (transaction SICF, `/sap/bc/idoc_xml`); it takes IDocs in XML,
/// one or more in a message. What goes there is the message as the route made it. IDocs for a *file port*
/// go through a sink of kind `sftp` or `file` instead.
///
/// # When an answer is lost
///
/// A message whose answer was lost is posted again, as nobody knows whether the port has it, and SAP's port
/// has nothing to ask: it makes a second IDoc of it. Every attempt is the same to the byte, so that the
/// receiver can tell: `X-Message-Id` is the constant id of the message, and with `docnum = "made"` in the
/// mapping the control record has the same `DOCNUM` at every attempt, which SAP keeps with the IDoc as the
/// sender's number. A user exit or the application can refuse a second one of the same partner, message
/// type and number; without that, what must not be posted twice needs a reference of its own in its data.
///
/// # What becomes of an IDoc
///
/// A delivery is known by the numbers of its IDocs in our control records (`docnum = "made"`), or else by
/// those that the answer tells. Where the partner sends `ALEAUD` or `STATUS` IDocs to a source `sap_idoc`,
/// what they say is shown on the delivery: arrived, failed, under way. For that our `RCVPRN` must be the
/// partner's `SNDPRN`, as it is between logical systems.
///
/// # What an answer means
///
/// | answer | what follows |
/// | --- | --- |
/// | one that fits an entry of `answers` | what that says |
/// | 2xx without a body, or with numbers of IDocs, or with words that name no error (`errors: 0` is none) | delivered; numbers and status are noted |
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
    /// Answers that mean something else than they seem to. The first that fits counts.
    #[serde(default)]
    pub answers: Vec<PortAnswer>,
}

/// An answer that means something else than it seems to.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PortAnswer {
    /// Its HTTP status is one of these. Default: any.
    #[serde(default)]
    pub statuses: Vec<u16>,
    /// Its body holds a match of this regular expression. Default: any.
    #[serde(default)]
    pub body: Option<String>,
    /// What it means.
    pub means: Means,
}

impl PortAnswer {
    fn rule(&self) -> Result<Rule, String> {
        Ok(Rule {
            statuses: self.statuses.clone(),
            body: self.body.as_deref().map(pattern).transpose()?,
            means: self.means,
        })
    }
}

fn pattern(text: &str) -> Result<Regex, String> {
    // Its report draws the pattern over several lines; the last says what is wrong.
    let wrong = |error: regex::Error| {
        let said = error.to_string();
        let last = said.lines().last().unwrap_or_default().trim().to_owned();
        format!("`{text}` is no regular expression: {last}")
    };
    Regex::new(text).map_err(wrong)
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
        let rules = self.answers.iter().map(PortAnswer::rule);
        Ok(IdocSink {
            endpoint: context.name.clone(),
            caller: Caller::new(client, token_path, context.meter.clone()),
            path,
            content_type: self.content_type.as_str(),
            refused_statuses: self.refused_statuses.clone(),
            rules: rules.collect::<Result<_, _>>()?,
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
answers = [{ statuses = [200], body = "^queued", means = "accepted" }]
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
        for answer in &self.answers {
            if answer.statuses.is_empty() && answer.body.is_none() {
                let reason = "fits every answer, expected `statuses`, `body`, or both";
                problems.push(ConfigProblem::error("answers", reason));
            } else if let Err(reason) = answer.rule() {
                problems.push(ConfigProblem::error("answers", reason));
            }
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
            "client = '1'\npath = 'x'\nrefused_statuses = ['5']\nserver = { url = 'http://s4.example' }\n\
             answers = [{ means = 'accepted' }, { body = '(', means = 'retry' }]",
        );
        let keys: Vec<&str> = found.iter().map(|p| p.key.as_str()).collect();
        let expected = [
            "server.url",
            "client",
            "path",
            "refused_statuses",
            "answers",
            "answers",
        ];
        assert_eq!(keys, expected);
        let other = "content_type = 'application/xml'\nserver = { url = 'https://s4.example' }";
        assert!(toml::from_str::<SapIdocSinkConfig>(other).is_err());
    }
}
