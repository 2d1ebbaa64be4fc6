//! What stands where in an envelope, piece by piece: its header, the message in its body, the header
//! of an IEC 61968-100 message, and the content that is passed on.

use super::{Trouble, Version};
use crate::limits::MAX_HEADER_BYTES;
use crate::names::{XOP, is_iec};
use crate::xml::{Carry, Name, Piece, Pieces, Scope};

/// Depths of an envelope's elements.
const ENVELOPE: usize = 1;
const SECTION: usize = 2;
const MESSAGE: usize = 3;
const PART: usize = 4;
const DOCUMENT: usize = 5;

/// Bytes of content that are held until the header of the message in it is known: that header, and
/// what may stand before it.
const MAX_HELD_BYTES: usize = 2 * MAX_HEADER_BYTES;

/// What to look for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// The message has a `Header` of IEC 61968-100.
    pub(crate) iec: bool,
    /// The content is what stands in the message's `Payload`, not the message.
    pub(crate) payload: bool,
    /// The content may refer to binary parts.
    pub(crate) xop: bool,
}

/// A piece of the content.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Output {
    Bytes(Vec<u8>),
    /// Here stands the base64 of the part with this `Content-ID`.
    Include(String),
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Outline {
    plan: Plan,
    scope: Scope,
    depth: usize,
    pub(crate) version: Option<Version>,
    /// The envelope's `Header`, as a document of its own.
    pub(crate) header: Option<Vec<u8>>,
    /// What the first element in the body is called.
    pub(crate) message: Option<Name>,
    /// The IEC message's `Header`, as a document of its own.
    pub(crate) message_header: Option<Vec<u8>>,
    /// What the root of the content is called.
    pub(crate) content: Option<Name>,
    /// The content is the text of `Compressed`, without its tags.
    pub(crate) compressed: bool,
    section: Section,
    part: Part,
    capture: Option<Carry>,
    /// Depth of the content's root while we are in it.
    carrying: Option<usize>,
    carry: Carry,
    /// Finished pieces of content.
    output: Vec<Output>,
    /// Depth of an `Include`, whose own pieces are not content.
    include: Option<usize>,
    message_ended: bool,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Section {
    #[default]
    None,
    Header,
    Body,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Part {
    #[default]
    Other,
    Header,
    Payload,
}

impl Outline {
    pub(crate) fn new(plan: Plan) -> Self {
        Self {
            plan,
            ..Self::default()
        }
    }

    pub(crate) const fn plan(&self) -> Plan {
        self.plan
    }

    /// Whether all is known that is told before the content.
    pub(crate) const fn is_ready(&self) -> bool {
        let is_known = !self.plan.iec || self.message_header.is_some();
        (is_known && self.content.is_some()) || self.message_ended
    }

    /// The content so far that was not taken yet.
    pub(crate) fn take(&mut self) -> Vec<Output> {
        let mut output = std::mem::take(&mut self.output);
        if !self.carry.bytes.is_empty() {
            output.push(Output::Bytes(std::mem::take(&mut self.carry.bytes)));
        }
        output
    }

    fn open(&mut self, raw: &[u8]) -> Result<(), Trouble> {
        self.depth += 1;
        let depth = self.depth;
        if depth > DOCUMENT && !self.plan.xop {
            return Ok(());
        }
        let name = self.scope.enter(raw, depth)?;
        match depth {
            ENVELOPE => self.envelope(name),
            SECTION => self.section(&name, raw),
            MESSAGE if self.section == Section::Body => self.message(name, raw),
            PART if self.section == Section::Body && self.plan.iec => self.part(&name, raw),
            DOCUMENT if self.part == Part::Payload && self.plan.payload => self.document(name, raw),
            _ => {
                if self.carrying.is_some() && name.is(XOP, "Include") {
                    self.begin_include(raw)?;
                }
                Ok(())
            }
        }
    }

    fn envelope(&mut self, name: Name) -> Result<(), Trouble> {
        self.version = match name.local.as_str() {
            "Envelope" => Version::of_namespace(&name.namespace),
            _ => None,
        };
        match self.version {
            Some(_) => Ok(()),
            None => Err(Trouble::Version(name)),
        }
    }

    fn section(&mut self, name: &Name, raw: &[u8]) -> Result<(), Trouble> {
        let is_ours = Version::of_namespace(&name.namespace) == self.version;
        match name.local.as_str() {
            "Header" if is_ours && self.section == Section::None && self.header.is_none() => {
                self.section = Section::Header;
                self.begin_capture(raw);
                Ok(())
            }
            "Body" if is_ours && self.section == Section::None => {
                self.section = Section::Body;
                Ok(())
            }
            _ => Err(Trouble::structure(format!(
                "{name} in the envelope, expected one `Header` at most and then one `Body`"
            ))),
        }
    }

    fn message(&mut self, name: Name, raw: &[u8]) -> Result<(), Trouble> {
        if self.message.is_some() {
            return Err(Trouble::structure(format!(
                "the body has a second element, {name}; one is expected (document/literal)"
            )));
        }
        self.message = Some(name.clone());
        if !self.plan.payload {
            self.begin_content(name, raw);
        }
        Ok(())
    }

    fn part(&mut self, name: &Name, raw: &[u8]) -> Result<(), Trouble> {
        match name.local.as_str() {
            "Header" if self.message_header.is_none() && self.capture.is_none() => {
                self.part = Part::Header;
                self.begin_capture(raw);
            }
            "Payload" if self.message_header.is_none() => {
                let what = "the message has no `Header` before its `Payload` (IEC 61968-100)";
                return Err(Trouble::structure(what));
            }
            "Payload" => self.part = Part::Payload,
            _ => self.part = Part::Other,
        }
        Ok(())
    }

    fn document(&mut self, name: Name, raw: &[u8]) -> Result<(), Trouble> {
        if name.local == "Format" && is_iec(&name.namespace) {
            return Ok(());
        }
        if self.content.is_some() {
            return Err(Trouble::structure(format!(
                "the payload has a second document, {name}; `content = \"body\"` takes them all"
            )));
        }
        if name.local == "Compressed" && is_iec(&name.namespace) {
            self.compressed = true;
            self.carrying = Some(self.depth);
            self.content = Some(name);
        } else {
            self.begin_content(name, raw);
        }
        Ok(())
    }

    fn begin_content(&mut self, name: Name, raw: &[u8]) {
        self.content = Some(name);
        self.carrying = Some(self.depth);
        self.carry.root(raw, &self.scope, self.depth);
    }

    fn begin_capture(&mut self, raw: &[u8]) {
        let mut capture = Carry::default();
        capture.root(raw, &self.scope, self.depth);
        self.capture = Some(capture);
    }

    fn begin_include(&mut self, raw: &[u8]) -> Result<(), Trouble> {
        let href = crate::xml::attribute(raw, "href")?.unwrap_or_default();
        let id = href.strip_prefix("cid:").ok_or_else(|| {
            Trouble::structure(format!(
                "an `Include` refers to `{href}`, expected `cid:` and an id"
            ))
        })?;
        self.output = self.take();
        self.output
            .push(Output::Include(crate::mtom::unescaped(id)));
        self.include = Some(self.depth);
        Ok(())
    }

    /// Passes a piece to whoever collects it. The start tags that begin a collection are not passed:
    /// they were written with their namespaces.
    fn collect(&mut self, piece: Piece<'_>, began: bool) -> Result<(), Trouble> {
        let begins_capture = began && self.capture_depth() == self.depth;
        if let Some(capture) = &mut self.capture
            && !begins_capture
        {
            capture.piece_within(piece, MAX_HEADER_BYTES)?;
        }
        let begins_here = began && self.carrying == Some(self.depth);
        if self.carrying.is_some() && self.include.is_none() && !begins_here {
            match (self.compressed, piece) {
                (true, Piece::Text(text)) => self.carry.bytes.extend_from_slice(text),
                (true, Piece::Open { .. } | Piece::CData(_)) => {
                    let what = "`Compressed` holds something else than base64 text";
                    return Err(Trouble::structure(what));
                }
                (true, Piece::Close { .. } | Piece::Aside(_)) => {}
                (false, piece) => self.carry.piece(piece),
            }
            if !self.is_ready() && self.carry.bytes.len() > MAX_HELD_BYTES {
                let what = "the message has no `Header` in its beginning (IEC 61968-100)";
                return Err(Trouble::structure(what));
            }
        }
        Ok(())
    }

    fn capture_depth(&self) -> usize {
        match self.section {
            Section::Header => SECTION,
            _ => PART,
        }
    }

    /// The element at the current depth has ended.
    fn close(&mut self) {
        let depth = self.depth;
        if self.capture.is_some() && depth == self.capture_depth() {
            let captured = self.capture.take().map(|capture| capture.bytes);
            match self.section {
                Section::Header => self.header = captured,
                _ => self.message_header = captured,
            }
        }
        if self.include == Some(depth) {
            self.include = None;
        }
        if self.carrying == Some(depth) {
            self.carrying = None;
        }
        match depth {
            SECTION => self.section = Section::None,
            MESSAGE if self.section == Section::Body => self.message_ended = true,
            PART => self.part = Part::Other,
            _ => {}
        }
        self.scope.leave(depth);
        self.depth -= 1;
    }
}

impl Pieces for Outline {
    type Fault = Trouble;

    fn piece(&mut self, piece: Piece<'_>) -> Result<(), Trouble> {
        match piece {
            Piece::Open { raw, empty } => {
                self.open(raw)?;
                self.collect(piece, true)?;
                if empty {
                    self.close();
                }
            }
            Piece::Close { .. } => {
                self.collect(piece, false)?;
                self.close();
            }
            Piece::Text(text) | Piece::CData(text) => {
                let is_between = self.depth < MESSAGE && self.section != Section::Header;
                if is_between && !text.trim_ascii().is_empty() {
                    let what = "text between the envelope's elements, expected an element";
                    return Err(Trouble::structure(what));
                }
                self.collect(piece, false)?;
            }
            Piece::Aside(_) => self.collect(piece, false)?,
        }
        Ok(())
    }
}
