//! The thread of a message: everything that happened to the work orders it is about, over all
//! messages and deliveries, in the order it happened.

use hub_core::MessageId;
use hub_model::Instant;

use super::outbox::DeliveryState;
use super::{Store, reports};
use crate::StoreError;
use crate::db::{Row, Tx, Value, all};

/// Work orders of a message whose thread is followed; a file with more has its own list of them.
const MAX_ORDERS: i64 = 20;

/// One thing that happened in a thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThreadView {
    /// When.
    pub at: Instant,
    /// The message that did it, or that caused the delivery.
    pub message: MessageId,
    /// The delivery, if it is about one.
    pub delivery: Option<MessageId>,
    /// The business object, `work_order:4711` say.
    pub subject: String,
    /// What happened, in a few words.
    pub what: String,
}

impl Store {
    /// The thread of a message, oldest first; empty if it is about no work order.
    ///
    /// # Errors
    /// The database refused.
    pub async fn thread(
        &self,
        message: MessageId,
        limit: usize,
    ) -> Result<Vec<ThreadView>, StoreError> {
        let mut thread = self.db.read(move |tx| thread(tx, message, limit)).await?;
        thread.sort_by_key(|view| (view.at, view.message, view.delivery));
        thread.truncate(limit);
        Ok(thread)
    }
}

fn thread(
    tx: &mut dyn Tx,
    message: MessageId,
    limit: usize,
) -> Result<Vec<ThreadView>, StoreError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut thread = Vec::new();
    for (enterprise, number) in orders(tx, message)? {
        let params: [Value<'_>; 3] = [enterprise.into(), (&number).into(), limit.into()];
        thread.extend(all(tx, STEPS, &params, |row| step(row, &number))?);
        thread.extend(all(tx, DELIVERIES, &params, |row| delivery(row, &number))?);
        thread.extend(all(tx, REPORTS, &params, |row| report(row, &number))?);
    }
    Ok(thread)
}

/// The work orders that a message changed, or that the deliveries were about which it reports on:
/// enterprise and number.
fn orders(tx: &mut dyn Tx, message: MessageId) -> Result<Vec<(i64, String)>, StoreError> {
    let sql = "SELECT enterprise_id, number FROM work_order_step WHERE message_id = ?1 \
               UNION SELECT s.enterprise_id, s.number FROM delivery_report p \
               JOIN delivery_reference r ON r.enterprise = p.enterprise AND r.reference = p.reference \
               JOIN delivery d ON d.id = r.delivery_id \
               JOIN work_order_step s ON s.message_id = d.message_id \
               AND d.subject = 'work_order:' || s.number WHERE p.message_id = ?1 \
               ORDER BY 2 LIMIT ?2";
    all(tx, sql, &[message.0.into(), MAX_ORDERS.into()], |row| {
        Ok((row.int(0)?, row.text(1)?.to_owned()))
    })
}

const STEPS: &str = "SELECT s.at, s.message_id, s.from_status, s.to_status, m.source, m.name \
     FROM work_order_step s JOIN message m ON m.id = s.message_id \
     WHERE s.enterprise_id = ?1 AND s.number = ?2 ORDER BY s.seq LIMIT ?3";

fn step(row: &dyn Row, number: &str) -> Result<ThreadView, StoreError> {
    let (to, source, name) = (row.text(3)?, row.text(4)?, row.text(5)?);
    let change = match row.opt_text(2)? {
        Some(from) => format!("{from} -> {to}"),
        None => to.to_owned(),
    };
    let name = match name {
        "" => String::new(),
        name => format!(", `{name}`"),
    };
    Ok(ThreadView {
        at: Instant::from_micros(row.int(0)?),
        message: MessageId(row.int(1)?),
        delivery: None,
        subject: subject(number),
        what: format!("{change}, by source `{source}`{name}"),
    })
}

const DELIVERIES: &str = "SELECT DISTINCT d.id, d.message_id, d.endpoint, d.state, d.created_at, d.finished_at \
     FROM work_order_step s JOIN delivery d ON d.message_id = s.message_id \
     AND d.subject = 'work_order:' || s.number \
     WHERE s.enterprise_id = ?1 AND s.number = ?2 ORDER BY d.id LIMIT ?3";

fn delivery(row: &dyn Row, number: &str) -> Result<ThreadView, StoreError> {
    let (endpoint, state) = (row.text(2)?, DeliveryState::from_code(row.int(3)?)?);
    let at = row.opt_int(5)?.unwrap_or(row.int(4)?);
    Ok(ThreadView {
        at: Instant::from_micros(at),
        message: MessageId(row.int(1)?),
        delivery: Some(MessageId(row.int(0)?)),
        subject: subject(number),
        what: format!("{} to sink `{endpoint}`", state.as_str()),
    })
}

const REPORTS: &str = "SELECT DISTINCT p.at, p.message_id, d.id, p.outcome, p.note, d.endpoint \
     FROM work_order_step s JOIN delivery d ON d.message_id = s.message_id \
     AND d.subject = 'work_order:' || s.number \
     JOIN delivery_reference r ON r.delivery_id = d.id \
     JOIN delivery_report p ON p.enterprise = r.enterprise AND p.reference = r.reference \
     WHERE s.enterprise_id = ?1 AND s.number = ?2 ORDER BY p.at LIMIT ?3";

fn report(row: &dyn Row, number: &str) -> Result<ThreadView, StoreError> {
    let (outcome, note) = (reports::outcome(row.int(3)?)?, row.text(4)?);
    let note = match note {
        "" => String::new(),
        note => format!(": {note}"),
    };
    Ok(ThreadView {
        at: Instant::from_micros(row.int(0)?),
        message: MessageId(row.int(1)?),
        delivery: Some(MessageId(row.int(2)?)),
        subject: subject(number),
        what: format!(
            "reported {} after sink `{}`{note}",
            outcome.as_str(),
            row.text(5)?
        ),
    })
}

fn subject(number: &str) -> String {
    format!("work_order:{number}")
}
