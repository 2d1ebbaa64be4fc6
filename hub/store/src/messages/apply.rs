//! One chunk of a message, applied in one transaction: the changes of the estate, the findings,
//! the outgoing messages they cause, and the checkpoint. All of it or nothing.

use std::sync::Arc;

use bytes::Bytes;
use hub_core::{Headers, MessageId};
use hub_model::{Finding, Instant, Place, Record};

use super::documents::Documents;
use super::findings::{MAX_FINDINGS_TOLD, first_findings, store_findings};
use super::queries::FindingView;
use super::trace::{Step, Tracer};
use super::{MessageState, Store};
use crate::StoreError;
use crate::db::{Tx, first};
use crate::estate::{Applier, Event, Scope};

/// A chunk of a message, decoded.
pub struct Chunk {
    /// The message.
    pub message: MessageId,
    /// Which run of it.
    pub run: i64,
    /// The route that decoded it.
    pub route: String,
    /// What decoded it: see [`OpenMessage::decoded_by`](super::OpenMessage::decoded_by).
    pub decoded_by: i64,
    /// How its records are applied.
    pub scope: Scope,
    /// Records in the order of the message.
    pub records: Vec<(Place, Record)>,
    /// What the decoder found.
    pub findings: Vec<Finding>,
    /// Byte offset up to which the message is applied with this chunk, if its format can be cut.
    pub checkpoint: u64,
    /// Records and findings that the decoder yielded before this chunk.
    pub seen_before: u64,
    /// Records and findings that the decoder yielded so far, this chunk included. It may have
    /// yielded more than the chunk holds: readings of a series are joined to one record.
    pub seen: u64,
    /// The message that must be done before this one may be applied: without revisions the latest
    /// message counts, so none may overtake one that the database could not take yet.
    pub after: Option<MessageId>,
    /// Set with the last chunk.
    pub ending: Option<Ending>,
    /// Makes outgoing messages of the changes.
    pub publisher: Arc<dyn Publish>,
}

/// How a message ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Decoded to its end.
    Complete,
    /// Given up: too many findings, or nothing could be read.
    Invalid,
}

/// A change that routes may tell partners about.
pub struct Change<'a> {
    /// What happened to which business object.
    pub event: Event,
    /// Where the record that caused it stands in the message.
    pub place: &'a Place,
    /// The record that caused it.
    pub record: &'a Record,
}

/// Makes outgoing messages of changes. Runs inside the transaction, so it must not wait.
pub trait Publish: Send + Sync {
    /// Deliveries and parts for the changes of one chunk; `whole` if the chunk is the whole message.
    fn publish(&self, message: MessageId, changes: &[Change<'_>], whole: bool) -> Publication;

    /// What the sender of a message is told, now that it is done; `None` if nothing.
    fn answer(&self, ended: &Ended) -> Option<NewDelivery> {
        let _ = ended;
        None
    }

    /// Whether senders are told anything of a message that ended so.
    fn answers(&self, state: MessageState) -> bool {
        let _ = state;
        false
    }

    /// Why a document that was made for this route must not go to this endpoint as things are
    /// configured now, as the end of a sentence about the route; `None` if it may go.
    fn obstacle(&self, route: &str, endpoint: &str) -> Option<String>;
}

/// A message that is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The message.
    pub message: MessageId,
    /// What became of it.
    pub state: MessageState,
    /// Records applied.
    pub applied: u64,
    /// Records rejected.
    pub rejected: u64,
    /// Findings of all kinds.
    pub findings: u64,
    /// The first of them.
    pub first: Vec<FindingView>,
}

/// What a chunk's changes cause.
#[derive(Debug, Default)]
pub struct Publication {
    /// Deliveries.
    pub deliveries: Vec<NewDelivery>,
    /// Pieces of documents that later chunks complete.
    pub parts: Vec<NewParts>,
    /// Records that a route could not say in its format; never rejects them.
    pub findings: Vec<Finding>,
}

/// Pieces of a document that goes on with the next chunk. With them comes all that makes it whole
/// and says where it goes: by its end the configuration may say otherwise, or name no such route.
/// Pieces that have everything but their bytes in common make one document.
#[derive(Debug, Clone)]
pub struct NewParts {
    /// The outbound route.
    pub route: String,
    /// Fingerprint of what encoded them.
    pub encoded_by: i64,
    /// What stands before all parts of the document.
    pub head: Vec<u8>,
    /// What stands after them.
    pub tail: Vec<u8>,
    /// The deliveries of the document, without bodies, each to another endpoint.
    pub deliveries: Vec<NewDelivery>,
    /// The pieces, in their order.
    pub pieces: Vec<Vec<u8>>,
}

/// A delivery to make.
#[derive(Debug, Clone)]
pub struct NewDelivery {
    /// The route that makes it.
    pub route: String,
    /// The endpoint it goes to.
    pub endpoint: String,
    /// Deliveries with the same lane key go one after the other.
    pub lane: String,
    /// The business object it is about.
    pub subject: String,
    /// Media type of the body.
    pub media_type: String,
    /// File extension of the body.
    pub extension: String,
    /// Further headers; those of the message go with its content.
    pub headers: Headers,
    /// The body; `None` is the content of the message itself.
    pub body: Option<Bytes>,
}

/// What became of a chunk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AppliedChunk {
    /// Records applied.
    pub applied: u64,
    /// Records rejected by the decoder or the estate.
    pub rejected: u64,
    /// Findings of all kinds.
    pub findings: u64,
    /// Endpoints that have something to send.
    pub endpoints: Vec<String>,
    /// The final state, with the last chunk.
    pub state: Option<MessageState>,
}

impl Store {
    /// Applies a chunk. When this returns, all of it is on disk.
    ///
    /// # Errors
    /// The database refused; nothing of the chunk is stored.
    pub async fn apply(&self, chunk: Chunk) -> Result<AppliedChunk, StoreError> {
        let (ids, now) = (self.ids.clone(), self.clock.now());
        self.db
            .write(move |tx| {
                Application {
                    tx,
                    tracer: Tracer { ids: &ids, now },
                    chunk: &chunk,
                }
                .run()
            })
            .await
    }
}

struct Application<'a> {
    tx: &'a mut dyn Tx,
    tracer: Tracer<'a>,
    chunk: &'a Chunk,
}

/// Where a message stands before this chunk.
struct Before {
    findings: u64,
    rejected: u64,
    applied: u64,
    has_parts: bool,
    is_open: bool,
    run: i64,
    seen: u64,
    /// Whether the message that comes first is open.
    must_wait: bool,
}

impl<'a> Application<'a> {
    fn run(mut self) -> Result<AppliedChunk, StoreError> {
        let chunk = self.chunk;
        let before = self.before()?;
        self.must_fit(&before)?;
        let (applied, changes, mut findings) = self.change_estate()?;
        let rejected: u64 = chunk
            .findings
            .iter()
            .chain(&findings)
            .map(|finding| finding.rejects)
            .sum();
        let whole = chunk.ending.is_some() && !before.has_parts;
        let published = chunk.publisher.publish(chunk.message, &changes, whole);
        findings.extend(published.findings);
        let mut documents = Documents::new(self.tx, self.tracer, chunk.message, chunk.run);
        documents.store_parts(&published.parts)?;
        documents.deliver(&published.deliveries)?;
        if chunk.ending.is_some() && (before.has_parts || !published.parts.is_empty()) {
            findings.extend(documents.complete(&*chunk.publisher)?);
        }
        let mut endpoints = documents.endpoints;
        let count = (chunk.findings.len() + findings.len()) as u64;
        let all_findings = chunk.findings.iter().chain(&findings);
        let run = (chunk.message, chunk.run);
        store_findings(self.tx, run, before.findings, all_findings)?;
        let state = chunk
            .ending
            .map(|ending| final_state(ending, before.findings + count));
        self.update_message(applied, rejected, count, state)?;
        if let Some(state) = state {
            self.trace_end(state, before.rejected + rejected, before.findings + count)?;
            if chunk.publisher.answers(state) {
                endpoints.extend(self.answer(&before, state, applied, rejected, count)?);
            }
        }
        Ok(AppliedChunk {
            applied,
            rejected,
            findings: count,
            endpoints,
            state,
        })
    }

    fn before(&mut self) -> Result<Before, StoreError> {
        let sql = concat!(
            "SELECT findings, rejected, applied, CASE WHEN seen > 0 THEN EXISTS \
             (SELECT 1 FROM document d WHERE d.message_id = m.id AND d.run = m.run) ELSE 0 END, \
             CASE WHEN state ",
            is_open!(),
            " THEN 1 ELSE 0 END, run, seen, CASE WHEN EXISTS \
             (SELECT 1 FROM message a WHERE a.id = ?2 AND a.state ",
            is_open!(),
            ") THEN 1 ELSE 0 END \
             FROM message m WHERE id = ?1"
        );
        let after = self.chunk.after.map(|message| message.0);
        let params = [self.chunk.message.0.into(), after.into()];
        first(self.tx, sql, &params, |row| {
            Ok(Before {
                findings: row.int(0)?.cast_unsigned(),
                rejected: row.int(1)?.cast_unsigned(),
                applied: row.int(2)?.cast_unsigned(),
                has_parts: row.int(3)? != 0,
                is_open: row.int(4)? != 0,
                run: row.int(5)?,
                seen: row.int(6)?.cast_unsigned(),
                must_wait: row.int(7)? != 0,
            })
        })?
        .ok_or_else(|| StoreError::Damaged(format!("message {} is gone", self.chunk.message)))
    }

    /// A chunk is applied only to the message that it was decoded for and where it begins: whoever
    /// else worked on the message meanwhile, nothing is applied twice or left out.
    fn must_fit(&self, before: &Before) -> Result<(), StoreError> {
        let chunk = self.chunk;
        let begins = chunk.seen_before == before.seen;
        let fits = before.is_open && before.run == chunk.run && begins;
        match fits && !before.must_wait {
            true => Ok(()),
            false => Err(StoreError::OutOfTurn(chunk.message)),
        }
    }

    /// Applies the records. What is not applied of one is counted by a finding.
    fn change_estate(&mut self) -> Result<(u64, Vec<Change<'a>>, Vec<Finding>), StoreError> {
        let chunk = self.chunk;
        let mut applier = Applier::new(chunk.scope.clone());
        for (place, record) in &chunk.records {
            applier.apply(self.tx, place, record)?;
        }
        let outcome = applier.finish(self.tx)?;
        let change = |event: Event| {
            let (place, record) = chunk.records.get(event.record)?;
            Some(Change {
                event,
                place,
                record,
            })
        };
        Ok((
            outcome.applied,
            outcome.events.into_iter().filter_map(change).collect(),
            outcome.findings,
        ))
    }

    fn update_message(
        &mut self,
        applied: u64,
        rejected: u64,
        findings: u64,
        state: Option<MessageState>,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE message SET route = ?2, checkpoint = ?3, seen = ?4, records = records + ?5, \
                   applied = applied + ?6, findings = findings + ?7, rejected = rejected + ?8, state = ?9, \
                   finished_at = ?10, unreadable = unreadable + ?11, decoded_by = ?12 WHERE id = ?1";
        let now: Instant = self.tracer.now;
        let unreadable: u64 = self
            .chunk
            .findings
            .iter()
            .map(|finding| finding.rejects)
            .sum();
        self.tx.execute(
            sql,
            &[
                self.chunk.message.0.into(),
                (&self.chunk.route).into(),
                self.chunk.checkpoint.cast_signed().into(),
                self.chunk.seen.cast_signed().into(),
                (applied + rejected).cast_signed().into(),
                applied.cast_signed().into(),
                findings.cast_signed().into(),
                rejected.cast_signed().into(),
                state.unwrap_or(MessageState::Processing).code().into(),
                state.map(|_| now.micros()).into(),
                unreadable.cast_signed().into(),
                self.chunk.decoded_by.into(),
            ],
        )?;
        Ok(())
    }

    /// Tells the sender. Returns the endpoints that have something to send.
    fn answer(
        &mut self,
        before: &Before,
        state: MessageState,
        applied: u64,
        rejected: u64,
        findings: u64,
    ) -> Result<Vec<String>, StoreError> {
        let (message, run) = (self.chunk.message, self.chunk.run);
        let ended = Ended {
            message,
            state,
            applied: before.applied + applied,
            rejected: before.rejected + rejected,
            findings: before.findings + findings,
            first: first_findings(self.tx, message, run, MAX_FINDINGS_TOLD)?,
        };
        let answer = self.chunk.publisher.answer(&ended);
        let mut documents = Documents::new(self.tx, self.tracer, message, run);
        documents.deliver(answer.as_slice())?;
        Ok(documents.endpoints)
    }

    fn trace_end(
        &mut self,
        state: MessageState,
        rejected: u64,
        findings: u64,
    ) -> Result<(), StoreError> {
        let step = match state {
            MessageState::Invalid => Step::Invalid,
            MessageState::ProcessedWithFindings => Step::ProcessedWithFindings,
            _ => Step::Processed,
        };
        let note =
            (findings > 0).then(|| format!("{findings} findings, {rejected} records rejected"));
        self.tracer
            .message(self.tx, self.chunk.message, step, note.as_deref())
    }
}

const fn final_state(ending: Ending, findings: u64) -> MessageState {
    match ending {
        Ending::Invalid => MessageState::Invalid,
        Ending::Complete if findings > 0 => MessageState::ProcessedWithFindings,
        Ending::Complete => MessageState::Processed,
    }
}
