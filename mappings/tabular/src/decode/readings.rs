//! Rows of readings: one reading a row, or a day of them.

mod qualities;
mod roles;
mod wide;

use hub_model::mapping::{Halt, Records};
use hub_model::{
    Decimal, LocalDay, ObjectRef, Reading, ReadingBlock, ReadingDetail, ReadingKind, ReadingType,
};

use self::qualities::{Qualities, index_of, too_many_qualities};
use self::roles::Roles;
use crate::cell::{Cell, Row, typed_text};
use crate::decode::fields::{number_from, text_of};
use crate::decode::finding;
use crate::decode::times::TimeReader;
use crate::decode::window::{Series, Window};
use crate::grid::GridCell;
use crate::header::Layout;
use crate::mapping::ReadingsPlan;
use crate::source::{Class, Fault, Origin, Raw, Source, reading_kind};
use crate::tables::{EmptyValue, Stamp};

/// Decodes rows of readings.
pub(crate) struct ReadingsDecoder<'l> {
    layout: &'l Layout,
    plan: &'l ReadingsPlan,
    roles: Roles<'l>,
    times: TimeReader,
    window: Window,
    key: Vec<u8>,
    qualities: Qualities,
    grid: Option<(LocalDay, Vec<GridCell>)>,
    /// The last reading type: a file has few, and they are long.
    last_type: (String, ReadingType),
}

impl<'l> ReadingsDecoder<'l> {
    pub(crate) fn new(layout: &'l Layout, times: TimeReader) -> Self {
        Self {
            layout,
            plan: &layout.mapping().plan.readings,
            roles: Roles::of(layout),
            times,
            window: Window::new(),
            key: Vec::new(),
            qualities: Qualities::new(),
            grid: None,
            last_type: (String::new(), ReadingType::default()),
        }
    }

    #[inline]
    pub(crate) fn row<R: Row>(&mut self, row: &R, out: &mut dyn Records) -> Result<(), Halt> {
        let done = match &self.plan.wide {
            None => self.narrow(row),
            Some(wide) => self.wide(wide, row, out)?,
        };
        if let Err(fault) = done {
            self.refuse(fault, row, out)?;
        }
        if self.window.is_full() {
            self.flush(out)
        } else {
            Ok(())
        }
    }

    pub(crate) fn flush(&mut self, out: &mut dyn Records) -> Result<(), Halt> {
        self.window.flush(out)
    }

    #[cold]
    fn refuse<R: Row>(&self, fault: Fault, row: &R, out: &mut dyn Records) -> Result<(), Halt> {
        if !self.layout.touches(row) {
            return Ok(());
        }
        let values = self
            .plan
            .wide
            .as_ref()
            .map_or(1, |wide| self.values_in(wide, row));
        out.finding(finding(fault, row.place(), values))
    }

    #[inline]
    fn narrow<R: Row>(&mut self, row: &R) -> Result<(), Fault> {
        let series = self.series(row)?;
        let (Some(at), Some(value)) = (self.roles.at, self.roles.value) else {
            return Ok(());
        };
        let at = self
            .times
            .read(at, self.layout, row, &self.key)?
            .ok_or_else(|| at.missing(self.layout))?;
        let Some(value) = self.value(value, value.raw(self.layout, row)?, row)? else {
            return Ok(());
        };
        let quality = match self.roles.quality {
            None => 0,
            Some(source) => {
                let cell = match source.origin {
                    Origin::Column(slot) => self.layout.cell(row, slot),
                    _ => Cell::Empty,
                };
                self.quality(source, cell, row)?
            }
        };
        let detail = if self.roles.has_detail {
            self.detail(row)?
        } else {
            None
        };
        let bytes = detail.as_ref().map_or(0, |detail| detail_bytes(detail));
        let target = self.window.series(series);
        let quality = index_of(target, quality, &self.qualities.sets)
            .ok_or_else(|| too_many_qualities(self.roles.quality, self.layout))?;
        let mut reading = Reading {
            at,
            value,
            quality,
            line: target.line_of(row.line()),
            detail,
        };
        if let (Stamp::Start, ReadingKind::Interval, Some(seconds)) =
            (self.plan.stamp, target.block.kind, target.interval_seconds)
        {
            reading.at = self.times.clock.moved(at, i64::from(seconds));
        }
        self.window.push(series, reading, bytes);
        Ok(())
    }

    /// A value, known to be missing (`Some(None)`), or no reading at all (`None`).
    #[inline]
    fn value<R: Row>(
        &self,
        source: &Source,
        raw: Raw<'_>,
        row: &R,
    ) -> Result<Option<Option<Decimal>>, Fault> {
        match number_from(source, self.layout, row.charset(), raw)? {
            Some(value) => Ok(Some(Some(value))),
            None => self.empty(|| source.missing(self.layout)),
        }
    }

    fn empty(&self, missing: impl FnOnce() -> Fault) -> Result<Option<Option<Decimal>>, Fault> {
        match self.plan.empty_value {
            EmptyValue::Missing => Ok(Some(None)),
            EmptyValue::Skip => Ok(None),
            EmptyValue::Reject => Err(missing()),
        }
    }

    /// The series of a row, begun if it is new.
    #[inline]
    fn series<R: Row>(&mut self, row: &R) -> Result<usize, Fault> {
        self.key.clear();
        for source in &self.roles.naming {
            match source.origin {
                Origin::Column(slot) => push_part(&mut self.key, self.layout.cell(row, slot)),
                _ => {
                    let text = text_of(source, self.layout, row)?;
                    push_part(
                        &mut self.key,
                        Cell::Text(text.as_deref().unwrap_or("").as_bytes()),
                    );
                }
            }
        }
        match self.window.find(&self.key) {
            Some(found) => Ok(found),
            None => self.begin(row),
        }
    }

    fn begin<R: Row>(&mut self, row: &R) -> Result<usize, Fault> {
        let text = |source: Option<&Source>| match source {
            None => Ok(None),
            Some(source) => match text_of(source, self.layout, row)? {
                None if source.required => Err(source.missing(self.layout)),
                other => Ok(other),
            },
        };
        let (meter, usage_point) = (text(self.roles.meter)?, text(self.roles.usage_point)?);
        if let (None, None, Some(source)) = (&meter, &usage_point, self.roles.meter) {
            return Err(source.missing(self.layout));
        }
        let reading_type = self.reading_type(row)?;
        let kind = self.parsed(text(self.roles.kind)?, self.roles.kind, reading_kind)?;
        let interval_seconds = self
            .plan
            .interval_seconds
            .or(reading_type.interval_seconds());
        let kind = kind.unwrap_or(if interval_seconds.is_some() {
            ReadingKind::Interval
        } else {
            ReadingKind::Register
        });
        if self.plan.stamp == Stamp::Start
            && kind == ReadingKind::Interval
            && interval_seconds.is_none()
            && self.plan.wide.is_none()
        {
            let source = self.roles.reading_type.or(self.roles.at);
            let reason = format!(
                "`{reading_type}` has no measuring period, which time stamps of the start need: set `interval_seconds`"
            );
            return Err(source.map_or_else(
                || no_field(&reason),
                |source| source.fault(self.layout, reason.clone()),
            ));
        }
        let mut block = ReadingBlock::new(reading_type, kind);
        block.meter = meter.map(ObjectRef::by_mrid);
        block.usage_point = usage_point.map(ObjectRef::by_mrid);
        let series = Series::new(block, interval_seconds, row.place(), row.line());
        Ok(self.window.begin(&self.key, series))
    }

    fn reading_type<R: Row>(&mut self, row: &R) -> Result<ReadingType, Fault> {
        let Some(source) = self.roles.reading_type else {
            return Err(no_field("the mapping has no `reading_type`"));
        };
        let raw = source.raw(self.layout, row)?;
        let text = source.text_of(self.layout, row, &raw)?;
        if text.is_empty() {
            return Err(source.missing(self.layout));
        }
        if text != self.last_type.0.as_str() {
            let parsed = text.parse().map_err(|_| {
                source.fault(
                    self.layout,
                    Class::ReadingType.check(&text).err().unwrap_or_default(),
                )
            })?;
            self.last_type = (text.into_owned(), parsed);
        }
        Ok(self.last_type.1)
    }

    fn parsed<T>(
        &self,
        text: Option<String>,
        source: Option<&Source>,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, Fault> {
        let (Some(text), Some(source)) = (text, source) else {
            return Ok(None);
        };
        match parse(&text) {
            Some(value) => Ok(Some(value)),
            None => Err(source.fault(
                self.layout,
                source.class.check(&text).err().unwrap_or_default(),
            )),
        }
    }

    #[cold]
    fn detail<R: Row>(&mut self, row: &R) -> Result<Option<Box<ReadingDetail>>, Fault> {
        let text = |source: Option<&Source>| {
            source.map_or(Ok(None), |source| text_of(source, self.layout, row))
        };
        let detail = ReadingDetail {
            source: text(self.roles.source)?,
            reason: text(self.roles.reason)?,
            reported: match self.roles.reported {
                None => None,
                Some(source) => self.times.read(source, self.layout, row, &[])?,
            },
            period: None,
        };
        Ok((detail != ReadingDetail::default()).then(|| Box::new(detail)))
    }
}

/// Appends a part to the bytes that name a series, so that no two series have the same.
#[inline]
fn push_part(key: &mut Vec<u8>, cell: Cell<'_>) {
    let mut push = |bytes: &[u8]| {
        key.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
        key.extend_from_slice(bytes);
    };
    match cell {
        Cell::Text(bytes) => push(bytes),
        other => push(typed_text(other).as_bytes()),
    }
}

fn detail_bytes(detail: &ReadingDetail) -> usize {
    let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    size_of::<ReadingDetail>() + text(&detail.source) + text(&detail.reason)
}

fn no_field(reason: &str) -> Fault {
    Fault {
        field: "readings".to_owned(),
        code: "bad_value",
        reason: reason.to_owned(),
    }
}
