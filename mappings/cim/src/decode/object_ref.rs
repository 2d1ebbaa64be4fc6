//! `Meter`, `UsagePoint`, `Assets`: references by `mRID` and names.

use hub_model::{Finding, Name, ObjectRef, Place};

use crate::codes;
use crate::limits::MAX_NAMES;
use crate::stop::Stop;
use crate::wire::Element;
use crate::xml::{Token, Xml};

use super::reading::flawed;

/// A reference that was read.
pub(super) struct Named {
    /// `None`: it names nothing.
    pub(super) object: Option<ObjectRef>,
    /// What could not be kept of it.
    pub(super) note: Option<Finding>,
}

/// Reads a reference: `mRID`, `Names{name, NameType{name, NameTypeAuthority{name}}}`.
pub(super) fn read(xml: &mut Xml<'_>) -> Result<Named, Stop> {
    let mut object = ObjectRef::default();
    let mut note = None;
    loop {
        match xml.next()? {
            Token::Open(Element::MRid) => object.mrid = text(xml, &mut note)?,
            Token::Open(Element::Names) => {
                let place = xml.place();
                let name = read_name(xml, &mut note)?;
                if name.name.is_empty() {
                    continue;
                }
                if object.names.len() < MAX_NAMES {
                    object.names.push(name);
                } else {
                    note.get_or_insert_with(|| too_many(place));
                }
            }
            Token::Open(_) => xml.skip()?,
            Token::Close | Token::End => break,
        }
    }
    let object = object.id().is_some().then_some(object);
    Ok(Named { object, note })
}

fn too_many(place: Place) -> Finding {
    let reason = format!("more than {MAX_NAMES} names: the others were not kept");
    Finding::warning(codes::TOO_MANY_NAMES, place, reason).in_field("Names")
}

fn read_name(xml: &mut Xml<'_>, note: &mut Option<Finding>) -> Result<Name, Stop> {
    let mut name = Name::default();
    loop {
        match xml.next()? {
            Token::Open(Element::Name) => name.name = text(xml, note)?.unwrap_or_default(),
            Token::Open(Element::NameType) => read_name_type(xml, &mut name, note)?,
            Token::Open(_) => xml.skip()?,
            Token::Close | Token::End => return Ok(name),
        }
    }
}

fn read_name_type(
    xml: &mut Xml<'_>,
    name: &mut Name,
    note: &mut Option<Finding>,
) -> Result<(), Stop> {
    loop {
        match xml.next()? {
            Token::Open(Element::Name) => name.name_type = text(xml, note)?,
            Token::Open(Element::NameTypeAuthority) => {
                name.authority = read_authority(xml, note)?;
            }
            Token::Open(_) => xml.skip()?,
            Token::Close | Token::End => return Ok(()),
        }
    }
}

fn read_authority(xml: &mut Xml<'_>, note: &mut Option<Finding>) -> Result<Option<String>, Stop> {
    let mut authority = None;
    loop {
        match xml.next()? {
            Token::Open(Element::Name) => authority = text(xml, note)?,
            Token::Open(_) => xml.skip()?,
            Token::Close | Token::End => return Ok(authority),
        }
    }
}

/// The text of the current element. One that cannot be kept leaves a note.
pub(super) fn text(xml: &mut Xml<'_>, note: &mut Option<Finding>) -> Result<Option<String>, Stop> {
    let place = xml.place();
    xml.read_text()?;
    match xml.text() {
        Ok("") => Ok(None),
        Ok(text) => Ok(Some(text.to_owned())),
        Err(flaw) => {
            let reason = format!("{}: the text was not kept", flawed(&flaw));
            note.get_or_insert_with(|| Finding::warning(codes::BAD_TEXT, place, reason));
            Ok(None)
        }
    }
}
