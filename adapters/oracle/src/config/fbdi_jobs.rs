//! Configuration of what follows bulk imports.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hub_core::{AdapterContext, ConfigProblem, Metric, Source, SourceConfig, SourceError};
use hub_web::{CALLBACKS, DoorConfig, WebServer};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{fbdi_account, fbdi_described, fbdi_resource, must_be_given, source_client, within};
use crate::fbdi::{Callbacks, FollowedJobs, JobsSource, Nudges, Pace};
use crate::metrics::OF_JOBS;

/// Follows the jobs that sinks `oracle_fbdi` of the same `account` started, until each has an outcome.
///
/// Each outcome is a message of this source (JSON: job, status, the jobs it started) with a report
/// that the hub shows on the delivery which started the job. `SUCCEEDED` means that it arrived, as
/// does `WARNING` unless `warning_is_failure`; `ERROR`, `CANCELLED`, `EXPIRED` and the like that it
/// failed. A job whose own status is good, but one of whose jobs failed, failed; while one of them is
/// under way, so is the job. A state whose name we do not know never decides: of a job it is waited for
/// another, of a job below it is named in the note.
///
/// The first time that a job is seen running is told too (`report_running`), in a message of its own
/// with the outcome `under way`.
///
/// Jobs are asked about again and again, more and more seldom; with `callbacks`, Fusion's call makes
/// the hub ask at once. What a call says is not believed: only what Fusion answers with our
/// credentials counts. A job is forgotten only once its outcome is in the hub's store. An answer of 5xx
/// about one job holds up no other: that job is asked about more and more seldom, until it is given up.
///
/// Not seen by an Oracle system: tested against a stand-in that speaks the documented protocol.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FbdiJobsSourceConfig {
    /// The Fusion application and who we are there, as at the sink.
    pub server: WebServer,
    /// Path of the resource.
    #[serde(default = "fbdi_resource")]
    pub resource: String,
    /// Under which name the sink remembers its jobs.
    #[serde(default = "fbdi_account")]
    pub account: String,
    /// Pause between the first questions about a job, in seconds; it doubles each time.
    #[serde(default = "first_poll_seconds")]
    pub first_poll_seconds: u64,
    /// Longest pause between two questions, in seconds.
    #[serde(default = "max_poll_seconds")]
    pub max_poll_seconds: u64,
    /// After so many hours without an outcome a job counts as failed.
    #[serde(default = "give_up_hours")]
    pub give_up_hours: u64,
    /// Take `WARNING` for a failure: some imports give it for rejected lines.
    #[serde(default)]
    pub warning_is_failure: bool,
    /// Tell once of each job that it runs, not only how it ended.
    #[serde(default = "report_running")]
    pub report_running: bool,
    /// What to fetch of an ended job, into the message. What is not to be had after some attempts is left
    /// out, with the reason.
    #[serde(default)]
    pub fetch: Fetch,
    /// Largest log and output that are fetched, in bytes of their base64.
    #[serde(default = "max_fetch_bytes")]
    pub max_fetch_bytes: usize,
    /// Let Fusion call back to `/api/v1/callbacks/<source>`. It can send no header of ours: give a
    /// token in `query_tokens`, and the same at the sink as `callback_token`.
    #[serde(default)]
    pub callbacks: Option<DoorConfig>,
}

/// What is fetched of an ended job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fetch {
    /// Nothing.
    #[default]
    None,
    /// Its log.
    Log,
    /// Its output.
    Out,
    /// Both.
    All,
}

impl Fetch {
    /// `fileType` of the finder; `None` fetches nothing.
    pub(crate) fn file_type(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Log => Some("LOG"),
            Self::Out => Some("OUT"),
            Self::All => Some("ALL"),
        }
    }
}

fn first_poll_seconds() -> u64 {
    15
}

fn max_poll_seconds() -> u64 {
    600
}

fn give_up_hours() -> u64 {
    72
}

fn report_running() -> bool {
    true
}

fn max_fetch_bytes() -> usize {
    1024 * 1024
}

#[async_trait]
impl SourceConfig for FbdiJobsSourceConfig {
    const KIND: &'static str = "oracle_fbdi_jobs";

    fn example() -> &'static str {
        r#"server = { url = "https://pod.fa.example.oraclecloud.com", auth = { basic = { user = "METERHUB", password = "env:FUSION_PASSWORD" } } }
first_poll_seconds = 15
max_poll_seconds = 600
fetch = "log"
callbacks = { query_tokens = ["env:FUSION_CALLBACK_TOKEN"] }
"#
    }

    fn metrics() -> &'static [Metric] {
        OF_JOBS
    }

    fn validate(&self) -> Vec<ConfigProblem> {
        let mut problems = Vec::new();
        self.server.validate("server", &mut problems);
        must_be_given("account", &self.account, &mut problems);
        within(
            "first_poll_seconds",
            self.first_poll_seconds,
            1,
            86_400,
            &mut problems,
        );
        let (least, most) = (self.first_poll_seconds, 86_400);
        within(
            "max_poll_seconds",
            self.max_poll_seconds,
            least,
            most,
            &mut problems,
        );
        within(
            "give_up_hours",
            self.give_up_hours,
            1,
            10_000,
            &mut problems,
        );
        let fetched = self.max_fetch_bytes as u64;
        within(
            "max_fetch_bytes",
            fetched,
            1_024,
            64 * 1024 * 1024,
            &mut problems,
        );
        if let Some(door) = &self.callbacks {
            door.validate("callbacks", false, &mut problems);
        }
        problems
    }

    fn has_door(&self) -> bool {
        self.callbacks.is_some()
    }

    async fn check(&self, context: &AdapterContext) -> Result<(), SourceError> {
        if let Some(door) = &self.callbacks {
            door.check(context)?;
        }
        Ok(fbdi_described(&self.server, &self.resource, context).await?)
    }

    async fn connect(&self, context: &AdapterContext) -> Result<Box<dyn Source>, SourceError> {
        let nudges = Arc::new(Nudges::default());
        let door = match &self.callbacks {
            Some(door) => {
                let handler = Arc::new(Callbacks::new(Arc::clone(&nudges)));
                Some(door.open(CALLBACKS, handler, context)?)
            }
            None => None,
        };
        let followed = FollowedJobs {
            client: source_client(&self.server, context)?,
            resource: self.resource.clone(),
            account: self.account.clone(),
            warning_is_failure: self.warning_is_failure,
            report_running: self.report_running,
            give_up: Duration::from_secs(self.give_up_hours.saturating_mul(3_600)),
            fetch: self.fetch,
            max_fetch_bytes: self.max_fetch_bytes,
            clock: Arc::clone(&context.clock),
        };
        let pace = Pace {
            first: Duration::from_secs(self.first_poll_seconds),
            longest: Duration::from_secs(self.max_poll_seconds),
        };
        Ok(Box::new(JobsSource::new(
            followed, pace, nudges, door, context,
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(toml: &str) -> Vec<String> {
        let config: FbdiJobsSourceConfig = toml::from_str(toml).unwrap();
        config.validate().into_iter().map(|p| p.key).collect()
    }

    #[test]
    fn the_example_is_valid() {
        assert_eq!(keys(FbdiJobsSourceConfig::example()), [] as [&str; 0]);
    }

    #[test]
    fn wrong_values_are_errors() {
        let found = keys(
            "server = { url = 'https://fusion.example' }\naccount = ''\nfirst_poll_seconds = 20\n\
             max_poll_seconds = 10\ngive_up_hours = 0\nmax_fetch_bytes = 1\ncallbacks = {}",
        );
        let expected = [
            "account",
            "max_poll_seconds",
            "give_up_hours",
            "max_fetch_bytes",
            "callbacks.bearer",
        ];
        assert_eq!(found, expected);
    }
}
