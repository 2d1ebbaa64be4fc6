//! The schema and its migrations, forward only.

use std::cmp::Ordering;

use rusqlite::Connection;

use crate::StoreError;

/// Migrations in order; the position (from 1) is the schema version. Never change a released one.
const MIGRATIONS: [&str; 6] = [
    include_str!("0001_messages.sql"),
    include_str!("0002_estate.sql"),
    include_str!("0003_decoded_by.sql"),
    include_str!("0004_encoded_by.sql"),
    include_str!("0005_documents.sql"),
    include_str!("0006_endpoints.sql"),
];

/// Brings a SQLite database to the newest version, each step in a transaction of its own.
pub(crate) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let (found, known) = (version(connection)?, newest());
    if found > known {
        return Err(StoreError::TooNew { found, known });
    }
    for (version, sql) in (1..).zip(MIGRATIONS) {
        if version > found {
            let step = connection.transaction()?;
            step.execute_batch(sql)?;
            step.pragma_update(None, "user_version", version)?;
            step.commit()?;
        }
    }
    Ok(())
}

/// Checks that a SQLite database is of the newest version, and leaves it as it is.
pub(crate) fn must_be_known(connection: &Connection) -> Result<(), StoreError> {
    let (found, known) = (version(connection)?, newest());
    match found.cmp(&known) {
        Ordering::Less => Err(StoreError::TooOld { found, known }),
        Ordering::Equal => Ok(()),
        Ordering::Greater => Err(StoreError::TooNew { found, known }),
    }
}

fn version(connection: &Connection) -> Result<i64, StoreError> {
    Ok(connection.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

fn newest() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}
