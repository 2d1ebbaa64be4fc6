//! The contract of a mapping: bytes to records, records to bytes, pure and streaming.
//!
//! A mapping (EIP Message Translator) reads a [`Payload`] and hands records and findings to
//! [`Records`] as it goes; its memory does not grow with the payload. A payload that can be cut
//! into parts that stand on their own is offered as [`Segments`], so that all cores can decode it
//! and a restart can go on from the last part that was applied.

mod answer;
mod write;

use std::io::{self, Read};

use crate::{Finding, Instant, Place, ReadingBlock, Record, RecordKind, Zone};
pub use answer::{Answer, Outcome, Told, Verdict};
pub use write::{Loss, write_record};

/// Bytes to decode, as often as one likes and from any place.
pub trait Payload: Send + Sync {
    /// Length in bytes.
    fn len(&self) -> u64;

    /// Whether there is nothing in it.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Opens the payload at a byte offset.
    ///
    /// # Errors
    /// The content cannot be read.
    fn open_at(&self, offset: u64) -> io::Result<Box<dyn Read + Send + '_>>;
}

impl Payload for [u8] {
    fn len(&self) -> u64 {
        <[u8]>::len(self) as u64
    }

    fn open_at(&self, offset: u64) -> io::Result<Box<dyn Read + Send + '_>> {
        let from = usize::try_from(offset)
            .unwrap_or(usize::MAX)
            .min(<[u8]>::len(self));
        Ok(Box::new(&self[from..]))
    }
}

impl Payload for Vec<u8> {
    fn len(&self) -> u64 {
        self.as_slice().len() as u64
    }

    fn open_at(&self, offset: u64) -> io::Result<Box<dyn Read + Send + '_>> {
        let from = usize::try_from(offset)
            .unwrap_or(usize::MAX)
            .min(self.as_slice().len());
        Ok(Box::new(&self[from..]))
    }
}

/// Why decoding ended early. What is wrong with the content is never one of these: that is a [`Finding`].
#[derive(Debug, thiserror::Error)]
pub enum Halt {
    /// The receiver wants no more: too many findings, or the hub stops.
    #[error("stopped by the receiver")]
    Stopped,
    /// The content could not be read from disk.
    #[error("content cannot be read")]
    Io(#[from] io::Error),
}

/// Receives what a decoder finds, in the order of the payload.
pub trait Records {
    /// Takes a record that begins at `place`.
    ///
    /// # Errors
    /// The receiver wants no more.
    fn record(&mut self, place: Place, record: Record) -> Result<(), Halt>;

    /// Takes a finding.
    ///
    /// # Errors
    /// The receiver wants no more.
    fn finding(&mut self, finding: Finding) -> Result<(), Halt>;
}

/// Collects everything: for tests and small payloads.
#[derive(Debug, Default)]
pub struct Collected {
    /// Records with their places.
    pub records: Vec<(Place, Record)>,
    /// Findings.
    pub findings: Vec<Finding>,
}

impl Records for Collected {
    fn record(&mut self, place: Place, record: Record) -> Result<(), Halt> {
        self.records.push((place, record));
        Ok(())
    }

    fn finding(&mut self, finding: Finding) -> Result<(), Halt> {
        self.findings.push(finding);
        Ok(())
    }
}

/// The reading half of a mapping.
pub trait Decode: Send + Sync {
    /// Decodes the whole payload in order. Content that cannot be understood becomes a finding.
    ///
    /// # Errors
    /// Only [`Halt`].
    fn decode(&self, payload: &dyn Payload, out: &mut dyn Records) -> Result<(), Halt>;

    /// Cuts the payload into parts that can be decoded on their own, beginning at byte `from`,
    /// which is 0 or the [`Segment::end`] of an earlier run. `None`: this payload must be decoded
    /// in one go.
    ///
    /// # Errors
    /// Only [`Halt`].
    fn segments<'a>(
        &'a self,
        payload: &'a dyn Payload,
        from: u64,
    ) -> Result<Option<Box<dyn Segments + 'a>>, Halt> {
        let _ = (payload, from);
        Ok(None)
    }

    /// The partner's own id of the message (IEC `MessageID`, IDoc `DOCNUM` ...), if it stands in
    /// the first bytes of the payload and the format has one. `is_whole`: they are all of it. An id that
    /// names a part of the payload is none of the message: other payloads may begin with the same part.
    fn business_key(&self, head: &[u8], is_whole: bool) -> Option<String> {
        let _ = (head, is_whole);
        None
    }
}

/// A payload cut into parts. Cutting is cheap and sequential; decoding the parts is not, and is
/// done on any thread in any order.
pub trait Segments: Send {
    /// The next part, `None` at the end. The parts together yield exactly what
    /// [`Decode::decode`] yields, in the same order.
    ///
    /// # Errors
    /// Only [`Halt`].
    fn next(&mut self) -> Result<Option<Segment>, Halt>;
}

/// One part of a payload with its own bytes: decodes without the rest.
pub struct Segment {
    /// Offset of the first byte after this part: where a later run may go on.
    pub end: u64,
    /// Decodes the part.
    pub decode: DecodeSegment,
}

/// Decodes one part of a payload, with all it needs inside.
pub type DecodeSegment = Box<dyn FnOnce(&mut dyn Records) -> Result<(), Halt> + Send>;

/// What an encoder may write in a document's head.
#[derive(Debug, Clone)]
pub struct Envelope {
    /// The constant id of the outgoing message.
    pub message_id: String,
    /// When it was made.
    pub created: Instant,
    /// The zone of the enterprise, for formats with local times.
    pub zone: Zone,
}

/// Why a record cannot be written in a format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct Inexpressible {
    /// The field of the canonical record.
    pub field: &'static str,
    /// Why, and what would be possible.
    pub reason: String,
}

/// The writing half of a mapping. A document is head, records and tail; the records may be
/// encoded in parts, at different times, by different encoders of the same mapping.
pub trait Encode: Send + Sync {
    /// Media type of a document, `application/xml` say.
    fn media_type(&self) -> &str;

    /// Usual file extension, without the dot.
    fn extension(&self) -> &str;

    /// Kinds of records this encoder can write.
    fn writes(&self) -> &'static [RecordKind];

    /// Writes what stands before the records.
    fn head(&self, envelope: &Envelope, out: &mut Vec<u8>);

    /// Writes one record of a kind that [`Self::writes`] names.
    ///
    /// # Errors
    /// The format cannot say it. Nothing was written then.
    fn record(
        &self,
        envelope: &Envelope,
        record: &Record,
        out: &mut Vec<u8>,
    ) -> Result<(), Inexpressible>;

    /// Readings of a block that can be written alone but not beside its others (one row has one
    /// quality, say): their positions, ascending, each with the reason. Without them the block can
    /// be written. Asked only after [`Self::record`] refused the block.
    fn clashes(&self, block: &ReadingBlock) -> Vec<(usize, Inexpressible)> {
        let _ = block;
        Vec::new()
    }

    /// Writes what stands after the records.
    fn tail(&self, envelope: &Envelope, out: &mut Vec<u8>);
}
