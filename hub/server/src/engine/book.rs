//! Writes down what a dispatcher does: whatever has come together, one transaction at a time. So
//! an endpoint's attempts share commits, and no attempt waits for the disk to let another begin.

use std::sync::Arc;

use hub_core::MessageId;
use hub_store::messages::{Attempts, DeliveryOutcome, EndedAttempt, PendingDelivery};
use tokio::task::JoinSet;
use tracing::{error, warn};

use super::send::EndpointHealth;
use super::{Hub, STORE_PAUSE};

/// What came of one attempt.
pub(super) struct Report {
    pub(super) delivery: PendingDelivery,
    pub(super) outcome: DeliveryOutcome,
    pub(super) health: EndpointHealth,
}

/// What is to be written down, and what is being.
#[derive(Default)]
pub(super) struct Book {
    begun: Vec<(MessageId, MessageId)>,
    ended: Vec<Report>,
    writing: JoinSet<Vec<Report>>,
}

impl Book {
    /// An attempt begins.
    pub(super) fn begun(&mut self, delivery: MessageId, message: MessageId) {
        self.begun.push((delivery, message));
    }

    /// An attempt is over.
    pub(super) fn ended(&mut self, report: Report) {
        self.ended.push(report);
    }

    /// Begins to write what has come together, unless the last of it is still being written.
    pub(super) fn write(&mut self, hub: &Hub) {
        if !self.writing.is_empty() || (self.begun.is_empty() && self.ended.is_empty()) {
            return;
        }
        let reports = std::mem::take(&mut self.ended);
        let ended = reports.iter().map(|report| EndedAttempt {
            delivery: report.delivery.id,
            message: report.delivery.message_id,
            outcome: report.outcome.clone(),
        });
        let attempts = Arc::new(Attempts {
            begun: std::mem::take(&mut self.begun),
            ended: ended.collect(),
        });
        let hub = hub.clone();
        self.writing.spawn(async move {
            while let Err(problem) = hub.store.record_attempts(Arc::clone(&attempts)).await {
                warn!(attempts = attempts.ended.len(), %problem, "outcomes of attempts cannot be stored yet");
                if !hub.pause(STORE_PAUSE).await {
                    // They are made again after a restart, under the same ids.
                    return Vec::new();
                }
            }
            reports
        });
    }

    /// Waits for what is being written; `None` if nothing is. Cancel-safe.
    pub(super) async fn written(&mut self) -> Option<Vec<Report>> {
        match self.writing.join_next().await? {
            Ok(reports) => Some(reports),
            Err(problem) => {
                error!(%problem, "outcomes of attempts are lost; this is a defect");
                Some(Vec::new())
            }
        }
    }
}
