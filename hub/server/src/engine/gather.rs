//! Gathers the parts of a large message into chunks that are worth a transaction.
//!
//! A file sorted by time says one reading of every meter after the other. Stored part by part, the
//! day of each meter would be read and written again for each of them; gathered, its readings of
//! many parts are joined to one block first.

use hub_model::{Place, ReadingBlock, Record};
use rustc_hash::{FxBuildHasher, FxHashMap};
use std::hash::{BuildHasher, Hash, Hasher};

use super::decode::Decoded;

/// Readings in a chunk at most. They wait in memory, about 50 bytes each, and while they are stored
/// (a tenth of a second) all other messages wait.
const MOST_READINGS: u64 = 250_000;
/// Readings that are enough for a chunk, if their blocks are full.
const ENOUGH_READINGS: u64 = 40_000;
/// Readings of a block, on average, from which on storing them costs more than finding their day.
const FULL_BLOCK: u64 = 24;
/// Blocks of readings in a chunk at most: half a kilobyte of memory each.
const MOST_BLOCKS: usize = 40_000;
/// Orders, devices, events and findings in a chunk at most: each is several statements.
const MOST_OTHERS: usize = 2_000;

/// Sets of qualities that a block has at most once joined: they are looked up one by one.
const MOST_QUALITY_SETS: usize = 64;

/// Decoded parts on their way to a chunk.
#[derive(Default)]
pub(super) struct Gathered {
    pub(super) decoded: Decoded,
    /// Records and findings that the decoder yielded for it: more than there are once joined.
    pub(super) yielded: u64,
    /// Byte offset where the last part ends; 0 if the message has no parts.
    pub(super) end: u64,
    readings: u64,
    others: usize,
    /// The block to which more readings of a series are joined, by the hash of what makes one.
    blocks: FxHashMap<u64, usize>,
    /// How the blocks to join refer to what they are of.
    manner: u64,
}

impl Gathered {
    /// Takes in a part that ends at `end`.
    pub(super) fn add(&mut self, part: Decoded, end: u64) {
        self.yielded += part.items();
        self.end = end;
        self.others += part.findings.len();
        self.decoded.findings.extend(part.findings);
        for (place, record) in part.records {
            match record {
                Record::Readings(block) => self.add_block(place, block),
                other => {
                    // What it says may change what readings after it mean.
                    self.blocks.clear();
                    self.others += 1;
                    self.decoded.records.push((place, other));
                }
            }
        }
    }

    fn add_block(&mut self, place: Place, block: ReadingBlock) {
        self.readings += block.readings.len() as u64;
        let manner = manner(&block);
        if self.manner != manner {
            // An `mRID` and a name may be of one meter: then the later of their values counts, and
            // no block of the one may be joined over a block of the other.
            self.blocks.clear();
            self.manner = manner;
        }
        let series = (
            &block.meter,
            &block.usage_point,
            &block.reading_type,
            block.kind,
        );
        let hash = FxBuildHasher.hash_one(series);
        let records = &mut self.decoded.records;
        let known = self
            .blocks
            .get(&hash)
            .and_then(|known| records.get_mut(*known));
        let rest = match known {
            Some((first, Record::Readings(into))) => join(first, into, &place, block),
            _ => Some(block),
        };
        if let Some(block) = rest {
            self.blocks.insert(hash, records.len());
            records.push((place, Record::Readings(block)));
        }
    }

    /// Whether it is time to store it.
    pub(super) fn is_full(&self) -> bool {
        let blocks = self.decoded.records.len();
        let full_blocks = self.readings >= FULL_BLOCK.saturating_mul(blocks as u64);
        self.readings >= MOST_READINGS
            || (self.readings >= ENOUGH_READINGS && full_blocks)
            || blocks >= MOST_BLOCKS
            || self.others >= MOST_OTHERS
    }
}

/// In what manner a block refers to its meter and usage point, as a hash: by an `mRID`, by which
/// kinds of names.
fn manner(block: &ReadingBlock) -> u64 {
    let mut hasher = FxBuildHasher.build_hasher();
    for object in [&block.meter, &block.usage_point] {
        let mrid = object.as_ref().map(|object| object.mrid.is_some());
        mrid.hash(&mut hasher);
        for name in object.iter().flat_map(|object| &object.names) {
            (&name.name_type, &name.authority).hash(&mut hasher);
        }
    }
    hasher.finish()
}

/// Joins later readings of a series to earlier ones. Gives them back if that cannot be: they are of
/// another series, or their lines could not be told any more.
fn join(
    first: &Place,
    into: &mut ReadingBlock,
    place: &Place,
    block: ReadingBlock,
) -> Option<ReadingBlock> {
    let same = into.meter == block.meter
        && into.usage_point == block.usage_point
        && into.reading_type == block.reading_type
        && into.kind == block.kind
        && first.sheet == place.sheet;
    let lines = place
        .line
        .checked_sub(first.line)
        .and_then(|lines| u32::try_from(lines).ok());
    if into.qualities.len() + block.qualities.len() > MOST_QUALITY_SETS {
        return Some(block);
    }
    let last = block.readings.iter().map(|reading| reading.line).max();
    let (Some(lines), true) = (lines, same && first.line > 0) else {
        return Some(block);
    };
    if last.is_some_and(|last| last.checked_add(lines).is_none()) {
        return Some(block);
    }
    let qualities = block
        .qualities
        .iter()
        .map(|set| into.quality_index(set.clone()));
    let Some(qualities) = qualities.collect::<Option<Vec<u16>>>() else {
        return Some(block);
    };
    into.readings
        .extend(block.readings.into_iter().map(|mut reading| {
            reading.line += lines;
            let quality = qualities.get(usize::from(reading.quality));
            reading.quality = quality.copied().unwrap_or(reading.quality);
            reading
        }));
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use hub_model::{
        Decimal, Instant, Name, ObjectRef, QualityCode, Reading, ReadingKind, ReadingQuality,
        ReadingType, WorkOrder,
    };

    fn reading(seconds: i64, quality: u16) -> Reading {
        Reading {
            quality,
            ..Reading::new(Instant::from_seconds(seconds), Decimal::whole(seconds))
        }
    }

    fn block(meter: &str, readings: Vec<Reading>) -> ReadingBlock {
        let mut block = ReadingBlock::new(ReadingType::default(), ReadingKind::Interval);
        block.meter = Some(ObjectRef::by_mrid(meter));
        block.readings = readings;
        block
    }

    fn part(records: Vec<(u64, ReadingBlock)>) -> Decoded {
        let record = |(line, block)| (Place::at(line * 100, line), Record::Readings(block));
        Decoded {
            records: records.into_iter().map(record).collect(),
            findings: Vec::new(),
        }
    }

    #[test]
    fn readings_of_a_series_are_joined_over_parts_and_keep_their_lines() {
        let mut gathered = Gathered::default();
        gathered.add(
            part(vec![
                (2, block("a", vec![reading(1, 0)])),
                (3, block("b", vec![reading(1, 0)])),
            ]),
            300,
        );
        gathered.add(
            part(vec![
                (4, block("a", vec![reading(2, 0)])),
                (5, block("b", vec![reading(2, 0)])),
            ]),
            500,
        );
        assert_eq!(
            (
                gathered.yielded,
                gathered.end,
                gathered.decoded.records.len()
            ),
            (4, 500, 2)
        );
        let (place, Record::Readings(second)) = &gathered.decoded.records[1] else {
            panic!()
        };
        let lines: Vec<_> = second
            .readings
            .iter()
            .map(|r| place.line + u64::from(r.line))
            .collect();
        assert_eq!(lines, [3, 5]);
        assert_eq!(second.meter, Some(ObjectRef::by_mrid("b")));
    }

    #[test]
    fn qualities_are_told_by_the_joined_blocks_own_sets() {
        let estimated = vec![ReadingQuality::of(QualityCode::new(2, 8, 0))];
        let mut later = block("a", vec![reading(2, 1), reading(3, 0)]);
        later.qualities = vec![estimated.clone(), Vec::new()];
        let mut gathered = Gathered::default();
        gathered.add(
            part(vec![(2, block("a", vec![reading(1, 0)])), (3, later)]),
            1,
        );
        let Record::Readings(joined) = &gathered.decoded.records[0].1 else {
            panic!()
        };
        let told: Vec<_> = joined
            .readings
            .iter()
            .map(|r| joined.qualities_of(r).to_vec())
            .collect();
        assert_eq!(told, [Vec::new(), Vec::new(), estimated]);
    }

    #[test]
    fn nothing_is_joined_over_a_block_that_refers_in_another_way() {
        let mut by_name = block("a", vec![reading(1, 0)]);
        by_name.meter = Some(ObjectRef {
            mrid: None,
            names: vec![Name {
                name: "a".to_owned(),
                ..Name::default()
            }],
        });
        let mut gathered = Gathered::default();
        gathered.add(
            part(vec![
                (2, block("a", vec![reading(1, 0)])),
                (3, by_name),
                (4, block("a", vec![reading(1, 0)])),
            ]),
            1,
        );
        assert_eq!(gathered.decoded.records.len(), 3);
    }

    #[test]
    fn blocks_of_many_quality_sets_stay_apart() {
        let with_sets = |first: u16| {
            let mut block = block("a", vec![reading(i64::from(first), 0)]);
            let set = |code| vec![ReadingQuality::of(QualityCode::new(2, 8, code))];
            block.qualities = (first..first + 40).map(set).collect();
            block
        };
        let mut gathered = Gathered::default();
        gathered.add(part(vec![(2, with_sets(0)), (3, with_sets(100))]), 1);
        assert_eq!(gathered.decoded.records.len(), 2);
    }

    #[test]
    fn nothing_is_joined_over_another_record_or_without_lines() {
        let mut gathered = Gathered::default();
        gathered.add(part(vec![(2, block("a", vec![reading(1, 0)]))]), 1);
        let order = Record::WorkOrder(Box::new(WorkOrder::new("1")));
        gathered.add(
            Decoded {
                records: vec![(Place::at(1, 3), order)],
                findings: Vec::new(),
            },
            2,
        );
        gathered.add(part(vec![(4, block("a", vec![reading(2, 0)]))]), 3);
        assert_eq!(gathered.decoded.records.len(), 3);
        let mut gathered = Gathered::default();
        gathered.add(
            part(vec![
                (0, block("a", vec![reading(1, 0)])),
                (0, block("a", vec![reading(2, 0)])),
            ]),
            1,
        );
        assert_eq!(gathered.decoded.records.len(), 2);
    }

    #[test]
    fn a_chunk_is_full_when_its_blocks_are_or_when_it_is_large() {
        let day = || {
            (0..96)
                .map(|quarter| reading(quarter, 0))
                .collect::<Vec<_>>()
        };
        let mut gathered = Gathered::default();
        for meter in 0..500 {
            gathered.add(part(vec![(meter + 1, block(&meter.to_string(), day()))]), 1);
            assert_eq!(
                gathered.is_full(),
                (meter + 1) * 96 >= ENOUGH_READINGS,
                "{meter}"
            );
        }
        let mut gathered = Gathered::default();
        let mut line = 0;
        while !gathered.is_full() {
            line += 1;
            gathered.add(
                part(vec![(
                    line,
                    block(&(line % 30_000).to_string(), vec![reading(0, 0)]),
                )]),
                1,
            );
        }
        assert_eq!(line, MOST_READINGS);
    }
}
