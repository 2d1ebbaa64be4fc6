//! Moves the write-ahead log into the database file, off the writer's path.

use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use rusqlite::Connection;

use super::SqliteOptions;
use super::connection;
use crate::StoreError;

/// How often the log is looked at.
const INTERVAL: Duration = Duration::from_millis(250);
/// Log pages above which the writer itself begins the log anew, so that it cannot grow without bound
/// under a load that never pauses (64 MiB of 4 KiB pages). The file keeps its length: writing over
/// what is there syncs faster than growing.
const MAX_LOG_PAGES: i64 = 16_384;

/// Pages in the log, as the checkpointer last saw it.
#[derive(Clone, Default)]
pub(super) struct WalSize(Arc<AtomicI64>);

impl WalSize {
    /// Begins an overgrown log anew, on the writer's own connection.
    pub(super) fn restart_if_too_large(&self, writer: &Connection) {
        if self.0.load(Ordering::Relaxed) > MAX_LOG_PAGES {
            let _ = writer.query_row("PRAGMA wal_checkpoint(RESTART)", [], |_| Ok(()));
            self.0.store(0, Ordering::Relaxed);
        }
    }
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
