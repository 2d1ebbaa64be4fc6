//! Texts of which some parts were accepted and others not yet: the next attempt, also after a
//! restart, goes on with the rest.

use std::sync::Arc;

use hub_core::{MessageId, StateError, StateStore};
use serde::{Deserialize, Serialize};

use super::journal::Journal;

const SPACE: &str = "sms.half-sent";

/// A part that was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AcceptedPart {
    /// The message centre's id, as it wrote it.
    pub(crate) id: String,
    /// What its receipts will be known by.
    pub(crate) reference: String,
}

/// The parts accepted of unfinished texts.
pub(crate) struct HalfSent(Journal);

impl HalfSent {
    pub(crate) fn new(state: Arc<dyn StateStore>) -> Self {
        Self(Journal::new(state, SPACE))
    }

    /// The parts that were accepted of a message.
    ///
    /// # Errors
    /// The store refused.
    pub(crate) async fn of(&self, message: MessageId) -> Result<Vec<AcceptedPart>, StateError> {
        let kept = self.0.read(&message.to_string()).await?;
        // Ours, so it can be read; if it cannot, the text begins anew.
        Ok(kept
            .and_then(|kept| serde_json::from_str(&kept).ok())
            .unwrap_or_default())
    }

    /// Remembers, on disk when it returns.
    ///
    /// # Errors
    /// The store refused; it is remembered with the next.
    pub(crate) async fn remember(
        &self,
        message: MessageId,
        parts: &[AcceptedPart],
    ) -> Result<(), StateError> {
        let kept = serde_json::to_string(parts).ok();
        let ticket = self.0.note([(message.to_string(), kept)]);
        self.0.written(ticket).await
    }

    /// All parts were accepted: forgotten at once, and on disk with the next that is remembered. A
    /// crash before that leaves it there: should an operator have that very text sent once more, its
    /// first parts would be left out.
    pub(crate) fn forget(&self, message: MessageId) {
        self.0.note([(message.to_string(), None)]);
    }
}
