//! A message that was half done when what decodes it changed.
//!
//! A message that is interrupted goes on at its checkpoint, or skips as many records as were applied.
//! Both mean something only to the decoder that counted them: with another mapping file the same
//! number stands for other records, and some would be left out without a word. So each message keeps
//! the fingerprint of what decodes it ([`OpenMessage::decoded_by`](super::OpenMessage::decoded_by)),
//! and one that is found with another begins a new run, like a replay:
//!
//! - Records that were applied and mean the same now change nothing and are told to nobody twice:
//!   the estate knows them by their keys. Those that mean something else are applied as they are now;
//!   what the old mapping made of them stays, as after any replay with a better mapping.
//! - What the old run had to tell is told: its documents are closed as far as they were made, since
//!   the new run finds those records unchanged and would not tell them.
//! - Nothing of it is silent: the trace has a row, and the message a warning among its findings.

use std::sync::Arc;

use hub_core::MessageId;
use hub_model::Finding;

use super::documents::Documents;
use super::findings::store_findings;
use super::trace::{Step, Tracer};
use super::{MessageState, Publish, Store};
use crate::StoreError;
use crate::db::{Tx, first};

/// A half done message that begins a new run.
#[derive(Clone)]
pub struct BeginAgain {
    /// The message.
    pub message: MessageId,
    /// The run that ends here.
    pub run: i64,
    /// Closes the documents of that run.
    pub publisher: Arc<dyn Publish>,
    /// Why; kept among the findings of the new run.
    pub reason: Finding,
}

impl Store {
    /// Ends the run of a half done message and puts it back to its beginning. Returns the endpoints
    /// that have something to send.
    ///
    /// # Errors
    /// The message is done, or in another run; or the database refused. Nothing is changed then.
    pub async fn begin_again(&self, again: BeginAgain) -> Result<Vec<String>, StoreError> {
        let (ids, now) = (self.ids.clone(), self.clock.now());
        self.db
            .write(move |tx| begin_again(tx, Tracer { ids: &ids, now }, &again))
            .await
    }
}

fn begin_again(
    tx: &mut dyn Tx,
    tracer: Tracer<'_>,
    again: &BeginAgain,
) -> Result<Vec<String>, StoreError> {
    let sql = concat!(
        "SELECT 1 FROM message WHERE id = ?1 AND run = ?2 AND state ",
        is_open!()
    );
    let params = [again.message.0.into(), again.run.into()];
    if first(tx, sql, &params, |row| row.int(0))?.is_none() {
        return Err(StoreError::OutOfTurn(again.message));
    }
    let mut documents = Documents::new(tx, tracer, again.message, again.run);
    let mut findings = documents.complete(&*again.publisher)?;
    let endpoints = documents.endpoints;
    findings.insert(0, again.reason.clone());
    let sql = "UPDATE message SET state = ?2, checkpoint = 0, seen = 0, records = 0, applied = 0, \
               rejected = 0, unreadable = 0, findings = ?3, run = run + 1 WHERE id = ?1";
    let params = [
        again.message.0.into(),
        MessageState::Received.code().into(),
        (findings.len() as u64).cast_signed().into(),
    ];
    tx.execute(sql, &params)?;
    store_findings(tx, (again.message, again.run + 1), 0, findings.iter())?;
    let note = Some(again.reason.reason.as_str());
    tracer.message(tx, again.message, Step::BegunAgain, note)?;
    Ok(endpoints)
}
