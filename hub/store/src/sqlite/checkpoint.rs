//! Moves the write-ahead log into the database file, off the writer's path.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use rusqlite::Connection;

use super::SqliteOptions;
use super::connection;
use crate::StoreError;

/// How often the log is looked at.
const INTERVAL: Duration = Duration::from_millis(250);
/// Log pages above which the checkpointer works: smaller logs cost more syncs than they save.
const CHECKPOINT_PAGES: u64 = 2_000;
/// Log pages above which the writer itself stops to empty the log, so that it cannot grow without
/// bound under a load that never pauses (256 MiB of 4 KiB pages).
const MAX_LOG_PAGES: u64 = 65_536;

/// Size of the log in pages, as the checkpointer last saw it.
#[derive(Clone, Default)]
pub(super) struct WalSize(Arc<AtomicU64>);

impl WalSize {
    /// Empties an overgrown log, on the writer's own connection.
    pub(super) fn restart_if_too_large(&self, writer: &Connection) {
        if self.0.load(Ordering::Relaxed) > MAX_LOG_PAGES {
            let _ = writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
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
        let log = path.with_file_name(format!(
            "{}-wal",
            path.file_name().unwrap_or_default().to_string_lossy()
        ));
        let (stop, stopped) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("store-checkpoint".into())
            .spawn(move || {
                while stopped.recv_timeout(INTERVAL) == Err(mpsc::RecvTimeoutError::Timeout) {
                    let pages = std::fs::metadata(&log).map_or(0, |log| log.len() / 4_096);
                    wal.0.store(pages, Ordering::Relaxed);
                    if pages > CHECKPOINT_PAGES {
                        let _ =
                            connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
                    }
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
