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

/// Notes a partner's own names for a delivery that it took just `now`, which is when the delivery is
/// finished.
pub(super) fn refer(
    tx: &mut dyn Tx,
    delivery: MessageId,
    references: &[String],
    now: Instant,
) -> Result<(), StoreError> {
    for reference in references {
        let sql = "INSERT INTO delivery_reference (enterprise, reference, delivery_id, sent_at) \
                   SELECT enterprise, ?2, id, ?3 FROM delivery WHERE id = ?1 \
                   ON CONFLICT (enterprise, reference, delivery_id) DO UPDATE SET sent_at = ?3";
        let params = [delivery.0.into(), reference.into(), now.micros().into()];
        tx.execute(sql, &params)?;
    }
    Ok(())
}

/// What one delivery's references are told of, each with whether any word of it says "failed",
/// "arrived", or anything. Only what the partner called it when it last took it counts, and only what
/// was said since the delivery was made, or sent once more: partners use their names again.
const REPORTED: &str = concat!(
    "SELECT delivery_id, MAX(failed), MIN(arrived) FROM ( \
     SELECT r.delivery_id AS delivery_id, r.reference AS reference, \
     MAX(CASE p.outcome WHEN ",
    failed!(),
    " THEN 1 ELSE 0 END) AS failed, MAX(CASE p.outcome WHEN ",
    arrived!(),
    " THEN 1 ELSE 0 END) AS arrived, COUNT(p.outcome) AS words \
     FROM delivery d JOIN delivery_reference r ON r.delivery_id = d.id AND r.sent_at = d.finished_at \
     LEFT JOIN delivery_report p ON p.enterprise = r.enterprise AND p.reference = r.reference \
     AND p.at >= d.created_at AND p.at >= COALESCE((SELECT MAX(t.at) FROM trace t \
     WHERE t.delivery_id = d.id AND t.step = ",
    replayed!(),
    "), 0) WHERE d.id IN (SELECT id FROM delivery WHERE message_id = ?1 ORDER BY id LIMIT ?2) \
     AND d.state = ",
    delivered!(),
    " GROUP BY r.delivery_id, r.reference) AS said GROUP BY delivery_id HAVING MAX(words) > 0"
);

/// What became of the first `limit` deliveries of a message after their partners took them: failed if
/// any part of one did, arrived if all did. Those of which nothing was said yet are left out.
pub(super) fn reported(
    tx: &mut dyn Tx,
    message: MessageId,
    limit: i64,
) -> Result<Vec<(MessageId, Reported)>, StoreError> {
    all(tx, REPORTED, &[message.0.into(), limit.into()], |row| {
        let outcome = match (row.int(1)?, row.int(2)?) {
            (0, 0) => Reported::UnderWay,
            (0, _) => Reported::Arrived,
            _ => Reported::Failed,
        };
        Ok((MessageId(row.int(0)?), outcome))
    })
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
    /// The partners' names for the deliveries of a message, with what was said of each since the
    /// delivery was made, oldest first. A name stands once for each thing that was said.
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
             AND p.at >= d.created_at WHERE d.message_id = ?1 ORDER BY d.id, p.at, r.reference LIMIT ?2"
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
             WHERE p.message_id = ?1 AND p.at >= d.created_at ORDER BY d.id, r.reference LIMIT ?2"
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
