//! Looks keys of one space up, many at a time: those who ask while the store is busy are answered
//! together by the next look.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hub_core::{StateError, StateStore};
use tokio::sync::oneshot;

/// Keys looked up at once, at most: a look holds one of the store's few readers.
const MOST_AT_ONCE: usize = 256;

/// Keys on their way to the store.
pub(crate) struct Lookups {
    state: Arc<dyn StateStore>,
    space: &'static str,
    waiting: Mutex<Vec<Waiting>>,
    turn: tokio::sync::Mutex<()>,
}

struct Waiting {
    key: String,
    answer: oneshot::Sender<Option<String>>,
}

impl Lookups {
    pub(crate) fn new(state: Arc<dyn StateStore>, space: &'static str) -> Self {
        Self {
            state,
            space,
            waiting: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// The value of a key, looked up after this was called.
    ///
    /// # Errors
    /// The store refused.
    pub(crate) async fn get(&self, key: &str) -> Result<Option<String>, StateError> {
        let (answer, mut answered) = oneshot::channel();
        let key = key.to_owned();
        self.waiting().push(Waiting {
            key: key.clone(),
            answer,
        });
        tokio::select! {
            biased;
            answer = &mut answered => match answer {
                Ok(value) => return Ok(value),
                // Whoever looked for us was stopped, or refused.
                Err(_) => return self.state.get(self.space, &key).await,
            },
            _turn = self.turn.lock() => self.look().await?,
        }
        match answered.try_recv() {
            Ok(value) => Ok(value),
            // More wait than are looked up at once.
            Err(_) => self.state.get(self.space, &key).await,
        }
    }

    /// Answers those who wait.
    async fn look(&self) -> Result<(), StateError> {
        let batch: Vec<Waiting> = {
            let mut waiting = self.waiting();
            let most = waiting.len().min(MOST_AT_ONCE);
            waiting.drain(..most).collect()
        };
        let (keys, answers): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|w| (w.key, w.answer)).unzip();
        let values = self.state.get_several(self.space, &keys).await?;
        for (answer, value) in answers.into_iter().zip(values) {
            // One who is gone needs none.
            let _ = answer.send(value);
        }
        Ok(())
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;

    use super::super::journal::tests::Counting;
    use super::*;

    async fn listed() -> Arc<Counting> {
        let state = Arc::new(Counting::default());
        let entries = (0..5).map(|n| (n.to_string(), Some(format!("v{n}"))));
        state.put("s", entries.collect()).await.unwrap();
        state
    }

    async fn look_up(lookups: &Lookups, n: usize) -> Result<Option<String>, StateError> {
        lookups.get(&n.to_string()).await
    }

    #[tokio::test]
    async fn a_crowd_shares_two_looks() {
        let state = listed().await;
        let lookups = Lookups::new(state.clone(), "s");
        let all = join_all((0..100).map(|n| look_up(&lookups, n))).await;
        for (n, found) in all.into_iter().enumerate() {
            assert_eq!(found.unwrap(), (n < 5).then(|| format!("v{n}")));
        }
        assert!(state.looks() <= 2, "{}", state.looks());
    }

    #[tokio::test]
    async fn one_who_goes_away_takes_no_answer_along() {
        let state = listed().await;
        let lookups = Lookups::new(state.clone(), "s");
        let mut gone = Box::pin(lookups.get("1"));
        let mut stays = Box::pin(lookups.get("2"));
        assert!(futures_util::poll!(&mut gone).is_pending());
        assert!(futures_util::poll!(&mut stays).is_pending());
        drop(gone);
        assert_eq!(stays.await.unwrap().as_deref(), Some("v2"));
    }

    #[tokio::test]
    async fn a_crowd_that_is_too_large_for_one_look_is_answered_too() {
        let state = listed().await;
        let lookups = Lookups::new(state, "s");
        let all = join_all((0..MOST_AT_ONCE * 2 + 1).map(|_| lookups.get("3"))).await;
        let is_right = |found: &Result<Option<String>, StateError>| matches!(found, Ok(Some(value)) if value == "v3");
        assert!(all.iter().all(is_right));
    }
}
