//! What the store needs of a database: transactions over portable SQL.
//!
//! Repositories are plain functions over [`Tx`], so that one transaction can hold a domain change,
//! its findings, the outgoing messages and the checkpoint, on any database.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use crate::StoreError;

/// A parameter of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// SQL null.
    Null,
    /// 64-bit integer.
    Int(i64),
    /// Text.
    Text(&'a str),
    /// Bytes.
    Blob(&'a [u8]),
}

impl From<i64> for Value<'_> {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(value: &'a str) -> Self {
        Self::Text(value)
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(value: &'a String) -> Self {
        Self::Text(value)
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(value: &'a [u8]) -> Self {
        Self::Blob(value)
    }
}

impl<'a, T: Into<Self>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A row of a result. Columns count from 0.
pub trait Row {
    /// An integer that is not null.
    ///
    /// # Errors
    /// The column is of another type.
    fn int(&self, column: usize) -> Result<i64, StoreError> {
        self.opt_int(column)?
            .ok_or_else(|| StoreError::Damaged(format!("column {column} is null")))
    }

    /// A text that is not null.
    ///
    /// # Errors
    /// The column is of another type.
    fn text(&self, column: usize) -> Result<&str, StoreError> {
        self.opt_text(column)?
            .ok_or_else(|| StoreError::Damaged(format!("column {column} is null")))
    }

    /// Bytes that are not null.
    ///
    /// # Errors
    /// The column is of another type.
    fn blob(&self, column: usize) -> Result<&[u8], StoreError> {
        self.opt_blob(column)?
            .ok_or_else(|| StoreError::Damaged(format!("column {column} is null")))
    }

    /// An integer or null.
    ///
    /// # Errors
    /// The column is of another type.
    fn opt_int(&self, column: usize) -> Result<Option<i64>, StoreError>;

    /// A text or null.
    ///
    /// # Errors
    /// The column is of another type.
    fn opt_text(&self, column: usize) -> Result<Option<&str>, StoreError>;

    /// Bytes or null.
    ///
    /// # Errors
    /// The column is of another type.
    fn opt_blob(&self, column: usize) -> Result<Option<&[u8]>, StoreError>;
}

/// Receives the rows of a query.
pub type EachRow<'a> = &'a mut dyn FnMut(&dyn Row) -> Result<(), StoreError>;

/// One transaction. Statements are prepared once and kept; SQL is static text with `?1`
/// placeholders, so nothing a partner sent can become SQL.
pub trait Tx {
    /// Runs a statement and says how many rows it changed.
    ///
    /// # Errors
    /// The database refused; the transaction must not be committed.
    fn execute(&mut self, sql: &'static str, params: &[Value<'_>]) -> Result<u64, StoreError>;

    /// Runs a query.
    ///
    /// # Errors
    /// The database refused, or `each` did.
    fn query(
        &mut self,
        sql: &'static str,
        params: &[Value<'_>],
        each: EachRow<'_>,
    ) -> Result<(), StoreError>;
}

/// The first row of a query, turned into a value.
///
/// # Errors
/// The database refused, or `read` did.
pub fn first<T>(
    tx: &mut dyn Tx,
    sql: &'static str,
    params: &[Value<'_>],
    read: impl Fn(&dyn Row) -> Result<T, StoreError>,
) -> Result<Option<T>, StoreError> {
    let mut found = None;
    tx.query(sql, params, &mut |row| {
        if found.is_none() {
            found = Some(read(row)?);
        }
        Ok(())
    })?;
    Ok(found)
}

/// All rows of a query, turned into values. For queries with a `LIMIT`.
///
/// # Errors
/// The database refused, or `read` did.
pub fn all<T>(
    tx: &mut dyn Tx,
    sql: &'static str,
    params: &[Value<'_>],
    read: impl Fn(&dyn Row) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut found = Vec::new();
    tx.query(sql, params, &mut |row| {
        found.push(read(row)?);
        Ok(())
    })?;
    Ok(found)
}

/// Reading inside a transaction.
pub type ReadJob = Box<dyn FnOnce(&mut dyn Tx) -> Result<(), StoreError> + Send>;

/// Writing inside a transaction. It may be run again from its beginning after its changes were
/// taken back, so it must not use up what it needs.
pub type WriteJob = Box<dyn FnMut(&mut dyn Tx) -> Result<(), StoreError> + Send>;

/// A database.
#[async_trait]
pub trait Database: Send + Sync {
    /// Runs a job in a transaction of its own effect: all of it or nothing, and on disk (synced)
    /// when this returns. Several jobs may share one sync.
    ///
    /// # Errors
    /// The job failed, or the commit did; nothing of it is stored then.
    async fn write(&self, job: WriteJob) -> Result<(), StoreError>;

    /// Runs a job that only reads, on a consistent snapshot.
    ///
    /// # Errors
    /// The job failed.
    async fn read(&self, job: ReadJob) -> Result<(), StoreError>;
}

/// A shared database with typed jobs.
#[derive(Clone)]
pub struct Db(Arc<dyn Database>);

impl Db {
    /// Wraps a database.
    #[must_use]
    pub fn new(database: Arc<dyn Database>) -> Self {
        Self(database)
    }

    /// See [`Database::write`].
    ///
    /// # Errors
    /// The job failed, or the commit did.
    pub async fn write<T, F>(&self, mut job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&mut dyn Tx) -> Result<T, StoreError> + Send + 'static,
    {
        let slot = Slot::default();
        let filled = Arc::clone(&slot);
        self.0
            .write(Box::new(move |tx| {
                job(tx).map(|value| fill(&filled, value))
            }))
            .await?;
        take(&slot)
    }

    /// See [`Database::read`].
    ///
    /// # Errors
    /// The job failed.
    pub async fn read<T, F>(&self, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut dyn Tx) -> Result<T, StoreError> + Send + 'static,
    {
        let slot = Slot::default();
        let filled = Arc::clone(&slot);
        self.0
            .read(Box::new(move |tx| {
                job(tx).map(|value| fill(&filled, value))
            }))
            .await?;
        take(&slot)
    }
}

type Slot<T> = Arc<Mutex<Option<T>>>;

fn fill<T>(slot: &Slot<T>, value: T) {
    *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
}

fn take<T>(slot: &Slot<T>) -> Result<T, StoreError> {
    slot.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take()
        .ok_or(StoreError::Closed)
}
