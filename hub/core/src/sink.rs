//! The sending half of a channel adapter.

use std::time::Duration;

use async_trait::async_trait;
use hub_model::Instant;

use crate::{Content, Headers, MessageId};

/// A message on its way out.
#[derive(Debug, Clone)]
pub struct OutgoingMessage {
    /// Constant over all attempts, so that a receiver can recognise a resend.
    pub message_id: MessageId,
    /// The incoming message that caused it.
    pub correlation_id: MessageId,
    /// The enterprise it belongs to.
    pub enterprise: String,
    /// The route that made it.
    pub route: String,
    /// Name of the incoming message, for file-name templates; may be empty.
    pub source_name: String,
    /// The business object it is about, `work_order:4711` say; may be empty.
    pub subject: String,
    /// When it was made: the same at every attempt.
    pub created: Instant,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// Media type of the body.
    pub media_type: String,
    /// Usual file extension of the body, without the dot.
    pub extension: String,
    /// Further headers: of a message that is passed on, those it came with; of an answer, those that
    /// say where to (`reply-to`) and to what (`correlation-id`).
    pub headers: Headers,
    /// The body.
    pub content: Content,
}

/// The other side has taken responsibility.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// What to show an operator: the file's name, the server's answer.
    pub note: String,
    /// The partner's own names for what it took, by which it may report on it later
    /// ([`DeliveryReport`](crate::DeliveryReport)): the ids that an SMS centre gave to each part, the
    /// number of a job. Unique within the enterprise, so the account is a part of them.
    pub references: Vec<String>,
}

impl Sent {
    /// Taken; nothing more will be said about it.
    #[must_use]
    pub fn noted(note: impl Into<String>) -> Self {
        Self {
            note: note.into(),
            references: Vec::new(),
        }
    }
}

/// Sending half of a channel adapter.
#[async_trait]
pub trait Sink: Send + Sync {
    /// Returns once the other side has taken responsibility.
    ///
    /// # Errors
    /// The kind says what happens next.
    async fn send(&self, message: &OutgoingMessage) -> Result<Sent, SinkError>;
}

/// Why a message was not taken.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The endpoint does not answer, or is broken: try again; counts for the circuit.
    #[error("{endpoint} is not answering: {reason}")]
    Unavailable {
        /// The endpoint.
        endpoint: String,
        /// What was seen.
        reason: String,
        /// How long the endpoint asks us to wait.
        retry_after: Option<Duration>,
        /// A status or reply came back for this very message: it counts towards parking even
        /// while the endpoint is being probed, so that one bad message does not stop the rest.
        answered: bool,
    },
    /// The endpoint works, but wants us to slow down: the whole endpoint pauses.
    #[error("{endpoint} asks us to slow down")]
    Busy {
        /// The endpoint.
        endpoint: String,
        /// For how long.
        retry_after: Option<Duration>,
    },
    /// This message will never be taken: park it (Dead Letter Channel).
    #[error("{endpoint} refused the message: {answer}")]
    Refused {
        /// The endpoint.
        endpoint: String,
        /// Its answer.
        answer: String,
    },
}
