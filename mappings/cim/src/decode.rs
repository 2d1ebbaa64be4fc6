//! Bytes to records: the decoder and the state of one pass over a document.

mod document;
mod draft;
mod event;
mod express;
mod interval_block;
mod look_ahead;
mod meter_reading;
mod object_ref;
mod qualities;
mod reading;
mod register;
mod times;

use hub_model::mapping::{Decode, Halt, Payload, Records, Segments};
use hub_model::{Finding, Place, ReadingQuality, Zone};

use crate::business_key::business_key;
use crate::codes;
use crate::encoding::{Document, Reopen, UnknownEncoding};
use crate::limits::{MAX_BUFFERED_READINGS, PART_BYTES};
use crate::namespaces::Namespaces;
use crate::segments;
use crate::source::Source;
use crate::stop::Stop;
use crate::text::quoted;
use crate::xml::Xml;

use express::Express;
use reading::TypeMemo;
use times::Times;

/// Decodes IEC 61968-9 `MeterReadings` and `EndDeviceEvents`.
///
/// - Shape: each `IntervalBlocks` becomes one block, the `Readings` of one type in a
///   `MeterReading` another; each event one record. Order is kept, a gap stays a gap.
/// - Units: values as they come, in the unit of the block's reading type.
/// - Time: the time stamp of an interval is its end. Times without `Z` or offset are local times
///   of the decoder's zone.
#[derive(Debug, Clone)]
pub struct CimDecoder {
    zone: Zone,
    namespace: Option<Box<str>>,
    express: bool,
    part_bytes: usize,
    buffered_readings: usize,
}

impl CimDecoder {
    /// A decoder that reads times without `Z` or offset in `zone`.
    #[must_use]
    pub const fn new(zone: Zone) -> Self {
        Self {
            zone,
            namespace: None,
            express: true,
            part_bytes: PART_BYTES,
            buffered_readings: MAX_BUFFERED_READINGS,
        }
    }

    /// Also accepts payloads in a partner's own namespace.
    #[must_use]
    pub fn accepting(mut self, namespace: &str) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// Cuts payloads in parts of about this size instead of [`PART_BYTES`].
    #[must_use]
    pub const fn in_parts_of(mut self, bytes: usize) -> Self {
        self.part_bytes = if bytes == 0 { 1 } else { bytes };
        self
    }

    /// Keeps this many readings of one `MeterReading` until its meter is known, instead of
    /// [`MAX_BUFFERED_READINGS`].
    #[must_use]
    pub const fn buffering(mut self, readings: usize) -> Self {
        self.buffered_readings = if readings == 0 { 1 } else { readings };
        self
    }

    /// Reads every element with the general parser, without the short cut for readings of the
    /// usual form. Yields the same, slower: for tests and measurements.
    #[must_use]
    pub const fn without_express(mut self) -> Self {
        self.express = false;
        self
    }

    /// Bytes of a part.
    pub(crate) const fn part_bytes(&self) -> usize {
        self.part_bytes
    }

    pub(crate) fn namespaces(&self) -> Namespaces {
        Namespaces::new(self.namespace.as_deref())
    }
}

impl Decode for CimDecoder {
    fn decode(&self, payload: &dyn Payload, out: &mut dyn Records) -> Result<(), Halt> {
        let document = match Document::open(payload)? {
            Ok(document) => document,
            Err(unknown) => return out.finding(unknown_encoding(&unknown)),
        };
        let begin = document.begin();
        let source = Source::stream(document.reopen(begin)?, begin, 1);
        let mut walk = Walk::new(self, source, &document, out);
        walk.run()
    }

    fn segments<'a>(
        &'a self,
        payload: &'a dyn Payload,
        from: u64,
    ) -> Result<Option<Box<dyn Segments + 'a>>, Halt> {
        segments::cut(self, payload, from)
    }

    fn business_key(&self, head: &[u8], _: bool) -> Option<String> {
        business_key(head)
    }
}

fn unknown_encoding(unknown: &UnknownEncoding) -> Finding {
    let reason = format!(
        "unknown encoding {} declared, expected `UTF-8`, `UTF-16`, `ISO-8859-1`, `windows-1252` \
         or another of the WHATWG encodings",
        quoted(&unknown.0)
    );
    Finding::fatal(codes::BAD_ENCODING, Place::at(0, 1), reason)
}

/// One pass over a document or a part of one.
pub(crate) struct Walk<'a> {
    xml: Xml<'a>,
    /// Where to look ahead in.
    text: &'a dyn Reopen,
    out: &'a mut dyn Records,
    times: Times,
    types: TypeMemo,
    /// `None`: every element goes through the parser.
    express: Option<Express>,
    /// Only the place of the first `MeterReading` is wanted.
    probing: bool,
    /// Readings and events read, but neither given out nor rejected yet.
    pending: u64,
    /// Readings of one `MeterReading` that may be kept.
    buffered_readings: usize,
    /// Readings of the last block: room for the next.
    room: usize,
    /// The qualities of the current reading.
    scratch: Vec<ReadingQuality>,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(
        decoder: &CimDecoder,
        source: Source<'a>,
        text: &'a dyn Reopen,
        out: &'a mut dyn Records,
    ) -> Self {
        Self {
            xml: Xml::new(source, decoder.namespaces()),
            text,
            out,
            times: Times::new(decoder.zone.clone()),
            types: TypeMemo::default(),
            express: decoder.express.then(Express::default),
            probing: false,
            pending: 0,
            buffered_readings: decoder.buffered_readings,
            room: 0,
            scratch: Vec::new(),
        }
    }

    /// Walks through the whole document.
    pub(crate) fn run(&mut self) -> Result<(), Halt> {
        match self.document(false) {
            Ok(()) => Ok(()),
            Err(stop) => self.stopped(stop).map(|_| ()),
        }
    }

    /// Walks through a part. True: it ended as a part should, or with the document.
    pub(crate) fn run_part(&mut self) -> Result<bool, Halt> {
        match self.document(true) {
            Ok(()) | Err(Stop::EndOfPart) => Ok(true),
            Err(stop) => self.stopped(stop),
        }
    }

    /// Looks for the first `MeterReading`: its offset, and its name as it is written. `None` if
    /// there is none, or something is wrong before it.
    pub(crate) fn probe(&mut self) -> Result<Option<(Place, Vec<u8>)>, Halt> {
        self.probing = true;
        match self.document(false) {
            Err(Stop::FirstMeterReading) => {
                Ok(Some((self.xml.place(), self.xml.raw_name().to_vec())))
            }
            Err(Stop::Halt(halt)) => Err(halt),
            _ => Ok(None),
        }
    }

    /// Reports a fatal finding: what was read but not given out goes with it.
    fn stopped(&mut self, stop: Stop) -> Result<bool, Halt> {
        match stop {
            Stop::Halt(halt) => Err(halt),
            Stop::Fatal(finding) => {
                let lost = finding.rejects.max(self.pending);
                self.out.finding(finding.rejecting(lost))?;
                Ok(false)
            }
            Stop::EndOfPart | Stop::FirstMeterReading => Ok(true),
        }
    }
}
