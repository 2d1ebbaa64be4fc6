//! Second pass, inside an `IntervalBlock`: readings to canonical blocks.

use hub_model::mapping::Records;
use hub_model::{
    Finding, Instant, ObjectRef, Place, Reading, ReadingBlock, ReadingDetail, ReadingKind,
    ReadingQuality, ReadingType, Record, TimePeriod, Zone,
};

use crate::limits::MAX_BLOCK_READINGS;
use crate::quality;
use crate::reading::EspiReading;
use crate::reading_type::{DAILY, EspiType, measuring_period};
use crate::xml::{Ns, Stop, Xml};

/// Distinct sets of qualities after which a block is handed on: looking one up is linear.
const MAX_BLOCK_QUALITIES: usize = 64;

/// Reads the open `IntervalBlock` into blocks of `usage_point` and leaves it.
///
/// - A reading's `tou`, `cpp` and `consumptionTier` replace those parts of the type, and begin
///   another canonical block.
/// - A type that says no length of its intervals gets that of the first reading.
pub(crate) fn read(
    xml: &mut Xml<'_>,
    out: &mut dyn Records,
    usage_point: Option<ObjectRef>,
    espi: EspiType,
    zone: &Zone,
) -> Result<(), Stop> {
    let mut builder = Builder {
        out,
        usage_point,
        espi,
        zone,
        open: None,
        last_codes: Vec::new(),
        warned: false,
    };
    let end = builder.readings(xml);
    // What was read before a defect stays.
    builder.flush()?;
    end
}

/// Reads the open `IntervalBlock` only to count its readings, also if it breaks off.
pub(crate) fn count(xml: &mut Xml<'_>) -> (u64, Result<(), Stop>) {
    let mut readings = 0;
    let mut reading = EspiReading::default();
    let end = loop {
        match xml.child() {
            Ok(None) => break Ok(()),
            Ok(Some(Ns::Espi)) if xml.name() == "IntervalReading" => {
                if let Err(stop) = reading.read(xml) {
                    break Err(stop);
                }
                readings += 1;
            }
            Ok(Some(_)) => {
                if let Err(stop) = xml.skip() {
                    break Err(stop);
                }
            }
            Err(stop) => break Err(stop),
        }
    };
    (readings, end)
}

struct Builder<'b> {
    out: &'b mut dyn Records,
    usage_point: Option<ObjectRef>,
    espi: EspiType,
    zone: &'b Zone,
    open: Option<(Place, ReadingBlock)>,
    /// Codes of the last reading: most have the same as the one before.
    last_codes: Vec<u16>,
    warned: bool,
}

impl Builder<'_> {
    fn readings(&mut self, xml: &mut Xml<'_>) -> Result<(), Stop> {
        let mut reading = EspiReading::default();
        while let Some(ns) = xml.child()? {
            match (ns, xml.name()) {
                (Ns::Espi, "IntervalReading") => {
                    reading.read(xml)?;
                    self.reading(&mut reading)?;
                }
                _ => xml.skip()?,
            }
        }
        Ok(())
    }

    fn reading(&mut self, reading: &mut EspiReading) -> Result<(), Stop> {
        let (start, duration) = match self.interval(reading) {
            Ok(interval) => interval,
            Err((field, reason)) => {
                let finding = Finding::error("bad_value", reading.place.clone(), reason)
                    .in_field(format!("IntervalBlock/IntervalReading/{field}"));
                return Ok(self.out.finding(finding)?);
            }
        };
        self.learn_length(duration);
        let period = TimePeriod {
            start: Instant::from_seconds(start),
            end: Instant::from_seconds(start + i64::from(duration)),
        };
        let code = self.code_of(reading);
        self.make_room(code, &reading.place)?;
        let quality = self.quality(reading)?;
        let detail = self.differs(code, period, duration).then(|| {
            Box::new(ReadingDetail {
                period: Some(period),
                ..ReadingDetail::default()
            })
        });
        if let Some((first, block)) = &mut self.open {
            let line = reading.place.line.saturating_sub(first.line);
            block.readings.push(Reading {
                at: period.end,
                value: reading.value,
                quality,
                line: u32::try_from(line).unwrap_or(0),
                detail,
            });
        }
        Ok(())
    }

    /// Begin and length of the interval, or the field at fault.
    fn interval(&self, reading: &mut EspiReading) -> Result<(i64, u32), (&'static str, String)> {
        if let Some(problem) = reading.problem.take() {
            return Err(problem);
        }
        let start = reading.start.ok_or_else(|| {
            let reason = "is missing, expected seconds since 1970-01-01T00:00:00Z";
            ("timePeriod/start", reason.to_owned())
        })?;
        let duration = reading.duration.or(self.espi.length).ok_or_else(|| {
            let reason = "is missing, and the ReadingType says no intervalLength";
            ("timePeriod/duration", reason.to_owned())
        })?;
        Ok((start, duration))
    }

    fn learn_length(&mut self, duration: u32) {
        let parts = &mut self.espi.code.0;
        if self.espi.length.is_none() && parts[2] == 0 && parts[0] == 0 {
            parts[2] = measuring_period(duration).unwrap_or(0);
            self.espi.length = Some(duration);
        }
    }

    fn code_of(&self, reading: &EspiReading) -> ReadingType {
        let mut code = self.espi.code;
        for (part, value) in [(11, reading.tou), (12, reading.cpp), (13, reading.tier)] {
            if let Some(value) = value {
                code.0[part] = value;
            }
        }
        code
    }

    /// Hands on the open block if it is full or of another type, and opens the next.
    fn make_room(&mut self, code: ReadingType, place: &Place) -> Result<(), Stop> {
        let fits = |block: &ReadingBlock| {
            block.reading_type == code
                && block.readings.len() < MAX_BLOCK_READINGS
                && block.qualities.len() < MAX_BLOCK_QUALITIES
        };
        if self.open.as_ref().is_some_and(|(_, block)| fits(block)) {
            return Ok(());
        }
        self.flush()?;
        let mut block = ReadingBlock::new(code, kind(code));
        block.usage_point.clone_from(&self.usage_point);
        self.open = Some((place.clone(), block));
        Ok(())
    }

    /// Index of the reading's qualities in the open block.
    fn quality(&mut self, reading: &EspiReading) -> Result<u16, Stop> {
        let default = self.espi.default_quality.as_slice();
        let codes = match reading.qualities.as_slice() {
            [] => default,
            own => own,
        };
        let Some((_, block)) = &mut self.open else {
            return Ok(0);
        };
        if let Some(last) = block.readings.last()
            && self.last_codes == codes
            && last.value.is_some() == reading.value.is_some()
        {
            return Ok(last.quality);
        }
        let mut set: Vec<_> = codes
            .iter()
            .map(|code| quality::canonical(*code).unwrap_or_else(|| quality::undefined(*code)))
            .collect();
        if reading.value.is_none() {
            set.push(ReadingQuality::of(quality::KNOWN_MISSING));
        }
        // A block is handed on long before its 65,536th set.
        let index = block.quality_index(set).unwrap_or(0);
        self.last_codes = codes.to_vec();
        self.warn_of_undefined(&reading.place)?;
        Ok(index)
    }

    fn warn_of_undefined(&mut self, place: &Place) -> Result<(), Stop> {
        let undefined = self
            .last_codes
            .iter()
            .find(|code| quality::canonical(**code).is_none());
        if let Some(code) = undefined.filter(|_| !self.warned) {
            let reason =
                format!("`{code}` is not defined and kept as questionable, expected 0 or 7 to 19");
            self.warned = true;
            self.out.finding(
                Finding::warning("odd_value", place.clone(), reason)
                    .in_field("IntervalBlock/IntervalReading/ReadingQuality/quality"),
            )?;
        }
        Ok(())
    }

    /// Whether the period is another than the type says.
    fn differs(&self, code: ReadingType, period: TimePeriod, duration: u32) -> bool {
        if code.macro_period() == DAILY && code.measuring_period() == 0 {
            return self.zone.bounds(self.zone.day_of(period.start)) != (period.start, period.end);
        }
        duration != 0 && code.interval_seconds() != Some(duration)
    }

    fn flush(&mut self) -> Result<(), Stop> {
        if let Some((place, block)) = self.open.take() {
            self.out.record(place, Record::Readings(block))?;
        }
        Ok(())
    }
}

/// Accumulations that are what a register shows: bulk quantity, continuous cumulative, cumulative,
/// latching and bounded quantity. All others belong to their interval.
const fn kind(code: ReadingType) -> ReadingKind {
    match code.accumulation() {
        1 | 2 | 3 | 13 | 14 => ReadingKind::Register,
        _ => ReadingKind::Interval,
    }
}
