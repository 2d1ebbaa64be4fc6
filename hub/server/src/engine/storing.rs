//! Stores the chunks of a large message one after the other while their successors are gathered.

use std::sync::Arc;

use hub_store::StoreError;
use hub_store::messages::{AppliedChunk, Chunk, Ending, OpenMessage, Publish};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tracing::info;

use super::gather::Gathered;
use super::process::Processor;

/// Stores one chunk at a time.
pub(super) struct Storing<'a> {
    processor: &'a Processor,
    runtime: Handle,
    message: &'a OpenMessage,
    publisher: Arc<dyn Publish>,
    /// Items that were stored, are being stored, or were skipped.
    seen: u64,
    under_way: Option<JoinHandle<Result<AppliedChunk, StoreError>>>,
}

impl<'a> Storing<'a> {
    /// After `seen` items that an earlier run stored.
    pub(super) fn new(
        processor: &'a Processor,
        runtime: Handle,
        message: &'a OpenMessage,
        seen: u64,
    ) -> Self {
        Self {
            processor,
            runtime,
            message,
            publisher: processor.publisher(message),
            seen,
            under_way: None,
        }
    }

    /// How many items of the message came so far.
    pub(super) const fn seen(&self) -> u64 {
        self.seen
    }

    /// Passes over items that an earlier run stored.
    pub(super) const fn skip(&mut self, items: u64) {
        self.seen += items;
    }

    /// Begins to store a chunk, once the one before it is stored.
    ///
    /// # Errors
    /// Why the one before it was refused.
    pub(super) fn store(
        &mut self,
        gathered: Gathered,
        ending: Option<Ending>,
    ) -> Result<(), StoreError> {
        self.wait()?;
        let chunk = Chunk {
            seen_before: self.seen,
            seen: self.seen + gathered.yielded,
            checkpoint: gathered.end,
            ending,
            ..self
                .processor
                .chunk(self.message, Arc::clone(&self.publisher), gathered.decoded)
        };
        self.seen = chunk.seen;
        let store = self.processor.hub.store.clone();
        let storing = async move { store.apply(chunk).await };
        self.under_way = Some(self.runtime.spawn(storing));
        Ok(())
    }

    /// Waits for the chunk that is being stored.
    ///
    /// # Errors
    /// Why it was refused.
    pub(super) fn wait(&mut self) -> Result<(), StoreError> {
        let Some(under_way) = self.under_way.take() else {
            return Ok(());
        };
        let applied = self.runtime.block_on(under_way);
        let applied = applied.map_err(|_| StoreError::Closed)??;
        self.processor.wake_endpoints(&applied);
        if let Some(state) = applied.state {
            let id = self.message.id;
            info!(route = %self.processor.route.name, message_id = %id, state = state.as_str(), "message is done");
        }
        Ok(())
    }
}
