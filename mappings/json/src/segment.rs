//! Cuts a payload at line ends into parts that decode on their own.
//!
//! A newline never stands inside a JSON value on one line, so every line end is a place to cut.

use std::io::Read;

use hub_model::Place;
use hub_model::mapping::{Halt, Payload, Records, Segment, Segments};

use crate::decode;

/// Longest line that is read, and the usual size of a segment. A longer line is one finding.
///
/// Larger costs memory on every core that decodes; smaller refuses records with many details.
pub const MAX_LINE_BYTES: usize = 1 << 20;

/// Cuts a payload from a byte offset on.
pub(crate) struct Cutter<'a> {
    reader: Box<dyn Read + Send + 'a>,
    /// Bytes that were read and not yet handed out; they begin at `place`.
    rest: Vec<u8>,
    place: Place,
    ended: bool,
}

impl<'a> Cutter<'a> {
    /// Begins at byte `from`, which is 0 or the end of an earlier segment. The lines before it are
    /// counted, so that findings name the right line after a restart.
    pub(crate) fn new(payload: &'a (dyn Payload + 'a), from: u64) -> Result<Self, Halt> {
        let line = 1 + count_lines(payload, from)?;
        Ok(Self {
            reader: payload.open_at(from)?,
            rest: Vec::new(),
            place: Place::at(from, line),
            ended: false,
        })
    }

    /// Reads until `rest` has [`MAX_LINE_BYTES`] or the payload ends.
    fn fill(&mut self) -> Result<(), Halt> {
        let wanted = MAX_LINE_BYTES.saturating_sub(self.rest.len());
        if wanted == 0 || self.ended {
            return Ok(());
        }
        self.rest.reserve_exact(wanted);
        let read = (&mut self.reader)
            .take(wanted as u64)
            .read_to_end(&mut self.rest)?;
        self.ended = read < wanted;
        Ok(())
    }

    /// Drops bytes up to and including the next line end; `rest` then begins after it.
    fn skip_line(&mut self) -> Result<u64, Halt> {
        let mut skipped = 0;
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.rest) {
                self.rest.drain(..=end);
                return Ok(skipped + end as u64 + 1);
            }
            skipped += self.rest.len() as u64;
            self.rest.clear();
            if self.ended {
                return Ok(skipped);
            }
            self.fill()?;
        }
    }

    fn advance(&mut self, bytes: u64, lines: u64) {
        self.place.offset += bytes;
        self.place.line += lines;
    }
}

impl Segments for Cutter<'_> {
    fn next(&mut self) -> Result<Option<Segment>, Halt> {
        self.fill()?;
        if self.rest.is_empty() {
            return Ok(None);
        }
        let place = self.place.clone();
        let cut = match memchr::memrchr(b'\n', &self.rest) {
            Some(end) => end + 1,
            None if self.ended => self.rest.len(),
            None => {
                let bytes = self.skip_line()?;
                self.advance(bytes, 1);
                return Ok(Some(Segment {
                    end: self.place.offset,
                    decode: Box::new(move |out: &mut dyn Records| {
                        decode::too_long(out, place, bytes)
                    }),
                }));
            }
        };
        let tail = self.rest.split_off(cut);
        let lines = std::mem::replace(&mut self.rest, tail);
        self.advance(lines.len() as u64, newlines(&lines));
        Ok(Some(Segment {
            end: self.place.offset,
            decode: Box::new(move |out: &mut dyn Records| decode::lines(&lines, place, out)),
        }))
    }
}

fn newlines(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

fn count_lines(payload: &dyn Payload, until: u64) -> Result<u64, Halt> {
    if until == 0 {
        return Ok(0);
    }
    let mut reader = payload.open_at(0)?.take(until);
    let mut buffer = vec![0; 64 * 1024];
    let mut lines = 0;
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(lines),
            Ok(read) => lines += newlines(&buffer[..read]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
}
