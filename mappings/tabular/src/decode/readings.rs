//! Rows of readings: one reading a row, or a day of them.

use hub_model::mapping::{Halt, Records};
use hub_model::{
    Decimal, LocalDay, ObjectRef, QualityCode, QualitySet, Reading, ReadingBlock, ReadingDetail,
    ReadingKind, ReadingQuality, ReadingType,
};
use rustc_hash::FxHashMap;

use crate::cell::{Cell, DAY_MICROS, Row, shown, typed_text};
use crate::decode::fields::{number_from, text_of};
use crate::decode::finding;
use crate::decode::times::TimeReader;
use crate::decode::window::{Series, Window};
use crate::grid::{GridCell, WidePlan};
use crate::header::Layout;
use crate::mapping::ReadingsPlan;
use crate::number::read_number;
use crate::source::{Class, Fault, Origin, Raw, Source, reading_kind};
use crate::tables::{EmptyValue, Stamp};
use crate::time_format;

/// Distinct qualities of a file; partners have a handful. More would make each look-up slow.
const MAX_QUALITY_WORDS: usize = 4_096;

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

/// The fields of readings, found once.
struct Roles<'l> {
    meter: Option<&'l Source>,
    usage_point: Option<&'l Source>,
    reading_type: Option<&'l Source>,
    kind: Option<&'l Source>,
    at: Option<&'l Source>,
    value: Option<&'l Source>,
    quality: Option<&'l Source>,
    day: Option<&'l Source>,
    reported: Option<&'l Source>,
    source: Option<&'l Source>,
    reason: Option<&'l Source>,
    has_detail: bool,
    /// What tells one series from another.
    naming: Vec<&'l Source>,
}

impl<'l> Roles<'l> {
    fn of(layout: &'l Layout) -> Self {
        let find = |name| layout.mapping().field(name);
        let naming = ["meter", "usage_point", "reading_type", "kind"];
        let mut roles = Self {
            meter: find("meter"),
            usage_point: find("usage_point"),
            reading_type: find("reading_type"),
            kind: find("kind"),
            at: find("at"),
            value: find("value"),
            quality: find("quality"),
            day: find("day"),
            reported: find("reported"),
            source: find("source"),
            reason: find("reason"),
            has_detail: false,
            naming: naming
                .into_iter()
                .filter_map(find)
                .filter(|source| !matches!(source.origin, Origin::Constant(_)))
                .collect(),
        };
        roles.has_detail = roles.reported.or(roles.source).or(roles.reason).is_some();
        roles
    }
}

/// Quality words met so far, and the sets they stand for.
struct Qualities {
    /// The set with no judgement is the first.
    sets: Vec<QualitySet>,
    words: FxHashMap<Box<[u8]>, u32>,
    last_word: Vec<u8>,
    last: u32,
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
            qualities: Qualities {
                sets: vec![Vec::new()],
                words: FxHashMap::default(),
                last_word: Vec::new(),
                last: 0,
            },
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

    /// How many values a wide row holds: that many are rejected with it.
    fn values_in<R: Row>(&self, wide: &WidePlan, row: &R) -> u64 {
        let Some(first) = self.layout.column(wide.first) else {
            return 1;
        };
        let filled = (0..usize::from(wide.count))
            .filter(|index| {
                self.layout
                    .trimmed(row, first + index * usize::from(wide.step))
                    != Cell::Empty
            })
            .count();
        (filled as u64).max(1)
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

    /// The quality set of a cell, by its number in [`Qualities::sets`].
    #[inline]
    fn quality<R: Row>(&mut self, source: &Source, cell: Cell<'_>, row: &R) -> Result<u32, Fault> {
        if let Cell::Text(word) = cell {
            if word == self.qualities.last_word {
                return Ok(self.qualities.last);
            }
            if let Some(id) = self.qualities.words.get(word) {
                self.qualities.last_word.clear();
                self.qualities.last_word.extend_from_slice(word);
                self.qualities.last = *id;
                return Ok(*id);
            }
        }
        let raw = match (&source.origin, cell) {
            (Origin::Constant(_) | Origin::Expression(_), _) => source.raw(self.layout, row)?,
            (_, Cell::Empty) => source.translated(self.layout, row, Raw::Nothing)?,
            (_, Cell::Error(_)) => source.raw(self.layout, row)?,
            (_, cell) => source.translated(self.layout, row, Raw::Cell(cell))?,
        };
        let text = source.text_of(self.layout, row, &raw)?.into_owned();
        Class::Quality
            .check(&text)
            .map_err(|reason| source.fault(self.layout, reason))?;
        let id = self
            .qualities
            .id_of(&text)
            .ok_or_else(|| too_many_qualities(Some(source), self.layout))?;
        if let (Cell::Text(word), true) = (cell, self.qualities.words.len() < MAX_QUALITY_WORDS) {
            self.qualities.words.insert(word.into(), id);
        }
        Ok(id)
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

    fn wide<R: Row>(
        &mut self,
        wide: &'l WidePlan,
        row: &R,
        out: &mut dyn Records,
    ) -> Result<Result<(), Fault>, Halt> {
        let begun = self
            .series(row)
            .and_then(|series| Ok((series, self.day(row)?)));
        let (series, day) = match begun {
            Ok(begun) => begun,
            Err(fault) => return Ok(Err(fault)),
        };
        let cells = match self.grid.take() {
            Some((known, cells)) if known == day => cells,
            _ => wide.cells(day, &mut self.times.clock),
        };
        for cell in &cells {
            if let Err(fault) = self.wide_value(wide, *cell, series, row) {
                out.finding(finding(fault, row.place(), 1))?;
            }
        }
        for fault in self.beyond(wide, &cells, day, row) {
            out.finding(finding(fault, row.place(), 1))?;
        }
        self.grid = Some((day, cells));
        Ok(Ok(()))
    }

    fn day<R: Row>(&self, row: &R) -> Result<LocalDay, Fault> {
        let Some(source) = self.roles.day else {
            return Err(no_field("the mapping has no `day`"));
        };
        let stamp = self
            .times
            .stamp(source, self.layout, row)?
            .ok_or_else(|| source.missing(self.layout))?;
        let local = match stamp {
            time_format::Stamp::Local(local) => local,
            time_format::Stamp::Fixed(at) => return Ok(self.times.clock.zone().day_of(at)),
        };
        i32::try_from(local.div_euclid(DAY_MICROS))
            .map(LocalDay)
            .map_err(|_| source.missing(self.layout))
    }

    fn wide_value<R: Row>(
        &mut self,
        wide: &WidePlan,
        cell: GridCell,
        series: usize,
        row: &R,
    ) -> Result<(), Fault> {
        let column = self.wide_column(wide, cell.index, cell.repeated);
        let value = match self.layout.trimmed(row, column) {
            Cell::Empty => self.empty(|| {
                column_fault(
                    self.layout,
                    column,
                    "is empty, expected a number".to_owned(),
                )
            })?,
            Cell::Error(text) => {
                return Err(column_fault(
                    self.layout,
                    column,
                    format!("is the error `{text}` of the workbook, expected a number"),
                ));
            }
            found => Some(Some(self.wide_number(
                found,
                wide.power_of_ten,
                column,
                row,
            )?)),
        };
        let Some(value) = value else {
            return Ok(());
        };
        let quality = match (self.roles.quality, wide.quality) {
            (None, _) => 0,
            (Some(source), None) => {
                let own = match source.origin {
                    Origin::Column(slot) => self.layout.cell(row, slot),
                    _ => Cell::Empty,
                };
                self.quality(source, own, row)?
            }
            (Some(source), Some(slot)) => {
                let layout = self.layout;
                let first = layout.column(wide.first).unwrap_or(0);
                let run = layout.column(slot).unwrap_or(0);
                let shift = wide.quality_shift(cell.repeated, first, run);
                let column = column.saturating_add_signed(shift);
                // The field stands for many columns: say which.
                self.quality(source, layout.trimmed(row, column), row)
                    .map_err(|fault| Fault {
                        field: layout.column_name(column),
                        ..fault
                    })?
            }
        };
        let target = self.window.series(series);
        let quality = index_of(target, quality, &self.qualities.sets)
            .ok_or_else(|| too_many_qualities(self.roles.quality, self.layout))?;
        let line = target.line_of(row.line());
        self.window.push(
            series,
            Reading {
                at: cell.end,
                value,
                quality,
                line,
                detail: None,
            },
            0,
        );
        Ok(())
    }

    fn wide_number<R: Row>(
        &self,
        cell: Cell<'_>,
        power: i32,
        column: usize,
        row: &R,
    ) -> Result<Decimal, Fault> {
        read_number(
            cell,
            row.charset(),
            &self.layout.mapping().file().numbers,
            power,
        )
        .map_err(|reason| column_fault(self.layout, column, reason))
    }

    fn wide_column(&self, wide: &WidePlan, index: u16, repeated: bool) -> usize {
        let slot = if repeated {
            wide.repeated.unwrap_or(wide.first)
        } else {
            wide.first
        };
        self.layout.column(slot).unwrap_or(0) + usize::from(index) * usize::from(wide.step)
    }

    /// Values in columns that the day does not have.
    fn beyond<R: Row>(
        &self,
        wide: &WidePlan,
        cells: &[GridCell],
        day: LocalDay,
        row: &R,
    ) -> Vec<Fault> {
        let repeated = if wide.repeated.is_some() {
            wide.repeated_count()
        } else {
            0
        };
        if cells.len() == usize::from(wide.count) + usize::from(repeated) {
            return Vec::new();
        }
        let all = (0..wide.count)
            .map(|index| (index, false))
            .chain((0..repeated).map(|index| (index, true)));
        let mut faults = Vec::new();
        let mut expected = cells
            .iter()
            .map(|cell| (cell.index, cell.repeated))
            .collect::<Vec<_>>();
        expected.sort_unstable_by_key(|(index, repeated)| (*repeated, *index));
        for place in all {
            if expected
                .binary_search_by_key(&(place.1, place.0), |(index, repeated)| (*repeated, *index))
                .is_ok()
            {
                continue;
            }
            let column = self.wide_column(wide, place.0, place.1);
            let cell = self.layout.trimmed(row, column);
            if cell != Cell::Empty {
                let reason = format!(
                    "`{}` stands in a column that {day} does not have in {}, expected it empty",
                    shown(typed_text(cell).as_bytes()),
                    self.times.clock.zone().name()
                );
                faults.push(column_fault(self.layout, column, reason));
            }
        }
        faults
    }
}

impl Qualities {
    /// The number of the set of these codes, new if it has not been met; `None` if too many were.
    fn id_of(&mut self, codes: &str) -> Option<u32> {
        let set: QualitySet = codes
            .split_ascii_whitespace()
            .filter_map(|code| code.parse::<QualityCode>().ok())
            .map(ReadingQuality::of)
            .collect();
        if let Some(at) = self.sets.iter().position(|known| *known == set) {
            return u32::try_from(at).ok();
        }
        if self.sets.len() >= MAX_QUALITY_WORDS {
            return None;
        }
        self.sets.push(set);
        u32::try_from(self.sets.len() - 1).ok()
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

#[inline]
fn index_of(series: &mut Series, id: u32, sets: &[QualitySet]) -> Option<u16> {
    series.quality(id, sets.get(id as usize)?)
}

fn detail_bytes(detail: &ReadingDetail) -> usize {
    let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    size_of::<ReadingDetail>() + text(&detail.source) + text(&detail.reason)
}

fn column_fault(layout: &Layout, column: usize, reason: String) -> Fault {
    Fault {
        field: layout.column_name(column),
        code: "bad_value",
        reason,
    }
}

fn no_field(reason: &str) -> Fault {
    Fault {
        field: "readings".to_owned(),
        code: "bad_value",
        reason: reason.to_owned(),
    }
}

fn too_many_qualities(source: Option<&Source>, layout: &Layout) -> Fault {
    let reason =
        format!("is one more than the {MAX_QUALITY_WORDS} different qualities a file can have");
    source.map_or_else(
        || no_field(&reason),
        |source| source.fault(layout, reason.clone()),
    )
}
