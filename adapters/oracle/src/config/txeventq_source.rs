//! Configuration of a source from a topic of Transactional Event Queues.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hub_core::{AdapterContext, ConfigProblem, Metric, Source, SourceConfig, SourceError};
use hub_web::{WebServer, encoded};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{ValueForm, must_be_given, source_client, txeventq_resource, within};
use crate::metrics::OF_CONSUMERS;
use crate::txeventq::{Consumer, TxEventQSource};

/// Consumes the records of topics as a member of a consumer group, through the REST API of Oracle REST
/// Data Services (22.3 or newer).
///
/// Group and instance must be there: `POST .../clusters/<database>/consumer-groups/<group>` with
/// `{"topic_name": ...}`, then `POST .../consumers/<group>`, which answers the `instance_id`.
///
/// The documented API has no call that commits an offset: what is fetched counts as consumed. So the
/// hub keeps the offsets itself, each once the record is committed here, and when it connects moves
/// the group back to them. Nothing else may consume with this group. Only what is fetched of a
/// partition for the very first time, by a hub that does not get the answer (it is killed, the line
/// breaks), is lost.
///
/// Records of a partition are taken in their order, one at a time. One that is rejected (its offset
/// was another record before, say) is skipped; the reason is logged and kept. A record's identity is
/// topic, partition and offset; its key becomes the message's name. A record that is larger than
/// `max_fetch_bytes` is skipped too: it stays in the topic, and the log and what is kept name its offset.
///
/// What comes without topic, partition or offset, or is no JSON, holds up nothing: it becomes a message
/// as it is written, of the name `unreadable record`, with the reason in the header `txeventq-problem`,
/// and is known by its content.
///
/// Not seen by an Oracle system: tested against a stand-in that speaks the documented protocol.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TxEventQSourceConfig {
    /// ORDS of the schema: `url = "https://db.example/ords/meters"`, and who we are there.
    pub server: WebServer,
    /// Path of the queues below it.
    #[serde(default = "txeventq_resource")]
    pub resource: String,
    /// The consumer group.
    pub group: String,
    /// The instance of a consumer in it.
    pub instance: String,
    /// How values become bodies.
    #[serde(default)]
    pub value: ValueForm,
    /// Media type of the bodies.
    #[serde(default = "media_type")]
    pub media_type: String,
    /// Pause after a question that brought no records, in seconds.
    #[serde(default = "poll_seconds")]
    pub poll_seconds: u64,
    /// Largest record, and most records that are held at once, in bytes of JSON. Of an answer that is
    /// larger the rest is fetched again later; a record that is larger alone is skipped.
    #[serde(default = "max_fetch_bytes")]
    pub max_fetch_bytes: usize,
}

fn media_type() -> String {
    "application/json".to_owned()
}

fn poll_seconds() -> u64 {
    2
}

fn max_fetch_bytes() -> usize {
    32 * 1024 * 1024
}

impl TxEventQSourceConfig {
    fn consumer(&self, context: &AdapterContext) -> Result<Consumer, SourceError> {
        let (group, instance) = (encoded(&self.group), encoded(&self.instance));
        Ok(Consumer {
            client: source_client(&self.server, context)?,
            path: format!("{}/consumers/{group}/instances/{instance}", self.resource),
            max_fetch_bytes: self.max_fetch_bytes,
        })
    }
}

#[async_trait]
impl SourceConfig for TxEventQSourceConfig {
    const KIND: &'static str = "oracle_txeventq";

    fn example() -> &'static str {
        r#"server = { url = "https://db.example/ords/meters", auth = { basic = { user = "METERS", password = "env:ORDS_PASSWORD" } } }
group = "METERHUB"
instance = "METERHUB_Cons_1"
poll_seconds = 2
"#
    }

    fn metrics() -> &'static [Metric] {
        OF_CONSUMERS
    }

    fn validate(&self) -> Vec<ConfigProblem> {
        let mut problems = Vec::new();
        self.server.validate("server", &mut problems);
        must_be_given("group", &self.group, &mut problems);
        must_be_given("instance", &self.instance, &mut problems);
        within("poll_seconds", self.poll_seconds, 1, 3_600, &mut problems);
        let most = 1024 * 1024 * 1024;
        within(
            "max_fetch_bytes",
            self.max_fetch_bytes as u64,
            1_024,
            most,
            &mut problems,
        );
        problems
    }

    async fn check(&self, context: &AdapterContext) -> Result<(), SourceError> {
        self.consumer(context)?.probe().await
    }

    async fn connect(&self, context: &AdapterContext) -> Result<Box<dyn Source>, SourceError> {
        let consumer = Arc::new(self.consumer(context)?);
        let poll = Duration::from_secs(self.poll_seconds);
        let forms = (self.value, self.media_type.clone());
        let source = TxEventQSource::connect(consumer, poll, forms, context).await?;
        Ok(Box::new(source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_valid_and_wrong_values_are_errors() {
        let keys = |toml: &str| -> Vec<String> {
            let config: TxEventQSourceConfig = toml::from_str(toml).unwrap();
            config.validate().into_iter().map(|p| p.key).collect()
        };
        assert_eq!(keys(TxEventQSourceConfig::example()), [] as [&str; 0]);
        let wrong = "server = { url = 'x' }\ngroup = ''\ninstance = ''\npoll_seconds = 0\n\
                     max_fetch_bytes = 1";
        let expected = [
            "server.url",
            "group",
            "instance",
            "poll_seconds",
            "max_fetch_bytes",
        ];
        assert_eq!(keys(wrong), expected);
    }
}
