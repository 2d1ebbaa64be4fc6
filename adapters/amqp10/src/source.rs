//! The source: a link that messages come by, and what of them is offered to the hub.

use std::time::Duration;

use async_trait::async_trait;
use fe2o3_amqp::Receiver;
use fe2o3_amqp::link::receiver::CreditMode;
use fe2o3_amqp::session::SessionHandle;
use fe2o3_amqp::types::definitions::{ReceiverSettleMode, SenderSettleMode};
use hub_core::{Arrival, Meter, Source, SourceError};
use tokio::time::timeout;

use crate::config::GiveBack;
use crate::connection::Connection;
use crate::feed::{self, Begun};
use crate::metrics;
use crate::words;

/// How long a source may take to say good-bye.
const LONGEST_GOODBYE: Duration = Duration::from_secs(10);

/// What is subscribed to, and how.
pub(crate) struct Subscription {
    /// The source's name; the link's too.
    pub(crate) name: String,
    pub(crate) address: String,
    pub(crate) window: u16,
    pub(crate) give_back: GiveBack,
    pub(crate) largest: u64,
    pub(crate) patience: Duration,
    pub(crate) meter: Meter,
}

/// A link with its session.
pub(crate) struct Link {
    pub(crate) receiver: Receiver,
    pub(crate) session: SessionHandle<()>,
}

impl Link {
    /// Ends both, once the broker has all that was answered.
    pub(crate) async fn close(self, connection: &Connection) {
        connection.end(self.session).await;
        // Dropped after its session, the library writes nothing more on it.
        drop(self.receiver);
    }
}

impl Subscription {
    /// Whether the broker lets us read there. Takes no message.
    ///
    /// # Errors
    /// Why not, in words.
    pub(crate) async fn check(&self, connection: &Connection) -> Result<(), String> {
        self.attach(connection).await?.close(connection).await;
        Ok(())
    }

    /// A link without credit.
    async fn attach(&self, connection: &Connection) -> Result<Link, String> {
        let patience = self.patience;
        let mut session = connection.session(patience).await?;
        let attaching = Receiver::builder()
            .name(self.name.as_str())
            .source(self.address.as_str())
            .sender_settle_mode(SenderSettleMode::Unsettled)
            .receiver_settle_mode(ReceiverSettleMode::First)
            .credit_mode(CreditMode::Manual)
            .max_message_size(longest(self.largest))
            .attach(&mut session);
        let address = &self.address;
        match timeout(patience, attaching).await {
            Ok(Ok(receiver)) => Ok(Link { receiver, session }),
            Ok(Err(problem)) => {
                let refused = words::attaching_receiver(&problem);
                Err(format!("address `{address}`: {}", refused.reason))
            }
            Err(_) => {
                connection.cut();
                Err(format!(
                    "address `{address}`: the broker did not answer within {patience:?}"
                ))
            }
        }
    }
}

/// What the library may take in, of messages of at most so many bytes: what is not much larger than
/// that can be rejected, and need not end the link.
pub(crate) const fn longest(largest: u64) -> u64 {
    largest.saturating_mul(2)
}

/// An address that is being read.
pub(crate) struct Amqp10Source {
    name: String,
    window: usize,
    feed: Begun,
}

impl Amqp10Source {
    /// Begins to read.
    ///
    /// # Errors
    /// The address is not there, or must not be read, in the broker's words.
    pub(crate) async fn start(
        connection: Connection,
        subscription: Subscription,
    ) -> Result<Self, String> {
        let link = subscription.attach(&connection).await?;
        let (name, window) = (subscription.name.clone(), usize::from(subscription.window));
        subscription.meter.count(metrics::CONNECTIONS.name, 1);
        Ok(Self {
            name,
            window,
            feed: feed::begin(connection, link, subscription),
        })
    }
}

#[async_trait]
impl Source for Amqp10Source {
    async fn receive(&mut self) -> Result<Arrival, SourceError> {
        let offered = self.feed.offers.recv().await;
        let ended = || Err("the link has ended".to_owned());
        offered
            .unwrap_or_else(ended)
            .map_err(|reason| SourceError::Disconnected {
                endpoint: self.name.clone(),
                reason,
            })
    }

    fn window(&self) -> usize {
        self.window
    }

    async fn close(self: Box<Self>) {
        let Begun {
            orders,
            offers,
            task,
        } = self.feed;
        drop((offers, orders));
        // It ends with the last receipt. What is not settled by then the broker has again when it does.
        let _ = timeout(LONGEST_GOODBYE, task).await;
    }
}
