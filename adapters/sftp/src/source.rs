//! The source: lists, fetches and offers files, and takes back what was not accepted.

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;
use hub_core::{Arrival, IncomingMessage, Receipt, Settlement, Source, SourceError};
use hub_model::Instant as UtcInstant;
use tokio::time::{Instant, sleep_until};

use crate::failure::Failure;
use crate::hold::{Hold, Returned, Unmoved, Waiting};
use crate::listing::{Candidate, Listing, Seen};
use crate::pool::Pool;
use crate::session::Stat;
use crate::settle::{Folder, Outcome, Taken};
use crate::take::{NotTaken, Opened, take};

/// Pause before a file that could not be read is tried again.
const TROUBLE_PAUSE: Duration = Duration::from_secs(60);

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

/// What a source and its receipts share.
pub(crate) struct Shared {
    pub(crate) pool: Pool,
    pub(crate) folder: Folder,
    pub(crate) hold: Hold,
    pub(crate) unmoved: Arc<Unmoved>,
}

/// A connected watched folder.
pub(crate) struct SftpSource {
    name: String,
    pace: Pace,
    shared: Arc<Shared>,
    candidates: VecDeque<Candidate>,
    seen: Seen,
    avoid: HashMap<PathBuf, Instant>,
    next_number: u64,
    next_listing: Instant,
    /// Files that are being opened, offered in their order. Kept here, as `job` is, so that a dropped
    /// `receive` loses nothing. Those ahead of the first are, with the offered ones, no more than the
    /// window: each can be offered, so that none keeps a session that a settled one waits for.
    opening: FuturesOrdered<Job>,
    /// Any other work.
    job: Option<Job>,
}

type Job = Pin<Box<dyn Future<Output = Done> + Send>>;

/// What a job brings.
enum Done {
    Listed(Result<Listing, Failure>),
    Opened(u64, Candidate, Result<Opened, NotTaken>),
    Moved(Waiting, Result<(), Failure>),
}

/// What `receive` does next, when no file is being opened.
enum Next {
    Wait(Instant),
    Work(Job),
}

impl SftpSource {
    pub(crate) fn new(name: String, shared: Shared, pace: Pace) -> Self {
        Self {
            name,
            pace,
            shared: Arc::new(shared),
            candidates: VecDeque::new(),
            seen: Seen::new(),
            avoid: HashMap::new(),
            next_number: 0,
            next_listing: Instant::now(),
            opening: FuturesOrdered::new(),
            job: None,
        }
    }

    /// Begins to open the next file: the one that is asked for, and ahead of it as many as the window
    /// allows. Returns whether it did.
    fn open_next(&mut self, now: Instant) -> bool {
        match self.shared.hold.returned(now) {
            Some(Returned::Due(number, candidate)) => {
                self.opening
                    .push_back(open(self.shared.clone(), number, candidate));
                return true;
            }
            Some(Returned::Wait) => return false,
            None => {}
        }
        while self.opening.is_empty() || self.shared.hold.count() < self.pace.window {
            let Some(candidate) = self.candidates.pop_front() else {
                return false;
            };
            // A listing may be older than what has happened since.
            if !self.shared.hold.is_under_way(&candidate.relative) {
                self.next_number += 1;
                self.shared.hold.begin(&candidate.relative);
                self.opening
                    .push_back(open(self.shared.clone(), self.next_number, candidate));
                return true;
            }
        }
        false
    }

    fn next(&mut self, now: Instant) -> Next {
        let unmoved = match self.shared.unmoved.next(now) {
            Some(Ok(waiting)) => return Next::Work(move_away(self.shared.clone(), waiting)),
            Some(Err(due)) => Some(due),
            None => None,
        };
        let sooner = |due: Instant| unmoved.map_or(due, |other| other.min(due));
        if let Some(due) = self.shared.hold.returned_due() {
            return Next::Wait(sooner(due));
        }
        match now >= self.next_listing {
            true => Next::Work(self.list(now)),
            false => Next::Wait(sooner(self.next_listing)),
        }
    }

    fn list(&mut self, now: Instant) -> Job {
        self.avoid.retain(|_, until| *until > now);
        let avoid: HashSet<PathBuf> = self.avoid.keys().cloned().collect();
        let seen = std::mem::take(&mut self.seen);
        let shared = self.shared.clone();
        Box::pin(async move {
            let inner = shared.clone();
            let listed = shared.pool.run(move |session, wanted| {
                let leave_alone = |path: &Path, about: Option<(u64, u64)>| {
                    inner.hold.is_under_way(path)
                        || inner.unmoved.has(path, about)
                        || avoid.contains(path)
                };
                let lister = &inner.folder.lister;
                lister.list(session, wanted, &seen, &leave_alone)
            });
            Done::Listed(listed.await)
        })
    }

    /// Takes in what a job brought.
    fn take(&mut self, done: Done) -> Result<Option<Arrival>, SourceError> {
        match done {
            Done::Listed(listed) => {
                let listing = listed.map_err(|failure| self.disconnected(&failure))?;
                self.candidates = listing.candidates;
                self.seen = listing.seen;
                // From its end: a file must rest so long, however long the listing took.
                self.next_listing = Instant::now() + self.pace.poll;
                Ok(None)
            }
            Done::Opened(number, candidate, Ok(opened)) => {
                Ok(Some(self.offer(number, candidate, opened)))
            }
            Done::Opened(_, candidate, Err(problem)) => {
                self.shared.hold.end(&candidate.relative);
                self.not_taken(candidate.relative, problem)?;
                Ok(None)
            }
            Done::Moved(waiting, moved) => {
                self.moved(waiting, moved)?;
                Ok(None)
            }
        }
    }

    fn not_taken(&mut self, relative: PathBuf, problem: NotTaken) -> Result<(), SourceError> {
        match problem {
            NotTaken::Gone | NotTaken::Changed => {}
            NotTaken::NotAFile => self.leave_alone(relative),
            NotTaken::Failed(failure) if failure.is_answer() => {
                tracing::warn!(source = %self.name, %failure, "file cannot be taken");
                self.leave_alone(relative);
            }
            NotTaken::Failed(failure) => return Err(self.disconnected(&failure)),
        }
        Ok(())
    }

    fn moved(&mut self, waiting: Waiting, moved: Result<(), Failure>) -> Result<(), SourceError> {
        let Err(failure) = moved else { return Ok(()) };
        let pause = self.shared.unmoved.again(waiting);
        tracing::error!(source = %self.name, %failure, pause_seconds = pause.as_secs(), "settled file cannot be moved away");
        match failure.is_answer() {
            true => Ok(()),
            false => Err(self.disconnected(&failure)),
        }
    }

    fn leave_alone(&mut self, relative: PathBuf) {
        if self.avoid.len() < AVOIDED_FILES {
            self.avoid.insert(relative, Instant::now() + TROUBLE_PAUSE);
        }
    }

    fn offer(&mut self, number: u64, candidate: Candidate, opened: Opened) -> Arrival {
        self.shared.unmoved.forget(&candidate.relative);
        let name = candidate.relative.file_name().unwrap_or_default();
        let message = IncomingMessage {
            name: name.to_string_lossy().into_owned(),
            headers: vec![
                (
                    "path".to_owned(),
                    candidate.relative.to_string_lossy().into_owned(),
                ),
                ("modified".to_owned(), modified(opened.stat)),
            ],
            media_type: None,
            reports: Vec::new(),
            business_key: None,
            body: opened.body,
        };
        let receipt = SftpReceipt {
            offered: Some((number, candidate)),
            stat: opened.stat,
            shared: self.shared.clone(),
        };
        Arrival::new(message, Box::new(receipt))
    }

    fn disconnected(&self, failure: &Failure) -> SourceError {
        disconnected(&self.name, failure.to_string())
    }
}

fn modified(stat: Stat) -> String {
    let seconds = i64::try_from(stat.modified).unwrap_or(i64::MAX / 1_000_000);
    UtcInstant::from_seconds(seconds.min(i64::MAX / 1_000_000)).to_string()
}

fn open(shared: Arc<Shared>, number: u64, candidate: Candidate) -> Job {
    Box::pin(async move {
        let path = shared.folder.lister.root.join(&candidate.relative);
        let opened = take(&shared.pool, path, candidate.clone()).await;
        Done::Opened(number, candidate, opened)
    })
}

fn move_away(shared: Arc<Shared>, waiting: Waiting) -> Job {
    Box::pin(async move {
        let (taken, outcome) = (waiting.taken.clone(), waiting.outcome.clone());
        let moved = settle(&shared, taken, outcome).await;
        Done::Moved(waiting, moved)
    })
}

async fn settle(shared: &Arc<Shared>, taken: Taken, outcome: Outcome) -> Result<(), Failure> {
    let inner = shared.clone();
    let settled = shared
        .pool
        .run(move |session, _| inner.folder.settle(session, &taken, &outcome));
    settled.await
}

#[async_trait]
impl Source for SftpSource {
    async fn receive(&mut self) -> Result<Arrival, SourceError> {
        loop {
            if let Some(job) = &mut self.job {
                let done = job.await;
                self.job = None;
                if let Some(arrival) = self.take(done)? {
                    return Ok(arrival);
                }
            }
            let now = Instant::now();
            if self.open_next(now) {
                continue;
            }
            // Before other work: what is open may keep the session that the work would wait for.
            if !self.opening.is_empty() {
                tokio::select! {
                    Some(done) = self.opening.next() => {
                        if let Some(arrival) = self.take(done)? {
                            return Ok(arrival);
                        }
                    }
                    () = self.shared.hold.changed.notified() => {}
                }
                continue;
            }
            match self.next(now) {
                Next::Work(job) => self.job = Some(job),
                Next::Wait(until) => tokio::select! {
                    () = sleep_until(until) => {}
                    () = self.shared.hold.changed.notified() => {}
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

/// The duty to settle one file.
struct SftpReceipt {
    /// `None` once settled.
    offered: Option<(u64, Candidate)>,
    stat: Stat,
    shared: Arc<Shared>,
}

impl SftpReceipt {
    fn give_back(&mut self, pause: Duration) {
        if let Some((number, mut candidate)) = self.offered.take() {
            // Whatever it is by then.
            candidate.unchanged = None;
            candidate.listed = None;
            self.shared.hold.give_back(number, candidate, pause);
        }
    }
}

#[async_trait]
impl Receipt for SftpReceipt {
    async fn settle(mut self: Box<Self>, settlement: Settlement) {
        let outcome = match settlement {
            Settlement::Retry { after } => return self.give_back(after),
            Settlement::Accepted { .. } => Outcome::Accepted,
            Settlement::Reject { reason } => Outcome::Rejected(reason),
        };
        let Some((_, candidate)) = self.offered.take() else {
            return;
        };
        let taken = Taken {
            relative: candidate.relative,
            stat: self.stat,
        };
        let settled = settle(&self.shared, taken.clone(), outcome.clone()).await;
        let relative = taken.relative.clone();
        if let Err(failure) = settled {
            let pause = self.shared.unmoved.add(taken, outcome);
            tracing::error!(file = %relative.display(), %failure, pause_seconds = pause.as_secs(), "settled file cannot be moved away");
        }
        self.shared.hold.end(&relative);
    }
}

impl Drop for SftpReceipt {
    fn drop(&mut self) {
        self.give_back(DROPPED_PAUSE);
    }
}
