//! One `MeterReading`: what is gathered until its meter is known, and how it is given out.

use hub_model::{Finding, ObjectRef, Place, ReadingType, Record};
use rustc_hash::FxHashMap;

use crate::codes;
use crate::limits::MAX_BUFFERED_BYTES;
use crate::stop::Stop;
use crate::wire::Element;
use crate::xml::Token;

use super::Walk;
use super::event::EventDraft;
use super::interval_block::Block;
use super::object_ref;

/// Something gathered, in the order it began.
#[derive(Debug)]
pub(super) enum Item {
    Block(Block, ReadingType),
    Event(Box<EventDraft>),
}

/// What is gathered of one `MeterReading`.
#[derive(Debug)]
pub(super) struct Gathered {
    pub(super) place: Place,
    /// Depth of the element.
    pub(super) depth: usize,
    meter: Option<ObjectRef>,
    usage_point: Option<ObjectRef>,
    pub(super) items: Vec<Item>,
    /// Where in `items` the register readings of a type are.
    pub(super) groups: FxHashMap<ReadingType, usize>,
    /// Readings and events in `items`.
    pub(super) readings: usize,
    /// Bytes of texts in `items` and in the block being read, roughly.
    pub(super) weight: usize,
    looked_ahead: bool,
}

impl Walk<'_> {
    /// Reads one `MeterReading` element.
    pub(super) fn meter_reading(&mut self) -> Result<(), Stop> {
        let mut gathered = Gathered {
            place: self.xml.place(),
            depth: self.xml.depth(),
            meter: None,
            usage_point: None,
            items: Vec::new(),
            groups: FxHashMap::default(),
            readings: 0,
            weight: 0,
            looked_ahead: false,
        };
        loop {
            match self.xml.next()? {
                Token::Open(Element::IntervalBlocks) => self.interval_block(&mut gathered)?,
                Token::Open(Element::Readings) => self.register_reading(&mut gathered)?,
                Token::Open(Element::EndDeviceEvents) => self.event_within(&mut gathered)?,
                Token::Open(Element::Meter) => {
                    let found = self.subject()?;
                    gathered.meter = gathered.meter.take().or(found);
                }
                Token::Open(Element::UsagePoint) => {
                    let found = self.subject()?;
                    gathered.usage_point = gathered.usage_point.take().or(found);
                }
                Token::Open(_) => self.xml.skip()?,
                Token::Close | Token::End => return self.give(&mut gathered),
            }
        }
    }

    /// Reads a meter or usage point.
    pub(super) fn subject(&mut self) -> Result<Option<ObjectRef>, Stop> {
        let named = object_ref::read(&mut self.xml)?;
        if let Some(note) = named.note {
            self.out.finding(note)?;
        }
        Ok(named.object)
    }

    /// Whether the items gathered must be given out before more is read.
    pub(super) const fn is_heavy(&self, gathered: &Gathered) -> bool {
        gathered.readings >= self.buffered_readings || gathered.weight >= MAX_BUFFERED_BYTES
    }

    /// Gives out what was gathered so far, because there is too much of it: finds out the meter
    /// and usage point first, which stand after the readings.
    pub(super) fn relieve(&mut self, gathered: &mut Gathered) -> Result<(), Stop> {
        if !gathered.looked_ahead {
            gathered.looked_ahead = true;
            let (meter, usage_point) =
                self.look_ahead_for_subject(&gathered.place, gathered.depth)?;
            gathered.meter = gathered.meter.take().or(meter);
            gathered.usage_point = gathered.usage_point.take().or(usage_point);
        }
        self.give(gathered)
    }

    fn give(&mut self, gathered: &mut Gathered) -> Result<(), Stop> {
        gathered.groups.clear();
        gathered.readings = 0;
        gathered.weight = 0;
        let items = std::mem::take(&mut gathered.items);
        if gathered.is_anonymous() {
            return self.reject_anonymous(gathered, items);
        }
        for item in items {
            match item {
                Item::Block(block, reading_type) => {
                    self.give_block(gathered, block, reading_type)?;
                }
                Item::Event(event) => self.give_event(*event, Some(gathered))?,
            }
        }
        Ok(())
    }

    /// Gives out one block of a `MeterReading`.
    pub(super) fn give_block(
        &mut self,
        gathered: &Gathered,
        block: Block,
        reading_type: ReadingType,
    ) -> Result<(), Stop> {
        let count = block.readings.len() as u64;
        self.pending -= count;
        if gathered.is_anonymous() {
            return self.reject_readings(gathered, count);
        }
        let place = block.place.clone();
        let mut block = block.into_canonical(reading_type);
        block.meter.clone_from(&gathered.meter);
        block.usage_point.clone_from(&gathered.usage_point);
        Ok(self.out.record(place, Record::Readings(block))?)
    }

    fn reject_anonymous(&mut self, gathered: &Gathered, items: Vec<Item>) -> Result<(), Stop> {
        let mut count = 0;
        for item in items {
            match item {
                Item::Block(block, _) => count += block.readings.len() as u64,
                Item::Event(event) => self.give_event(*event, Some(gathered))?,
            }
        }
        self.pending -= count;
        self.reject_readings(gathered, count)
    }

    fn reject_readings(&mut self, gathered: &Gathered, count: u64) -> Result<(), Stop> {
        if count == 0 {
            return Ok(());
        }
        let reason = "neither `Meter` nor `UsagePoint` with an `mRID` or a name says what these \
                      readings belong to";
        let finding = Finding::error(codes::MISSING_SUBJECT, gathered.place.clone(), reason)
            .in_field("MeterReading/Meter")
            .rejecting(count);
        Ok(self.out.finding(finding)?)
    }
}

impl Gathered {
    pub(super) const fn meter(&self) -> Option<&ObjectRef> {
        self.meter.as_ref()
    }

    pub(super) const fn usage_point(&self) -> Option<&ObjectRef> {
        self.usage_point.as_ref()
    }

    const fn is_anonymous(&self) -> bool {
        self.meter.is_none() && self.usage_point.is_none()
    }
}
