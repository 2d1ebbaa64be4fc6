//! Files between offer and end: under way in the hub, given back by it, or settled but not moved
//! away yet.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::listing::Candidate;
use crate::settle::{Outcome, Taken};

/// Most settled files remembered that could not be moved away. One that is forgotten is fetched
/// again, and the hub recognises it by its content.
const UNMOVED_FILES: usize = 10_000;

/// Pause before a settled file is tried again to be moved away; doubled at each failure.
const UNMOVED_PAUSE: Duration = Duration::from_secs(5);

/// Longest such pause.
const LONGEST_UNMOVED_PAUSE: Duration = Duration::from_secs(3_600);

/// What one connection of a source holds.
#[derive(Default)]
pub(crate) struct Hold {
    state: Mutex<State>,
    pub(crate) changed: Notify,
}

#[derive(Default)]
struct State {
    under_way: HashSet<PathBuf>,
    /// By number of the offer: nothing is offered before these, so that order is kept.
    returned: BTreeMap<u64, (Instant, Candidate)>,
}

/// A file that came back.
pub(crate) enum Returned {
    Due(u64, Candidate),
    /// Until [`Hold::returned_due`].
    Wait,
}

impl Hold {
    pub(crate) fn begin(&self, relative: &Path) {
        self.state().under_way.insert(relative.to_owned());
    }

    pub(crate) fn end(&self, relative: &Path) {
        self.state().under_way.remove(relative);
        self.changed.notify_one();
    }

    /// How many files are under way: being opened, offered, or given back.
    pub(crate) fn count(&self) -> usize {
        self.state().under_way.len()
    }

    pub(crate) fn is_under_way(&self, relative: &Path) -> bool {
        self.state().under_way.contains(relative)
    }

    /// To be offered again, before all others.
    pub(crate) fn give_back(&self, number: u64, candidate: Candidate, pause: Duration) {
        let now = Instant::now();
        // A pause beyond the timer's range is as good as a day.
        let due = now
            .checked_add(pause)
            .unwrap_or(now + Duration::from_secs(86_400));
        self.state().returned.insert(number, (due, candidate));
        self.changed.notify_one();
    }

    /// When the first file that came back is due, if there is one.
    pub(crate) fn returned_due(&self) -> Option<Instant> {
        let state = self.state();
        state.returned.first_key_value().map(|(_, (due, _))| *due)
    }

    pub(crate) fn returned(&self, now: Instant) -> Option<Returned> {
        let mut state = self.state();
        let first = state.returned.first_entry()?;
        let due = first.get().0;
        Some(match due <= now {
            true => {
                let (number, (_, candidate)) = first.remove_entry();
                Returned::Due(number, candidate)
            }
            false => Returned::Wait,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Settled files that are still where they were, of every source by its place: they outlive a
/// connection, so that a file is not fetched again only because the answer was lost.
#[derive(Default)]
pub(crate) struct AllUnmoved(Mutex<HashMap<String, Arc<Unmoved>>>);

impl AllUnmoved {
    pub(crate) fn of(&self, place: &str) -> Arc<Unmoved> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(place.to_owned()).or_default().clone()
    }
}

/// Settled files of one source that are still where they were.
#[derive(Default)]
pub(crate) struct Unmoved(Mutex<HashMap<PathBuf, Waiting>>);

#[derive(Debug, Clone)]
pub(crate) struct Waiting {
    pub(crate) taken: Taken,
    pub(crate) outcome: Outcome,
    failures: u32,
    due: Instant,
}

impl Unmoved {
    /// Remembers a file, after its first failure. Returns the pause.
    pub(crate) fn add(&self, taken: Taken, outcome: Outcome) -> Duration {
        self.put(taken, outcome, 0)
    }

    /// Remembers a file after another failure. Returns the pause.
    pub(crate) fn again(&self, waiting: Waiting) -> Duration {
        self.put(waiting.taken, waiting.outcome, waiting.failures + 1)
    }

    fn put(&self, taken: Taken, outcome: Outcome, failures: u32) -> Duration {
        let pause = UNMOVED_PAUSE
            .saturating_mul(2u32.saturating_pow(failures))
            .min(LONGEST_UNMOVED_PAUSE);
        let mut files = self.files();
        if files.len() < UNMOVED_FILES {
            let waiting = Waiting {
                due: Instant::now() + pause,
                taken,
                outcome,
                failures,
            };
            files.insert(waiting.taken.relative.clone(), waiting);
        }
        pause
    }

    /// Takes out a file that is due, or tells when one will be.
    pub(crate) fn next(&self, now: Instant) -> Option<Result<Waiting, Instant>> {
        let mut files = self.files();
        let first = files.values().min_by_key(|waiting| waiting.due)?;
        if first.due > now {
            return Some(Err(first.due));
        }
        let path = first.taken.relative.clone();
        files.remove(&path).map(Ok)
    }

    /// Whether this very file is settled. One of other size or time is another file.
    pub(crate) fn has(&self, relative: &Path, about: Option<(u64, u64)>) -> bool {
        self.files().get(relative).is_some_and(|waiting| {
            let stat = waiting.taken.stat;
            about.is_none_or(|about| about == (stat.len, stat.modified))
        })
    }

    /// Another file has come under this name.
    pub(crate) fn forget(&self, relative: &Path) {
        self.files().remove(relative);
    }

    fn files(&self) -> MutexGuard<'_, HashMap<PathBuf, Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
