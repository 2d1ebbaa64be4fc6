//! Configuration of a queue or topic that messages are sent to.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use hub_broker::check_range;
use hub_core::{AdapterContext, ConfigProblem, Metric, Sink, SinkConfig, SinkError};
use hub_names::{Destination, MessageTemplate, covers_text};
use schemars::JsonSchema;
use serde::Deserialize;

use super::Broker;
use super::limits::{LARGEST_MESSAGE, check_address};
use crate::connection::Connection;
use crate::lane;
use crate::metrics;
use crate::properties::is_free;
use crate::publisher::Publisher;
use crate::rejections::{Rejections, check_condition};
use crate::sink::{Amqp10Sink, Templates};

/// Most messages that may wait for the broker's outcome.
const MOST_IN_FLIGHT: u64 = 10_000;

/// Bytes of the messages that come to a sink: none do.
const NO_MESSAGES: u64 = 0;

/// Sends each message to an address (AMQP 1.0: IBM MQ, Artemis, Azure Service Bus, SAP Event Mesh).
///
/// A message is sent unsettled and counts as delivered once the broker has `accepted` it. `rejected`
/// parks it with the broker's reason, unless its condition is one that passes: `amqp:internal-error`,
/// `amqp:resource-limit-exceeded` (a queue that is full), `amqp:resource-locked`,
/// `amqp:connection:forced`, `amqp:link:detach-forced`, `com.microsoft:timeout`,
/// `com.microsoft:operation-cancelled`, `com.microsoft:entity-disabled` and those of
/// `retried_conditions` are tried again, as `released` and `modified` are; after
/// `com.microsoft:server-busy` the whole endpoint pauses. An address that the
/// broker does not know is the endpoint's trouble if all messages have the same, and the message's if
/// it is made of the message's own values: that one is parked. A message is in memory as a whole.
///
/// It is durable. `message-id` is the constant id of the message, so that the other side can
/// recognise a resend; `correlation-id` the id of the incoming message that caused it, or the header
/// of that name; `to` is the address; `content-type` and `creation-time` are the message's;
/// `subject`, `group-id`, `reply-to` and `ttl` as configured, or as the message says in a header of
/// that name. With a `ttl` goes the `absolute-expiry-time`. Its other headers become application
/// properties.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Amqp10SinkConfig {
    /// Where the address is.
    pub broker: Broker,
    /// The address, as the broker names it: `orders`; in RabbitMQ 3 `/exchange/orders/north` or
    /// `/amq/queue/orders`. In braces: `message_id`, `correlation_id`, `subject`, `route`,
    /// `enterprise`, `source_name`. Or `{reply_to}` alone, for answers: where the request's field
    /// `reply-to` says.
    ///
    /// RabbitMQ 3 says `accepted` also to a message that reaches no queue, and loses it. Name the queue
    /// there, `/amq/queue/orders`: it is looked up whenever the link is made, and by `meterhub check
    /// --connect`, and one that is missing is told; for that the account needs permission to read it.
    /// Declare it beforehand, and stop the sink before you delete it. What goes to an exchange without a
    /// queue for its key cannot be told from what arrived: send there by the adapter `amqp`, which asks
    /// the broker for a failure.
    pub address: String,
    /// Where answers may go, as patterns: `*` stands for any characters. An answer that is wanted
    /// elsewhere, or nowhere, is parked. `*` alone lets requesters choose any address there is.
    #[serde(default)]
    pub reply_to_targets: Vec<String>,
    /// The field `subject`, with the same values in braces. In RabbitMQ 3 the routing key where the
    /// address is an exchange, at Azure Service Bus the label.
    #[serde(default)]
    pub subject: Option<String>,
    /// The field `group-id`, with the same values in braces: messages of one group keep their order
    /// where the broker can do that (sessions, message groups).
    #[serde(default)]
    pub group_id: Option<String>,
    /// Where answers go: the field `reply-to`.
    #[serde(default)]
    pub reply_to: Option<String>,
    /// Further application properties.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// How long a message may wait in its queue, in seconds. Then the broker drops it.
    #[serde(default)]
    pub ttl_seconds: Option<u32>,
    /// Further conditions of `rejected` with which the broker would take the message at another time.
    #[serde(default)]
    pub retried_conditions: Vec<String>,
    /// Largest message that is sent, in bytes. Larger ones are parked.
    #[serde(default = "max_message_bytes")]
    pub max_message_bytes: u64,
    /// Most messages that wait for the broker's outcome at once.
    #[serde(default = "max_in_flight")]
    pub max_in_flight: u16,
    /// Longest wait for the broker's outcome, in seconds.
    #[serde(default = "outcome_timeout_seconds")]
    pub outcome_timeout_seconds: u64,
}

fn max_message_bytes() -> u64 {
    64 * 1024 * 1024
}

fn max_in_flight() -> u16 {
    256
}

fn outcome_timeout_seconds() -> u64 {
    30
}

impl Amqp10SinkConfig {
    fn outcome_timeout(&self) -> Duration {
        Duration::from_secs(self.outcome_timeout_seconds)
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
        Destination::parse("address", &self.address, targets, covers_text)
    }

    fn templates(&self) -> Result<Templates, String> {
        let parsed = |text: &Option<String>| {
            let text = text.as_deref();
            text.map(MessageTemplate::parse).transpose()
        };
        Ok(Templates {
            address: self.destination().map_err(|problem| problem.to_string())?,
            subject: parsed(&self.subject)?,
            group_id: parsed(&self.group_id)?,
            headers: self.headers.clone().into_iter().collect(),
            reply_to: self.reply_to.clone(),
            ttl_milliseconds: self.ttl_seconds.map(|s| s.saturating_mul(1_000)),
        })
    }

    fn sink(&self, context: &AdapterContext) -> Result<Amqp10Sink, String> {
        let endpoint = self.broker.endpoint(context, NO_MESSAGES)?;
        let publisher = Publisher::new(
            endpoint,
            self.outcome_timeout(),
            usize::from(self.max_in_flight),
            Rejections::new(self.retried_conditions.clone()),
            context.meter.clone(),
        );
        Ok(Amqp10Sink::new(
            context.name.clone(),
            publisher,
            self.templates()?,
            self.max_message_bytes,
        ))
    }

    fn validate_templates(&self, problems: &mut Vec<ConfigProblem>) {
        match self.destination() {
            Err(problem) => problems.push(problem),
            Ok(destination) if destination.is_fixed() => {
                check_address("address", &self.address, problems);
            }
            Ok(_) => {}
        }
        for (key, text) in [("subject", &self.subject), ("group_id", &self.group_id)] {
            if let Some(Err(reason)) = text.as_deref().map(MessageTemplate::parse) {
                problems.push(ConfigProblem::error(key, reason));
            }
        }
        for name in self.headers.keys() {
            if let Err(reason) = is_free(name) {
                problems.push(ConfigProblem::error("headers", reason));
            }
        }
        for condition in &self.retried_conditions {
            if let Err(reason) = check_condition(condition) {
                problems.push(ConfigProblem::error("retried_conditions", reason));
            }
        }
    }
}

#[async_trait]
impl SinkConfig for Amqp10SinkConfig {
    const KIND: &'static str = "amqp10";

    fn example() -> &'static str {
        r#"broker = { url = "amqps://north.servicebus.example:5671", auth = { password = { user = "meterhub", password = "env:SERVICE_BUS_KEY" } } }
address = "contractor-orders"
subject = "{subject}"
group_id = "{subject}"        # orders about one thing keep their order
reply_to = "meterhub-results"
ttl_seconds = 604800
headers = { x-sender = "nordkraft" }
"#
    }

    fn metrics() -> &'static [Metric] {
        metrics::SINK
    }

    fn validate(&self) -> Vec<ConfigProblem> {
        let mut problems = Vec::new();
        self.broker.validate(&mut problems);
        self.validate_templates(&mut problems);
        let largest = 1..=LARGEST_MESSAGE;
        let key = "max_message_bytes";
        check_range(key, self.max_message_bytes, largest, &mut problems);
        let in_flight = u64::from(self.max_in_flight);
        let range = 1..=MOST_IN_FLIGHT;
        check_range("max_in_flight", in_flight, range, &mut problems);
        let seconds = self.outcome_timeout_seconds;
        check_range("outcome_timeout_seconds", seconds, 1..=600, &mut problems);
        if let Some(ttl) = self.ttl_seconds {
            // The protocol has it in 32 bits of milliseconds.
            let range = 1..=u64::from(u32::MAX / 1_000);
            check_range("ttl_seconds", u64::from(ttl), range, &mut problems);
        }
        problems
    }

    async fn check(&self, context: &AdapterContext) -> Result<(), SinkError> {
        let failed = |reason| Self::unavailable(context, reason);
        let endpoint = self.broker.endpoint(context, NO_MESSAGES).map_err(failed)?;
        let templates = self.templates().map_err(failed)?;
        let connection = Connection::open(&endpoint).await.map_err(failed)?;
        // An address that only a message knows cannot be asked for without one.
        let checked = match templates.address.is_fixed() {
            true => lane::check(&connection, &self.address, self.outcome_timeout()).await,
            false => Ok(()),
        };
        connection.close().await;
        checked.map_err(failed)
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
        toml::from_str::<Amqp10SinkConfig>(toml).unwrap().validate()
    }

    const BROKER: &str = "broker = { url = 'amqp://localhost', auth = { password = { user = 'hub', password = 'env:P' } } }";

    #[test]
    fn the_example_is_valid() {
        assert_eq!(problems(Amqp10SinkConfig::example()), []);
        assert_eq!(
            problems(&format!("{BROKER}\naddress = 'q.{{subject}}'")),
            []
        );
        let answers = "address = '{reply_to}'\nreply_to_targets = ['answers.*']\n\
                       retried_conditions = ['amqp:precondition-failed']";
        assert_eq!(problems(&format!("{BROKER}\n{answers}")), []);
    }

    #[test]
    fn wrong_values_are_errors() {
        for wrong in [
            "address = ''",
            "address = '{what}'",
            "address = '{reply_to}'",
            "address = 'q'\nreply_to_targets = ['answers']",
            "address = 'q'\nretried_conditions = ['']",
            "address = 'q'\nsubject = '{what}'",
            "address = 'q'\nheaders = { message-id = '1' }",
            "address = 'q'\nmax_in_flight = 0",
            "address = 'q'\noutcome_timeout_seconds = 0",
            "address = 'q'\nttl_seconds = 0",
            "address = 'q'\nttl_seconds = 4294968",
        ] {
            let found = problems(&format!("{BROKER}\n{wrong}"));
            assert!(found.len() == 1 && !found[0].warning, "{wrong}: {found:?}");
        }
    }
}
