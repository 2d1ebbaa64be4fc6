//! The duty to settle one part of a mail.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hub_core::{Receipt, Settlement};

use crate::mailbox::Uid;
use crate::source::Shared;

/// Pause before a part whose arrival was dropped unsettled is offered again.
const DROPPED_PAUSE: Duration = Duration::from_secs(1);

/// Longest pause: one beyond the timer's range is as good.
const LONGEST_PAUSE: Duration = Duration::from_secs(86_400);

/// Settles one part.
pub(crate) struct PartReceipt {
    /// `None` once settled.
    offered: Option<(Uid, usize)>,
    shared: Arc<Shared>,
}

impl PartReceipt {
    pub(crate) fn new(uid: Uid, part: usize, shared: Arc<Shared>) -> Self {
        let offered = Some((uid, part));
        Self { offered, shared }
    }
}

#[async_trait]
impl Receipt for PartReceipt {
    async fn settle(mut self: Box<Self>, settlement: Settlement) {
        let Some((uid, part)) = self.offered.take() else {
            return;
        };
        match settlement {
            Settlement::Accepted { .. } => self.shared.settled(uid, part, None).await,
            Settlement::Reject { reason } => self.shared.settled(uid, part, Some(reason)).await,
            Settlement::Retry { after } => {
                self.shared.give_back(uid, part, after.min(LONGEST_PAUSE));
            }
        }
    }
}

impl Drop for PartReceipt {
    fn drop(&mut self) {
        if let Some((uid, part)) = self.offered.take() {
            self.shared.give_back(uid, part, DROPPED_PAUSE);
        }
    }
}
