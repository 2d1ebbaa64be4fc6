//! One row of cells, and how a canonical value becomes the text of one.

use std::borrow::Cow;
use std::collections::HashMap;

use hub_model::mapping::Inexpressible;
use hub_model::{Decimal, Instant};

use crate::encode::RowWriter;
use crate::source::{Source, listed};

/// A canonical value to write.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value<'a> {
    Nothing,
    Text(Cow<'a, str>),
    Number(Decimal),
    Time(Instant),
}

impl<'a> Value<'a> {
    pub(crate) fn text(text: Option<&'a str>) -> Self {
        text.map_or(Self::Nothing, |text| Self::Text(Cow::Borrowed(text)))
    }

    pub(crate) fn time(at: Option<Instant>) -> Self {
        at.map_or(Self::Nothing, Self::Time)
    }

    /// As an expression sees it: our own form.
    fn canonical(&self) -> String {
        match self {
            Self::Nothing => String::new(),
            Self::Text(text) => text.to_string(),
            Self::Number(number) => number.to_string(),
            Self::Time(at) => at.to_string(),
        }
    }
}

/// The cells of one row, reused from row to row.
#[derive(Debug)]
pub(crate) struct RowCells {
    cells: Vec<Vec<u8>>,
}

impl RowCells {
    pub(crate) fn new(width: usize) -> Self {
        Self {
            cells: vec![Vec::new(); width],
        }
    }

    pub(crate) fn cells(&self) -> &[Vec<u8>] {
        &self.cells
    }

    pub(crate) fn clear(&mut self) {
        self.cells.iter_mut().for_each(Vec::clear);
    }

    /// Empties a cell and gives it for writing, adding columns where the row is too short.
    pub(crate) fn cell(&mut self, column: usize) -> &mut Vec<u8> {
        if column >= self.cells.len() {
            self.cells.resize(column + 1, Vec::new());
        }
        self.cells[column].clear();
        &mut self.cells[column]
    }
}

impl RowWriter {
    /// Writes one value into the column or columns of its field.
    pub(crate) fn put(
        &self,
        source: &Source,
        value: &Value<'_>,
        others: &dyn Fn(&str) -> Option<String>,
        row: &mut RowCells,
    ) -> Result<(), Inexpressible> {
        let Some(column) = source.written.and_then(|slot| self.column(slot)) else {
            return Ok(());
        };
        if let Some(expression) = &source.write {
            let own = |name: &str| others(name).map(Cow::Owned);
            let text =
                expression
                    .evaluate(&own, &HashMap::new)
                    .map_err(|reason| Inexpressible {
                        field: source.name,
                        reason,
                    })?;
            row.cell(column).extend(text.unwrap_or_default().bytes());
            return Ok(());
        }
        match value {
            Value::Nothing => row.cell(column).extend_from_slice(self.nothing()),
            Value::Text(text) => row.cell(column).extend(theirs(source, text)?.bytes()),
            Value::Number(number) => {
                self.number(source.name, *number, source.power_of_ten, row.cell(column))?
            }
            Value::Time(at) => self.time(source, *at, column, row),
        }
        Ok(())
    }

    /// The text that stands for a missing value.
    pub(crate) fn nothing(&self) -> &[u8] {
        self.mapping()
            .file
            .empty
            .first()
            .map_or(b"", String::as_bytes)
    }

    /// A number in the file's unit and form.
    pub(crate) fn number(
        &self,
        field: &'static str,
        number: Decimal,
        power: i32,
        out: &mut Vec<u8>,
    ) -> Result<(), Inexpressible> {
        let number = number
            .times_power_of_ten(-power)
            .ok_or_else(|| Inexpressible {
                field,
                reason: format!("`{number}` times 10^{} cannot be written exactly", -power),
            })?;
        number.write(out, self.mapping().file.numbers.decimal.byte());
        Ok(())
    }

    fn time(&self, source: &Source, at: Instant, column: usize, row: &mut RowCells) {
        let mut text = Vec::with_capacity(32);
        source.format.write(&mut text, at, &self.zone);
        let time_column = source.time_slot.and_then(|slot| self.column(slot));
        let split = text
            .iter()
            .position(|c| matches!(c, b' ' | b'T'))
            .filter(|_| time_column.is_some());
        match (split, time_column) {
            (Some(split), Some(time_column)) => {
                row.cell(time_column).extend_from_slice(&text[split + 1..]);
                row.cell(column).extend_from_slice(&text[..split]);
            }
            _ => row.cell(column).extend_from_slice(&text),
        }
    }
}

/// The partner's word for ours.
pub(crate) fn theirs<'a>(source: &'a Source, ours: &'a str) -> Result<&'a str, Inexpressible> {
    let Some(lookup) = &source.lookup else {
        return Ok(ours);
    };
    if let Some(theirs) = lookup.theirs.get(ours) {
        return Ok(theirs);
    }
    // An empty cell reads as the default.
    if source.default.as_deref().unwrap_or("") == ours {
        return Ok("");
    }
    Err(Inexpressible {
        field: source.name,
        reason: format!(
            "the lookup has no word for `{ours}`, expected {}",
            listed(lookup.theirs.keys())
        ),
    })
}

/// Our own forms of all values of a record, for expressions.
pub(crate) fn canonical_of<'v>(
    values: &'v [(&'static str, Value<'v>)],
) -> impl Fn(&str) -> Option<String> + 'v {
    |name| {
        values
            .iter()
            .find(|(field, _)| *field == name)
            .map(|(_, value)| value.canonical())
    }
}
