//! Processes what a source's messages became: decodes, applies, publishes, in order of acceptance.

use std::sync::Arc;

use futures_util::future::join_all;
use hub_core::MessageId;
use hub_model::{Finding, Zone};
use hub_store::StoreError;
use hub_store::estate::{EnterpriseId, Scope, UnknownPolicy};
use hub_store::messages::{AppliedChunk, BeginAgain, Chunk, Ending, OpenMessage, Publish};
use tracing::warn;

use super::answer::{Answerer, WithAnswer};
use super::decode::{Decoded, Tolerance, begun_again, decode_small, panicked, refused};
use super::forward::{Forward, Silent};
use super::large::Large;
use super::publish::Publisher;
use super::{Hub, IDLE_POLL, STORE_PAUSE};
use crate::config::{Inbound, Outbound, UnknownDevices};

/// Bytes of small messages decoded together; more would only wait in memory.
const MAX_BATCH_BYTES: usize = 8 * 1024 * 1024;
/// Processes a source's messages until the engine stops.
pub(super) async fn run(hub: Hub, route: Arc<Inbound>) {
    let waker = hub.wakers.sources.of(&route.from);
    let Some(processor) = Processor::new(hub.clone(), route) else {
        return;
    };
    let processor = Arc::new(processor);
    while !hub.stop.is_cancelled() {
        match processor.next().await {
            Ok(true) => {}
            Ok(false) => {
                tokio::select! {
                    () = hub.stop.cancelled() => return,
                    () = waker.notified() => {}
                    () = tokio::time::sleep(IDLE_POLL) => {}
                }
            }
            Err(problem) => {
                warn!(route = %processor.route.name, %problem, "messages wait: the store refused");
                hub.pause(STORE_PAUSE).await;
            }
        }
    }
}

/// Processes the messages of one route's source.
pub(super) struct Processor {
    pub(super) hub: Hub,
    pub(super) route: Arc<Inbound>,
    enterprise: EnterpriseId,
    zone: Zone,
    routes: Vec<Arc<Outbound>>,
}

impl Processor {
    fn new(hub: Hub, route: Arc<Inbound>) -> Option<Self> {
        let zone = hub.config.enterprises.get(&route.enterprise)?.zone.clone();
        let enterprise = *hub.enterprises.get(&route.enterprise)?;
        let of_enterprise = |outbound: &&Outbound| outbound.enterprise == route.enterprise;
        let routes = hub
            .config
            .outbound
            .values()
            .filter(of_enterprise)
            .cloned()
            .map(Arc::new)
            .collect();
        Some(Self {
            hub,
            route,
            enterprise,
            zone,
            routes,
        })
    }

    /// Processes the oldest messages that wait. Returns whether there were any.
    async fn next(self: &Arc<Self>) -> Result<bool, StoreError> {
        let (enterprise, source) = (&self.route.enterprise, &self.route.from);
        let store = &self.hub.store;
        let waiting = store.open_messages(enterprise, source, None).await?;
        let mut batch = Vec::new();
        let mut bytes = 0;
        for message in waiting {
            let is_small = message.inline.is_some() && message.checkpoint == 0 && message.seen == 0;
            if !is_small && batch.is_empty() {
                self.process_large(message).await?;
                return Ok(true);
            }
            bytes += message.inline.as_ref().map_or(0, Vec::len);
            if !is_small || bytes > MAX_BATCH_BYTES {
                break;
            }
            batch.push(message);
        }
        let any = !batch.is_empty();
        if any {
            self.process_small(batch).await?;
        }
        Ok(any)
    }

    /// Decodes small messages together off the async threads, and applies them in their order.
    async fn process_small(self: &Arc<Self>, batch: Vec<OpenMessage>) -> Result<(), StoreError> {
        let processor = Arc::clone(self);
        let chunks = tokio::task::spawn_blocking(move || {
            let mut previous = None;
            let decode = |message: OpenMessage| Chunk {
                after: previous.replace(message.id),
                ..processor.decode_whole(message)
            };
            batch.into_iter().map(decode).collect::<Vec<_>>()
        });
        let chunks = chunks.await.map_err(|_| StoreError::Closed)?;
        // All are handed to the writer before the first is awaited, so they share commits. The
        // writer keeps their order, and each waits for the one before it should that fail.
        let store = &self.hub.store;
        let applying = chunks
            .into_iter()
            .map(|chunk| async { (chunk.message, store.apply(chunk).await) });
        // Unconstrained: the runtime's budget would let the later of many overtake the earlier.
        let outcomes = tokio::task::unconstrained(join_all(applying)).await;
        for (position, (id, outcome)) in outcomes.into_iter().enumerate() {
            match outcome {
                Ok(applied) => self.wake_endpoints(&applied),
                Err(problem) if problem.is_permanent() => {
                    self.give_up(id, refused(&problem)).await?;
                }
                // The one before it was not done; now it may be this one's turn.
                Err(StoreError::OutOfTurn(_)) if position > 0 => return Ok(()),
                Err(problem) => return Err(problem),
            }
        }
        Ok(())
    }

    fn decode_whole(&self, message: OpenMessage) -> Chunk {
        let mut decoded = Decoded::default();
        if let (Some(decoder), Some(bytes)) = (&self.route.decoder, &message.inline) {
            decoded = decode_small(&**decoder, bytes);
        }
        let mut tolerance = Tolerance::new(&self.route, message.unreadable);
        let given_up = tolerance.exceeded(&mut decoded) || decoded.is_hopeless();
        let ending = if given_up {
            Ending::Invalid
        } else {
            Ending::Complete
        };
        let publisher = self.publisher(&message);
        Chunk {
            ending: Some(ending),
            ..self.chunk(&message, publisher, decoded)
        }
    }

    /// Decodes and applies a large message chunk by chunk, from its checkpoint.
    async fn process_large(self: &Arc<Self>, message: OpenMessage) -> Result<(), StoreError> {
        let begun = message.seen > 0 || message.checkpoint > 0;
        if begun && message.decoded_by != Some(self.route.decoded_by) {
            return match self.begin_again(&message).await {
                Err(problem) if problem.is_permanent() => {
                    self.give_up(message.id, refused(&problem)).await
                }
                outcome => outcome,
            };
        }
        let note = (message.seen > 0)
            .then(|| format!("goes on after {} records and findings", message.seen));
        self.hub
            .store
            .start(message.id, &self.route.name, note)
            .await?;
        let processor = Arc::clone(self);
        let runtime = tokio::runtime::Handle::current();
        let id = message.id;
        let work =
            tokio::task::spawn_blocking(move || Large::new(&processor, runtime, &message).run());
        match work.await {
            Ok(Err(problem)) if problem.is_permanent() => self.give_up(id, refused(&problem)).await,
            Ok(outcome) => outcome,
            Err(_) => self.give_up(id, panicked()).await,
        }
    }

    /// Puts a half done message back to its beginning: what decodes it is not what counted how far
    /// it is done. It is the next that is processed.
    async fn begin_again(&self, message: &OpenMessage) -> Result<(), StoreError> {
        let reason = begun_again(message.seen);
        warn!(route = %self.route.name, message_id = %message.id, reason = reason.reason, "message begins again");
        let again = BeginAgain {
            message: message.id,
            run: message.run,
            // Also of a route that passes messages on from now: the documents are of records.
            publisher: self.record_publisher(message),
            reason,
        };
        for endpoint in self.hub.store.begin_again(again).await? {
            self.hub.wakers.sinks.wake(&endpoint);
        }
        Ok(())
    }

    /// What can never be decoded or stored becomes invalid, and the next message goes on: one bad
    /// message must not stop its source.
    async fn give_up(&self, id: MessageId, reason: Finding) -> Result<(), StoreError> {
        warn!(route = %self.route.name, message_id = %id, reason = reason.reason, "message is given up");
        let store = &self.hub.store;
        let Some(message) = store.message_to_process(id).await? else {
            return Ok(());
        };
        let ending = |publisher| {
            let decoded = Decoded {
                findings: vec![reason.clone()],
                ..Decoded::default()
            };
            Chunk {
                ending: Some(Ending::Invalid),
                ..self.chunk(&message, publisher, decoded)
            }
        };
        let silent = || self.answering(Arc::new(Silent), &message);
        // What was applied before is told, also when its document was only half made.
        let applied = match self.route.decoder.is_some() {
            true => store.apply(ending(self.publisher(&message))).await,
            false => store.apply(ending(silent())).await,
        };
        let applied = match applied {
            // What makes the answer may be what fails.
            Err(problem) if problem.is_permanent() => store.apply(ending(Arc::new(Silent))).await,
            applied => applied,
        };
        applied.map(|applied| self.wake_endpoints(&applied))
    }

    /// What tells others of a message.
    pub(super) fn publisher(&self, message: &OpenMessage) -> Arc<dyn Publish> {
        let publisher = match self.route.decoder.is_some() {
            true => self.record_publisher(message),
            false => Arc::new(Forward {
                route: Arc::clone(&self.route),
                media_type: message.media_type.clone(),
                name: message.name.clone(),
            }),
        };
        self.answering(publisher, message)
    }

    /// The same, and what tells the message's sender, if its route does.
    fn answering(&self, inner: Arc<dyn Publish>, message: &OpenMessage) -> Arc<dyn Publish> {
        let Some(answering) = &self.route.answer else {
            return inner;
        };
        let answerer = Answerer::new(answering, &self.route.name, &self.zone, message);
        Arc::new(WithAnswer { inner, answerer })
    }

    /// What tells others of a message's records.
    fn record_publisher(&self, message: &OpenMessage) -> Arc<dyn Publish> {
        Arc::new(Publisher {
            routes: self.routes.clone(),
            zone: self.zone.clone(),
            now: message.received,
        })
    }

    /// What comes next of a message.
    pub(super) fn chunk(
        &self,
        message: &OpenMessage,
        publisher: Arc<dyn Publish>,
        decoded: Decoded,
    ) -> Chunk {
        Chunk {
            message: message.id,
            run: message.run,
            route: self.route.name.clone(),
            decoded_by: self.route.decoded_by,
            scope: Scope {
                enterprise: self.enterprise,
                zone: self.zone.clone(),
                message_id: message.id,
                now: self.hub.store.clock().now(),
                unknown: match self.route.unknown_devices {
                    UnknownDevices::Finding => UnknownPolicy::Finding,
                    UnknownDevices::Create => UnknownPolicy::Create,
                },
            },
            seen_before: message.seen,
            seen: message.seen + decoded.items(),
            after: None,
            records: decoded.records,
            findings: decoded.findings,
            checkpoint: message.checkpoint,
            ending: None,
            publisher,
        }
    }

    pub(super) fn wake_endpoints(&self, applied: &AppliedChunk) {
        self.hub.measures.applied(&self.route.from, applied);
        for endpoint in &applied.endpoints {
            self.hub.wakers.sinks.wake(endpoint);
        }
    }
}
