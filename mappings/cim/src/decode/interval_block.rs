//! `IntervalBlocks`: one run of interval readings.

use hub_model::{Place, Reading, ReadingBlock, ReadingKind, ReadingType};

use crate::codes;
use crate::limits::MAX_BUFFERED_BYTES;
use crate::stop::Stop;
use crate::wire::Element;
use crate::xml::{Token, split};

use super::Walk;
use super::meter_reading::{Gathered, Item};
use super::qualities::Qualities;
use super::reading::{TypeResult, line_in_block, no_type, read_type, weight};

/// The path of a block's reading type.
pub(super) const TYPE_FIELD: &str = "MeterReading/IntervalBlocks/ReadingType";

/// How many readings a block is expected to have at most: room for more comes as needed.
const MAX_ROOM: usize = 4_096;

/// Readings of one type while they are gathered.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) place: Place,
    pub(super) kind: ReadingKind,
    pub(super) readings: Vec<Reading>,
    pub(super) qualities: Qualities,
}

impl Block {
    pub(super) fn new(place: Place, kind: ReadingKind, room: usize) -> Self {
        Self {
            place,
            kind,
            readings: Vec::with_capacity(room.min(MAX_ROOM)),
            qualities: Qualities::new(),
        }
    }

    /// A line of the document counted from the block's.
    #[inline]
    pub(super) fn line_of(&self, line: u64) -> u32 {
        line_in_block(&self.place, line)
    }

    /// Takes what was gathered; what comes later goes to another piece of the same block.
    pub(super) fn take_piece(&mut self) -> Self {
        let rest = Self::new(self.place.clone(), self.kind, self.readings.len());
        std::mem::replace(self, rest)
    }

    /// The canonical block, still without meter and usage point.
    pub(super) fn into_canonical(self, reading_type: ReadingType) -> ReadingBlock {
        let mut block = ReadingBlock::new(reading_type, self.kind);
        block.qualities = self.qualities.into_sets();
        block.readings = self.readings;
        block
    }
}

impl Walk<'_> {
    /// Reads one `IntervalBlocks` element.
    pub(super) fn interval_block(&mut self, gathered: &mut Gathered) -> Result<(), Stop> {
        let place = self.xml.place();
        let depth = self.xml.depth();
        let mut block = Block::new(place, ReadingKind::Interval, self.room);
        let mut reading_type: Option<TypeResult> = None;
        let mut in_pieces = false;
        if let Some(express) = &mut self.express {
            express.begin_block(split(self.xml.raw_name()).0);
        }
        loop {
            if self.is_full(gathered, &block) {
                if !in_pieces && reading_type.is_none() {
                    reading_type = self.look_ahead_for_type(&block.place, depth)?;
                }
                in_pieces = true;
                self.relieve(gathered)?;
                let piece = block.take_piece();
                self.give_piece(gathered, piece, reading_type.as_ref())?;
                if let Some(express) = &mut self.express {
                    express.forget_qualities();
                }
            }
            if self.express(&mut block)? {
                continue;
            }
            match self.xml.next()? {
                Token::Open(Element::IntervalReadings) => {
                    self.interval_reading(gathered, &mut block)?;
                }
                Token::Open(Element::ReadingType) => {
                    reading_type = Some(read_type(&mut self.xml, &mut self.types, TYPE_FIELD)?);
                }
                Token::Open(_) => self.xml.skip()?,
                Token::Close | Token::End => break,
            }
        }
        self.room = block.readings.len();
        self.end_block(gathered, block, reading_type, in_pieces)
    }

    fn interval_reading(&mut self, gathered: &mut Gathered, block: &mut Block) -> Result<(), Stop> {
        let mut draft = self.draft(ReadingKind::Interval)?;
        let line = block.line_of(draft.place.line);
        let Some(mut reading) = self.finish(&mut draft)? else {
            return Ok(());
        };
        reading.line = line;
        reading.quality = block.qualities.index(&self.scratch);
        gathered.weight += weight(reading.detail.as_deref(), &self.scratch);
        block.readings.push(reading);
        self.pending += 1;
        Ok(())
    }

    fn end_block(
        &mut self,
        gathered: &mut Gathered,
        block: Block,
        reading_type: Option<TypeResult>,
        in_pieces: bool,
    ) -> Result<(), Stop> {
        let count = block.readings.len();
        match reading_type {
            Some(Ok(reading_type)) if count > 0 => {
                gathered.readings += count;
                gathered.items.push(Item::Block(block, reading_type));
                Ok(())
            }
            Some(Err(finding)) if count == 0 && !in_pieces => {
                let mut finding = finding.rejecting(0);
                finding.severity = hub_model::Severity::Warning;
                Ok(self.out.finding(finding)?)
            }
            None | Some(Err(_)) if count > 0 => self.reject_block(block, reading_type.as_ref()),
            _ => Ok(()),
        }
    }

    /// Gives out a piece of a block that is too large to be kept.
    fn give_piece(
        &mut self,
        gathered: &Gathered,
        piece: Block,
        reading_type: Option<&TypeResult>,
    ) -> Result<(), Stop> {
        match reading_type {
            Some(Ok(reading_type)) => self.give_block(gathered, piece, *reading_type),
            _ => self.reject_block(piece, reading_type),
        }
    }

    fn reject_block(
        &mut self,
        block: Block,
        reading_type: Option<&TypeResult>,
    ) -> Result<(), Stop> {
        let count = block.readings.len() as u64;
        if count == 0 {
            return Ok(());
        }
        self.pending -= count;
        let finding = match reading_type {
            Some(Err(finding)) => (**finding).clone(),
            _ => hub_model::Finding::error(codes::MISSING_READING_TYPE, block.place, no_type())
                .in_field(TYPE_FIELD),
        };
        Ok(self.out.finding(finding.rejecting(count))?)
    }
}

impl Walk<'_> {
    /// Whether what is gathered, with a block that is being read, must be given out before more
    /// is read.
    #[inline]
    fn is_full(&self, gathered: &Gathered, block: &Block) -> bool {
        gathered.readings + block.readings.len() >= self.buffered_readings
            || gathered.weight >= MAX_BUFFERED_BYTES
            || block.qualities.is_full()
    }
}
