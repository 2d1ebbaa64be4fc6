//! What an endpoint remembers over a restart, beside its messages: how many parts were sent today,
//! who wants no messages, how far a partner's list was read.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

/// Longest name of a space or key in bytes.
pub const MAX_STATE_NAME_BYTES: usize = 256;
/// Longest value in bytes: facts, not content.
pub const MAX_STATE_VALUE_BYTES: usize = 64 * 1024;
/// Most entries that one listing returns.
pub const MAX_STATE_LISTING: usize = 10_000;

/// Why the state cannot be had or kept.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The store refused, now; it may not later.
    #[error("the hub's own store has trouble: {0}")]
    Store(String),
    /// A name or value is too long, and always will be.
    #[error("{0} is too long to be kept")]
    TooLong(&'static str),
}

/// Where the state of one enterprise's endpoints is kept. Entries stand in spaces: an endpoint's own
/// is its name, and endpoints that must know the same (a sink and a source of one SMS account) agree
/// on one.
#[async_trait]
pub trait StateStore: Send + Sync {
    /// The value of a key.
    ///
    /// # Errors
    /// The store refused.
    async fn get(&self, space: &str, key: &str) -> Result<Option<String>, StateError>;

    /// The values of several keys, in the keys' order.
    ///
    /// # Errors
    /// The store refused.
    async fn get_several(
        &self,
        space: &str,
        keys: &[String],
    ) -> Result<Vec<Option<String>>, StateError> {
        let mut values = Vec::with_capacity(keys.len());
        for key in keys {
            values.push(self.get(space, key).await?);
        }
        Ok(values)
    }

    /// Sets entries of a space, or removes them (`None`), all or nothing. On disk when it returns.
    ///
    /// # Errors
    /// The store refused; nothing changed. Or something is too long.
    async fn put(&self, space: &str, entries: Vec<StateEntry>) -> Result<(), StateError>;

    /// Entries of a space whose keys begin so and come after `after`, by key, at most
    /// [`MAX_STATE_LISTING`].
    ///
    /// # Errors
    /// The store refused.
    async fn list(
        &self,
        space: &str,
        prefix: &str,
        after: Option<&str>,
    ) -> Result<Vec<(String, String)>, StateError>;
}

/// A key and its value; without one it is removed.
pub type StateEntry = (String, Option<String>);

/// Whether entries may be kept.
///
/// # Errors
/// What is too long.
pub fn check_state(space: &str, entries: &[StateEntry]) -> Result<(), StateError> {
    if space.len() > MAX_STATE_NAME_BYTES {
        return Err(StateError::TooLong("the name of a space"));
    }
    for (key, value) in entries {
        if key.len() > MAX_STATE_NAME_BYTES {
            return Err(StateError::TooLong("a key"));
        }
        if value
            .as_ref()
            .is_some_and(|v| v.len() > MAX_STATE_VALUE_BYTES)
        {
            return Err(StateError::TooLong("a value"));
        }
    }
    Ok(())
}

/// State in memory, for tests and for `check --connect`, which must change nothing.
#[derive(Clone, Default)]
pub struct MemoryState(Arc<Mutex<BTreeMap<(String, String), String>>>);

#[async_trait]
impl StateStore for MemoryState {
    async fn get(&self, space: &str, key: &str) -> Result<Option<String>, StateError> {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(entries.get(&(space.to_owned(), key.to_owned())).cloned())
    }

    async fn put(&self, space: &str, changes: Vec<StateEntry>) -> Result<(), StateError> {
        check_state(space, &changes)?;
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, value) in changes {
            let place = (space.to_owned(), key);
            match value {
                Some(value) => drop(entries.insert(place, value)),
                None => drop(entries.remove(&place)),
            }
        }
        Ok(())
    }

    async fn list(
        &self,
        space: &str,
        prefix: &str,
        after: Option<&str>,
    ) -> Result<Vec<(String, String)>, StateError> {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_wanted =
            |key: &str| key.starts_with(prefix) && after.is_none_or(|after| key > after);
        let wanted = entries
            .iter()
            .filter(|((of, key), _)| of == space && is_wanted(key));
        let found = wanted.map(|((_, key), value)| (key.clone(), value.clone()));
        Ok(found.take(MAX_STATE_LISTING).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn spaces_are_apart_and_listings_go_on() {
        let state = MemoryState::default();
        let set = |key: &str| (key.to_owned(), Some("1".to_owned()));
        state
            .put("a", vec![set("x1"), set("x2"), set("y")])
            .await
            .unwrap();
        state.put("b", vec![set("x3")]).await.unwrap();
        let keys = |listed: Vec<(String, String)>| -> Vec<String> {
            listed.into_iter().map(|(key, _)| key).collect()
        };
        assert_eq!(
            keys(state.list("a", "x", None).await.unwrap()),
            ["x1", "x2"]
        );
        assert_eq!(
            keys(state.list("a", "x", Some("x1")).await.unwrap()),
            ["x2"]
        );
        state.put("a", vec![("x1".to_owned(), None)]).await.unwrap();
        assert_eq!(state.get("a", "x1").await.unwrap(), None);
        assert_eq!(state.get("b", "x3").await.unwrap().as_deref(), Some("1"));
        let several = ["y", "x1", "x2"].map(str::to_owned);
        let several = state.get_several("a", &several).await.unwrap();
        let is_there: Vec<bool> = several.iter().map(Option::is_some).collect();
        assert_eq!(is_there, [true, false, true], "in the keys' order");
    }

    #[tokio::test]
    async fn what_is_too_long_changes_nothing() {
        let state = MemoryState::default();
        let long = "x".repeat(MAX_STATE_VALUE_BYTES + 1);
        let entries = vec![("a".into(), Some("1".into())), ("b".into(), Some(long))];
        assert!(matches!(
            state.put("s", entries).await,
            Err(StateError::TooLong(_))
        ));
        assert_eq!(state.get("s", "a").await.unwrap(), None);
    }
}
