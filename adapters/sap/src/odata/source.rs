//! The source: an entity set, read page by page. How far, is remembered once a page is accepted.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use hub_core::{
    Arrival, Body, IncomingMessage, Meter, Receipt, Settlement, Source, SourceError, StateStore,
};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};
use tracing::warn;

use super::place::Place;
use super::reader::{Fetched, NoPage, Reader};

/// Pause before a page whose arrival was dropped unsettled is offered again.
const DROPPED_PAUSE: Duration = Duration::from_secs(1);

/// Where the place is kept, in the space of the endpoint's name.
const PLACE: &str = "place";
/// The last page that was rejected, for an operator.
pub(crate) const REJECTED: &str = "rejected";

/// What the source and its receipts share.
pub(crate) struct Shared {
    pub(crate) endpoint: String,
    /// The set's name, for names of messages.
    pub(crate) set: String,
    /// What a remembered place must be a place in.
    pub(crate) identity: String,
    pub(crate) reader: Reader,
    pub(crate) state: Arc<dyn StateStore>,
    pub(crate) meter: Meter,
    pub(crate) poll: Duration,
}

type Job = Pin<Box<dyn Future<Output = (Walk, Result<Arrival, SourceError>)> + Send>>;

/// A connected entity set.
pub(crate) struct ODataSource {
    /// Kept here while it runs, so that a dropped `receive` loses nothing.
    job: Job,
}

impl ODataSource {
    /// Reads the first page, or finds that there is nothing new.
    pub(crate) async fn connect(shared: Shared) -> Result<Self, SourceError> {
        let walk = Walk::begin(Arc::new(shared)).await?;
        Ok(Self {
            job: Box::pin(walk.next()),
        })
    }
}

#[async_trait]
impl Source for ODataSource {
    async fn receive(&mut self) -> Result<Arrival, SourceError> {
        let (walk, result) = self.job.as_mut().await;
        self.job = Box::pin(walk.next());
        result
    }
}

/// Where a source stands.
struct Walk {
    shared: Arc<Shared>,
    /// Of the page that is fetched next.
    place: Place,
    fetched: Option<Fetched>,
    due: Instant,
    offered: Option<Offered>,
}

/// A page that was offered and is not settled yet.
struct Offered {
    place: Place,
    outcome: oneshot::Receiver<Outcome>,
}

/// What became of an offered page.
enum Outcome {
    /// It is done with, and the place after it remembered.
    Done,
    /// It is to be offered again, after a pause.
    Again(Duration),
}

impl Walk {
    async fn begin(shared: Arc<Shared>) -> Result<Self, SourceError> {
        let text = shared.state.get(&shared.endpoint, PLACE).await;
        let text = text.map_err(|error| shared.disconnected(error.to_string()))?;
        let mut walk = Self {
            place: Place::remembered(&shared.identity, text.as_deref()),
            shared,
            fetched: None,
            due: Instant::now(),
            offered: None,
        };
        walk.fetched = Some(walk.fetch().await?);
        Ok(walk)
    }

    /// The next page with something new in it, however long that takes.
    async fn next(mut self) -> (Self, Result<Arrival, SourceError>) {
        loop {
            match self.advance().await {
                Ok(Some(arrival)) => return (self, Ok(arrival)),
                Ok(None) => {}
                Err(error) => return (self, Err(error)),
            }
        }
    }

    /// One step: a wait, or a fetch and what follows from it. The page after an offered one is fetched
    /// before that one is settled, so that a server that is gone is noticed; it is offered after.
    async fn advance(&mut self) -> Result<Option<Arrival>, SourceError> {
        if self.fetched.is_none() {
            if let Some(pause) = self.wait_until_due().await {
                self.go_back(pause);
                return Ok(None);
            }
            self.fetched = Some(self.fetch().await?);
        }
        if let Some(offered) = &mut self.offered
            && let Outcome::Again(pause) = outcome(&mut offered.outcome).await
        {
            self.go_back(pause);
            return Ok(None);
        }
        self.offered = None;
        match self.fetched.take() {
            Some(fetched) => self.take(fetched).await,
            None => Ok(None),
        }
    }

    async fn take(&mut self, fetched: Fetched) -> Result<Option<Arrival>, SourceError> {
        let Fetched {
            step,
            content,
            rows,
        } = fetched;
        let before = std::mem::replace(&mut self.place, step.place);
        self.due = match step.more {
            true => Instant::now(),
            false => Instant::now() + self.shared.poll,
        };
        let Some(key) = step.key else {
            if self.place != before {
                self.shared.remember(&self.place, None).await?;
            }
            return Ok(None);
        };
        self.shared.meter.count(crate::metrics::ROWS, rows);
        let (answer, outcome) = oneshot::channel();
        let receipt = PageReceipt {
            shared: self.shared.clone(),
            after: self.place.clone(),
            key: key.clone(),
            answer,
        };
        self.offered = Some(Offered {
            place: before,
            outcome,
        });
        Ok(Some(Arrival::new(
            self.shared.message(key, content),
            Box::new(receipt),
        )))
    }

    /// Until the next page is due; a pause, if the one before must be offered again instead.
    async fn wait_until_due(&mut self) -> Option<Duration> {
        let due = sleep_until(self.due);
        let Some(offered) = &mut self.offered else {
            due.await;
            return None;
        };
        tokio::pin!(due);
        tokio::select! {
            found = outcome(&mut offered.outcome) => match found {
                Outcome::Again(pause) => Some(pause),
                Outcome::Done => {
                    self.offered = None;
                    due.await;
                    None
                }
            },
            () = &mut due => None,
        }
    }

    fn go_back(&mut self, pause: Duration) {
        if let Some(offered) = self.offered.take() {
            self.place = offered.place;
        }
        self.fetched = None;
        self.due = Instant::now() + pause;
    }

    async fn fetch(&mut self) -> Result<Fetched, SourceError> {
        match self.shared.reader.fetch(&self.place).await {
            Ok(fetched) => return Ok(fetched),
            Err(NoPage::Failed(error)) => return Err(error),
            Err(NoPage::LinkIsGone(reason)) => {
                let source = &self.shared.endpoint;
                warn!(
                    source,
                    reason, "a link of the service is gone: the set is read from its start"
                );
            }
        }
        self.shared.meter.count(crate::metrics::RESTARTS, 1);
        self.place = Place::start(&self.shared.identity);
        match self.shared.reader.fetch(&self.place).await {
            Ok(fetched) => Ok(fetched),
            Err(NoPage::Failed(error)) => Err(error),
            Err(NoPage::LinkIsGone(reason)) => Err(self.shared.disconnected(reason)),
        }
    }
}

/// Cancel-safe: a receiver keeps what it was sent.
async fn outcome(receiver: &mut oneshot::Receiver<Outcome>) -> Outcome {
    receiver.await.unwrap_or(Outcome::Again(DROPPED_PAUSE))
}

impl Shared {
    fn disconnected(&self, reason: String) -> SourceError {
        SourceError::Disconnected {
            endpoint: self.endpoint.clone(),
            reason,
        }
    }

    fn message(&self, key: String, content: Vec<u8>) -> IncomingMessage {
        let digits = key.rsplit(' ').next().unwrap_or_default();
        let short = digits.get(..12).unwrap_or(digits);
        IncomingMessage {
            name: format!("{}-{short}.json", self.set),
            media_type: Some("application/json".to_owned()),
            business_key: Some(key),
            body: Body::Bytes(Bytes::from(content)),
            ..IncomingMessage::default()
        }
    }

    async fn remember(&self, place: &Place, rejected: Option<String>) -> Result<(), SourceError> {
        let mut entries = vec![(PLACE.to_owned(), Some(place.text()))];
        entries.extend(rejected.map(|text| (REJECTED.to_owned(), Some(text))));
        let kept = self.state.put(&self.endpoint, entries).await;
        kept.map_err(|error| self.disconnected(error.to_string()))
    }
}

/// Remembers the place after a page once that is accepted.
struct PageReceipt {
    shared: Arc<Shared>,
    after: Place,
    key: String,
    answer: oneshot::Sender<Outcome>,
}

#[async_trait]
impl Receipt for PageReceipt {
    async fn settle(self: Box<Self>, settlement: Settlement) {
        let rejected = match settlement {
            Settlement::Retry { after } => {
                let _ = self.answer.send(Outcome::Again(after));
                return;
            }
            Settlement::Accepted { .. } => None,
            Settlement::Reject { reason } => Some(format!("{}: {reason}", self.key)),
        };
        if let Some(reason) = &rejected {
            // A page that is never accepted must not hold up those after it.
            let source = &self.shared.endpoint;
            warn!(
                source,
                reason, "a page was rejected; the set is read on after it"
            );
            self.shared.meter.count(crate::metrics::REJECTED, 1);
        }
        let short = rejected.map(|text| text.chars().take(4_000).collect());
        let outcome = match self.shared.remember(&self.after, short).await {
            Ok(()) => Outcome::Done,
            Err(error) => {
                // It comes again, and is recognised by its key.
                warn!(%error, "the place after a page could not be remembered");
                Outcome::Again(DROPPED_PAUSE)
            }
        };
        let _ = self.answer.send(outcome);
    }
}
