//! Deliveries that a message causes, and the documents that are made in parts while it is applied.

use hub_core::{Headers, MessageId};
use hub_model::{Finding, Place};
use sha2::{Digest, Sha256};

use super::inbox::header_text;
use super::outbox::{BODY_MESSAGE, BODY_OWN, BODY_PARTS, DeliveryState};
use super::trace::{Step, Tracer};
use super::{NewDelivery, NewParts, Publish};
use crate::StoreError;
use crate::db::{Tx, Value, all, first};

/// Number of the part that stands before all others, and of the one after them.
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

    /// Keeps pieces of documents. Chunks are applied in order, and so their pieces stand.
    pub(super) fn store_parts(&mut self, parts: &[NewParts]) -> Result<(), StoreError> {
        for part in parts {
            let document = self.document_of(part)?;
            let sql = "SELECT MAX(number) FROM document_part WHERE document = ?1 AND number < ?2";
            let params = [document.into(), TAIL_PART.into()];
            let last = first(self.tx, sql, &params, |row| row.opt_int(0))?.flatten();
            let next = last.unwrap_or(HEAD_PART) + 1;
            for (number, piece) in (next..).zip(&part.pieces) {
                self.store_part(document, number, piece)?;
            }
        }
        Ok(())
    }

    /// The document that these pieces belong to: a new one, unless this run has begun the same.
    fn document_of(&mut self, part: &NewParts) -> Result<i64, StoreError> {
        let identity = identity(part);
        let sql = "SELECT id FROM document WHERE message_id = ?1 AND run = ?2 AND identity = ?3";
        let params = [
            self.message.0.into(),
            self.run.into(),
            Value::Blob(&identity),
        ];
        if let Some(known) = first(self.tx, sql, &params, |row| row.int(0))? {
            return Ok(known);
        }
        let id = self.tracer.ids.next(self.tracer.now).0;
        let sql = "INSERT INTO document (id, message_id, run, route, identity) \
                   VALUES (?1, ?2, ?3, ?4, ?5)";
        let params = [
            id.into(),
            self.message.0.into(),
            self.run.into(),
            (&part.route).into(),
            Value::Blob(&identity),
        ];
        self.tx.execute(sql, &params)?;
        self.store_part(id, HEAD_PART, &part.head)?;
        self.store_part(id, TAIL_PART, &part.tail)?;
        for delivery in &part.deliveries {
            self.store_destination(id, delivery)?;
        }
        Ok(id)
    }

    fn store_destination(
        &mut self,
        document: i64,
        delivery: &NewDelivery,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO document_delivery \
                   (document, endpoint, lane, subject, media_type, extension) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let params = [
            document.into(),
            (&delivery.endpoint).into(),
            (&delivery.lane).into(),
            (&delivery.subject).into(),
            (&delivery.media_type).into(),
            (&delivery.extension).into(),
        ];
        self.tx.execute(sql, &params)?;
        Ok(())
    }

    /// Makes deliveries with bodies of their own, or of the message's content.
    pub(super) fn deliver(&mut self, deliveries: &[NewDelivery]) -> Result<(), StoreError> {
        for delivery in deliveries {
            let body = match delivery.body {
                Some(_) => Body::Own,
                None => Body::Message,
            };
            self.store_delivery(delivery, body, None)?;
        }
        Ok(())
    }

    /// Makes the deliveries of the documents that were made in parts, from what was stored with
    /// them: none is lost to a change of the configuration. One that may not go where it was to go
    /// is parked, for an operator to decide. Returns the findings about those.
    pub(super) fn complete(&mut self, publisher: &dyn Publish) -> Result<Vec<Finding>, StoreError> {
        let mut findings = Vec::new();
        for (document, delivery) in self.destinations()? {
            let obstacle = publisher
                .obstacle(&delivery.route, &delivery.endpoint)
                .map(|why| parked_note(&delivery, &why));
            self.store_delivery(&delivery, Body::Parts(document), obstacle.as_deref())?;
            findings.extend(obstacle.map(|note| {
                Finding::warning("delivery_parked", Place::default(), note).in_field("route")
            }));
        }
        Ok(findings)
    }

    /// The documents of this run, in the order in which they were begun, and where each goes.
    fn destinations(&mut self) -> Result<Vec<(i64, NewDelivery)>, StoreError> {
        let sql = "SELECT d.id, d.route, t.endpoint, t.lane, t.subject, t.media_type, t.extension \
                   FROM document d JOIN document_delivery t ON t.document = d.id \
                   WHERE d.message_id = ?1 AND d.run = ?2 ORDER BY d.id, t.endpoint";
        let params = [self.message.0.into(), self.run.into()];
        all(self.tx, sql, &params, |row| {
            let delivery = NewDelivery {
                route: row.text(1)?.to_owned(),
                endpoint: row.text(2)?.to_owned(),
                lane: row.text(3)?.to_owned(),
                subject: row.text(4)?.to_owned(),
                media_type: row.text(5)?.to_owned(),
                extension: row.text(6)?.to_owned(),
                headers: Headers::new(),
                body: None,
            };
            Ok((row.int(0)?, delivery))
        })
    }

    fn store_part(&mut self, document: i64, number: i64, bytes: &[u8]) -> Result<(), StoreError> {
        let sql = "INSERT INTO document_part (document, number, size, bytes) \
                   VALUES (?1, ?2, ?3, ?4)";
        let size = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
        let params = [document.into(), number.into(), size.into(), bytes.into()];
        self.tx.execute(sql, &params)?;
        Ok(())
    }

    /// Stores a delivery, to be sent, or parked for the reason of a note.
    fn store_delivery(
        &mut self,
        delivery: &NewDelivery,
        body: Body,
        parked: Option<&str>,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO delivery (id, message_id, enterprise, route, endpoint, lane, subject, source_name, \
             media_type, extension, body, run, document, state, due_at, created_at, finished_at, note, headers) \
             SELECT ?1, id, enterprise, ?3, ?4, ?5, ?6, name, ?7, ?8, ?9, ?10, ?11, ?12, 0, ?13, ?14, ?15, ?16 \
             FROM message WHERE id = ?2";
        let state = match parked {
            Some(_) => DeliveryState::Parked,
            None => DeliveryState::Pending,
        };
        let now = self.tracer.now.micros();
        let headers = header_text(&delivery.headers);
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
                body.code().into(),
                self.run.into(),
                body.document().into(),
                (state as i64).into(),
                now.into(),
                parked.map(|_| now).into(),
                parked.into(),
                headers.as_ref().into(),
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
        if parked.is_some() {
            return self
                .tracer
                .row(self.tx, self.message, Some(id), Step::Parked, parked);
        }
        if !self.endpoints.contains(&delivery.endpoint) {
            self.endpoints.push(delivery.endpoint.clone());
        }
        Ok(())
    }
}

/// Where the bytes of a delivery are.
#[derive(Clone, Copy)]
enum Body {
    Own,
    Message,
    /// In the parts of this document.
    Parts(i64),
}

impl Body {
    const fn code(self) -> i64 {
        match self {
            Self::Own => BODY_OWN,
            Self::Message => BODY_MESSAGE,
            Self::Parts(_) => BODY_PARTS,
        }
    }

    const fn document(self) -> Option<i64> {
        match self {
            Self::Own | Self::Message => None,
            Self::Parts(document) => Some(document),
        }
    }
}

/// What parts must have in common to make one document, in 16 bytes.
fn identity(part: &NewParts) -> [u8; 16] {
    let mut hash = Sha256::new();
    let mut field = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    field(part.route.as_bytes());
    field(&part.encoded_by.to_le_bytes());
    field(&part.head);
    field(&part.tail);
    for delivery in &part.deliveries {
        for text in [
            &delivery.endpoint,
            &delivery.lane,
            &delivery.subject,
            &delivery.media_type,
            &delivery.extension,
        ] {
            field(text.as_bytes());
        }
    }
    let hash: [u8; 32] = hash.finalize().into();
    std::array::from_fn(|index| hash[index])
}

/// Why a document waits for an operator, and what there is to decide.
fn parked_note(delivery: &NewDelivery, why: &str) -> String {
    let (route, sink) = (&delivery.route, &delivery.endpoint);
    format!(
        "route `{route}` {why} since it began to make this document: release it to send it to sink \
         `{sink}` all the same, which must be in the configuration for that, or discard it"
    )
}

/// A lane key as a number that is the same on every node and for ever.
pub(super) fn lane_number(key: &str) -> i64 {
    let hash: [u8; 32] = Sha256::digest(key).into();
    i64::from_le_bytes([
        hash[0], hash[1], hash[2], hash[3], hash[4], hash[5], hash[6], hash[7],
    ])
}
