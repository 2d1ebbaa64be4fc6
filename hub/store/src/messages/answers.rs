//! Answers to senders: a sender that asks again, because the answer was lost, is answered again.

use hub_core::MessageId;

use super::documents::lane_number;
use super::trace::{Step, Tracer};
use crate::StoreError;
use crate::db::{Tx, first};

/// The lane that the answers to a message have for themselves.
#[must_use]
pub fn answer_lane(message: MessageId) -> String {
    format!("answer:{message}")
}

/// A message was sent again: the answer that went out to it goes out once more, under its own id. One
/// that is still on its way, or was never to be, is left alone. The dispatcher finds it with its second
/// look.
pub(super) fn answer_again(
    tx: &mut dyn Tx,
    tracer: Tracer<'_>,
    message: MessageId,
) -> Result<(), StoreError> {
    let newest = "SELECT MAX(id) FROM delivery WHERE message_id = ?1 AND lane = ?2";
    let lane = lane_number(&answer_lane(message));
    let answer = first(tx, newest, &[message.0.into(), lane.into()], |row| {
        row.opt_int(0)
    })?;
    let Some(answer) = answer.flatten() else {
        return Ok(());
    };
    let sql = concat!(
        "UPDATE delivery SET state = ",
        pending!(),
        ", due_at = 0, attempts = 0, finished_at = NULL WHERE id = ?1 AND state = ",
        delivered!()
    );
    if tx.execute(sql, &[answer.into()])? == 0 {
        return Ok(());
    }
    let (step, note) = (Step::Released, "its message was sent again");
    tracer.row(tx, message, Some(MessageId(answer)), step, Some(note))
}
