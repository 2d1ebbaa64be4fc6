//! Settles one delivery with the broker.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use hub_core::{Receipt, Settlement};
use lapin::types::DeliveryTag;
use lapin::{Acker, BasicProperties};

use crate::dead_letters::Origin;
use crate::link::within;
use crate::source::Shared;

/// Pause before a delivery whose arrival was dropped unsettled is offered again.
const DROPPED_PAUSE: Duration = Duration::from_secs(1);

/// Pause before a delivery that could not be moved to the dead-letter exchange is offered again.
const TROUBLE_PAUSE: Duration = Duration::from_secs(30);

/// A delivery that is not acknowledged.
pub(crate) struct Held {
    pub(crate) tag: DeliveryTag,
    pub(crate) acker: Acker,
    pub(crate) properties: BasicProperties,
    pub(crate) body: Bytes,
}

/// The duty to settle one delivery.
pub(crate) struct AmqpReceipt {
    /// `None` once settled.
    held: Option<Held>,
    source: Arc<Shared>,
}

impl AmqpReceipt {
    pub(crate) fn new(held: Held, source: Arc<Shared>) -> Self {
        let held = Some(held);
        Self { held, source }
    }
}

#[async_trait]
impl Receipt for AmqpReceipt {
    async fn settle(mut self: Box<Self>, settlement: Settlement) {
        let Some(held) = self.held.take() else {
            return;
        };
        match settlement {
            Settlement::Accepted { .. } => self.source.acknowledge(held).await,
            Settlement::Retry { after } => self.source.returns.give_back(held, after),
            Settlement::Reject { reason } => self.source.reject(held, &reason).await,
        }
    }
}

impl Drop for AmqpReceipt {
    fn drop(&mut self) {
        if let Some(held) = self.held.take() {
            self.source.returns.give_back(held, DROPPED_PAUSE);
        }
    }
}

impl Shared {
    async fn acknowledge(&self, held: Held) {
        let ack = self.acks.acknowledge(held.tag, held.acker);
        self.log_unheard(within(self.patience, "ack", ack).await);
    }

    async fn reject(&self, held: Held, reason: &str) {
        let Some(dead_letters) = &self.dead_letters else {
            tracing::error!(source = %self.name, queue = %self.queue, reason, "message rejected; the broker dead-letters or drops it");
            let reject = self.acks.reject(held.tag, held.acker);
            return self.log_unheard(within(self.patience, "reject", reject).await);
        };
        let origin = Origin {
            source: &self.name,
            queue: &self.queue,
        };
        let properties = held.properties.clone();
        match dead_letters
            .bury(properties, held.body.clone(), &origin, reason)
            .await
        {
            Ok(()) => {
                tracing::error!(source = %self.name, queue = %self.queue, reason, "message rejected to the dead-letter exchange");
                self.acknowledge(held).await;
            }
            Err(problem) => {
                tracing::error!(
                    source = %self.name,
                    queue = %self.queue,
                    reason,
                    problem,
                    pause_seconds = TROUBLE_PAUSE.as_secs(),
                    "rejected message cannot be moved to the dead-letter exchange; it stays in its queue"
                );
                self.returns.give_back(held, TROUBLE_PAUSE);
            }
        }
    }

    /// The broker did not hear our answer: it will offer the message again, and we will know it.
    fn log_unheard(&self, answered: Result<bool, String>) {
        match answered {
            Ok(true) => {}
            // That the connection is lost is told once, by the source.
            Ok(false) => {
                tracing::debug!(source = %self.name, "an answer came too late for its connection");
            }
            Err(problem) => {
                tracing::warn!(source = %self.name, problem, "the broker did not hear our answer; it will offer the message again");
            }
        }
    }
}
