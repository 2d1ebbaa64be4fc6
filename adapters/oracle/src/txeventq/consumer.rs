//! The calls of a consumer.

use hub_core::SourceError;
use hub_web::{Answer, WebClient};
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use super::records::{Record, records};

/// Most of an answer without records that is read.
const LARGEST_ANSWER: usize = 64 * 1024;

/// An instance of a consumer in its group.
pub(crate) struct Consumer {
    pub(crate) client: WebClient,
    /// Path of the instance.
    pub(crate) path: String,
    pub(crate) max_fetch_bytes: usize,
}

impl Consumer {
    /// Whether the instance is there, and we may use it.
    pub(crate) async fn probe(&self) -> Result<(), SourceError> {
        let path = format!("{}/subscription", self.path);
        let make = || {
            self.client
                .request(Method::GET, &path)
                .header(ACCEPT, "application/json")
        };
        self.call(make, LARGEST_ANSWER).await.map(drop)
    }

    /// Moves the group to these positions.
    pub(crate) async fn seek(&self, positions: &Value) -> Result<(), SourceError> {
        let path = format!("{}/positions", self.path);
        let body = positions.to_string();
        let make = || {
            let request = self.client.request(Method::POST, &path);
            request
                .header(CONTENT_TYPE, "application/json")
                .body(body.clone())
        };
        self.call(make, LARGEST_ANSWER).await.map(drop)
    }

    /// The next records, which count as consumed from now on.
    pub(crate) async fn fetch(&self) -> Result<Vec<Record>, SourceError> {
        let path = format!("{}/records", self.path);
        let make = || {
            self.client
                .request(Method::GET, &path)
                .header(ACCEPT, "application/json")
        };
        let answer = self.call(make, self.max_fetch_bytes).await?;
        records(&answer.body).map_err(|reason| self.client.no_answer(reason).into())
    }

    async fn call(
        &self,
        make: impl Fn() -> RequestBuilder + Send + Sync,
        limit: usize,
    ) -> Result<Answer, SourceError> {
        let response = self.client.send(make).await?;
        let answer = self.client.read(response, limit).await;
        match answer.status.is_success() {
            true => Ok(answer),
            false => {
                let reason = format!("it answered {} {}", answer.status, answer.shown());
                Err(self.client.no_answer(reason.trim_end().to_owned()).into())
            }
        }
    }
}
