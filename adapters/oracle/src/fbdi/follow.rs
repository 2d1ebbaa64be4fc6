//! Asks Fusion what became of a job.

use std::sync::Arc;
use std::time::Duration;

use hub_core::{Clock, DeliveryReport, Reported, SourceError};
use hub_web::{Answer, Verdict, WebClient, is_about_the_message, verdict};
use reqwest::Method;
use serde_json::{Value, json};
use tracing::warn;

use super::details::{Child, children, overall};
use super::jobs::{StartedJob, reference};
use super::status::Progress;
use crate::config::Fetch;

/// Largest answer about states.
const LARGEST_STATUS: usize = 1024 * 1024;
/// Most jobs below a job that its message lists.
const MOST_LISTED: usize = 200;
/// After so many answers of trouble about a job its outcome is told without its log: more often would
/// hold up what matters for what only explains it.
const TRIES_FOR_DOCUMENT: u32 = 3;

/// Follows the jobs of an account.
pub(crate) struct FollowedJobs {
    pub(crate) client: WebClient,
    pub(crate) resource: String,
    pub(crate) account: String,
    pub(crate) warning_is_failure: bool,
    pub(crate) report_running: bool,
    pub(crate) give_up: Duration,
    pub(crate) fetch: Fetch,
    pub(crate) max_fetch_bytes: usize,
    pub(crate) clock: Arc<dyn Clock>,
}

/// What is told of a job.
pub(crate) struct News {
    /// What the hub shows on the delivery.
    pub(crate) report: DeliveryReport,
    /// What the message says.
    pub(crate) body: Value,
}

/// How far a job is.
pub(crate) enum Standing {
    /// As before.
    Unchanged,
    /// It is seen running for the first time.
    Running(News),
    /// It has an outcome.
    Ended(News),
}

/// Why a question was of no use.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// Fusion does not answer, or not to us: it need not be asked about others.
    Endpoint(SourceError),
    /// It wants us to slow down.
    Busy(Option<Duration>),
    /// It answers, but not about this job.
    Job(String),
}

/// What was seen of a job.
enum Seen {
    UnderWay { status: String, is_known: bool },
    Ended(News),
}

impl FollowedJobs {
    /// How far a job is; `troubles` questions in a row were of no use.
    ///
    /// # Errors
    /// Fusion does not tell.
    pub(crate) async fn ask(
        &self,
        job: &str,
        started: &StartedJob,
        troubles: u32,
    ) -> Result<Standing, Trouble> {
        let is_over = self.is_given_up(started);
        let is_last = is_over || troubles >= TRIES_FOR_DOCUMENT;
        match self.look(job, started, is_last).await {
            Ok(Seen::Ended(news)) => Ok(Standing::Ended(news)),
            Ok(Seen::UnderWay { status, .. }) if is_over => {
                Ok(Standing::Ended(self.given_up(job, started, &status)))
            }
            Ok(Seen::UnderWay { status, is_known }) => {
                match is_known && self.report_running && !started.told {
                    true => Ok(Standing::Running(self.running(job, started, &status))),
                    false => Ok(Standing::Unchanged),
                }
            }
            Err(Trouble::Job(reason)) if is_over => {
                Ok(Standing::Ended(self.given_up(job, started, &reason)))
            }
            Err(trouble) => Err(trouble),
        }
    }

    /// Looks at a job; `is_last`: what only explains its outcome is not waited for any more.
    async fn look(&self, job: &str, started: &StartedJob, is_last: bool) -> Result<Seen, Trouble> {
        let status = self.status(job).await?;
        let own = Progress::of(&status);
        if matches!(own, Progress::UnderWay | Progress::Unknown) {
            let is_known = own == Progress::UnderWay;
            return Ok(Seen::UnderWay { status, is_known });
        }
        let below = match own {
            // What failed needs no more reasons to.
            Progress::Failed => Vec::new(),
            _ => self.below(job).await?,
        };
        let progress = overall(own, &below);
        if progress == Progress::UnderWay {
            let running = named(&below, Progress::UnderWay);
            let status = format!("{status}, but under way: {running}");
            return Ok(Seen::UnderWay {
                status,
                is_known: true,
            });
        }
        let is_failure = progress == Progress::Failed
            || (progress == Progress::Warning && self.warning_is_failure);
        let outcome = match is_failure {
            true => Reported::Failed,
            false => Reported::Arrived,
        };
        let mut news = self.news(job, started, &status, outcome, &below);
        if let Some(file_type) = self.fetch.file_type() {
            news.body["document"] = match self.document(job, file_type).await {
                Err(Trouble::Job(reason)) if is_last => {
                    warn!(job, reason, "the log of a job is not to be had");
                    json!({ "not_fetched": reason })
                }
                document => document?,
            };
        }
        Ok(Seen::Ended(news))
    }

    fn is_given_up(&self, started: &StartedJob) -> bool {
        let age = self.clock.now().micros().saturating_sub(started.started);
        Duration::from_micros(age.max(0).cast_unsigned()) >= self.give_up
    }

    fn given_up(&self, job: &str, started: &StartedJob, last: &str) -> News {
        let hours = self.give_up.as_secs() / 3_600;
        let status = format!("no outcome within {hours} hours, last {last}");
        self.news(job, started, &status, Reported::Failed, &[])
    }

    fn running(&self, job: &str, started: &StartedJob, status: &str) -> News {
        self.news(job, started, status, Reported::UnderWay, &[])
    }

    fn news(
        &self,
        job: &str,
        started: &StartedJob,
        status: &str,
        outcome: Reported,
        below: &[Child],
    ) -> News {
        let mut note = format!("job {job}: {status}");
        for (progress, words) in [
            (Progress::Failed, "but failed"),
            (Progress::Unknown, "state not understood"),
        ] {
            let names = named(below, progress);
            if !names.is_empty() {
                note = format!("{note}, {words}: {names}");
            }
        }
        News {
            report: DeliveryReport {
                reference: reference(&self.account, job),
                outcome,
                note: hub_web::plain(note.as_bytes(), 500),
            },
            body: json!({
                "job": job,
                "message_id": started.message_id,
                "file": started.file,
                "status": status,
                "outcome": outcome.as_str(),
                "jobs": below.iter().take(MOST_LISTED).collect::<Vec<_>>(),
            }),
        }
    }

    async fn status(&self, job: &str) -> Result<String, Trouble> {
        let query = format!("finder=ESSJobStatusRF;requestId={job}&onlyData=true");
        let answer = self.get(&query, LARGEST_STATUS).await?;
        let status =
            first(&answer).and_then(|item| Some(item["RequestStatus"].as_str()?.to_owned()));
        // A job that Fusion does not know (any more) is asked about until it is given up.
        Ok(status.unwrap_or_else(|| format!("not told ({})", answer.status)))
    }

    /// The jobs below a job; none if Fusion does not tell them in a way that we understand.
    async fn below(&self, job: &str) -> Result<Vec<Child>, Trouble> {
        let query = format!("finder=ESSExecutionDetailsRF;requestId={job}&onlyData=true");
        let answer = self.get(&query, LARGEST_STATUS + 1).await?;
        if answer.body.len() > LARGEST_STATUS {
            let reason = format!("what it started has more than {LARGEST_STATUS} bytes");
            return Err(Trouble::Job(reason));
        }
        let item = first(&answer).unwrap_or_default();
        Ok(children(item["RequestStatus"].as_str().unwrap_or_default()))
    }

    /// Log or output, as Fusion gives it: a ZIP in base 64.
    async fn document(&self, job: &str, file_type: &str) -> Result<Value, Trouble> {
        let query = format!(
            "finder=ESSJobExecutionDetailsRF;requestId={job},fileType={file_type}&onlyData=true"
        );
        let answer = self.get(&query, self.max_fetch_bytes).await?;
        let Some(item) = first(&answer) else {
            warn!(job, status = %answer.status, "the log of a job is not to be had, or too large");
            return Ok(json!({ "not_fetched": "not told, or too large" }));
        };
        Ok(json!({
            "name": item["DocumentName"],
            "id": item["DocumentId"],
            "content": item["DocumentContent"],
        }))
    }

    async fn get(&self, query: &str, limit: usize) -> Result<Answer, Trouble> {
        let path = format!("{}?{query}", self.resource);
        let make = || {
            let request = self.client.request(Method::GET, &path);
            request.header(reqwest::header::ACCEPT, "application/json")
        };
        let sent = self.client.send(make).await;
        let response = sent.map_err(|problem| Trouble::Endpoint(problem.into()))?;
        let answer = self.client.read(response, limit).await;
        let status = answer.status.as_u16();
        match verdict(status, &[]) {
            Verdict::Sent | Verdict::Refused => Ok(answer),
            Verdict::Busy => Err(Trouble::Busy(answer.retry_after)),
            Verdict::Unavailable => {
                let reason = format!("it answered {} {}", answer.status, answer.shown());
                let reason = reason.trim_end().to_owned();
                match is_about_the_message(status, answer.retry_after.is_some()) {
                    true => Err(Trouble::Job(reason)),
                    false => Err(Trouble::Endpoint(self.client.no_answer(reason).into())),
                }
            }
        }
    }
}

/// The names of those that are so far, with the words of states that we do not know.
fn named(jobs: &[Child], progress: Progress) -> String {
    let those = jobs.iter().filter(|child| child.progress() == progress);
    let names = those.map(|child| match progress {
        Progress::Unknown => format!("{} ({})", child.name, child.status),
        _ => child.name.clone(),
    });
    names.collect::<Vec<_>>().join(", ")
}

/// The first item of a collection.
fn first(answer: &Answer) -> Option<Value> {
    if !answer.status.is_success() {
        return None;
    }
    let mut collection: Value = serde_json::from_slice(&answer.body).ok()?;
    let items = collection["items"].as_array_mut()?;
    (!items.is_empty()).then(|| items.swap_remove(0))
}
