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

use super::consumer::{Consumer, Fetched};
use super::cursor::{Cursors, begun, skipped, written};
use super::records::{Item, Odd, Record};
use crate::config::ValueForm;
use crate::metrics::SKIPPED;
use crate::settle::{Outcome, StateReceipt, outcome};

/// How often it is looked, while a record is on its way in the hub, whether the server is still there.
const PROBE_PAUSE: Duration = Duration::from_secs(5);
/// Pause before what could not be written down is tried again.
const WRITE_PAUSE: Duration = Duration::from_millis(500);

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
    items: VecDeque<Item>,
    /// Fetched, and not written down yet where its partitions begin.
    fetched: Option<Fetched>,
    /// There was not room for all that was fetched.
    must_seek: bool,
    /// Why nothing can be asked once all is settled.
    broken: Option<String>,
    pending: Option<oneshot::Receiver<Outcome>>,
    /// Runs on if nobody waits for it: what it brings counts as consumed.
    fetching: Option<Fetch>,
    /// Nothing is done before.
    not_before: Instant,
}

/// A question that is on its way; it ends with the source.
struct Fetch(JoinHandle<Result<Fetched, SourceError>>);

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
            items: VecDeque::new(),
            fetched: None,
            must_seek: false,
            broken: None,
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
                if let Some(Item::Record(record)) = self.items.pop_front() {
                    self.cursors.set(&record, record.offset.saturating_add(1));
                }
            }
            Outcome::Again(after) => self.not_before = Instant::now() + after,
        }
        Ok(())
    }

    /// Brings more records, if there are any.
    async fn fetch(&mut self) -> Result<(), SourceError> {
        if let Some(reason) = self.broken.take() {
            return Err(self.consumer.trouble(reason));
        }
        if self.must_seek
            && let Some(positions) = self.cursors.positions()
        {
            self.consumer.seek(&positions).await?;
        }
        self.must_seek = false;
        let consumer = &self.consumer;
        let fetching = self.fetching.get_or_insert_with(|| {
            let consumer = Arc::clone(consumer);
            Fetch(tokio::spawn(async move { consumer.fetch().await }))
        });
        let fetched = (&mut fetching.0).await;
        self.fetching = None;
        let fetched = fetched.map_err(|problem| SourceError::Disconnected {
            endpoint: self.endpoint.clone(),
            reason: problem.to_string(),
        })??;
        if fetched.items.is_empty() {
            self.not_before = Instant::now() + self.poll;
        }
        self.fetched = Some(fetched);
        Ok(())
    }

    /// Takes in what was fetched. Before anything of it is given on, it is written down where partitions
    /// begin that were never seen: it is there that the group is moved back to.
    async fn take_in(&mut self) {
        let Some(fetched) = &self.fetched else {
            return;
        };
        let new = self.cursors.new_of(&fetched.begins);
        let entries: Vec<_> = new.map(|(place, offset)| begun(place, *offset)).collect();
        if !entries.is_empty()
            && let Err(problem) = self.state.put(&self.space, entries).await
        {
            // It counts as consumed: to forget it would be to lose it.
            warn!(%problem, "it could not be written down where a partition begins; trying again");
            self.not_before = Instant::now() + WRITE_PAUSE;
            return;
        }
        let Some(fetched) = self.fetched.take() else {
            return;
        };
        self.cursors.begin(&fetched.begins);
        self.must_seek |= fetched.is_cut;
        self.broken = fetched.broken;
        let is_past = |item: &Item| {
            let record = item.placed();
            record.is_some_and(|record| self.cursors.is_past(record))
        };
        let fresh = fetched.items.into_iter().filter(|item| !is_past(item));
        self.items.extend(fresh);
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

    /// What has no place becomes a message too, as it came: it must not be lost, and not hold up others.
    fn odd_arrival(&mut self, odd: Odd) -> Arrival {
        let (tell, told) = oneshot::channel();
        warn!(
            problem = odd.problem,
            "what was fetched is no record with a place"
        );
        let message = IncomingMessage {
            name: "unreadable record".to_owned(),
            headers: vec![("txeventq-problem".to_owned(), odd.problem)],
            media_type: Some("application/json".to_owned()),
            body: Body::Bytes(odd.text),
            ..IncomingMessage::default()
        };
        let meter = self.meter.clone();
        let receipt = StateReceipt {
            state: Arc::clone(&self.state),
            space: self.space.clone(),
            accepted: Vec::new(),
            rejected: Box::new(move |reason| {
                warn!(reason, "a record without a place is skipped");
                meter.count(SKIPPED, 1);
                Vec::new()
            }),
            outcome: tell,
        };
        self.pending = Some(told);
        Arrival::new(message, Box::new(receipt))
    }

    /// Passes over a record that is no message.
    async fn skip(&mut self, record: &Record, reason: &str) -> Result<(), SourceError> {
        tell_skipped(record, reason, &self.meter);
        let next = record.offset.saturating_add(1);
        let entries = vec![written(record, next), skipped(record, reason)];
        let put = self.state.put(&self.space, entries).await;
        put.map_err(|problem| trouble(&self.endpoint, &problem))?;
        self.cursors.set(record, next);
        self.items.pop_front();
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
            if self.fetched.is_some() {
                self.take_in().await;
                continue;
            }
            let Some(item) = self.items.front().cloned() else {
                self.fetch().await?;
                continue;
            };
            match item {
                Item::Record(record) => match self.arrival(&record) {
                    Ok(arrival) => return Ok(arrival),
                    Err(reason) => self.skip(&record, &reason).await?,
                },
                Item::Large(record, bytes) => {
                    let most = self.consumer.max_fetch_bytes;
                    let reason = format!("it has {bytes} bytes, `max_fetch_bytes` allows {most}");
                    self.skip(&record, &reason).await?;
                }
                Item::Odd(odd) => return Ok(self.odd_arrival(odd)),
            }
        }
    }
}
