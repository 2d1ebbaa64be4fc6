//! The schema and its migrations, forward only.

use rusqlite::Connection;

use crate::StoreError;

/// Migrations in order; the position (from 1) is the schema version. Never change a released one.
const MIGRATIONS: [&str; 3] = [
    include_str!("0001_messages.sql"),
    include_str!("0002_estate.sql"),
    include_str!("0003_decoded_by.sql"),
];

/// Brings a SQLite database to the newest version, each step in a transaction of its own.
pub(crate) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
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
