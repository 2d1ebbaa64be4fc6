//! A door of a connected source, from the inside: arrivals from the hub's listener.

use std::sync::Arc;

use async_trait::async_trait;
use hub_core::{Arrival, Source, SourceError};
use tokio::sync::mpsc;

use super::door::Door;
use super::doors::Doors;

/// An open door; it is closed when this is dropped. A source that only waits for requests is one.
pub struct OpenDoor {
    doors: Arc<Doors>,
    door: Arc<Door>,
    arrivals: mpsc::Receiver<Arrival>,
    window: usize,
}

impl OpenDoor {
    pub(super) fn open(
        doors: Arc<Doors>,
        door: Arc<Door>,
        arrivals: mpsc::Receiver<Arrival>,
        window: usize,
    ) -> Self {
        doors.open(Arc::clone(&door));
        Self {
            doors,
            door,
            arrivals,
            window,
        }
    }
}

#[async_trait]
impl Source for OpenDoor {
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

impl Drop for OpenDoor {
    fn drop(&mut self) {
        self.doors.close(&self.door);
    }
}
