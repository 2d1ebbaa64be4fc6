//! Configuration of a sink to a REST service of a database.

use async_trait::async_trait;
use hub_core::{AdapterContext, ConfigProblem, Sink, SinkConfig, SinkError};
use hub_names::MessageTemplate;
use hub_web::WebServer;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{must_be_given, not_usable, probed, sink_client, template};
use crate::ords::OrdsSink;

/// Sends each message to a REST service of Oracle REST Data Services: a table or view that AutoREST
/// serves, its `batchload`, or a module of one's own.
///
/// What an answer means is as for the http sink, and finer where the database's own error is told
/// (`ORA-` codes in the problem document): a database that starts or stops, lost connections, locks
/// and too many sessions are tried again, whatever the status; a wrong password is the endpoint's
/// trouble; every other error of the database is the message's, which is parked. A `batchload` that
/// rejected rows is a refusal, though its status is 200.
///
/// Not seen by an Oracle system: tested against a stand-in that speaks the documented protocol.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OrdsSinkConfig {
    /// ORDS of the schema: `url = "https://db.example/ords/meters"`, and who we are there. Tokens are
    /// had at `<url>/oauth/token`.
    pub server: WebServer,
    /// Path of the service below it, with the words of file-name templates, percent-encoded:
    /// `readings/`, `readings/{message_id}`.
    pub path: String,
    /// How.
    #[serde(default)]
    pub method: OrdsMethod,
    /// Take a unique key that is violated (`ORA-00001`) to mean that the message is there already.
    #[serde(default)]
    pub duplicate_is_there: bool,
}

/// How a message is sent to a REST service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum OrdsMethod {
    /// `POST`: adds.
    #[default]
    Post,
    /// `PUT`: adds or replaces what the path names.
    Put,
}

#[async_trait]
impl SinkConfig for OrdsSinkConfig {
    const KIND: &'static str = "oracle_ords";

    fn example() -> &'static str {
        r#"server = { url = "https://db.example/ords/meters", auth = { oauth2 = { token_url = "https://db.example/ords/meters/oauth/token", client_id = "meterhub", client_secret = "env:ORDS_SECRET" } } }
path = "readings/{message_id}"
method = "PUT"
duplicate_is_there = true
"#
    }

    fn validate(&self) -> Vec<ConfigProblem> {
        let mut problems = Vec::new();
        self.server.validate("server", &mut problems);
        must_be_given("path", &self.path, &mut problems);
        template("path", &self.path, &mut problems);
        problems
    }

    async fn check(&self, context: &AdapterContext) -> Result<(), SinkError> {
        let path = MessageTemplate::parse(&self.path);
        let path = path.map_err(|reason| not_usable(context, reason))?;
        // A `GET` of a service that is made for other methods is answered 405, with who we are checked.
        let may_be_absent = !path.is_fixed();
        probed(&self.server, path.head(), may_be_absent, context).await?;
        Ok(())
    }

    async fn connect(&self, context: &AdapterContext) -> Result<Box<dyn Sink>, SinkError> {
        let path = MessageTemplate::parse(&self.path);
        Ok(Box::new(OrdsSink {
            client: sink_client(&self.server, context)?,
            path: path.map_err(|reason| not_usable(context, reason))?,
            method: match self.method {
                OrdsMethod::Post => reqwest::Method::POST,
                OrdsMethod::Put => reqwest::Method::PUT,
            },
            duplicate_is_there: self.duplicate_is_there,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_valid_and_wrong_values_are_errors() {
        let keys = |toml: &str| -> Vec<String> {
            let config: OrdsSinkConfig = toml::from_str(toml).unwrap();
            config.validate().into_iter().map(|p| p.key).collect()
        };
        assert_eq!(keys(OrdsSinkConfig::example()), [] as [&str; 0]);
        assert_eq!(
            keys("server = { url = 'x' }\npath = '{'"),
            ["server.url", "path"]
        );
    }
}
