//! Processes one large message: decodes it on several threads, gathers what they yield to chunks,
//! and stores one chunk while the next is gathered. Blocking.

use std::io;

use hub_model::mapping::{Decode, Halt, Payload};
use hub_model::{Finding, Place};
use hub_store::StoreError;
use hub_store::messages::{Ending, OpenMessage};
use tokio::runtime::Handle;

use super::decode::{Decoded, Tolerance, unreadable};
use super::gather::Gathered;
use super::process::Processor;
use super::storing::Storing;
use crate::config::Reject;
use crate::payload::FilePayload;
use crate::pipeline::{Part, decode_parallel};

/// Findings kept of a file that is refused as a whole; more are only counted.
const MAX_TRIAL_FINDINGS: usize = 10_000;
/// Threads that decode one large message.
const DECODE_THREADS: usize = 2;

/// One large message on its way.
pub(super) struct Large<'a> {
    processor: &'a Processor,
    message: &'a OpenMessage,
    /// Items that an earlier run applied, which decoding yields again.
    to_skip: u64,
    tolerance: Tolerance,
    /// Parts that wait until they are worth a chunk, or the message ends.
    gathered: Gathered,
    storing: Storing<'a>,
}

impl<'a> Large<'a> {
    pub(super) fn new(processor: &'a Processor, runtime: Handle, message: &'a OpenMessage) -> Self {
        // Without parts to resume at, decoding begins anew and skips what was applied.
        let (seen, to_skip) = match message.checkpoint {
            0 => (0, message.seen),
            _ => (message.seen, 0),
        };
        Self {
            processor,
            message,
            to_skip,
            tolerance: Tolerance::new(&processor.route, message.unreadable),
            gathered: Gathered::default(),
            storing: Storing::new(processor, runtime, message, seen),
        }
    }

    /// Processes it from its checkpoint to its end, or until the engine stops.
    ///
    /// # Errors
    /// Why the store refused a chunk. Those before it are applied.
    pub(super) fn run(mut self) -> Result<(), StoreError> {
        self.process()?;
        self.storing.wait()
    }

    fn process(&mut self) -> Result<(), StoreError> {
        let Some(decoder) = self.processor.route.decoder.clone() else {
            return self.end(Decoded::default(), Ending::Complete);
        };
        let payload = match self.payload() {
            Ok(payload) => payload,
            Err(error) => return self.end_unreadable(&error),
        };
        // A message that was begun was found good then.
        if self.processor.route.reject == Reject::File && self.message.seen == 0 {
            let trial = self.try_first(&*decoder, &*payload);
            if self.is_stopped() {
                return Ok(());
            }
            if let Some(given_up) = trial {
                return self.end(given_up, Ending::Invalid);
            }
        }
        self.decode(&*decoder, &*payload)
    }

    fn payload(&self) -> io::Result<Box<dyn Payload>> {
        if let Some(bytes) = &self.message.inline {
            return Ok(Box::new(bytes.clone()));
        }
        let content = self.processor.hub.store.content();
        // A replay may come much later: make sure that nobody changed the file meanwhile.
        if self.message.run > 1 && !content.is_intact(&self.message.content_hash)? {
            return Err(io::Error::other("it is no longer what was received"));
        }
        let payload = FilePayload::open(&content.path(&self.message.content_hash))?;
        if payload.len() != self.message.size {
            return Err(io::Error::other("it is no longer what was received"));
        }
        Ok(Box::new(payload))
    }

    /// Reads the whole message once without applying it. Its findings, if it has any that reject.
    fn try_first(&self, decoder: &dyn Decode, payload: &dyn Payload) -> Option<Decoded> {
        let mut kept = Decoded::default();
        let (mut readable, mut rejects) = (0, 0);
        let _ = decode_parallel(decoder, payload, 0, DECODE_THREADS, &mut |part: Part| {
            let part = Decoded::from(part);
            readable += part.readable();
            rejects += part.rejects();
            let room = MAX_TRIAL_FINDINGS.saturating_sub(kept.findings.len());
            kept.findings.extend(part.findings.into_iter().take(room));
            if self.is_stopped() {
                Err(Halt::Stopped)
            } else {
                Ok(())
            }
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
        // Set when it is not the content that ends decoding.
        let mut halted = None;
        let outcome = decode_parallel(
            decoder,
            payload,
            from,
            DECODE_THREADS,
            &mut |part| match self.take(part) {
                Ok(true) => Ok(()),
                other => {
                    halted = Some(other.map(drop));
                    Err(Halt::Stopped)
                }
            },
        );
        match (halted, outcome) {
            (Some(halted), _) => halted,
            (None, Err(Halt::Io(error))) => {
                self.store_gathered(None)?;
                self.end_unreadable(&error)
            }
            (None, _) => self.finish(),
        }
    }

    /// Takes the next part in. Returns whether to go on: not if the route tolerates no more, nor if
    /// the engine stops; what is gathered then is decoded again at the next start.
    fn take(&mut self, part: Part) -> Result<bool, StoreError> {
        let end = part.end.unwrap_or(0);
        let mut decoded = Decoded::from(part);
        let skipped = decoded.skip(self.to_skip);
        self.to_skip -= skipped;
        self.storing.skip(skipped);
        if skipped > 0 && decoded.items() == 0 {
            // An earlier run applied all of it: nothing to store, least of all a place before the
            // one that is stored.
            return Ok(!self.is_stopped());
        }
        if self.tolerance.exceeded(&mut decoded) {
            self.store_gathered(None)?;
            self.end(decoded, Ending::Invalid)?;
            return Ok(false);
        }
        // Kept back until more comes: the last one ends the message.
        if self.gathered.is_full() {
            self.store_gathered(None)?;
        }
        self.gathered.add(decoded, end);
        Ok(!self.is_stopped())
    }

    /// Stores what is still gathered, with the message's end.
    fn finish(&mut self) -> Result<(), StoreError> {
        let is_first = self.storing.seen() == 0;
        let ending = match is_first && self.gathered.decoded.is_hopeless() {
            true => Ending::Invalid,
            false => Ending::Complete,
        };
        self.end(Decoded::default(), ending)
    }

    fn end_unreadable(&mut self, error: &io::Error) -> Result<(), StoreError> {
        let decoded = Decoded {
            findings: vec![unreadable(error)],
            ..Decoded::default()
        };
        self.end(decoded, Ending::Invalid)
    }

    fn end(&mut self, last: Decoded, ending: Ending) -> Result<(), StoreError> {
        self.gathered.add(last, self.message.size);
        self.store_gathered(Some(ending))
    }

    fn store_gathered(&mut self, ending: Option<Ending>) -> Result<(), StoreError> {
        let gathered = std::mem::take(&mut self.gathered);
        match gathered.yielded == 0 && ending.is_none() {
            true => Ok(()),
            false => self.storing.store(gathered, ending),
        }
    }

    fn is_stopped(&self) -> bool {
        self.processor.hub.stop.is_cancelled()
    }
}
