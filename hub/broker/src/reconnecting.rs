//! A connection that a sink opens when it first needs it, and again when it is lost.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hub_core::Backoff;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

/// Pauses between attempts to connect. Short ones: the hub's own back-off comes on top.
const RECONNECT: Backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));

/// A connection, or the way to one. One attempt at a time, and all who wait for it share what came of
/// it.
#[derive(Debug)]
pub struct Reconnecting<C> {
    /// How often a connection was tried. Who waited for an attempt does not start another.
    attempts: AtomicU64,
    state: Mutex<State<C>>,
}

#[derive(Debug)]
struct State<C> {
    connection: Option<C>,
    failures: u32,
    not_before: Option<Instant>,
    reason: String,
}

impl<C> Default for State<C> {
    fn default() -> Self {
        Self {
            connection: None,
            failures: 0,
            not_before: None,
            reason: String::new(),
        }
    }
}

impl<C> Default for Reconnecting<C> {
    fn default() -> Self {
        Self {
            attempts: AtomicU64::new(0),
            state: Mutex::default(),
        }
    }
}

impl<C: Clone> Reconnecting<C> {
    /// The connection, if `is_open` says that it can be used; else a new one. A connection that cannot
    /// be used is asked about once.
    ///
    /// # Errors
    /// What `open` said: now, or to the one whose attempt was waited for.
    pub async fn get(
        &self,
        is_open: impl FnOnce(&C) -> bool,
        open: impl Future<Output = Result<C, String>>,
    ) -> Result<C, String> {
        let seen = self.attempts.load(Ordering::SeqCst);
        let mut state = self.state.lock().await;
        if let Some(connection) = &state.connection {
            if is_open(connection) {
                return Ok(connection.clone());
            }
            state.connection = None;
        }
        if self.attempts.load(Ordering::SeqCst) != seen && state.failures > 0 {
            return Err(state.reason.clone());
        }
        if let Some(not_before) = state.not_before {
            sleep_until(not_before).await;
        }
        let opened = open.await;
        let attempts = self.attempts.fetch_add(1, Ordering::SeqCst) + 1;
        match opened {
            Ok(connection) => {
                *state = State {
                    connection: Some(connection.clone()),
                    ..State::default()
                };
                Ok(connection)
            }
            Err(reason) => {
                state.failures = state.failures.saturating_add(1);
                let pause = RECONNECT.pause(state.failures, attempts);
                state.not_before = Some(Instant::now() + pause);
                state.reason.clone_from(&reason);
                Err(reason)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32;

    /// A broker that counts attempts, each of which takes a second.
    #[derive(Default)]
    struct Broker(AtomicU32);

    impl Broker {
        async fn open(&self, answer: Result<u32, String>) -> Result<u32, String> {
            self.0.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_secs(1)).await;
            answer
        }

        fn attempts(&self) -> u32 {
            self.0.load(Ordering::SeqCst)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn all_who_wait_share_one_attempt() {
        let (broker, connection) = (Broker::default(), Reconnecting::default());
        let refused = || connection.get(|_| true, broker.open(Err("refused".into())));
        let told = tokio::join!(refused(), refused(), refused());
        let expected = || Err("refused".to_owned());
        assert_eq!(told, (expected(), expected(), expected()));
        assert_eq!(broker.attempts(), 1);
        let opened = || connection.get(|_| true, broker.open(Ok(7)));
        assert_eq!(tokio::join!(opened(), opened()), (Ok(7), Ok(7)));
        assert_eq!(broker.attempts(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_lost_is_opened_again() {
        let (broker, connection) = (Broker::default(), Reconnecting::default());
        let get = |open: bool, next| connection.get(move |_| open, broker.open(Ok(next)));
        assert_eq!(get(true, 1).await, Ok(1));
        assert_eq!(get(true, 2).await, Ok(1));
        assert_eq!(get(false, 3).await, Ok(3));
        assert_eq!(broker.attempts(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_after_a_failure_have_pauses() {
        let (broker, connection) = (Broker::default(), Reconnecting::default());
        let begun = Instant::now();
        for _ in 0..20 {
            let refused = connection.get(|_| true, broker.open(Err("refused".into())));
            assert!(refused.await.is_err());
        }
        let pauses = begun.elapsed() - Duration::from_secs(20);
        assert!(pauses > Duration::from_secs(20), "{pauses:?}");
    }
}
