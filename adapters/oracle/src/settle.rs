//! One arrival at a time, whose settlement is written down before its sender's side moves on.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hub_core::{Receipt, Settlement, StateEntry, StateStore};
use tokio::sync::oneshot;
use tracing::error;

/// What became of an arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is settled for ever, and written down.
    Settled,
    /// It is to be offered again after a pause.
    Again(Duration),
}

/// Pause before what was dropped unsettled, or could not be written down, is offered again.
const PAUSE: Duration = Duration::from_millis(200);

/// What is written for a reason.
type WhenRejected = Box<dyn FnOnce(&str) -> Vec<StateEntry> + Send>;

/// Writes the settlement down, in the state of the enterprise.
pub(crate) struct StateReceipt {
    pub(crate) state: Arc<dyn StateStore>,
    pub(crate) space: String,
    /// What is written when the message is accepted.
    pub(crate) accepted: Vec<StateEntry>,
    /// What is written when it is rejected, for this reason.
    pub(crate) rejected: WhenRejected,
    pub(crate) outcome: oneshot::Sender<Outcome>,
}

#[async_trait]
impl Receipt for StateReceipt {
    async fn settle(self: Box<Self>, settlement: Settlement) {
        let entries = match settlement {
            Settlement::Accepted { .. } => self.accepted,
            Settlement::Reject { reason } => (self.rejected)(&reason),
            Settlement::Retry { after } => {
                let _ = self.outcome.send(Outcome::Again(after));
                return;
            }
        };
        let outcome = match self.state.put(&self.space, entries).await {
            Ok(()) => Outcome::Settled,
            Err(problem) => {
                // It comes again, and the hub recognises it.
                error!(%problem, "a settlement could not be written down");
                Outcome::Again(PAUSE)
            }
        };
        // A source that is gone reads what was written when it is back.
        let _ = self.outcome.send(outcome);
    }
}

/// Waits for the outcome. Cancel-safe; a receipt that was dropped is never a yes.
pub(crate) async fn outcome(pending: &mut oneshot::Receiver<Outcome>) -> Outcome {
    pending.await.unwrap_or(Outcome::Again(PAUSE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hub_core::{MemoryState, MessageId};

    async fn settled(settlement: Option<Settlement>) -> (Outcome, Option<String>) {
        let state = Arc::new(MemoryState::default());
        let (tell, mut told) = oneshot::channel();
        let set = |value: &str| vec![("k".to_owned(), Some(value.to_owned()))];
        let receipt = StateReceipt {
            state: Arc::clone(&state) as Arc<dyn StateStore>,
            space: "s".to_owned(),
            accepted: set("accepted"),
            rejected: Box::new(move |reason| set(reason)),
            outcome: tell,
        };
        match settlement {
            Some(settlement) => Box::new(receipt).settle(settlement).await,
            None => drop(receipt),
        }
        (outcome(&mut told).await, state.get("s", "k").await.unwrap())
    }

    #[tokio::test]
    async fn only_what_is_settled_for_ever_is_written_down() {
        let yes = Settlement::Accepted {
            message_id: MessageId(1),
            duplicate: false,
        };
        assert_eq!(
            settled(Some(yes)).await,
            (Outcome::Settled, Some("accepted".to_owned()))
        );
        let reason = "not ours".to_owned();
        assert_eq!(
            settled(Some(Settlement::Reject { reason })).await,
            (Outcome::Settled, Some("not ours".to_owned()))
        );
        let after = Duration::from_secs(9);
        assert_eq!(
            settled(Some(Settlement::Retry { after })).await,
            (Outcome::Again(after), None)
        );
        assert_eq!(settled(None).await, (Outcome::Again(PAUSE), None));
    }
}
