//! Connections that only read, opened as needed and kept.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::connection::{self, SqliteTx};
use crate::StoreError;
use crate::db::ReadJob;

/// Readers at a time. Each holds a connection and a thread; two cores are busy with fewer.
const MAX_READERS: usize = 8;

pub(super) struct Readers {
    path: PathBuf,
    idle: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            idle: Arc::default(),
            permits: Arc::new(Semaphore::new(MAX_READERS)),
        }
    }

    pub(super) async fn read(&self, job: ReadJob) -> Result<(), StoreError> {
        let permit = Arc::clone(&self.permits)
            .acquire_owned()
            .await
            .map_err(|_| StoreError::Closed)?;
        let (path, idle) = (self.path.clone(), Arc::clone(&self.idle));
        let reading = tokio::task::spawn_blocking(move || {
            let kept = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let connection = kept.map_or_else(|| connection::open_reader(&path), Ok)?;
            connection.prepare_cached("BEGIN")?.execute([])?;
            let outcome = job(&mut SqliteTx(&connection));
            connection.prepare_cached("COMMIT")?.execute([])?;
            idle.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(connection);
            drop(permit);
            outcome
        });
        reading.await.map_err(|_| StoreError::Closed)?
    }
}
