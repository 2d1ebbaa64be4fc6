//! Blocks of readings: one row each, or one row a local day.

use std::borrow::Cow;
use std::collections::BTreeMap;

use hub_model::mapping::Inexpressible;
use hub_model::{Instant, LocalDay, ObjectRef, Reading, ReadingBlock, ReadingKind, ReadingQuality};

use crate::TimeFormat;
use crate::clock::LocalClock;
use crate::encode::cells::{RowCells, Value, canonical_of, theirs};
use crate::encode::{EmitRow, RowWriter};
use crate::grid::{GridCell, WidePlan};
use crate::source::Source;
use crate::tables::Stamp;

/// One row a reading.
pub(crate) fn narrow(
    writer: &RowWriter,
    block: &ReadingBlock,
    row: &mut RowCells,
    emit: &mut EmitRow<'_>,
) -> Result<(), Inexpressible> {
    let mut clock = LocalClock::new(writer.zone.clone());
    let plan = &writer.mapping().plan.readings;
    let interval = plan
        .interval_seconds
        .or(block.reading_type.interval_seconds());
    for reading in &block.readings {
        row.clear();
        let at = match (plan.stamp, block.kind) {
            (Stamp::Start, ReadingKind::Interval) => before(&mut clock, reading.at, interval)?,
            _ => reading.at,
        };
        let mut values = block_values(block);
        values.extend(reading_values(block, reading, at));
        put_all(writer, &values, row)?;
        emit(row.cells())?;
    }
    Ok(())
}

fn put_all(
    writer: &RowWriter,
    values: &[(&'static str, Value<'_>)],
    row: &mut RowCells,
) -> Result<(), Inexpressible> {
    let others = canonical_of(values);
    for (name, value) in values.iter().rev() {
        if let Some(source) = writer.mapping().field(name) {
            writer.put(source, value, &others, row)?;
        }
    }
    Ok(())
}

fn block_values(block: &ReadingBlock) -> Vec<(&'static str, Value<'_>)> {
    let kind = match block.kind {
        ReadingKind::Interval => "interval",
        ReadingKind::Register => "register",
    };
    vec![
        (
            "meter",
            Value::text(block.meter.as_ref().and_then(ObjectRef::id)),
        ),
        (
            "usage_point",
            Value::text(block.usage_point.as_ref().and_then(ObjectRef::id)),
        ),
        (
            "reading_type",
            Value::Text(Cow::Owned(block.reading_type.to_string())),
        ),
        ("kind", Value::Text(Cow::Borrowed(kind))),
    ]
}

fn reading_values<'b>(
    block: &'b ReadingBlock,
    reading: &'b Reading,
    at: Instant,
) -> Vec<(&'static str, Value<'b>)> {
    let detail = reading.detail.as_deref();
    vec![
        ("at", Value::Time(at)),
        ("value", reading.value.map_or(Value::Nothing, Value::Number)),
        (
            "quality",
            Value::Text(Cow::Owned(codes(block.qualities_of(reading)))),
        ),
        (
            "reported",
            Value::time(detail.and_then(|detail| detail.reported)),
        ),
        (
            "source",
            Value::text(detail.and_then(|detail| detail.source.as_deref())),
        ),
        (
            "reason",
            Value::text(detail.and_then(|detail| detail.reason.as_deref())),
        ),
    ]
}

/// The codes of a set of qualities, as one text.
pub(crate) fn codes(set: &[ReadingQuality]) -> String {
    let codes: Vec<String> = set.iter().map(|quality| quality.code.to_string()).collect();
    codes.join(" ")
}

/// The first instant of an interval; the day before, for calendar days.
fn before(
    clock: &mut LocalClock,
    end: Instant,
    interval: Option<u32>,
) -> Result<Instant, Inexpressible> {
    let seconds = interval.ok_or_else(|| Inexpressible {
        field: "at",
        reason: "the reading type has no measuring period, which time stamps of the start need"
            .to_owned(),
    })?;
    Ok(clock.moved(end, -i64::from(seconds)))
}

/// One row a day: readings must lie on the grid of the day's columns.
pub(crate) fn wide(
    writer: &RowWriter,
    wide: &WidePlan,
    block: &ReadingBlock,
    row: &mut RowCells,
    emit: &mut EmitRow<'_>,
) -> Result<(), Inexpressible> {
    let mut clock = LocalClock::new(writer.zone.clone());
    let mut days: BTreeMap<LocalDay, Vec<&Reading>> = BTreeMap::new();
    for reading in &block.readings {
        days.entry(wide.day_of(reading.at, &clock))
            .or_default()
            .push(reading);
    }
    for (day, readings) in days {
        let grid = wide.cells(day, &mut clock);
        row.clear();
        let mut values = block_values(block);
        values.push(("day", day_value(writer, day, clock.zone().bounds(day).0)));
        if wide.quality.is_none() && writer.mapping().field("quality").is_some() {
            values.push((
                "quality",
                Value::Text(Cow::Owned(one_quality(block, &readings)?)),
            ));
        }
        put_all(writer, &values, row)?;
        if !writer.nothing().is_empty() {
            grid.iter()
                .try_for_each(|cell| put_nothing(writer, wide, *cell, row))?;
        }
        for reading in readings {
            let cell = grid
                .iter()
                .find(|cell| cell.end == reading.at)
                .ok_or_else(|| off_grid(reading, day, wide))?;
            put_reading(writer, wide, *cell, block, reading, row)?;
        }
        emit(row.cells())?;
    }
    Ok(())
}

/// A day is a date: in the ISO forms without a time, which would be that of another day in UTC.
fn day_value(writer: &RowWriter, day: LocalDay, midnight: Instant) -> Value<'static> {
    let format = writer.mapping().field("day").map(|source| &source.format);
    match format {
        Some(TimeFormat::Iso | TimeFormat::IsoLocal) => Value::Text(Cow::Owned(day.to_string())),
        _ => Value::Time(midnight),
    }
}

fn off_grid(reading: &Reading, day: LocalDay, wide: &WidePlan) -> Inexpressible {
    Inexpressible {
        field: "at",
        reason: format!(
            "`{}` has no column on {day}, expected ends of intervals of {} seconds",
            reading.at, wide.interval_seconds
        ),
    }
}

/// Where a row has one quality, all its readings must have it.
fn one_quality(block: &ReadingBlock, readings: &[&Reading]) -> Result<String, Inexpressible> {
    let first = readings
        .first()
        .map_or_else(String::new, |reading| codes(block.qualities_of(reading)));
    match readings
        .iter()
        .find(|reading| codes(block.qualities_of(reading)) != first)
    {
        None => Ok(first),
        Some(other) => Err(mixed_qualities(&codes(block.qualities_of(other)), &first)),
    }
}

/// Why a reading cannot stand in a row that has another quality.
pub(crate) fn mixed_qualities(own: &str, of_row: &str) -> Inexpressible {
    Inexpressible {
        field: "quality",
        reason: format!(
            "`{own}` and `{of_row}` stand in one row that has a single quality: map `first_quality_column`"
        ),
    }
}

fn columns_of(
    writer: &RowWriter,
    wide: &WidePlan,
    cell: GridCell,
) -> Result<(usize, Option<usize>), Inexpressible> {
    let no_column = || Inexpressible {
        field: "at",
        reason: "the repeated hour has no columns".to_owned(),
    };
    let first = writer.column(wide.first).ok_or_else(no_column)?;
    let run = if cell.repeated {
        wide.repeated
            .and_then(|slot| writer.column(slot))
            .ok_or_else(no_column)?
    } else {
        first
    };
    let value = run + usize::from(cell.index) * usize::from(wide.step);
    let quality = wide
        .quality
        .and_then(|slot| writer.column(slot))
        .map(|quality| {
            value.saturating_add_signed(wide.quality_shift(cell.repeated, first, quality))
        });
    Ok((value, quality))
}

fn put_nothing(
    writer: &RowWriter,
    wide: &WidePlan,
    cell: GridCell,
    row: &mut RowCells,
) -> Result<(), Inexpressible> {
    let (column, _) = columns_of(writer, wide, cell)?;
    row.cell(column).extend_from_slice(writer.nothing());
    Ok(())
}

fn put_reading(
    writer: &RowWriter,
    wide: &WidePlan,
    cell: GridCell,
    block: &ReadingBlock,
    reading: &Reading,
    row: &mut RowCells,
) -> Result<(), Inexpressible> {
    let (column, quality_column) = columns_of(writer, wide, cell)?;
    let out = row.cell(column);
    match reading.value {
        None => out.extend_from_slice(writer.nothing()),
        Some(value) => writer.number("value", value, wide.power_of_ten, out)?,
    }
    let quality: Option<&Source> = writer.mapping().field("quality");
    if let (Some(column), Some(source)) = (quality_column, quality) {
        let codes = codes(block.qualities_of(reading));
        let theirs = theirs(source, &codes)?.to_owned();
        row.cell(column).extend(theirs.bytes());
    }
    Ok(())
}
