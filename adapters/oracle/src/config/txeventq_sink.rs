//! Configuration of a sink to a topic of Transactional Event Queues.

use async_trait::async_trait;
use hub_core::{AdapterContext, ConfigProblem, Sink, SinkConfig, SinkError};
use hub_names::MessageTemplate;
use hub_web::WebServer;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{must_be_given, not_usable, probed, sink_client, template, txeventq_resource, within};
use crate::txeventq::TxEventQSink;

/// Largest record that may be configured: it is held in memory.
const LARGEST_VALUE: u64 = 64 * 1024 * 1024;

/// Produces each message as one record of a topic, through the REST API of Oracle REST Data Services
/// (22.3 or newer): `POST <server>/_/db-api/stable/database/txeventq/topics/<topic>`.
///
/// Records of one key keep their order, as they go to one partition.
///
/// Not seen by an Oracle system: tested against a stand-in that speaks the documented protocol.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TxEventQSinkConfig {
    /// ORDS of the schema: `url = "https://db.example/ords/meters"`, and who we are there.
    pub server: WebServer,
    /// Path of the queues below it.
    #[serde(default = "txeventq_resource")]
    pub resource: String,
    /// The topic.
    pub topic: String,
    /// Key of the record, with the words of file-name templates.
    #[serde(default = "key")]
    pub key: String,
    /// How the body becomes the value, which is a text.
    #[serde(default)]
    pub value: ValueForm,
    /// Send `message-id`, `correlation-id`, `content-type` and the message's own headers with the
    /// record. Not all versions of ORDS take headers.
    #[serde(default)]
    pub headers: bool,
    /// Largest body, in bytes.
    #[serde(default = "max_value_bytes")]
    pub max_value_bytes: u64,
}

/// How bytes become the value of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ValueForm {
    /// As they are; they must be UTF-8.
    #[default]
    Text,
    /// In base 64.
    Base64,
}

fn key() -> String {
    "{subject}".to_owned()
}

fn max_value_bytes() -> u64 {
    1024 * 1024
}

#[async_trait]
impl SinkConfig for TxEventQSinkConfig {
    const KIND: &'static str = "oracle_txeventq";

    fn example() -> &'static str {
        r#"server = { url = "https://db.example/ords/meters", auth = { basic = { user = "METERS", password = "env:ORDS_PASSWORD" } } }
topic = "METER_READINGS"
key = "{subject}"
"#
    }

    fn validate(&self) -> Vec<ConfigProblem> {
        let mut problems = Vec::new();
        self.server.validate("server", &mut problems);
        must_be_given("topic", &self.topic, &mut problems);
        template("key", &self.key, &mut problems);
        within(
            "max_value_bytes",
            self.max_value_bytes,
            1,
            LARGEST_VALUE,
            &mut problems,
        );
        problems
    }

    async fn check(&self, context: &AdapterContext) -> Result<(), SinkError> {
        let path = format!("{}/topics", self.resource);
        let answer = probed(&self.server, &path, false, context).await?;
        match answer.and_then(|answer| serde_json::from_slice::<Vec<String>>(&answer.body).ok()) {
            Some(topics)
                if !topics
                    .iter()
                    .any(|known| known.eq_ignore_ascii_case(&self.topic)) =>
            {
                let reason = format!("there is no topic `{}` in its schema", self.topic);
                Err(not_usable(context, reason).into())
            }
            _ => Ok(()),
        }
    }

    async fn connect(&self, context: &AdapterContext) -> Result<Box<dyn Sink>, SinkError> {
        let key = MessageTemplate::parse(&self.key);
        Ok(Box::new(TxEventQSink {
            endpoint: context.name.clone(),
            client: sink_client(&self.server, context)?,
            path: format!("{}/topics/{}", self.resource, hub_web::encoded(&self.topic)),
            key: key.map_err(|reason| not_usable(context, reason))?,
            value: self.value,
            headers: self.headers,
            max_value_bytes: self.max_value_bytes,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_valid_and_wrong_values_are_errors() {
        let keys = |toml: &str| -> Vec<String> {
            let config: TxEventQSinkConfig = toml::from_str(toml).unwrap();
            config.validate().into_iter().map(|p| p.key).collect()
        };
        assert_eq!(keys(TxEventQSinkConfig::example()), [] as [&str; 0]);
        let wrong = "server = { url = 'x' }\ntopic = ''\nkey = '{'\nmax_value_bytes = 0";
        assert_eq!(
            keys(wrong),
            ["server.url", "topic", "key", "max_value_bytes"]
        );
    }
}
