//! The room that an unsettled message takes, and the way its settlement comes back.

use async_trait::async_trait;
use hub_core::{Receipt, Settlement};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

/// The duty to answer one request.
pub(super) struct DoorReceipt {
    answer: oneshot::Sender<Settlement>,
    /// Held until the arrival is settled, even if the client went away.
    _permit: OwnedSemaphorePermit,
}

impl DoorReceipt {
    pub(super) fn new(answer: oneshot::Sender<Settlement>, permit: OwnedSemaphorePermit) -> Self {
        Self {
            answer,
            _permit: permit,
        }
    }
}

#[async_trait]
impl Receipt for DoorReceipt {
    async fn settle(self: Box<Self>, settlement: Settlement) {
        // A client that did not wait is told at its next attempt: a resend is recognised.
        let _ = self.answer.send(settlement);
    }
}
