//! Writing a record so that one reading a format cannot say costs that reading only.

use super::{Encode, Envelope, Inexpressible};
use crate::{Reading, ReadingBlock, Record};

/// At most so many losses are told apart for one record; the last one stands for all others.
const MOST_LOSSES: usize = 20;

/// What could not be written of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// Where in the record's payload: lines from the line of its place, like [`Reading::line`].
    pub line: u32,
    /// How many records it stands for, each reading counting as one.
    pub records: u64,
    /// Why.
    pub problem: Inexpressible,
}

/// Writes a record, or as much of it as the format can say: of a block of readings those that
/// can be written. Returns how many records were written, each reading counting as one;
/// `losses` gets the rest, so that both together are [`Record::count`].
///
/// Readings that can be written alone but not beside the others are those that the encoder says
/// ([`Encode::clashes`]); what it then still refuses is lost together.
pub fn write_record(
    encoder: &dyn Encode,
    envelope: &Envelope,
    record: &Record,
    out: &mut Vec<u8>,
    losses: &mut Vec<Loss>,
) -> u64 {
    let Err(problem) = encoder.record(envelope, record, out) else {
        return record.count();
    };
    match record {
        Record::Readings(block) if block.readings.len() > 1 => {
            write_readings(encoder, envelope, block, out, losses)
        }
        _ => {
            losses.push(Loss {
                line: first_line(record),
                records: record.count(),
                problem,
            });
            0
        }
    }
}

fn first_line(record: &Record) -> u32 {
    match record {
        Record::Readings(block) => block.readings.first().map_or(0, |reading| reading.line),
        _ => 0,
    }
}

/// Tries each reading alone, then writes those that passed and go together as one block.
fn write_readings(
    encoder: &dyn Encode,
    envelope: &Envelope,
    block: &ReadingBlock,
    out: &mut Vec<u8>,
    losses: &mut Vec<Loss>,
) -> u64 {
    let from = losses.len();
    let mut alone = Record::Readings(without_readings(block));
    let mut good = without_readings(block);
    // A quality that nothing refers to any more must not stop the others.
    good.qualities = vec![Vec::new(); block.qualities.len()];
    let mut scratch = Vec::new();
    for reading in &block.readings {
        scratch.clear();
        only(&mut alone, block, reading);
        match encoder.record(envelope, &alone, &mut scratch) {
            Ok(()) => keep(&mut good, block, reading),
            Err(problem) => lose(losses, from, reading.line, 1, problem),
        }
    }
    let clashes = encoder.clashes(&good);
    part(&mut good, clashes, |reading, problem| {
        lose(losses, from, reading.line, 1, problem);
    });
    let count = good.readings.len() as u64;
    if count == 0 {
        return 0;
    }
    let line = good.readings[0].line;
    match encoder.record(envelope, &Record::Readings(good), out) {
        Ok(()) => count,
        Err(problem) => {
            lose(losses, from, line, count, problem);
            0
        }
    }
}

/// Takes out the readings at these ascending positions.
fn part(
    block: &mut ReadingBlock,
    out: Vec<(usize, Inexpressible)>,
    mut each: impl FnMut(&Reading, Inexpressible),
) {
    let mut out = out.into_iter().peekable();
    let mut position = 0;
    block.readings.retain(|reading| {
        let leaves = out.next_if(|(at, _)| *at == position);
        position += 1;
        match leaves {
            None => true,
            Some((_, problem)) => {
                each(reading, problem);
                false
            }
        }
    });
}

fn without_readings(block: &ReadingBlock) -> ReadingBlock {
    ReadingBlock {
        meter: block.meter.clone(),
        usage_point: block.usage_point.clone(),
        ..ReadingBlock::new(block.reading_type, block.kind)
    }
}

/// Makes `alone` the block of this one reading, with its qualities at index 0.
fn only(alone: &mut Record, block: &ReadingBlock, reading: &Reading) {
    if let Record::Readings(alone) = alone {
        alone.qualities[0] = block.qualities_of(reading).to_vec();
        alone.readings.clear();
        alone.readings.push(Reading {
            quality: 0,
            ..reading.clone()
        });
    }
}

fn keep(good: &mut ReadingBlock, block: &ReadingBlock, reading: &Reading) {
    let set = usize::from(reading.quality);
    if let (Some(kept), Some(known)) = (good.qualities.get_mut(set), block.qualities.get(set))
        && kept.is_empty()
    {
        kept.clone_from(known);
    }
    good.readings.push(reading.clone());
}

fn lose(losses: &mut Vec<Loss>, from: usize, line: u32, records: u64, problem: Inexpressible) {
    if losses.len() - from < MOST_LOSSES {
        losses.push(Loss {
            line,
            records,
            problem,
        });
    } else if let Some(last) = losses.last_mut() {
        last.records += records;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Decimal, Instant, QualityCode, ReadingKind, ReadingQuality, RecordKind, Zone};

    /// Writes values; cannot say a missing one, a judgement of system 9, more than `most` together,
    /// or judged and unjudged ones together.
    struct Values {
        most: usize,
    }

    fn refuse(field: &'static str) -> Result<(), Inexpressible> {
        Err(Inexpressible {
            field,
            reason: "cannot be said".to_owned(),
        })
    }

    impl Encode for Values {
        fn media_type(&self) -> &'static str {
            "text/plain"
        }
        fn extension(&self) -> &'static str {
            "txt"
        }
        fn writes(&self) -> &'static [RecordKind] {
            &[RecordKind::Readings]
        }
        fn head(&self, _: &Envelope, _: &mut Vec<u8>) {}
        fn tail(&self, _: &Envelope, _: &mut Vec<u8>) {}
        fn record(
            &self,
            _: &Envelope,
            record: &Record,
            out: &mut Vec<u8>,
        ) -> Result<(), Inexpressible> {
            let Record::Readings(block) = record else {
                return refuse("record");
            };
            // Like an encoder that checks all sets of a block, whether a reading uses them or not.
            if block.qualities.iter().flatten().any(|q| q.code.system == 9) {
                return refuse("quality");
            }
            if block.readings.iter().any(|reading| reading.value.is_none()) {
                return refuse("value");
            }
            if block.readings.len() > self.most || !self.clashes(block).is_empty() {
                return refuse("row");
            }
            for reading in &block.readings {
                let judged = block.qualities_of(reading).len();
                out.extend(format!("{}:{judged} ", reading.line).bytes());
            }
            Ok(())
        }

        /// The first says whether the others may be judged; not asked of judgements of system 2.
        fn clashes(&self, block: &ReadingBlock) -> Vec<(usize, Inexpressible)> {
            let judged = |reading: &Reading| {
                let set = block.qualities_of(reading);
                set.iter().any(|quality| quality.code.system == 3)
            };
            let Some(first) = block.readings.first().map(judged) else {
                return Vec::new();
            };
            let others = block.readings.iter().enumerate();
            others
                .filter(|(_, reading)| judged(reading) != first)
                .map(|(at, _)| (at, refuse("quality").unwrap_err()))
                .collect()
        }
    }

    fn block(readings: u32, bad: impl Fn(u32) -> bool) -> ReadingBlock {
        let reading_type = "0.0.2.4.1.1.12.0.0.0.0.0.0.0.0.3.72.0".parse().unwrap();
        let mut block = ReadingBlock::new(reading_type, ReadingKind::Interval);
        block.readings = (0..readings)
            .map(|line| Reading {
                line,
                ..Reading::new(Instant::EPOCH, (!bad(line)).then_some(Decimal::ZERO))
            })
            .collect();
        block
    }

    fn written(block: ReadingBlock, most: usize) -> (u64, String, Vec<Loss>) {
        let envelope = Envelope {
            message_id: String::new(),
            created: Instant::EPOCH,
            zone: Zone::utc(),
        };
        let (mut out, mut losses) = (b"head ".to_vec(), Vec::new());
        let record = Record::Readings(block);
        let count = write_record(&Values { most }, &envelope, &record, &mut out, &mut losses);
        let lost: u64 = losses.iter().map(|loss| loss.records).sum();
        assert_eq!(count + lost, record.count());
        (count, String::from_utf8(out).unwrap(), losses)
    }

    #[test]
    fn a_reading_that_cannot_be_said_costs_itself_only() {
        let mut readings = block(4, |line| line == 2);
        let judged = |system| vec![ReadingQuality::of(QualityCode::new(system, 0, 0))];
        readings.readings[1].quality = readings.quality_index(judged(9)).unwrap();
        readings.readings[3].quality = readings.quality_index(judged(2)).unwrap();
        let (count, out, losses) = written(readings, 9);
        assert_eq!((count, out.as_str()), (2, "head 0:0 3:1 "));
        let told: Vec<_> = losses
            .iter()
            .map(|l| (l.line, l.records, l.problem.field))
            .collect();
        assert_eq!(told, [(1, 1, "quality"), (2, 1, "value")]);
    }

    #[test]
    fn many_losses_are_counted_and_not_all_told_apart() {
        let (count, _, losses) = written(block(1_000, |line| line % 2 == 1), 1_000);
        assert_eq!((count, losses.len()), (500, MOST_LOSSES));
        assert_eq!(losses.last().unwrap().records, 481);
    }

    #[test]
    fn readings_that_cannot_stand_together_are_lost_together() {
        let (count, out, losses) = written(block(5, |line| line == 0), 3);
        assert_eq!((count, out.as_str()), (0, "head "));
        let told: Vec<_> = losses
            .iter()
            .map(|l| (l.line, l.records, l.problem.field))
            .collect();
        assert_eq!(told, [(0, 1, "value"), (1, 4, "row")]);
    }

    #[test]
    fn a_reading_that_cannot_stand_beside_the_others_costs_itself_only() {
        let mut readings = block(5, |line| line == 0);
        let judged = vec![ReadingQuality::of(QualityCode::new(3, 0, 0))];
        readings.readings[2].quality = readings.quality_index(judged.clone()).unwrap();
        readings.readings[4].quality = readings.quality_index(judged).unwrap();
        let (count, out, losses) = written(readings, 9);
        assert_eq!((count, out.as_str()), (2, "head 1:0 3:0 "));
        let told: Vec<_> = losses
            .iter()
            .map(|l| (l.line, l.records, l.problem.field))
            .collect();
        assert_eq!(
            told,
            [(0, 1, "value"), (2, 1, "quality"), (4, 1, "quality")]
        );
    }
}
