//! Messages that nothing has to read first: they are done in the transaction that accepts them.

use std::sync::Arc;

use hub_core::MessageId;

use super::Publish;
use super::documents::Documents;
use super::trace::{Step, Tracer};
use crate::StoreError;
use crate::db::Tx;

/// How a message that is not decoded is done as soon as it is accepted. One transaction does for it
/// what otherwise takes two, and it never waits.
#[derive(Clone)]
pub struct AtOnce {
    /// The route that does it.
    pub route: String,
    /// The fingerprint of that route: see [`OpenMessage::decoded_by`](super::OpenMessage::decoded_by).
    pub decoded_by: i64,
    /// Makes what goes out of it. Asked about no changes, as there are no records; documents in parts
    /// and findings are not for it.
    pub publisher: Arc<dyn Publish>,
}

impl AtOnce {
    /// Makes the deliveries of a message that was inserted as processed.
    pub(super) fn run(
        &self,
        tx: &mut dyn Tx,
        tracer: Tracer<'_>,
        id: MessageId,
    ) -> Result<(), StoreError> {
        /// The first run of a message.
        const FIRST: i64 = 1;
        let published = self.publisher.publish(id, &[], true);
        Documents::new(tx, tracer, id, FIRST).deliver(&published.deliveries)?;
        tracer.message(tx, id, Step::Processed, None)
    }
}
