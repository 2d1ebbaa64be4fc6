//! The source: lists, claims and offers files, and takes back what was not accepted.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use hub_core::{Arrival, Body, IncomingMessage, Receipt, Settlement, Source, SourceError};
use hub_names::Complete;
use tokio::sync::Notify;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, sleep_until};

use crate::claim::NotClaimed;
use crate::folder::{Claimed, Folder};
use crate::listing::{Candidate, Listing, Seen};

/// Most files claimed at a time. Claimed files wait for this hub even if another has time.
const CLAIM_BATCH: usize = 64;

/// How often to look for what a dead process left.
const TAKE_OVER_PAUSE: Duration = Duration::from_secs(10);

/// Pause before a file that could not be claimed, archived or quarantined is tried again. Each
/// further failure to move a settled file away doubles it.
const TROUBLE_PAUSE: Duration = Duration::from_secs(60);

/// Longest such pause: the hub notes every time a file is offered again.
const LONGEST_TROUBLE_PAUSE: Duration = Duration::from_secs(3_600);

/// Pause before a file whose arrival was dropped unsettled is offered again.
const DROPPED_PAUSE: Duration = Duration::from_secs(1);

/// Most files in trouble that are remembered; beyond, they are tried at every listing.
const AVOIDED_FILES: usize = 10_000;

/// How fast a source goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) poll: Duration,
    pub(crate) window: usize,
}

/// A connected watched folder.
pub(crate) struct FileSource {
    name: String,
    pace: Pace,
    folder: Arc<Folder>,
    returns: Arc<Returns>,
    /// Claimed, next to be offered.
    claimed: VecDeque<Claimed>,
    /// Complete, next to be claimed.
    candidates: VecDeque<Candidate>,
    seen: Seen,
    avoid: HashMap<PathBuf, Instant>,
    next_listing: Instant,
    next_take_over: Instant,
    /// Kept here while it runs, so that a dropped `receive` loses nothing.
    job: Option<JoinHandle<Done>>,
}

/// What a job on a blocking thread brings.
enum Done {
    Listed(io::Result<(Vec<Claimed>, Listing)>),
    Claimed(Vec<(PathBuf, Result<Claimed, NotClaimed>)>),
    /// A file that came back, unless it is gone meanwhile.
    Found(Option<Claimed>),
}

/// What `receive` does next.
enum Next {
    Offer(Claimed),
    Wait(Instant),
    Work(Box<dyn FnOnce() -> Done + Send>),
}

impl FileSource {
    pub(crate) fn new(name: String, folder: Folder, left: Vec<Claimed>, pace: Pace) -> Self {
        let now = Instant::now();
        Self {
            name,
            pace,
            folder: Arc::new(folder),
            returns: Arc::default(),
            claimed: left.into(),
            candidates: VecDeque::new(),
            seen: Seen::new(),
            avoid: HashMap::new(),
            next_listing: now,
            next_take_over: now + TAKE_OVER_PAUSE,
            job: None,
        }
    }

    fn next(&mut self, now: Instant) -> Next {
        let returned = match self.returns.next(now) {
            // Whether it is still there must be known: an absent file would be tried for ever.
            Some(Returned::Due(claimed)) => return self.look_again(claimed),
            Some(Returned::InOrder(due)) => return Next::Wait(due),
            Some(Returned::Later(due)) => Some(due),
            None => None,
        };
        if let Some(claimed) = self.claimed.pop_front() {
            return Next::Offer(claimed);
        }
        if !self.candidates.is_empty() {
            return self.claim();
        }
        if now >= self.next_listing {
            return self.list(now);
        }
        Next::Wait(returned.map_or(self.next_listing, |due| due.min(self.next_listing)))
    }

    fn look_again(&self, mut claimed: Claimed) -> Next {
        let folder = self.folder.clone();
        Next::Work(Box::new(move || match folder.files.stat(&claimed.path) {
            Ok(stat) => {
                claimed.stat = stat;
                Done::Found(Some(claimed))
            }
            Err(error) => {
                tracing::error!(file = %claimed.path.display(), %error, "claimed file is gone");
                Done::Found(None)
            }
        }))
    }

    fn claim(&mut self) -> Next {
        let count = self.pace.window.min(CLAIM_BATCH).min(self.candidates.len());
        let batch: Vec<Candidate> = self.candidates.drain(..count).collect();
        let folder = self.folder.clone();
        Next::Work(Box::new(move || {
            let claim = |candidate: Candidate| {
                let result = folder.claim(&candidate);
                (candidate.relative, result)
            };
            Done::Claimed(batch.into_iter().map(claim).collect())
        }))
    }

    fn list(&mut self, now: Instant) -> Next {
        self.next_listing = now + self.pace.poll;
        let take_over = now >= self.next_take_over;
        if take_over {
            self.next_take_over = now + TAKE_OVER_PAUSE;
        }
        self.avoid.retain(|_, until| *until > now);
        let avoid: HashSet<PathBuf> = self.avoid.keys().cloned().collect();
        let seen = std::mem::take(&mut self.seen);
        let folder = self.folder.clone();
        Next::Work(Box::new(move || {
            let inherited = match take_over {
                true => folder.take_over(),
                false => Ok(Vec::new()),
            };
            Done::Listed(inherited.and_then(|inherited| {
                let listing = folder.lister.list(folder.files.as_ref(), &seen, &avoid)?;
                Ok((inherited, listing))
            }))
        }))
    }

    /// Takes in what a job brought. A file that came back is offered before anything else.
    fn take(&mut self, done: Done) -> Result<Option<Claimed>, SourceError> {
        match done {
            Done::Found(found) => return Ok(found),
            Done::Listed(Err(error)) => {
                let root = self.folder.lister.root.display();
                let reason = format!("watched folder `{root}`: {error}");
                return Err(disconnected(&self.name, reason));
            }
            Done::Listed(Ok((inherited, listing))) => {
                self.claimed.extend(inherited);
                self.candidates = listing.candidates;
                self.seen = listing.seen;
            }
            Done::Claimed(results) => {
                for (path, result) in results {
                    self.take_claimed(path, result)?;
                }
            }
        }
        Ok(None)
    }

    fn take_claimed(
        &mut self,
        path: PathBuf,
        result: Result<Claimed, NotClaimed>,
    ) -> Result<(), SourceError> {
        match result {
            Ok(claimed) => {
                if self.folder.lister.complete != Complete::Unchanged {
                    // There was something, so there may be more; resting files need their pause.
                    self.next_listing = Instant::now();
                }
                self.claimed.push_back(claimed);
            }
            Err(NotClaimed::Gone | NotClaimed::Changed) => {}
            Err(NotClaimed::NotAFile) => self.leave_alone(path),
            Err(NotClaimed::Failed(error)) if error.kind() == io::ErrorKind::CrossesDevices => {
                let reason = "claim folder is not on the file system of the watched folder";
                return Err(disconnected(&self.name, reason.to_owned()));
            }
            Err(NotClaimed::Failed(error)) => {
                tracing::warn!(source = %self.name, file = %path.display(), %error, "file cannot be taken");
                self.leave_alone(path);
            }
        }
        Ok(())
    }

    fn leave_alone(&mut self, path: PathBuf) {
        if self.avoid.len() < AVOIDED_FILES {
            self.avoid.insert(path, Instant::now() + TROUBLE_PAUSE);
        }
    }

    fn offer(&self, claimed: Claimed) -> Arrival {
        let name = claimed.relative.file_name().unwrap_or_default();
        let message = IncomingMessage {
            name: name.to_string_lossy().into_owned(),
            headers: vec![
                (
                    "path".to_owned(),
                    claimed.relative.to_string_lossy().into_owned(),
                ),
                ("modified".to_owned(), claimed.stat.modified.to_string()),
            ],
            media_type: None,
            reports: Vec::new(),
            business_key: None,
            body: Body::File(claimed.path.clone()),
        };
        let receipt = FileReceipt {
            claimed: Some(claimed),
            folder: self.folder.clone(),
            returns: self.returns.clone(),
        };
        Arrival::new(message, Box::new(receipt))
    }
}

#[async_trait]
impl Source for FileSource {
    async fn receive(&mut self) -> Result<Arrival, SourceError> {
        loop {
            if let Some(job) = &mut self.job {
                let done = job.await;
                self.job = None;
                let done = done.map_err(|error| disconnected(&self.name, error.to_string()))?;
                if let Some(found) = self.take(done)? {
                    return Ok(self.offer(found));
                }
            }
            match self.next(Instant::now()) {
                Next::Offer(claimed) => return Ok(self.offer(claimed)),
                Next::Work(work) => self.job = Some(spawn_blocking(work)),
                Next::Wait(until) => tokio::select! {
                    () = sleep_until(until) => {}
                    () = self.returns.changed.notified() => {}
                },
            }
        }
    }

    fn window(&self) -> usize {
        self.pace.window
    }
}

pub(crate) fn disconnected(endpoint: &str, reason: String) -> SourceError {
    SourceError::Disconnected {
        endpoint: endpoint.to_owned(),
        reason,
    }
}

/// Claimed files that came back to be offered again.
#[derive(Default)]
struct Returns {
    waiting: Mutex<Waiting>,
    changed: Notify,
}

#[derive(Default)]
struct Waiting {
    /// Nothing is offered before these: the sender's order is kept. By number of the claim.
    in_order: BTreeMap<u64, (Instant, Claimed)>,
    /// Accepted or rejected already, only the file could not be moved: these wait aside.
    aside: BTreeMap<u64, (Instant, Claimed)>,
}

enum Returned {
    Due(Claimed),
    InOrder(Instant),
    Later(Instant),
}

impl Returns {
    fn give_back(&self, claimed: Claimed, pause: Duration, in_order: bool) {
        let now = Instant::now();
        // A pause beyond the timer's range is as good as a day.
        let due = now
            .checked_add(pause)
            .unwrap_or(now + Duration::from_secs(86_400));
        let mut waiting = self.lock();
        let side = match in_order {
            true => &mut waiting.in_order,
            false => &mut waiting.aside,
        };
        side.insert(claimed.number, (due, claimed));
        drop(waiting);
        self.changed.notify_one();
    }

    fn next(&self, now: Instant) -> Option<Returned> {
        let mut waiting = self.lock();
        if let Some(first) = waiting.in_order.first_entry() {
            let due = first.get().0;
            return Some(match due <= now {
                true => Returned::Due(first.remove().1),
                false => Returned::InOrder(due),
            });
        }
        let soonest = waiting
            .aside
            .iter()
            .map(|(number, (due, _))| (*due, *number))
            .min()?;
        match soonest {
            (due, number) if due <= now => {
                let (_, claimed) = waiting.aside.remove(&number)?;
                Some(Returned::Due(claimed))
            }
            (due, _) => Some(Returned::Later(due)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The duty to settle one claimed file.
struct FileReceipt {
    /// `None` once settled.
    claimed: Option<Claimed>,
    folder: Arc<Folder>,
    returns: Arc<Returns>,
}

#[async_trait]
impl Receipt for FileReceipt {
    async fn settle(mut self: Box<Self>, settlement: Settlement) {
        let Some(claimed) = self.claimed.take() else {
            return;
        };
        let (folder, returns) = (self.folder.clone(), self.returns.clone());
        let settled = match settlement {
            Settlement::Retry { after } => return returns.give_back(claimed, after, true),
            Settlement::Accepted { .. } => spawn_blocking(move || {
                let result = folder.archive(&claimed);
                put_aside_on_error(&returns, claimed, result);
            }),
            Settlement::Reject { reason } => spawn_blocking(move || {
                let result = folder.quarantine(&claimed, &reason);
                put_aside_on_error(&returns, claimed, result);
            }),
        };
        if let Err(error) = settled.await {
            tracing::error!(%error, "settling a file was cut off");
        }
    }
}

/// The file stays claimed and is offered again: the hub will recognise it and settle it again.
fn put_aside_on_error(returns: &Returns, mut claimed: Claimed, result: io::Result<()>) {
    if let Err(error) = result {
        let pause = trouble_pause(claimed.failures);
        tracing::error!(
            file = %claimed.path.display(),
            %error,
            pause_seconds = pause.as_secs(),
            "settled file cannot be moved away"
        );
        claimed.failures += 1;
        returns.give_back(claimed, pause, false);
    }
}

fn trouble_pause(failures_before: u32) -> Duration {
    TROUBLE_PAUSE
        .saturating_mul(2u32.saturating_pow(failures_before))
        .min(LONGEST_TROUBLE_PAUSE)
}

impl Drop for FileReceipt {
    fn drop(&mut self) {
        if let Some(claimed) = self.claimed.take() {
            self.returns.give_back(claimed, DROPPED_PAUSE, true);
        }
    }
}
