//! The source: which job is asked about when, and one outcome at a time.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hub_core::{
    AdapterContext, Arrival, Body, IncomingMessage, Meter, Source, SourceError, StateStore,
};
use hub_web::OpenDoor;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::warn;

use super::callback::Nudges;
use super::follow::{Ended, FollowedJobs};
use super::jobs::{StartedJob, forgotten, open_jobs};
use crate::metrics::JOBS_OPEN;
use crate::settle::{Outcome, StateReceipt, outcome};

/// How often it is looked which jobs there are.
const LOOK_PAUSE: Duration = Duration::from_secs(2);

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
}

/// An outcome that is not settled yet.
struct Pending {
    job: String,
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

    /// Waits until the last outcome is settled.
    async fn settle(&mut self) {
        let Some(pending) = &mut self.pending else {
            return;
        };
        let outcome = outcome(&mut pending.outcome).await;
        let job = std::mem::take(&mut pending.job);
        self.pending = None;
        match (outcome, self.turns.get_mut(&job)) {
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
            self.turns.entry(id).or_insert(Turn { job, at, pause });
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
        let id = id.clone();
        if let Some(ended) = self.followed.ask(&id, &turn.job).await? {
            return Ok(Some(self.arrival(id, ended)));
        }
        let longest = self.pace.longest;
        if let Some(turn) = self.turns.get_mut(&id) {
            turn.at = Instant::now() + turn.pause;
            turn.pause = turn.pause.saturating_mul(2).min(longest);
        }
        Ok(None)
    }

    fn arrival(&mut self, job: String, ended: Ended) -> Arrival {
        let (tell, told) = oneshot::channel();
        let message = IncomingMessage {
            name: format!("job-{job}.json"),
            media_type: Some("application/json".to_owned()),
            business_key: Some(ended.report.reference.clone()),
            reports: vec![ended.report],
            body: Body::Bytes(ended.body.to_string().into()),
            ..IncomingMessage::default()
        };
        let forget = vec![forgotten(&job)];
        let also = forget.clone();
        let number = job.clone();
        let receipt = StateReceipt {
            state: Arc::clone(&self.state),
            space: self.followed.account.clone(),
            accepted: forget,
            rejected: Box::new(move |reason| {
                warn!(job = number, reason, "the outcome of a job was rejected");
                also
            }),
            outcome: tell,
        };
        self.pending = Some(Pending { job, outcome: told });
        Arrival::new(message, Box::new(receipt))
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
