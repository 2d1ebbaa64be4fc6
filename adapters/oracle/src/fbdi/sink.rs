//! The sink: uploads an import file, and remembers the job that Fusion started for it.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use hub_core::{Clock, Meter, OutgoingMessage, Sent, Sink, SinkError, StateStore};
use hub_web::{WebClient, plain};
use reqwest::{Method, Response};
use serde_json::Value;
use tracing::error;

use super::document::{PackError, Packing};
use super::envelope::Import;
use super::jobs::{StartedJob, reference, remembered};
use crate::metrics::JOBS;
use crate::scan::TopLevel;

/// Most of a refusal that is read.
const LARGEST_ANSWER: usize = 8 * 1024;
/// What an answer may have beside the document that it repeats, in bytes.
const ANSWER_SLACK: u64 = 1024 * 1024;
/// How often it is tried to write a job down. It runs already: to upload again would start another.
const ATTEMPTS_TO_REMEMBER: u32 = 3;

/// A configured import.
pub(crate) struct FbdiSink {
    pub(crate) endpoint: String,
    pub(crate) client: WebClient,
    pub(crate) resource: String,
    pub(crate) account: String,
    pub(crate) import: Import,
    pub(crate) packing: Packing,
    pub(crate) state: Arc<dyn StateStore>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) meter: Meter,
}

#[async_trait]
impl Sink for FbdiSink {
    async fn send(&self, message: &OutgoingMessage) -> Result<Sent, SinkError> {
        let manifest = self.import.manifest(message);
        let packed = self.packing.pack(&message.content, &manifest).await;
        let document = packed.map_err(|problem| self.not_packed(&problem))?;
        let envelope = self.import.envelope(message);
        let length = envelope.length(document.content.len());
        let make = || {
            let request = self.client.request(Method::POST, &self.resource);
            let request = request.timeout(self.client.patience(length));
            envelope.around(request, &document.content)
        };
        let response = self.client.send(make).await?;
        if !response.status().is_success() {
            let answer = self.client.read(response, LARGEST_ANSWER).await;
            answer.judged(&[], &answer.shown())?;
            return Err(answer.unavailable(&answer.shown()));
        }
        // From here on Fusion has the file: to send it once more could import it twice.
        let status = response.status();
        let (answer, broken) = self.scanned(response, length).await;
        match number(&answer) {
            Some(number) if number > 0 => Ok(self.started(message, &number.to_string()).await),
            Some(_) => Err(self.refused(format!("no job was started: {}", shown(&answer)))),
            None => {
                let broken = broken.unwrap_or_else(|| shown(&answer));
                let file = self.import.file_name(message);
                Err(self.refused(format!(
                    "answered {status}, but {broken}: it may be imported; look for the file {file} before it is \
                     sent again"
                )))
            }
        }
    }
}

impl FbdiSink {
    fn not_packed(&self, problem: &PackError) -> SinkError {
        let endpoint = self.endpoint.clone();
        match problem {
            PackError::NotImportable(reason) => SinkError::Refused {
                endpoint,
                answer: format!("not sent: {reason}"),
            },
            PackError::Io(_) => self.client.no_answer(problem.to_string()).into(),
        }
    }

    fn refused(&self, answer: String) -> SinkError {
        SinkError::Refused {
            endpoint: self.endpoint.clone(),
            answer,
        }
    }

    /// The short fields of the answer, which repeats the document; and why it has no end, if it has none.
    async fn scanned(
        &self,
        mut response: Response,
        sent: u64,
    ) -> (HashMap<String, Value>, Option<String>) {
        let mut scan = TopLevel::default();
        let mut received = 0;
        let limit = sent.saturating_add(ANSWER_SLACK);
        while received <= limit {
            match response.chunk().await {
                Ok(Some(chunk)) => {
                    received += chunk.len() as u64;
                    scan.push(&chunk);
                }
                Ok(None) => return (scan.finish(), None),
                Err(problem) => {
                    let reason = format!("its answer broke off ({})", hub_web::reason(problem));
                    return (scan.finish(), Some(reason));
                }
            }
        }
        (scan.finish(), Some("its answer has no end".to_owned()))
    }

    /// Remembers the job.
    async fn started(&self, message: &OutgoingMessage, job: &str) -> Sent {
        let started = StartedJob {
            message_id: message.message_id.to_string(),
            file: self.import.file_name(message),
            started: self.clock.now().micros(),
            told: false,
        };
        self.meter.count(JOBS, 1);
        let mut note = format!("job {job}, file {}", started.file);
        if !self.is_remembered(job, &started).await {
            note.push_str("; its outcome will not be followed");
        }
        Sent {
            note,
            references: vec![reference(&self.account, job)],
        }
    }

    async fn is_remembered(&self, job: &str, started: &StartedJob) -> bool {
        for attempt in 1..=ATTEMPTS_TO_REMEMBER {
            let entry = remembered(job, started);
            match self.state.put(&self.account, vec![entry]).await {
                Ok(()) => return true,
                Err(problem) => {
                    error!(%problem, job, attempt, "a started job could not be written down");
                }
            }
        }
        false
    }
}

/// The number of the job; -1 is Fusion's way to say no.
fn number(answer: &HashMap<String, Value>) -> Option<i64> {
    match answer.get("ReqstId")? {
        Value::String(text) => text.trim().parse().ok(),
        value => value.as_i64(),
    }
}

/// What an answer says for people, without the fields that repeat the request.
fn shown(answer: &HashMap<String, Value>) -> String {
    let telling = [
        "ReqstId",
        "RequestStatus",
        "StatusCode",
        "ErrorMessage",
        "Comments",
    ];
    let found = telling.iter().filter_map(|name| {
        let value = answer.get(*name).filter(|value| !value.is_null())?;
        Some(format!("{name} {value}"))
    });
    match found.collect::<Vec<_>>().join(", ") {
        text if text.is_empty() => "its answer has no `ReqstId`".to_owned(),
        text => plain(text.as_bytes(), 500),
    }
}
