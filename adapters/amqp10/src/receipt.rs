//! The duty to settle one message: what the hub says of it becomes an order to the feed.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use fe2o3_amqp::link::delivery::DeliveryInfo;
use hub_core::{Body, IncomingMessage, Receipt, Settlement};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::feed::{Order, Verdict};
use crate::properties::Incoming;

/// Pause before a message whose arrival was dropped unsettled is given back.
const DROPPED_PAUSE: Duration = Duration::from_secs(1);

/// An unsettled message.
pub(crate) struct Held {
    pub(crate) delivery: DeliveryInfo,
    /// The message, if it may be offered again without the broker.
    pub(crate) kept: Option<Box<Kept>>,
}

/// A message that can be offered more than once.
#[derive(Clone)]
pub(crate) struct Kept {
    pub(crate) known: Incoming,
    pub(crate) body: Bytes,
}

impl Kept {
    /// As the hub has it.
    pub(crate) fn message(self) -> IncomingMessage {
        IncomingMessage {
            name: self.known.name,
            headers: self.known.headers,
            media_type: self.known.media_type,
            business_key: self.known.business_key,
            reports: Vec::new(),
            body: Body::Bytes(self.body),
        }
    }
}

/// The duty to settle one message.
pub(crate) struct Amqp10Receipt {
    /// `None` once settled.
    held: Option<Held>,
    orders: mpsc::UnboundedSender<Order>,
    /// Longest wait for the answer to be on its way.
    patience: Duration,
}

impl Amqp10Receipt {
    pub(crate) fn new(
        held: Held,
        orders: mpsc::UnboundedSender<Order>,
        patience: Duration,
    ) -> Self {
        Self {
            held: Some(held),
            orders,
            patience,
        }
    }
}

#[async_trait]
impl Receipt for Amqp10Receipt {
    async fn settle(mut self: Box<Self>, settlement: Settlement) {
        let Some(held) = self.held.take() else {
            return;
        };
        let verdict = match settlement {
            Settlement::Accepted { .. } => Verdict::Accept,
            Settlement::Retry { after } => Verdict::GiveBack { after },
            Settlement::Reject { reason } => Verdict::Reject { reason },
        };
        let (written, heard) = oneshot::channel();
        let order = Order {
            held,
            verdict,
            written: Some(written),
        };
        // The broker did not hear our answer: it will offer the message again, and we will know it.
        let _ = self.orders.send(order);
        match timeout(self.patience, heard).await {
            Ok(Ok(())) => {}
            // That the link has ended is told once, by the source.
            Ok(Err(_)) => tracing::debug!("an answer came too late for its link"),
            Err(_) => tracing::warn!("the broker does not take our answer"),
        }
    }
}

impl Drop for Amqp10Receipt {
    fn drop(&mut self) {
        if let Some(held) = self.held.take() {
            // Without a link the broker has it again already.
            let _ = self.orders.send(Order {
                held,
                verdict: Verdict::GiveBack {
                    after: DROPPED_PAUSE,
                },
                written: None,
            });
        }
    }
}
