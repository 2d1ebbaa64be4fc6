//! The source: records one after the other, each partition's offset written down once it is settled.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hub_core::{
    AdapterContext, Arrival, Body, IncomingMessage, Meter, Source, SourceError, StateError,
    StateStore,
};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tracing::warn;

use super::consumer::Consumer;
use super::cursor::{Cursors, skipped, written};
use super::records::Record;
use crate::config::ValueForm;
use crate::metrics::SKIPPED;
use crate::settle::{Outcome, StateReceipt, outcome};

/// How often it is looked, while a record is on its way in the hub, whether the server is still there.
const PROBE_PAUSE: Duration = Duration::from_secs(5);

/// A connected consumer.
pub(crate) struct TxEventQSource {
    consumer: Arc<Consumer>,
    poll: Duration,
    forms: (ValueForm, String),
    endpoint: String,
    /// The endpoint's own space in the state.
    space: String,
    state: Arc<dyn StateStore>,
    meter: Meter,
    cursors: Cursors,
    /// Fetched, in order; the first may be on its way.
    records: VecDeque<Record>,
    pending: Option<oneshot::Receiver<Outcome>>,
    /// Runs on if nobody waits for it: what it brings counts as consumed.
    fetching: Option<Fetch>,
    /// Nothing is done before.
    not_before: Instant,
}

/// A question that is on its way; it ends with the source.
struct Fetch(JoinHandle<Result<Vec<Record>, SourceError>>);

impl Drop for Fetch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl TxEventQSource {
    /// Moves the group to where this hub is.
    pub(crate) async fn connect(
        consumer: Arc<Consumer>,
        poll: Duration,
        forms: (ValueForm, String),
        context: &AdapterContext,
    ) -> Result<Self, SourceError> {
        consumer.probe().await?;
        let cursors = Cursors::read(context.state.as_ref(), &context.name).await;
        let cursors = cursors.map_err(|problem| trouble(&context.name, &problem))?;
        if let Some(positions) = cursors.positions() {
            consumer.seek(&positions).await?;
        }
        Ok(Self {
            consumer,
            poll,
            forms,
            endpoint: context.name.clone(),
            space: context.name.clone(),
            state: Arc::clone(&context.state),
            meter: context.meter.clone(),
            cursors,
            records: VecDeque::new(),
            pending: None,
            fetching: None,
            not_before: Instant::now(),
        })
    }

    /// Waits until the last arrival is settled.
    async fn settle(&mut self) -> Result<(), SourceError> {
        let Some(pending) = &mut self.pending else {
            return Ok(());
        };
        let outcome = loop {
            match timeout(PROBE_PAUSE, outcome(pending)).await {
                Ok(outcome) => break outcome,
                Err(_) => self.consumer.probe().await?,
            }
        };
        self.pending = None;
        match outcome {
            Outcome::Settled => {
                if let Some(record) = self.records.pop_front() {
                    self.cursors.set(&record, record.offset.saturating_add(1));
                }
            }
            Outcome::Again(after) => self.not_before = Instant::now() + after,
        }
        Ok(())
    }

    /// Brings more records, if there are any.
    async fn fetch(&mut self) -> Result<(), SourceError> {
        let consumer = &self.consumer;
        let fetching = self.fetching.get_or_insert_with(|| {
            let consumer = Arc::clone(consumer);
            Fetch(tokio::spawn(async move { consumer.fetch().await }))
        });
        let fetched = (&mut fetching.0).await;
        self.fetching = None;
        let records = fetched.map_err(|problem| SourceError::Disconnected {
            endpoint: self.endpoint.clone(),
            reason: problem.to_string(),
        })??;
        if records.is_empty() {
            self.not_before = Instant::now() + self.poll;
        }
        let fresh = records
            .into_iter()
            .filter(|record| !self.cursors.is_past(record));
        self.records.extend(fresh);
        Ok(())
    }

    /// Writes down where a partition begins before anything of it is given on, so that it is there
    /// that the group is moved back to.
    async fn begin(&mut self, record: &Record) -> Result<(), SourceError> {
        if !self.cursors.is_new(record) {
            return Ok(());
        }
        let entry = written(record, record.offset);
        let put = self.state.put(&self.space, vec![entry]).await;
        put.map_err(|problem| trouble(&self.endpoint, &problem))?;
        self.cursors.set(record, record.offset);
        Ok(())
    }

    fn arrival(&mut self, record: &Record) -> Result<Arrival, String> {
        let (tell, told) = oneshot::channel();
        let (topic, partition, offset) = (&record.topic, record.partition, record.offset);
        let mut headers = record.headers.clone();
        headers.push(("txeventq-topic".to_owned(), topic.clone()));
        headers.push(("txeventq-partition".to_owned(), partition.to_string()));
        headers.push(("txeventq-offset".to_owned(), offset.to_string()));
        let message = IncomingMessage {
            name: record.key.clone(),
            headers,
            media_type: Some(self.forms.1.clone()),
            business_key: Some(format!("{topic}/{partition}/{offset}")),
            reports: Vec::new(),
            body: Body::Bytes(record.body(self.forms.0)?),
        };
        let next = written(record, offset.saturating_add(1));
        let (record, meter, passed) = (record.clone(), self.meter.clone(), next.clone());
        let receipt = StateReceipt {
            state: Arc::clone(&self.state),
            space: self.space.clone(),
            accepted: vec![next],
            rejected: Box::new(move |reason| {
                tell_skipped(&record, reason, &meter);
                vec![passed, skipped(&record, reason)]
            }),
            outcome: tell,
        };
        self.pending = Some(told);
        Ok(Arrival::new(message, Box::new(receipt)))
    }

    /// Passes over a record that is no message.
    async fn skip(&mut self, record: &Record, reason: &str) -> Result<(), SourceError> {
        tell_skipped(record, reason, &self.meter);
        let next = record.offset.saturating_add(1);
        let entries = vec![written(record, next), skipped(record, reason)];
        let put = self.state.put(&self.space, entries).await;
        put.map_err(|problem| trouble(&self.endpoint, &problem))?;
        self.cursors.set(record, next);
        self.records.pop_front();
        Ok(())
    }
}

fn tell_skipped(record: &Record, reason: &str, meter: &Meter) {
    let Record {
        topic,
        partition,
        offset,
        ..
    } = record;
    warn!(topic, partition, offset, reason, "a record is skipped");
    meter.count(SKIPPED, 1);
}

fn trouble(endpoint: &str, problem: &StateError) -> SourceError {
    SourceError::Disconnected {
        endpoint: endpoint.to_owned(),
        reason: problem.to_string(),
    }
}

#[async_trait]
impl Source for TxEventQSource {
    async fn receive(&mut self) -> Result<Arrival, SourceError> {
        loop {
            self.settle().await?;
            tokio::time::sleep_until(self.not_before).await;
            let Some(record) = self.records.front().cloned() else {
                self.fetch().await?;
                continue;
            };
            self.begin(&record).await?;
            match self.arrival(&record) {
                Ok(arrival) => return Ok(arrival),
                Err(reason) => self.skip(&record, &reason).await?,
            }
        }
    }
}
