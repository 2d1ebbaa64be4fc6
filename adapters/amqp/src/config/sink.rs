//! Configuration of an exchange that messages are sent to.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use hub_broker::check_range;
use hub_core::{AdapterContext, ConfigProblem, Metric, Sink, SinkConfig, SinkError};
use hub_names::{Destination, covers_text};
use schemars::JsonSchema;
use serde::Deserialize;

use super::limits::{LARGEST_MESSAGE, check_length, check_name};
use super::{Broker, ExchangeType, QueueBinding, Topology};
use crate::link::Link;
use crate::properties::{FixedProperties, is_free};
use crate::publisher::{Preparation, Publisher};
use crate::sink::AmqpSink;
use crate::topology;

/// Most messages that may wait for the broker's yes; each has an AMQP channel of its own, and
/// RabbitMQ allows 2047 of them by default.
const MOST_IN_FLIGHT: u64 = 1_000;

/// Publishes each message to an exchange (AMQP 0-9-1, RabbitMQ).
///
/// A message is delivered once the broker has confirmed that it is safe in a queue. It is durable
/// and `mandatory`: what reaches no queue is a failure. With a fixed routing key the endpoint is
/// taken to be broken then, and the message is tried again; with one made of the message's own
/// values the message is parked.
///
/// Properties: `message-id` is the constant id of the message, so that the other side can recognise
/// a resend; `correlation-id` the id of the incoming message that caused it, or the header of that
/// name: an answer carries that of its request; `content-type` and `timestamp` are the message's;
/// `app-id` is `meterhub`; `reply-to`, `type` and `expiration` as configured, or as the message says
/// in a header of that name; `priority` and `content-encoding` as it says. Its other headers become
/// the application's headers.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AmqpSinkConfig {
    /// Where the exchange is.
    pub broker: Broker,
    /// The exchange. Empty: the default exchange, whose routing keys are names of queues.
    #[serde(default)]
    pub exchange: String,
    /// The routing key. In braces: `message_id`, `correlation_id`, `subject`, `route`,
    /// `enterprise`, `source_name`. Or `{reply_to}` alone, for answers: where the request's property
    /// `reply-to` says. With the default exchange that is a queue of the requester's. RabbitMQ's direct
    /// replies, `amq.rabbitmq.reply-to.*`, have no queue: an answer is lost if the requester is gone,
    /// and the broker does not tell.
    #[serde(default)]
    pub routing_key: String,
    /// Where answers may go, as patterns: `*` stands for any characters. An answer that is wanted
    /// elsewhere, or nowhere, is parked. `*` alone lets requesters choose any queue there is.
    #[serde(default)]
    pub reply_to_targets: Vec<String>,
    /// Who makes the exchange, and the queues and their bindings.
    #[serde(default)]
    pub topology: Topology,
    /// Kind of the exchange, when declared.
    #[serde(default)]
    pub exchange_type: ExchangeType,
    /// Queues that messages shall reach: made and bound, or looked for.
    #[serde(default)]
    pub queues: Vec<QueueBinding>,
    /// Further headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Where answers go: the property `reply-to`.
    #[serde(default)]
    pub reply_to: Option<String>,
    /// The property `type`, in this protocol free text.
    #[serde(default)]
    pub message_type: Option<String>,
    /// How long a message may wait in its queue, in seconds. Then the broker drops it.
    #[serde(default)]
    pub expiration_seconds: Option<u32>,
    /// Largest message that is sent, in bytes. Larger ones are parked.
    #[serde(default = "max_message_bytes")]
    pub max_message_bytes: u64,
    /// Most messages that wait for the broker's yes at once.
    #[serde(default = "max_in_flight")]
    pub max_in_flight: u16,
    /// Longest wait for the broker's yes, in seconds.
    #[serde(default = "confirm_timeout_seconds")]
    pub confirm_timeout_seconds: u64,
}

fn max_message_bytes() -> u64 {
    64 * 1024 * 1024
}

fn max_in_flight() -> u16 {
    256
}

fn confirm_timeout_seconds() -> u64 {
    30
}

impl AmqpSinkConfig {
    fn confirm_timeout(&self) -> Duration {
        Duration::from_secs(self.confirm_timeout_seconds)
    }

    fn unavailable(context: &AdapterContext, reason: String) -> SinkError {
        SinkError::Unavailable {
            endpoint: context.name.clone(),
            reason,
            retry_after: None,
            answered: false,
        }
    }

    fn destination(&self) -> Result<Destination, ConfigProblem> {
        let targets = &self.reply_to_targets;
        Destination::parse("routing_key", &self.routing_key, targets, covers_text)
    }

    fn fixed_properties(&self, is_reply: bool) -> FixedProperties {
        FixedProperties {
            headers: self.headers.clone().into_iter().collect(),
            reply_to: self.reply_to.clone(),
            is_reply,
            message_type: self.message_type.clone(),
            expiration: self
                .expiration_seconds
                .map(|s| (u64::from(s) * 1_000).to_string()),
        }
    }

    fn sink(&self, context: &AdapterContext) -> Result<AmqpSink, String> {
        let endpoint = self.broker.endpoint(context)?;
        let config = self.clone();
        let prepare: Preparation = Box::new(move |link: &Link| {
            let config = config.clone();
            let link = link.clone();
            Box::pin(async move { topology::prepare_for_sink(&link, &config).await })
        });
        let in_flight = usize::from(self.max_in_flight);
        let publisher = Publisher::new(endpoint, self.confirm_timeout(), in_flight, Some(prepare));
        let destination = self.destination().map_err(|problem| problem.to_string())?;
        let fixed = self.fixed_properties(destination.is_reply());
        Ok(AmqpSink::new(
            context.name.clone(),
            publisher,
            self.exchange.clone(),
            destination,
            fixed,
            self.max_message_bytes,
        ))
    }

    fn validate_texts(&self, problems: &mut Vec<ConfigProblem>) {
        check_length("exchange", &self.exchange, problems);
        for queue in &self.queues {
            check_name("queues.queue", &queue.queue, problems);
            check_length("queues.routing_key", &queue.routing_key, problems);
        }
        for (key, text) in [
            ("reply_to", &self.reply_to),
            ("message_type", &self.message_type),
        ] {
            check_length(key, text.as_deref().unwrap_or_default(), problems);
        }
        for name in self.headers.keys() {
            if let Err(reason) = is_free(name) {
                problems.push(ConfigProblem::error("headers", reason));
            }
        }
    }

    fn validate_routing_key(&self, problems: &mut Vec<ConfigProblem>) {
        match self.destination() {
            Err(problem) => problems.push(problem),
            Ok(_) if self.exchange.is_empty() && self.routing_key.is_empty() => {
                let reason = "is empty: for the default exchange it is the name of a queue";
                problems.push(ConfigProblem::error("routing_key", reason));
            }
            Ok(key) if key.is_fixed() => check_length("routing_key", &self.routing_key, problems),
            Ok(_) => {}
        }
    }
}

#[async_trait]
impl SinkConfig for AmqpSinkConfig {
    const KIND: &'static str = "amqp";

    fn example() -> &'static str {
        r#"broker = { url = "amqps://rabbit.example/meters", auth = "external", client_certificate = "file:meterhub.pem" }
exchange = "contractor.orders"
routing_key = "north.{subject}"
topology = "declare"          # or "check": somebody else makes exchange and queues
exchange_type = "topic"
queues = [{ queue = "contractor.orders.north", routing_key = "north.#" }]
reply_to = "meterhub.results"
message_type = "work-order"
expiration_seconds = 604800
headers = { x-sender = "nordkraft" }
"#
    }

    fn metrics() -> &'static [Metric] {
        crate::metrics::ALL
    }

    fn validate(&self) -> Vec<ConfigProblem> {
        let mut problems = Vec::new();
        self.broker.validate(&mut problems);
        self.validate_texts(&mut problems);
        self.validate_routing_key(&mut problems);
        let largest = 1..=LARGEST_MESSAGE;
        check_range(
            "max_message_bytes",
            self.max_message_bytes,
            largest,
            &mut problems,
        );
        let in_flight = u64::from(self.max_in_flight);
        check_range(
            "max_in_flight",
            in_flight,
            1..=MOST_IN_FLIGHT,
            &mut problems,
        );
        let seconds = self.confirm_timeout_seconds;
        check_range("confirm_timeout_seconds", seconds, 1..=600, &mut problems);
        if self.expiration_seconds == Some(0) {
            let reason = "is 0: messages would be dropped at once";
            problems.push(ConfigProblem::error("expiration_seconds", reason));
        }
        problems
    }

    async fn check(&self, context: &AdapterContext) -> Result<(), SinkError> {
        let failed = |reason| Self::unavailable(context, reason);
        let endpoint = self.broker.endpoint(context).map_err(failed)?;
        let link = Link::open(&endpoint).await.map_err(failed)?;
        if self.topology == Topology::Check {
            let checked = topology::prepare_for_sink(&link, self).await;
            checked.map_err(failed)?;
        }
        link.close().await;
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
        toml::from_str::<AmqpSinkConfig>(toml).unwrap().validate()
    }

    const BROKER: &str = "broker = { url = 'amqp://localhost', auth = { password = { user = 'hub', password = 'env:P' } } }";

    #[test]
    fn the_example_is_valid() {
        assert_eq!(problems(AmqpSinkConfig::example()), []);
        assert_eq!(problems(&format!("{BROKER}\nrouting_key = 'q'")), []);
        let answers = "routing_key = '{reply_to}'\nreply_to_targets = ['answers.*']";
        assert_eq!(problems(&format!("{BROKER}\n{answers}")), []);
    }

    #[test]
    fn wrong_values_are_errors() {
        for wrong in [
            "exchange = ''",
            "routing_key = '{what}'",
            "routing_key = '{reply_to}'",
            "exchange = 'e'\nreply_to_targets = ['answers']",
            "exchange = 'e'\nheaders = { message-id = '1' }",
            "exchange = 'e'\nmax_in_flight = 0",
            "exchange = 'e'\nconfirm_timeout_seconds = 0",
            "exchange = 'e'\nexpiration_seconds = 0",
            "exchange = 'e'\nqueues = [{ queue = '' }]",
        ] {
            let found = problems(&format!("{BROKER}\n{wrong}"));
            assert!(found.len() == 1 && !found[0].warning, "{wrong}: {found:?}");
        }
    }
}
