//! The source: consumes from a queue and offers what came.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use hub_broker::{Next, Returns};
use hub_core::{Arrival, Body, IncomingMessage, Receipt, Settlement, Source, SourceError};
use lapin::message::Delivery;
use lapin::options::{BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Consumer};
use tokio::time::Instant;

use crate::acks::Acks;
use crate::config::AmqpSourceConfig;
use crate::dead_letters::DeadLetters;
use crate::link::{Link, reason, within};
use crate::properties::{identity, incoming_headers};
use crate::receipt::{AmqpReceipt, Held};
use crate::topology::short;

/// A queue that is being consumed.
pub(crate) struct AmqpSource {
    /// Ends when dropped: the broker sends nothing more.
    consumer: Consumer,
    window: usize,
    largest: u64,
    shared: Arc<Shared>,
}

/// What receipts need of their source.
pub(crate) struct Shared {
    pub(crate) name: String,
    pub(crate) queue: String,
    pub(crate) dead_letters: Option<DeadLetters>,
    /// Kept unacknowledged, instead of given back to the broker: a queue counts how often it delivered
    /// a message, and drops it or moves it away after a number of times (20 by default in RabbitMQ 4).
    /// A full disk of ours must not cost a partner's message. A connection that ends gives them back;
    /// so does one that kept a message for longer than the broker's `consumer_timeout` (30 minutes by
    /// default), because the broker ends it.
    pub(crate) returns: Returns<Held>,
    pub(crate) acks: Acks,
    /// Longest wait for an answer to be written.
    pub(crate) patience: Duration,
    /// So that what is settled after the source was dropped can still be answered: a channel that
    /// nobody has is closed, and gives back all that is unanswered.
    channel: Channel,
    /// Dropped after its channel.
    link: Link,
}

impl AmqpSource {
    /// Begins to consume.
    ///
    /// # Errors
    /// The queue is not there, or must not be read, in the broker's words.
    pub(crate) async fn start(
        link: Link,
        config: &AmqpSourceConfig,
        name: String,
        dead_letters: Option<DeadLetters>,
    ) -> Result<Self, String> {
        let patience = Duration::from_secs(config.answer_timeout_seconds);
        let channel = link.channel(patience).await?;
        let qos = channel.basic_qos(prefetch(config.window), BasicQosOptions::default());
        within(patience, "prefetch", qos).await?;
        let consuming = channel.basic_consume(
            short(&config.queue)?,
            short("")?,
            BasicConsumeOptions::default(),
            FieldTable::default(),
        );
        let what = format!("queue `{}`", config.queue);
        let consumer = within(patience, &what, consuming).await?;
        Ok(Self {
            consumer,
            window: usize::from(config.window),
            largest: config.max_message_bytes,
            shared: Arc::new(Shared {
                name,
                queue: config.queue.clone(),
                dead_letters,
                returns: Returns::default(),
                acks: Acks::default(),
                patience,
                channel,
                link,
            }),
        })
    }

    /// Takes in a delivery, unless it can never be accepted.
    fn take(&self, delivery: Delivery) -> Option<Arrival> {
        let Delivery {
            delivery_tag: tag,
            properties,
            data,
            acker,
            ..
        } = delivery;
        self.shared.acks.delivered(tag);
        let held = Held {
            tag,
            acker,
            properties,
            body: Bytes::from(data),
        };
        let bytes = held.body.len() as u64;
        if bytes <= self.largest {
            return Some(self.offer(held));
        }
        let largest = self.largest;
        let reason = format!("it has {bytes} bytes, and `max_message_bytes` is {largest}");
        let receipt = Box::new(AmqpReceipt::new(held, self.shared.clone()));
        // `receive` may be dropped at any time; this must not be.
        tokio::spawn(async move { receipt.settle(Settlement::Reject { reason }).await });
        None
    }

    fn offer(&self, held: Held) -> Arrival {
        let identity = identity(&held.properties);
        let message = IncomingMessage {
            name: identity.name,
            headers: incoming_headers(&held.properties),
            media_type: identity.media_type,
            business_key: identity.business_key,
            body: Body::Bytes(held.body.clone()),
            reports: Vec::new(),
        };
        Arrival::new(
            message,
            Box::new(AmqpReceipt::new(held, self.shared.clone())),
        )
    }

    fn disconnected(&self, reason: String) -> SourceError {
        SourceError::Disconnected {
            endpoint: self.shared.name.clone(),
            reason,
        }
    }
}

/// Messages that wait for their next offer have room beside those under way, so that they hold up
/// nobody; unless order is wished for: then they must.
fn prefetch(window: u16) -> u16 {
    match window {
        1 => 1,
        window => window.saturating_mul(2),
    }
}

#[async_trait]
impl Source for AmqpSource {
    async fn receive(&mut self) -> Result<Arrival, SourceError> {
        loop {
            let due = match self.shared.returns.next(Instant::now()) {
                Next::Due(held) => return Ok(self.offer(*held)),
                Next::Later(due) => Some(due),
                Next::None => None,
            };
            let next_due = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            let delivery = tokio::select! {
                () = next_due => continue,
                () = self.shared.returns.changed() => continue,
                delivery = self.consumer.next() => delivery,
            };
            match delivery {
                Some(Ok(delivery)) => {
                    if let Some(arrival) = self.take(delivery) {
                        return Ok(arrival);
                    }
                }
                Some(Err(error)) => return Err(self.disconnected(reason(&error))),
                None => {
                    let queue = &self.shared.queue;
                    let reason = format!("the broker ended the reading of queue `{queue}`");
                    return Err(self.disconnected(reason));
                }
            }
        }
    }

    fn window(&self) -> usize {
        self.window
    }

    async fn close(self: Box<Self>) {
        let Self {
            consumer, shared, ..
        } = *self;
        drop(consumer);
        // What is being stored yet is answered over the same channel, and the last of it ends that.
        if let Some(Shared { channel, link, .. }) = Arc::into_inner(shared) {
            link.close_behind(channel).await;
        }
    }
}
