//! One row of a sheet.

use std::sync::Arc;

use hub_model::Place;
use mapping_tabular::{Cell, Charset, Row};

use crate::limits::MAX_COLUMNS;
use crate::value::Value;

/// A row with the cells that are not empty, by column.
#[derive(Debug, Default)]
pub(crate) struct SheetRow {
    pub(crate) cells: Vec<(u32, Value)>,
    /// Row number from 1.
    pub(crate) number: u64,
    pub(crate) sheet: Option<Arc<str>>,
    pub(crate) from_1904: bool,
}

impl SheetRow {
    /// Puts cells in the order of columns; of two in one place the later counts.
    pub(crate) fn settle(&mut self) {
        self.cells.retain(|(column, _)| *column < MAX_COLUMNS);
        if !self.cells.is_sorted_by(|a, b| a.0 < b.0) {
            self.cells.reverse();
            self.cells.sort_by_key(|(column, _)| *column);
            self.cells.dedup_by_key(|(column, _)| *column);
        }
    }

    /// The cells as column names.
    pub(crate) fn names(&self) -> Vec<String> {
        let width = self
            .cells
            .last()
            .map_or(0, |(column, _)| *column as usize + 1);
        let mut names = vec![String::new(); width];
        for (column, value) in &self.cells {
            names[*column as usize] = match value {
                Value::Text(text) => text.trim().to_owned(),
                Value::Number(number) => number.to_string(),
                Value::Bool(truth) => truth.to_string(),
                Value::Error(text) => (*text).to_owned(),
                Value::Date(_) | Value::TimeOfDay(_) => String::new(),
            };
        }
        names
    }
}

impl Row for SheetRow {
    fn cell(&self, column: usize) -> Cell<'_> {
        let Ok(at) = self
            .cells
            .binary_search_by_key(&column, |(column, _)| *column as usize)
        else {
            return Cell::Empty;
        };
        match &self.cells[at].1 {
            Value::Text(text) => Cell::Text(text.as_bytes()),
            Value::Number(number) => Cell::Number(*number),
            Value::Date(micros) => Cell::Date(*micros),
            Value::TimeOfDay(micros) => Cell::TimeOfDay(*micros),
            Value::Bool(truth) => Cell::Bool(*truth),
            Value::Error(text) => Cell::Error(text),
        }
    }

    fn width(&self) -> usize {
        self.cells
            .last()
            .map_or(0, |(column, _)| *column as usize + 1)
    }

    fn charset(&self) -> Charset {
        Charset::Utf8
    }

    fn line(&self) -> u64 {
        self.number
    }

    fn place(&self) -> Place {
        Place {
            offset: 0,
            line: self.number,
            sheet: self.sheet.clone(),
        }
    }

    fn counts_from_1904(&self) -> bool {
        self.from_1904
    }
}
