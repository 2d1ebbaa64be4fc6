//! The sink: a message becomes a confirmed publish.

use std::time::Duration;

use async_trait::async_trait;
use hub_broker::{Bodies, read};
use hub_core::{OutgoingMessage, Sent, Sink, SinkError};
use hub_names::Destination;

use crate::properties::{FixedProperties, outgoing};
use crate::publisher::{Address, NotPublished, Publisher};

/// Pause that we ask for when the broker has blocked us; it does not say how long it will be.
const BLOCKED_PAUSE: Duration = Duration::from_secs(5);

/// A configured exchange.
pub(crate) struct AmqpSink {
    endpoint: String,
    publisher: Publisher,
    exchange: String,
    routing_key: Destination,
    fixed: FixedProperties,
    largest: u64,
    bodies: Bodies,
}

impl AmqpSink {
    pub(crate) fn new(
        endpoint: String,
        publisher: Publisher,
        exchange: String,
        routing_key: Destination,
        fixed: FixedProperties,
        largest: u64,
    ) -> Self {
        Self {
            endpoint,
            publisher,
            exchange,
            routing_key,
            fixed,
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

    fn error(&self, problem: NotPublished) -> SinkError {
        match problem {
            NotPublished::Unavailable(reason) => self.unavailable(reason, false),
            NotPublished::Blocked => SinkError::Busy {
                endpoint: self.endpoint.clone(),
                retry_after: Some(BLOCKED_PAUSE),
            },
            // The one key that all messages have leads nowhere: the endpoint's trouble.
            NotPublished::Unroutable(reason) if self.routing_key.is_fixed() => {
                self.unavailable(format!("no queue takes the message; {reason}"), false)
            }
            NotPublished::Unroutable(reason) => {
                self.refused(format!("no queue takes the message; {reason}"))
            }
            NotPublished::NotKept => {
                let reason = "the broker could not keep the message: is a queue full?";
                self.unavailable(reason.to_owned(), true)
            }
            NotPublished::Refused(answer) => self.refused(answer),
        }
    }
}

#[async_trait]
impl Sink for AmqpSink {
    async fn send(&self, message: &OutgoingMessage) -> Result<Sent, SinkError> {
        let bytes = message.content.len();
        if bytes > self.largest {
            let largest = self.largest;
            return Err(self.refused(format!(
                "it has {bytes} bytes, and `max_message_bytes` is {largest}"
            )));
        }
        let properties = outgoing(message, &self.fixed).map_err(|r| self.refused(r))?;
        let key = self.routing_key.of(message, str::to_owned);
        let address = key.and_then(|key| Address::new(&self.exchange, &key));
        let address = address.map_err(|r| self.refused(r))?;
        let room = self.bodies.room(bytes).await;
        let body = read(&message.content).await;
        let body = body.map_err(|e| self.unavailable(format!("its body: {e}"), false))?;
        if body.len() as u64 != bytes {
            let found = body.len();
            return Err(self.refused(format!("its body is damaged: {found} bytes of {bytes}")));
        }
        let published = self.publisher.publish(&address, properties, body).await;
        drop(room);
        published.map_err(|problem| self.error(problem))?;
        let note = match address.is_direct_reply() {
            true => format!("sent, {address}: whether it arrived, the broker does not tell"),
            false => format!("confirmed, {address}"),
        };
        Ok(Sent::noted(note))
    }
}
