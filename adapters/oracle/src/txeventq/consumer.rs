//! The calls of a consumer.

use std::collections::HashMap;

use hub_core::SourceError;
use hub_web::{Answer, WebClient};
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use super::cursor::Place;
use super::elements::{Element, Elements};
use super::records::Item;

/// Most of an answer without records that is read.
const LARGEST_ANSWER: usize = 64 * 1024;

/// An instance of a consumer in its group.
pub(crate) struct Consumer {
    pub(crate) client: WebClient,
    /// Path of the instance.
    pub(crate) path: String,
    pub(crate) max_fetch_bytes: usize,
}

/// What one question brought.
#[derive(Default)]
pub(crate) struct Fetched {
    /// In order, as far as there was room.
    pub(crate) items: Vec<Item>,
    /// The lowest offset of each partition in the answer, also of what there was no room for.
    pub(crate) begins: HashMap<Place, u64>,
    /// There was not room for all: what is left must be sought again.
    pub(crate) is_cut: bool,
    /// Why nothing can be asked after it.
    pub(crate) broken: Option<String>,
    bytes: usize,
}

impl Fetched {
    fn add(&mut self, element: Element, limit: usize) {
        let bytes = match &element {
            Element::Whole(text) => text.len(),
            Element::Large(..) => 0,
        };
        self.bytes = self.bytes.saturating_add(bytes);
        self.is_cut |= self.bytes > limit;
        let item = match Item::of(element) {
            Ok(item) => item,
            Err(problem) => {
                let reason = format!("{problem}; `max_fetch_bytes` allows {limit}");
                self.broken.get_or_insert(reason);
                return;
            }
        };
        if let Some(record) = item.placed() {
            let place = (record.topic.clone(), record.partition);
            let begin = self.begins.entry(place).or_insert(record.offset);
            *begin = record.offset.min(*begin);
        }
        // What has no place of its own comes again with its partition.
        if !self.is_cut {
            self.items.push(item);
        }
    }
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
    pub(crate) async fn fetch(&self) -> Result<Fetched, SourceError> {
        let path = format!("{}/records", self.path);
        let make = || {
            self.client
                .request(Method::GET, &path)
                .header(ACCEPT, "application/json")
        };
        let mut response = self.client.send(make).await?;
        if !response.status().is_success() {
            let answer = self.client.read(response, LARGEST_ANSWER).await;
            return Err(self.no_success(&answer));
        }
        let mut elements = Elements::new(self.max_fetch_bytes);
        let mut fetched = Fetched::default();
        let broken = loop {
            match response.chunk().await {
                Ok(Some(piece)) => {
                    for element in elements.push(&piece) {
                        fetched.add(element, self.max_fetch_bytes);
                    }
                }
                Ok(None) => break elements.end().err(),
                Err(problem) => break Some(hub_web::reason(problem)),
            }
        };
        // What came before it broke off is consumed, and must not be lost.
        fetched.broken = fetched.broken.or(broken);
        Ok(fetched)
    }

    /// What is told when no use can be made of the server.
    pub(crate) fn trouble(&self, reason: String) -> SourceError {
        self.client.no_answer(reason).into()
    }

    fn no_success(&self, answer: &Answer) -> SourceError {
        let reason = format!("it answered {} {}", answer.status, answer.shown());
        self.trouble(reason.trim_end().to_owned())
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
            false => Err(self.no_success(&answer)),
        }
    }
}
