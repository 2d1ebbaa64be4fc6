//! The segments of one IDoc that is written, with the values of their fields.

use std::borrow::Cow;
use std::hash::Hasher;

use hub_model::mapping::{Envelope, Inexpressible};
use hub_model::{Instant, Zone};
use rustc_hash::FxHasher;

use crate::definition::{CONTROL_RECORD, Definitions, FieldDef, Segment};
use crate::file::DocumentNumber;
use crate::plan::{Part, Value, WritePlan};

/// A segment as it is written, in document order.
#[derive(Debug)]
pub(super) struct OutSegment<'d> {
    pub(super) definition: &'d Segment,
    /// How many segments it stands below.
    pub(super) depth: usize,
    /// Position of the segment that it stands below, among those after the control record, from 1; 0
    /// for none.
    pub(super) parent: usize,
    /// Fields that have a value, in their order.
    pub(super) fields: Vec<(&'d FieldDef, String)>,
}

/// What the IDocs of one document share.
pub(super) struct Document<'e> {
    pub(super) definitions: &'e Definitions,
    pub(super) plan: &'e WritePlan,
    pub(super) zone: &'e Zone,
    pub(super) envelope: &'e Envelope,
}

impl<'e> Document<'e> {
    /// The segments of an IDoc with these rows: what does not repeat is that of the first.
    pub(super) fn segments(
        &self,
        rows: &[Vec<Vec<u8>>],
    ) -> Result<Vec<OutSegment<'e>>, Inexpressible> {
        let mut segments = vec![OutSegment {
            definition: self.definitions.get(self.control_record()),
            depth: 0,
            parent: 0,
            fields: Vec::new(),
        }];
        self.below(None, 0, rows, &mut segments)?;
        segments[0].fields = self.control(&segments[1..])?;
        Ok(segments)
    }

    /// Adds what stands below a part (`None`: at the top) that was written as segment `parent`.
    fn below(
        &self,
        part: Option<usize>,
        parent: usize,
        rows: &[Vec<Vec<u8>>],
        segments: &mut Vec<OutSegment<'e>>,
    ) -> Result<(), Inexpressible> {
        for (at, child) in self.plan.parts.iter().enumerate() {
            if child.parent != part {
                continue;
            }
            let own = part.and_then(|part| self.plan.parts.get(part));
            let inside = own.is_some_and(|own| own.repeats);
            let repeat = if child.repeats && !inside {
                rows.len()
            } else {
                1
            };
            for row in 0..repeat {
                let rows = if repeat > 1 { &rows[row..=row] } else { rows };
                if self.is_written(at, rows) {
                    let depth = segments[parent].depth + 1;
                    segments.push(self.segment(child, depth, parent, &rows[0])?);
                    self.below(Some(at), segments.len() - 1, rows, segments)?;
                }
            }
        }
        Ok(())
    }

    /// Whether a part or one below it has a value of a row, or none of its fields come from rows.
    fn is_written(&self, at: usize, rows: &[Vec<Vec<u8>>]) -> bool {
        let part = &self.plan.parts[at];
        let filled = |column: usize| rows.iter().any(|row| !cell(row, column).is_empty());
        let own = part.fields.iter().any(|(_, value)| match value {
            Value::Column(column) => filled(*column),
            Value::Constant(_) => false,
        });
        let mut children = (0..self.plan.parts.len())
            .filter(|child| self.plan.parts[*child].parent == Some(at))
            .peekable();
        let lone = !part.is_mapped() && children.peek().is_none();
        own || lone || children.any(|child| self.is_written(child, rows))
    }

    fn segment(
        &self,
        part: &Part,
        depth: usize,
        parent: usize,
        row: &[Vec<u8>],
    ) -> Result<OutSegment<'e>, Inexpressible> {
        let definition = self.definitions.get(part.segment);
        let mut fields = Vec::with_capacity(part.fields.len());
        for (field, value) in &part.fields {
            let text = match value {
                Value::Column(column) => String::from_utf8_lossy(cell(row, *column)),
                Value::Constant(text) => Cow::Borrowed(text.as_str()),
            };
            if !text.is_empty() {
                let field = definition.field_at(*field);
                fields.push((field, fitted(definition, field, &text)?));
            }
        }
        Ok(OutSegment {
            definition,
            depth,
            parent,
            fields,
        })
    }

    /// The fields of the control record.
    fn control(
        &self,
        data: &[OutSegment<'_>],
    ) -> Result<Vec<(&'e FieldDef, String)>, Inexpressible> {
        let definition = self.definitions.get(self.control_record());
        let created = self.envelope.created;
        let mut values: Vec<(u16, String)> = self
            .plan
            .control
            .iter()
            .map(|(field, value)| {
                (
                    *field,
                    value.replace("{message_id}", &self.envelope.message_id),
                )
            })
            .collect();
        let mut put = |name: &str, value: String| {
            values.extend(definition.field(name).map(|field| (field, value)));
        };
        let (date, time) = local(created, self.zone);
        put("CREDAT", date);
        put("CRETIM", time);
        if self.plan.docnum == DocumentNumber::Made {
            put("DOCNUM", made_number(&self.envelope.message_id, data));
        }
        values.sort_by_key(|(field, _)| *field);
        let fitted = |(field, value): (u16, String)| {
            let field = definition.field_at(field);
            Ok((field, fitted(definition, field, &value)?))
        };
        values
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(fitted)
            .collect()
    }

    fn control_record(&self) -> u16 {
        self.definitions.find(CONTROL_RECORD).unwrap_or_default()
    }
}

fn cell(row: &[Vec<u8>], column: usize) -> &[u8] {
    row.get(column).map_or(&[], Vec::as_slice)
}

/// A value in the form and length of its field.
fn fitted(segment: &Segment, field: &FieldDef, text: &str) -> Result<String, Inexpressible> {
    let text: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let mut text = field.kind.write(&text, field.length).into_owned();
    let Some(length) = field.length else {
        return Ok(text);
    };
    let characters = text.chars().count();
    if characters <= length {
        return Ok(text);
    }
    if !field.cut {
        return Err(Inexpressible {
            field: "segment",
            reason: format!(
                "`{}` has {characters} characters, `{}/{}` holds {length}",
                mapping_tabular::shown(text.as_bytes()),
                segment.name,
                field.name
            ),
        });
    }
    let end = text
        .char_indices()
        .nth(length)
        .map_or(text.len(), |(at, _)| at);
    text.truncate(end);
    Ok(text)
}

/// `YYYYMMDD` and `HHMMSS` in a zone.
fn local(at: Instant, zone: &Zone) -> (String, String) {
    let mut text = Vec::new();
    zone.write_local(&mut text, at);
    let digits: String = text
        .iter()
        .map(|c| char::from(*c))
        .filter(char::is_ascii_digit)
        .take(14)
        .collect();
    let (date, time) = digits.split_at(digits.len().min(8));
    (date.to_owned(), time.to_owned())
}

/// Sixteen digits that a resend has again, and hardly any other IDoc. The first is never 0.
fn made_number(message_id: &str, data: &[OutSegment<'_>]) -> String {
    const SPAN: u64 = 9_000_000_000_000_000;
    let mut hash = FxHasher::default();
    hash.write(message_id.as_bytes());
    for segment in data {
        for (field, value) in &segment.fields {
            hash.write(field.name.as_bytes());
            hash.write_u8(0);
            hash.write(value.as_bytes());
            hash.write_u8(0);
        }
    }
    (SPAN / 9 + hash.finish() % SPAN).to_string()
}
