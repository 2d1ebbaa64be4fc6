//! The nonces that were used, as long as their tokens would be taken.
//!
//! Kept in memory and, before a request is taken, on disk: a restart must not open the window for
//! what was overheard before it. A nonce is forgotten when its token is too old anyway.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use hub_core::{StateEntry, StateError, StateStore};
use hub_model::Instant;
use sha2::{Digest, Sha256};

use super::Denied;

/// What their keys begin with in the endpoint's space. Then come the second of expiry and the hash.
const PREFIX: &str = "nonce/";

/// Expired ones that are removed from the disk with each one that is added.
const REMOVED_AT_ONCE: usize = 64;

/// See the module.
pub(crate) struct Nonces {
    used: Mutex<Used>,
    most: usize,
    state: Arc<dyn StateStore>,
    space: String,
}

#[derive(Default)]
struct Used {
    /// By second of expiry, so that the oldest go first.
    by_expiry: BTreeMap<i64, Vec<String>>,
    all: HashSet<String>,
}

impl Nonces {
    /// With what is on disk from before.
    ///
    /// # Errors
    /// The store has trouble.
    pub(crate) async fn load(
        state: Arc<dyn StateStore>,
        space: &str,
        most: usize,
    ) -> Result<Self, StateError> {
        let mut used = Used::default();
        let mut after: Option<String> = None;
        loop {
            let page = state.list(space, PREFIX, after.as_deref()).await?;
            let Some((last, _)) = page.last() else {
                break;
            };
            after = Some(last.clone());
            for (key, _) in &page {
                let found = key.strip_prefix(PREFIX).and_then(|key| key.split_once('/'));
                if let Some((expiry, hash)) = found
                    && let Ok(expiry) = expiry.parse()
                {
                    used.insert(expiry, hash.to_owned());
                }
            }
        }
        let used = Mutex::new(used);
        let space = space.to_owned();
        Ok(Self {
            used,
            most,
            state,
            space,
        })
    }

    /// Notes that a nonce is used now; its token is taken until `expiry`.
    ///
    /// # Errors
    /// It was used before, or it cannot be remembered.
    pub(crate) async fn spend(
        &self,
        user: &str,
        nonce: &[u8],
        expiry: Instant,
        now: Instant,
    ) -> Result<(), Denied> {
        let hash = hash(user, nonce);
        let expiry = seconds(expiry);
        let mut entries = self.note(hash.clone(), expiry, seconds(now))?;
        entries.push((key(expiry, &hash), Some(String::new())));
        let kept = self.state.put(&self.space, entries).await;
        kept.map_err(|error| {
            tracing::error!(%error, "a nonce cannot be remembered; its sender is asked to wait");
            // Nobody was let in by it: the same request may come again.
            self.unnote(expiry, &hash);
            Denied::NotNow
        })
    }

    fn unnote(&self, expiry: i64, hash: &str) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.all.remove(hash);
        if let Some(hashes) = used.by_expiry.get_mut(&expiry) {
            hashes.retain(|one| one != hash);
        }
    }

    /// Notes it in memory; gives what may be removed from the disk.
    fn note(&self, hash: String, expiry: i64, now: i64) -> Result<Vec<StateEntry>, Denied> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let removed = used.forget(now);
        if used.all.contains(&hash) {
            return Err(Denied::Replayed);
        }
        if used.all.len() >= self.most {
            return Err(Denied::NotNow);
        }
        used.insert(expiry, hash);
        Ok(removed)
    }
}

impl Used {
    fn insert(&mut self, expiry: i64, hash: String) {
        self.by_expiry.entry(expiry).or_default().push(hash.clone());
        self.all.insert(hash);
    }

    /// Forgets some of those that expired.
    fn forget(&mut self, now: i64) -> Vec<StateEntry> {
        let mut removed = Vec::new();
        while let Some(oldest) = self.by_expiry.first_entry()
            && *oldest.key() < now
            && removed.len() < REMOVED_AT_ONCE
        {
            let (expiry, hashes) = oldest.remove_entry();
            for hash in hashes {
                self.all.remove(&hash);
                removed.push((key(expiry, &hash), None));
            }
        }
        removed
    }
}

fn key(expiry: i64, hash: &str) -> String {
    format!("{PREFIX}{expiry:012}/{hash}")
}

fn seconds(at: Instant) -> i64 {
    at.micros().div_euclid(1_000_000)
}

/// A nonce belongs to its user: two may happen to choose the same.
fn hash(user: &str, nonce: &[u8]) -> String {
    let mut hash = Sha256::new();
    hash.update((user.len() as u64).to_be_bytes());
    hash.update(user.as_bytes());
    hash.update(nonce);
    hash.finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hub_core::MemoryState;

    const NOW: Instant = Instant::from_seconds(1_000_000);

    #[tokio::test]
    async fn a_nonce_is_used_once_also_after_a_restart() {
        let state: Arc<dyn StateStore> = Arc::new(MemoryState::default());
        let nonces = Nonces::load(Arc::clone(&state), "soap", 10).await.unwrap();
        let later = NOW.plus_seconds(300);
        assert_eq!(nonces.spend("a", b"1", later, NOW).await, Ok(()));
        assert_eq!(nonces.spend("b", b"1", later, NOW).await, Ok(()));
        let again = nonces.spend("a", b"1", later, NOW).await;
        assert_eq!(again, Err(Denied::Replayed));
        let nonces = Nonces::load(state, "soap", 10).await.unwrap();
        let again = nonces.spend("a", b"1", later, NOW).await;
        assert_eq!(again, Err(Denied::Replayed));
    }

    /// A store that refuses for a while.
    #[derive(Default)]
    struct Troubled {
        state: MemoryState,
        refuses: std::sync::atomic::AtomicBool,
    }

    #[async_trait::async_trait]
    impl StateStore for Troubled {
        async fn get(&self, space: &str, key: &str) -> Result<Option<String>, StateError> {
            self.state.get(space, key).await
        }

        async fn put(&self, space: &str, entries: Vec<StateEntry>) -> Result<(), StateError> {
            match self.refuses.load(std::sync::atomic::Ordering::Relaxed) {
                true => Err(StateError::Store("the disk is full".to_owned())),
                false => self.state.put(space, entries).await,
            }
        }

        async fn list(
            &self,
            space: &str,
            prefix: &str,
            after: Option<&str>,
        ) -> Result<Vec<(String, String)>, StateError> {
            self.state.list(space, prefix, after).await
        }
    }

    #[tokio::test]
    async fn a_nonce_that_was_not_kept_was_not_used() {
        let state = Arc::new(Troubled::default());
        let nonces = Nonces::load(state.clone(), "soap", 10).await.unwrap();
        let later = NOW.plus_seconds(300);
        state
            .refuses
            .store(true, std::sync::atomic::Ordering::Relaxed);
        for _ in 0..2 {
            let put_off = nonces.spend("a", b"1", later, NOW).await;
            assert_eq!(put_off, Err(Denied::NotNow));
        }
        state
            .refuses
            .store(false, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(nonces.spend("a", b"1", later, NOW).await, Ok(()));
        let again = nonces.spend("a", b"1", later, NOW).await;
        assert_eq!(again, Err(Denied::Replayed));
    }

    #[tokio::test]
    async fn they_are_forgotten_in_time_and_never_too_many() {
        let state = MemoryState::default();
        let nonces = Nonces::load(Arc::new(state.clone()), "soap", 3)
            .await
            .unwrap();
        for nonce in [b"1", b"2", b"3"] {
            let spent = nonces.spend("a", nonce, NOW.plus_seconds(300), NOW).await;
            assert_eq!(spent, Ok(()));
        }
        let full = nonces.spend("a", b"4", NOW.plus_seconds(300), NOW).await;
        assert_eq!(full, Err(Denied::NotNow));
        let later = NOW.plus_seconds(302);
        let spent = nonces
            .spend("a", b"4", later.plus_seconds(300), later)
            .await;
        assert_eq!(spent, Ok(()));
        assert_eq!(state.list("soap", PREFIX, None).await.unwrap().len(), 1);
    }
}
