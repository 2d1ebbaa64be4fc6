//! Cuts a stream of bytes into tags and what stands between them, whatever the cuts in the stream.
//!
//! Holds one tag at most. Sees to it that tags match, that there is one root element, that nothing
//! is nested too deep, and that there is neither a document type definition nor an entity that would
//! need one. Attributes are not looked into here: [`super::Scope`] reads those that matter.

use memchr::{memchr, memchr2, memchr3};

use super::XmlFault;
use crate::limits::{MAX_DEPTH, MAX_REFERENCE_BYTES, MAX_TAG_BYTES};

/// A piece of a document. All pieces together are the document, byte for byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// `<name ...>` or `<name .../>`, whole. After an empty element comes no [`Piece::Close`].
    Open { raw: &'a [u8], empty: bool },
    /// `</name>`, whole.
    Close { raw: &'a [u8] },
    /// Character data, or a piece of it: references are whole.
    Text(&'a [u8]),
    /// A piece of a CDATA section, brackets included.
    CData(&'a [u8]),
    /// A piece of a comment or processing instruction.
    Aside(&'a [u8]),
}

impl<'a> Piece<'a> {
    /// Its bytes.
    pub(crate) const fn raw(self) -> &'a [u8] {
        match self {
            Self::Open { raw, .. } | Self::Close { raw } => raw,
            Self::Text(raw) | Self::CData(raw) | Self::Aside(raw) => raw,
        }
    }
}

/// Takes the pieces of a document, in order.
pub(crate) trait Pieces {
    /// What is wrong with a document.
    type Fault: From<XmlFault>;

    /// The next piece.
    ///
    /// # Errors
    /// The document is refused; no further piece comes.
    fn piece(&mut self, piece: Piece<'_>) -> Result<(), Self::Fault>;
}

#[derive(Debug, Clone, Copy)]
enum State {
    Text,
    /// After `&`.
    Reference,
    /// After `<`; what follows says of what.
    Markup,
    /// In a tag, and in an attribute value if there is a quote.
    Tag(Option<u8>),
    /// In something that ends with these bytes.
    Until(Aside),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Aside {
    Comment,
    Instruction,
    CData,
}

impl Aside {
    const fn end(self) -> &'static [u8] {
        match self {
            Self::Comment => b"-->",
            Self::Instruction => b"?>",
            Self::CData => b"]]>",
        }
    }
}

/// See the module.
pub(crate) struct Cutter {
    state: State,
    /// The tag, reference or beginning of markup so far.
    held: Vec<u8>,
    /// Names of the open elements, one after the other, and where each begins.
    names: Vec<u8>,
    open: Vec<usize>,
    seen_root: bool,
    /// Bytes before the current piece.
    at: u64,
}

impl Cutter {
    pub(crate) const fn new() -> Self {
        Self {
            state: State::Text,
            held: Vec::new(),
            names: Vec::new(),
            open: Vec::new(),
            seen_root: false,
            at: 0,
        }
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// What is wrong with the document; nothing may be pushed after that.
    pub(crate) fn push<P: Pieces>(&mut self, bytes: &[u8], to: &mut P) -> Result<(), P::Fault> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let taken = match self.state {
                State::Text => self.text(rest, to)?,
                State::Reference => self.reference(rest, to)?,
                State::Markup => self.markup(rest, to)?,
                State::Tag(quote) => self.tag(rest, quote, to)?,
                State::Until(aside) => self.until(rest, aside, to)?,
            };
            self.at += taken as u64;
            rest = &rest[taken..];
        }
        Ok(())
    }

    /// The bytes have ended.
    ///
    /// # Errors
    /// The document has not.
    pub(crate) fn finish(&self) -> Result<(), XmlFault> {
        let open = self.open.len();
        match (self.state, self.seen_root) {
            (State::Text, true) if open == 0 => Ok(()),
            (State::Text, false) => Err(self.ill("there is no element")),
            _ => Err(XmlFault::CutOff { open }),
        }
    }

    fn ill(&self, what: impl Into<String>) -> XmlFault {
        let what = what.into();
        XmlFault::IllFormed { what, at: self.at }
    }

    fn text<P: Pieces>(&mut self, bytes: &[u8], to: &mut P) -> Result<usize, P::Fault> {
        let end = memchr2(b'<', b'&', bytes).unwrap_or(bytes.len());
        if end > 0 {
            if self.open.is_empty() && !bytes[..end].trim_ascii().is_empty() {
                return Err(self.ill("text outside of the root element").into());
            }
            to.piece(Piece::Text(&bytes[..end]))?;
        }
        let Some(found) = bytes.get(end) else {
            return Ok(end);
        };
        if *found == b'&' && self.open.is_empty() {
            return Err(self.ill("text outside of the root element").into());
        }
        self.held.clear();
        self.held.push(*found);
        self.state = match found {
            b'<' => State::Markup,
            _ => State::Reference,
        };
        Ok(end + 1)
    }

    fn reference<P: Pieces>(&mut self, bytes: &[u8], to: &mut P) -> Result<usize, P::Fault> {
        let room = MAX_REFERENCE_BYTES - self.held.len();
        let window = &bytes[..bytes.len().min(room)];
        let end = memchr(b';', window);
        self.held
            .extend_from_slice(&window[..end.map_or(window.len(), |end| end + 1)]);
        let unknown = |held: &[u8], at| {
            let name = String::from_utf8_lossy(held.strip_prefix(b"&").unwrap_or(held));
            let name = name.trim_end_matches(';').to_owned();
            Err(XmlFault::Entity { name, at }.into())
        };
        match end {
            Some(end) if is_known(&self.held) => {
                to.piece(Piece::Text(&self.held))?;
                self.state = State::Text;
                Ok(end + 1)
            }
            None if self.held.len() < MAX_REFERENCE_BYTES => Ok(window.len()),
            _ => unknown(&self.held, self.at),
        }
    }

    /// Finds out what follows a `<`, a byte at a time.
    fn markup<P: Pieces>(&mut self, bytes: &[u8], to: &mut P) -> Result<usize, P::Fault> {
        const COMMENT: &[u8] = b"<!--";
        const CDATA: &[u8] = b"<![CDATA[";
        let Some(first) = bytes.first() else {
            return Ok(0);
        };
        self.held.push(*first);
        let aside = match self.held.as_slice() {
            b"<?" => Aside::Instruction,
            COMMENT => Aside::Comment,
            CDATA => Aside::CData,
            held if COMMENT.starts_with(held) || CDATA.starts_with(held) => return Ok(1),
            held if held.starts_with(b"<!") => return Err(XmlFault::Dtd { at: self.at }.into()),
            _ => {
                // The byte belongs to the tag, and may already be its end.
                self.held.pop();
                self.state = State::Tag(None);
                return Ok(0);
            }
        };
        if aside == Aside::CData && self.open.is_empty() {
            return Err(self.ill("text outside of the root element").into());
        }
        to.piece(aside.piece(&self.held))?;
        self.held.clear();
        self.state = State::Until(aside);
        Ok(1)
    }

    /// Passes on what ends with certain bytes. `held` keeps the last of them that were seen.
    fn until<P: Pieces>(
        &mut self,
        bytes: &[u8],
        aside: Aside,
        to: &mut P,
    ) -> Result<usize, P::Fault> {
        let Some(bracket) = memchr(b'>', bytes) else {
            self.remember(bytes, aside);
            to.piece(aside.piece(bytes))?;
            return Ok(bytes.len());
        };
        let taken = &bytes[..=bracket];
        self.remember(taken, aside);
        to.piece(aside.piece(taken))?;
        if self.held == aside.end() {
            self.held.clear();
            self.state = State::Text;
        }
        Ok(taken.len())
    }

    /// Keeps as many of the last bytes as the end has.
    fn remember(&mut self, bytes: &[u8], aside: Aside) {
        let keep = aside.end().len();
        let last = &bytes[bytes.len().saturating_sub(keep)..];
        let surplus = (self.held.len() + last.len()).saturating_sub(keep);
        self.held.drain(..surplus.min(self.held.len()));
        self.held.extend_from_slice(last);
    }

    fn tag<P: Pieces>(
        &mut self,
        bytes: &[u8],
        quote: Option<u8>,
        to: &mut P,
    ) -> Result<usize, P::Fault> {
        let end = match quote {
            Some(quote) => memchr(quote, bytes),
            None => memchr3(b'>', b'"', b'\'', bytes),
        };
        let taken = &bytes[..end.map_or(bytes.len(), |end| end + 1)];
        if self.held.len() + taken.len() > MAX_TAG_BYTES {
            return Err(XmlFault::TagTooLong { at: self.at }.into());
        }
        self.held.extend_from_slice(taken);
        match (quote, taken.last().filter(|_| end.is_some())) {
            (_, None) => {}
            (Some(_), Some(_)) => self.state = State::Tag(None),
            (None, Some(b'>')) => {
                self.state = State::Text;
                let held = std::mem::take(&mut self.held);
                let result = self.whole_tag(&held, to);
                self.held = held;
                result?;
            }
            (None, Some(quote)) => self.state = State::Tag(Some(*quote)),
        }
        Ok(taken.len())
    }

    fn whole_tag<P: Pieces>(&mut self, raw: &[u8], to: &mut P) -> Result<(), P::Fault> {
        if memchr(b'<', &raw[1..]).is_some() {
            return Err(self.ill("`<` in a tag").into());
        }
        if raw.starts_with(b"</") {
            self.close(raw)?;
            return to.piece(Piece::Close { raw });
        }
        let empty = raw.ends_with(b"/>");
        self.begin(raw)?;
        to.piece(Piece::Open { raw, empty })?;
        if empty {
            self.leave();
        }
        Ok(())
    }

    fn begin(&mut self, raw: &[u8]) -> Result<(), XmlFault> {
        let name = name_of(raw);
        if name.is_empty() || name.iter().any(|b| matches!(b, b'=' | b'"' | b'\'' | b'!')) {
            return Err(self.ill("a tag without a name"));
        }
        if self.open.is_empty() && self.seen_root {
            return Err(self.ill("a second root element"));
        }
        if self.open.len() == MAX_DEPTH {
            return Err(XmlFault::TooDeep { at: self.at });
        }
        self.seen_root = true;
        self.open.push(self.names.len());
        self.names.extend_from_slice(name);
        Ok(())
    }

    fn close(&mut self, raw: &[u8]) -> Result<(), XmlFault> {
        let name = raw[2..raw.len() - 1].trim_ascii_end();
        let Some(begin) = self.open.last() else {
            return Err(self.ill("an end tag without its begin"));
        };
        if self.names[*begin..] != *name {
            let expected = String::from_utf8_lossy(&self.names[*begin..]).into_owned();
            let found = String::from_utf8_lossy(&name[..name.len().min(80)]).into_owned();
            return Err(self.ill(format!("`</{found}>` where `</{expected}>` would be valid")));
        }
        self.leave();
        Ok(())
    }

    fn leave(&mut self) {
        if let Some(begin) = self.open.pop() {
            self.names.truncate(begin);
        }
    }
}

impl Aside {
    const fn piece(self, raw: &[u8]) -> Piece<'_> {
        match self {
            Self::CData => Piece::CData(raw),
            Self::Comment | Self::Instruction => Piece::Aside(raw),
        }
    }
}

/// The name in a start tag, with its prefix.
pub(crate) fn name_of(raw: &[u8]) -> &[u8] {
    let inner = raw.strip_prefix(b"<").unwrap_or(raw);
    let is_end = |b: &u8| b.is_ascii_whitespace() || matches!(b, b'>' | b'/');
    &inner[..inner.iter().position(is_end).unwrap_or(inner.len())]
}

/// One of XML's own five, or a character by number.
fn is_known(reference: &[u8]) -> bool {
    match reference {
        b"&amp;" | b"&lt;" | b"&gt;" | b"&apos;" | b"&quot;" => true,
        [b'&', b'#', b'x', digits @ .., b';'] => {
            !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit)
        }
        [b'&', b'#', digits @ .., b';'] => {
            !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Pieces put together again, with the number of each kind.
    #[derive(Default)]
    struct Collected {
        bytes: Vec<u8>,
        opened: usize,
        closed: usize,
    }

    impl Pieces for Collected {
        type Fault = XmlFault;
        fn piece(&mut self, piece: Piece<'_>) -> Result<(), XmlFault> {
            self.bytes.extend_from_slice(piece.raw());
            match piece {
                Piece::Open { empty, .. } => {
                    self.opened += 1;
                    self.closed += usize::from(empty);
                }
                Piece::Close { .. } => self.closed += 1,
                _ => {}
            }
            Ok(())
        }
    }

    fn cut(document: &[u8], step: usize) -> Result<Collected, XmlFault> {
        let mut cutter = Cutter::new();
        let mut collected = Collected::default();
        for chunk in document.chunks(step) {
            cutter.push(chunk, &mut collected)?;
        }
        cutter.finish()?;
        Ok(collected)
    }

    const DOCUMENT: &str = "<?xml version='1.0'?>\n<!-- a -- > b --><a:b x='>' y=\"<'/>\"></a:b>";

    #[test]
    fn pieces_are_the_document_whatever_the_cuts() {
        let document = "<?xml version='1.0'?>\n<!-- a > b --><a:b x='>' y=\"'/>\"><c/>&amp;&#x20AC;\
             <![CDATA[ </no> ]] ]]]]><?p i?>text</a:b >\n<!---->";
        for step in [1, 2, 3, 7, 4_096] {
            let found = cut(document.as_bytes(), step).unwrap();
            assert_eq!(String::from_utf8(found.bytes).unwrap(), document, "{step}");
            assert_eq!((found.opened, found.closed), (2, 2));
        }
        assert!(cut(DOCUMENT.as_bytes(), 3).is_err(), "`<` in an attribute");
    }

    #[test]
    fn what_is_no_document_is_refused() {
        for (document, expected) in [
            ("", "no element"),
            ("<a>", "cut off"),
            ("<a></b>", "`</b>` where `</a>`"),
            ("<a/><b/>", "second root"),
            ("<a/>b", "outside"),
            ("a<b/>", "outside"),
            ("</a>", "without its begin"),
            ("<a><![CDATA[", "cut off"),
            ("<a>&lt", "cut off"),
            ("<!DOCTYPE a><a/>", "type definition"),
            ("<a><!ENTITY b></a>", "type definition"),
            ("<a>&bomb;</a>", "`&bomb;` is not known"),
            ("<a>&a name that does not end", "is not known"),
            ("<a>&#;</a>", "`&#;` is not known"),
            ("< a/>", "without a name"),
            ("<>", "without a name"),
        ] {
            for step in [1, 5, 4_096] {
                let fault = cut(document.as_bytes(), step).err().unwrap().to_string();
                assert!(fault.contains(expected), "{document}: {fault}");
            }
        }
    }

    #[test]
    fn depth_and_length_of_tags_are_bounded() {
        let deep = |n: usize| format!("{}{}", "<a>".repeat(n), "</a>".repeat(n));
        assert!(cut(deep(MAX_DEPTH).as_bytes(), 99).is_ok());
        let fault = cut(deep(MAX_DEPTH + 1).as_bytes(), 99).err();
        assert!(matches!(fault, Some(XmlFault::TooDeep { .. })));
        let long = format!("<a b='{}'/>", "x".repeat(MAX_TAG_BYTES));
        let fault = cut(long.as_bytes(), 1_000).err();
        assert!(matches!(fault, Some(XmlFault::TagTooLong { .. })));
    }

    proptest! {
        #[test]
        fn no_input_panics_and_cuts_change_nothing(
            text in "[<>/&;a'\"=! \\-\\[\\]?xCDAT:#]{0,80}", step in 1usize..9,
        ) {
            let whole = cut(text.as_bytes(), 4_096).map(|c| c.bytes);
            let parts = cut(text.as_bytes(), step).map(|c| c.bytes);
            prop_assert_eq!(whole.is_ok(), parts.is_ok());
            if let Ok(bytes) = parts {
                prop_assert_eq!(bytes, text.into_bytes());
            }
        }
    }
}
