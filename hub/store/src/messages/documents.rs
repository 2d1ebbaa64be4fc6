//! Deliveries that a message causes, and the documents that are made in parts while it is applied.

use std::collections::BTreeMap;

use hub_core::MessageId;
use hub_model::Finding;
use sha2::{Digest, Sha256};

use super::outbox::{BODY_MESSAGE, BODY_OWN, BODY_PARTS};
use super::trace::{Step, Tracer};
use super::{NewDelivery, NewPart, Publish};
use crate::StoreError;
use crate::db::{Row, Tx, Value, all};

/// Number of the part that stands before and after all others.
const HEAD_PART: i64 = 0;
const TAIL_PART: i64 = i64::MAX;

/// What one run of a message tells others, within one transaction.
pub(super) struct Documents<'a> {
    tx: &'a mut dyn Tx,
    tracer: Tracer<'a>,
    message: MessageId,
    run: i64,
    /// Endpoints that have something to send.
    pub(super) endpoints: Vec<String>,
}

impl<'a> Documents<'a> {
    pub(super) fn new(
        tx: &'a mut dyn Tx,
        tracer: Tracer<'a>,
        message: MessageId,
        run: i64,
    ) -> Self {
        Self {
            tx,
            tracer,
            message,
            run,
            endpoints: Vec::new(),
        }
    }

    /// Keeps pieces of documents. Chunks are applied in order, so what was `seen` of the message up
    /// to them orders their parts.
    pub(super) fn store_parts(&mut self, seen: u64, parts: &[NewPart]) -> Result<(), StoreError> {
        let number = seen.cast_signed().max(HEAD_PART + 1);
        for part in parts {
            self.store_part(&part.route, number, Some(part.encoded_by), &part.bytes)?;
        }
        Ok(())
    }

    /// Makes deliveries with bodies of their own, or of the message's content.
    pub(super) fn deliver(&mut self, deliveries: &[NewDelivery]) -> Result<(), StoreError> {
        for delivery in deliveries {
            let body = match delivery.body {
                Some(_) => BODY_OWN,
                None => BODY_MESSAGE,
            };
            self.store_delivery(delivery, body)?;
        }
        Ok(())
    }

    /// Closes the documents that were made in parts, and makes their deliveries. Returns what
    /// keeps documents from being sent.
    pub(super) fn complete(&mut self, publisher: &dyn Publish) -> Result<Vec<Finding>, StoreError> {
        let mut findings = Vec::new();
        for (route, encoded_by) in self.unfinished()? {
            match publisher.complete(self.message, &route, &encoded_by) {
                Ok(closing) => {
                    self.store_part(&route, HEAD_PART, None, &closing.head)?;
                    self.store_part(&route, TAIL_PART, None, &closing.tail)?;
                    for delivery in &closing.deliveries {
                        self.store_delivery(delivery, BODY_PARTS)?;
                    }
                }
                Err(finding) => findings.push(finding),
            }
        }
        Ok(findings)
    }

    /// Routes with parts, and what encoded those.
    fn unfinished(&mut self) -> Result<BTreeMap<String, Vec<i64>>, StoreError> {
        let sql = "SELECT DISTINCT route, encoded_by FROM part WHERE message_id = ?1 AND run = ?2";
        let params = [self.message.0.into(), self.run.into()];
        let read = |row: &dyn Row| Ok((row.text(0)?.to_owned(), row.opt_int(1)?));
        let mut unfinished: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        for (route, encoded_by) in all(self.tx, sql, &params, read)? {
            unfinished.entry(route).or_default().extend(encoded_by);
        }
        Ok(unfinished)
    }

    fn store_part(
        &mut self,
        route: &str,
        number: i64,
        encoded_by: Option<i64>,
        bytes: &[u8],
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO part (message_id, run, route, number, size, bytes, encoded_by) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let size = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
        self.tx.execute(
            sql,
            &[
                self.message.0.into(),
                self.run.into(),
                route.into(),
                number.into(),
                size.into(),
                bytes.into(),
                encoded_by.into(),
            ],
        )?;
        Ok(())
    }

    fn store_delivery(&mut self, delivery: &NewDelivery, body: i64) -> Result<(), StoreError> {
        let sql = concat!(
            "INSERT INTO delivery (id, message_id, enterprise, route, endpoint, lane, subject, source_name, \
             media_type, extension, body, run, state, due_at, created_at) \
             SELECT ?1, id, enterprise, ?3, ?4, ?5, ?6, name, ?7, ?8, ?9, ?10, ",
            pending!(),
            ", 0, ?11 FROM message WHERE id = ?2"
        );
        let id = self.tracer.ids.next(self.tracer.now);
        self.tx.execute(
            sql,
            &[
                id.0.into(),
                self.message.0.into(),
                (&delivery.route).into(),
                (&delivery.endpoint).into(),
                lane_number(&delivery.lane).into(),
                (&delivery.subject).into(),
                (&delivery.media_type).into(),
                (&delivery.extension).into(),
                body.into(),
                self.run.into(),
                self.tracer.now.micros().into(),
            ],
        )?;
        if let Some(bytes) = &delivery.body {
            self.tx.execute(
                "INSERT INTO content (id, bytes) VALUES (?1, ?2)",
                &[id.0.into(), Value::Blob(bytes)],
            )?;
        }
        let (step, note) = (Step::DeliveryCreated, Some(delivery.endpoint.as_str()));
        self.tracer
            .row(self.tx, self.message, Some(id), step, note)?;
        if !self.endpoints.contains(&delivery.endpoint) {
            self.endpoints.push(delivery.endpoint.clone());
        }
        Ok(())
    }
}

/// A lane key as a number that is the same on every node and for ever.
fn lane_number(key: &str) -> i64 {
    let hash: [u8; 32] = Sha256::digest(key).into();
    i64::from_le_bytes([
        hash[0], hash[1], hash[2], hash[3], hash[4], hash[5], hash[6], hash[7],
    ])
}
