//! `Readings`: single values, grouped by their reading type.

use hub_model::{Finding, Place, Reading, ReadingKind, ReadingType};

use crate::codes;
use crate::stop::Stop;

use super::Walk;
use super::interval_block::Block;
use super::meter_reading::{Gathered, Item};
use super::reading::{no_type, weight};

impl Walk<'_> {
    /// Reads one `Readings` element.
    pub(super) fn register_reading(&mut self, gathered: &mut Gathered) -> Result<(), Stop> {
        let mut draft = self.draft(ReadingKind::Register)?;
        let reading_type = match draft.reading_type.take() {
            Some(Ok(reading_type)) => Some(reading_type),
            Some(Err(finding)) => {
                self.out.finding(*finding)?;
                return Ok(());
            }
            None => None,
        };
        let place = draft.place.clone();
        let Some(reading) = self.finish(&mut draft)? else {
            return Ok(());
        };
        let Some(reading_type) = reading_type else {
            let finding = Finding::error(codes::MISSING_READING_TYPE, place, no_type())
                .in_field("MeterReading/Readings/ReadingType");
            return Ok(self.out.finding(finding)?);
        };
        gathered.weight += weight(reading.detail.as_deref(), &self.scratch);
        let full = self.add_register(gathered, place, reading, reading_type);
        self.pending += 1;
        if full {
            self.relieve(gathered)?;
        }
        Ok(())
    }

    /// Adds a reading that begins at `place` to the group of its type. True: what was gathered
    /// must be given out.
    fn add_register(
        &mut self,
        gathered: &mut Gathered,
        place: Place,
        mut reading: Reading,
        reading_type: ReadingType,
    ) -> bool {
        let line = place.line;
        let items = &mut gathered.items;
        let at = *gathered.groups.entry(reading_type).or_insert_with(|| {
            let block = Block::new(place, ReadingKind::Register, 1);
            items.push(Item::Block(block, reading_type));
            items.len() - 1
        });
        gathered.readings += 1;
        let Some(Item::Block(block, _)) = items.get_mut(at) else {
            return false;
        };
        reading.line = block.line_of(line);
        reading.quality = block.qualities.index(&self.scratch);
        block.readings.push(reading);
        let sets_full = block.qualities.is_full();
        sets_full || self.is_heavy(gathered)
    }
}
