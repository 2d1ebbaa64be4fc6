//! The source: offers receipts and what telephones send.

use std::collections::VecDeque;
use std::sync::Arc;

use async_trait::async_trait;
use hub_core::{AdapterContext, Arrival, Body, Clock, IncomingMessage, Source, SourceError};
use tokio::time::{Instant, sleep_until};

use crate::account::BoundAccount;
use crate::incoming::{Identity, Incoming};
use crate::joining::{Joining, Piece};
use crate::session::{Session, SourceClaim};
use crate::settle::SmsReceipt;

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
        window: usize,
    ) -> Self {
        Self {
            joining,
            ready: VecDeque::new(),
            endpoint: context.name.clone(),
            clock: context.clock.clone(),
            account,
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
        let message = IncomingMessage {
            name: incoming.name,
            headers: Vec::new(),
            media_type: Some("application/json".to_owned()),
            business_key: Some(business_key),
            body: Body::Bytes(incoming.body.into()),
            reports: Vec::new(),
        };
        let receipt = SmsReceipt {
            account: self.account.clone(),
            endpoint: self.endpoint.clone(),
            fingerprint,
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
