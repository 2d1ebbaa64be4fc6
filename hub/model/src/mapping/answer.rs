//! What a sender is told of a message that is done, where its format has an answer (IEC 61968-100
//! `ResponseMessage`, CONTRL, ALEAUD ...).

use super::Envelope;
use crate::{Place, Severity};

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// All of it was applied.
    Applied,
    /// Some of it was, and what was not is told.
    AppliedInPart,
    /// None of it was, or it was given up.
    Refused,
}

/// One finding, as a sender is told it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// How bad it is.
    pub severity: Severity,
    /// Code for programs.
    pub code: String,
    /// Where.
    pub place: Place,
    /// Field, column or path.
    pub field: Option<String>,
    /// What is wrong, and what would be valid.
    pub reason: String,
}

/// What became of a message, for its sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Our id of the message.
    pub message_id: String,
    /// The sender's own id of it, if it has one.
    pub business_key: Option<String>,
    /// File name, or what the transport calls it.
    pub name: String,
    /// What became of it.
    pub verdict: Verdict,
    /// Records applied.
    pub applied: u64,
    /// Records rejected.
    pub rejected: u64,
    /// Findings of all kinds.
    pub findings: u64,
    /// The first of the findings, in the order of the message.
    pub told: Vec<Told>,
}

/// Writes what a sender is told.
pub trait Answer: Send + Sync {
    /// Media type of an answer.
    fn media_type(&self) -> &'static str;

    /// Usual file extension, without the dot.
    fn extension(&self) -> &'static str;

    /// Writes an answer; its own id and time are the envelope's.
    fn answer(&self, envelope: &Envelope, outcome: &Outcome, out: &mut Vec<u8>);
}
