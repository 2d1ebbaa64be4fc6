//! Asks Fusion what became of a job.

use std::sync::Arc;
use std::time::Duration;

use hub_core::{Clock, DeliveryReport, Reported, SourceError};
use hub_web::{Answer, Verdict, WebClient, verdict};
use reqwest::Method;
use serde_json::{Value, json};
use tracing::warn;

use super::details::{Child, children, worst};
use super::jobs::{StartedJob, reference};
use super::status::Progress;
use crate::config::Fetch;

/// Largest answer about states.
const LARGEST_STATUS: usize = 1024 * 1024;

/// Follows the jobs of an account.
pub(crate) struct FollowedJobs {
    pub(crate) client: WebClient,
    pub(crate) resource: String,
    pub(crate) account: String,
    pub(crate) warning_is_failure: bool,
    pub(crate) give_up: Duration,
    pub(crate) fetch: Fetch,
    pub(crate) max_fetch_bytes: usize,
    pub(crate) clock: Arc<dyn Clock>,
}

/// The outcome of a job.
pub(crate) struct Ended {
    /// What the hub shows on the delivery.
    pub(crate) report: DeliveryReport,
    /// What the message says.
    pub(crate) body: Value,
}

impl FollowedJobs {
    /// The outcome of a job, once it has one.
    ///
    /// # Errors
    /// Fusion does not answer, or not to us.
    pub(crate) async fn ask(
        &self,
        job: &str,
        started: &StartedJob,
    ) -> Result<Option<Ended>, SourceError> {
        let status = self.status(job).await?;
        let own = Progress::of(&status);
        if own == Progress::UnderWay {
            return Ok(self.given_up(job, started, &status));
        }
        let below = match own {
            // What failed needs no more reasons to.
            Progress::Failed => Vec::new(),
            _ => self.below(job).await?,
        };
        let progress = worst(&below).map_or(own, |below| below.max(own));
        let is_failure = progress == Progress::Failed
            || (progress == Progress::Warning && self.warning_is_failure);
        let outcome = match is_failure {
            true => Reported::Failed,
            false => Reported::Arrived,
        };
        let mut ended = self.ended(job, started, &status, outcome, &below);
        if let Some(file_type) = self.fetch.file_type() {
            ended.body["document"] = self.document(job, file_type).await?;
        }
        Ok(Some(ended))
    }

    fn given_up(&self, job: &str, started: &StartedJob, status: &str) -> Option<Ended> {
        let age = self.clock.now().micros().saturating_sub(started.started);
        let is_over = Duration::from_micros(age.max(0).cast_unsigned()) >= self.give_up;
        is_over.then(|| {
            let hours = self.give_up.as_secs() / 3_600;
            let status = format!("no outcome within {hours} hours, last {status}");
            self.ended(job, started, &status, Reported::Failed, &[])
        })
    }

    fn ended(
        &self,
        job: &str,
        started: &StartedJob,
        status: &str,
        outcome: Reported,
        below: &[Child],
    ) -> Ended {
        let failed: Vec<&str> = below
            .iter()
            .filter(|child| Progress::of(&child.status) == Progress::Failed)
            .map(|child| child.name.as_str())
            .collect();
        let mut note = format!("job {job}: {status}");
        if !failed.is_empty() {
            note = format!("{note}, but failed: {}", failed.join(", "));
        }
        Ended {
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
                "jobs": below,
            }),
        }
    }

    async fn status(&self, job: &str) -> Result<String, SourceError> {
        let query = format!("finder=ESSJobStatusRF;requestId={job}&onlyData=true");
        let answer = self.get(&query, LARGEST_STATUS).await?;
        let status =
            first(&answer).and_then(|item| Some(item["RequestStatus"].as_str()?.to_owned()));
        // A job that Fusion does not know (any more) is asked about until it is given up.
        Ok(status.unwrap_or_else(|| format!("not told ({})", answer.status)))
    }

    /// The jobs below a job; none if Fusion does not tell them in a way that we understand.
    async fn below(&self, job: &str) -> Result<Vec<Child>, SourceError> {
        let query = format!("finder=ESSExecutionDetailsRF;requestId={job}&onlyData=true");
        let answer = self.get(&query, LARGEST_STATUS).await?;
        let item = first(&answer).unwrap_or_default();
        Ok(children(item["RequestStatus"].as_str().unwrap_or_default()))
    }

    /// Log or output, as Fusion gives it: a ZIP in base 64.
    async fn document(&self, job: &str, file_type: &str) -> Result<Value, SourceError> {
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

    async fn get(&self, query: &str, limit: usize) -> Result<Answer, SourceError> {
        let path = format!("{}?{query}", self.resource);
        let make = || {
            let request = self.client.request(Method::GET, &path);
            request.header(reqwest::header::ACCEPT, "application/json")
        };
        let response = self.client.send(make).await?;
        let answer = self.client.read(response, limit).await;
        match verdict(answer.status.as_u16(), &[]) {
            Verdict::Sent | Verdict::Refused => Ok(answer),
            Verdict::Unavailable | Verdict::Busy => {
                let reason = format!("it answered {} {}", answer.status, answer.shown());
                Err(self.client.no_answer(reason.trim_end().to_owned()).into())
            }
        }
    }
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
