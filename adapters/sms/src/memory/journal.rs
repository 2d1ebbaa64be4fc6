//! Writes entries of one space, many at a time: those who wait for the disk while it is busy are
//! written together by the next.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hub_core::{StateEntry, StateError, StateStore};
use tokio::sync::watch;

/// Entries on their way to the disk.
pub(crate) struct Journal {
    state: Arc<dyn StateStore>,
    space: &'static str,
    pending: Mutex<Pending>,
    /// The last ticket that is on disk.
    written: watch::Sender<u64>,
    /// Whose turn it is to write.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Pending {
    last: u64,
    /// By key, with the ticket of its last change.
    entries: BTreeMap<String, (u64, Option<String>)>,
}

/// A change to wait for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ticket(u64);

impl Journal {
    pub(crate) fn new(state: Arc<dyn StateStore>, space: &'static str) -> Self {
        Self {
            state,
            space,
            pending: Mutex::default(),
            written: watch::Sender::default(),
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// Notes entries, to be written with whoever waits next.
    pub(crate) fn note(&self, entries: impl IntoIterator<Item = StateEntry>) -> Ticket {
        let mut pending = self.pending();
        pending.last += 1;
        let ticket = pending.last;
        let entries = entries
            .into_iter()
            .map(|(key, value)| (key, (ticket, value)));
        pending.entries.extend(entries);
        Ticket(ticket)
    }

    /// Waits until a change, and all before it, are on disk. Dropped, they stay noted.
    ///
    /// # Errors
    /// The store refused; they stay noted.
    pub(crate) async fn written(&self, ticket: Ticket) -> Result<(), StateError> {
        let mut written = self.written.subscribe();
        // All whom one write serves hear of it at once; one of the others has the next turn.
        let _turn = tokio::select! {
            biased;
            _ = written.wait_for(|last| *last >= ticket.0) => return Ok(()),
            turn = self.turn.lock() => turn,
        };
        let (last, entries) = self.snapshot();
        self.state.put(self.space, entries).await?;
        // What changed meanwhile is written by the next.
        self.pending()
            .entries
            .retain(|_, (ticket, _)| *ticket > last);
        self.written.send_replace(last);
        Ok(())
    }

    /// The value of a key: as noted last, though it may not be on disk yet.
    ///
    /// # Errors
    /// The store refused.
    pub(crate) async fn read(&self, key: &str) -> Result<Option<String>, StateError> {
        let noted = self
            .pending()
            .entries
            .get(key)
            .map(|(_, value)| value.clone());
        match noted {
            Some(value) => Ok(value),
            None => self.state.get(self.space, key).await,
        }
    }

    fn snapshot(&self) -> (u64, Vec<StateEntry>) {
        let pending = self.pending();
        let entries = pending.entries.iter();
        let entries = entries.map(|(key, (_, value))| (key.clone(), value.clone()));
        (pending.last, entries.collect())
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use futures_util::future::join_all;
    use hub_core::MemoryState;

    use super::*;

    /// Counts looks and writes, each of which takes a while, and refuses the first writes.
    #[derive(Default)]
    pub(in super::super) struct Counting {
        kept: MemoryState,
        looks: AtomicUsize,
        puts: AtomicUsize,
        refusals: AtomicUsize,
    }

    impl Counting {
        pub(in super::super) fn looks(&self) -> usize {
            self.looks.load(Ordering::SeqCst)
        }
    }

    #[async_trait]
    impl StateStore for Counting {
        async fn get(&self, space: &str, key: &str) -> Result<Option<String>, StateError> {
            self.looks.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            self.kept.get(space, key).await
        }

        async fn get_several(
            &self,
            space: &str,
            keys: &[String],
        ) -> Result<Vec<Option<String>>, StateError> {
            self.looks.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            self.kept.get_several(space, keys).await
        }

        async fn put(&self, space: &str, entries: Vec<StateEntry>) -> Result<(), StateError> {
            self.puts.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            let refuses = |n: usize| n.checked_sub(1);
            let (most, least) = (Ordering::SeqCst, Ordering::SeqCst);
            match self.refusals.fetch_update(most, least, refuses) {
                Ok(_) => Err(StateError::Store("full".to_owned())),
                Err(_) => self.kept.put(space, entries).await,
            }
        }

        async fn list(
            &self,
            space: &str,
            prefix: &str,
            after: Option<&str>,
        ) -> Result<Vec<(String, String)>, StateError> {
            self.kept.list(space, prefix, after).await
        }
    }

    fn set(key: usize) -> [StateEntry; 1] {
        [(key.to_string(), Some("1".to_owned()))]
    }

    #[tokio::test]
    async fn a_crowd_shares_two_writes() {
        let state = Arc::new(Counting::default());
        let journal = Journal::new(state.clone(), "s");
        let all = (0..100).map(async |n| journal.written(journal.note(set(n))).await);
        for written in join_all(all).await {
            written.unwrap();
        }
        assert_eq!(state.list("s", "", None).await.unwrap().len(), 100);
        assert!(state.puts.load(Ordering::SeqCst) <= 2, "{:?}", state.puts);
    }

    #[tokio::test]
    async fn what_was_refused_is_written_later() {
        let state = Arc::new(Counting::default());
        state.refusals.store(1, Ordering::SeqCst);
        let journal = Journal::new(state.clone(), "s");
        journal.written(journal.note(set(1))).await.unwrap_err();
        journal.written(journal.note(set(2))).await.unwrap();
        assert_eq!(state.list("s", "", None).await.unwrap().len(), 2);
    }
}
