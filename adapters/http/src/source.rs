//! The source: arrivals from the hub's listener.

use std::sync::Arc;

use async_trait::async_trait;
use hub_core::{Arrival, Receipt, Settlement, Source, SourceError};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use crate::inbox::{Door, HttpInbox};

/// A connected source; its door is open while it lives.
pub(crate) struct HttpSource {
    inbox: Arc<HttpInbox>,
    door: Arc<Door>,
    arrivals: mpsc::Receiver<Arrival>,
    window: usize,
}

impl HttpSource {
    pub(crate) fn open(
        inbox: Arc<HttpInbox>,
        door: Arc<Door>,
        arrivals: mpsc::Receiver<Arrival>,
        window: usize,
    ) -> Self {
        inbox.open(door.clone());
        Self {
            inbox,
            door,
            arrivals,
            window,
        }
    }
}

#[async_trait]
impl Source for HttpSource {
    async fn receive(&mut self) -> Result<Arrival, SourceError> {
        let arrival = self.arrivals.recv().await;
        arrival.ok_or_else(|| SourceError::Disconnected {
            endpoint: self.door.name.clone(),
            reason: "the hub's listener is gone".to_owned(),
        })
    }

    fn window(&self) -> usize {
        self.window
    }
}

impl Drop for HttpSource {
    fn drop(&mut self) {
        self.inbox.close(&self.door);
    }
}

/// The duty to answer one request.
pub(crate) struct HttpReceipt {
    answer: oneshot::Sender<Settlement>,
    /// Held until the arrival is settled, even if the client went away.
    _permit: OwnedSemaphorePermit,
}

impl HttpReceipt {
    pub(crate) fn new(answer: oneshot::Sender<Settlement>, permit: OwnedSemaphorePermit) -> Self {
        Self {
            answer,
            _permit: permit,
        }
    }
}

#[async_trait]
impl Receipt for HttpReceipt {
    async fn settle(self: Box<Self>, settlement: Settlement) {
        // A client that did not wait is told at its next attempt: a resend is recognised.
        let _ = self.answer.send(settlement);
    }
}
