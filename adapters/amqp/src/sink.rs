//! The sink: a message becomes a confirmed publish.

use std::io;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use hub_core::{Content, OutgoingMessage, Sent, Sink, SinkError};
use hub_names::Destination;
use tokio::io::AsyncReadExt;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::properties::{FixedProperties, outgoing};
use crate::publisher::{Address, NotPublished, Publisher};

/// Bodies in memory at once, all messages together, in KiB. A single larger one goes alone.
const MEMORY_KIB: u32 = 256 * 1024;

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
    memory: Semaphore,
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
            memory: Semaphore::new(MEMORY_KIB as usize),
        }
    }

    async fn room(&self, bytes: u64) -> Result<SemaphorePermit<'_>, SinkError> {
        let kib = u32::try_from(bytes.div_ceil(1_024)).unwrap_or(u32::MAX);
        let permit = self.memory.acquire_many(kib.clamp(1, MEMORY_KIB)).await;
        permit.map_err(|_| self.unavailable("is being stopped".to_owned(), false))
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
        let room = self.room(bytes).await?;
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

/// The whole body: the protocol has no streams.
async fn read(content: &Content) -> io::Result<Bytes> {
    if let Some(bytes) = content.as_bytes() {
        return Ok(bytes);
    }
    let mut body = Vec::with_capacity(usize::try_from(content.len()).unwrap_or_default());
    content.reader().read_to_end(&mut body).await?;
    Ok(body.into())
}
