//! One row of a message: what each of its columns has, and in which segment it stands.

use std::borrow::Cow;

use hub_model::mapping::{Halt, Records};
use hub_model::{Finding, Place, Record};
use mapping_tabular::{Cell, Charset, Row};

use crate::definition::Definitions;
use crate::find::Finder;
use crate::idoc::Idoc;
use crate::plan::Message;

/// The values of one record, by column.
pub(super) struct IdocRow<'i> {
    values: Vec<(Option<u32>, Cow<'i, str>)>,
    place: Place,
}

impl<'i> IdocRow<'i> {
    /// The values as they are seen from `scope`.
    pub(super) fn new(
        message: &Message,
        idoc: &'i Idoc,
        definitions: &'i Definitions,
        finder: &mut Finder<'i>,
        scope: Option<u32>,
    ) -> Self {
        let value = |(column, path): (usize, &crate::path::FieldPath)| {
            let node = finder.one(column, &path.segment, scope);
            let value = node.map_or(Cow::Borrowed(""), |node| {
                idoc.value(definitions, node, path.field)
            });
            (node, value)
        };
        Self {
            values: message.paths.iter().enumerate().map(value).collect(),
            place: idoc.place(scope.unwrap_or(0)),
        }
    }
}

impl Row for IdocRow<'_> {
    #[inline]
    fn cell(&self, column: usize) -> Cell<'_> {
        match self.values.get(column) {
            Some((_, value)) if !value.is_empty() => Cell::Text(value.as_bytes()),
            _ => Cell::Empty,
        }
    }

    fn width(&self) -> usize {
        self.values.len()
    }

    fn charset(&self) -> Charset {
        Charset::Utf8
    }

    fn line(&self) -> u64 {
        self.place.line
    }

    fn place(&self) -> Place {
        self.place.clone()
    }
}

/// Puts findings of a row at the segment that has the value.
pub(super) struct Placed<'r, 'i> {
    pub(super) row: &'r IdocRow<'i>,
    pub(super) idoc: &'r Idoc,
    pub(super) header: &'r [String],
    pub(super) out: &'r mut dyn Records,
}

impl Records for Placed<'_, '_> {
    fn record(&mut self, place: Place, record: Record) -> Result<(), Halt> {
        self.out.record(place, record)
    }

    fn finding(&mut self, mut finding: Finding) -> Result<(), Halt> {
        let column = finding
            .field
            .as_ref()
            .and_then(|field| self.header.iter().position(|name| name == field));
        if let Some((Some(node), _)) = column.and_then(|column| self.row.values.get(column)) {
            finding.place = self.idoc.place(*node);
        }
        self.out.finding(finding)
    }
}
