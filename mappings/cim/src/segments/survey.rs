//! One fast look at a whole payload: may it be cut at every end of a `MeterReading`?
//!
//! It may if, after the head, there is nothing but `MeterReading` elements without attributes, one
//! after the other with space between them, and then a tail without any; no comments, CDATA or
//! processing instructions, in which an end tag would not be one; and none so large that a part
//! with it would be too large. Well-formedness is not asked for: decoding finds that out.

use std::io::{self, Read};

use hub_model::mapping::Payload;
use memchr::{memchr2_iter, memmem};

use crate::limits::{CHUNK_BYTES, MAX_PART_BYTES};
use crate::source::newlines;

use super::Head;

/// The line of byte `from`, where a cut or the beginning of the body is, if the payload may be
/// cut.
pub(super) fn line_if_cuttable(
    payload: &dyn Payload,
    head: &Head,
    from: u64,
) -> io::Result<Option<u64>> {
    let mut survey = Survey::new(head);
    let mut lines = head.body.line;
    let mut reader = payload.open_at(head.body.offset)?;
    let mut chunk = Vec::with_capacity(CHUNK_BYTES);
    let mut offset = head.body.offset;
    loop {
        chunk.clear();
        (&mut reader)
            .take(CHUNK_BYTES as u64)
            .read_to_end(&mut chunk)?;
        if chunk.is_empty() {
            return Ok(survey.ends_well().then_some(lines));
        }
        let wanted = from.saturating_sub(offset).min(chunk.len() as u64);
        lines += newlines(&chunk[..usize::try_from(wanted).unwrap_or(chunk.len())]);
        if !survey.feed(&chunk) {
            return Ok(None);
        }
        offset += chunk.len() as u64;
    }
}

/// Where the survey is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Between meter readings: the next one, or the tail.
    Between,
    /// In a meter reading.
    Within,
    /// After the last one.
    Tail,
}

struct Survey<'h> {
    name: &'h [u8],
    finder: memmem::Finder<'h>,
    open: Vec<u8>,
    state: State,
    /// Bytes not judged yet, and what stands before them as far as it matters.
    window: Vec<u8>,
    /// Where in the window judging goes on.
    at: usize,
    /// Bytes since the last cut, up to `at`.
    since_cut: usize,
}

impl<'h> Survey<'h> {
    fn new(head: &'h Head) -> Self {
        Self {
            name: &head.name,
            finder: memmem::Finder::new(&head.name),
            open: [b"<", &head.name[..], b">"].concat(),
            state: State::Between,
            window: Vec::new(),
            at: 0,
            since_cut: 0,
        }
    }

    /// Looks at the next bytes. False: the payload may not be cut.
    fn feed(&mut self, chunk: &[u8]) -> bool {
        let last = self.window.last().copied();
        if has_special_markup(last, chunk) {
            return false;
        }
        self.window.extend_from_slice(chunk);
        let cuttable = self.judge(false);
        // A name may have begun in what is kept: `</`, the name, and what follows it.
        let keep = (self.name.len() + 2).min(self.at);
        self.window.drain(..self.at - keep);
        self.at = keep;
        cuttable && self.since_cut <= MAX_PART_BYTES
    }

    /// Judges what is left. False: the payload may not be cut.
    fn ends_well(&mut self) -> bool {
        self.judge(true) && self.since_cut <= MAX_PART_BYTES
    }

    /// Judges the window as far as that is possible.
    fn judge(&mut self, at_end: bool) -> bool {
        loop {
            let step = match self.state {
                State::Between => self.step_between(at_end),
                State::Within | State::Tail => self.step_to_tag(at_end),
            };
            match step {
                Step::On => {}
                Step::Wait => return true,
                Step::Refuse => return false,
            }
        }
    }

    fn step_between(&mut self, at_end: bool) -> Step {
        let rest = &self.window[self.at..];
        let space = rest
            .iter()
            .position(|c| !matches!(c, b' ' | b'\t' | b'\r' | b'\n'))
            .unwrap_or(rest.len());
        let rest = &rest[space..];
        let enough = rest.len() >= self.open.len();
        let opens = rest.starts_with(&self.open);
        self.pass(space);
        if !enough && !at_end {
            return Step::Wait;
        }
        if opens {
            self.pass(self.open.len());
            self.state = State::Within;
        } else {
            self.state = State::Tail;
        }
        Step::On
    }

    /// Goes on to the next tag with the name.
    fn step_to_tag(&mut self, at_end: bool) -> Step {
        let Some(found) = self.finder.find(&self.window[self.at..]) else {
            // The beginning of a name may stand at the end.
            let judged = (self.window.len() - self.at).saturating_sub(self.name.len());
            let judged = if at_end {
                self.window.len() - self.at
            } else {
                judged
            };
            self.pass(judged);
            return Step::Wait;
        };
        let begin = self.at + found;
        let end = begin + self.name.len();
        let Some(&next) = self.window.get(end) else {
            if at_end {
                self.pass(self.window.len() - self.at);
            }
            return Step::Wait;
        };
        let before = &self.window[..begin];
        let starts = before.ends_with(b"<");
        let is_tag = (starts || before.ends_with(b"</"))
            && matches!(next, b'>' | b'/' | b' ' | b'\t' | b'\r' | b'\n');
        self.pass(end - self.at);
        if !is_tag {
            return Step::On;
        }
        if self.state == State::Tail || starts || next != b'>' {
            return Step::Refuse;
        }
        self.at += 1;
        self.since_cut = 0;
        self.state = State::Between;
        Step::On
    }

    fn pass(&mut self, bytes: usize) {
        self.at += bytes;
        self.since_cut += bytes;
    }
}

enum Step {
    On,
    Wait,
    Refuse,
}

/// Whether `<!` or `<?` stands in a chunk that follows byte `last`.
fn has_special_markup(last: Option<u8>, chunk: &[u8]) -> bool {
    memchr2_iter(b'!', b'?', chunk).any(|at| match at.checked_sub(1) {
        Some(before) => chunk[before] == b'<',
        None => last == Some(b'<'),
    })
}
