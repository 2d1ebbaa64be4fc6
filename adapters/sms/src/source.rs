//! The source: offers receipts and what telephones send.

use std::collections::VecDeque;
use std::sync::Arc;

use async_trait::async_trait;
use hub_core::{AdapterContext, Arrival, Body, Clock, IncomingMessage, Source, SourceError};
use tokio::time::{Instant, sleep_until};

use crate::account::BoundAccount;
use crate::incoming::{Identity, Incoming, Tells};
use crate::joining::{Joining, Piece};
use crate::session::{Session, SourceClaim};
use crate::settle::SmsReceipt;
use crate::wishes::Wishes;

/// A bound account whose messages are taken.
pub(crate) struct SmsSource {
    // What is held comes first, as fields are dropped in order: it is declined while there is still
    // a session.
    joining: Joining,
    /// Parts whose others stayed away.
    ready: VecDeque<Piece>,
    endpoint: String,
    clock: Arc<dyn Clock>,
    account: Arc<BoundAccount>,
    wishes: Wishes,
    window: usize,
    session: Arc<Session>,
    /// Given up last, when nothing is held any more.
    _claim: SourceClaim,
}

impl SmsSource {
    pub(crate) fn new(
        context: &AdapterContext,
        account: Arc<BoundAccount>,
        session: Arc<Session>,
        claim: SourceClaim,
        joining: Joining,
        wishes: Wishes,
        window: usize,
    ) -> Self {
        Self {
            joining,
            ready: VecDeque::new(),
            endpoint: context.name.clone(),
            clock: context.clock.clone(),
            account,
            wishes,
            window,
            session,
            _claim: claim,
        }
    }

    fn arrival(&self, piece: Piece) -> Arrival {
        let incoming = Incoming::of(&piece);
        let (business_key, fingerprint) = match incoming.identity {
            Identity::Key(key) => (key, None),
            Identity::Fingerprint(fingerprint) => {
                let now = self.clock.now();
                let key = self.account.unsettled().key(&fingerprint, now);
                (key, Some(fingerprint))
            }
        };
        let (mut reports, mut wish) = (Vec::new(), None);
        match incoming.tells {
            Tells::Receipt(receipt) => {
                let id = receipt.message_id.as_deref();
                let reference = id.map(|id| self.account.account().reference_of_receipt(id));
                reports.extend(reference.map(|reference| receipt.report(reference)));
            }
            Tells::Text { from, to, text } => {
                let heard = self.wishes.heard(&from, &to, &text);
                wish = heard.map(|wish| (self.wishes.clone(), wish));
            }
            Tells::Nothing => {}
        }
        let message = IncomingMessage {
            name: incoming.name,
            media_type: Some("application/json".to_owned()),
            business_key: Some(business_key),
            body: Body::Bytes(incoming.body.into()),
            reports,
            ..IncomingMessage::default()
        };
        let receipt = SmsReceipt {
            account: self.account.clone(),
            endpoint: self.endpoint.clone(),
            fingerprint,
            wish,
            answers: piece.answers,
        };
        Arrival::new(message, Box::new(receipt))
    }

    fn disconnected(&self) -> SourceError {
        SourceError::Disconnected {
            endpoint: self.endpoint.clone(),
            reason: self.session.reason(),
        }
    }
}

#[async_trait]
impl Source for SmsSource {
    async fn receive(&mut self) -> Result<Arrival, SourceError> {
        loop {
            if let Some(piece) = self.ready.pop_front() {
                return Ok(self.arrival(piece));
            }
            let deadline = self.joining.deadline();
            let late = async {
                match deadline {
                    Some(deadline) => sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                inbound = self.session.next_inbound() => {
                    let inbound = inbound.ok_or_else(|| self.disconnected())?;
                    if let Some(piece) = self.joining.take(inbound, Instant::now()) {
                        return Ok(self.arrival(piece));
                    }
                }
                () = late => self.ready.extend(self.joining.expired(Instant::now())),
            }
        }
    }

    fn window(&self) -> usize {
        self.window
    }
}
