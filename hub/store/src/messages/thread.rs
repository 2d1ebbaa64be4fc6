//! The thread of a message: everything that happened to the work orders it is about, over all
//! messages and deliveries, in the order it happened.

use hub_core::MessageId;
use hub_model::Instant;

use super::outbox::DeliveryState;
use super::{Store, reports};
use crate::StoreError;
use crate::db::{Row, Tx, Value, all, first};

/// Work orders of a message whose thread is followed: of a file with thousands nobody reads them all.
const MAX_ORDERS: usize = 20;

/// The thread of a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Thread {
    /// What happened, oldest first.
    pub steps: Vec<ThreadView>,
    /// Whether more happened than is told here.
    pub more: bool,
    /// Work orders that the message is about.
    pub orders: u64,
    /// Those of them that are followed here, by number: fewer if they are many.
    pub followed: u64,
}

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
    /// The thread of a message; empty if it is about no work order.
    ///
    /// # Errors
    /// The database refused.
    pub async fn thread(&self, message: MessageId, limit: usize) -> Result<Thread, StoreError> {
        let mut thread = self.db.read(move |tx| thread(tx, message, limit)).await?;
        let steps = &mut thread.steps;
        steps.sort_by_key(|view| (view.at, view.message, view.delivery));
        thread.more = steps.len() > limit;
        steps.truncate(limit);
        Ok(thread)
    }
}

fn thread(tx: &mut dyn Tx, message: MessageId, limit: usize) -> Result<Thread, StoreError> {
    // One more than is told: whether there is one.
    let limit = i64::try_from(limit.saturating_add(1)).unwrap_or(i64::MAX);
    let orders = orders(tx, message)?;
    let mut thread = Thread {
        orders: count_orders(tx, message, orders.len())?,
        followed: orders.len() as u64,
        ..Thread::default()
    };
    for (enterprise, number) in orders {
        let params: [Value<'_>; 3] = [enterprise.into(), (&number).into(), limit.into()];
        let steps = &mut thread.steps;
        steps.extend(all(tx, STEPS, &params, |row| step(row, &number))?);
        steps.extend(all(tx, DELIVERIES, &params, |row| delivery(row, &number))?);
        steps.extend(all(tx, REPORTS, &params, |row| report(row, &number))?);
    }
    Ok(thread)
}

/// The work orders that a message changed, or that the deliveries were about which it reports on:
/// enterprise and number.
macro_rules! orders {
    () => {
        "SELECT enterprise_id, number FROM work_order_step WHERE message_id = ?1 \
         UNION SELECT s.enterprise_id, s.number FROM delivery_report p \
         JOIN delivery_reference r ON r.enterprise = p.enterprise AND r.reference = p.reference \
         JOIN delivery d ON d.id = r.delivery_id AND p.at >= d.created_at \
         JOIN enterprise e ON e.name = d.enterprise \
         JOIN work_order_step s ON s.message_id = d.message_id AND s.enterprise_id = e.id \
         AND d.subject LIKE 'work_order:%' AND s.number = SUBSTR(d.subject, 12) WHERE p.message_id = ?1"
    };
}

/// Those that are followed: the first by number.
fn orders(tx: &mut dyn Tx, message: MessageId) -> Result<Vec<(i64, String)>, StoreError> {
    let sql = concat!(orders!(), " ORDER BY 2 LIMIT ?2");
    let limit = i64::try_from(MAX_ORDERS).unwrap_or(i64::MAX);
    all(tx, sql, &[message.0.into(), limit.into()], |row| {
        Ok((row.int(0)?, row.text(1)?.to_owned()))
    })
}

/// How many there are. Only a message with more than are followed is counted through.
fn count_orders(tx: &mut dyn Tx, message: MessageId, followed: usize) -> Result<u64, StoreError> {
    if followed < MAX_ORDERS {
        return Ok(followed as u64);
    }
    let sql = concat!("SELECT COUNT(*) FROM (", orders!(), ") AS orders");
    let count = first(tx, sql, &[message.0.into()], |row| row.int(0))?;
    Ok(count.unwrap_or_default().cast_unsigned())
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
     AND p.at >= d.created_at WHERE s.enterprise_id = ?1 AND s.number = ?2 ORDER BY p.at LIMIT ?3";

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema;

    /// How the database goes about a query, a step a line.
    fn plan(sql: &str) -> String {
        let mut database = rusqlite::Connection::open_in_memory().unwrap();
        schema::migrate(&mut database).unwrap();
        let mut plan = database
            .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
            .unwrap();
        let columns = plan.parameter_count();
        let steps = plan.query_map(rusqlite::params_from_iter(vec![1; columns]), |row| {
            row.get::<_, String>(3)
        });
        let steps: Vec<_> = steps.unwrap().map(Result::unwrap).collect();
        steps.join("\n")
    }

    /// A message may have a hundred thousand deliveries, and an order a few of them.
    #[test]
    fn a_thread_is_found_by_indexes() {
        let by_subject = "USING INDEX delivery_subject (message_id=? AND subject=?)";
        for sql in [DELIVERIES, REPORTS] {
            let plan = plan(sql);
            assert!(plan.contains(by_subject), "{plan}");
        }
        for sql in [STEPS, DELIVERIES, REPORTS, orders!()] {
            let plan = plan(sql);
            assert!(!plan.contains("SCAN"), "{plan}");
        }
        let by_number = "(message_id=? AND enterprise_id=? AND number=?)";
        let plan = plan(orders!());
        assert!(plan.contains(by_number), "{plan}");
    }
}
