//! Second readers that look ahead in large elements, for what stands after the readings.

use hub_model::mapping::Halt;
use hub_model::{ObjectRef, Place};

use crate::source::Source;
use crate::stop::Stop;
use crate::wire::Element;
use crate::xml::{Token, Xml};

use super::interval_block::TYPE_FIELD;
use super::reading::{TypeResult, read_type};
use super::{Walk, object_ref};

impl<'a> Walk<'a> {
    /// The meter and usage point of the `MeterReading` that begins at `place`.
    pub(super) fn look_ahead_for_subject(
        &mut self,
        place: &Place,
        depth: usize,
    ) -> Result<(Option<ObjectRef>, Option<ObjectRef>), Stop> {
        let (mut meter, mut usage_point) = (None, None);
        let mut xml = self.second_reader(place, depth)?;
        let result = children(&mut xml, |xml, element| {
            match element {
                Element::Meter if meter.is_none() => meter = object_ref::read(xml)?.object,
                Element::UsagePoint if usage_point.is_none() => {
                    usage_point = object_ref::read(xml)?.object;
                }
                _ => xml.skip()?,
            }
            Ok(meter.is_some() && usage_point.is_some())
        });
        tolerated(result)?;
        Ok((meter, usage_point))
    }

    /// The reading type of the `IntervalBlocks` element that begins at `place`.
    pub(super) fn look_ahead_for_type(
        &mut self,
        place: &Place,
        depth: usize,
    ) -> Result<Option<TypeResult>, Stop> {
        let mut found = None;
        let mut xml = self.second_reader(place, depth)?;
        let types = &mut self.types;
        let result = children(&mut xml, |xml, element| {
            if element == Element::ReadingType {
                found = Some(read_type(xml, types, TYPE_FIELD)?);
            } else {
                xml.skip()?;
            }
            Ok(found.is_some())
        });
        tolerated(result)?;
        Ok(found)
    }

    /// A reader at an element that has begun at `place`, in the namespaces around it.
    fn second_reader(&self, place: &Place, depth: usize) -> Result<Xml<'a>, Stop> {
        let text = self.text;
        let reader = text.reopen(place.offset).map_err(Halt::Io)?;
        let source = Source::stream(reader, place.offset, place.line);
        Ok(Xml::new(source, self.xml.namespaces_around(depth)))
    }
}

/// Hands each child of the first element to `visit`, until that has seen enough.
fn children(
    xml: &mut Xml<'_>,
    mut visit: impl FnMut(&mut Xml<'_>, Element) -> Result<bool, Stop>,
) -> Result<(), Stop> {
    if !matches!(xml.next()?, Token::Open(_)) {
        return Ok(());
    }
    while let Token::Open(element) = xml.next()? {
        if visit(xml, element)? {
            break;
        }
    }
    Ok(())
}

/// What is wrong with the content ahead is found again when the reader gets there.
fn tolerated(result: Result<(), Stop>) -> Result<(), Stop> {
    match result {
        Err(Stop::Halt(halt)) => Err(Stop::Halt(halt)),
        _ => Ok(()),
    }
}
