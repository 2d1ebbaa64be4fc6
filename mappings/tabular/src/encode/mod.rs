//! From canonical records to rows of text, by the same mapping file that reads them.

mod cells;
mod clashes;
mod readings;
mod records;

use std::sync::Arc;

use hub_model::mapping::Inexpressible;
use hub_model::{ReadingBlock, Record, RecordKind, Zone};

use crate::file::RecordName;
use crate::mapping::Mapping;
use crate::setting::MAX_COLUMNS;

pub(crate) use cells::RowCells;

/// Takes the cells of one row, in UTF-8. What it refuses ends the writing.
pub type EmitRow<'e> = dyn FnMut(&[Vec<u8>]) -> Result<(), Inexpressible> + 'e;

/// Writes records as rows.
///
/// - Shape: a record gives one row; a block of readings one row each, or one row a local day.
/// - Columns: those that fields name with `column`; constants and fields without a column are not
///   written. Lookups are used backwards.
/// - Missing values: the first of the mapping's `empty` markers, or an empty cell.
/// - Cells are UTF-8 without quoting: putting them into a file is the format's business.
#[derive(Debug, Clone)]
pub struct RowWriter {
    mapping: Arc<Mapping>,
    zone: Zone,
    /// Slot to column of the written table.
    columns: Vec<Option<usize>>,
    header: Vec<String>,
}

impl RowWriter {
    /// A writer for local times in the mapping's zone, or else in `zone`.
    #[must_use]
    pub fn new(mapping: Arc<Mapping>, zone: &Zone) -> Self {
        let zone = mapping
            .file
            .zone
            .as_ref()
            .map_or_else(|| zone.clone(), |own| own.0.clone());
        let (columns, header) = if mapping.file.csv.header {
            named_columns(&mapping)
        } else {
            numbered_columns(&mapping)
        };
        Self {
            mapping,
            zone,
            columns,
            header,
        }
    }

    /// The mapping.
    #[must_use]
    pub fn mapping(&self) -> &Arc<Mapping> {
        &self.mapping
    }

    /// Names of the columns; empty if the mapping says that there is no header row.
    #[must_use]
    pub fn header(&self) -> &[String] {
        if self.mapping.file.csv.header {
            &self.header
        } else {
            &[]
        }
    }

    /// The kind of record it writes.
    #[must_use]
    pub fn writes(&self) -> &'static [RecordKind] {
        match self.mapping.record() {
            RecordName::Readings => &[RecordKind::Readings],
            RecordName::WorkOrder => &[RecordKind::WorkOrder],
            RecordName::EndDevice => &[RecordKind::EndDevice],
            RecordName::UsagePoint => &[RecordKind::UsagePoint],
            RecordName::EndDeviceEvent => &[RecordKind::EndDeviceEvent],
        }
    }

    /// Writes the rows of a record, one call of `emit` each.
    ///
    /// # Errors
    /// A value has no form in this layout; rows before it may have been emitted.
    pub fn rows(&self, record: &Record, emit: &mut EmitRow<'_>) -> Result<(), Inexpressible> {
        let mut row = RowCells::new(self.header.len());
        match (record, self.mapping.record()) {
            (Record::Readings(block), RecordName::Readings) => {
                match &self.mapping.plan.readings.wide {
                    None => readings::narrow(self, block, &mut row, emit),
                    Some(wide) => readings::wide(self, wide, block, &mut row, emit),
                }
            }
            (Record::WorkOrder(order), RecordName::WorkOrder) => records::write(
                self,
                &records::work_order(order),
                &order.attributes,
                &mut row,
                emit,
            ),
            (Record::EndDevice(device), RecordName::EndDevice) => records::write(
                self,
                &records::end_device(device),
                &device.attributes,
                &mut row,
                emit,
            ),
            (Record::UsagePoint(point), RecordName::UsagePoint) => {
                records::write(self, &records::usage_point(point), &[], &mut row, emit)
            }
            (Record::EndDeviceEvent(event), RecordName::EndDeviceEvent) => {
                records::write(self, &records::event(event), &event.details, &mut row, emit)
            }
            (other, expected) => Err(Inexpressible {
                field: "record",
                reason: format!(
                    "is a {:?}, expected one of the kind `{}`",
                    other.kind(),
                    expected.as_str()
                ),
            }),
        }
    }

    /// Readings that [`Self::rows`] can write alone but not beside the others of their block, by
    /// position, with the reason: of a day's row with a single quality those that have not the
    /// quality of most.
    #[must_use]
    pub fn clashes(&self, block: &ReadingBlock) -> Vec<(usize, Inexpressible)> {
        match &self.mapping.plan.readings.wide {
            Some(wide) if wide.quality.is_none() && self.mapping.field("quality").is_some() => {
                clashes::of_quality(wide, &self.zone, block)
            }
            _ => Vec::new(),
        }
    }

    /// The column that a slot is written to.
    pub(crate) fn column(&self, slot: usize) -> Option<usize> {
        self.columns.get(slot).copied().flatten()
    }
}

/// Columns in the order of `csv.columns`, or of the fields; runs of a wide row are spelt out.
fn named_columns(mapping: &Mapping) -> (Vec<Option<usize>>, Vec<String>) {
    let mut header: Vec<String> = mapping.file.csv.columns.clone();
    let mut place = |name: String| match header.iter().position(|known| *known == name) {
        Some(at) => at,
        None => {
            header.push(name);
            header.len() - 1
        }
    };
    let wide = mapping.plan.readings.wide.as_ref();
    let runs = [
        wide.map(|w| w.first),
        wide.and_then(|w| w.quality),
        wide.and_then(|w| w.repeated),
    ];
    let is_run = |slot: usize| runs.contains(&Some(slot));
    let mut columns: Vec<Option<usize>> = mapping
        .slots()
        .iter()
        .enumerate()
        .map(|(slot, column)| (!is_run(slot)).then(|| place(column.column.to_string())))
        .collect();
    if let Some(wide) = wide {
        let name = |slot: usize| mapping.slots()[slot].column.to_string();
        let at = header.len();
        columns[wide.first] = Some(at);
        header.extend(run_names(
            wide.count,
            wide.step,
            &name(wide.first),
            |index| wide.label(index),
        ));
        if let Some(slot) = wide.quality {
            let shift = if wide.step > 1 {
                1
            } else {
                usize::from(wide.count)
            };
            columns[slot] = Some(at + shift);
            for index in 0..wide.count {
                let column = at + shift + usize::from(index) * usize::from(wide.step);
                header.resize(header.len().max(column + 1), String::new());
                header[column] = if index == 0 {
                    name(slot)
                } else {
                    format!("Q {}", wide.label(index))
                };
            }
        }
        if let Some(slot) = wide.repeated {
            let at = header.len();
            columns[slot] = Some(at);
            let count = wide.repeated_count();
            header.extend(run_names(count, wide.step, &name(slot), |index| {
                format!("repeated {}", index + 1)
            }));
            if wide.quality.is_some() {
                let shift = if wide.step > 1 { 1 } else { usize::from(count) };
                for index in 0..count {
                    let column = at + shift + usize::from(index) * usize::from(wide.step);
                    header.resize(header.len().max(column + 1), String::new());
                    header[column] = format!("Q repeated {}", index + 1);
                }
            }
        }
    }
    (columns, header)
}

/// The first name as the mapping has it, the others by their label, blanks between with `step`.
fn run_names(count: u16, step: u16, first: &str, label: impl Fn(u16) -> String) -> Vec<String> {
    let mut names = Vec::new();
    for index in 0..count {
        names.push(if index == 0 {
            first.to_owned()
        } else {
            label(index)
        });
        names.extend((1..step).map(|_| String::new()));
    }
    names
}

/// Columns where the mapping says; the width is that of the last.
fn numbered_columns(mapping: &Mapping) -> (Vec<Option<usize>>, Vec<String>) {
    let columns: Vec<Option<usize>> = mapping
        .slots()
        .iter()
        .map(|slot| slot.column.position())
        .collect();
    let mut width = columns.iter().flatten().max().map_or(0, |last| last + 1);
    if let Some(wide) = &mapping.plan.readings.wide {
        for (slot, count) in [
            (Some(wide.first), wide.count),
            (wide.quality, wide.count),
            (wide.repeated, wide.repeated_count()),
        ] {
            let last = slot
                .and_then(|slot| columns[slot])
                .map(|first| first + usize::from(count) * usize::from(wide.step));
            width = width.max(last.unwrap_or(0));
        }
    }
    (columns, vec![String::new(); width.min(2 * MAX_COLUMNS)])
}
