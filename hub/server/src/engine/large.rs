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
            Err(error) => return self.end_unless_passing(error),
        };
        // A message that was begun was found good then.
        if self.processor.route.reject == Reject::File && self.message.seen == 0 {
            match self.try_first(&*decoder, &*payload) {
                _ if self.is_stopped() => return Ok(()),
                Ok(None) => {}
                Ok(Some(given_up)) => return self.end(given_up, Ending::Invalid),
                Err(error) => return self.end_unless_passing(error),
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
            return Err(no_longer_what_was_received());
        }
        let payload = FilePayload::open(&content.path(&self.message.content_hash))?;
        if payload.len() != self.message.size {
            return Err(no_longer_what_was_received());
        }
        Ok(Box::new(payload))
    }

    /// Reads the whole message once without applying it. Its findings, if it has any that reject.
    fn try_first(
        &self,
        decoder: &dyn Decode,
        payload: &dyn Payload,
    ) -> io::Result<Option<Decoded>> {
        let mut kept = Decoded::default();
        let (mut readable, mut rejects) = (0, 0);
        let read = decode_parallel(decoder, payload, 0, DECODE_THREADS, &mut |part: Part| {
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
        if let Err(Halt::Io(error)) = read {
            return Err(error);
        }
        Ok((rejects > 0).then(|| {
            let reason = format!(
                "the route rejects a file with any bad record, so {readable} good ones were not applied"
            );
            // Findings that were not kept are counted here.
            let refused = readable + rejects - kept.rejects();
            let finding = Finding::fatal("given_up", Place::default(), reason);
            kept.findings.push(finding.rejecting(refused));
            kept
        }))
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
                self.end_unless_passing(error)
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

    /// Ends a message whose content cannot be read, unless it may be read later: an accepted
    /// message must not become invalid because for a moment there were too many open files.
    fn end_unless_passing(&mut self, error: io::Error) -> Result<(), StoreError> {
        match is_final(&error) {
            true => self.end_unreadable(&error),
            false => Err(StoreError::Content(error)),
        }
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

fn no_longer_what_was_received() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "it is no longer what was received",
    )
}

/// Whether content that cannot be read now can never be. A damaged disk counts: the message can be
/// replayed when it is mended, and until then the next ones go on.
fn is_final(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, InvalidInput, NotFound, Other, UnexpectedEof};
    const DAMAGED: i32 = 5;
    matches!(
        error.kind(),
        NotFound | InvalidData | InvalidInput | UnexpectedEof | Other
    ) || error.raw_os_error() == Some(DAMAGED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_never_be_read_is_final() {
        const TOO_MANY_OPEN_FILES: i32 = 24;
        const STALE: i32 = 116;
        const DAMAGED: i32 = 5;
        assert!(is_final(&no_longer_what_was_received()));
        assert!(is_final(&io::ErrorKind::NotFound.into()));
        assert!(is_final(&io::Error::from_raw_os_error(DAMAGED)));
        for passing in [TOO_MANY_OPEN_FILES, STALE] {
            assert!(!is_final(&io::Error::from_raw_os_error(passing)));
        }
    }
}
