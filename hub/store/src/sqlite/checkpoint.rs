//! Moves the write-ahead log into the database file, off the writer's path.

use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::SqliteOptions;
use super::connection::{self, BUSY_TIMEOUT};
use crate::StoreError;

/// How often the log is looked at.
const INTERVAL: Duration = Duration::from_millis(250);
/// Log pages above which the writer itself begins the log anew, so that it cannot grow without bound
/// under a load that never pauses (64 MiB of 4 KiB pages). The file keeps its length: writing over
/// what is there syncs faster than growing.
const MAX_LOG_PAGES: i64 = 16_384;

/// How long the writer waits for readers when it begins the log anew. Enough for queries of our
/// own; a snapshot that is held for long (a backup) must not stop all writing.
const RESTART_WAIT: Duration = Duration::from_millis(50);
/// Pause before the next try when a reader held it up. The log grows meanwhile: that is the price
/// of a long snapshot, and the smaller one.
const RESTART_PAUSE: Duration = Duration::from_secs(5);

/// Pages in the log, as the checkpointer last saw it.
#[derive(Clone, Default)]
pub(super) struct WalSize(Arc<AtomicI64>);

/// Begins an overgrown log anew, on the writer's own connection.
pub(super) struct LogRestarter {
    wal: WalSize,
    /// A reader held it up: not before then.
    not_before: Option<Instant>,
}

impl LogRestarter {
    pub(super) const fn new(wal: WalSize) -> Self {
        Self {
            wal,
            not_before: None,
        }
    }

    /// Begins the log anew if it is too large and no reader needs it.
    pub(super) fn restart_if_too_large(&mut self, writer: &Connection) {
        if self.wal.0.load(Ordering::Relaxed) <= MAX_LOG_PAGES
            || self.not_before.is_some_and(|then| Instant::now() < then)
        {
            return;
        }
        self.not_before = match restart(writer) {
            Ok(Restart::Done) => {
                self.wal.0.store(0, Ordering::Relaxed);
                None
            }
            Ok(Restart::CheckpointUnderWay) => None,
            Ok(Restart::HeldUp) | Err(_) => Some(Instant::now() + RESTART_PAUSE),
        };
    }
}

/// What came of a try to begin the log anew.
#[derive(Debug, PartialEq, Eq)]
enum Restart {
    /// The next commit writes at the log's beginning.
    Done,
    /// The checkpointer is at work: it may be tried again at once.
    CheckpointUnderWay,
    /// A reader needs what is in the log.
    HeldUp,
}

fn restart(writer: &Connection) -> rusqlite::Result<Restart> {
    writer.busy_timeout(RESTART_WAIT)?;
    // Columns: whether it was held up, pages in the log (-1: another checkpoint is under way).
    let row = writer.query_row("PRAGMA wal_checkpoint(RESTART)", [], |row| {
        Ok((row.get::<_, bool>(0)?, row.get::<_, i64>(1)?))
    });
    writer.busy_timeout(BUSY_TIMEOUT)?;
    Ok(match row? {
        (false, _) => Restart::Done,
        (true, ..0) => Restart::CheckpointUnderWay,
        (true, _) => Restart::HeldUp,
    })
}

/// The thread that checkpoints. Stops when dropped.
pub(super) struct Checkpointer {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Checkpointer {
    pub(super) fn start(path: &Path, wal: WalSize) -> Result<Self, StoreError> {
        let connection = connection::open_writer(path, SqliteOptions::default())?;
        let (stop, stopped) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("store-checkpoint".into())
            .spawn(move || {
                while stopped.recv_timeout(INTERVAL) == Err(mpsc::RecvTimeoutError::Timeout) {
                    // Columns: whether it was held up, pages in the log, pages moved.
                    let moved = connection
                        .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(1));
                    wal.0.store(moved.unwrap_or(0), Ordering::Relaxed);
                }
            })
            .expect("the process can start a thread at start-up");
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Sqlite, writer::Writer};
    use super::*;

    /// A database whose log holds something, and a reader (a backup, say) that needs it.
    fn held() -> (tempfile::TempDir, Connection, Connection) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hub.db");
        drop(Sqlite::open(&path, SqliteOptions::default()).unwrap());
        let writer = connection::open_writer(&path, SqliteOptions::default()).unwrap();
        put(&writer, "before");
        let reader = Connection::open(&path).unwrap();
        reader.execute_batch("BEGIN").unwrap();
        assert_eq!(count(&reader), 1);
        put(&writer, "after");
        (folder, writer, reader)
    }

    fn put(connection: &Connection, name: &str) {
        let sql = "INSERT INTO fact (name, value) VALUES (?1, '')";
        connection.execute(sql, [name]).unwrap();
    }

    fn count(connection: &Connection) -> i64 {
        let sql = "SELECT COUNT(*) FROM fact";
        connection.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    fn overgrown() -> WalSize {
        WalSize(Arc::new(AtomicI64::new(MAX_LOG_PAGES + 1)))
    }

    #[test]
    fn a_log_that_a_reader_needs_is_begun_anew_when_the_reader_is_done() {
        let (_folder, writer, reader) = held();
        let wal = overgrown();
        let mut restarter = LogRestarter::new(wal.clone());
        restarter.restart_if_too_large(&writer);
        assert_eq!(wal.0.load(Ordering::Relaxed), MAX_LOG_PAGES + 1);
        let next = restarter
            .not_before
            .expect("it is not tried at each commit");
        reader.execute_batch("COMMIT").unwrap();
        restarter.restart_if_too_large(&writer);
        assert_eq!(restarter.not_before, Some(next), "not tried yet");
        restarter.not_before = Some(Instant::now());
        restarter.restart_if_too_large(&writer);
        assert_eq!(wal.0.load(Ordering::Relaxed), 0);
        assert_eq!(restarter.not_before, None);
    }

    #[tokio::test]
    async fn writes_go_on_while_a_reader_holds_a_snapshot() {
        let (_folder, connection, reader) = held();
        let writer = Writer::start(connection, overgrown());
        let begun = Instant::now();
        for number in 0..20 {
            let job = writer.write(Box::new(move |tx| {
                let sql = "INSERT INTO fact (name, value) VALUES (?1, '')";
                let name = number.to_string();
                tx.execute(sql, &[name.as_str().into()]).map(drop)
            }));
            job.await.unwrap();
        }
        assert!(begun.elapsed() < BUSY_TIMEOUT / 2, "{:?}", begun.elapsed());
        assert_eq!(count(&reader), 1, "its snapshot is as it was");
        reader.execute_batch("COMMIT").unwrap();
        assert_eq!(count(&reader), 22);
    }
}
