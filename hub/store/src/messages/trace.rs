//! The trace of a message: one row for each move.

use hub_core::{IdGenerator, MessageId};
use hub_model::Instant;

use crate::StoreError;
use crate::db::{Tx, Value};

/// What happened to a message or one of its deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// Accepted: committed and synced before its sender was told yes.
    Received,
    /// Sent again by its partner, and recognised.
    Resent,
    /// Decoding began, or went on after a restart.
    Started,
    /// All records applied.
    Processed,
    /// Done, with findings.
    ProcessedWithFindings,
    /// Could not be understood.
    Invalid,
    /// An operator asked to process it again.
    Replayed,
    /// A delivery was made.
    DeliveryCreated,
    /// A delivery is on its way to the endpoint.
    Sending,
    /// The endpoint took it.
    Delivered,
    /// An attempt failed; it will be tried again.
    AttemptFailed,
    /// The delivery was set aside (dead letter).
    Parked,
    /// An operator put it back in its lane.
    Released,
    /// An operator gave it up.
    Discarded,
    /// What decodes it changed while it was half done: it begins a new run.
    BegunAgain,
    /// A delivery goes to another endpoint instead.
    FellOver,
}

impl Step {
    /// All of them; the position is the number in the database.
    pub const ALL: [Self; 16] = [
        Self::Received,
        Self::Resent,
        Self::Started,
        Self::Processed,
        Self::ProcessedWithFindings,
        Self::Invalid,
        Self::Replayed,
        Self::DeliveryCreated,
        Self::Sending,
        Self::Delivered,
        Self::AttemptFailed,
        Self::Parked,
        Self::Released,
        Self::Discarded,
        Self::BegunAgain,
        Self::FellOver,
    ];

    /// Our word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Resent => "resend recognised",
            Self::Started => "started",
            Self::Processed => "processed",
            Self::ProcessedWithFindings => "processed with findings",
            Self::Invalid => "invalid",
            Self::Replayed => "replayed",
            Self::DeliveryCreated => "delivery created",
            Self::Sending => "sending",
            Self::Delivered => "delivered",
            Self::AttemptFailed => "attempt failed",
            Self::Parked => "parked",
            Self::Released => "released",
            Self::Discarded => "discarded",
            Self::BegunAgain => "begun again",
            Self::FellOver => "fell over",
        }
    }

    pub(super) fn from_code(code: i64) -> Result<Self, StoreError> {
        usize::try_from(code)
            .ok()
            .and_then(|i| Self::ALL.get(i).copied())
            .ok_or_else(|| StoreError::Damaged(format!("trace step {code}")))
    }
}

/// Writes trace rows at one instant.
#[derive(Clone, Copy)]
pub(super) struct Tracer<'a> {
    pub(super) ids: &'a IdGenerator,
    pub(super) now: Instant,
}

impl Tracer<'_> {
    pub(super) fn message(
        self,
        tx: &mut dyn Tx,
        message: MessageId,
        step: Step,
        note: Option<&str>,
    ) -> Result<(), StoreError> {
        self.row(tx, message, None, step, note)
    }

    pub(super) fn row(
        self,
        tx: &mut dyn Tx,
        message: MessageId,
        delivery: Option<MessageId>,
        step: Step,
        note: Option<&str>,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO trace (message_id, id, delivery_id, at, step, note) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let id = self.ids.next(self.now);
        let delivery = delivery.map_or(Value::Null, |d| d.0.into());
        tx.execute(
            sql,
            &[
                message.0.into(),
                id.0.into(),
                delivery,
                self.now.micros().into(),
                (step as i64).into(),
                note.into(),
            ],
        )?;
        Ok(())
    }
}
