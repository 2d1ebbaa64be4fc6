//! The schema and its migrations, forward only.

use std::cmp::Ordering;

use rusqlite::Connection;

use crate::StoreError;

/// Migrations in order; the position (from 1) is the schema version. Never change a released one.
const MIGRATIONS: [&str; 7] = [
    include_str!("0001_messages.sql"),
    include_str!("0002_estate.sql"),
    include_str!("0003_decoded_by.sql"),
    include_str!("0004_encoded_by.sql"),
    include_str!("0005_documents.sql"),
    include_str!("0006_endpoints.sql"),
    include_str!("0007_reports.sql"),
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A database as the first `version` migrations leave it.
    fn of_version(version: usize) -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        for sql in &MIGRATIONS[..version] {
            connection.execute_batch(sql).unwrap();
        }
        let version = i64::try_from(version).unwrap();
        connection
            .pragma_update(None, "user_version", version)
            .unwrap();
        connection
    }

    /// What a partner was known to have taken before names had times: the last time is the only one.
    #[test]
    fn names_of_deliveries_from_before_version_7_count_on() {
        let mut database = of_version(6);
        database
            .execute_batch(
                "INSERT INTO delivery (id, message_id, enterprise, route, endpoint, lane, subject, source_name, \
                 media_type, extension, body, run, state, due_at, created_at, finished_at) \
                 VALUES (5, 1, 'north', 'r', 'sms', 0, 's', '', '', '', 0, 1, 3, 0, 10, 20); \
                 INSERT INTO delivery_reference (enterprise, reference, delivery_id) VALUES ('north', 'gw/1', 5);",
            )
            .unwrap();
        migrate(&mut database).unwrap();
        let sent: i64 = database
            .query_row("SELECT sent_at FROM delivery_reference", [], |row| {
                row.get(0)
            })
            .unwrap();
        assert_eq!(sent, 20);
        assert_eq!(version(&database).unwrap(), newest());
    }
}
