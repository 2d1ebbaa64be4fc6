//! What a small durable message costs the store: `cargo bench --bench messages`.
//!
//! 1 KB messages as a queue brings them, 256 at a time, each accepted by its own call, as adapters do:
//! first all are only accepted, then processed as what is only kept; then others for which one
//! transaction does both. Beside them what the database can do at most: SQLite alone, one thread, with
//! a row of 1 KB and a random unique key each, 256 a synced commit.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hub_core::files::OsFiles;
use hub_core::{MessageId, SystemClock};
use hub_model::Zone;
use hub_store::content::Staged;
use hub_store::estate::{EnterpriseId, Scope, UnknownPolicy};
use hub_store::messages::{
    Acceptance, AtOnce, Change, Chunk, Ending, NewMessage, OpenMessage, Publication, Publish, Store,
};
use hub_store::sqlite::SqliteOptions;
use tokio::task::JoinSet;

const MESSAGES: usize = 200_000;
const WINDOW: usize = 256;
const SIZE: usize = 1_024;

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let clock = Arc::new(SystemClock);
    let store = Store::open(
        folder.path(),
        0,
        SqliteOptions::default(),
        Arc::new(OsFiles),
        clock,
    );
    let store = store.await.expect("a store");
    report("accepted", || accept_all(&store, 0, None)).await;
    report("processed", || process_all(&store)).await;
    let at_once = AtOnce {
        route: "in".into(),
        decoded_by: 7,
        publisher: Arc::new(Kept),
    };
    report("at once", || accept_all(&store, MESSAGES, Some(at_once))).await;
    let alone = async || sqlite_alone(folder.path()).expect("a database");
    report("SQLite alone", alone).await;
}

/// Nothing but rows: no trace, no answers, nobody who waits.
fn sqlite_alone(folder: &Path) -> rusqlite::Result<usize> {
    let database = rusqlite::Connection::open(folder.join("alone.db"))?;
    database.pragma_update(None, "journal_mode", "WAL")?;
    database.pragma_update(None, "synchronous", "FULL")?;
    database.pragma_update(None, "cache_size", -32 * 1024)?;
    database.execute_batch(
        "CREATE TABLE message (id INTEGER PRIMARY KEY, identity BLOB NOT NULL UNIQUE, bytes BLOB NOT NULL)",
    )?;
    let body = vec![b'x'; SIZE];
    let mut insert =
        database.prepare("INSERT INTO message (identity, bytes) VALUES (randomblob(16), ?1)")?;
    for _ in 0..MESSAGES / WINDOW {
        let group = database.unchecked_transaction()?;
        for _ in 0..WINDOW {
            insert.execute([&body])?;
        }
        group.commit()?;
    }
    Ok(MESSAGES / WINDOW * WINDOW)
}

/// Runs a step and says what it cost a message, on the clock and on the processor.
async fn report<F: Future<Output = usize>>(what: &str, step: impl FnOnce() -> F) {
    let (begun, worked) = (Instant::now(), processor());
    let messages = step().await as f64;
    let (took, worked) = (begun.elapsed().as_secs_f64(), processor() - worked);
    println!(
        "{what:12} {:8.0} messages/s, {:5.1} µs of a core each",
        messages / took,
        worked.as_secs_f64() * 1e6 / messages,
    );
}

fn processor() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        time.tv_nsec.unsigned_abs() as u32,
    )
}

async fn accept_all(store: &Store, first: usize, at_once: Option<AtOnce>) -> usize {
    let mut waiting = JoinSet::new();
    for number in first..first + MESSAGES {
        if waiting.len() == WINDOW {
            accepted(waiting.join_next().await);
        }
        let store = store.clone();
        let message = message(number, at_once.clone());
        waiting.spawn(async move { store.accept(message).await });
    }
    while let Some(outcome) = waiting.join_next().await {
        accepted(Some(outcome));
    }
    MESSAGES
}

fn accepted(
    outcome: Option<Result<Result<Acceptance, hub_store::StoreError>, tokio::task::JoinError>>,
) {
    let outcome = outcome.expect("one waits").expect("no panic");
    assert!(
        matches!(outcome, Ok(Acceptance::Accepted(_))),
        "{outcome:?}"
    );
}

fn message(number: usize, at_once: Option<AtOnce>) -> NewMessage {
    let mut body = vec![b'x'; SIZE];
    body[..8].copy_from_slice(&number.to_le_bytes());
    NewMessage {
        at_once,
        enterprise: "north".into(),
        source: "queue".into(),
        name: format!("message {number}"),
        headers: vec![("content-type".into(), "application/octet-stream".into())],
        media_type: None,
        business_key: Some(format!("key-{number}")),
        reports: Vec::new(),
        content: Staged::inline(Bytes::from(body)),
    }
}

async fn process_all(store: &Store) -> usize {
    let mut processed = 0;
    loop {
        let open = store.open_messages("north", "queue", None).await;
        let open = open.expect("open messages");
        if open.is_empty() {
            return processed;
        }
        processed += open.len();
        let applying = open.into_iter().map(|message| store.apply(chunk(&message)));
        for outcome in futures_util::future::join_all(applying).await {
            outcome.expect("applied");
        }
    }
}

struct Kept;

impl Publish for Kept {
    fn publish(&self, _: MessageId, _: &[Change<'_>], _: bool) -> Publication {
        Publication::default()
    }

    fn obstacle(&self, _: &str, _: &str) -> Option<String> {
        None
    }
}

fn chunk(message: &OpenMessage) -> Chunk {
    Chunk {
        message: message.id,
        run: message.run,
        route: "in".into(),
        decoded_by: 7,
        scope: Scope {
            enterprise: EnterpriseId(1),
            zone: Zone::utc(),
            message_id: message.id,
            now: message.received,
            unknown: UnknownPolicy::Create,
        },
        seen_before: 0,
        seen: 0,
        after: None,
        records: Vec::new(),
        findings: Vec::new(),
        checkpoint: 0,
        ending: Some(Ending::Complete),
        publisher: Arc::new(Kept),
    }
}
