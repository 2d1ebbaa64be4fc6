//! Configuration of a queue that messages are taken from.

use std::time::Duration;

use async_trait::async_trait;
use hub_broker::check_range;
use hub_core::{AdapterContext, ConfigProblem, Metric, Source, SourceConfig, SourceError};
use schemars::JsonSchema;
use serde::Deserialize;

use super::limits::{LARGEST_MESSAGE, check_length, check_name};
use super::{Broker, QueueType, SourceBinding, Topology};
use crate::dead_letters::DeadLetters;
use crate::link::Link;
use crate::publisher::{Address, Publisher};
use crate::source::AmqpSource;
use crate::topology;

/// Most arrivals that may be unsettled; the protocol's prefetch is twice this.
const LARGEST_WINDOW: u64 = 10_000;

/// Takes messages from a queue (AMQP 0-9-1, RabbitMQ).
///
/// A message is acknowledged once it is committed, never before. Its identity is the property
/// `message-id`, if it has one, and else its content. Its name is the header `x-filename`, or its
/// `message-id`. The properties `correlation-id`, `reply-to`, `type`, `app-id`, `expiration`,
/// `timestamp`, `priority`, `content-encoding` and the application's own headers are kept with it.
///
/// A message that cannot be taken now is offered to the hub again after a pause. Meanwhile it stays
/// with us, unacknowledged: given back, it would count as delivered once more, and RabbitMQ drops or
/// moves away what was delivered too often (`delivery-limit`, 20 by default since version 4).
///
/// A message that can never be accepted goes to `dead_letter_exchange` with the reason in the
/// header `x-meterhub-reason`; it is acknowledged only once the broker has it there. Without such
/// an exchange the message is rejected, and the broker does with it what the queue's own
/// `x-dead-letter-exchange` says: without one, it drops it. The reason is in the log then.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AmqpSourceConfig {
    /// Where the queue is.
    pub broker: Broker,
    /// The queue.
    pub queue: String,
    /// Who makes the queue and its bindings.
    #[serde(default)]
    pub topology: Topology,
    /// Kind of the queue, when declared.
    #[serde(default)]
    pub queue_type: QueueType,
    /// Bindings of the queue, when declared.
    #[serde(default)]
    pub bindings: Vec<SourceBinding>,
    /// Exchange for messages that can never be accepted, with the reason. It must exist, and so
    /// must a queue that its messages reach.
    #[serde(default)]
    pub dead_letter_exchange: Option<String>,
    /// Routing key of messages that can never be accepted. Default: the name of the queue.
    #[serde(default)]
    pub dead_letter_routing_key: Option<String>,
    /// How many messages may be under way at once. 1 keeps the order of the queue.
    #[serde(default = "window")]
    pub window: u16,
    /// Largest message that is taken, in bytes. Larger ones can never be accepted. A message is in
    /// memory as a whole before its size is known: the broker's own limit bounds memory.
    #[serde(default = "max_message_bytes")]
    pub max_message_bytes: u64,
    /// Longest wait for the broker to answer a request, in seconds.
    #[serde(default = "answer_timeout_seconds")]
    pub answer_timeout_seconds: u64,
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

impl AmqpSourceConfig {
    fn answer_timeout(&self) -> Duration {
        Duration::from_secs(self.answer_timeout_seconds)
    }

    fn disconnected(context: &AdapterContext, reason: String) -> SourceError {
        SourceError::Disconnected {
            endpoint: context.name.clone(),
            reason,
        }
    }

    fn dead_letters(&self, context: &AdapterContext) -> Result<Option<DeadLetters>, String> {
        let Some(exchange) = &self.dead_letter_exchange else {
            return Ok(None);
        };
        let routing_key = self.dead_letter_routing_key.as_ref().unwrap_or(&self.queue);
        let address = Address::new(exchange, routing_key)?;
        let endpoint = self.broker.endpoint(context)?;
        let publisher = Publisher::new(endpoint, self.answer_timeout(), 1, None);
        Ok(Some(DeadLetters::new(publisher, address)))
    }

    async fn open(&self, context: &AdapterContext) -> Result<Link, String> {
        Link::open(&self.broker.endpoint(context)?).await
    }
}

#[async_trait]
impl SourceConfig for AmqpSourceConfig {
    const KIND: &'static str = "amqp";

    fn example() -> &'static str {
        r#"broker = { url = "amqps://rabbit.example/meters", auth = { password = { user = "meterhub", password = "env:RABBIT_PASSWORD" } }, ca_certificates = "ca.pem" }
queue = "meterhub.readings"
topology = "declare"          # or "check": somebody else makes the queue
bindings = [{ exchange = "hes.readings", routing_key = "north.#" }]
dead_letter_exchange = "meterhub.rejected"
window = 256                  # 1 keeps the order of the queue
max_message_bytes = 67108864
"#
    }

    fn metrics() -> &'static [Metric] {
        crate::metrics::ALL
    }

    fn validate(&self) -> Vec<ConfigProblem> {
        let mut problems = Vec::new();
        self.broker.validate(&mut problems);
        check_name("queue", &self.queue, &mut problems);
        for binding in &self.bindings {
            check_name("bindings.exchange", &binding.exchange, &mut problems);
            check_length("bindings.routing_key", &binding.routing_key, &mut problems);
        }
        if self.topology == Topology::Check && !self.bindings.is_empty() {
            let reason = "are made only with `topology = \"declare\"`";
            problems.push(ConfigProblem::error("bindings", reason));
        }
        if let Some(exchange) = &self.dead_letter_exchange {
            check_length("dead_letter_exchange", exchange, &mut problems);
        }
        if let Some(key) = &self.dead_letter_routing_key {
            check_length("dead_letter_routing_key", key, &mut problems);
        }
        if self.dead_letter_exchange.is_none() {
            let reason = "is not set: messages that can never be accepted are dropped by the \
                          broker, unless the queue has an `x-dead-letter-exchange` of its own";
            problems.push(ConfigProblem::warning("dead_letter_exchange", reason));
        }
        check_range(
            "window",
            u64::from(self.window),
            1..=LARGEST_WINDOW,
            &mut problems,
        );
        let largest = 1..=LARGEST_MESSAGE;
        check_range(
            "max_message_bytes",
            self.max_message_bytes,
            largest,
            &mut problems,
        );
        let seconds = self.answer_timeout_seconds;
        check_range("answer_timeout_seconds", seconds, 1..=600, &mut problems);
        problems
    }

    async fn check(&self, context: &AdapterContext) -> Result<(), SourceError> {
        let failed = |reason| Self::disconnected(context, reason);
        let link = self.open(context).await.map_err(failed)?;
        // Also with `declare`: a check changes nothing. A queue that is to be made may be missing.
        if self.topology == Topology::Check {
            let checked = topology::check_queue(&link, &self.queue, self.answer_timeout());
            checked.await.map_err(failed)?;
        }
        if let Some(exchange) = &self.dead_letter_exchange {
            let checked = topology::check_exchange(&link, exchange, self.answer_timeout());
            checked.await.map_err(failed)?;
        }
        link.close().await;
        Ok(())
    }

    async fn connect(&self, context: &AdapterContext) -> Result<Box<dyn Source>, SourceError> {
        let failed = |reason| Self::disconnected(context, reason);
        let link = self.open(context).await.map_err(failed)?;
        let prepared = match self.topology {
            Topology::Check => Ok(()),
            Topology::Declare => topology::declare_for_source(&link, self).await,
        };
        prepared.map_err(failed)?;
        let dead_letters = self.dead_letters(context).map_err(failed)?;
        let source = AmqpSource::start(link, self, context.name.clone(), dead_letters);
        Ok(Box::new(source.await.map_err(failed)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(toml: &str) -> Vec<ConfigProblem> {
        toml::from_str::<AmqpSourceConfig>(toml).unwrap().validate()
    }

    const BROKER: &str = "broker = { url = 'amqp://localhost', auth = { password = { user = 'hub', password = 'env:P' } } }";

    #[test]
    fn the_example_is_valid() {
        assert_eq!(problems(AmqpSourceConfig::example()), []);
    }

    #[test]
    fn a_queue_without_a_place_for_rejected_messages_is_a_warning() {
        let found = problems(&format!("{BROKER}\nqueue = 'q'"));
        assert!(found.len() == 1 && found[0].warning, "{found:?}");
    }

    #[test]
    fn wrong_values_are_errors() {
        let found = problems(&format!(
            "{BROKER}\nqueue = ''\nwindow = 0\nmax_message_bytes = 0\nanswer_timeout_seconds = 0\n\
             bindings = [{{ exchange = 'e' }}]\ndead_letter_exchange = 'd'"
        ));
        assert_eq!(found.len(), 5, "{found:?}");
        assert!(found.iter().all(|p| !p.warning));
    }
}
