//! What the dispatcher writes down: which attempts it began, and what came of them.

use std::sync::Arc;

use hub_core::MessageId;
use rustc_hash::FxHashSet;

use super::outbox::DeliveryOutcome;
use super::trace::{Step, Tracer};
use super::{Store, reports};
use crate::StoreError;
use crate::db::Tx;

/// What happened to deliveries of an endpoint since it was last written down.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attempts {
    /// Deliveries of attempts that began, and the messages that caused them.
    pub begun: Vec<(MessageId, MessageId)>,
    /// Attempts that are over.
    pub ended: Vec<EndedAttempt>,
}

/// An attempt that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedAttempt {
    /// The delivery.
    pub delivery: MessageId,
    /// The message that caused it.
    pub message: MessageId,
    /// What came of it.
    pub outcome: DeliveryOutcome,
}

impl Attempts {
    /// Whether there is nothing to write down.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.begun.is_empty() && self.ended.is_empty()
    }

    /// Attempts that began and are not over: of the others the end says all there is to know.
    fn still_under_way(&self) -> impl Iterator<Item = (MessageId, MessageId)> {
        let ended: FxHashSet<_> = self.ended.iter().map(|attempt| attempt.delivery).collect();
        let begun = self.begun.iter().copied();
        begun.filter(move |(delivery, _)| !ended.contains(delivery))
    }
}

impl Store {
    /// Writes down what happened to deliveries, in one transaction: under load it holds many, and
    /// costs hardly more than one. A delivery may have been released or discarded by an operator
    /// meanwhile; what came of the attempt stands in the trace all the same.
    ///
    /// # Errors
    /// The database refused; nothing of it is stored.
    pub async fn record_attempts(&self, attempts: Arc<Attempts>) -> Result<(), StoreError> {
        let (ids, now) = (self.ids.clone(), self.clock.now());
        self.db
            .write(move |tx| {
                let tracer = Tracer { ids: &ids, now };
                for (delivery, message) in attempts.still_under_way() {
                    begin(tx, tracer, delivery, message)?;
                }
                attempts
                    .ended
                    .iter()
                    .try_for_each(|attempt| end(tx, tracer, attempt))
            })
            .await
    }
}

fn begin(
    tx: &mut dyn Tx,
    tracer: Tracer<'_>,
    delivery: MessageId,
    message: MessageId,
) -> Result<(), StoreError> {
    let sql = concat!(
        "UPDATE delivery SET state = ",
        sending!(),
        " WHERE id = ?1 AND state = ",
        pending!()
    );
    if tx.execute(sql, &[delivery.0.into()])? == 1 {
        tracer.row(tx, message, Some(delivery), Step::Sending, None)?;
    }
    Ok(())
}

fn end(tx: &mut dyn Tx, tracer: Tracer<'_>, attempt: &EndedAttempt) -> Result<(), StoreError> {
    let (id, now) = (attempt.delivery.0, tracer.now.micros());
    let (step, note) = match &attempt.outcome {
        DeliveryOutcome::Delivered { note, references } => {
            reports::refer(tx, attempt.delivery, references, tracer.now)?;
            let sql = concat!(
                "UPDATE delivery SET state = ",
                delivered!(),
                ", attempts = attempts + 1, finished_at = ?2, note = ?3 \
                 WHERE id = ?1 AND state ",
                is_open!()
            );
            tx.execute(sql, &[id.into(), now.into(), note.into()])?;
            (Step::Delivered, note)
        }
        DeliveryOutcome::Failed { note, due, counts } => {
            let sql = concat!(
                "UPDATE delivery SET state = ",
                pending!(),
                ", attempts = attempts + ?2, due_at = ?3, note = ?4 \
                 WHERE id = ?1 AND state ",
                is_open!()
            );
            let (counts, due) = (i64::from(*counts), due.micros());
            tx.execute(sql, &[id.into(), counts.into(), due.into(), note.into()])?;
            (Step::AttemptFailed, note)
        }
        DeliveryOutcome::Parked { note } => {
            let sql = concat!(
                "UPDATE delivery SET state = ",
                parked!(),
                ", attempts = attempts + 1, finished_at = ?2, note = ?3 \
                 WHERE id = ?1 AND state ",
                is_open!()
            );
            tx.execute(sql, &[id.into(), now.into(), note.into()])?;
            (Step::Parked, note)
        }
        DeliveryOutcome::FellOver { note, to } => {
            let sql = concat!(
                "UPDATE delivery SET endpoint = ?2, state = ",
                pending!(),
                ", attempts = 0, due_at = ?3, note = ?4 WHERE id = ?1 AND state ",
                is_open!()
            );
            tx.execute(sql, &[id.into(), to.into(), now.into(), note.into()])?;
            (Step::FellOver, note)
        }
    };
    let note = Some(note.as_str()).filter(|note| !note.is_empty());
    tracer.row(tx, attempt.message, Some(attempt.delivery), step, note)
}
