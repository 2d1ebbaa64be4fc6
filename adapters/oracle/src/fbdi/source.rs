//! The source: which job is asked about when, and one piece of news at a time.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hub_core::{
    AdapterContext, Arrival, Body, IncomingMessage, Meter, Source, SourceError, StateEntry,
    StateStore,
};
use hub_web::OpenDoor;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::warn;

use super::callback::Nudges;
use super::follow::{FollowedJobs, News, Standing, Trouble};
use super::jobs::{StartedJob, forgotten, open_jobs, remembered};
use crate::metrics::JOBS_OPEN;
use crate::settle::{Outcome, StateReceipt, outcome};

/// How often it is looked which jobs there are.
const LOOK_PAUSE: Duration = Duration::from_secs(2);
/// How long nothing is asked after an answer that we are too fast, if it does not say.
const BUSY_PAUSE: Duration = Duration::from_secs(30);

/// How often a job is asked about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) first: Duration,
    pub(crate) longest: Duration,
}

/// A job and when it is asked about next.
struct Turn {
    job: StartedJob,
    at: Instant,
    pause: Duration,
    /// Questions in a row that were of no use.
    troubles: u32,
}

impl Turn {
    /// Asked about more and more seldom.
    fn later(&mut self, longest: Duration) {
        self.at = Instant::now() + self.pause;
        self.pause = self.pause.saturating_mul(2).min(longest);
    }
}

/// What a message says of its job.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Said {
    Running,
    Ended,
}

/// News that are not settled yet.
struct Pending {
    job: String,
    said: Said,
    outcome: oneshot::Receiver<Outcome>,
}

/// Follows the jobs of an account.
pub(crate) struct JobsSource {
    followed: FollowedJobs,
    pace: Pace,
    nudges: Arc<Nudges>,
    /// Open while the source lives; calls come as nudges.
    _door: Option<OpenDoor>,
    state: Arc<dyn StateStore>,
    meter: Meter,
    endpoint: String,
    turns: HashMap<String, Turn>,
    looked: Option<Instant>,
    pending: Option<Pending>,
}

impl JobsSource {
    pub(crate) fn new(
        followed: FollowedJobs,
        pace: Pace,
        nudges: Arc<Nudges>,
        door: Option<OpenDoor>,
        context: &AdapterContext,
    ) -> Self {
        Self {
            followed,
            pace,
            nudges,
            _door: door,
            state: Arc::clone(&context.state),
            meter: context.meter.clone(),
            endpoint: context.name.clone(),
            turns: HashMap::new(),
            looked: None,
            pending: None,
        }
    }

    /// Waits until the last news are settled.
    async fn settle(&mut self) {
        let Some(pending) = &mut self.pending else {
            return;
        };
        let outcome = outcome(&mut pending.outcome).await;
        let (job, said) = (std::mem::take(&mut pending.job), pending.said);
        self.pending = None;
        match (outcome, self.turns.get_mut(&job)) {
            (Outcome::Settled, Some(turn)) if said == Said::Running => {
                turn.job.told = true;
                turn.later(self.pace.longest);
            }
            (Outcome::Settled, _) => drop(self.turns.remove(&job)),
            (Outcome::Again(after), Some(turn)) => turn.at = Instant::now() + after,
            (Outcome::Again(_), None) => {}
        }
    }

    /// Looks which jobs there are: new ones, and those that are forgotten meanwhile.
    async fn look(&mut self) -> Result<(), SourceError> {
        if self.looked.is_some_and(|at| at.elapsed() < LOOK_PAUSE) {
            return Ok(());
        }
        let listed = open_jobs(self.state.as_ref(), &self.followed.account).await;
        let jobs = listed.map_err(|problem| SourceError::Disconnected {
            endpoint: self.endpoint.clone(),
            reason: problem.to_string(),
        })?;
        let known: HashSet<&str> = jobs.iter().map(|(id, _)| id.as_str()).collect();
        self.turns.retain(|id, _| known.contains(id.as_str()));
        let open = jobs.len();
        let pause = self.pace.first;
        for (id, job) in jobs {
            let at = Instant::now();
            self.turns.entry(id).or_insert(Turn {
                job,
                at,
                pause,
                troubles: 0,
            });
        }
        // A number without fraction; no hub has so many jobs that it would be rounded.
        self.meter
            .set(JOBS_OPEN, u32::try_from(open).unwrap_or(u32::MAX).into());
        self.looked = Some(Instant::now());
        Ok(())
    }

    /// Those that were called about come first.
    fn take_nudges(&mut self) {
        for id in self.nudges.take() {
            if let Some(turn) = self.turns.get_mut(&id) {
                turn.at = Instant::now();
                turn.pause = self.pace.first;
            }
        }
    }

    fn next(&self) -> Option<(&String, &Turn)> {
        self.turns.iter().min_by_key(|(_, turn)| turn.at)
    }

    /// Asks about the job whose turn it is, if it is.
    async fn ask(&mut self) -> Result<Option<Arrival>, SourceError> {
        let Some((id, turn)) = self.next().filter(|(_, turn)| turn.at <= Instant::now()) else {
            return Ok(None);
        };
        let (id, job) = (id.clone(), turn.job.clone());
        let asked = self.followed.ask(&id, &job, turn.troubles).await;
        let Some(turn) = self.turns.get_mut(&id) else {
            return Ok(None);
        };
        if asked.is_ok() {
            turn.troubles = 0;
        }
        match asked {
            Ok(Standing::Ended(news)) => return Ok(Some(self.arrival(id, Said::Ended, news))),
            Ok(Standing::Running(news)) => return Ok(Some(self.arrival(id, Said::Running, news))),
            Ok(Standing::Unchanged) => {}
            Err(Trouble::Endpoint(problem)) => return Err(problem),
            Err(Trouble::Busy(pause)) => self.pause_all(pause.unwrap_or(BUSY_PAUSE)),
            Err(Trouble::Job(reason)) => {
                // The others are asked about as before; this one until it is given up.
                turn.troubles = turn.troubles.saturating_add(1);
                if turn.troubles == 1 {
                    warn!(job = id, reason, "Fusion does not tell of a job");
                }
            }
        }
        if let Some(turn) = self.turns.get_mut(&id) {
            turn.later(self.pace.longest);
        }
        Ok(None)
    }

    fn pause_all(&mut self, pause: Duration) {
        let until = Instant::now() + pause;
        for turn in self.turns.values_mut() {
            turn.at = turn.at.max(until);
        }
    }

    fn arrival(&mut self, job: String, said: Said, news: News) -> Arrival {
        let (tell, told) = oneshot::channel();
        let reference = &news.report.reference;
        let (name, key) = match said {
            Said::Running => (
                format!("job-{job}-running.json"),
                format!("{reference}/running"),
            ),
            Said::Ended => (format!("job-{job}.json"), reference.clone()),
        };
        let message = IncomingMessage {
            name,
            media_type: Some("application/json".to_owned()),
            business_key: Some(key),
            reports: vec![news.report],
            body: Body::Bytes(news.body.to_string().into()),
            ..IncomingMessage::default()
        };
        let written = self.written(&job, said);
        let also = written.clone();
        let number = job.clone();
        let receipt = StateReceipt {
            state: Arc::clone(&self.state),
            space: self.followed.account.clone(),
            accepted: written,
            rejected: Box::new(move |reason| {
                warn!(job = number, reason, "what is told of a job was rejected");
                also
            }),
            outcome: tell,
        };
        self.pending = Some(Pending {
            job,
            said,
            outcome: told,
        });
        Arrival::new(message, Box::new(receipt))
    }

    /// What is written down once news are settled: never told again.
    fn written(&self, job: &str, said: Said) -> Vec<StateEntry> {
        let told = |turn: &Turn| {
            let told = StartedJob {
                told: true,
                ..turn.job.clone()
            };
            remembered(job, &told)
        };
        match said {
            Said::Running => self.turns.get(job).map(told).into_iter().collect(),
            Said::Ended => vec![forgotten(job)],
        }
    }

    async fn wait(&self) {
        let look = self.looked.unwrap_or_else(Instant::now) + LOOK_PAUSE;
        let until = self.next().map_or(look, |(_, turn)| turn.at.min(look));
        tokio::select! {
            () = tokio::time::sleep_until(until) => {}
            () = self.nudges.more() => {}
        }
    }
}

#[async_trait]
impl Source for JobsSource {
    /// Cancel-safe: what is asked changes nothing at Fusion, and is asked again.
    async fn receive(&mut self) -> Result<Arrival, SourceError> {
        loop {
            self.settle().await;
            self.look().await?;
            self.take_nudges();
            if let Some(arrival) = self.ask().await? {
                return Ok(arrival);
            }
            if self.next().is_none_or(|(_, turn)| turn.at > Instant::now()) {
                self.wait().await;
            }
        }
    }
}
