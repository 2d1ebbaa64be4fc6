//! Ids, given out by counters in the database, so that they are the same on every database.

use crate::StoreError;
use crate::db::{Tx, first};

/// The next id of a counter (`enterprise`, `object`, `series`, `reading_type`). A transaction that
/// is rolled back gives it back.
pub(super) fn next(tx: &mut dyn Tx, counter: &'static str) -> Result<i64, StoreError> {
    first(
        tx,
        "UPDATE counter SET next = next + 1 WHERE name = ?1 RETURNING next - 1",
        &[counter.into()],
        |row| row.int(0),
    )?
    .ok_or_else(|| StoreError::Damaged(format!("there is no counter `{counter}`")))
}
