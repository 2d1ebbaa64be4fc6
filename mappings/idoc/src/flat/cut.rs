//! Cuts a flat file before each control record.

use std::io;

use hub_model::mapping::Payload;
use hub_model::{Finding, Place};
use mapping_tabular::{Charset, shown};
use memchr::memmem;

use super::record::{CONTROL, FlatForm, bytes_of, is_segment_name};
use crate::codes;
use crate::cut::{Cut, Piece};
use crate::limits::{CONTROL_CHARS, DATA_CHARS, HEADER_CHARS, MAX_IDOC_BYTES};
use crate::window::Window;

/// Most bytes of a character.
const WIDEST: usize = 4;

/// Cuts a flat file into its IDocs.
pub(crate) struct FlatCutter<'p> {
    window: Window<'p>,
    form: FlatForm,
    seen_idoc: bool,
}

impl<'p> FlatCutter<'p> {
    /// A cutter of a payload that begins with `head`.
    pub(crate) fn open(
        payload: &'p dyn Payload,
        head: &[u8],
        charset: Charset,
    ) -> io::Result<Self> {
        let bom = if head.starts_with(b"\xef\xbb\xbf") {
            3
        } else {
            0
        };
        let text = head[usize::try_from(bom).unwrap_or(0)..].trim_ascii_start();
        Ok(Self {
            window: Window::new(payload.open_at(bom)?, bom),
            form: FlatForm {
                lines: is_on_lines(text, charset),
                charset,
            },
            seen_idoc: false,
        })
    }

    pub(crate) const fn form(&self) -> FlatForm {
        self.form
    }

    pub(crate) const fn offset(&self) -> u64 {
        self.window.offset()
    }

    /// The next IDoc or finding, `None` at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<Cut>> {
        if !self.skip_blank()? {
            return Ok(None);
        }
        let place = self.window.place();
        if !self.window.rest().starts_with(CONTROL) {
            return self.stray(place).map(Some);
        }
        self.seen_idoc = true;
        let length = match self.form.lines {
            true => self.length_in_lines()?,
            false => self.length_in_records()?,
        };
        match length {
            Some(length) => {
                let bytes = self.window.take(length);
                Ok(Some(Cut::Piece(Piece { bytes, place })))
            }
            None => {
                self.window.skip(CONTROL.len());
                self.skip_to_control()?;
                Ok(Some(Cut::Finding(too_long(place))))
            }
        }
    }

    /// Passes over what is no IDoc.
    fn stray(&mut self, place: Place) -> io::Result<Cut> {
        let rest = self.window.rest();
        let found = shown(&rest[..rest.len().min(30)]);
        self.skip_to_control()?;
        let nothing_else = !self.seen_idoc && self.window.rest().is_empty();
        Ok(Cut::Finding(if nothing_else {
            let reason = format!(
                "the file begins with `{found}` and has no IDoc, expected XML with `<IDOC>` elements, or records of which the first begins with `EDI_DC40`"
            );
            Finding::fatal(codes::NO_IDOC, place, reason)
        } else {
            let reason = format!(
                "`{found}` stands where an IDoc begins, expected a control record, which begins with `EDI_DC40`; what is before the next one was passed over"
            );
            Finding::error(codes::NO_CONTROL_RECORD, place, reason)
        }))
    }

    /// Passes over blanks and line ends between IDocs. False at the end.
    fn skip_blank(&mut self) -> io::Result<bool> {
        loop {
            let rest = self.window.rest();
            let blank = rest.len() - rest.trim_ascii_start().len();
            let all = blank == rest.len();
            self.window.skip(blank);
            if !all {
                self.window.at_least(CONTROL.len())?;
                return Ok(true);
            }
            if !self.window.more()? {
                return Ok(false);
            }
        }
    }

    /// Passes over what is before the next control record.
    fn skip_to_control(&mut self) -> io::Result<()> {
        let needle: &[u8] = if self.form.lines {
            b"\nEDI_DC40"
        } else {
            CONTROL
        };
        loop {
            if let Some(at) = memmem::find(self.window.rest(), needle) {
                self.window.skip(at + needle.len() - CONTROL.len());
                return Ok(());
            }
            // The beginning of one may stand at the end.
            let judged = self.window.rest().len().saturating_sub(needle.len() - 1);
            self.window.skip(judged);
            if !self.window.more()? {
                self.window.skip(usize::MAX);
                return Ok(());
            }
        }
    }

    /// Bytes up to the next line that begins as a control record does. `None`: too many.
    fn length_in_lines(&mut self) -> io::Result<Option<usize>> {
        const NEXT: &[u8] = b"\nEDI_DC40";
        let mut from = 0;
        loop {
            let rest = self.window.rest();
            if let Some(at) = memmem::find(&rest[from..], NEXT) {
                let length = from + at + 1;
                return Ok(Some(length).filter(|length| *length <= MAX_IDOC_BYTES));
            }
            if rest.len() > MAX_IDOC_BYTES {
                return Ok(None);
            }
            from = rest.len().saturating_sub(NEXT.len() - 1);
            if !self.window.more()? {
                return Ok(Some(self.window.rest().len()));
            }
        }
    }

    /// Bytes of the control record and the data records after it. Where no record can begin, up to
    /// the next control record: what is wrong is told when the piece is read.
    fn length_in_records(&mut self) -> io::Result<Option<usize>> {
        let charset = self.form.charset;
        self.window.at_least(CONTROL_CHARS * WIDEST)?;
        let mut length = bytes_of(self.window.rest(), CONTROL_CHARS, charset);
        let mut last = CONTROL.len();
        loop {
            if length > MAX_IDOC_BYTES {
                return Ok(None);
            }
            let record = HEADER_CHARS + DATA_CHARS;
            self.window.at_least(length + record * WIDEST)?;
            let rest = &self.window.rest()[length..];
            if rest.is_empty() || rest.starts_with(CONTROL) {
                return Ok(Some(length));
            }
            if is_segment_name(rest) {
                last = length + HEADER_CHARS;
                length += bytes_of(rest, record, charset);
                continue;
            }
            // The record before may be too short, and have taken the beginning of the next IDoc.
            return self.length_to_control(last.min(length));
        }
    }

    fn length_to_control(&mut self, mut from: usize) -> io::Result<Option<usize>> {
        loop {
            let rest = self.window.rest();
            if let Some(at) = memmem::find(&rest[from..], CONTROL) {
                return Ok(Some(from + at).filter(|length| *length <= MAX_IDOC_BYTES));
            }
            if rest.len() > MAX_IDOC_BYTES {
                return Ok(None);
            }
            from = from.max(rest.len().saturating_sub(CONTROL.len() - 1));
            if !self.window.more()? {
                return Ok(Some(self.window.rest().len()));
            }
        }
    }
}

/// Whether records stand on lines: the first line ends before a data record could begin in it. A line
/// end after records that have none is the editor's.
fn is_on_lines(text: &[u8], charset: Charset) -> bool {
    let longest = bytes_of(text, CONTROL_CHARS + HEADER_CHARS, charset);
    text.len() < CONTROL_CHARS || memchr::memchr(b'\n', &text[..longest]).is_some()
}

fn too_long(place: Place) -> Finding {
    let reason = format!("the IDoc is longer than {MAX_IDOC_BYTES} bytes");
    Finding::error(codes::TOO_LONG, place, reason)
}
