//! The inbox: the durable claim of a message (EIP: Idempotent Receiver), and what is still to do.

use hub_core::{DeliveryReport, Headers, MessageId};
use hub_model::Instant;
use sha2::{Digest, Sha256};

use super::trace::{Step, Tracer};
use super::{AtOnce, MessageState, Store, answers, reports};
use crate::StoreError;
use crate::content::{Hash, Staged};
use crate::db::{Row, Tx, Value, all, first};

/// Messages handed out at once; more would only wait in memory.
const MAX_OPEN_BATCH: i64 = 256;
/// Headers kept of a message, in bytes of text; more are dropped.
const MAX_HEADER_BYTES: usize = 16 * 1024;

/// A message to accept. Its content is staged already.
#[derive(Clone)]
pub struct NewMessage {
    /// The enterprise it is for.
    pub enterprise: String,
    /// The source it came from.
    pub source: String,
    /// File name, or what the transport calls it.
    pub name: String,
    /// Transport headers.
    pub headers: Headers,
    /// Media type, if known.
    pub media_type: Option<String>,
    /// The partner's own id. Without one the content is the identity.
    pub business_key: Option<String>,
    /// What it says about earlier deliveries.
    pub reports: Vec<DeliveryReport>,
    /// The content.
    pub content: Staged,
    /// Set if nothing has to read it: it is done as soon as it is accepted.
    pub at_once: Option<AtOnce>,
}

/// What became of a claim. The answer is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acceptance {
    /// New, and now ours.
    Accepted(MessageId),
    /// We had this very message.
    Duplicate(MessageId),
    /// The business key belongs to a message with other content.
    KeyConflict(MessageId),
}

/// A message that is not done.
#[derive(Debug, Clone)]
pub struct OpenMessage {
    /// Its id.
    pub id: MessageId,
    /// File name, or what the transport calls it.
    pub name: String,
    /// The partner's own id.
    pub business_key: Option<String>,
    /// SHA-256 of its content.
    pub content_hash: Hash,
    /// Size of its content in bytes.
    pub size: u64,
    /// Media type, if known.
    pub media_type: Option<String>,
    /// Transport headers.
    pub headers: Headers,
    /// The content, if it is small.
    pub inline: Option<Vec<u8>>,
    /// When it was accepted.
    pub received: Instant,
    /// Which run this is: 1, and one more for each replay.
    pub run: i64,
    /// Byte offset up to which parts were applied; 0 for none.
    pub checkpoint: u64,
    /// Records and findings that its decoder yielded up to the checkpoint.
    pub seen: u64,
    /// Findings so far.
    pub findings: u64,
    /// Records that the decoder could not read so far.
    pub unreadable: u64,
    /// Records applied so far.
    pub applied: u64,
    /// Fingerprint of what decoded it so far; `None` before anything was, and where an older version
    /// did. `seen` and `checkpoint` mean something only to what has the same one.
    pub decoded_by: Option<i64>,
}

/// Identity of a message: the first 16 bytes of a hash over enterprise, source and key.
fn identity(message: &NewMessage) -> [u8; 16] {
    let mut digest = Sha256::new();
    for part in [&message.enterprise, &message.source] {
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part);
    }
    match &message.business_key {
        Some(key) => {
            digest.update(b"key");
            digest.update(key);
        }
        None => {
            digest.update(b"content");
            digest.update(message.content.hash);
            digest.update(message.content.size.to_le_bytes());
        }
    }
    let full: Hash = digest.finalize().into();
    let mut short = [0; 16];
    short.copy_from_slice(&full[..16]);
    short
}

/// Headers as they are kept: one a line.
pub(super) fn header_text(headers: &Headers) -> Option<String> {
    let mut text = String::new();
    for (name, value) in headers {
        if text.len() + name.len() + value.len() + 3 > MAX_HEADER_BYTES {
            break;
        }
        text.push_str(name);
        text.push_str(": ");
        text.push_str(&value.replace(['\r', '\n'], " "));
        text.push('\n');
    }
    (!text.is_empty()).then_some(text)
}

/// Headers from the text they are kept as.
pub(super) fn headers(text: Option<&str>) -> Headers {
    let lines = text.unwrap_or_default().lines();
    let header = |line: &str| {
        let (name, value) = line.split_once(": ")?;
        Some((name.to_owned(), value.to_owned()))
    };
    lines.filter_map(header).collect()
}

impl Store {
    /// Claims a message. When this returns, message and content are on disk.
    ///
    /// # Errors
    /// The database refused; the sender must not be told yes.
    pub async fn accept(&self, message: NewMessage) -> Result<Acceptance, StoreError> {
        let (ids, now, id) = (self.ids.clone(), self.clock.now(), self.next_id());
        self.db
            .write(move |tx| accept(tx, Tracer { ids: &ids, now }, id, &message))
            .await
    }

    /// The next messages of an enterprise's source that are not done, oldest first, after `after`.
    ///
    /// # Errors
    /// The database refused.
    pub async fn open_messages(
        &self,
        enterprise: &str,
        source: &str,
        after: Option<MessageId>,
    ) -> Result<Vec<OpenMessage>, StoreError> {
        let (enterprise, source) = (enterprise.to_owned(), source.to_owned());
        let after = after.map_or(i64::MIN, |id| id.0);
        self.db
            .read(move |tx| {
                let params = [
                    source.as_str().into(),
                    after.into(),
                    MAX_OPEN_BATCH.into(),
                    enterprise.as_str().into(),
                ];
                all(tx, OPEN_MESSAGES, &params, read_open)
            })
            .await
    }

    /// One message as it is processed, whatever its state.
    ///
    /// # Errors
    /// The database refused.
    pub async fn message_to_process(
        &self,
        id: MessageId,
    ) -> Result<Option<OpenMessage>, StoreError> {
        self.db
            .read(move |tx| first(tx, ONE_MESSAGE, &[id.0.into()], read_open))
            .await
    }

    /// Marks a message as begun, so that an operator sees what is being worked on.
    ///
    /// # Errors
    /// The database refused.
    pub async fn start(
        &self,
        id: MessageId,
        route: &str,
        note: Option<String>,
    ) -> Result<(), StoreError> {
        let (ids, now, route) = (self.ids.clone(), self.clock.now(), route.to_owned());
        self.db
            .write(move |tx| {
                let sql = concat!(
                    "UPDATE message SET state = ?2, route = ?3 WHERE id = ?1 AND state ",
                    is_open!()
                );
                tx.execute(
                    sql,
                    &[
                        id.0.into(),
                        MessageState::Processing.code().into(),
                        route.as_str().into(),
                    ],
                )?;
                Tracer { ids: &ids, now }.message(tx, id, Step::Started, note.as_deref())
            })
            .await
    }

    /// Puts a finished message back to the beginning. Returns whether there was such a message.
    ///
    /// # Errors
    /// The database refused.
    pub async fn replay(&self, id: MessageId, who_and_why: String) -> Result<bool, StoreError> {
        let (ids, now) = (self.ids.clone(), self.clock.now());
        self.db
            .write(move |tx| {
                let sql = concat!(
                    "UPDATE message SET state = ",
                    received!(),
                    ", finished_at = NULL, checkpoint = 0, seen = 0, records = 0, applied = 0, \
                     findings = 0, rejected = 0, unreadable = 0, run = run + 1 WHERE id = ?1 AND state ",
                    is_done!()
                );
                let found = tx.execute(sql, &[id.0.into()])? == 1;
                if found {
                    Tracer { ids: &ids, now }.message(tx, id, Step::Replayed, Some(&who_and_why))?;
                }
                Ok(found)
            })
            .await
    }
}

macro_rules! open_columns {
    ($($rest:tt)*) => {
        concat!(
            "SELECT m.id, m.name, m.business_key, m.content_hash, m.size, m.media_type, c.bytes, m.received_at, \
             m.run, m.checkpoint, m.seen, m.findings, m.unreadable, m.applied, \
             m.decoded_by, m.headers \
             FROM message m LEFT JOIN content c ON c.id = m.id ",
            $($rest)*
        )
    };
}

const OPEN_MESSAGES: &str = open_columns!(
    "WHERE m.source = ?1 AND m.id > ?2 AND m.enterprise = ?4 AND m.state ",
    is_open!(),
    " ORDER BY m.id LIMIT ?3"
);
const ONE_MESSAGE: &str = open_columns!("WHERE m.id = ?1");

fn read_open(row: &dyn Row) -> Result<OpenMessage, StoreError> {
    let unsigned = |column| -> Result<u64, StoreError> { Ok(row.int(column)?.cast_unsigned()) };
    Ok(OpenMessage {
        id: MessageId(row.int(0)?),
        name: row.text(1)?.to_owned(),
        business_key: row.opt_text(2)?.map(ToOwned::to_owned),
        content_hash: hash(row.blob(3)?)?,
        size: unsigned(4)?,
        media_type: row.opt_text(5)?.map(ToOwned::to_owned),
        inline: row.opt_blob(6)?.map(ToOwned::to_owned),
        received: Instant::from_micros(row.int(7)?),
        run: row.int(8)?,
        checkpoint: unsigned(9)?,
        seen: unsigned(10)?,
        findings: unsigned(11)?,
        unreadable: unsigned(12)?,
        applied: unsigned(13)?,
        decoded_by: row.opt_int(14)?,
        headers: headers(row.opt_text(15)?),
    })
}

pub(super) fn hash(bytes: &[u8]) -> Result<Hash, StoreError> {
    bytes
        .try_into()
        .map_err(|_| StoreError::Damaged("a content hash is not 32 bytes long".into()))
}

fn accept(
    tx: &mut dyn Tx,
    tracer: Tracer<'_>,
    id: MessageId,
    message: &NewMessage,
) -> Result<Acceptance, StoreError> {
    let identity = identity(message);
    if !insert(tx, tracer, id, message, &identity)? {
        return recognise(tx, tracer, message, &identity);
    }
    if let Some(bytes) = &message.content.inline {
        tx.execute(
            "INSERT INTO content (id, bytes) VALUES (?1, ?2)",
            &[id.0.into(), Value::Blob(bytes)],
        )?;
    }
    reports::store(tx, &message.enterprise, id, tracer.now, &message.reports)?;
    tracer.message(tx, id, Step::Received, None)?;
    if let Some(at_once) = &message.at_once {
        at_once.run(tx, tracer, id)?;
    }
    Ok(Acceptance::Accepted(id))
}

fn insert(
    tx: &mut dyn Tx,
    tracer: Tracer<'_>,
    id: MessageId,
    message: &NewMessage,
    identity: &[u8; 16],
) -> Result<bool, StoreError> {
    let sql = "INSERT INTO message (id, enterprise, source, name, identity, business_key, content_hash, \
               size, media_type, headers, received_at, state, route, decoded_by, finished_at) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15) \
               ON CONFLICT (identity) DO NOTHING";
    let at_once = message.at_once.as_ref();
    let state = match at_once {
        Some(_) => MessageState::Processed,
        None => MessageState::Received,
    };
    let now = tracer.now.micros();
    let headers = header_text(&message.headers);
    let inserted = tx.execute(
        sql,
        &[
            id.0.into(),
            (&message.enterprise).into(),
            (&message.source).into(),
            (&message.name).into(),
            Value::Blob(identity),
            message.business_key.as_ref().into(),
            Value::Blob(&message.content.hash),
            message.content.size.cast_signed().into(),
            message.media_type.as_ref().into(),
            headers.as_ref().into(),
            now.into(),
            state.code().into(),
            at_once.map(|done| done.route.as_str()).into(),
            at_once.map(|done| done.decoded_by).into(),
            at_once.map(|_| now).into(),
        ],
    )?;
    Ok(inserted == 1)
}

/// The identity is known: the same message again, or another under its key?
fn recognise(
    tx: &mut dyn Tx,
    tracer: Tracer<'_>,
    message: &NewMessage,
    identity: &[u8; 16],
) -> Result<Acceptance, StoreError> {
    let sql = "SELECT id, content_hash FROM message WHERE identity = ?1";
    let known = first(tx, sql, &[Value::Blob(identity)], |row| {
        Ok((MessageId(row.int(0)?), hash(row.blob(1)?)?))
    })?;
    let (id, known_hash) =
        known.ok_or_else(|| StoreError::Damaged("an identity is taken by nobody".into()))?;
    if known_hash != message.content.hash {
        return Ok(Acceptance::KeyConflict(id));
    }
    tracer.message(
        tx,
        id,
        Step::Resent,
        Some(&message.name)
            .filter(|name| !name.is_empty())
            .map(String::as_str),
    )?;
    answers::answer_again(tx, tracer, id)?;
    Ok(Acceptance::Duplicate(id))
}
