//! A bounded pull parser: elements by namespace, texts put together, places of everything.

use std::io;

use hub_model::mapping::{Halt, Payload};
use hub_model::{Finding, Place};
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::name::ResolveResult;
use quick_xml::{Error, NsReader, XmlVersion};

use crate::limits::{MAX_DEPTH, MAX_HREF_BYTES, MAX_TEXT_BYTES};
use crate::source::{Source, TokenTooLong};

/// Namespace of Atom (RFC 4287).
const ATOM: &str = "http://www.w3.org/2005/Atom";
/// Namespace of ESPI (NAESB REQ.21).
const ESPI: &str = "http://naesb.org/espi";

/// The vocabularies we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ns {
    Atom,
    Espi,
    Other,
}

/// Why a pass ended before the end of the payload.
pub(crate) enum Stop {
    /// The receiver or the disk.
    Halt(Halt),
    /// The payload itself: nothing after this place can be read.
    Broken(Box<Finding>),
}

impl From<Halt> for Stop {
    fn from(halt: Halt) -> Self {
        Self::Halt(halt)
    }
}

/// An Atom link.
#[derive(Debug, Clone, Default)]
pub(crate) struct Link {
    pub(crate) rel: String,
    pub(crate) href: String,
}

enum Token {
    Start(Ns),
    End,
    Eof,
}

/// The parser over one payload.
pub(crate) struct Xml<'a> {
    reader: NsReader<Source<'a>>,
    buffer: Vec<u8>,
    /// Offset and line where the last token began.
    at: (u64, u64),
    /// Local name of the last element that began.
    name: String,
    /// Its link, if it is an Atom `link`.
    link: Option<Link>,
    text: String,
    /// The depth at which texts are collected; 0 for none.
    collecting: usize,
    depth: usize,
    has_root: bool,
    undeclared: Option<(Place, String)>,
}

impl<'a> Xml<'a> {
    /// Opens the payload.
    pub(crate) fn open(payload: &'a (dyn Payload + 'a)) -> Result<Self, Stop> {
        let source = Source::open(payload).map_err(Halt::Io)?;
        let mut reader = NsReader::from_reader(source);
        reader.config_mut().expand_empty_elements = true;
        Ok(Self {
            reader,
            buffer: Vec::new(),
            at: (0, 1),
            name: String::new(),
            link: None,
            text: String::new(),
            collecting: 0,
            depth: 0,
            has_root: false,
            undeclared: None,
        })
    }

    /// Where the last token began.
    pub(crate) fn place(&self) -> Place {
        Place::at(self.at.0, self.at.1)
    }

    /// Bytes read so far, the same in every pass over one payload.
    pub(crate) fn position(&self) -> u64 {
        self.reader.get_ref().position()
    }

    /// Local name of the element that [`Self::child`] found last.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The link of the last element, if it is an Atom `link`.
    pub(crate) fn take_link(&mut self) -> Option<Link> {
        self.link.take()
    }

    /// The first prefix that no one declared, with its place; told once.
    pub(crate) fn take_undeclared(&mut self) -> Option<(Place, String)> {
        self.undeclared.take()
    }

    /// Enters the next child of the open element (or the root); `None` once it has ended.
    ///
    /// Whoever enters a child leaves it again with [`Self::text`], [`Self::skip`] or by asking for
    /// its children until there are none.
    pub(crate) fn child(&mut self) -> Result<Option<Ns>, Stop> {
        match self.next()? {
            Token::Start(ns) => Ok(Some(ns)),
            Token::End | Token::Eof => Ok(None),
        }
    }

    /// Leaves the open element. The first pass does little else, so this looks at nothing that
    /// well-formedness does not need.
    pub(crate) fn skip(&mut self) -> Result<(), Stop> {
        let inside = self.depth;
        while self.depth >= inside {
            self.begin_token();
            match self.reader.read_event_into(&mut self.buffer) {
                Ok(Event::Start(_)) => enter(self.at, &mut self.depth, &mut self.has_root)?,
                Ok(Event::End(_)) => self.depth -= 1,
                Ok(Event::Text(_) | Event::Comment(_)) => {}
                Ok(Event::GeneralRef(reference)) => {
                    character(&reference, self.at)?;
                }
                Ok(Event::DocType(_)) => return Err(dtd_refused(self.at)),
                Ok(Event::Eof) => return self.end().map(drop),
                Ok(_) => {}
                Err(error) => return Err(stop(error, self.at)),
            }
        }
        Ok(())
    }

    /// Leaves the open element with its own text, trimmed and cut at [`MAX_TEXT_BYTES`].
    pub(crate) fn text(&mut self) -> Result<&str, Stop> {
        self.text.clear();
        let inside = self.depth;
        self.collecting = inside;
        while self.depth >= inside {
            self.next()?;
        }
        self.collecting = 0;
        Ok(self.text.trim_ascii())
    }

    fn next(&mut self) -> Result<Token, Stop> {
        loop {
            if let Some(token) = self.step()? {
                return Ok(token);
            }
        }
    }

    fn begin_token(&mut self) {
        self.at = self.reader.get_ref().place();
        self.buffer.clear();
        self.reader.get_mut().next_token();
    }

    /// Reads one event; `None` for what is no element.
    fn step(&mut self) -> Result<Option<Token>, Stop> {
        self.begin_token();
        let (ns, event) = match self.reader.read_resolved_event_into(&mut self.buffer) {
            Ok(found) => found,
            Err(error) => return Err(stop(error, self.at)),
        };
        match event {
            Event::Start(start) | Event::Empty(start) => {
                enter(self.at, &mut self.depth, &mut self.has_root)?;
                self.name.clear();
                self.name.push_str(start.local_name().as_ref());
                let ns = known(ns, self.at, &mut self.undeclared);
                if ns == Ns::Atom && self.name == "link" {
                    self.link = link(&start);
                }
                Ok(Some(Token::Start(ns)))
            }
            Event::End(_) => {
                self.depth = self.depth.saturating_sub(1);
                Ok(Some(Token::End))
            }
            Event::Text(text) => {
                let text = text.xml10_content();
                if self.depth == 0 && !text.trim_ascii().is_empty() {
                    let reason = "there is text outside the root element";
                    return Err(broken("not_well_formed", self.at, reason));
                }
                keep(&mut self.text, self.collecting == self.depth, &text);
                Ok(None)
            }
            Event::CData(text) => {
                let text = text.xml10_content();
                keep(&mut self.text, self.collecting == self.depth, &text);
                Ok(None)
            }
            Event::GeneralRef(reference) => {
                let character = character(&reference, self.at)?;
                let mut bytes = [0; 4];
                let text = character.encode_utf8(&mut bytes);
                keep(&mut self.text, self.collecting == self.depth, text);
                Ok(None)
            }
            Event::DocType(_) => Err(dtd_refused(self.at)),
            Event::Comment(_) | Event::PI(_) | Event::Decl(_) => Ok(None),
            Event::Eof => self.end(),
        }
    }

    fn end(&self) -> Result<Option<Token>, Stop> {
        if self.depth > 0 {
            let reason = format!(
                "the payload ends inside {} open element(s), is it cut short?",
                self.depth
            );
            return Err(broken("not_well_formed", self.at, reason));
        }
        if !self.has_root {
            let reason = "there is no root element, expected an Atom `feed` or `entry`";
            return Err(broken("not_well_formed", self.at, reason));
        }
        Ok(Some(Token::Eof))
    }
}

/// Adds a piece to the text that is being collected. A text that is cut ends in `…`, so that no
/// one takes the rest for a number.
fn keep(text: &mut String, wanted: bool, piece: &str) {
    if !wanted || text.ends_with('…') {
        return;
    }
    if text.len() + piece.len() <= MAX_TEXT_BYTES {
        text.push_str(piece);
    } else {
        text.push('…');
    }
}

fn enter(at: (u64, u64), depth: &mut usize, has_root: &mut bool) -> Result<(), Stop> {
    if *depth == 0 && *has_root {
        let reason = "there is a second root element";
        return Err(broken("not_well_formed", at, reason));
    }
    if *depth == MAX_DEPTH {
        let reason = format!("elements are nested more than {MAX_DEPTH} deep");
        return Err(broken("too_deep", at, reason));
    }
    *has_root = true;
    *depth += 1;
    Ok(())
}

fn known(ns: ResolveResult<'_>, at: (u64, u64), undeclared: &mut Option<(Place, String)>) -> Ns {
    match ns {
        ResolveResult::Bound(ns) if ns.0 == ESPI => Ns::Espi,
        ResolveResult::Bound(ns) if ns.0 == ATOM => Ns::Atom,
        ResolveResult::Bound(_) | ResolveResult::Unbound => Ns::Other,
        ResolveResult::Unknown(prefix) => {
            undeclared.get_or_insert_with(|| (Place::at(at.0, at.1), shortened(&prefix)));
            Ns::Other
        }
    }
}

fn link(start: &BytesStart<'_>) -> Option<Link> {
    let attribute = |name: &str| {
        let found = start.try_get_attribute(name).ok()??;
        let value = found.normalized_value(XmlVersion::Implicit1_0).ok()?;
        (value.len() <= MAX_HREF_BYTES).then(|| value.into_owned())
    };
    Some(Link {
        rel: attribute("rel")?,
        href: attribute("href")?,
    })
}

fn character(reference: &BytesRef<'_>, at: (u64, u64)) -> Result<char, Stop> {
    match reference.resolve_char_ref() {
        Ok(Some(character)) => return Ok(character),
        Ok(None) => {}
        Err(error) => return Err(stop(error, at)),
    }
    let name: &str = reference;
    Ok(match name {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "apos" => '\'',
        "quot" => '"',
        name => {
            let reason = format!(
                "entity `{}` is not defined, expected `lt`, `gt`, `amp`, `apos` or `quot`",
                shortened(name)
            );
            return Err(broken("not_well_formed", at, reason));
        }
    })
}

fn dtd_refused(at: (u64, u64)) -> Stop {
    let reason = "a document type declaration is refused, remove `<!DOCTYPE ...>`";
    broken("dtd_refused", at, reason)
}

/// Sorts an error of the parser: the disk's fault, or the payload's.
fn stop(error: Error, at: (u64, u64)) -> Stop {
    match error {
        Error::Io(cause) if cause.get_ref().is_some_and(|c| c.is::<TokenTooLong>()) => {
            broken("too_long", at, cause.to_string())
        }
        Error::Io(cause) => Stop::Halt(Halt::Io(io::Error::new(cause.kind(), cause))),
        error => broken(
            "not_well_formed",
            at,
            format!("not well-formed XML: {}", shortened(&error.to_string())),
        ),
    }
}

fn broken(code: &'static str, at: (u64, u64), reason: impl Into<String>) -> Stop {
    // What is lost after this place cannot be counted.
    Stop::Broken(Box::new(Finding::fatal(
        code,
        Place::at(at.0, at.1),
        reason,
    )))
}

/// A text of the payload, short enough for a finding.
pub(crate) fn shortened(text: &str) -> String {
    const MOST: usize = 160;
    let mut shown: String = text.chars().take(MOST).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}
