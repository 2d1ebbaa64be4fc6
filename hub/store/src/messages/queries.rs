//! What operators ask: where is my message?

use hub_core::{MessageId, Reported};
use hub_model::{Instant, Severity};
use rustc_hash::FxHashMap;

use super::outbox::DeliveryState;
use super::trace::Step;
use super::{MessageState, Store, reports};
use crate::StoreError;
use crate::db::{Row, Tx, all, first};

/// Which messages to list.
#[derive(Debug, Clone, Default)]
pub struct MessageFilter {
    /// Only of this enterprise.
    pub enterprise: Option<String>,
    /// Only from this source.
    pub source: Option<String>,
    /// Only in this state.
    pub state: Option<MessageState>,
    /// Only older than this one: the last of the page before.
    pub before: Option<MessageId>,
    /// At most so many.
    pub limit: usize,
}

/// A message as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageView {
    /// Its id.
    pub id: MessageId,
    /// The enterprise it is for.
    pub enterprise: String,
    /// Where it came from.
    pub source: String,
    /// The route that took it, once it was processed.
    pub route: Option<String>,
    /// File name, or what the transport calls it.
    pub name: String,
    /// The partner's own id.
    pub business_key: Option<String>,
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 of the content, in hexadecimal.
    pub content_sha256: String,
    /// Transport headers, one a line.
    pub headers: Option<String>,
    /// When it was accepted.
    pub received: Instant,
    /// When it was done.
    pub finished: Option<Instant>,
    /// Where it stands.
    pub state: MessageState,
    /// Records in it: applied and rejected.
    pub records: u64,
    /// Records applied.
    pub applied: u64,
    /// Findings of all kinds.
    pub findings: u64,
    /// Records rejected.
    pub rejected: u64,
    /// 1, and one more for each replay.
    pub run: i64,
}

/// One row of a message's trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceView {
    /// When.
    pub at: Instant,
    /// What.
    pub step: Step,
    /// The delivery it is about.
    pub delivery: Option<MessageId>,
    /// Details.
    pub note: Option<String>,
}

/// A stored finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FindingView {
    /// How bad it is.
    pub severity: Severity,
    /// Code for programs.
    pub code: String,
    /// Byte offset in the content.
    pub offset: u64,
    /// Line or row; 0 if unknown.
    pub line: u64,
    /// Sheet of a workbook.
    pub sheet: Option<String>,
    /// Field, column or path.
    pub field: Option<String>,
    /// What is wrong, and what would be valid.
    pub reason: String,
    /// How many records it stands for.
    pub rejects: u64,
}

/// A delivery as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryView {
    /// Its constant id.
    pub id: MessageId,
    /// The message that caused it.
    pub message_id: MessageId,
    /// The enterprise.
    pub enterprise: String,
    /// The route that made it.
    pub route: String,
    /// Where it goes.
    pub endpoint: String,
    /// The business object.
    pub subject: String,
    /// Where it stands.
    pub state: DeliveryState,
    /// Attempts so far.
    pub attempts: u32,
    /// When it was made.
    pub created: Instant,
    /// When it was delivered or parked.
    pub finished: Option<Instant>,
    /// Not before this instant, while it waits.
    pub due: Instant,
    /// What the endpoint said last.
    pub note: Option<String>,
    /// What became of it since the endpoint took it, as its partner reported: failed if any part of it
    /// did, arrived if all did. Only [`Store::deliveries_of`] looks.
    pub reported: Option<Reported>,
}

/// What is open: places and counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpenWork {
    /// Messages that are not done, by source.
    pub messages: Vec<WaitingWork>,
    /// Deliveries that are neither delivered nor set aside, by endpoint.
    pub deliveries: Vec<WaitingWork>,
}

/// What waits at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingWork {
    /// Whose it is.
    pub enterprise: String,
    /// The source or endpoint.
    pub place: String,
    /// How much waits.
    pub count: u64,
}

/// Sums over the store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// Messages by state, in the order of [`MessageState::ALL`].
    pub messages: [u64; 5],
    /// Deliveries by state, in the order of [`DeliveryState::ALL`].
    pub deliveries: [u64; 5],
}

macro_rules! message_columns {
    ($($rest:tt)*) => {
        concat!(
            "SELECT id, enterprise, source, route, name, business_key, size, content_hash, headers, received_at, \
             finished_at, state, records, applied, findings, rejected, run FROM message ",
            $($rest)*
        )
    };
}

macro_rules! delivery_columns {
    ($($rest:tt)*) => {
        concat!(
            "SELECT id, message_id, enterprise, route, endpoint, subject, state, attempts, created_at, finished_at, \
             due_at, note FROM delivery ",
            $($rest)*
        )
    };
}

impl Store {
    /// Messages, newest first.
    ///
    /// # Errors
    /// The database refused.
    pub async fn messages(&self, filter: MessageFilter) -> Result<Vec<MessageView>, StoreError> {
        self.db
            .read(move |tx| {
                let sql = message_columns!(
                    "WHERE (?1 IS NULL OR enterprise = ?1) AND (?2 IS NULL OR source = ?2) \
                     AND (?3 IS NULL OR state = ?3) AND id < ?4 ORDER BY id DESC LIMIT ?5"
                );
                let params = [
                    filter.enterprise.as_ref().into(),
                    filter.source.as_ref().into(),
                    filter.state.map(MessageState::code).into(),
                    filter.before.map_or(i64::MAX, |id| id.0).into(),
                    i64::try_from(filter.limit).unwrap_or(i64::MAX).into(),
                ];
                all(tx, sql, &params, read_message)
            })
            .await
    }

    /// One message.
    ///
    /// # Errors
    /// The database refused.
    pub async fn message(&self, id: MessageId) -> Result<Option<MessageView>, StoreError> {
        self.db
            .read(move |tx| {
                first(
                    tx,
                    message_columns!("WHERE id = ?1"),
                    &[id.0.into()],
                    read_message,
                )
            })
            .await
    }

    /// The trace of a message, oldest first.
    ///
    /// # Errors
    /// The database refused.
    pub async fn trace(&self, id: MessageId, limit: usize) -> Result<Vec<TraceView>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.db
            .read(move |tx| {
                let sql = "SELECT at, step, delivery_id, note FROM trace WHERE message_id = ?1 ORDER BY id LIMIT ?2";
                all(tx, sql, &[id.0.into(), limit.into()], |row| {
                    Ok(TraceView {
                        at: Instant::from_micros(row.int(0)?),
                        step: Step::from_code(row.int(1)?)?,
                        delivery: row.opt_int(2)?.map(MessageId),
                        note: row.opt_text(3)?.map(ToOwned::to_owned),
                    })
                })
            })
            .await
    }

    /// Findings of a message's last run.
    ///
    /// # Errors
    /// The database refused.
    pub async fn findings(
        &self,
        id: MessageId,
        limit: usize,
    ) -> Result<Vec<FindingView>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.db
            .read(move |tx| {
                let sql = "SELECT severity, code, byte_offset, line, sheet, field, reason, rejects FROM finding \
                           WHERE message_id = ?1 AND run = (SELECT run FROM message WHERE id = ?1) \
                           ORDER BY number LIMIT ?2";
                all(tx, sql, &[id.0.into(), limit.into()], read_finding)
            })
            .await
    }

    /// Deliveries that a message caused, with what their partners reported of them since.
    ///
    /// # Errors
    /// The database refused.
    pub async fn deliveries_of(
        &self,
        message: MessageId,
        limit: usize,
    ) -> Result<Vec<DeliveryView>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.db
            .read(move |tx| {
                let sql = delivery_columns!("WHERE message_id = ?1 ORDER BY id LIMIT ?2");
                let params = [message.0.into(), limit.into()];
                let mut deliveries = all(tx, sql, &params, read_delivery)?;
                let reported: FxHashMap<_, _> =
                    reports::reported(tx, message, limit)?.into_iter().collect();
                for delivery in &mut deliveries {
                    delivery.reported = reported.get(&delivery.id).copied();
                }
                Ok(deliveries)
            })
            .await
    }

    /// Parked deliveries, oldest first, of one endpoint or of all.
    ///
    /// # Errors
    /// The database refused.
    pub async fn parked(
        &self,
        endpoint: Option<String>,
        limit: usize,
    ) -> Result<Vec<DeliveryView>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.db
            .read(move |tx| {
                let sql = delivery_columns!(
                    "WHERE state ",
                    is_parked!(),
                    " AND (?1 IS NULL OR endpoint = ?1) ORDER BY id LIMIT ?2"
                );
                all(
                    tx,
                    sql,
                    &[endpoint.as_ref().into(), limit.into()],
                    read_delivery,
                )
            })
            .await
    }

    /// How many messages and deliveries there are in each state.
    ///
    /// # Errors
    /// The database refused.
    pub async fn totals(&self) -> Result<Totals, StoreError> {
        self.db
            .read(|tx| {
                let mut totals = Totals::default();
                count_states(
                    tx,
                    "SELECT state, COUNT(*) FROM message GROUP BY state",
                    &mut totals.messages,
                )?;
                count_states(
                    tx,
                    "SELECT state, COUNT(*) FROM delivery GROUP BY state",
                    &mut totals.deliveries,
                )?;
                Ok(totals)
            })
            .await
    }

    /// What is open, by source and by endpoint.
    ///
    /// # Errors
    /// The database refused.
    pub async fn open_work(&self) -> Result<OpenWork, StoreError> {
        self.db
            .read(|tx| {
                let read = |row: &dyn Row| -> Result<WaitingWork, StoreError> {
                    Ok(WaitingWork {
                        enterprise: row.text(0)?.to_owned(),
                        place: row.text(1)?.to_owned(),
                        count: row.int(2)?.cast_unsigned(),
                    })
                };
                let messages = concat!(
                    "SELECT enterprise, source, COUNT(*) FROM message WHERE state ",
                    is_open!(),
                    " GROUP BY enterprise, source"
                );
                let deliveries = concat!(
                    "SELECT enterprise, endpoint, COUNT(*) FROM delivery WHERE state ",
                    is_open!(),
                    " GROUP BY enterprise, endpoint"
                );
                Ok(OpenWork {
                    messages: all(tx, messages, &[], read)?,
                    deliveries: all(tx, deliveries, &[], read)?,
                })
            })
            .await
    }

    /// Whether nothing is left to process or to send.
    ///
    /// # Errors
    /// The database refused.
    pub async fn is_idle(&self) -> Result<bool, StoreError> {
        self.db
            .read(|tx| {
                let sql = concat!(
                    "SELECT CASE WHEN EXISTS (SELECT 1 FROM message WHERE state ",
                    is_open!(),
                    ") \
                     OR EXISTS (SELECT 1 FROM delivery WHERE state ",
                    is_open!(),
                    ") THEN 0 ELSE 1 END"
                );
                Ok(first(tx, sql, &[], |row| row.int(0))? == Some(1))
            })
            .await
    }
}

fn count_states(
    tx: &mut dyn Tx,
    sql: &'static str,
    counts: &mut [u64; 5],
) -> Result<(), StoreError> {
    tx.query(sql, &[], &mut |row| {
        if let Some(count) = usize::try_from(row.int(0)?)
            .ok()
            .and_then(|state| counts.get_mut(state))
        {
            *count = row.int(1)?.cast_unsigned();
        }
        Ok(())
    })
}

fn owned(text: Option<&str>) -> Option<String> {
    text.map(ToOwned::to_owned)
}

fn read_message(row: &dyn Row) -> Result<MessageView, StoreError> {
    let unsigned = |column| -> Result<u64, StoreError> { Ok(row.int(column)?.cast_unsigned()) };
    Ok(MessageView {
        id: MessageId(row.int(0)?),
        enterprise: row.text(1)?.to_owned(),
        source: row.text(2)?.to_owned(),
        route: owned(row.opt_text(3)?),
        name: row.text(4)?.to_owned(),
        business_key: owned(row.opt_text(5)?),
        size: unsigned(6)?,
        content_sha256: crate::content::hex(row.blob(7)?),
        headers: owned(row.opt_text(8)?),
        received: Instant::from_micros(row.int(9)?),
        finished: row.opt_int(10)?.map(Instant::from_micros),
        state: MessageState::from_code(row.int(11)?)?,
        records: unsigned(12)?,
        applied: unsigned(13)?,
        findings: unsigned(14)?,
        rejected: unsigned(15)?,
        run: row.int(16)?,
    })
}

pub(super) fn read_finding(row: &dyn Row) -> Result<FindingView, StoreError> {
    Ok(FindingView {
        severity: match row.int(0)? {
            0 => Severity::Warning,
            1 => Severity::Error,
            _ => Severity::Fatal,
        },
        code: row.text(1)?.to_owned(),
        offset: row.int(2)?.cast_unsigned(),
        line: row.int(3)?.cast_unsigned(),
        sheet: owned(row.opt_text(4)?),
        field: owned(row.opt_text(5)?),
        reason: row.text(6)?.to_owned(),
        rejects: row.int(7)?.cast_unsigned(),
    })
}

fn read_delivery(row: &dyn Row) -> Result<DeliveryView, StoreError> {
    Ok(DeliveryView {
        id: MessageId(row.int(0)?),
        message_id: MessageId(row.int(1)?),
        enterprise: row.text(2)?.to_owned(),
        route: row.text(3)?.to_owned(),
        endpoint: row.text(4)?.to_owned(),
        subject: row.text(5)?.to_owned(),
        state: DeliveryState::from_code(row.int(6)?)?,
        attempts: u32::try_from(row.int(7)?).unwrap_or(u32::MAX),
        created: Instant::from_micros(row.int(8)?),
        finished: row.opt_int(9)?.map(Instant::from_micros),
        due: Instant::from_micros(row.int(10)?),
        note: owned(row.opt_text(11)?),
        reported: None,
    })
}
