//! Messages that are to be offered again after a pause.
//!
//! They are kept here, unacknowledged: the protocol has no way to give one back. A connection that
//! ends gives all of them back to the broker.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::receipt::Held;

/// A pause beyond the timer's range is as good as this.
const LONGEST_PAUSE: Duration = Duration::from_secs(86_400);

/// What to offer again, and when. Bounded by the receive maximum, and by who takes no more in when
/// there are many.
#[derive(Default)]
pub(crate) struct Returns {
    waiting: Mutex<BTreeMap<(Instant, u64), Held>>,
    changed: Notify,
}

/// What is next.
pub(crate) enum Next {
    /// This one, now.
    Due(Box<Held>),
    /// One, then.
    Later(Instant),
    /// None.
    None,
}

impl Returns {
    /// Keeps a message for its next offer.
    pub(crate) fn give_back(&self, held: Held, pause: Duration) {
        let due = Instant::now() + pause.min(LONGEST_PAUSE);
        let mut waiting = self.lock();
        // Numbered, so that those of one instant keep their order.
        let number = waiting
            .last_key_value()
            .map_or(0, |((_, n), _)| n.wrapping_add(1));
        waiting.insert((due, number), held);
        drop(waiting);
        self.changed.notify_one();
    }

    /// What is next at this time.
    pub(crate) fn next(&self, now: Instant) -> Next {
        let mut waiting = self.lock();
        match waiting.first_entry() {
            None => Next::None,
            Some(first) if first.key().0 <= now => Next::Due(Box::new(first.remove())),
            Some(first) => Next::Later(first.key().0),
        }
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Waits until there is something new.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(Instant, u64), Held>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
