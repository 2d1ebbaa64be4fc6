//! Rows that hold the readings of a day, one a column.

use hub_model::mapping::{Halt, Records};
use hub_model::{Decimal, LocalDay, Reading};

use super::qualities::{index_of, too_many_qualities};
use super::{ReadingsDecoder, no_field};
use crate::cell::{Cell, DAY_MICROS, Row, shown, typed_text};
use crate::decode::finding;
use crate::grid::{GridCell, WidePlan};
use crate::header::Layout;
use crate::number::read_number;
use crate::source::{Fault, Origin};
use crate::time_format;

impl<'l> ReadingsDecoder<'l> {
    /// Takes a row in; the inner error is one that refuses all of it.
    pub(super) fn wide<R: Row>(
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

    /// How many values a wide row holds: that many are rejected with it.
    pub(super) fn values_in<R: Row>(&self, wide: &WidePlan, row: &R) -> u64 {
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
}

fn column_fault(layout: &Layout, column: usize, reason: String) -> Fault {
    Fault {
        field: layout.column_name(column),
        code: "bad_value",
        reason,
    }
}
