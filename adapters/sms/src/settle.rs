//! Answers to what came.

use std::sync::Arc;

use async_trait::async_trait;
use hub_core::{Receipt, Settlement};
use tracing::{info, warn};

use crate::account::BoundAccount;
use crate::pdu::status;
use crate::session::Answer;
use crate::wishes::{Wish, Wishes};

/// The duty to answer one message, which may have come in several parts. Dropped, the message centre
/// is told to try again later.
pub(crate) struct SmsReceipt {
    /// First, as fields are dropped in order: answered before the account may end its session.
    pub(crate) answers: Vec<Answer>,
    pub(crate) account: Arc<BoundAccount>,
    pub(crate) endpoint: String,
    /// Forgotten once the message centre was told yes.
    pub(crate) fingerprint: Option<String>,
    /// Kept before the message centre is told yes.
    pub(crate) wish: Option<(Wishes, Wish)>,
}

impl SmsReceipt {
    /// Whether what somebody wants is kept; if not it must be said again.
    async fn is_wish_kept(&self) -> bool {
        let Some((wishes, wish)) = &self.wish else {
            return true;
        };
        match wishes.keep(wish).await {
            Ok(()) => true,
            Err(problem) => {
                warn!(endpoint = %self.endpoint, %problem, "an opt-out could not be kept; it is asked for again");
                false
            }
        }
    }
}

#[async_trait]
impl Receipt for SmsReceipt {
    async fn settle(self: Box<Self>, settlement: Settlement) {
        let status = match settlement {
            Settlement::Accepted { .. } if self.is_wish_kept().await => status::OK,
            Settlement::Accepted { .. } => status::TEMPORARY_APPLICATION_ERROR,
            Settlement::Retry { .. } => status::TEMPORARY_APPLICATION_ERROR,
            Settlement::Reject { reason } => {
                warn!(endpoint = %self.endpoint, %reason, "rejected");
                status::PERMANENT_APPLICATION_ERROR
            }
        };
        let mut told = true;
        for answer in self.answers {
            told &= answer.give(status).await;
        }
        if !told {
            info!(endpoint = %self.endpoint, "the session ended before the answer; it may come again");
        } else if status == status::OK
            && let Some(fingerprint) = self.fingerprint
        {
            self.account.unsettled().settled(&fingerprint);
        }
    }
}
