//! The sink: a message becomes a transfer with an outcome.

use std::io;
use std::time::Duration;

use async_trait::async_trait;
use hub_core::{Content, Headers, OutgoingMessage, Sent, Sink, SinkError};
use hub_names::{Destination, MessageTemplate};
use tokio::io::AsyncReadExt;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::config::usable_address;
use crate::properties::{Configured, outgoing};
use crate::publisher::{NotSent, Publisher};

/// Bodies in memory at once, all messages together, in KiB. A single larger one goes alone. The
/// library holds each a second time, encoded, until its outcome.
const MEMORY_KIB: u32 = 256 * 1024;

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
    memory: Semaphore,
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
        let room = self.room(bytes).await?;
        let body = read(&message.content).await;
        let body = body.map_err(|e| self.unavailable(format!("its body: {e}"), false))?;
        if body.len() as u64 != bytes {
            let found = body.len();
            return Err(self.refused(format!("its body is damaged: {found} bytes of {bytes}")));
        }
        let configured = self.templates.fill(message);
        let encoded = outgoing(message, &configured, &address, body);
        let encoded = encoded.map_err(|r| self.refused(r))?;
        let sent = self.publisher.send(&address, encoded).await;
        drop(room);
        sent.map_err(|problem| self.error(problem))?;
        Ok(Sent::noted(format!("accepted, address `{address}`")))
    }
}

/// The whole body: the library has no streams.
async fn read(content: &Content) -> io::Result<Vec<u8>> {
    if let Some(bytes) = content.as_bytes() {
        return Ok(bytes.to_vec());
    }
    let mut body = Vec::with_capacity(usize::try_from(content.len()).unwrap_or_default());
    content.reader().read_to_end(&mut body).await?;
    Ok(body)
}
