//! Reads the records of one IDoc.

use hub_model::{Finding, Place};
use mapping_tabular::shown;

use super::record::{CONTROL, FlatForm, bytes_of, is_segment_name};
use crate::codes;
use crate::cut::Piece;
use crate::definition::{CONTROL_RECORD, Definitions};
use crate::idoc::Idoc;
use crate::limits::{CONTROL_CHARS, DATA_CHARS, HEADER_CHARS, LEAST_CONTROL_CHARS};
use crate::xml::full_finding;

/// Reads the bytes of one IDoc into an empty `idoc`.
///
/// # Errors
/// Why the whole IDoc is rejected.
pub(crate) fn read(
    piece: &Piece,
    form: FlatForm,
    definitions: &Definitions,
    idoc: &mut Idoc,
) -> Result<(), Finding> {
    let mut walk = Walk {
        form,
        definitions,
        is_numbered: is_numbered(piece, form),
        idoc,
        open: Vec::new(),
        number: String::new(),
    };
    let mut place = piece.place.clone();
    let mut rest = piece.bytes.as_slice();
    while !rest.is_empty() {
        let length = record_length(rest, form, walk.idoc.len() == 0);
        let record = if form.lines {
            rest[..length].trim_ascii_end()
        } else {
            &rest[..length]
        };
        if !record.trim_ascii().is_empty() {
            walk.record(record, &place)?;
        }
        place.offset += length as u64;
        place.line += u64::from(form.lines);
        rest = &rest[length..];
    }
    while walk.idoc.depth() > 0 {
        walk.idoc.end();
    }
    Ok(())
}

/// Bytes of the next record, its line end included.
fn record_length(rest: &[u8], form: FlatForm, is_control: bool) -> usize {
    if form.lines {
        return memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
    }
    let characters = if is_control {
        CONTROL_CHARS
    } else {
        HEADER_CHARS + DATA_CHARS
    };
    bytes_of(rest, characters, form.charset)
}

/// Whether any data record names another one that it stands below.
fn is_numbered(piece: &Piece, form: FlatForm) -> bool {
    let mut rest = piece.bytes.as_slice();
    let mut is_control = true;
    while !rest.is_empty() {
        let length = record_length(rest, form, is_control);
        let numbers = rest[..length].get(49..61).filter(|_| !is_control);
        if let Some((own, above)) = numbers.map(|numbers| numbers.split_at(6)) {
            let is_number = above.iter().all(u8::is_ascii_digit);
            if is_number && above != own && above != b"000000" {
                return true;
            }
        }
        is_control = false;
        rest = &rest[length..];
    }
    false
}

struct Walk<'d> {
    form: FlatForm,
    definitions: &'d Definitions,
    /// Whether `PSGNUM` says what stands below what.
    is_numbered: bool,
    idoc: &'d mut Idoc,
    /// `SEGNUM` of the open segments.
    open: Vec<u32>,
    /// The IDoc's number.
    number: String,
}

/// What stands before the data of a data record.
struct Header<'r> {
    name: &'r str,
    number: &'r str,
    segment: u32,
    /// `PSGNUM`, 0 for none.
    parent: u32,
}

impl Header<'_> {
    /// Some tools give the segment's own number instead of 0.
    const fn is_below_none(&self) -> bool {
        self.parent == 0 || self.parent == self.segment
    }
}

impl Walk<'_> {
    fn record(&mut self, record: &[u8], place: &Place) -> Result<(), Finding> {
        let text = self.form.charset.decode(record).ok_or_else(|| {
            let reason = format!(
                "the record has bytes that are not {}, expected the `encoding` that the mapping file states",
                self.form.charset.name()
            );
            Finding::error(codes::BAD_ENCODING, place.clone(), reason)
        })?;
        if self.idoc.len() == 0 {
            self.control(&text, place)
        } else {
            self.data(&text, place)
        }
    }

    fn control(&mut self, text: &str, place: &Place) -> Result<(), Finding> {
        let characters = text.chars().count();
        // Blanks at the end of a line are often cut off.
        let least = if self.form.lines {
            LEAST_CONTROL_CHARS
        } else {
            CONTROL_CHARS
        };
        if characters < least {
            let reason =
                format!("the control record has {characters} characters, expected {CONTROL_CHARS}");
            return Err(
                Finding::error(codes::TRUNCATED_RECORD, place.clone(), reason)
                    .in_field(CONTROL_RECORD),
            );
        }
        if characters > CONTROL_CHARS {
            let reason = format!(
                "the control record has {characters} characters, expected {CONTROL_CHARS}: `{}` stands after them",
                shown(
                    text.chars()
                        .skip(CONTROL_CHARS)
                        .collect::<String>()
                        .as_bytes()
                )
            );
            return Err(
                Finding::error(codes::LONG_RECORD, place.clone(), reason).in_field(CONTROL_RECORD)
            );
        }
        let Some(control) = self.definitions.find(CONTROL_RECORD) else {
            return Ok(());
        };
        let node = self.begin(Ok(control), place)?;
        self.idoc.set_flat(node, text);
        self.idoc.end();
        let definition = self.definitions.get(control);
        if let Some(field) = definition.field("DOCNUM") {
            self.number = self.idoc.value(self.definitions, node, field).into_owned();
        }
        Ok(())
    }

    fn data(&mut self, text: &str, place: &Place) -> Result<(), Finding> {
        let header = self.header(text, place)?;
        let own = |number: &str| number.trim_start_matches('0').to_owned();
        if !header.number.is_empty() && own(header.number) != own(&self.number) {
            let reason = format!(
                "segment `{}` belongs to IDoc `{}`, expected `{}` as in the control record",
                header.name,
                shown(header.number.as_bytes()),
                shown(self.number.as_bytes())
            );
            return Err(Finding::error(codes::OTHER_DOCNUM, place.clone(), reason)
                .in_field(format!("{}/DOCNUM", header.name)));
        }
        let segment = self.definitions.find_flat(header.name);
        self.close_for(&header, segment, place)?;
        let node = self.begin(segment.ok_or(header.name), place)?;
        self.open.push(header.segment);
        let data = text.get(header_bytes(text)..).unwrap_or_default();
        if let Some(segment) = segment {
            self.check_layout(segment, place)?;
            self.idoc.set_flat(node, data);
        }
        Ok(())
    }

    /// Without offsets the data says nothing.
    fn check_layout(&self, segment: u16, place: &Place) -> Result<(), Finding> {
        let definition = self.definitions.get(segment);
        let known =
            |field: &crate::definition::FieldDef| field.offset.is_some() && field.length.is_some();
        match definition.fields.iter().find(|field| !known(field)) {
            None => Ok(()),
            Some(field) => {
                let reason = format!(
                    "the definition of `{}` does not say where `{}` stands, expected a `length` for each of its fields: without them it can only be read from XML",
                    definition.name, field.name
                );
                Err(Finding::error(codes::NO_LAYOUT, place.clone(), reason)
                    .in_field(format!("{}/{}", definition.name, field.name)))
            }
        }
    }

    fn header<'r>(&self, text: &'r str, place: &Place) -> Result<Header<'r>, Finding> {
        let bytes = text.as_bytes();
        if bytes.starts_with(CONTROL) || !is_segment_name(bytes) {
            let found = shown(&bytes[..bytes.len().min(30)]);
            let reason = format!(
                "`{found}` stands where a data record begins, expected the name of a segment, filled with blanks to 30 characters"
            );
            return Err(Finding::error(codes::BAD_RECORD, place.clone(), reason).in_field("SEGNAM"));
        }
        let name = text.get(..30).unwrap_or(text).trim_end();
        let characters = text.chars().count();
        // The header of a record without data may have lost the blank end of its level.
        if characters < HEADER_CHARS - 2
            || (!self.form.lines && characters < HEADER_CHARS + DATA_CHARS)
        {
            let expected = if self.form.lines {
                HEADER_CHARS
            } else {
                HEADER_CHARS + DATA_CHARS
            };
            let reason = format!(
                "the record of segment `{name}` has {characters} characters, expected at least {expected}"
            );
            return Err(
                Finding::error(codes::TRUNCATED_RECORD, place.clone(), reason).in_field(name),
            );
        }
        if characters > HEADER_CHARS + DATA_CHARS {
            let reason = format!(
                "the record of segment `{name}` has {characters} characters, expected at most {}",
                HEADER_CHARS + DATA_CHARS
            );
            return Err(Finding::error(codes::LONG_RECORD, place.clone(), reason).in_field(name));
        }
        if !text.get(..header_bytes(text)).is_some_and(str::is_ascii) {
            let reason =
                format!("the header of segment `{name}` has characters that are not ASCII");
            return Err(Finding::error(codes::BAD_RECORD, place.clone(), reason).in_field(name));
        }
        let number = |field: &'static str, from: usize, to: usize| {
            let digits = text.get(from..to.min(text.len())).unwrap_or("").trim();
            if digits.is_empty() {
                return Ok(0);
            }
            digits.parse::<u32>().map_err(|_| {
                let reason = format!("`{}` is not a number", shown(digits.as_bytes()));
                Finding::error(codes::BAD_RECORD, place.clone(), reason)
                    .in_field(format!("{name}/{field}"))
            })
        };
        Ok(Header {
            name,
            number: text.get(33..49).unwrap_or("").trim(),
            segment: number("SEGNUM", 49, 55)?,
            parent: number("PSGNUM", 55, 61)?,
        })
    }

    /// Ends the open segments that the next one does not stand below: as `PSGNUM` says, or else as
    /// the definitions do. `HLEVEL` is not asked: many tools fill it with anything.
    fn close_for(
        &mut self,
        header: &Header<'_>,
        segment: Option<u16>,
        place: &Place,
    ) -> Result<(), Finding> {
        let keep = match (self.is_numbered, segment) {
            (true, _) if header.is_below_none() => 0,
            (true, _) => self.numbered_depth(header, place)?,
            (false, Some(_)) => self.defined_depth(segment).unwrap_or(0),
            (false, None) => self.known_depth(),
        };
        while self.open.len() > keep {
            self.open.pop();
            self.idoc.end();
        }
        Ok(())
    }

    fn numbered_depth(&self, header: &Header<'_>, place: &Place) -> Result<usize, Finding> {
        let found = self
            .open
            .iter()
            .rposition(|number| *number == header.parent);
        found.map(|at| at + 1).ok_or_else(|| {
            let reason = format!(
                "`PSGNUM` says that it stands below segment {}, which is not above it, expected the number of a segment that is still open, or 0",
                header.parent
            );
            Finding::error(codes::BAD_HIERARCHY, place.clone(), reason)
                .in_field(format!("{}/PSGNUM", header.name))
        })
    }

    /// A segment that nobody defined, in a file that does not say where it stands, must not end
    /// those that may go on after it.
    fn known_depth(&self) -> usize {
        let is_known = |up: &usize| {
            let open = self.idoc.open_segment(*up);
            open.is_some_and(|open| (open as usize) < self.definitions.len())
        };
        let unknown = (0..self.open.len()).find(is_known);
        self.open.len() - unknown.unwrap_or(self.open.len())
    }

    /// How many open segments stay open for a segment that is defined to stand below one of them.
    fn defined_depth(&self, segment: Option<u16>) -> Option<usize> {
        let parents = &self.definitions.get(segment?).parents;
        let parents: Vec<u32> = parents
            .iter()
            .filter_map(|name| self.definitions.find(name).map(u32::from))
            .collect();
        let above = |up: &usize| {
            let open = self.idoc.open_segment(*up);
            open.is_some_and(|open| parents.contains(&open))
        };
        (0..self.open.len())
            .find(above)
            .map(|up| self.open.len() - up)
    }

    fn begin(&mut self, segment: Result<u16, &str>, place: &Place) -> Result<u32, Finding> {
        self.idoc
            .begin(self.definitions, segment, place)
            .map_err(|full| full_finding(full, place.clone()))
    }
}

/// Bytes of the header: of a whole one, or of what is left of it.
fn header_bytes(text: &str) -> usize {
    text.char_indices()
        .nth(HEADER_CHARS)
        .map_or(text.len(), |(at, _)| at)
}
