//! Configuration of a queue that messages are taken from.

use std::time::Duration;

use async_trait::async_trait;
use hub_broker::check_range;
use hub_core::{AdapterContext, ConfigProblem, Metric, Source, SourceConfig, SourceError};
use schemars::JsonSchema;
use serde::Deserialize;

use super::Broker;
use super::limits::{LARGEST_MESSAGE, check_address};
use crate::connection::Connection;
use crate::metrics;
use crate::source::{Amqp10Source, Subscription, longest};

/// Most arrivals that may be unsettled; the credit is twice this.
const LARGEST_WINDOW: u64 = 10_000;

/// Takes messages from a queue (AMQP 1.0: IBM MQ, Artemis, Azure Service Bus, SAP Event Mesh).
///
/// A message is `accepted` once it is committed, never before. Its identity is its `message-id`, if
/// it has one, and else its content. Its name is the application property `x-filename`, or its
/// `message-id`. The fields `correlation-id`, `reply-to`, `to`, `subject`, `group-id`, `ttl`,
/// `priority`, `creation-time` and `absolute-expiry-time` (in milliseconds) and the application
/// properties are kept with it as headers, names in lower case. Its body is one or several `data`
/// sections, or an `amqp-value` that is a binary or a string; any other is `rejected`.
///
/// A message that cannot be taken now is given back after a pause, of a minute at most, as
/// `give_back` says. One that can never be accepted is `rejected`, with the condition
/// `meterhub:rejected` and the reason; what becomes of it is the broker's configuration (a dead-letter
/// queue, or nothing: RabbitMQ and some others drop it then). The reason is in the log as well. So goes
/// one that is damaged, or whose values lie in one another more than 64 levels deep, with the section
/// and the byte where; it does not hold up those behind it.
///
/// A message is in memory as a whole, and up to twice the `window` of them at once: memory for
/// `window` × 2 × `max_message_bytes` may be needed. A message of more than twice
/// `max_message_bytes` ends the link: the broker is told this limit, and should not send such a one.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Amqp10SourceConfig {
    /// Where the queue is.
    pub broker: Broker,
    /// Its address, as the broker names it: `readings`; in RabbitMQ 3 `/amq/queue/readings`.
    pub address: String,
    /// How many messages may be under way at once. 1 keeps the order of the queue.
    #[serde(default = "window")]
    pub window: u16,
    /// What becomes of a message that cannot be taken now.
    #[serde(default)]
    pub give_back: GiveBack,
    /// Largest message that is taken, in bytes. Larger ones can never be accepted.
    #[serde(default = "max_message_bytes")]
    pub max_message_bytes: u64,
    /// Longest wait for the broker to answer a request, in seconds.
    #[serde(default = "answer_timeout_seconds")]
    pub answer_timeout_seconds: u64,
}

/// What becomes of a message that cannot be taken now, after the pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GiveBack {
    /// The broker has it again (`released`), and most do not count that as a failure.
    #[default]
    Released,
    /// The broker has it again and counts the attempt (`modified`, `delivery-failed`): after a number
    /// of them it may move the message to its dead-letter queue. `released` is used where the broker
    /// does not know this.
    Modified,
    /// It stays with us, unsettled, and is offered to the hub again: for brokers that count, or drop,
    /// whatever is given back. One that gives messages for a limited time only (Azure Service Bus)
    /// delivers it again then.
    Kept,
}

fn window() -> u16 {
    256
}

fn max_message_bytes() -> u64 {
    64 * 1024 * 1024
}

fn answer_timeout_seconds() -> u64 {
    30
}

impl Amqp10SourceConfig {
    fn answer_timeout(&self) -> Duration {
        Duration::from_secs(self.answer_timeout_seconds)
    }

    fn disconnected(context: &AdapterContext, reason: String) -> SourceError {
        SourceError::Disconnected {
            endpoint: context.name.clone(),
            reason,
        }
    }

    async fn open(&self, context: &AdapterContext) -> Result<Connection, String> {
        let largest = longest(self.max_message_bytes);
        Connection::open(&self.broker.endpoint(context, largest)?).await
    }

    fn subscription(&self, context: &AdapterContext) -> Subscription {
        Subscription {
            name: context.name.clone(),
            address: self.address.clone(),
            window: self.window,
            give_back: self.give_back,
            largest: self.max_message_bytes,
            patience: self.answer_timeout(),
            meter: context.meter.clone(),
        }
    }
}

#[async_trait]
impl SourceConfig for Amqp10SourceConfig {
    const KIND: &'static str = "amqp10";

    fn example() -> &'static str {
        r#"broker = { url = "amqps://artemis.example:5671", auth = { password = { user = "meterhub", password = "env:ARTEMIS_PASSWORD" } }, ca_certificates = "ca.pem" }
address = "meterhub.readings"
window = 256                  # 1 keeps the order of the queue
give_back = "released"        # or "modified", "kept"
max_message_bytes = 67108864
"#
    }

    fn metrics() -> &'static [Metric] {
        metrics::SOURCE
    }

    fn validate(&self) -> Vec<ConfigProblem> {
        let mut problems = Vec::new();
        self.broker.validate(&mut problems);
        check_address("address", &self.address, &mut problems);
        let window = u64::from(self.window);
        check_range("window", window, 1..=LARGEST_WINDOW, &mut problems);
        let largest = 1..=LARGEST_MESSAGE;
        let key = "max_message_bytes";
        check_range(key, self.max_message_bytes, largest, &mut problems);
        let seconds = self.answer_timeout_seconds;
        check_range("answer_timeout_seconds", seconds, 1..=600, &mut problems);
        problems
    }

    async fn check(&self, context: &AdapterContext) -> Result<(), SourceError> {
        let failed = |reason| Self::disconnected(context, reason);
        let connection = self.open(context).await.map_err(failed)?;
        let mut subscription = self.subscription(context);
        // The hub may be running, and a link of the same name would take its place.
        subscription.name.push_str(" check");
        let checked = subscription.check(&connection).await;
        connection.close().await;
        checked.map_err(failed)
    }

    async fn connect(&self, context: &AdapterContext) -> Result<Box<dyn Source>, SourceError> {
        let failed = |reason| Self::disconnected(context, reason);
        let connection = self.open(context).await.map_err(failed)?;
        let source = Amqp10Source::start(connection, self.subscription(context)).await;
        Ok(Box::new(source.map_err(failed)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(toml: &str) -> Vec<ConfigProblem> {
        let config: Amqp10SourceConfig = toml::from_str(toml).unwrap();
        config.validate()
    }

    const BROKER: &str = "broker = { url = 'amqp://localhost', auth = { password = { user = 'hub', password = 'env:P' } } }";

    #[test]
    fn the_example_is_valid() {
        assert_eq!(problems(Amqp10SourceConfig::example()), []);
        assert_eq!(problems(&format!("{BROKER}\naddress = 'q'")), []);
    }

    #[test]
    fn wrong_values_are_errors() {
        for wrong in [
            "address = ''",
            "address = \"a\\nb\"",
            "address = 'q'\nwindow = 0",
            "address = 'q'\nmax_message_bytes = 0",
            "address = 'q'\nanswer_timeout_seconds = 0",
        ] {
            let found = problems(&format!("{BROKER}\n{wrong}"));
            assert!(found.len() == 1 && !found[0].warning, "{wrong}: {found:?}");
        }
    }
}
