//! Opening connections, and statements on them.

use std::path::Path;
use std::time::Duration;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OpenFlags, ToSql};

use super::SqliteOptions;
use crate::StoreError;
use crate::db::{EachRow, Row, Tx, Value};

/// Statements kept prepared per connection; more than all we have.
const STATEMENT_CACHE: usize = 256;
/// Page cache of the writer, in KiB. The hot part of the indexes must fit.
const WRITER_CACHE_KIB: i64 = 32 * 1024;
/// Page cache of a reader, in KiB.
const READER_CACHE_KIB: i64 = 4 * 1024;
/// How long another program (a backup, the command line) may hold the lock.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{ConstraintViolation, ParameterOutOfRange, TooBig, TypeMismatch};
        match error.sqlite_error_code() {
            Some(ConstraintViolation | ParameterOutOfRange | TooBig | TypeMismatch) => {
                Self::Contradiction(error.to_string())
            }
            _ => Self::Database(error.to_string()),
        }
    }
}

/// Opens the one connection that writes. Every commit is synced (`synchronous = FULL`).
pub(super) fn open_writer(path: &Path, options: SqliteOptions) -> Result<Connection, StoreError> {
    writer(Connection::open(path)?, options)
}

/// The same on a database that is there: none is made.
pub(super) fn open_writer_beside(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    writer(connection, SqliteOptions::default())
}

fn writer(connection: Connection, options: SqliteOptions) -> Result<Connection, StoreError> {
    prepare(&connection, WRITER_CACHE_KIB)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    if let Some(pages) = options.max_pages {
        connection.pragma_update(None, "max_page_count", pages)?;
    }
    Ok(connection)
}

/// Opens a connection that only reads.
pub(super) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    prepare(&connection, READER_CACHE_KIB)?;
    Ok(connection)
}

fn prepare(connection: &Connection, cache_kib: i64) -> Result<(), StoreError> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "cache_size", -cache_kib)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.set_prepared_statement_cache_capacity(STATEMENT_CACHE);
    Ok(())
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Value::Null => ValueRef::Null,
            Value::Int(value) => ValueRef::Integer(*value),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// A transaction that someone else begins and ends.
pub(super) struct SqliteTx<'a>(pub(super) &'a Connection);

impl Tx for SqliteTx<'_> {
    fn execute(&mut self, sql: &'static str, params: &[Value<'_>]) -> Result<u64, StoreError> {
        let changed = self
            .0
            .prepare_cached(sql)?
            .execute(rusqlite::params_from_iter(params))?;
        Ok(changed as u64)
    }

    fn query(
        &mut self,
        sql: &'static str,
        params: &[Value<'_>],
        each: EachRow<'_>,
    ) -> Result<(), StoreError> {
        let mut statement = self.0.prepare_cached(sql)?;
        let mut rows = statement.query(rusqlite::params_from_iter(params))?;
        while let Some(row) = rows.next()? {
            each(row)?;
        }
        Ok(())
    }
}

impl Row for rusqlite::Row<'_> {
    fn opt_int(&self, column: usize) -> Result<Option<i64>, StoreError> {
        self.get_ref(column)?
            .as_i64_or_null()
            .map_err(|e| mistyped(column, &e))
    }

    fn opt_text(&self, column: usize) -> Result<Option<&str>, StoreError> {
        self.get_ref(column)?
            .as_str_or_null()
            .map_err(|e| mistyped(column, &e))
    }

    fn opt_blob(&self, column: usize) -> Result<Option<&[u8]>, StoreError> {
        self.get_ref(column)?
            .as_blob_or_null()
            .map_err(|e| mistyped(column, &e))
    }
}

fn mistyped(column: usize, error: &dyn std::error::Error) -> StoreError {
    StoreError::Damaged(format!("column {column}: {error}"))
}
