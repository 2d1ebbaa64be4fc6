//! Settles one message with the broker.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hub_core::{Receipt, Settlement};
use rumqttc::Publish;

use crate::properties::topic;
use crate::source::Shared;

/// Pause before a message whose arrival was dropped unsettled is offered again.
const DROPPED_PAUSE: Duration = Duration::from_secs(1);

/// Pause before a message that could not be published to the rejected topic is offered again.
const TROUBLE_PAUSE: Duration = Duration::from_secs(30);

/// A message that is not acknowledged.
pub(crate) struct Held {
    pub(crate) publish: Publish,
    /// What the store knows it by: the same at each offer.
    pub(crate) key: String,
}

/// The duty to settle one message.
pub(crate) struct MqttReceipt {
    /// `None` once settled.
    held: Option<Held>,
    source: Arc<Shared>,
}

impl MqttReceipt {
    pub(crate) fn new(held: Held, source: Arc<Shared>) -> Self {
        let held = Some(held);
        Self { held, source }
    }
}

#[async_trait]
impl Receipt for MqttReceipt {
    async fn settle(mut self: Box<Self>, settlement: Settlement) {
        let Some(held) = self.held.take() else {
            return;
        };
        match settlement {
            Settlement::Accepted { .. } => self.source.acknowledge(&held),
            Settlement::Retry { after } => self.source.returns.give_back(held, after),
            Settlement::Reject { reason } => self.source.reject(held, &reason).await,
        }
    }
}

impl Drop for MqttReceipt {
    fn drop(&mut self) {
        if let Some(held) = self.held.take() {
            self.source.returns.give_back(held, DROPPED_PAUSE);
        }
    }
}

impl Shared {
    /// Does not wait: what is asked for is written in its turn, also when the source is dropped.
    fn acknowledge(&self, held: &Held) {
        if self.link.client().try_ack(&held.publish).is_err() {
            // The broker will offer it again, and we will know it. That the connection is lost is
            // told once, by the source.
            tracing::debug!(source = %self.name, "an answer came too late for its connection");
        }
    }

    async fn reject(&self, held: Held, reason: &str) {
        let topic = topic(&held.publish);
        let Some(rejected) = &self.rejected else {
            tracing::error!(source = %self.name, topic, reason, "message rejected");
            return self.acknowledge(&held);
        };
        match rejected.publish(&held.publish, &self.name, reason).await {
            Ok(()) => {
                tracing::error!(source = %self.name, topic, reason, "message rejected to the configured topic");
                self.acknowledge(&held);
            }
            Err(problem) => {
                tracing::error!(
                    source = %self.name,
                    topic,
                    reason,
                    problem,
                    pause_seconds = TROUBLE_PAUSE.as_secs(),
                    "rejected message cannot be published to the configured topic; the broker keeps it"
                );
                self.returns.give_back(held, TROUBLE_PAUSE);
            }
        }
    }
}
