//! Reads one `IDOC` element.

use hub_model::{Finding, Place};
use mapping_tabular::shown;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use crate::codes;
use crate::cut::Piece;
use crate::definition::Definitions;
use crate::idoc::{Full, Idoc};
use crate::limits::{MAX_DEPTH, MAX_SEGMENTS};
use crate::window::newlines;

/// Reads the bytes of one `IDOC` element into an empty `idoc`.
///
/// # Errors
/// Why the whole IDoc is rejected.
pub(crate) fn read(
    piece: &Piece,
    definitions: &Definitions,
    idoc: &mut Idoc,
) -> Result<(), Finding> {
    let text = std::str::from_utf8(&piece.bytes).map_err(|error| {
        let place = place_at(piece, error.valid_up_to());
        let reason = "bytes that are not UTF-8: declare the right encoding in `<?xml ... encoding=\"...\"?>`, or send UTF-8";
        Finding::error(codes::BAD_ENCODING, place, reason)
    })?;
    Walk {
        piece,
        definitions,
        reader: Reader::from_str(text),
        idoc,
        elements: Vec::new(),
        at: 0,
        line: (0, piece.place.line),
    }
    .run()
}

/// An element that is open within `IDOC`.
#[derive(Debug, Clone, Copy)]
enum Open {
    Segment {
        segment: Option<u16>,
    },
    /// A field with where its text begins; `None` if nobody may read it.
    Field {
        field: Option<u16>,
        mark: u32,
        begin: usize,
    },
}

struct Walk<'p> {
    piece: &'p Piece,
    definitions: &'p Definitions,
    reader: Reader<&'p [u8]>,
    idoc: &'p mut Idoc,
    elements: Vec<Open>,
    /// Where the current token begins in the piece.
    at: usize,
    /// A place in the piece whose line is known.
    line: (usize, u64),
}

impl<'p> Walk<'p> {
    fn run(mut self) -> Result<(), Finding> {
        loop {
            self.at = usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX);
            match self.reader.read_event() {
                Err(error) => return Err(self.malformed(&error.to_string())),
                Ok(Event::Start(tag)) => self.start(&tag, false)?,
                Ok(Event::Empty(tag)) => self.start(&tag, true)?,
                Ok(Event::End(_)) => {
                    if self.elements.is_empty() {
                        return self.finish();
                    }
                    self.close();
                }
                Ok(Event::Text(text)) if self.is_field() => {
                    self.idoc
                        .push_text(&text.xml_content(XmlVersion::Implicit1_0));
                }
                Ok(Event::CData(text)) if self.is_field() => {
                    self.idoc
                        .push_text(&text.xml_content(XmlVersion::Implicit1_0));
                }
                Ok(Event::GeneralRef(entity)) if self.is_field() => {
                    let mut buffer = [0; 4];
                    let known = match entity.resolve_char_ref() {
                        Ok(Some(c)) => Some(&*c.encode_utf8(&mut buffer)),
                        Ok(None) => quick_xml::escape::resolve_predefined_entity(&entity),
                        Err(_) => None,
                    };
                    match known {
                        Some(text) => self.idoc.push_text(text),
                        None => {
                            let entity = shown(entity.as_bytes());
                            return Err(self.malformed(&format!(
                                "entity `&{entity};` is not declared, expected one of `&amp;`, `&lt;`, `&gt;`, `&quot;`, `&apos;` or a character reference"
                            )));
                        }
                    }
                }
                Ok(Event::DocType(_)) => {
                    let reason = "document type definitions are refused";
                    return Err(Finding::error(codes::DTD_REFUSED, self.place(), reason));
                }
                Ok(Event::Eof) => return Err(self.malformed("an element is not closed")),
                Ok(_) => {}
            }
        }
    }

    fn is_field(&self) -> bool {
        matches!(
            self.elements.last(),
            Some(Open::Field { field: Some(_), .. })
        )
    }

    fn start(&mut self, tag: &BytesStart<'_>, is_empty: bool) -> Result<(), Finding> {
        if self.at == 0 {
            // `IDOC` itself. An empty one has nothing in it, not even a control record.
            return if is_empty {
                Err(self.no_control())
            } else {
                Ok(())
            };
        }
        let name = tag.local_name();
        let name = name.as_ref();
        if tag.attributes_raw().contains('<') || name.contains('<') {
            return Err(self.malformed("a tag is not closed before the next `<`"));
        }
        let within = match self.elements.last().copied() {
            None => return self.segment(name, is_empty),
            Some(Open::Segment { segment }) => segment,
            Some(Open::Field { mark, begin, .. }) => {
                // An element in it: it is a segment that nobody defined.
                self.idoc.forget(mark);
                self.field_is_segment(begin)?;
                None
            }
        };
        let marked = tag.attributes_raw().contains("SEGMENT");
        if marked || self.definitions.find(name).is_some() {
            return self.segment(name, is_empty);
        }
        if is_empty {
            return Ok(());
        }
        let definition = within.map(|segment| self.definitions.get(segment));
        self.elements.push(Open::Field {
            field: definition.and_then(|definition| definition.field(name)),
            mark: self.idoc.mark(),
            begin: self.at,
        });
        Ok(())
    }

    fn segment(&mut self, name: &str, is_empty: bool) -> Result<(), Finding> {
        let place = self.place();
        let segment = self.definitions.find(name);
        self.begin(segment.ok_or(name), &place)?;
        if is_empty {
            self.idoc.end();
        } else {
            self.elements.push(Open::Segment { segment });
        }
        Ok(())
    }

    /// Makes the innermost open field a segment.
    fn field_is_segment(&mut self, begin: usize) -> Result<(), Finding> {
        let place = place_at(self.piece, begin);
        let tag = self.piece.bytes.get(begin..).unwrap_or_default();
        let name = String::from_utf8_lossy(super::markup::name_of(tag)).into_owned();
        self.elements.pop();
        self.begin(Err(&name), &place)?;
        self.elements.push(Open::Segment { segment: None });
        Ok(())
    }

    fn begin(&mut self, segment: Result<u16, &str>, place: &Place) -> Result<(), Finding> {
        match self.idoc.begin(self.definitions, segment, place) {
            Ok(_) => Ok(()),
            Err(full) => Err(full_finding(full, place.clone())),
        }
    }

    fn close(&mut self) {
        match self.elements.pop() {
            Some(Open::Segment { .. }) => self.idoc.end(),
            Some(Open::Field {
                field: Some(field),
                mark,
                ..
            }) => self.idoc.set_field(field, mark),
            _ => {}
        }
    }

    fn finish(&self) -> Result<(), Finding> {
        let control = self.definitions.find(crate::definition::CONTROL_RECORD);
        if self.idoc.len() == 0 || control.map(u32::from) != Some(self.idoc.kind(0)) {
            return Err(self.no_control());
        }
        Ok(())
    }

    fn no_control(&self) -> Finding {
        let reason = "the IDoc has no control record, expected `EDI_DC40` as its first segment";
        Finding::error(codes::NO_CONTROL_RECORD, self.piece.place.clone(), reason)
    }

    fn malformed(&mut self, what: &str) -> Finding {
        let what: String = what.chars().take(240).collect();
        let reason = format!("the IDoc is not well-formed XML: {what}");
        Finding::error(codes::NOT_WELL_FORMED, self.place(), reason)
    }

    /// The place of the current token. Each byte is counted once.
    fn place(&mut self) -> Place {
        let (known, line) = self.line;
        let at = self.at.min(self.piece.bytes.len());
        let line = if at >= known {
            line + newlines(&self.piece.bytes[known..at])
        } else {
            self.piece.place.line + newlines(&self.piece.bytes[..at])
        };
        self.line = (at, line);
        Place::at(self.piece.place.offset + at as u64, line)
    }
}

/// The place of a byte of a piece.
fn place_at(piece: &Piece, at: usize) -> Place {
    let before = piece.bytes.get(..at).unwrap_or_default();
    Place::at(
        piece.place.offset + at as u64,
        piece.place.line + newlines(before),
    )
}

/// An IDoc that is larger than its limits.
pub(crate) fn full_finding(full: Full, place: Place) -> Finding {
    let reason = match full {
        Full::Depth => format!("segments are nested more than {MAX_DEPTH} deep"),
        Full::Segments => format!("the IDoc has more than {MAX_SEGMENTS} segments"),
    };
    Finding::error(codes::TOO_DEEP, place, reason)
}
