//! Configuration of topics that messages are taken from.

use std::time::Duration;

use async_trait::async_trait;
use hub_broker::check_range;
use hub_core::{AdapterContext, ConfigProblem, Metric, Source, SourceConfig, SourceError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Broker;
use super::limits::{LARGEST_MESSAGE, check_client_id};
use crate::link::{Link, Session};
use crate::publisher::Publisher;
use crate::rejected::RejectedTopic;
use crate::source::MqttSource;
use crate::topics::{check_filter, check_topic, covers};

/// Most arrivals that may be unsettled; the protocol's receive maximum is twice this.
const LARGEST_WINDOW: u64 = 10_000;

/// Longest session: a year. Beyond, the broker keeps messages for a hub that nobody has any more.
const LONGEST_SESSION_SECONDS: u64 = 366 * 86_400;

/// Takes messages from topics (MQTT 5).
///
/// A message is acknowledged once it is committed, never before. While the hub is away the broker
/// keeps messages for `client_id`, for `session_expiry_seconds`, and as many as its own
/// configuration allows (Mosquitto: `max_queued_messages`, 1000; it drops the rest in silence). Only
/// messages published with QoS 1 or 2 are safe: one of QoS 0 is lost with the connection, and when
/// more of them wait than `window` allows.
///
/// A message is what `identity` says. Its name is the user property `x-filename`, or its topic. Kept
/// as headers: `topic`, `retained`, the user properties, and of a request its response topic as
/// `reply-to` and its correlation data as `correlation-id` (what is no text as `hex:` with its digits),
/// so that it can be answered.
///
/// A message that can never be accepted is logged with the reason; with `rejected_topic` it is first
/// published there, with the reason in the user property `x-meterhub-reason`, and acknowledged only
/// once somebody's session has it.
///
/// A message that is to be tried again stays unacknowledged and holds up nobody while fewer than
/// `window` wait. Acknowledgements then go in another order than the messages, which brokers take;
/// `window = 1` keeps the order of both.
///
/// Topics that are taken out of `topics` stay subscribed in the broker's session: give another
/// `client_id` then, and let the broker drop the old session.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MqttSourceConfig {
    /// Where the topics are.
    pub broker: Broker,
    /// The name that the broker keeps our session by. No other client may have it: the broker throws
    /// the older one out.
    pub client_id: String,
    /// Topics, with `+` for one level and `#` for all that follow. Several hubs share the messages
    /// of `$share/group/topic`.
    pub topics: Vec<String>,
    /// What tells a message from one that was seen before.
    #[serde(default)]
    pub identity: Identity,
    /// User property with the sender's own id of a message. It goes before every other rule.
    #[serde(default = "id_property")]
    pub id_property: String,
    /// What to do with messages that the broker has kept as the last of their topic.
    #[serde(default)]
    pub retained: Retained,
    /// How long the broker keeps messages while the hub is away, in seconds.
    #[serde(default = "session_expiry_seconds")]
    pub session_expiry_seconds: u32,
    /// Topic for messages that can never be accepted, with the reason. Somebody must subscribe to it
    /// and have a session that is kept.
    #[serde(default)]
    pub rejected_topic: Option<String>,
    /// How many messages may be under way at once. 1 keeps the order of the broker.
    #[serde(default = "window")]
    pub window: u16,
    /// Largest message that is taken, in bytes. Larger ones can never be accepted; those above twice
    /// this size the broker drops, because it is told to. At most four times `window` messages are in
    /// memory, half of them of QoS 0.
    #[serde(default = "max_message_bytes")]
    pub max_message_bytes: u64,
    /// Longest wait for the broker to answer a request, in seconds.
    #[serde(default = "answer_timeout_seconds")]
    pub answer_timeout_seconds: u64,
}

/// What tells a message that carries no id from one that was seen before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Identity {
    /// Topic and content. An equal message on the same topic is taken for a resend, for ever: right
    /// if each message holds its time, wrong for a bare value that may come twice.
    #[default]
    Content,
    /// The correlation data; without it, topic and content. For senders that give each message
    /// its own: one with correlation data that other content has is rejected.
    CorrelationData,
    /// Each publish is a message of its own, equal or not. What the broker delivers again after a
    /// lost connection is recognised, but not after a restart of the hub: a message whose
    /// acknowledgement was lost then counts twice.
    Each,
}

/// What to do with messages that the broker has kept as the last of their topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Retained {
    /// Take them when the session begins.
    #[default]
    Once,
    /// Take them at each connection. With `identity = "each"` they count each time.
    Always,
    /// Leave them.
    Never,
}

fn id_property() -> String {
    "message-id".to_owned()
}

fn session_expiry_seconds() -> u32 {
    7 * 86_400
}

fn window() -> u16 {
    64
}

fn max_message_bytes() -> u64 {
    1024 * 1024
}

fn answer_timeout_seconds() -> u64 {
    30
}

impl MqttSourceConfig {
    /// Longest wait for an answer.
    pub(crate) fn answer_timeout(&self) -> Duration {
        Duration::from_secs(self.answer_timeout_seconds)
    }

    fn disconnected(context: &AdapterContext, reason: String) -> SourceError {
        SourceError::Disconnected {
            endpoint: context.name.clone(),
            reason,
        }
    }

    fn rejected(&self, context: &AdapterContext) -> Result<Option<RejectedTopic>, String> {
        let Some(topic) = &self.rejected_topic else {
            return Ok(None);
        };
        let endpoint = self.broker.endpoint(context)?;
        let client_id = format!("{}-rejected", self.client_id);
        let publisher = Publisher::new(endpoint, client_id, self.answer_timeout(), 1);
        Ok(Some(RejectedTopic::new(publisher, topic.clone())))
    }

    fn validate_topics(&self, problems: &mut Vec<ConfigProblem>) {
        if self.topics.is_empty() {
            let reason = "is empty, expected topics such as `hes/+/readings`";
            problems.push(ConfigProblem::error("topics", reason));
        }
        for filter in &self.topics {
            if let Err(reason) = check_filter(filter) {
                problems.push(ConfigProblem::error("topics", reason));
            }
        }
        let Some(topic) = &self.rejected_topic else {
            return;
        };
        if let Err(reason) = check_topic(topic) {
            problems.push(ConfigProblem::error("rejected_topic", reason));
        } else if let Some(filter) = self.topics.iter().find(|f| covers(f, topic)) {
            let reason = format!("is covered by `{filter}` of `topics`: it would come back");
            problems.push(ConfigProblem::error("rejected_topic", reason));
        }
    }
}

#[async_trait]
impl SourceConfig for MqttSourceConfig {
    const KIND: &'static str = "mqtt";

    fn example() -> &'static str {
        r#"broker = { url = "mqtts://mqtt.example", auth = { password = { user = "meterhub", password = "env:MQTT_PASSWORD" } }, ca_certificates = "ca.pem" }
client_id = "meterhub-north"
topics = ["gateways/+/readings", "$share/hubs/gateways/+/events/#"]
identity = "content"          # "correlation-data"; "each": equal messages are not resends
retained = "once"             # "always", "never"
session_expiry_seconds = 604800
rejected_topic = "meterhub/rejected"
window = 64                   # 1 keeps the order
max_message_bytes = 1048576
"#
    }

    fn metrics() -> &'static [Metric] {
        crate::metrics::ALL
    }

    fn validate(&self) -> Vec<ConfigProblem> {
        let mut problems = Vec::new();
        self.broker.validate(&mut problems);
        check_client_id(&self.client_id, &mut problems);
        self.validate_topics(&mut problems);
        if self.id_property.is_empty() {
            problems.push(ConfigProblem::error("id_property", "is empty"));
        }
        for (key, value, range) in [
            (
                "session_expiry_seconds",
                u64::from(self.session_expiry_seconds),
                1..=LONGEST_SESSION_SECONDS,
            ),
            ("window", u64::from(self.window), 1..=LARGEST_WINDOW),
            (
                "max_message_bytes",
                self.max_message_bytes,
                1..=LARGEST_MESSAGE,
            ),
            (
                "answer_timeout_seconds",
                self.answer_timeout_seconds,
                1..=600,
            ),
        ] {
            check_range(key, value, range, &mut problems);
        }
        problems
    }

    /// With another client id: a hub that runs must not be thrown out, nor its session touched.
    async fn check(&self, context: &AdapterContext) -> Result<(), SourceError> {
        let failed = |reason| Self::disconnected(context, reason);
        let endpoint = self.broker.endpoint(context).map_err(failed)?;
        let session = Session::passing(format!("{}-check", self.client_id));
        let link = Link::open(&endpoint, &session, None).await;
        link.map_err(failed)?;
        Ok(())
    }

    async fn connect(&self, context: &AdapterContext) -> Result<Box<dyn Source>, SourceError> {
        let failed = |reason| Self::disconnected(context, reason);
        let endpoint = self.broker.endpoint(context).map_err(failed)?;
        let rejected = self.rejected(context).map_err(failed)?;
        let source = MqttSource::start(&endpoint, self, context, rejected);
        Ok(Box::new(source.await.map_err(failed)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(toml: &str) -> Vec<ConfigProblem> {
        toml::from_str::<MqttSourceConfig>(toml).unwrap().validate()
    }

    const BROKER: &str = "broker = { url = 'mqtt://localhost', auth = { password = { user = 'hub', password = 'env:P' } } }";

    #[test]
    fn the_example_is_valid() {
        assert_eq!(problems(MqttSourceConfig::example()), []);
    }

    #[test]
    fn wrong_values_are_errors() {
        let found = problems(&format!(
            "{BROKER}\nclient_id = ''\ntopics = ['a/#/b']\nwindow = 0\nmax_message_bytes = 0\n\
             answer_timeout_seconds = 0\nsession_expiry_seconds = 0\nid_property = ''\n\
             rejected_topic = 'a/+'"
        ));
        assert_eq!(found.len(), 8, "{found:?}");
        assert!(found.iter().all(|p| !p.warning));
    }

    #[test]
    fn rejected_messages_must_not_come_back() {
        let topics = |topics: &str| {
            problems(&format!(
                "{BROKER}\nclient_id = 'hub'\ntopics = [{topics}]\nrejected_topic = 'out/bad'"
            ))
        };
        assert_eq!(topics("'in/#'"), []);
        for wrong in ["'#'", "'out/+'", "'$share/hubs/out/#'"] {
            assert_eq!(topics(wrong).len(), 1, "{wrong}");
        }
    }
}
