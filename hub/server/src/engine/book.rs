//! Writes down what a dispatcher does: whatever has come together, one transaction at a time. So
//! an endpoint's attempts share commits, and no attempt waits for the disk to let another begin.

use std::collections::HashSet;
use std::sync::Arc;

use hub_core::MessageId;
use hub_store::StoreError;
use hub_store::messages::{Attempts, DeliveryOutcome, EndedAttempt, PendingDelivery};
use tokio::task::JoinSet;
use tracing::{error, warn};

use super::send::EndpointHealth;
use super::{Hub, STORE_PAUSE};

/// What came of one attempt.
pub(super) struct Report {
    pub(super) delivery: PendingDelivery,
    pub(super) outcome: DeliveryOutcome,
    pub(super) health: EndpointHealth,
}

/// What came of attempts, and stands in the store or never will.
#[derive(Default)]
pub(super) struct Written {
    /// It is on disk.
    pub(super) stored: Vec<Report>,
    /// The store can never take it: a defect, which was told.
    pub(super) refused: Vec<Report>,
}

/// What is to be written down, and what is being.
#[derive(Default)]
pub(super) struct Book {
    begun: Vec<(MessageId, MessageId)>,
    ended: Vec<Report>,
    /// The reports that are being written. Not the task's own: it may fail.
    in_hand: Vec<Report>,
    writing: JoinSet<Outcome>,
}

/// How writing ended.
enum Outcome {
    /// All is on disk but what came of these deliveries, which the store can never take.
    Done { refused: HashSet<MessageId> },
    /// The engine stopped. What is not on disk is done again after a restart, under the same ids.
    Stopped,
}

impl Book {
    /// An attempt begins.
    pub(super) fn begun(&mut self, delivery: MessageId, message: MessageId) {
        self.begun.push((delivery, message));
    }

    /// An attempt is over.
    pub(super) fn ended(&mut self, report: Report) {
        self.ended.push(report);
    }

    /// Begins to write what has come together, unless the last of it is still being written.
    pub(super) fn write(&mut self, hub: &Hub) {
        let (store, pause) = (hub.store.clone(), hub.clone());
        self.write_with(
            move |attempts| {
                let store = store.clone();
                async move { store.record_attempts(attempts).await }
            },
            move || {
                let hub = pause.clone();
                async move { hub.pause(STORE_PAUSE).await }
            },
        );
    }

    /// `record` writes; `pause` waits before it is tried again, and says whether to.
    fn write_with<R, P>(
        &mut self,
        record: impl Fn(Arc<Attempts>) -> R + Send + Sync + 'static,
        pause: impl Fn() -> P + Send + Sync + 'static,
    ) where
        R: Future<Output = Result<(), StoreError>> + Send,
        P: Future<Output = bool> + Send,
    {
        if !self.writing.is_empty() || (self.begun.is_empty() && self.ended.is_empty()) {
            return;
        }
        self.in_hand = std::mem::take(&mut self.ended);
        let ended = self.in_hand.iter().map(|report| EndedAttempt {
            delivery: report.delivery.id,
            message: report.delivery.message_id,
            outcome: report.outcome.clone(),
        });
        let attempts = Attempts {
            begun: std::mem::take(&mut self.begun),
            ended: ended.collect(),
        };
        self.writing.spawn(async move {
            let written = write_all(attempts, &record, &pause).await;
            written.map_or(Outcome::Stopped, |refused| Outcome::Done { refused })
        });
    }

    /// Waits for what is being written; `None` if nothing is. Cancel-safe.
    pub(super) async fn written(&mut self) -> Option<Written> {
        let outcome = self.writing.join_next().await?;
        let reports = std::mem::take(&mut self.in_hand);
        Some(match outcome {
            Ok(Outcome::Done { refused }) => {
                let (refused, stored) = reports
                    .into_iter()
                    .partition(|report| refused.contains(&report.delivery.id));
                Written { stored, refused }
            }
            Ok(Outcome::Stopped) => Written::default(),
            Err(problem) => {
                error!(attempts = reports.len(), %problem, "outcomes of attempts could not be stored; this is a defect");
                Written {
                    stored: Vec::new(),
                    refused: reports,
                }
            }
        })
    }
}

/// Writes until all is on disk but what can never be. Returns the deliveries it could not be done
/// for; `None` if the engine stopped.
async fn write_all<R, P>(
    attempts: Attempts,
    record: &impl Fn(Arc<Attempts>) -> R,
    pause: &impl Fn() -> P,
) -> Option<HashSet<MessageId>>
where
    R: Future<Output = Result<(), StoreError>>,
    P: Future<Output = bool>,
{
    let attempts = Arc::new(attempts);
    let mut refused = HashSet::new();
    if write_one(&attempts, record, pause).await?.is_ok() {
        return Some(refused);
    }
    // One of them is bad, and must not hold up the others: each for itself.
    for attempt in apart(&attempts) {
        let delivery = attempt.delivery();
        if let Err(problem) = write_one(&Arc::new(attempt.alone()), record, pause).await? {
            error!(%delivery, %problem, "what came of a delivery cannot be stored; its lane goes on; this is a defect");
            if matches!(attempt, Entry::Ended(_)) {
                refused.insert(delivery);
            }
        }
    }
    Some(refused)
}

/// Writes until it is on disk or never can be; `None` if the engine stopped.
async fn write_one<R, P>(
    attempts: &Arc<Attempts>,
    record: &impl Fn(Arc<Attempts>) -> R,
    pause: &impl Fn() -> P,
) -> Option<Result<(), StoreError>>
where
    R: Future<Output = Result<(), StoreError>>,
    P: Future<Output = bool>,
{
    loop {
        match record(Arc::clone(attempts)).await {
            Err(problem) if !problem.is_permanent() => {
                warn!(attempts = attempts.ended.len(), %problem, "outcomes of attempts cannot be stored yet");
                if !pause().await {
                    return None;
                }
            }
            outcome => return Some(outcome),
        }
    }
}

/// One thing to write down.
enum Entry<'a> {
    Begun(MessageId, MessageId),
    Ended(&'a EndedAttempt),
}

impl Entry<'_> {
    fn delivery(&self) -> MessageId {
        match self {
            Self::Begun(delivery, _) => *delivery,
            Self::Ended(attempt) => attempt.delivery,
        }
    }

    fn alone(&self) -> Attempts {
        let mut alone = Attempts::default();
        match self {
            Self::Begun(delivery, message) => alone.begun.push((*delivery, *message)),
            Self::Ended(attempt) => alone.ended.push((*attempt).clone()),
        }
        alone
    }
}

/// What there is to write, one by one: attempts that began and are not over, and those that are.
fn apart(attempts: &Attempts) -> impl Iterator<Item = Entry<'_>> {
    let ended: HashSet<_> = attempts.ended.iter().map(|ended| ended.delivery).collect();
    let begun = attempts.begun.iter();
    let begun = begun.filter(move |(delivery, _)| !ended.contains(delivery));
    let begun = begun.map(|(delivery, message)| Entry::Begun(*delivery, *message));
    begun.chain(attempts.ended.iter().map(Entry::Ended))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use hub_model::Instant;
    use hub_store::messages::DeliveryBody;

    use super::*;

    fn report(id: i64) -> Report {
        let delivery = PendingDelivery {
            id: MessageId(id),
            message_id: MessageId(100),
            enterprise: String::new(),
            route: String::new(),
            lane: 0,
            subject: String::new(),
            source_name: String::new(),
            media_type: String::new(),
            extension: String::new(),
            attempts: 0,
            due: Instant::EPOCH,
            created: Instant::EPOCH,
            is_head: true,
            headers: Vec::new(),
            body: DeliveryBody::Bytes(bytes::Bytes::new()),
        };
        Report {
            delivery,
            outcome: DeliveryOutcome::Delivered {
                note: String::new(),
                references: Vec::new(),
            },
            health: EndpointHealth::Answered,
        }
    }

    fn book() -> Book {
        let mut book = Book::default();
        for id in [1, 2, 3] {
            book.begun(MessageId(id), MessageId(100));
            book.ended(report(id));
        }
        book.begun(MessageId(4), MessageId(100));
        book
    }

    fn ids(reports: &[Report]) -> Vec<i64> {
        reports.iter().map(|report| report.delivery.id.0).collect()
    }

    #[tokio::test]
    async fn one_delivery_that_cannot_be_stored_holds_up_no_other() {
        let stored = Arc::new(Mutex::new(Vec::new()));
        let (log, failed_once) = (Arc::clone(&stored), Mutex::new(false));
        let mut book = book();
        let record = move |attempts: Arc<Attempts>| {
            let outcome = if attempts.ended.iter().any(|a| a.delivery == MessageId(2)) {
                Err(StoreError::Contradiction("on purpose".into()))
            } else if !std::mem::replace(&mut *failed_once.lock().unwrap(), true) {
                Err(StoreError::Database("disk full".into()))
            } else {
                let begun = attempts.begun.iter().map(|(delivery, _)| delivery.0);
                let ended = attempts.ended.iter().map(|a| a.delivery.0);
                log.lock().unwrap().extend(begun.chain(ended));
                Ok(())
            };
            std::future::ready(outcome)
        };
        book.write_with(record, || std::future::ready(true));
        let written = book.written().await.unwrap();
        assert_eq!(ids(&written.stored), [1, 3]);
        assert_eq!(ids(&written.refused), [2]);
        assert_eq!(*stored.lock().unwrap(), [4, 1, 3]);
        assert!(book.written().await.is_none());
    }

    #[tokio::test]
    async fn a_panic_loses_no_report() {
        let mut book = book();
        let record = |_: Arc<Attempts>| async { panic!("on purpose") };
        book.write_with(record, || std::future::ready(true));
        let written = book.written().await.unwrap();
        assert_eq!(ids(&written.refused), [1, 2, 3]);
        assert!(written.stored.is_empty());
    }

    #[tokio::test]
    async fn what_a_stopping_engine_could_not_store_is_not_taken_for_stored() {
        let mut book = book();
        let full = |_: Arc<Attempts>| async { Err(StoreError::Database("disk full".into())) };
        book.write_with(full, || std::future::ready(false));
        let written = book.written().await.unwrap();
        assert!(written.stored.is_empty() && written.refused.is_empty());
    }
}
