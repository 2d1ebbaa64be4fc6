//! SQLite as a [`Database`](crate::db::Database): one writer thread with group commit, a few
//! readers, and a checkpointer off the writer's path.

mod checkpoint;
mod connection;
mod readers;
mod writer;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::Connection;

use crate::db::{Database, ReadJob, WriteJob};
use crate::{StoreError, schema};

/// An open SQLite database.
pub struct Sqlite {
    writer: writer::Writer,
    readers: readers::Readers,
    _checkpointer: checkpoint::Checkpointer,
}

/// How a SQLite database is opened.
#[derive(Debug, Clone, Copy, Default)]
pub struct SqliteOptions {
    /// Refuse to grow beyond this many pages of 4 KiB: what a full disk looks like, for tests.
    pub max_pages: Option<u32>,
}

impl Sqlite {
    /// Opens the database file, making or migrating it as needed.
    ///
    /// # Errors
    /// The file cannot be opened, is damaged, or belongs to a newer version.
    pub fn open(path: &Path, options: SqliteOptions) -> Result<Arc<Self>, StoreError> {
        let mut connection = connection::open_writer(path, options)?;
        schema::migrate(&mut connection)?;
        Self::on(path, connection)
    }

    /// Opens the database file of a program that may be running: it is neither made nor migrated.
    ///
    /// # Errors
    /// The file cannot be opened, is damaged, or has not the version that this program knows.
    pub fn open_beside(path: &Path) -> Result<Arc<Self>, StoreError> {
        let connection = connection::open_writer_beside(path)?;
        schema::must_be_known(&connection)?;
        Self::on(path, connection)
    }

    fn on(path: &Path, connection: Connection) -> Result<Arc<Self>, StoreError> {
        let wal = checkpoint::WalSize::default();
        Ok(Arc::new(Self {
            _checkpointer: checkpoint::Checkpointer::start(path, wal.clone())?,
            writer: writer::Writer::start(connection, wal),
            readers: readers::Readers::new(path),
        }))
    }
}

#[async_trait]
impl Database for Sqlite {
    async fn write(&self, job: WriteJob) -> Result<(), StoreError> {
        self.writer.write(job).await
    }

    async fn read(&self, job: ReadJob) -> Result<(), StoreError> {
        self.readers.read(job).await
    }
}

#[cfg(test)]
mod tests;
