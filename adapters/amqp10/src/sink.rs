//! The sink: a message becomes a transfer with an outcome.

use std::time::Duration;

use async_trait::async_trait;
use hub_broker::{Bodies, read};
use hub_core::{Headers, OutgoingMessage, Sent, Sink, SinkError};
use hub_names::{Destination, MessageTemplate};

use crate::config::usable_address;
use crate::properties::{Configured, outgoing};
use crate::publisher::{NotSent, Publisher};

/// Pause that we ask for when the broker wants us to slow down; it does not say for how long.
const BUSY_PAUSE: Duration = Duration::from_secs(10);

/// What is made of each message.
pub(crate) struct Templates {
    pub(crate) address: Destination,
    pub(crate) subject: Option<MessageTemplate>,
    pub(crate) group_id: Option<MessageTemplate>,
    pub(crate) headers: Headers,
    pub(crate) reply_to: Option<String>,
    pub(crate) ttl_milliseconds: Option<u32>,
}

impl Templates {
    fn fill(&self, message: &OutgoingMessage) -> Configured {
        let filled = |template: &Option<MessageTemplate>| {
            let filled = template.as_ref()?.fill(message, str::to_owned);
            (!filled.is_empty()).then_some(filled)
        };
        Configured {
            headers: self.headers.clone(),
            reply_to: self.reply_to.clone(),
            is_reply: self.address.is_reply(),
            subject: filled(&self.subject),
            group_id: filled(&self.group_id),
            ttl_milliseconds: self.ttl_milliseconds,
        }
    }
}

/// A configured address.
pub(crate) struct Amqp10Sink {
    endpoint: String,
    publisher: Publisher,
    templates: Templates,
    largest: u64,
    bodies: Bodies,
}

impl Amqp10Sink {
    pub(crate) fn new(
        endpoint: String,
        publisher: Publisher,
        templates: Templates,
        largest: u64,
    ) -> Self {
        Self {
            endpoint,
            publisher,
            templates,
            largest,
            bodies: Bodies::default(),
        }
    }

    fn unavailable(&self, reason: String, answered: bool) -> SinkError {
        SinkError::Unavailable {
            endpoint: self.endpoint.clone(),
            reason,
            retry_after: None,
            answered,
        }
    }

    fn refused(&self, answer: String) -> SinkError {
        SinkError::Refused {
            endpoint: self.endpoint.clone(),
            answer,
        }
    }

    fn error(&self, problem: NotSent) -> SinkError {
        match problem {
            NotSent::Unavailable(reason) => self.unavailable(reason, false),
            // The one address that all messages have is none: the endpoint's trouble.
            NotSent::UnknownAddress(reason) if self.templates.address.is_fixed() => {
                self.unavailable(reason, false)
            }
            NotSent::UnknownAddress(reason) | NotSent::Refused(reason) => self.refused(reason),
            NotSent::GivenBack(reason) => self.unavailable(reason, true),
            NotSent::Busy => SinkError::Busy {
                endpoint: self.endpoint.clone(),
                retry_after: Some(BUSY_PAUSE),
            },
        }
    }
}

#[async_trait]
impl Sink for Amqp10Sink {
    async fn send(&self, message: &OutgoingMessage) -> Result<Sent, SinkError> {
        let bytes = message.content.len();
        if bytes > self.largest {
            let largest = self.largest;
            return Err(self.refused(format!(
                "it has {bytes} bytes, and `max_message_bytes` is {largest}"
            )));
        }
        let address = self.templates.address.of(message, str::to_owned);
        let address = address.map_err(|r| self.refused(r))?;
        if let Err(reason) = usable_address(&address) {
            return Err(self.refused(format!("its address `{address}` {reason}")));
        }
        let room = self.bodies.room(bytes).await;
        let body = read(&message.content).await;
        let body = body.map_err(|e| self.unavailable(format!("its body: {e}"), false))?;
        if body.len() as u64 != bytes {
            let found = body.len();
            return Err(self.refused(format!("its body is damaged: {found} bytes of {bytes}")));
        }
        let configured = self.templates.fill(message);
        let encoded = outgoing(message, &configured, &address, body.into());
        let encoded = encoded.map_err(|r| self.refused(r))?;
        let sent = self.publisher.send(&address, encoded).await;
        drop(room);
        sent.map_err(|problem| self.error(problem))?;
        Ok(Sent::noted(format!("accepted, address `{address}`")))
    }
}
