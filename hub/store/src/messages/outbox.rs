//! The outbox: deliveries, each to one endpoint, in lanes.

use std::path::PathBuf;

use bytes::Bytes;
use hub_core::{Headers, MessageId};
use hub_model::Instant;

use super::Store;
use super::trace::{Step, Tracer};
use crate::StoreError;
use crate::content::Hash;
use crate::db::{Row, all, first};

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeliveryState {
    /// Waits for its turn, or for the next attempt.
    Pending,
    /// Taken by the dispatcher.
    Sending,
    /// Set aside (dead letter).
    Parked,
    /// The endpoint took it.
    Delivered,
    /// Given up by an operator.
    Discarded,
}

impl DeliveryState {
    /// All of them; the position is the number in the database.
    pub const ALL: [Self; 5] = [
        Self::Pending,
        Self::Sending,
        Self::Parked,
        Self::Delivered,
        Self::Discarded,
    ];

    /// Our word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Sending => "sending",
            Self::Parked => "parked",
            Self::Delivered => "delivered",
            Self::Discarded => "discarded",
        }
    }

    pub(super) fn from_code(code: i64) -> Result<Self, StoreError> {
        usize::try_from(code)
            .ok()
            .and_then(|i| Self::ALL.get(i).copied())
            .ok_or_else(|| StoreError::Damaged(format!("delivery state {code}")))
    }
}

/// Where the bytes of a delivery are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryBody {
    /// Here.
    Bytes(Bytes),
    /// In the store, under this id: see [`Store::body`].
    Stored {
        /// The id of the delivery or of its message.
        id: MessageId,
    },
    /// In a file of the content store.
    File {
        /// Its path.
        path: PathBuf,
        /// Its length.
        len: u64,
    },
    /// In parts: see [`Store::parts`].
    Parts {
        /// The document that they make.
        document: i64,
    },
}

/// A delivery that is not done.
#[derive(Debug, Clone)]
pub struct PendingDelivery {
    /// Constant over all attempts.
    pub id: MessageId,
    /// The message that caused it.
    pub message_id: MessageId,
    /// The enterprise.
    pub enterprise: String,
    /// The route that made it.
    pub route: String,
    /// Deliveries of one lane go one after the other.
    pub lane: i64,
    /// The business object.
    pub subject: String,
    /// Name of the incoming message.
    pub source_name: String,
    /// Media type of the body.
    pub media_type: String,
    /// File extension of the body.
    pub extension: String,
    /// Attempts so far.
    pub attempts: u32,
    /// Not before this instant.
    pub due: Instant,
    /// When it was made.
    pub created: Instant,
    /// Whether no older one of its lane was open when this was read.
    pub is_head: bool,
    /// Further headers: its own, or those of the message that it passes on.
    pub headers: Headers,
    /// The body.
    pub body: DeliveryBody,
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryOutcome {
    /// The endpoint took it.
    Delivered {
        /// What the endpoint said.
        note: String,
        /// Its own names for what it took: see [`hub_core::Sent::references`].
        references: Vec<String>,
    },
    /// It will be tried again.
    Failed {
        /// Why.
        note: String,
        /// When.
        due: Instant,
        /// Whether the attempt counts towards parking.
        counts: bool,
    },
    /// It is set aside.
    Parked {
        /// Why.
        note: String,
    },
    /// It goes to another endpoint instead.
    FellOver {
        /// Why.
        note: String,
        /// The other endpoint.
        to: String,
    },
}

impl DeliveryOutcome {
    /// Why it was not taken; `None` if it was.
    #[must_use]
    pub fn trouble(&self) -> Option<&str> {
        match self {
            Self::Delivered { .. } => None,
            Self::Failed { note, .. } | Self::Parked { note } | Self::FellOver { note, .. } => {
                Some(note)
            }
        }
    }
}

// A condition that repeats the one of `delivery_lane` word for word lets the database use that
// index; without it, it would walk through all that is open, or parked, of every lane.
/// The columns of a delivery. Bodies up to 4 KiB come with it; larger ones are read when they are
/// sent, so that the deliveries that wait in memory stay small.
macro_rules! delivery_columns {
    ($($rest:tt)*) => {
        concat!(
            "SELECT d.id, d.message_id, d.enterprise, d.route, d.lane, d.subject, d.source_name, d.media_type, \
             d.extension, d.attempts, d.due_at, d.created_at, d.body, CASE WHEN LENGTH(c.bytes) <= 4096 THEN c.bytes END, m.content_hash, m.size, d.document, \
             CASE WHEN EXISTS (SELECT 1 FROM delivery o WHERE o.endpoint = d.endpoint AND o.lane = d.lane \
             AND o.id < d.id AND o.state ", is_in_lane!(), " AND o.state ", is_not_parked!(), ") THEN 0 ELSE 1 END, c.id, \
             CASE d.body WHEN 1 THEN m.headers ELSE d.headers END \
             FROM delivery d JOIN message m ON m.id = d.message_id \
             LEFT JOIN content c ON c.id = CASE d.body WHEN 1 THEN d.message_id ELSE d.id END ",
            $($rest)*
        )
    };
}

const OPEN_DELIVERIES: &str = delivery_columns!(
    "WHERE d.endpoint = ?1 AND d.id > ?2 AND d.enterprise = ?4 AND d.state ",
    is_open!(),
    " ORDER BY d.id LIMIT ?3"
);
/// The same without what stands behind a parked delivery in its lane.
const OPEN_NOT_BEHIND_PARKED: &str = delivery_columns!(
    "WHERE d.endpoint = ?1 AND d.id > ?2 AND d.enterprise = ?4 AND d.state ",
    is_open!(),
    " AND NOT EXISTS (SELECT 1 FROM delivery p \
     WHERE p.endpoint = d.endpoint AND p.lane = d.lane AND p.id < d.id AND p.state ",
    is_in_lane!(),
    " AND p.state ",
    is_parked!(),
    ") ORDER BY d.id LIMIT ?3"
);
const OPEN_OF_LANE: &str = delivery_columns!(
    "WHERE d.endpoint = ?1 AND d.lane = ?2 AND d.id > ?3 AND d.enterprise = ?5 AND d.state ",
    is_in_lane!(),
    " AND d.state ",
    is_not_parked!(),
    " ORDER BY d.id LIMIT ?4"
);
const OPEN_OF_LANE_NOT_BEHIND_PARKED: &str = delivery_columns!(
    "WHERE d.endpoint = ?1 AND d.lane = ?2 AND d.id > ?3 AND d.enterprise = ?5 AND d.state ",
    is_in_lane!(),
    " AND d.state ",
    is_not_parked!(),
    " \
     AND NOT EXISTS (SELECT 1 FROM delivery p WHERE p.endpoint = d.endpoint AND p.lane = d.lane AND p.id < d.id \
     AND p.state ",
    is_in_lane!(),
    " AND p.state ",
    is_parked!(),
    ") ORDER BY d.id LIMIT ?4"
);

impl Store {
    /// The next open deliveries of an enterprise's endpoint, oldest first, after `after`; without
    /// those behind a parked one of their lane, if lanes wait for parked deliveries.
    ///
    /// # Errors
    /// The database refused.
    pub async fn open_deliveries(
        &self,
        enterprise: &str,
        endpoint: &str,
        after: Option<MessageId>,
        limit: usize,
        lanes_wait: bool,
    ) -> Result<Vec<PendingDelivery>, StoreError> {
        let (enterprise, endpoint) = (enterprise.to_owned(), endpoint.to_owned());
        let store = self.clone();
        let (after, limit) = (
            after.map_or(i64::MIN, |id| id.0),
            i64::try_from(limit).unwrap_or(i64::MAX),
        );
        self.db
            .read(move |tx| {
                let params = [
                    endpoint.as_str().into(),
                    after.into(),
                    limit.into(),
                    enterprise.as_str().into(),
                ];
                let sql = if lanes_wait {
                    OPEN_NOT_BEHIND_PARKED
                } else {
                    OPEN_DELIVERIES
                };
                all(tx, sql, &params, |row| store.read_delivery(row))
            })
            .await
    }

    /// The next open deliveries of one lane, after `after`; without those behind a parked one, if
    /// lanes wait for parked deliveries.
    ///
    /// # Errors
    /// The database refused.
    pub async fn open_deliveries_of_lane(
        &self,
        enterprise: &str,
        endpoint: &str,
        lane: i64,
        after: Option<MessageId>,
        limit: usize,
        lanes_wait: bool,
    ) -> Result<Vec<PendingDelivery>, StoreError> {
        let (enterprise, endpoint) = (enterprise.to_owned(), endpoint.to_owned());
        let store = self.clone();
        let (after, limit) = (
            after.map_or(i64::MIN, |id| id.0),
            i64::try_from(limit).unwrap_or(i64::MAX),
        );
        self.db
            .read(move |tx| {
                let params = [
                    endpoint.as_str().into(),
                    lane.into(),
                    after.into(),
                    limit.into(),
                    enterprise.as_str().into(),
                ];
                let sql = if lanes_wait {
                    OPEN_OF_LANE_NOT_BEHIND_PARKED
                } else {
                    OPEN_OF_LANE
                };
                all(tx, sql, &params, |row| store.read_delivery(row))
            })
            .await
    }

    /// A body that did not come with its delivery.
    ///
    /// # Errors
    /// The database refused, or the body is gone.
    pub async fn body(&self, id: MessageId) -> Result<Bytes, StoreError> {
        let body = self.db.read(move |tx| {
            let sql = "SELECT bytes FROM content WHERE id = ?1";
            first(tx, sql, &[id.0.into()], |row| {
                Ok(Bytes::copy_from_slice(row.blob(0)?))
            })
        });
        body.await?
            .ok_or_else(|| StoreError::Damaged(format!("the body of {id} is gone")))
    }

    /// Length of a document made in parts, in bytes.
    ///
    /// # Errors
    /// The database refused.
    pub async fn parts_len(&self, document: i64) -> Result<u64, StoreError> {
        let len = self.db.read(move |tx| {
            let sql = "SELECT SUM(size) FROM document_part WHERE document = ?1";
            first(tx, sql, &[document.into()], |row| row.opt_int(0))
        });
        Ok(len.await?.flatten().unwrap_or_default().cast_unsigned())
    }

    /// One part after another of a document made in parts: the next after `after`, with its number.
    ///
    /// # Errors
    /// The database refused.
    pub async fn part(
        &self,
        document: i64,
        after: i64,
    ) -> Result<Option<(i64, Vec<u8>)>, StoreError> {
        self.db
            .read(move |tx| {
                let sql = "SELECT number, bytes FROM document_part \
                           WHERE document = ?1 AND number > ?2 ORDER BY number LIMIT 1";
                let params = [document.into(), after.into()];
                first(tx, sql, &params, |row| {
                    Ok((row.int(0)?, row.blob(1)?.to_owned()))
                })
            })
            .await
    }

    /// Puts a parked delivery back in its lane. Returns its endpoint, or `None` if it is not parked.
    ///
    /// # Errors
    /// The database refused.
    pub async fn release(
        &self,
        id: MessageId,
        who_and_why: String,
    ) -> Result<Option<String>, StoreError> {
        self.operate(
            id,
            concat!(
                "UPDATE delivery SET state = ",
                pending!(),
                ", due_at = 0, attempts = 0, finished_at = NULL \
                 WHERE id = ?1 AND state ",
                is_parked!()
            ),
            Step::Released,
            who_and_why,
        )
        .await
    }

    /// Gives a parked delivery up. Returns its endpoint, or `None` if it is not parked.
    ///
    /// # Errors
    /// The database refused.
    pub async fn discard(
        &self,
        id: MessageId,
        who_and_why: String,
    ) -> Result<Option<String>, StoreError> {
        self.operate(
            id,
            concat!(
                "UPDATE delivery SET state = ",
                discarded!(),
                " WHERE id = ?1 AND state ",
                is_parked!()
            ),
            Step::Discarded,
            who_and_why,
        )
        .await
    }

    /// Sends a finished delivery once more, under its constant id. Returns its endpoint, or `None`
    /// if there is no finished delivery of this id.
    ///
    /// # Errors
    /// The database refused.
    pub async fn resend(
        &self,
        id: MessageId,
        who_and_why: String,
    ) -> Result<Option<String>, StoreError> {
        self.operate(
            id,
            concat!(
                "UPDATE delivery SET state = ",
                pending!(),
                ", due_at = 0, attempts = 0, finished_at = NULL \
                 WHERE id = ?1 AND state ",
                is_settled!()
            ),
            Step::Replayed,
            who_and_why,
        )
        .await
    }

    async fn operate(
        &self,
        id: MessageId,
        sql: &'static str,
        step: Step,
        who_and_why: String,
    ) -> Result<Option<String>, StoreError> {
        let (ids, now) = (self.ids.clone(), self.clock.now());
        self.db
            .write(move |tx| {
                if tx.execute(sql, &[id.0.into()])? == 0 {
                    return Ok(None);
                }
                let about = "SELECT message_id, endpoint FROM delivery WHERE id = ?1";
                let found = first(tx, about, &[id.0.into()], |row| {
                    Ok((MessageId(row.int(0)?), row.text(1)?.to_owned()))
                })?;
                let Some((message, endpoint)) = found else {
                    return Ok(None);
                };
                Tracer { ids: &ids, now }.row(tx, message, Some(id), step, Some(&who_and_why))?;
                Ok(Some(endpoint))
            })
            .await
    }

    fn read_delivery(&self, row: &dyn Row) -> Result<PendingDelivery, StoreError> {
        Ok(PendingDelivery {
            id: MessageId(row.int(0)?),
            message_id: MessageId(row.int(1)?),
            enterprise: row.text(2)?.to_owned(),
            route: row.text(3)?.to_owned(),
            lane: row.int(4)?,
            subject: row.text(5)?.to_owned(),
            source_name: row.text(6)?.to_owned(),
            media_type: row.text(7)?.to_owned(),
            extension: row.text(8)?.to_owned(),
            attempts: u32::try_from(row.int(9)?).unwrap_or(u32::MAX),
            due: Instant::from_micros(row.int(10)?),
            created: Instant::from_micros(row.int(11)?),
            is_head: row.int(17)? != 0,
            headers: super::inbox::headers(row.opt_text(19)?),
            body: self.read_body(row)?,
        })
    }

    fn read_body(&self, row: &dyn Row) -> Result<DeliveryBody, StoreError> {
        if row.int(12)? == BODY_PARTS {
            let document = row.int(16)?;
            return Ok(DeliveryBody::Parts { document });
        }
        if let Some(bytes) = row.opt_blob(13)? {
            return Ok(DeliveryBody::Bytes(Bytes::copy_from_slice(bytes)));
        }
        if let Some(id) = row.opt_int(18)? {
            return Ok(DeliveryBody::Stored { id: MessageId(id) });
        }
        let hash: Hash = super::inbox::hash(row.blob(14)?)?;
        Ok(DeliveryBody::File {
            path: self.content.path(&hash),
            len: row.int(15)?.cast_unsigned(),
        })
    }
}

/// The body is its own row in `content`.
pub(super) const BODY_OWN: i64 = 0;
/// The body is the content of its message.
pub(super) const BODY_MESSAGE: i64 = 1;
/// The body is made of the parts of a document.
pub(super) const BODY_PARTS: i64 = 2;
