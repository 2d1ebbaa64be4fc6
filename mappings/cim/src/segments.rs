//! Cuts a payload between its meter readings.

mod survey;

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hub_model::Place;
use hub_model::mapping::{Collected, Halt, Payload, Records, Segment, Segments};
use memchr::memmem;

use crate::decode::{CimDecoder, Walk};
use crate::encoding::{Document, Part};
use crate::limits::{CHUNK_BYTES, MAX_HEAD_BYTES, MAX_PART_BYTES};
use crate::source::{Source, newlines};

/// Offers the parts of a payload from byte `from` on. `None`: it cannot be cut safely.
pub(crate) fn cut<'a>(
    decoder: &'a CimDecoder,
    payload: &'a dyn Payload,
    from: u64,
) -> Result<Option<Box<dyn Segments + 'a>>, Halt> {
    let Ok(document) = Document::open(payload)? else {
        return Ok(None);
    };
    let Some(head) = Head::of(decoder, &document)? else {
        return Ok(None);
    };
    let from = from.max(head.body.offset);
    let Some(line) = survey::line_if_cuttable(payload, &head, from)? else {
        return Ok(None);
    };
    Ok(Some(Box::new(Cutter {
        length: payload.len(),
        reader: payload.open_at(from)?,
        close: [b"</", &head.name[..], b">"].concat(),
        context: Arc::new(Context {
            decoder: decoder.clone(),
            head,
            broken_at: AtomicU64::new(u64::MAX),
        }),
        part_bytes: decoder.part_bytes(),
        carry: Vec::new(),
        offset: from,
        line,
    })))
}

/// What stands before the first `MeterReading`: every part is decoded as if it followed directly.
pub(crate) struct Head {
    bytes: Vec<u8>,
    /// Where it begins: after a byte order mark.
    begin: u64,
    /// Where it ends.
    body: Place,
    /// The name of the `MeterReading` elements, prefix included.
    name: Vec<u8>,
}

impl Head {
    /// `None`: there is none of reasonable length, or it yields something by itself.
    fn of(decoder: &CimDecoder, document: &Document<'_>) -> Result<Option<Self>, Halt> {
        if !document.is_utf8() {
            return Ok(None);
        }
        let begin = document.begin();
        let mut bytes = Vec::new();
        let reader = document.payload().open_at(begin)?;
        reader.take(MAX_HEAD_BYTES).read_to_end(&mut bytes)?;

        let mut yielded = Collected::default();
        let source = Source::stream(Box::new(&bytes[..]), begin, 1);
        let found = Walk::new(decoder, source, document, &mut yielded).probe()?;
        let Some((body, name)) = found else {
            return Ok(None);
        };
        if !yielded.records.is_empty() || !yielded.findings.is_empty() {
            return Ok(None);
        }
        let length = usize::try_from(body.offset - begin).unwrap_or(usize::MAX);
        bytes.truncate(length);
        Ok(Some(Self {
            bytes,
            begin,
            body,
            name,
        }))
    }
}

/// What the parts of a payload share.
struct Context {
    decoder: CimDecoder,
    head: Head,
    /// Offset of the first part known to end in a fatal finding: later ones are void.
    broken_at: AtomicU64,
}

/// Cuts while reading.
struct Cutter<'a> {
    reader: Box<dyn Read + Send + 'a>,
    length: u64,
    close: Vec<u8>,
    part_bytes: usize,
    context: Arc<Context>,
    /// Bytes read beyond the last cut.
    carry: Vec<u8>,
    /// Place of the next part.
    offset: u64,
    line: u64,
}

impl Segments for Cutter<'_> {
    fn next(&mut self) -> Result<Option<Segment>, Halt> {
        if self.offset >= self.length {
            return Ok(None);
        }
        let bytes = self.next_part()?;
        let place = Place::at(self.offset, self.line);
        self.offset += bytes.len() as u64;
        self.line += newlines(&bytes);
        let last = self.offset >= self.length;
        let context = Arc::clone(&self.context);
        Ok(Some(Segment {
            end: self.offset,
            decode: Box::new(move |out| context.decode(bytes, &place, last, out)),
        }))
    }
}

impl Cutter<'_> {
    fn next_part(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(self.part_bytes + self.carry.len());
        bytes.append(&mut self.carry);
        loop {
            let wanted = self.part_bytes as u64;
            let read = (&mut self.reader).take(wanted).read_to_end(&mut bytes)?;
            if self.offset + bytes.len() as u64 >= self.length {
                return Ok(bytes);
            }
            if let Some(at) = memmem::rfind(&bytes, &self.close) {
                self.carry = bytes.split_off(at + self.close.len());
                return Ok(bytes);
            }
            if read == 0 || bytes.len() > MAX_PART_BYTES + self.part_bytes + CHUNK_BYTES {
                return Err(io::Error::other("the payload changed while it was read"));
            }
        }
    }
}

impl Context {
    fn decode(
        &self,
        bytes: Vec<u8>,
        place: &Place,
        last: bool,
        out: &mut dyn Records,
    ) -> Result<(), Halt> {
        if self.broken_at.load(Ordering::Acquire) < place.offset {
            return Ok(());
        }
        let part = Part {
            bytes: Arc::new(bytes),
            offset: place.offset,
        };
        let body = Arc::clone(&part.bytes);
        let source = Source::part(
            &self.head.bytes,
            self.head.begin,
            body,
            place.offset,
            place.line,
        );
        let mut walk = Walk::new(&self.decoder, source, &part, out);
        if last {
            return walk.run();
        }
        if !walk.run_part()? {
            self.broken_at.fetch_min(place.offset, Ordering::AcqRel);
        }
        Ok(())
    }
}
