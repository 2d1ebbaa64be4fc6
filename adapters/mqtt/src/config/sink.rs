//! Configuration of topics that messages are sent to.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use hub_broker::check_range;
use hub_core::{AdapterContext, ConfigProblem, Metric, Sink, SinkConfig, SinkError};
use hub_names::Destination;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Broker;
use super::limits::{LARGEST_MESSAGE, check_client_id};
use crate::link::{Link, Session};
use crate::properties::{FixedProperties, check_user_property};
use crate::publisher::Publisher;
use crate::sink::{MqttSink, Shape};
use crate::topics::{check_filter, check_topic, covers};

/// Most messages that may wait for the broker's yes; it may allow fewer, the rest waits here.
const MOST_IN_FLIGHT: u64 = 1_000;

/// Publishes each message to a topic (MQTT 5), with QoS 1.
///
/// A message is delivered once the broker has acknowledged it and somebody subscribes to its topic.
/// If nobody does, MQTT throws the message away: that is a failure, unless `no_subscriber` says
/// otherwise. With a fixed topic the endpoint is taken to be broken then, and the message is tried
/// again; with one made of the message's own values the message is parked. Brokers that do not tell
/// (the answer is optional in the protocol) make every publish a success.
///
/// User properties: `message-id` is the constant id of the message, so that the other side can
/// recognise a resend; `correlation-id` the id of the incoming message that caused it, or the header
/// of that name; and the message's other headers. Its header `correlation-id`, if it has one, is the
/// property correlation data too: an answer carries that of its request. The response topic is the
/// header `reply-to`, or as configured; the content type is the message's.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MqttSinkConfig {
    /// Where the topic is.
    pub broker: Broker,
    /// The name that the broker knows us by, where its access rules ask for one. No other client may
    /// have it, no source of this hub and no second node either: the broker throws the older one
    /// out. Default: the broker gives each connection one.
    #[serde(default)]
    pub client_id: Option<String>,
    /// Template of the topic: `north/{subject_id}`. In braces: `message_id`, `correlation_id`,
    /// `subject` (the business object), `subject_id` (its number alone), `route`, `enterprise`,
    /// `source_name`, `source_stem`, `extension`, and `created:%Y-%m-%d` (UTC). Each is one level:
    /// `/ + # $ %` in them are percent-encoded. A brace itself is written twice. Or `{reply_to}` alone,
    /// for answers: the request's response topic.
    pub topic: String,
    /// Where answers may go, with `+` for one level and `#` for all that follow. An answer that is
    /// wanted elsewhere, or nowhere, is parked. `#` alone lets requesters choose any topic there is.
    #[serde(default)]
    pub reply_to_targets: Vec<String>,
    /// Whether the broker keeps the message as the last of its topic.
    #[serde(default)]
    pub retain: bool,
    /// What to do if nobody subscribes to the topic.
    #[serde(default)]
    pub no_subscriber: NoSubscriber,
    /// Further user properties.
    #[serde(default)]
    pub user_properties: BTreeMap<String, String>,
    /// Where answers go.
    #[serde(default)]
    pub response_topic: Option<String>,
    /// How long the broker keeps a message for who is away, in seconds. Then it drops it.
    #[serde(default)]
    pub expiry_seconds: Option<u32>,
    /// Largest message that is sent, in bytes. Larger ones are parked.
    #[serde(default = "max_message_bytes")]
    pub max_message_bytes: u64,
    /// Most messages that wait for the broker's yes at once.
    #[serde(default = "max_in_flight")]
    pub max_in_flight: u16,
    /// Longest wait for the broker's yes, in seconds.
    #[serde(default = "answer_timeout_seconds")]
    pub answer_timeout_seconds: u64,
}

/// What to do if nobody subscribes to the topic of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NoSubscriber {
    /// It is not delivered.
    #[default]
    Fail,
    /// It is delivered: right for retained messages, which wait at the broker.
    Accept,
}

fn max_message_bytes() -> u64 {
    1024 * 1024
}

fn max_in_flight() -> u16 {
    64
}

fn answer_timeout_seconds() -> u64 {
    30
}

impl MqttSinkConfig {
    fn unavailable(context: &AdapterContext, reason: String) -> SinkError {
        SinkError::Unavailable {
            endpoint: context.name.clone(),
            reason,
            retry_after: None,
            answered: false,
        }
    }

    fn destination(&self) -> Result<Destination, ConfigProblem> {
        Destination::parse("topic", &self.topic, &self.reply_to_targets, covers)
    }

    fn sink(&self, context: &AdapterContext) -> Result<MqttSink, String> {
        let endpoint = self.broker.endpoint(context)?;
        let patience = Duration::from_secs(self.answer_timeout_seconds);
        let client_id = self.client_id.clone().unwrap_or_default();
        let publisher = Publisher::new(endpoint, client_id, patience, self.max_in_flight);
        let topic = self.destination().map_err(|problem| problem.to_string())?;
        let shape = Shape {
            fixed: FixedProperties {
                user_properties: self.user_properties.clone().into_iter().collect(),
                response_topic: self.response_topic.clone(),
                is_reply: topic.is_reply(),
                expiry_seconds: self.expiry_seconds,
            },
            topic,
            retain: self.retain,
            no_subscriber: self.no_subscriber,
            largest: self.max_message_bytes,
        };
        Ok(MqttSink::new(context.name.clone(), publisher, shape))
    }

    fn validate_texts(&self, problems: &mut Vec<ConfigProblem>) {
        if let Err(problem) = self.destination() {
            problems.push(problem);
        } else if let Err(reason) = check_topic(&self.topic) {
            problems.push(ConfigProblem::error("topic", reason));
        }
        for target in &self.reply_to_targets {
            if let Err(reason) = check_filter(target) {
                problems.push(ConfigProblem::error("reply_to_targets", reason));
            }
        }
        if let Some(Err(reason)) = self.response_topic.as_deref().map(check_topic) {
            problems.push(ConfigProblem::error("response_topic", reason));
        }
        for (name, value) in &self.user_properties {
            if let Err(reason) = check_user_property(name, value) {
                problems.push(ConfigProblem::error("user_properties", reason));
            }
        }
    }
}

#[async_trait]
impl SinkConfig for MqttSinkConfig {
    const KIND: &'static str = "mqtt";

    fn example() -> &'static str {
        r#"broker = { url = "mqtts://mqtt.example:8884", auth = "certificate", client_certificate = "file:meterhub.pem" }
topic = "gateways/{subject}/commands"
response_topic = "meterhub/answers"
expiry_seconds = 86400
user_properties = { x-sender = "nordkraft" }
no_subscriber = "fail"        # "accept": right with `retain = true`
"#
    }

    fn metrics() -> &'static [Metric] {
        crate::metrics::ALL
    }

    fn validate(&self) -> Vec<ConfigProblem> {
        let mut problems = Vec::new();
        self.broker.validate(&mut problems);
        if let Some(client_id) = &self.client_id {
            check_client_id(client_id, &mut problems);
        }
        self.validate_texts(&mut problems);
        for (key, value, range) in [
            (
                "max_message_bytes",
                self.max_message_bytes,
                1..=LARGEST_MESSAGE,
            ),
            (
                "max_in_flight",
                u64::from(self.max_in_flight),
                1..=MOST_IN_FLIGHT,
            ),
            (
                "answer_timeout_seconds",
                self.answer_timeout_seconds,
                1..=600,
            ),
        ] {
            check_range(key, value, range, &mut problems);
        }
        if self.expiry_seconds == Some(0) {
            let reason = "is 0: messages would be dropped at once";
            problems.push(ConfigProblem::error("expiry_seconds", reason));
        }
        problems
    }

    /// With another client id: a hub that runs must not be thrown out.
    async fn check(&self, context: &AdapterContext) -> Result<(), SinkError> {
        let failed = |reason| Self::unavailable(context, reason);
        let endpoint = self.broker.endpoint(context).map_err(failed)?;
        let client_id = self.client_id.as_ref().map(|id| format!("{id}-check"));
        let session = Session::passing(client_id.unwrap_or_default());
        let link = Link::open(&endpoint, &session, None).await;
        link.map_err(failed)?;
        Ok(())
    }

    async fn connect(&self, context: &AdapterContext) -> Result<Box<dyn Sink>, SinkError> {
        let sink = self.sink(context);
        Ok(Box::new(sink.map_err(|r| Self::unavailable(context, r))?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(toml: &str) -> Vec<ConfigProblem> {
        toml::from_str::<MqttSinkConfig>(toml).unwrap().validate()
    }

    const BROKER: &str = "broker = { url = 'mqtt://localhost', auth = { password = { user = 'hub', password = 'env:P' } } }";

    #[test]
    fn the_example_is_valid() {
        assert_eq!(problems(MqttSinkConfig::example()), []);
        assert_eq!(problems(&format!("{BROKER}\ntopic = 'a/{{subject}}'")), []);
        let answers = "topic = '{reply_to}'\nreply_to_targets = ['gateways/+/answers']";
        assert_eq!(problems(&format!("{BROKER}\n{answers}")), []);
    }

    #[test]
    fn an_unknown_word_of_a_topic_is_named_with_those_that_exist() {
        let found = problems(&format!("{BROKER}\ntopic = 'north/{{what}}'"));
        let reason = &found[0].reason;
        for word in ["`{what}` is unknown", "`{subject}`", "`{subject_id}`"] {
            assert!(reason.contains(word), "{reason}");
        }
    }

    #[test]
    fn wrong_values_are_errors() {
        for wrong in [
            "topic = ''",
            "topic = 'a'\nclient_id = ''",
            "topic = 'a/+'",
            "topic = '{what}'",
            "topic = '{reply_to}'",
            "topic = 'a/{reply_to}'",
            "topic = '{reply_to}'\nreply_to_targets = ['a/#/b']",
            "topic = 'a'\nreply_to_targets = ['a']",
            "topic = 'a'\nresponse_topic = 'a/#'",
            "topic = 'a'\nuser_properties = { message-id = '1' }",
            "topic = 'a'\nmax_in_flight = 0",
            "topic = 'a'\nanswer_timeout_seconds = 0",
            "topic = 'a'\nexpiry_seconds = 0",
            "topic = 'a'\nmax_message_bytes = 0",
        ] {
            let found = problems(&format!("{BROKER}\n{wrong}"));
            assert!(found.len() == 1 && !found[0].warning, "{wrong}: {found:?}");
        }
    }
}
