//! Groups readings that follow each other into blocks.

use hub_model as model;
use hub_model::mapping::{Halt, Records};
use hub_model::{Place, Record};

use crate::wire::{Quality, Reading, Ref};
use crate::{from_wire, to_wire};

/// Readings after which a block is handed on: bounds memory and the size of one record.
const MAX_BLOCK_READINGS: usize = 8_192;

/// Sets of qualities after which a block is handed on: looking one up is linear.
const MAX_BLOCK_QUALITIES: usize = 64;

/// The block that is being filled, with the place of its first reading.
#[derive(Default)]
pub(crate) struct Grouping {
    open: Option<(Place, model::ReadingBlock)>,
}

impl Grouping {
    /// Adds a reading to the open block, or begins the next one.
    pub(crate) fn push(
        &mut self,
        mut reading: Reading<'_>,
        place: &Place,
        out: &mut dyn Records,
    ) -> Result<(), Halt> {
        if !self.open.as_ref().is_some_and(|(_, b)| fits(b, &reading)) {
            self.flush(out)?;
        }
        let (first, block) = self
            .open
            .get_or_insert_with(|| (place.clone(), begin(&mut reading)));
        let qualities = std::mem::take(&mut reading.qualities);
        let Some(quality) = quality_index(block, qualities) else {
            // Not reached: a block is handed on long before its 65,536th set.
            return Ok(());
        };
        block.readings.push(model::Reading {
            at: reading.at.0,
            value: reading.value.map(|v| v.0),
            quality,
            line: u32::try_from(place.line.saturating_sub(first.line)).unwrap_or(0),
            detail: from_wire::detail(&mut reading),
        });
        Ok(())
    }

    /// Hands on the open block.
    pub(crate) fn flush(&mut self, out: &mut dyn Records) -> Result<(), Halt> {
        match self.open.take() {
            Some((place, block)) => out.record(place, Record::Readings(block)),
            None => Ok(()),
        }
    }
}

fn begin(reading: &mut Reading<'_>) -> model::ReadingBlock {
    let mut block = model::ReadingBlock::new(reading.reading_type.0, from_wire::kind(reading.kind));
    block.meter = reading.meter.take().map(from_wire::object_ref);
    block.usage_point = reading.usage_point.take().map(from_wire::object_ref);
    block
}

fn fits(block: &model::ReadingBlock, reading: &Reading<'_>) -> bool {
    block.reading_type == reading.reading_type.0
        && block.kind == from_wire::kind(reading.kind)
        && same(block.meter.as_ref(), reading.meter.as_ref())
        && same(block.usage_point.as_ref(), reading.usage_point.as_ref())
        && block.readings.len() < MAX_BLOCK_READINGS
        && block.qualities.len() < MAX_BLOCK_QUALITIES
}

fn same(known: Option<&model::ObjectRef>, read: Option<&Ref<'_>>) -> bool {
    match (known, read) {
        (None, None) => true,
        (Some(known), Some(read)) => to_wire::object_ref(known) == *read,
        _ => false,
    }
}

/// The index of a set of qualities; most readings have the set of the one before.
fn quality_index(block: &mut model::ReadingBlock, read: Vec<Quality<'_>>) -> Option<u16> {
    if let Some(last) = block.readings.last() {
        let known = block.qualities_of(last);
        if known.len() == read.len()
            && known
                .iter()
                .zip(&read)
                .all(|(known, read)| to_wire::quality(known) == *read)
        {
            return Some(last.quality);
        }
    }
    block.quality_index(read.into_iter().map(from_wire::quality).collect())
}
