//! Decodes messages into chunks, within the tolerance of their route.

use std::panic::{AssertUnwindSafe, catch_unwind};

use hub_model::mapping::{Decode, Halt, Payload, Records};
use hub_model::{Finding, Place, Record, Severity};

use crate::config::{Inbound, Reject};
use crate::pipeline::Part;

/// What a decoder yielded for (a part of) a message.
#[derive(Default)]
pub(super) struct Decoded {
    pub(super) records: Vec<(Place, Record)>,
    pub(super) findings: Vec<Finding>,
}

impl Decoded {
    /// How many items a restart would skip.
    pub(super) fn items(&self) -> u64 {
        (self.records.len() + self.findings.len()) as u64
    }

    /// How many records are in it that could be read.
    pub(super) fn readable(&self) -> u64 {
        self.records.iter().map(|(_, record)| record.count()).sum()
    }

    /// How many records could not be read.
    pub(super) fn rejects(&self) -> u64 {
        self.findings.iter().map(|finding| finding.rejects).sum()
    }

    /// Whether the decoder gave up before any record.
    pub(super) fn is_hopeless(&self) -> bool {
        self.records.is_empty()
            && self
                .findings
                .iter()
                .any(|finding| finding.severity == Severity::Fatal)
    }

    /// Takes out the first `most` items. Returns how many there were.
    pub(super) fn skip(&mut self, most: u64) -> u64 {
        let records = most.min(self.records.len() as u64);
        let findings = (most - records).min(self.findings.len() as u64);
        let index = |items| usize::try_from(items).unwrap_or(0);
        self.records.drain(..index(records));
        self.findings.drain(..index(findings));
        records + findings
    }
}

impl From<Part> for Decoded {
    fn from(part: Part) -> Self {
        Self {
            records: part.records,
            findings: part.findings,
        }
    }
}

impl Records for Decoded {
    fn record(&mut self, place: Place, record: Record) -> Result<(), Halt> {
        self.records.push((place, record));
        Ok(())
    }

    fn finding(&mut self, finding: Finding) -> Result<(), Halt> {
        self.findings.push(finding);
        Ok(())
    }
}

/// Decodes a whole small message. A decoder that panics is a defect of ours; the message becomes
/// invalid and the next goes on.
pub(super) fn decode_small(decoder: &dyn Decode, payload: &dyn Payload) -> Decoded {
    let mut decoded = Decoded::default();
    let outcome = catch_unwind(AssertUnwindSafe(|| decoder.decode(payload, &mut decoded)));
    match outcome {
        Ok(Ok(()) | Err(Halt::Stopped)) => {}
        Ok(Err(Halt::Io(error))) => decoded.findings.push(unreadable(&error)),
        Err(_) => decoded.findings.push(panicked()),
    }
    decoded
}

/// The finding of content that cannot be read from disk.
pub(super) fn unreadable(error: &std::io::Error) -> Finding {
    Finding::fatal(
        "unreadable",
        Place::default(),
        format!("the stored content cannot be read: {error}"),
    )
    .rejecting(0)
}

/// The finding of a decoder that failed on its own account.
pub(super) fn panicked() -> Finding {
    let reason =
        "the decoder failed on this content; this is a defect of Meterhub, please report it";
    Finding::fatal("decoder_failed", Place::default(), reason).rejecting(0)
}

/// The finding of records that the store can never take.
pub(super) fn refused(problem: &hub_store::StoreError) -> Finding {
    let reason = format!(
        "the store cannot take its records: {problem}; this is a defect of Meterhub, please report it"
    );
    Finding::fatal("store_refused", Place::default(), reason).rejecting(0)
}

/// The finding of a message that begins again after `seen` of its records and findings.
pub(super) fn begun_again(seen: u64) -> Finding {
    let reason = format!(
        "the format, mapping file or zone of its route, or the version of the hub, changed after {seen} records and \
         findings of it were done; it was read again from its beginning, and what the earlier mapping alone made of \
         those {seen} stays as it is"
    );
    Finding::warning("begun_again", Place::default(), reason)
}

/// Keeps count of what a route tolerates.
pub(super) struct Tolerance {
    max_rejects: u64,
    reject: Reject,
    rejected: u64,
}

impl Tolerance {
    pub(super) const fn new(route: &Inbound, rejected: u64) -> Self {
        Self {
            max_rejects: route.max_rejects,
            reject: route.reject,
            rejected,
        }
    }

    /// Takes what was decoded into account. Returns whether the message must be given up; what
    /// could be read of this part is then refused with a finding of its own.
    pub(super) fn exceeded(&mut self, decoded: &mut Decoded) -> bool {
        self.rejected += decoded.rejects();
        let whole_file = self.reject == Reject::File && self.rejected > 0;
        if !whole_file && self.rejected <= self.max_rejects {
            return false;
        }
        let refused = decoded.readable();
        let reason = if whole_file {
            format!(
                "the route rejects a file with any bad record, so {refused} good ones here were not applied"
            )
        } else {
            format!(
                "more than {} records were rejected, so the message was given up and {refused} good ones here were \
                 not applied; raise `max_rejects` of the route to allow more",
                self.max_rejects
            )
        };
        decoded.records.clear();
        decoded
            .findings
            .push(Finding::fatal("given_up", Place::default(), reason).rejecting(refused));
        true
    }
}
