//! What partners say later of what they took: kept beside the deliveries, found by the partners' own
//! names for them. A report may come before the outcome of its delivery is written down, so the two
//! meet when somebody asks.

use hub_core::{DeliveryReport, MessageId, Reported};
use hub_model::Instant;

use super::Store;
use crate::StoreError;
use crate::db::{Row, Tx, all};

/// Most of what a partner says of one delivery that is kept, in characters.
const MAX_NOTE_CHARS: usize = 500;

/// A partner's own name for a delivery, and what it said of it, if anything yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportView {
    /// The delivery.
    pub delivery: MessageId,
    /// The message that caused it.
    pub message: MessageId,
    /// Where it went.
    pub endpoint: String,
    /// The partner's own name.
    pub reference: String,
    /// What was said.
    pub said: Option<Said>,
}

/// What a partner said, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// When we took it.
    pub at: Instant,
    /// What became of the delivery.
    pub outcome: Reported,
    /// In the partner's words.
    pub note: String,
    /// The message that said it.
    pub by: MessageId,
}

/// What became of a delivery after its partner took it: failed if any part of it did, arrived if all
/// did. `None` if nothing was said yet.
#[must_use]
pub fn reported(views: &[ReportView], delivery: MessageId) -> Option<Reported> {
    let of_delivery = || views.iter().filter(|view| view.delivery == delivery);
    let said = |view: &ReportView, outcome| {
        let is_it = |said: &Said| said.outcome == outcome;
        view.said.as_ref().is_some_and(is_it)
    };
    if of_delivery().all(|view| view.said.is_none()) {
        return None;
    }
    if of_delivery().any(|view| said(view, Reported::Failed)) {
        return Some(Reported::Failed);
    }
    let has_arrived = |reference: &str| {
        let mut named = of_delivery().filter(|view| view.reference == reference);
        named.any(|view| said(view, Reported::Arrived))
    };
    match of_delivery().all(|view| has_arrived(&view.reference)) {
        true => Some(Reported::Arrived),
        false => Some(Reported::UnderWay),
    }
}

/// Notes a partner's own names for a delivery.
pub(super) fn refer(
    tx: &mut dyn Tx,
    delivery: MessageId,
    references: &[String],
) -> Result<(), StoreError> {
    for reference in references {
        let sql = "INSERT INTO delivery_reference (enterprise, reference, delivery_id) \
                   SELECT enterprise, ?2, id FROM delivery WHERE id = ?1 \
                   ON CONFLICT (enterprise, reference, delivery_id) DO NOTHING";
        tx.execute(sql, &[delivery.0.into(), reference.into()])?;
    }
    Ok(())
}

/// Keeps what a message says of deliveries.
pub(super) fn store(
    tx: &mut dyn Tx,
    enterprise: &str,
    by: MessageId,
    now: Instant,
    reports: &[DeliveryReport],
) -> Result<(), StoreError> {
    for report in reports {
        let sql = "INSERT INTO delivery_report (enterprise, reference, message_id, at, outcome, note) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
                   ON CONFLICT (enterprise, reference, message_id) DO NOTHING";
        let note: String = report.note.chars().take(MAX_NOTE_CHARS).collect();
        let params = [
            enterprise.into(),
            (&report.reference).into(),
            by.0.into(),
            now.micros().into(),
            (report.outcome as i64).into(),
            (&note).into(),
        ];
        tx.execute(sql, &params)?;
    }
    Ok(())
}

macro_rules! report_columns {
    ($($rest:tt)*) => {
        concat!(
            "SELECT d.id, d.message_id, d.endpoint, r.reference, p.at, p.outcome, p.note, p.message_id ",
            $($rest)*
        )
    };
}

impl Store {
    /// The partners' names for the deliveries of a message, with what was said of each, oldest
    /// first.
    ///
    /// # Errors
    /// The database refused.
    pub async fn reports_of(
        &self,
        message: MessageId,
        limit: usize,
    ) -> Result<Vec<ReportView>, StoreError> {
        let sql = report_columns!(
            "FROM delivery d JOIN delivery_reference r ON r.delivery_id = d.id \
             LEFT JOIN delivery_report p ON p.enterprise = r.enterprise AND p.reference = r.reference \
             WHERE d.message_id = ?1 ORDER BY d.id, p.at, r.reference LIMIT ?2"
        );
        self.reports(sql, message, limit).await
    }

    /// What a message says of deliveries.
    ///
    /// # Errors
    /// The database refused.
    pub async fn reports_by(
        &self,
        message: MessageId,
        limit: usize,
    ) -> Result<Vec<ReportView>, StoreError> {
        let sql = report_columns!(
            "FROM delivery_report p JOIN delivery_reference r \
             ON r.enterprise = p.enterprise AND r.reference = p.reference \
             JOIN delivery d ON d.id = r.delivery_id \
             WHERE p.message_id = ?1 ORDER BY d.id, r.reference LIMIT ?2"
        );
        self.reports(sql, message, limit).await
    }

    async fn reports(
        &self,
        sql: &'static str,
        message: MessageId,
        limit: usize,
    ) -> Result<Vec<ReportView>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.db
            .read(move |tx| all(tx, sql, &[message.0.into(), limit.into()], read))
            .await
    }
}

fn read(row: &dyn Row) -> Result<ReportView, StoreError> {
    let said = match row.opt_int(7)? {
        None => None,
        Some(by) => Some(Said {
            at: Instant::from_micros(row.int(4)?),
            outcome: outcome(row.int(5)?)?,
            note: row.text(6)?.to_owned(),
            by: MessageId(by),
        }),
    };
    Ok(ReportView {
        delivery: MessageId(row.int(0)?),
        message: MessageId(row.int(1)?),
        endpoint: row.text(2)?.to_owned(),
        reference: row.text(3)?.to_owned(),
        said,
    })
}

pub(super) fn outcome(code: i64) -> Result<Reported, StoreError> {
    let position = usize::try_from(code).ok();
    position
        .and_then(|position| Reported::ALL.get(position).copied())
        .ok_or_else(|| StoreError::Damaged(format!("reported outcome {code}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(reference: &str, outcome: Option<Reported>) -> ReportView {
        ReportView {
            delivery: MessageId(1),
            message: MessageId(2),
            endpoint: "sms".into(),
            reference: reference.into(),
            said: outcome.map(|outcome| Said {
                at: Instant::EPOCH,
                outcome,
                note: String::new(),
                by: MessageId(3),
            }),
        }
    }

    #[test]
    fn a_delivery_arrived_when_all_its_parts_did() {
        use Reported::{Arrived, Failed, UnderWay};
        let delivery = MessageId(1);
        let of = |views: &[ReportView]| reported(views, delivery);
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[view("a", None), view("b", None)]), None);
        let half = [view("a", Some(Arrived)), view("b", None)];
        assert_eq!(of(&half), Some(UnderWay));
        let later = [view("a", Some(UnderWay)), view("a", Some(Arrived))];
        assert_eq!(of(&later), Some(Arrived));
        let failed = [view("a", Some(Arrived)), view("b", Some(Failed))];
        assert_eq!(of(&failed), Some(Failed));
        assert_eq!(reported(&later, MessageId(9)), None);
    }
}
