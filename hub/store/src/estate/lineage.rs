//! Which message last changed a row, and where in it.

use hub_core::MessageId;
use hub_domain::Arrival;
use hub_model::{Finding, Place};

use super::place;
use super::scope::Scope;
use crate::StoreError;
use crate::db::Row;

/// The record that last changed a row.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Lineage {
    pub(super) message: MessageId,
    pub(super) place: Place,
}

impl Lineage {
    /// Of a record of the message that is applied.
    pub(super) fn of(scope: &Scope, place: &Place) -> Self {
        Self {
            message: scope.message_id,
            place: place.clone(),
        }
    }

    /// Reads the columns `updated_by, byte_offset, line, sheet` beginning at `column`.
    pub(super) fn read(row: &dyn Row, column: usize) -> Result<Self, StoreError> {
        Ok(Self {
            message: MessageId(row.int(column)?),
            place: place::read(row, column + 1)?,
        })
    }

    /// How this record arrived against the one that last changed what is known: message ids grow
    /// with acceptance, and within a message what stands last counts. So a message that is
    /// applied again changes nothing, even if it says two things of one object.
    pub(super) fn arrival(&self, known: &Self) -> Arrival {
        let stands_later = self.message == known.message
            && self.place.sheet == known.place.sheet
            && (known.place.offset, known.place.line) > (self.place.offset, self.place.line);
        match known.message > self.message || stands_later {
            true => Arrival::Overtaken,
            false => Arrival::Latest,
        }
    }

    /// The one that counts from now on.
    pub(super) fn latest(self, known: Self) -> Self {
        match self.arrival(&known) {
            Arrival::Latest => self,
            Arrival::Overtaken => known,
        }
    }

    /// What becomes of a finding that says that this record was overtaken: it names the newer
    /// message. A message that overtook itself is nothing to worry about.
    pub(super) fn overtaken_by(&self, known: &Self, mut finding: Finding) -> Option<Finding> {
        if known.message == self.message {
            return None;
        }
        finding.reason.push_str("; message ");
        finding.reason.push_str(&known.message.to_string());
        finding.reason.push_str(" changed it last");
        Some(finding)
    }

    /// The warning that these fields of a record were not taken, if there are any.
    pub(super) fn superseded(&self, known: &Self, kept: &[&'static str]) -> Option<Finding> {
        let reason = format!(
            "what is said of {} was said otherwise by a message that was accepted later; that stays",
            kept.join(", ")
        );
        let finding = Finding::warning("superseded", self.place.clone(), reason);
        self.overtaken_by(known, finding.in_field(*kept.first()?))
    }
}
