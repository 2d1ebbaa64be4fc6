//! Takes messages from a source: stages the content, claims it durably, and only then answers.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hub_core::{Arrival, Backoff, IncomingMessage, Settlement, Source, SourceError};
use hub_store::content::Staged;
use hub_store::messages::{Acceptance, NewMessage};
use tokio::task::{JoinError, JoinSet};
use tracing::{error, info, warn};

use super::Hub;
use super::forward::{Forward, is_done_at_once};
use super::measure::SourceMeasure;
use super::stage::{blocking, stage};
use crate::config::{Inbound, SourceEntry};

/// Back-off between attempts to connect a source.
const RECONNECT: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(60));
/// A connection that lasted for so long was a good one, also if nothing came.
const STEADY: Duration = Duration::from_secs(60);
/// How long a sender is asked to wait when we cannot store.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// Bytes of a message in which its format may find the partner's own id.
const HEAD_BYTES: usize = 64 * 1024;

/// How long a source that ends stays connected for what is being taken: most of it is answered by
/// then, over the source's own connection.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// Runs a source until the engine stops.
pub(super) async fn run(hub: Hub, entry: SourceEntry, route: Arc<Inbound>) {
    let intake = Arc::new(Intake {
        hub: hub.clone(),
        measure: hub.measures.source(&entry.name),
        entry,
        route,
        has_taken: AtomicBool::new(false),
    });
    let measure = &intake.measure;
    let mut failures = 0;
    loop {
        let context = hub.adapter_context(&intake.entry.name, &intake.entry.enterprise);
        let connecting = intake.entry.adapter.connect(&context);
        let Some(connected) = hub.stop.run_until_cancelled(connecting).await else {
            return measure.stopped();
        };
        let was_connected = connected.is_ok();
        let since = Instant::now();
        let problem = match connected {
            Ok(source) => {
                measure.connected();
                match intake.serve(source).await {
                    Ok(()) => return measure.stopped(),
                    Err(problem) => problem,
                }
            }
            Err(problem) => problem,
        };
        // To connect is no success by itself: some sources only find out when they ask.
        if intake.has_taken.swap(false, Ordering::Relaxed) || since.elapsed() >= STEADY {
            failures = 0;
        }
        failures += 1;
        if failures == 1 {
            warn!(source = %intake.entry.name, %problem, "source is not available; trying again with back-off");
        }
        let pause = RECONNECT.pause(failures, random());
        match was_connected {
            true => measure.lost(&problem.to_string(), pause),
            false => measure.not_connected(&problem.to_string(), pause),
        }
        if !hub.pause(pause).await {
            return;
        }
    }
}

/// Says that taking a message failed on its own account. Its receipt was dropped unsettled, which
/// is never a yes.
fn report(source: &str, ended: Result<(), JoinError>) {
    if let Err(problem) = ended {
        error!(
            source,
            %problem, "a message could not be taken; its sender keeps it; this is a defect"
        );
    }
}

/// Waits for what is being taken. The source is gone before the slow rest of it (an upload that takes
/// minutes): its door must not stay open when nobody takes what comes in. What cannot be answered
/// without its source any more is never a yes; the sender offers it again.
async fn drain(name: &str, source: Box<dyn Source>, mut unsettled: JoinSet<()>) {
    let mut rest = async || {
        while let Some(ended) = unsettled.join_next().await {
            report(name, ended);
        }
    };
    let _ = tokio::time::timeout(LAST_ANSWERS, rest()).await;
    source.close().await;
    rest().await;
}

/// A number to spread pauses with; need not be good, only different.
pub(super) fn random() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new()
        .build_hasher()
        .finish()
}

struct Intake {
    hub: Hub,
    measure: Arc<SourceMeasure>,
    entry: SourceEntry,
    route: Arc<Inbound>,
    /// Whether something came since the source was connected.
    has_taken: AtomicBool,
}

impl Intake {
    /// Takes messages until the engine stops or the source fails.
    async fn serve(self: &Arc<Self>, mut source: Box<dyn Source>) -> Result<(), SourceError> {
        info!(source = %self.entry.name, "source is connected");
        let window = source.window().max(1);
        let mut unsettled = JoinSet::new();
        let ended = loop {
            tokio::select! {
                () = self.hub.stop.cancelled() => break Ok(()),
                Some(ended) = unsettled.join_next(), if !unsettled.is_empty() => {
                    report(&self.entry.name, ended);
                }
                arrival = source.receive(), if unsettled.len() < window => match arrival {
                    Ok(arrival) => {
                        self.has_taken.store(true, Ordering::Relaxed);
                        let intake = Arc::clone(self);
                        unsettled.spawn(async move { intake.take(arrival).await });
                    }
                    Err(problem) => break Err(problem),
                },
            }
        };
        drain(&self.entry.name, source, unsettled).await;
        ended
    }

    /// Stores one arrival and answers its sender.
    async fn take(&self, arrival: Arrival) {
        let unsettled = self.measure.arrived();
        let (message, receipt) = arrival.into_parts();
        let name = message.name.clone();
        let mut bytes = 0;
        let settlement = match self.store(message, &mut bytes).await {
            Ok(Acceptance::Accepted(message_id)) => {
                self.pass_on();
                Settlement::Accepted {
                    message_id,
                    duplicate: false,
                }
            }
            Ok(Acceptance::Duplicate(message_id)) => {
                info!(source = %self.entry.name, %message_id, name, "resend recognised");
                Settlement::Accepted {
                    message_id,
                    duplicate: true,
                }
            }
            Ok(Acceptance::KeyConflict(message_id)) => {
                warn!(source = %self.entry.name, %message_id, name, "key belongs to a message with other content");
                let reason =
                    format!("its key belongs to message {message_id}, whose content is different");
                Settlement::Reject { reason }
            }
            Err(problem) => {
                warn!(source = %self.entry.name, name, %problem, "message could not be stored; its sender keeps it");
                Settlement::Retry { after: RETRY_AFTER }
            }
        };
        unsettled.settled(&settlement, bytes);
        receipt.settle(settlement).await;
    }

    /// Wakes who goes on with an accepted message.
    fn pass_on(&self) {
        if !is_done_at_once(&self.route) {
            return self.hub.wakers.sources.wake(&self.entry.name);
        }
        self.measure.done_at_once();
        for sink in &self.route.to {
            self.hub.wakers.sinks.wake(sink);
        }
    }

    /// Stores a message. Says how many `bytes` it has.
    async fn store(
        &self,
        message: IncomingMessage,
        bytes: &mut u64,
    ) -> Result<Acceptance, hub_store::StoreError> {
        let store = &self.hub.store;
        let content = stage(store, message.body).await?;
        *bytes = content.size;
        let business_key = match message.business_key {
            None => self.own_key(&content).await?,
            key => key,
        };
        let forward = Forward {
            route: Arc::clone(&self.route),
            media_type: message.media_type.clone(),
            name: message.name.clone(),
        };
        store
            .accept(NewMessage {
                at_once: forward.at_once(),
                enterprise: self.entry.enterprise.clone(),
                source: self.entry.name.clone(),
                name: message.name,
                headers: message.headers,
                media_type: message.media_type,
                business_key,
                reports: message.reports,
                content,
            })
            .await
    }

    /// The partner's own id, where the format has one: of what is stored, as what the partner gave
    /// may change meanwhile.
    async fn own_key(&self, content: &Staged) -> io::Result<Option<String>> {
        let Some(decoder) = &self.route.decoder else {
            return Ok(None);
        };
        if let Some(bytes) = &content.inline {
            let head = &bytes[..bytes.len().min(HEAD_BYTES)];
            return Ok(decoder.business_key(head, head.len() == bytes.len()));
        }
        let (store, hash) = (self.hub.store.content().clone(), content.hash);
        let head = blocking(move || store.head(&hash, HEAD_BYTES)).await?;
        Ok(decoder.business_key(&head, head.len() as u64 == content.size))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Mutex;

    use futures_util::future::BoxFuture;

    use super::*;

    /// What is logged.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A source that says when it is gone.
    struct Door(Arc<tokio::sync::Semaphore>);

    impl Source for Door {
        fn receive<'source, 'arrival>(
            &'source mut self,
        ) -> BoxFuture<'arrival, Result<Arrival, SourceError>>
        where
            'source: 'arrival,
        {
            Box::pin(std::future::pending())
        }
    }

    impl Drop for Door {
        fn drop(&mut self) {
            self.0.close();
        }
    }

    #[tokio::test]
    async fn a_slow_upload_does_not_keep_the_door_open() {
        let open = Arc::new(tokio::sync::Semaphore::new(0));
        let mut unsettled = JoinSet::new();
        let (answered_open, answer_open) = (Arc::clone(&open), Arc::new(Mutex::new(None)));
        let answer = Arc::clone(&answer_open);
        unsettled.spawn(async move {
            *answer.lock().unwrap() = Some(!answered_open.is_closed());
        });
        let slow = Arc::clone(&open);
        // It ends no sooner than the door is closed.
        unsettled.spawn(async move {
            assert!(slow.acquire().await.is_err());
        });
        let drained = drain("erp", Box::new(Door(open)), unsettled);
        let patience = LAST_ANSWERS * 20;
        tokio::time::timeout(patience, drained).await.unwrap();
        assert_eq!(
            *answer_open.lock().unwrap(),
            Some(true),
            "what is quick is answered before"
        );
    }

    #[tokio::test]
    async fn a_message_whose_taking_panics_is_not_lost_in_silence() {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .finish();
        let ended = tokio::spawn(async { panic!("a decoder's key") }).await;
        tracing::subscriber::with_default(subscriber, || {
            report("quiet", Ok(()));
            report("erp", ended);
        });
        let said = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        assert_eq!(said.lines().count(), 1, "{said}");
        for part in ["ERROR", "erp", "a decoder's key", "its sender keeps it"] {
            assert!(said.contains(part), "{part} in {said}");
        }
    }
}
