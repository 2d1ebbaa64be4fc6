//! The life of messages and deliveries in the store.

mod accepting;
mod applying;
mod deliveries;
mod documents;
mod reports;
mod thread;

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use hub_core::ManualClock;
use hub_core::files::OsFiles;
use hub_model::{Finding, Instant, Place, Record, WorkOrder, Zone};

use super::*;
use crate::content::Staged;
use crate::estate::{EnterpriseId, Scope, UnknownPolicy, enterprise};

const NOW: Instant = Instant::from_seconds(1_790_000_000);

async fn open(folder: &Path) -> Store {
    open_at(folder, Arc::new(ManualClock::at(NOW))).await
}

async fn open_at(folder: &Path, clock: Arc<ManualClock>) -> Store {
    let store = Store::open(
        folder,
        0,
        SqliteOptions::default(),
        Arc::new(OsFiles),
        clock,
    )
    .await
    .unwrap();
    let north = store
        .db
        .write(|tx| enterprise::ensure(tx, "north", &Zone::utc()))
        .await
        .unwrap();
    assert_eq!(north.id, EnterpriseId(1));
    store
}

fn message(key: Option<&str>, content: &'static str) -> NewMessage {
    NewMessage {
        at_once: None,
        enterprise: "north".into(),
        source: "hes".into(),
        name: "a.xml".into(),
        headers: vec![("x-test".into(), "1".into())],
        media_type: None,
        business_key: key.map(Into::into),
        reports: Vec::new(),
        content: Staged::inline(Bytes::from_static(content.as_bytes())),
    }
}

async fn accept(store: &Store, key: Option<&str>, content: &'static str) -> Acceptance {
    store.accept(message(key, content)).await.unwrap()
}

/// Makes one delivery per change, to the endpoint `out`.
struct ToOut;

fn to_out(lane: &str, body: Option<&'static str>) -> NewDelivery {
    NewDelivery {
        route: "r".into(),
        endpoint: "out".into(),
        lane: lane.into(),
        subject: lane.into(),
        media_type: "text/plain".into(),
        extension: "txt".into(),
        headers: Vec::new(),
        body: body.map(|text| Bytes::from_static(text.as_bytes())),
    }
}

impl Publish for ToOut {
    fn publish(&self, _: MessageId, changes: &[Change<'_>], whole: bool) -> Publication {
        let deliveries = changes
            .iter()
            .map(|change| to_out(&change.event.subject, Some("body")))
            .collect();
        let parts = if whole {
            Vec::new()
        } else {
            vec![document_part(3, "part,")]
        };
        Publication {
            deliveries,
            parts,
            findings: Vec::new(),
        }
    }

    fn obstacle(&self, _: &str, _: &str) -> Option<String> {
        None
    }
}

/// A piece of the document that route `r` makes with this encoder.
fn document_part(encoded_by: i64, piece: &str) -> NewParts {
    NewParts {
        route: "r".into(),
        encoded_by,
        head: format!("head {encoded_by},").into_bytes(),
        tail: b"tail".to_vec(),
        deliveries: vec![to_out("documents", None)],
        pieces: vec![piece.as_bytes().to_vec()],
    }
}

fn order(number: &str) -> (Place, Record) {
    (
        Place::at(0, 1),
        Record::WorkOrder(Box::new(WorkOrder::new(number))),
    )
}

fn chunk(message: &OpenMessage, records: Vec<(Place, Record)>, ending: Option<Ending>) -> Chunk {
    Chunk {
        message: message.id,
        run: message.run,
        route: "in".into(),
        decoded_by: 7,
        scope: Scope {
            enterprise: EnterpriseId(1),
            zone: Zone::utc(),
            message_id: message.id,
            now: NOW,
            unknown: UnknownPolicy::Create,
        },
        seen_before: message.seen,
        seen: message.seen + records.len() as u64,
        after: None,
        records,
        findings: Vec::new(),
        checkpoint: 10,
        ending,
        publisher: Arc::new(ToOut),
    }
}

async fn only_open(store: &Store) -> OpenMessage {
    let mut open = store.open_messages("north", "hes", None).await.unwrap();
    assert_eq!(open.len(), 1);
    open.remove(0)
}
