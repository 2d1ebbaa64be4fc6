//! A mapping bound to the columns that a payload really has.

use std::fmt;
use std::sync::Arc;

use hub_model::Zone;
use rustc_hash::FxHashMap;

use crate::Charset;
use crate::cell::{Cell, Row, shown};
use crate::mapping::{Mapping, Slot};

/// Marks a slot whose column is not there and need not be.
const ABSENT: usize = usize::MAX;

/// A mapping, a zone, and for each column that the mapping speaks of its place in the payload.
#[derive(Debug)]
pub struct Layout {
    mapping: Arc<Mapping>,
    zone: Zone,
    /// Slot to column.
    columns: Vec<usize>,
    /// Names in the header; empty if there is none.
    headers: Vec<String>,
    /// Normalised name to column.
    positions: FxHashMap<String, usize>,
    /// Texts that stand for nothing, as bytes of the payload.
    empty: Vec<Vec<u8>>,
}

/// The header does not have what the mapping needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderFault {
    /// Columns that are not there.
    pub missing: Vec<String>,
    /// Columns that are there more than once.
    pub repeated: Vec<String>,
    /// What is there.
    pub present: Vec<String>,
}

impl fmt::Display for HeaderFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST: usize = 40;
        if !self.missing.is_empty() {
            write!(f, "no column `{}`; ", named(&self.missing))?;
        }
        if !self.repeated.is_empty() {
            write!(f, "more than one column `{}`; ", named(&self.repeated))?;
        }
        let present = &self.present[..self.present.len().min(MOST)];
        write!(f, "the columns are `{}`", named(present))?;
        if self.present.len() > MOST {
            write!(f, " and {} more", self.present.len() - MOST)?;
        }
        Ok(())
    }
}

/// Names for a finding: a header that is none may hold whole letters.
fn named(columns: &[String]) -> String {
    let columns: Vec<String> = columns.iter().map(|name| shown(name.as_bytes())).collect();
    columns.join("`, `")
}

impl Layout {
    /// Binds a mapping to a header. Names match whatever their case and blanks.
    ///
    /// `zone` is the enterprise's; the mapping's own goes before it.
    ///
    /// # Errors
    /// A column is missing, or is there twice.
    pub fn bind(
        mapping: Arc<Mapping>,
        zone: &Zone,
        charset: Charset,
        header: Vec<String>,
    ) -> Result<Self, HeaderFault> {
        let mut positions = FxHashMap::default();
        let mut twice = Vec::new();
        for (at, name) in header.iter().enumerate() {
            let key = normal(name);
            if !key.is_empty() && *positions.entry(key.clone()).or_insert(at) != at {
                twice.push(key);
            }
        }
        let (mut columns, mut missing, mut repeated) = (Vec::new(), Vec::new(), Vec::new());
        for slot in mapping.slots() {
            let key = normal(&slot.column.to_string());
            let found = match &slot.column {
                crate::ColumnRef::Numbered(number) => {
                    Some(number - 1).filter(|at| *at < header.len())
                }
                crate::ColumnRef::Named(_) => positions.get(&key).copied(),
            };
            if twice.contains(&key) {
                repeated.push(slot.column.to_string());
            }
            if found.is_none() && !slot.optional {
                missing.push(slot.column.to_string());
            }
            columns.push(found.unwrap_or(ABSENT));
        }
        if !missing.is_empty() || !repeated.is_empty() {
            return Err(HeaderFault {
                missing,
                repeated,
                present: header,
            });
        }
        Ok(Self::new(
            mapping, zone, charset, columns, header, positions,
        ))
    }

    /// Binds a mapping of a table that has no header: columns are numbers or letters.
    #[must_use]
    pub fn positional(mapping: Arc<Mapping>, zone: &Zone, charset: Charset) -> Self {
        let place = |slot: &Slot| slot.column.position().unwrap_or(ABSENT);
        let columns = mapping.slots().iter().map(place).collect();
        Self::new(
            mapping,
            zone,
            charset,
            columns,
            Vec::new(),
            FxHashMap::default(),
        )
    }

    fn new(
        mapping: Arc<Mapping>,
        zone: &Zone,
        charset: Charset,
        columns: Vec<usize>,
        headers: Vec<String>,
        positions: FxHashMap<String, usize>,
    ) -> Self {
        let encoded = |text: &String| {
            let mut bytes = Vec::new();
            charset.encode(text, &mut bytes).ok().map(|()| bytes)
        };
        let empty = mapping.file().empty.iter().filter_map(encoded).collect();
        let zone = mapping
            .file()
            .zone
            .as_ref()
            .map_or_else(|| zone.clone(), |own| own.0.clone());
        Self {
            mapping,
            zone,
            columns,
            headers,
            positions,
            empty,
        }
    }

    /// The mapping.
    #[must_use]
    pub fn mapping(&self) -> &Arc<Mapping> {
        &self.mapping
    }

    /// The zone of local times.
    #[must_use]
    pub const fn zone(&self) -> &Zone {
        &self.zone
    }

    /// Names in the header; empty if there is none.
    #[must_use]
    pub fn headers(&self) -> &[String] {
        &self.headers
    }

    /// Cells that every row should have; `None` where no header says it.
    #[must_use]
    pub fn width(&self) -> Option<usize> {
        if self.headers.is_empty() {
            None
        } else {
            Some(self.headers.len())
        }
    }

    /// Whether the mapping reads any cell of this row.
    pub fn touches<R: Row>(&self, row: &R) -> bool {
        (0..row.width()).any(|column| self.trimmed(row, column) != Cell::Empty)
    }

    /// The column of a slot, if it is there.
    pub(crate) fn column(&self, slot: usize) -> Option<usize> {
        self.columns
            .get(slot)
            .copied()
            .filter(|column| *column != ABSENT)
    }

    /// The cell of a slot, trimmed; `Empty` if it stands for nothing.
    #[inline]
    pub(crate) fn cell<'r, R: Row>(&self, row: &'r R, slot: usize) -> Cell<'r> {
        self.trimmed(row, self.columns[slot])
    }

    /// The cell of a column, trimmed; `Empty` if it stands for nothing.
    #[inline]
    pub(crate) fn trimmed<'r, R: Row>(&self, row: &'r R, column: usize) -> Cell<'r> {
        match row.cell(column) {
            Cell::Text(bytes) => {
                let bytes = bytes.trim_ascii();
                let nothing = bytes.is_empty()
                    || (!self.empty.is_empty() && self.empty.iter().any(|empty| empty == bytes));
                if nothing {
                    Cell::Empty
                } else {
                    Cell::Text(bytes)
                }
            }
            cell => cell,
        }
    }

    /// The column with this name in the header.
    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        self.positions.get(&normal(name)).copied().or_else(|| {
            let column = crate::ColumnRef::Named(name.to_owned());
            column.position().filter(|_| self.headers.is_empty())
        })
    }

    /// Columns by their names: those of the header, and those that the mapping file calls them by.
    pub(crate) fn named_columns(&self) -> impl Iterator<Item = (String, usize)> + '_ {
        let own = self.headers.iter().cloned().zip(0..);
        let slots = self.mapping.slots().iter().enumerate();
        own.chain(slots.filter_map(|(at, slot)| Some((slot.column.to_string(), self.column(at)?))))
    }

    /// What to call a slot's column in a finding.
    pub(crate) fn slot_name(&self, slot: usize) -> String {
        let slot = self.mapping.slots().get(slot);
        slot.map_or_else(String::new, |slot| {
            shown(slot.column.to_string().as_bytes())
        })
    }

    /// What to call a column in a finding.
    pub(crate) fn column_name(&self, column: usize) -> String {
        self.headers.get(column).map_or_else(
            || format!("column {}", column + 1),
            |name| shown(name.as_bytes()),
        )
    }
}

/// Lower case, blanks collapsed: contractors retype headers.
fn normal(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for word in name.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.extend(word.chars().flat_map(char::to_lowercase));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn orders() -> Arc<Mapping> {
        let text = "record = \"work_order\"\n[work_order]\nnumber = \"Order No\"\ncomment = { column = \"Note\", required = false }\ntown = \"Town\"\n";
        Arc::new(Mapping::load(text).unwrap())
    }

    fn bind(names: &[&str]) -> Result<Layout, HeaderFault> {
        let header = names.iter().map(|name| (*name).to_owned()).collect();
        Layout::bind(orders(), &Zone::utc(), Charset::Utf8, header)
    }

    #[test]
    fn names_match_whatever_their_case_and_blanks() {
        let layout = bind(&["town", " ORDER\n  no "]).unwrap();
        let by_name = |name: &str| {
            layout
                .mapping()
                .slots()
                .iter()
                .position(|slot| slot.column.to_string() == name)
                .unwrap()
        };
        assert_eq!(layout.column(by_name("Order No")), Some(1));
        assert_eq!(layout.column(by_name("Note")), None);
        assert_eq!(layout.position("Order no"), Some(1));
    }

    #[test]
    fn says_what_is_missing_and_what_is_there() {
        let fault = bind(&["Order", "Town"]).unwrap_err();
        assert_eq!(
            fault.to_string(),
            "no column `Order No`; the columns are `Order`, `Town`"
        );
        let fault = bind(&["Order No", "Town", "town"]).unwrap_err();
        assert!(
            fault.to_string().starts_with("more than one column `Town`"),
            "{fault}"
        );
    }
    #[test]
    fn a_column_name_as_long_as_a_letter_is_cut() {
        let long = "x".repeat(100_000);
        let said = bind(&[&long, "Town"]).unwrap_err().to_string();
        let cut = format!("`{}…`, `Town`", "x".repeat(60));
        assert!(said.ends_with(&cut), "{said}");
        let layout = bind(&["Order No", "Town", &long]).unwrap();
        assert_eq!(layout.column_name(2).chars().count(), 61);
    }
}
