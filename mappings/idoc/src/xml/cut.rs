//! Cuts a document at the ends of its `IDOC` elements.

use std::io;
use std::io::Read;

use hub_model::{Finding, Place};
use mapping_tabular::shown;

use super::encoding::Characters;
use super::markup::{Markup, end_of, markup, name_of, next_angle};
use crate::codes;
use crate::cut::{Cut, Piece, counts_payload_bytes};
use crate::limits::{MAX_IDOC_BYTES, MAX_OUTER_BYTES, MAX_OUTER_DEPTH};
use crate::window::Window;

/// Cuts a document into its IDocs. What is around them (the element named after the IDoc type, a
/// SOAP envelope) is passed over, but must be whole.
pub(crate) struct XmlCutter<'p> {
    window: Window<'p>,
    characters: Characters,
    /// Elements open around the IDocs.
    open: Vec<Vec<u8>>,
    seen_root: bool,
    seen_idoc: bool,
    done: bool,
}

/// What the markup outside of IDocs leads to.
enum Step {
    On,
    Cut(Cut),
    End,
}

impl<'p> XmlCutter<'p> {
    pub(crate) fn new(reader: Box<dyn Read + Send + 'p>, characters: Characters) -> Self {
        let offset = match characters {
            Characters::Utf8 { bom } => bom,
            _ => 0,
        };
        Self {
            window: Window::new(reader, offset),
            characters,
            open: Vec::new(),
            seen_root: false,
            seen_idoc: false,
            done: false,
        }
    }

    pub(crate) const fn offset(&self) -> Option<u64> {
        if counts_payload_bytes(&self.characters) {
            Some(self.window.offset())
        } else {
            None
        }
    }

    /// The next IDoc or finding, `None` at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<Cut>> {
        while !self.done {
            match self.step() {
                Ok(Step::On) => {}
                Ok(Step::Cut(cut)) => return Ok(Some(cut)),
                Ok(Step::End) => self.done = true,
                // What the decoder of another encoding says of bytes that are not in it.
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    let reason = "bytes that are not in the encoding which the document declares";
                    return Ok(Some(self.fatal(codes::BAD_ENCODING, reason.to_owned())));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    fn step(&mut self) -> io::Result<Step> {
        let Some(angle) = next_angle(&mut self.window, 0, MAX_OUTER_BYTES)? else {
            return Ok(self.at_end());
        };
        if self.open.is_empty()
            && let Some(text) = self.text_before(angle)
        {
            let reason = format!(
                "not well-formed XML: text `{text}` outside of the root element; nothing after it was read"
            );
            return Ok(Step::Cut(self.fatal(codes::NOT_WELL_FORMED, reason)));
        }
        self.window.skip(angle);
        let kind = markup(&mut self.window, 0)?;
        if kind == Markup::Declaration {
            let reason =
                "document type definitions are refused: send the document without `<!DOCTYPE`";
            return Ok(Step::Cut(self.fatal(codes::DTD_REFUSED, reason.to_owned())));
        }
        let Some(end) = end_of(&mut self.window, 0, kind, MAX_OUTER_BYTES)? else {
            return Ok(Step::Cut(self.unended(kind)));
        };
        match kind {
            Markup::StartTag => self.start_tag(end),
            Markup::EndTag => Ok(self.end_tag(end)),
            _ => {
                self.window.skip(end);
                Ok(Step::On)
            }
        }
    }

    fn text_before(&self, angle: usize) -> Option<String> {
        let text = self.window.rest()[..angle].trim_ascii();
        (!text.is_empty()).then(|| shown(text))
    }

    fn start_tag(&mut self, end: usize) -> io::Result<Step> {
        let tag = &self.window.rest()[..end];
        let (name, is_empty) = (name_of(tag).to_vec(), tag.ends_with(b"/>"));
        if self.open.is_empty() && self.seen_root {
            let reason = "not well-formed XML: a second root element; nothing after it was read";
            return Ok(Step::Cut(
                self.fatal(codes::NOT_WELL_FORMED, reason.to_owned()),
            ));
        }
        self.seen_root = true;
        if name == b"IDOC" {
            self.seen_idoc = true;
            return self.idoc(end, is_empty);
        }
        if self.open.len() >= MAX_OUTER_DEPTH {
            let reason = format!(
                "more than {MAX_OUTER_DEPTH} elements around each other and no `IDOC` in them"
            );
            return Ok(Step::Cut(self.fatal(codes::TOO_DEEP, reason)));
        }
        self.window.skip(end);
        if !is_empty {
            self.open.push(name);
        }
        Ok(Step::On)
    }

    fn end_tag(&mut self, end: usize) -> Step {
        let name = name_of(&self.window.rest()[..end]).to_vec();
        match self.open.last() {
            Some(open) if *open == name => {
                self.open.pop();
                self.window.skip(end);
                Step::On
            }
            other => {
                let expected = other.map_or_else(
                    || "no end tag".to_owned(),
                    |open| format!("`</{}>`", shown(open)),
                );
                let reason = format!(
                    "not well-formed XML: `</{}>` where {expected} was expected; nothing after it was read",
                    shown(&name)
                );
                Step::Cut(self.fatal(codes::NOT_WELL_FORMED, reason))
            }
        }
    }

    /// Cuts the IDoc whose start tag stands at the beginning of the window.
    fn idoc(&mut self, tag: usize, is_empty: bool) -> io::Result<Step> {
        let place = self.window.place();
        if is_empty {
            let bytes = self.window.take(tag);
            return Ok(Step::Cut(Cut::Piece(Piece { bytes, place })));
        }
        let (mut at, mut too_long) = (tag, false);
        loop {
            if at > MAX_IDOC_BYTES {
                too_long = true;
                self.window.skip(at);
                at = 0;
            }
            let Some(angle) = next_angle(&mut self.window, at, MAX_IDOC_BYTES)? else {
                if self.window.rest().len() > MAX_IDOC_BYTES {
                    at = self.window.rest().len();
                    continue;
                }
                return Ok(Step::Cut(self.cut_off(place)));
            };
            let kind = markup(&mut self.window, angle)?;
            at = match kind {
                Markup::StartTag | Markup::Declaration => angle + 1,
                Markup::EndTag if !self.ends_idoc(angle)? => angle + 2,
                _ => match end_of(&mut self.window, angle, kind, MAX_IDOC_BYTES)? {
                    None => return Ok(Step::Cut(self.cut_off(place))),
                    Some(end) if kind == Markup::EndTag => {
                        return Ok(Step::Cut(self.piece(end, place, too_long)));
                    }
                    Some(end) => end,
                },
            };
        }
    }

    /// Whether the end tag at `at` is `</IDOC>`.
    fn ends_idoc(&mut self, at: usize) -> io::Result<bool> {
        self.window.at_least(at + 7)?;
        let tag = self.window.rest().get(at..at + 7).unwrap_or_default();
        Ok(tag.starts_with(b"</IDOC")
            && tag
                .last()
                .is_some_and(|c| c.is_ascii_whitespace() || *c == b'>'))
    }

    fn piece(&mut self, end: usize, place: Place, too_long: bool) -> Cut {
        if too_long || end > MAX_IDOC_BYTES {
            self.window.skip(end);
            let reason = format!("the IDoc is longer than {MAX_IDOC_BYTES} bytes");
            return Cut::Finding(Finding::error(codes::TOO_LONG, place, reason));
        }
        let bytes = self.window.take(end);
        Cut::Piece(Piece { bytes, place })
    }

    fn cut_off(&mut self, place: Place) -> Cut {
        self.done = true;
        let reason = "the IDoc that begins here has no `</IDOC>`: the file was cut off, or a comment or CDATA in it does not end";
        Cut::Finding(Finding::fatal(codes::TRUNCATED, place, reason))
    }

    fn unended(&mut self, kind: Markup) -> Cut {
        let what = match kind {
            Markup::Comment => "a comment",
            Markup::CData => "a CDATA section",
            Markup::Instruction => "a processing instruction",
            _ => "a tag",
        };
        if self.window.rest().len() > MAX_OUTER_BYTES {
            let reason =
                format!("{what} outside of the IDocs is longer than {MAX_OUTER_BYTES} bytes");
            return self.fatal(codes::TOO_LONG, reason);
        }
        self.fatal(
            codes::TRUNCATED,
            format!("the document was cut off in {what}"),
        )
    }

    /// The document ends, or a text in it does not.
    fn at_end(&mut self) -> Step {
        if self.window.rest().len() > MAX_OUTER_BYTES {
            let reason =
                format!("a text outside of the IDocs is longer than {MAX_OUTER_BYTES} bytes");
            return Step::Cut(self.fatal(codes::TOO_LONG, reason));
        }
        if let Some(open) = self.open.last() {
            let reason = format!(
                "the document was cut off: `{}` is not closed at its end",
                shown(open)
            );
            return Step::Cut(self.fatal(codes::TRUNCATED, reason));
        }
        let rest = self.window.rest();
        if let Some(text) = self.text_before(rest.len()) {
            let reason = format!("not well-formed XML: text `{text}` outside of the root element");
            return Step::Cut(self.fatal(codes::NOT_WELL_FORMED, reason));
        }
        if !self.seen_idoc {
            let reason = "the document has no `IDOC` element, expected `<IDOC BEGIN=\"1\">` in an element named after the IDoc type";
            return Step::Cut(self.fatal(codes::NO_IDOC, reason.to_owned()));
        }
        Step::End
    }

    /// A finding at the beginning of the window, after which nothing is read.
    fn fatal(&mut self, code: &'static str, reason: String) -> Cut {
        self.done = true;
        Cut::Finding(Finding::fatal(code, self.window.place(), reason))
    }
}
