//! Messages that are to be offered to the hub again after a pause, and are kept unanswered meanwhile.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// A pause beyond the timer's range is as good as this.
const LONGEST_PAUSE: Duration = Duration::from_secs(86_400);

/// What to offer again, and when. Bounded by who takes no more in when there are many.
#[derive(Debug)]
pub struct Returns<M> {
    waiting: Mutex<BTreeMap<(Instant, u64), M>>,
    /// Of the next one, so that those of one instant keep their order.
    number: AtomicU64,
    changed: Notify,
}

impl<M> Default for Returns<M> {
    fn default() -> Self {
        Self {
            waiting: Mutex::default(),
            number: AtomicU64::new(0),
            changed: Notify::new(),
        }
    }
}

/// What is next.
#[derive(Debug, PartialEq, Eq)]
pub enum Next<M> {
    /// This one, now.
    Due(Box<M>),
    /// One, then.
    Later(Instant),
    /// None.
    None,
}

impl<M> Returns<M> {
    /// Keeps a message for its next offer.
    pub fn give_back(&self, message: M, pause: Duration) {
        let due = Instant::now() + pause.min(LONGEST_PAUSE);
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        self.lock().insert((due, number), message);
        self.changed.notify_one();
    }

    /// What is next at this time.
    #[must_use]
    pub fn next(&self, now: Instant) -> Next<M> {
        let mut waiting = self.lock();
        match waiting.first_entry() {
            None => Next::None,
            Some(first) if first.key().0 <= now => Next::Due(Box::new(first.remove())),
            Some(first) => Next::Later(first.key().0),
        }
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits until there is something new.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(Instant, u64), M>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_is_offered_in_its_time_and_those_of_one_in_their_order() {
        let returns = Returns::default();
        let now = Instant::now();
        returns.give_back("late", Duration::MAX);
        returns.give_back("first", Duration::from_secs(1));
        returns.give_back("second", Duration::from_secs(1));
        returns.changed().await;
        let due = now + Duration::from_secs(1);
        assert_eq!(returns.next(now), Next::Later(due));
        assert_eq!(returns.next(due), Next::Due(Box::new("first")));
        assert_eq!(returns.next(due), Next::Due(Box::new("second")));
        assert_eq!(returns.next(due), Next::Later(now + LONGEST_PAUSE));
        assert_eq!(returns.len(), 1);
        assert_eq!(
            returns.next(now + LONGEST_PAUSE),
            Next::Due(Box::new("late"))
        );
        assert_eq!(returns.next(now + LONGEST_PAUSE), Next::None);
        assert!(returns.is_empty());
    }
}
