//! Processes what a source's messages became: decodes, applies, publishes, in order of acceptance.

use std::sync::Arc;

use futures_util::future::join_all;
use hub_core::MessageId;
use hub_model::mapping::{Decode, Halt, Payload};
use hub_model::{Finding, Place, Zone};
use hub_store::StoreError;
use hub_store::estate::{EnterpriseId, Scope, UnknownPolicy};
use hub_store::messages::{
    AppliedChunk, Change, Chunk, Ending, NewDelivery, OpenMessage, Publication, Publish,
};
use tracing::{info, warn};

use super::decode::{Decoded, Tolerance, decode_small, panicked, refused, unreadable};
use super::publish::Publisher;
use super::{Hub, IDLE_POLL, STORE_PAUSE};
use crate::config::{Inbound, Outbound, Reject, UnknownDevices};
use crate::payload::FilePayload;
use crate::pipeline::{Part, decode_parallel};

/// Bytes of small messages decoded together; more would only wait in memory.
const MAX_BATCH_BYTES: usize = 8 * 1024 * 1024;
/// Findings kept of a file that is refused as a whole; more are only counted.
const MAX_TRIAL_FINDINGS: usize = 10_000;
/// Threads that decode one large message.
const DECODE_THREADS: usize = 2;

/// Processes a source's messages until the engine stops.
pub(super) async fn run(hub: Hub, route: Inbound) {
    let waker = hub.wakers.of(&route.from);
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

struct Processor {
    hub: Hub,
    route: Inbound,
    enterprise: EnterpriseId,
    zone: Zone,
    routes: Vec<Arc<Outbound>>,
}

impl Processor {
    fn new(hub: Hub, route: Inbound) -> Option<Self> {
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
        let waiting = self.hub.store.open_messages(&self.route.from, None).await?;
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
        self.chunk(&message, publisher, decoded, 0, 0, Some(ending))
    }

    /// Decodes and applies a large message chunk by chunk, from its checkpoint.
    async fn process_large(self: &Arc<Self>, message: OpenMessage) -> Result<(), StoreError> {
        let note = (message.seen > 0)
            .then(|| format!("goes on after {} records and findings", message.seen));
        self.hub
            .store
            .start(message.id, &self.route.name, note)
            .await?;
        let processor = Arc::clone(self);
        let runtime = tokio::runtime::Handle::current();
        let id = message.id;
        let work = tokio::task::spawn_blocking(move || {
            let publisher = processor.publisher(&message);
            Large {
                processor: &processor,
                runtime,
                message: &message,
                publisher,
                failed: None,
                held: None,
                seen: message.seen,
            }
            .run()
        });
        match work.await {
            Ok(Err(problem)) if problem.is_permanent() => self.give_up(id, refused(&problem)).await,
            Ok(outcome) => outcome,
            Err(_) => self.give_up(id, panicked()).await,
        }
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
            let (checkpoint, seen) = (message.checkpoint, message.seen);
            self.chunk(
                &message,
                publisher,
                decoded,
                checkpoint,
                seen,
                Some(Ending::Invalid),
            )
        };
        // What was applied before is told, also when its document was only half made.
        let applied = match self.route.decoder.is_some() {
            true => store.apply(ending(self.publisher(&message))).await,
            false => store.apply(ending(Arc::new(Silent))).await,
        };
        let applied = match applied {
            Err(problem) if problem.is_permanent() => store.apply(ending(Arc::new(Silent))).await,
            applied => applied,
        };
        applied.map(|applied| self.wake_endpoints(&applied))
    }

    fn publisher(&self, message: &OpenMessage) -> Arc<dyn Publish> {
        if self.route.decoder.is_some() {
            return Arc::new(Publisher {
                routes: self.routes.clone(),
                zone: self.zone.clone(),
                now: message.received,
            });
        }
        Arc::new(Forward {
            route: self.route.clone(),
            media_type: message.media_type.clone(),
            name: message.name.clone(),
        })
    }

    fn chunk(
        &self,
        message: &OpenMessage,
        publisher: Arc<dyn Publish>,
        decoded: Decoded,
        checkpoint: u64,
        seen: u64,
        ending: Option<Ending>,
    ) -> Chunk {
        Chunk {
            message: message.id,
            run: message.run,
            route: self.route.name.clone(),
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
            seen: seen + decoded.items(),
            after: None,
            records: decoded.records,
            findings: decoded.findings,
            checkpoint,
            ending,
            publisher,
        }
    }

    fn wake_endpoints(&self, applied: &AppliedChunk) {
        for endpoint in &applied.endpoints {
            self.hub.wakers.wake(endpoint);
        }
    }
}

/// Tells nobody: for messages that are given up.
struct Silent;

impl Publish for Silent {
    fn publish(&self, _: MessageId, _: &[Change<'_>], _: bool) -> Publication {
        Publication::default()
    }

    fn complete(&self, _: MessageId, _: &str) -> (Vec<u8>, Vec<u8>, Vec<NewDelivery>) {
        (Vec::new(), Vec::new(), Vec::new())
    }
}

/// Passes a message on as it is: routes with the format `opaque`.
struct Forward {
    route: Inbound,
    media_type: Option<String>,
    name: String,
}

impl Publish for Forward {
    fn publish(&self, message: MessageId, _: &[Change<'_>], _: bool) -> Publication {
        let extension = self
            .name
            .rsplit_once('.')
            .map_or("bin", |(_, extension)| extension);
        let delivery = |endpoint: &String| NewDelivery {
            route: self.route.name.clone(),
            endpoint: endpoint.clone(),
            // Messages passed on unread have no business object, so nothing asks for an order.
            lane: format!("message:{message}"),
            subject: String::new(),
            media_type: self
                .media_type
                .clone()
                .unwrap_or_else(|| "application/octet-stream".into()),
            extension: extension.to_owned(),
            body: None,
        };
        Publication {
            deliveries: self.route.to.iter().map(delivery).collect(),
            ..Publication::default()
        }
    }

    fn complete(&self, _: MessageId, _: &str) -> (Vec<u8>, Vec<u8>, Vec<NewDelivery>) {
        (Vec::new(), Vec::new(), Vec::new())
    }
}

/// One large message on its way. Runs on a blocking thread.
struct Large<'a> {
    processor: &'a Processor,
    runtime: tokio::runtime::Handle,
    message: &'a OpenMessage,
    publisher: Arc<dyn Publish>,
    /// Why the store refused a chunk.
    failed: Option<StoreError>,
    /// The part that waits until it is known whether it is the last, and where it ends.
    held: Option<(Decoded, u64)>,
    /// Items handed to the store or skipped.
    seen: u64,
}

impl Large<'_> {
    fn run(mut self) -> Result<(), StoreError> {
        let Some(decoder) = self.processor.route.decoder.clone() else {
            return self.apply(Decoded::default(), 0, Some(Ending::Complete));
        };
        let payload = match self.payload() {
            Ok(payload) => payload,
            Err(error) => {
                let decoded = Decoded {
                    findings: vec![unreadable(&error)],
                    ..Decoded::default()
                };
                return self.apply(decoded, 0, Some(Ending::Invalid));
            }
        };
        // A message that was begun was found good then.
        if self.processor.route.reject == Reject::File
            && self.message.seen == 0
            && let Some(given_up) = self.try_first(&*decoder, &*payload)
        {
            if self.unless_stopped().is_err() {
                return Ok(());
            }
            return self.apply(given_up, 0, Some(Ending::Invalid));
        }
        self.decode(&*decoder, &*payload)
    }

    fn payload(&self) -> std::io::Result<Box<dyn Payload>> {
        if let Some(bytes) = &self.message.inline {
            return Ok(Box::new(bytes.clone()));
        }
        let content = self.processor.hub.store.content();
        // A replay may come much later: make sure that nobody changed the file meanwhile.
        if self.message.run > 1 && !content.is_intact(&self.message.content_hash)? {
            return Err(std::io::Error::other("it is no longer what was received"));
        }
        let payload = FilePayload::open(&content.path(&self.message.content_hash))?;
        if payload.len() != self.message.size {
            return Err(std::io::Error::other("it is no longer what was received"));
        }
        Ok(Box::new(payload))
    }

    /// Reads the whole message once without applying it. Its findings, if it has any that reject.
    fn try_first(&self, decoder: &dyn Decode, payload: &dyn Payload) -> Option<Decoded> {
        let mut kept = Decoded::default();
        let (mut readable, mut rejects) = (0, 0);
        let _ = decode_parallel(decoder, payload, 0, DECODE_THREADS, &mut |part: Part| {
            let part = Decoded {
                records: part.records,
                findings: part.findings,
            };
            readable += part.readable();
            rejects += part.rejects();
            let room = MAX_TRIAL_FINDINGS.saturating_sub(kept.findings.len());
            kept.findings.extend(part.findings.into_iter().take(room));
            self.unless_stopped()
        });
        (rejects > 0).then(|| {
            let reason = format!(
                "the route rejects a file with any bad record, so {readable} good ones were not applied"
            );
            // Findings that were not kept are counted here.
            let refused = readable + rejects - kept.rejects();
            let finding = Finding::fatal("given_up", Place::default(), reason);
            kept.findings.push(finding.rejecting(refused));
            kept
        })
    }

    fn decode(&mut self, decoder: &dyn Decode, payload: &dyn Payload) -> Result<(), StoreError> {
        let from = self.message.checkpoint;
        // Without parts to resume at, decoding begins anew and skips what was applied.
        let mut to_skip = if from > 0 { 0 } else { self.message.seen };
        self.seen = if from > 0 { self.message.seen } else { 0 };
        let mut tolerance = Tolerance::new(&self.processor.route, self.message.unreadable);
        let outcome = decode_parallel(decoder, payload, from, DECODE_THREADS, &mut |part: Part| {
            let mut decoded = Decoded {
                records: part.records,
                findings: part.findings,
            };
            let skipped = skip(&mut decoded, &mut to_skip);
            self.seen += skipped;
            if skipped > 0 && decoded.items() == 0 {
                // An earlier run applied all of it: nothing to store, least of all a place before
                // the one that is stored.
                return self.unless_stopped();
            }
            if tolerance.exceeded(&mut decoded) {
                self.flush(None)?;
                self.end(decoded, Ending::Invalid)?;
                return Err(Halt::Stopped);
            }
            self.flush(None)?;
            self.held = Some((decoded, part.end.unwrap_or(0)));
            self.unless_stopped()
        });
        match outcome {
            Ok(()) => self.finish(),
            Err(Halt::Io(error)) => {
                let _ = self.flush(None);
                let decoded = Decoded {
                    findings: vec![unreadable(&error)],
                    ..Decoded::default()
                };
                let _ = self.end(decoded, Ending::Invalid);
            }
            // Stopped by the store, by tolerance, or because the engine stops: what is held goes
            // on from the checkpoint at the next start.
            Err(Halt::Stopped) => {}
        }
        self.failed.take().map_or(Ok(()), Err)
    }

    fn unless_stopped(&self) -> Result<(), Halt> {
        if self.processor.hub.stop.is_cancelled() {
            Err(Halt::Stopped)
        } else {
            Ok(())
        }
    }

    /// Applies the last part, with the message's end.
    fn finish(&mut self) {
        let (last, _) = self.held.take().unwrap_or_default();
        let nothing_before = self.message.seen == 0 && self.seen == 0;
        let ending = if nothing_before && last.is_hopeless() {
            Ending::Invalid
        } else {
            Ending::Complete
        };
        let _ = self.end(last, ending);
    }

    fn end(&mut self, decoded: Decoded, ending: Ending) -> Result<(), Halt> {
        self.held = Some((decoded, self.message.size));
        self.flush(Some(ending))
    }

    /// Applies the part that is held.
    fn flush(&mut self, ending: Option<Ending>) -> Result<(), Halt> {
        let Some((decoded, end)) = self.held.take() else {
            return Ok(());
        };
        self.apply(decoded, end, ending).map_err(|problem| {
            self.failed = Some(problem);
            Halt::Stopped
        })
    }

    fn apply(
        &mut self,
        decoded: Decoded,
        checkpoint: u64,
        ending: Option<Ending>,
    ) -> Result<(), StoreError> {
        let publisher = Arc::clone(&self.publisher);
        let chunk = self.processor.chunk(
            self.message,
            publisher,
            decoded,
            checkpoint,
            self.seen,
            ending,
        );
        self.seen = chunk.seen;
        let applied = self
            .runtime
            .block_on(self.processor.hub.store.apply(chunk))?;
        self.processor.wake_endpoints(&applied);
        if let Some(state) = applied.state {
            let id = self.message.id;
            info!(route = %self.processor.route.name, message_id = %id, state = state.as_str(), "message is done");
        }
        Ok(())
    }
}

/// Takes out what an earlier run applied. Returns how many items that were.
fn skip(decoded: &mut Decoded, to_skip: &mut u64) -> u64 {
    let before = *to_skip;
    let records = before.min(decoded.records.len() as u64);
    decoded
        .records
        .drain(..usize::try_from(records).unwrap_or(0));
    let findings = (before - records).min(decoded.findings.len() as u64);
    decoded
        .findings
        .drain(..usize::try_from(findings).unwrap_or(0));
    *to_skip -= records + findings;
    records + findings
}
