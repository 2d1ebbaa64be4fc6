//! What records are applied in, and what came of it.

use std::sync::Arc;

use hub_core::MessageId;
use hub_domain::EventKind;
use hub_model::{Finding, Instant, Zone};

use super::EnterpriseId;

/// Whose records are applied, from which message, and how.
#[derive(Debug, Clone)]
pub struct Scope {
    /// Owner of everything the records touch.
    pub enterprise: EnterpriseId,
    /// The enterprise's zone: readings are kept by its local days.
    pub zone: Zone,
    /// The message the records came in.
    pub message_id: MessageId,
    /// When they are applied.
    pub now: Instant,
    /// What happens to readings and events of devices that are not known.
    pub unknown: UnknownPolicy,
}

/// What happens when a record names a device, usage point or order that is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum UnknownPolicy {
    /// A finding; the record is not taken.
    #[default]
    Finding,
    /// It is created with what the record says.
    Create,
}

/// What came of applying records. `applied` and what the findings reject add up to the count of
/// all records.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Outcome {
    /// What happened to the estate, in the order of the records.
    pub events: Vec<Event>,
    /// What was wrong, in no particular order.
    pub findings: Vec<Finding>,
    /// Records that were taken, each reading counting as one, whether or not they changed anything.
    pub applied: u64,
    /// Readings at instants not known before.
    pub added: u64,
    /// Readings known already, with the same value and quality, or said otherwise further on in
    /// the message.
    pub unchanged: u64,
    /// Readings that differ from what was known; the older day is kept as a version.
    pub corrected: u64,
    /// Readings that differ from what a message said that was accepted later; that stays.
    pub superseded: u64,
}

/// Something that happened to the estate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// To what: `work_order:4711`, `meter:456`, `usage_point:643...`. Deliveries about one subject
    /// stay in order.
    pub subject: Arc<str>,
    /// Which of the applied records caused it, counted from 0.
    pub record: usize,
}
