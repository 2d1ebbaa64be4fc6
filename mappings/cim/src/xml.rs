//! A pull parser for the elements we know, on top of quick-xml.
//!
//! Gives elements and text with their places, resolves namespaces, bounds depth and length,
//! refuses document type definitions, and turns what is not well-formed into one fatal finding.

use std::io::BufRead;

use hub_model::{Finding, Place};
use memchr::{memchr, memmem};
use quick_xml::Reader;
use quick_xml::XmlVersion;
use quick_xml::events::{BytesRef, BytesStart, Event};

use crate::codes;
use crate::limits::{MAX_DEPTH, MAX_NAMESPACES, MAX_TEXT_BYTES, MAX_TOKEN_BYTES};
use crate::namespaces::Namespaces;
use crate::source::{Failure, Source, newlines};
use crate::stop::Stop;
use crate::text::{quoted, shortened};
use crate::wire::{self, Element, Vocabulary};

/// What comes next in a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token {
    /// An element begins.
    Open(Element),
    /// The innermost open element ends.
    Close,
    /// The document ends.
    End,
}

/// What is wrong with a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// Longer than [`MAX_TEXT_BYTES`].
    TooLong,
    /// It refers to an entity nobody declared.
    UnknownEntity(String),
}

/// The parser.
pub(crate) struct Xml<'p> {
    reader: Reader<Source<'p>>,
    /// The raw bytes of the current token.
    raw: Vec<u8>,
    /// Where it begins.
    start: u64,
    depth: usize,
    /// The current element was written `<like-this/>`: its end comes next.
    closes: bool,
    seen_root: bool,
    namespaces: Namespaces,
    /// Text is wanted.
    collecting: bool,
    text: String,
    flaw: Option<Flaw>,
    /// The `ref` attribute of the current element.
    reference: String,
    has_reference: bool,
    /// The depth at which a part may end: inside `MeterReadings`.
    part_depth: Option<usize>,
}

impl<'p> Xml<'p> {
    /// A parser at the beginning of a document, or of an element to whose surroundings
    /// `namespaces` belong.
    pub(crate) fn new(source: Source<'p>, namespaces: Namespaces) -> Self {
        Self {
            reader: Reader::from_reader(source),
            raw: Vec::new(),
            start: 0,
            depth: 0,
            closes: false,
            seen_root: false,
            namespaces,
            collecting: false,
            text: String::new(),
            flaw: None,
            reference: String::new(),
            has_reference: false,
            part_depth: None,
        }
    }

    /// The next element or end of one. Text is passed over unless it is wanted.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Token, Stop> {
        if self.closes {
            self.closes = false;
            return Ok(self.close());
        }
        loop {
            self.raw.clear();
            self.start = self.reader.get_mut().begin_token();
            let event = match self.reader.read_event_into(&mut self.raw) {
                Ok(event) => event,
                Err(error) => return Err(self.failed(&error)),
            };
            match event {
                Event::Start(tag) => {
                    let element = open(&mut self.namespaces, &mut self.reference, self.depth, &tag);
                    return self.opened(element, false);
                }
                Event::Empty(tag) => {
                    let element = open(&mut self.namespaces, &mut self.reference, self.depth, &tag);
                    return self.opened(element, true);
                }
                Event::End(_) => return Ok(self.close()),
                Event::Text(text) => {
                    if self.collecting {
                        collect(
                            &mut self.text,
                            &mut self.flaw,
                            &text.xml_content(XmlVersion::Implicit1_0),
                        );
                    } else if self.depth == 0 && !text.trim_ascii().is_empty() {
                        let text = quoted(&text);
                        return Err(
                            self.ill_formed(&format!("text {text} outside of the root element"))
                        );
                    }
                }
                Event::CData(text) => {
                    if self.collecting {
                        collect(
                            &mut self.text,
                            &mut self.flaw,
                            &text.xml_content(XmlVersion::Implicit1_0),
                        );
                    }
                }
                Event::GeneralRef(entity) => {
                    if self.collecting {
                        collect_entity(&mut self.text, &mut self.flaw, &entity);
                    }
                }
                Event::DocType(_) => return Err(self.dtd()),
                Event::Eof => return self.end(),
                Event::Comment(_) | Event::PI(_) | Event::Decl(_) => {}
            }
        }
    }

    fn opened(&mut self, element: Result<Opened, TagFault>, empty: bool) -> Result<Token, Stop> {
        let element = match element {
            Ok(opened) => {
                self.has_reference = opened.has_reference;
                opened.element
            }
            Err(TagFault::Malformed(what)) => return Err(self.ill_formed(&what)),
            Err(TagFault::Namespaces) => {
                return Err(self.fatal(
                    codes::TOO_DEEP,
                    format!("more than {MAX_NAMESPACES} namespaces are declared"),
                ));
            }
        };
        if self.depth == 0 && self.seen_root {
            return Err(self.ill_formed("a second root element"));
        }
        self.seen_root = true;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.fatal(
                codes::TOO_DEEP,
                format!("elements are nested more than {MAX_DEPTH} deep"),
            ));
        }
        self.closes = empty;
        Ok(Token::Open(element))
    }

    #[inline]
    fn close(&mut self) -> Token {
        self.namespaces.leave(self.depth);
        self.depth = self.depth.saturating_sub(1);
        Token::Close
    }

    fn end(&mut self) -> Result<Token, Stop> {
        if self.depth == 0 {
            return Ok(Token::End);
        }
        if self.part_depth == Some(self.depth) {
            return Err(Stop::EndOfPart);
        }
        Err(self.fatal(
            codes::TRUNCATED,
            format!(
                "the document was cut off: elements still open at its end: {}",
                self.depth
            ),
        ))
    }

    /// Passes over the rest of the current element.
    pub(crate) fn skip(&mut self) -> Result<(), Stop> {
        let outside = self.depth - 1;
        let collecting = std::mem::take(&mut self.collecting);
        while self.depth > outside {
            self.next()?;
        }
        self.collecting = collecting;
        Ok(())
    }

    /// Reads the text of the current element to its end; elements in it are passed over. See
    /// [`Self::text`].
    #[inline]
    pub(crate) fn read_text(&mut self) -> Result<(), Stop> {
        self.begin_text();
        while let Token::Open(_) = self.next()? {
            self.skip()?;
        }
        self.collecting = false;
        Ok(())
    }

    /// Reads what the current element refers to: its attribute `ref`, the `mRID` or `name` in it,
    /// or its text. See [`Self::text`].
    pub(crate) fn read_reference(&mut self) -> Result<(), Stop> {
        if self.has_reference {
            self.flaw = None;
            std::mem::swap(&mut self.text, &mut self.reference);
            return self.skip();
        }
        let outside = self.depth - 1;
        let mut named = String::new();
        self.begin_text();
        while self.depth > outside {
            match self.next()? {
                Token::Open(Element::MRid | Element::Name) => {
                    self.read_text()?;
                    if named.is_empty() {
                        named.push_str(self.text.trim_ascii());
                    }
                }
                Token::Open(Element::Names) | Token::Close => {}
                Token::Open(_) => self.skip()?,
                Token::End => break,
            }
        }
        self.collecting = false;
        if !named.is_empty() {
            self.text = named;
        }
        Ok(())
    }

    fn begin_text(&mut self) {
        self.text.clear();
        self.flaw = None;
        self.collecting = true;
    }

    /// The text that was read last, without surrounding space.
    #[inline]
    pub(crate) fn text(&self) -> Result<&str, Flaw> {
        match &self.flaw {
            None => Ok(self.text.trim_ascii()),
            Some(flaw) => Err(flaw.clone()),
        }
    }

    /// Where the current element begins. Ask before reading on.
    #[inline]
    pub(crate) fn place(&mut self) -> Place {
        let line = self.reader.get_mut().line();
        Place::at(self.start, line.saturating_sub(newlines(&self.raw)))
    }

    /// Number of open elements.
    pub(crate) const fn depth(&self) -> usize {
        self.depth
    }

    /// The name of the current element as it was written, prefix included.
    pub(crate) fn raw_name(&self) -> &[u8] {
        let tag = self.raw.strip_prefix(b"<").unwrap_or(&self.raw);
        let end = tag
            .iter()
            .position(|c| c.is_ascii_whitespace() || matches!(c, b'>' | b'/'))
            .unwrap_or(tag.len());
        &tag[..end]
    }

    /// The current element and its namespace, for findings.
    pub(crate) fn described(&self) -> String {
        let name = self.raw_name();
        let (prefix, _) = split(name);
        let name = quoted(&String::from_utf8_lossy(name));
        match self.namespaces.uri(prefix) {
            Some(uri) => format!("{name} in namespace {}", quoted(uri)),
            None => format!("{name} in no namespace"),
        }
    }

    /// Whether the current element, in a payload, only describes an operation: it belongs to the
    /// envelope's namespace.
    pub(crate) fn is_operation_detail(&mut self) -> bool {
        let name = self.raw_name().to_vec();
        self.namespaces.resolve(split(&name).0) == Vocabulary::Message
    }

    /// Whether there was an element at all.
    pub(crate) const fn seen_root(&self) -> bool {
        self.seen_root
    }

    /// The namespaces around an element at this depth.
    pub(crate) fn namespaces_around(&self, depth: usize) -> Namespaces {
        self.namespaces.around(depth)
    }

    /// From here on, the source may end where this element is the innermost open one.
    pub(crate) const fn part_may_end_here(&mut self) {
        self.part_depth = Some(self.depth);
    }

    /// The bytes that follow, as far as they are at hand; `None` where they do not follow
    /// directly. Only right after [`Self::next`] returned.
    #[inline]
    pub(crate) fn following(&mut self) -> Option<&mut Source<'p>> {
        (!self.closes).then(|| self.reader.get_mut())
    }

    /// Passes over bytes that [`Self::following`] showed: whole elements, closed again.
    #[inline]
    pub(crate) fn advance(&mut self, bytes: usize) {
        self.reader.stream().consume(bytes);
    }

    /// A fatal finding about the current token.
    pub(crate) fn fatal(&mut self, code: &'static str, reason: String) -> Stop {
        let place = self.place();
        Stop::fatal(Finding::fatal(code, place, reason))
    }

    fn ill_formed(&mut self, what: &str) -> Stop {
        self.fatal(
            codes::NOT_WELL_FORMED,
            format!("not well-formed XML: {what}; nothing after it was read"),
        )
    }

    fn dtd(&mut self) -> Stop {
        self.fatal(
            codes::DTD_REFUSED,
            "document type definitions are refused: send the document without `<!DOCTYPE`".into(),
        )
    }

    /// Says why the parser or the source failed. What it says must not depend on where chunks or
    /// parts end, so a tag that swallows another one is named before anything else.
    fn failed(&mut self, error: &quick_xml::Error) -> Stop {
        let failure = self.reader.get_mut().take_failure();
        if let Some(Failure::Io(error)) = failure {
            return Stop::Halt(error.into());
        }
        let is_tag = !matches!(self.raw.get(..2), Some(b"<!" | b"<?"));
        if is_tag
            && self
                .raw
                .get(1..)
                .is_some_and(|rest| memchr(b'<', rest).is_some())
        {
            return self.ill_formed(SWALLOWED);
        }
        match (failure, error) {
            (Some(Failure::TooLong), _) => self.fatal(
                codes::TOO_LONG,
                format!("a tag, comment or text is longer than {MAX_TOKEN_BYTES} bytes"),
            ),
            (Some(_), _) | (_, quick_xml::Error::Encoding(_)) => self.fatal(
                codes::BAD_ENCODING,
                "bytes that are not in the document's encoding: declare the right one in \
                 `<?xml ... encoding=\"...\"?>`, or send UTF-8"
                    .into(),
            ),
            (None, error) => self.ill_formed(&shortened(&error.to_string())),
        }
    }
}

/// A `<` in a name or an attribute value.
const SWALLOWED: &str = "a tag is not closed before the next `<`";

/// What a start tag says.
struct Opened {
    element: Element,
    has_reference: bool,
}

/// What may be wrong with it.
enum TagFault {
    Malformed(String),
    Namespaces,
}

/// Reads a start tag.
#[inline]
fn open(
    namespaces: &mut Namespaces,
    reference: &mut String,
    depth: usize,
    tag: &BytesStart<'_>,
) -> Result<Opened, TagFault> {
    let attributes = tag.attributes_raw();
    let has_reference = match attributes.is_empty() {
        true => false,
        false => read_attributes(namespaces, reference, depth + 1, tag)?,
    };
    let name = tag.name();
    let (prefix, local) = split(name.as_ref().as_bytes());
    let element = wire::element(namespaces.resolve(prefix), local);
    if element == Element::Other && memchr(b'<', name.as_ref().as_bytes()).is_some() {
        return Err(TagFault::Malformed(SWALLOWED.into()));
    }
    Ok(Opened {
        element,
        has_reference,
    })
}

/// Reads namespace declarations and `ref`. True if there is a `ref`.
#[inline]
fn read_attributes(
    namespaces: &mut Namespaces,
    reference: &mut String,
    depth: usize,
    tag: &BytesStart<'_>,
) -> Result<bool, TagFault> {
    let raw = tag.attributes_raw();
    if let Some(value) = lone_reference(raw) {
        reference.clear();
        reference.push_str(value);
        return Ok(true);
    }
    if memchr(b'<', raw.as_bytes()).is_some() {
        return Err(TagFault::Malformed(SWALLOWED.into()));
    }
    if memmem::find(raw.as_bytes(), b"xmlns").is_none()
        && memmem::find(raw.as_bytes(), b"ref").is_none()
    {
        return Ok(false);
    }
    let mut has_reference = false;
    for attribute in tag.attributes() {
        let attribute = attribute.map_err(|e| TagFault::Malformed(e.to_string()))?;
        let key = attribute.key.as_ref();
        let declares = match key.strip_prefix("xmlns") {
            Some("") => Some(""),
            Some(prefixed) => prefixed.strip_prefix(':'),
            None => None,
        };
        if declares.is_none() && key != "ref" {
            continue;
        }
        let value = attribute
            .normalized_value(XmlVersion::Implicit1_0)
            .map_err(|e| TagFault::Malformed(e.to_string()))?;
        match declares {
            Some(prefix) => {
                if !namespaces.declare(depth, prefix.as_bytes(), &value) {
                    return Err(TagFault::Namespaces);
                }
            }
            None => {
                reference.clear();
                reference.push_str(&value);
                has_reference = true;
            }
        }
    }
    Ok(has_reference)
}

/// The value of ` ref="..."` where that is all there is and it needs no unescaping: nearly always.
#[inline]
fn lone_reference(raw: &str) -> Option<&str> {
    let value = raw.strip_prefix(" ref=\"")?.trim_ascii_end();
    let value = value.strip_suffix('"')?;
    value
        .bytes()
        .all(|c| !matches!(c, b'"' | b'&' | b'<' | b'\t' | b'\n' | b'\r'))
        .then_some(value)
}

/// Prefix and local part of a name.
#[inline]
pub(crate) fn split(name: &[u8]) -> (&[u8], &[u8]) {
    match memchr(b':', name) {
        Some(colon) => (&name[..colon], &name[colon + 1..]),
        None => (&[], name),
    }
}

fn collect(text: &mut String, flaw: &mut Option<Flaw>, more: &str) {
    if text.len() + more.len() > MAX_TEXT_BYTES {
        flaw.get_or_insert(Flaw::TooLong);
    } else {
        text.push_str(more);
    }
}

fn collect_entity(text: &mut String, flaw: &mut Option<Flaw>, entity: &BytesRef<'_>) {
    let mut buffer = [0; 4];
    let known = match entity.resolve_char_ref() {
        Ok(Some(c)) => Some(&*c.encode_utf8(&mut buffer)),
        Ok(None) => quick_xml::escape::resolve_predefined_entity(entity),
        Err(_) => None,
    };
    match known {
        Some(known) => collect(text, flaw, known),
        None => {
            flaw.get_or_insert_with(|| Flaw::UnknownEntity(quoted(entity)));
        }
    }
}
