//! A payload cut into IDocs, in whichever form it has them.

use std::io;

use hub_model::mapping::Payload;
use hub_model::{Finding, Place};
use mapping_tabular::Charset;

use crate::codes;
use crate::flat::FlatCutter;
use crate::xml::{Characters, XmlCutter, open};

/// Bytes looked at to tell the forms apart: an XML declaration stands in them, and so does the end
/// of a flat control record, if it has one.
const PROBE_BYTES: u64 = 4 << 10;

/// The next thing in a payload.
#[derive(Debug)]
pub(crate) enum Cut {
    /// An IDoc.
    Piece(Piece),
    /// What is no IDoc.
    Finding(Finding),
}

/// The bytes of one IDoc.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) bytes: Vec<u8>,
    pub(crate) place: Place,
}

/// Cuts one form.
pub(crate) enum Cutter<'p> {
    Xml(XmlCutter<'p>),
    Flat(FlatCutter<'p>),
    /// Nothing but this.
    Refused(Option<Finding>),
}

impl<'p> Cutter<'p> {
    /// Looks at a payload's first bytes.
    pub(crate) fn open(payload: &'p dyn Payload, charset: Charset) -> io::Result<Self> {
        let mut head = Vec::new();
        let reader = payload.open_at(0)?;
        io::Read::read_to_end(&mut io::Read::take(reader, PROBE_BYTES), &mut head)?;
        match open(payload, &head)? {
            Some(Ok((characters, reader))) => Ok(Self::Xml(XmlCutter::new(reader, characters))),
            Some(Err(label)) => Ok(Self::Refused(Some(unknown_encoding(&label)))),
            None if is_blank(&head) => Ok(Self::Refused(Some(nothing(payload)))),
            None => Ok(Self::Flat(FlatCutter::open(payload, &head, charset)?)),
        }
    }

    /// The next IDoc or finding, `None` at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<Cut>> {
        match self {
            Self::Xml(xml) => xml.next(),
            Self::Flat(flat) => flat.next(),
            Self::Refused(finding) => Ok(finding.take().map(Cut::Finding)),
        }
    }

    /// Offset of the first byte after what came last, where the offsets are those of the payload.
    pub(crate) const fn offset(&self) -> Option<u64> {
        match self {
            Self::Xml(xml) => xml.offset(),
            Self::Flat(flat) => Some(flat.offset()),
            Self::Refused(_) => None,
        }
    }

    /// How the bytes of pieces are written.
    pub(crate) const fn flat_form(&self) -> Option<crate::flat::FlatForm> {
        match self {
            Self::Flat(flat) => Some(flat.form()),
            _ => None,
        }
    }
}

fn is_blank(head: &[u8]) -> bool {
    head.iter().all(u8::is_ascii_whitespace)
}

fn nothing(payload: &dyn Payload) -> Finding {
    let what = if payload.is_empty() { "empty" } else { "blank" };
    let reason = format!(
        "the file is {what}, expected IDocs: XML with `<IDOC>` elements, or records that begin with `EDI_DC40`"
    );
    Finding::fatal(codes::NO_IDOC, Place::at(0, 1), reason)
}

fn unknown_encoding(label: &str) -> Finding {
    let reason = format!(
        "the encoding `{}` is unknown, expected `UTF-8`, `UTF-16`, `ISO-8859-1` or another of the Encoding Standard",
        mapping_tabular::shown(label.as_bytes())
    );
    Finding::fatal(codes::BAD_ENCODING, Place::at(0, 1), reason)
}

/// How the characters of XML are written.
pub(crate) const fn counts_payload_bytes(characters: &Characters) -> bool {
    matches!(characters, Characters::Utf8 { .. })
}
