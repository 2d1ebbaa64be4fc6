//! The receiving half of a channel adapter.

use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::io::AsyncRead;

use crate::{DeliveryReport, MessageId};

/// Header names (lower case) and values, in the order they came.
pub type Headers = Vec<(String, String)>;

/// A message as a partner sent it.
#[derive(Default)]
pub struct IncomingMessage {
    /// File name, or what the transport calls the message; empty if nothing.
    pub name: String,
    /// Transport headers worth keeping. Never credentials.
    pub headers: Headers,
    /// Media type, if the transport tells one.
    pub media_type: Option<String>,
    /// The partner's own id of the message, if the transport carries one (`Idempotency-Key`,
    /// AMQP message-id). With enterprise and source it is the message's identity.
    pub business_key: Option<String>,
    /// What it says about earlier deliveries: the hub shows it on them.
    pub reports: Vec<DeliveryReport>,
    /// The bytes.
    pub body: Body,
}

/// Where the bytes of an incoming message are.
pub enum Body {
    /// In memory.
    Bytes(Bytes),
    /// A complete local file that nobody writes to any more. The store takes its bytes by link or
    /// copy; the file itself stays the source's.
    File(PathBuf),
    /// Still coming. An error of the stream means that the message is not complete and must not
    /// be accepted.
    Stream(Pin<Box<dyn AsyncRead + Send>>),
}

impl Default for Body {
    fn default() -> Self {
        Self::Bytes(Bytes::new())
    }
}

/// One message taken from a source, and the duty to settle it.
#[must_use = "settle the arrival, or the sender will send it again"]
pub struct Arrival {
    /// The message.
    pub message: IncomingMessage,
    receipt: Option<Box<dyn Receipt>>,
}

impl Arrival {
    /// A message with the receipt that answers its sender.
    pub fn new(message: IncomingMessage, receipt: Box<dyn Receipt>) -> Self {
        Self {
            message,
            receipt: Some(receipt),
        }
    }

    /// Takes the message and the receipt apart, so that the body can be consumed first.
    pub fn into_parts(mut self) -> (IncomingMessage, UnsettledReceipt) {
        let message = std::mem::take(&mut self.message);
        (message, UnsettledReceipt(self.receipt.take()))
    }
}

/// A receipt that must be settled; dropping it is never a yes.
#[must_use = "settle the receipt, or the sender will send it again"]
pub struct UnsettledReceipt(Option<Box<dyn Receipt>>);

impl UnsettledReceipt {
    /// Answers the sender.
    pub async fn settle(mut self, settlement: Settlement) {
        if let Some(receipt) = self.0.take() {
            receipt.settle(settlement).await;
        }
    }
}

impl Drop for UnsettledReceipt {
    fn drop(&mut self) {
        if self.0.is_some() {
            tracing::warn!("an arrival was dropped unsettled; its sender keeps the message");
        }
    }
}

/// What we tell the sender about one arrival.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    /// Committed and synced: the sender may forget it.
    Accepted {
        /// Our id of the message.
        message_id: MessageId,
        /// We had it already: this is a resend.
        duplicate: bool,
    },
    /// Not now. Offer it again after this pause.
    Retry {
        /// How long to wait.
        after: Duration,
    },
    /// Never: its key belongs to other content, or it is not for us. The sender must not offer it again.
    Reject {
        /// Why.
        reason: String,
    },
}

/// Answers the sender of one arrival. Dropping it unsettled is never a yes.
#[async_trait]
pub trait Receipt: Send {
    /// Tells the sender, and does what follows (archive the file, answer the request).
    async fn settle(self: Box<Self>, settlement: Settlement);
}

/// Receiving half of a channel adapter. A `Source` that exists is connected.
#[async_trait]
pub trait Source: Send {
    /// Waits for the next arrival. Cancel-safe: dropping the future loses nothing.
    ///
    /// # Errors
    /// The runtime drops this source and connects a new one, with back-off.
    async fn receive(&mut self) -> Result<Arrival, SourceError>;

    /// How many arrivals may be unsettled at once. 1 keeps the order of acceptance.
    fn window(&self) -> usize {
        1
    }

    /// Ends it in good order: returns once the other side has heard all that was settled, and has back
    /// what was not; within seconds, whatever the other side does. One that is dropped instead tells as
    /// much of that as it can at once, which is enough for most.
    async fn close(self: Box<Self>) {}
}

/// Why a source cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Connection lost, folder gone ...: connect again with back-off.
    #[error("{endpoint} is not available: {reason}")]
    Disconnected {
        /// What was not available.
        endpoint: String,
        /// Why.
        reason: String,
    },
}
