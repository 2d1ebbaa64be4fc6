//! What the endpoints of an enterprise remember, in the store.

use async_trait::async_trait;
use hub_core::{MAX_STATE_LISTING, StateEntry, StateError, StateStore, check_state};

use crate::StoreError;
use crate::db::{Db, Tx, all, first};

/// The state of one enterprise's endpoints.
#[derive(Clone)]
pub struct EndpointState {
    db: Db,
    enterprise: String,
}

impl EndpointState {
    /// That of an enterprise.
    #[must_use]
    pub fn of(db: &Db, enterprise: &str) -> Self {
        Self {
            db: db.clone(),
            enterprise: enterprise.to_owned(),
        }
    }
}

#[async_trait]
impl StateStore for EndpointState {
    async fn get(&self, space: &str, key: &str) -> Result<Option<String>, StateError> {
        let (enterprise, space, key) = (self.enterprise.clone(), space.to_owned(), key.to_owned());
        let found = self.db.read(move |tx| get(tx, &enterprise, &space, &key));
        found.await.map_err(trouble)
    }

    /// In one look at the database, which costs more than what is looked up.
    async fn get_several(
        &self,
        space: &str,
        keys: &[String],
    ) -> Result<Vec<Option<String>>, StateError> {
        let (enterprise, space, keys) = (self.enterprise.clone(), space.to_owned(), keys.to_vec());
        let found = self.db.read(move |tx| {
            let values = keys.iter().map(|key| get(tx, &enterprise, &space, key));
            values.collect()
        });
        found.await.map_err(trouble)
    }

    async fn put(&self, space: &str, entries: Vec<StateEntry>) -> Result<(), StateError> {
        check_state(space, &entries)?;
        let (enterprise, space) = (self.enterprise.clone(), space.to_owned());
        let stored = self.db.write(move |tx| {
            entries
                .iter()
                .try_for_each(|entry| put(tx, &enterprise, &space, entry))
        });
        stored.await.map_err(trouble)
    }

    async fn list(
        &self,
        space: &str,
        prefix: &str,
        after: Option<&str>,
    ) -> Result<Vec<(String, String)>, StateError> {
        let (enterprise, space) = (self.enterprise.clone(), space.to_owned());
        let (prefix, after) = (prefix.to_owned(), after.unwrap_or_default().to_owned());
        let sql = "SELECT name, value FROM endpoint_state WHERE enterprise = ?1 AND space = ?2 \
                   AND name >= ?3 AND name > ?4 ORDER BY name LIMIT ?5";
        let found = self.db.read(move |tx| {
            let most = i64::try_from(MAX_STATE_LISTING).unwrap_or(i64::MAX);
            let params = [
                (&enterprise).into(),
                (&space).into(),
                (&prefix).into(),
                (&after).into(),
                most.into(),
            ];
            let mut entries = all(tx, sql, &params, |row| {
                Ok((row.text(0)?.to_owned(), row.text(1)?.to_owned()))
            })?;
            // They are sorted: those that begin otherwise are all at the end.
            entries.retain(|(name, _)| name.starts_with(&prefix));
            Ok(entries)
        });
        found.await.map_err(trouble)
    }
}

fn get(
    tx: &mut dyn Tx,
    enterprise: &str,
    space: &str,
    key: &str,
) -> Result<Option<String>, StoreError> {
    let sql = "SELECT value FROM endpoint_state WHERE enterprise = ?1 AND space = ?2 AND name = ?3";
    let params = [enterprise.into(), space.into(), key.into()];
    first(tx, sql, &params, |row| Ok(row.text(0)?.to_owned()))
}

fn put(
    tx: &mut dyn Tx,
    enterprise: &str,
    space: &str,
    (key, value): &StateEntry,
) -> Result<(), StoreError> {
    let place = [enterprise.into(), space.into(), key.into()];
    match value {
        Some(value) => {
            let sql = "INSERT INTO endpoint_state (enterprise, space, name, value) VALUES (?1, ?2, ?3, ?4) \
                       ON CONFLICT (enterprise, space, name) DO UPDATE SET value = excluded.value";
            let [enterprise, space, key] = place;
            tx.execute(sql, &[enterprise, space, key, value.into()])?
        }
        None => {
            let sql =
                "DELETE FROM endpoint_state WHERE enterprise = ?1 AND space = ?2 AND name = ?3";
            tx.execute(sql, &place)?
        }
    };
    Ok(())
}

fn trouble(problem: StoreError) -> StateError {
    StateError::Store(problem.to_string())
}
