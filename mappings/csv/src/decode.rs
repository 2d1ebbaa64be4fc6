//! CSV to canonical records: whole, or in parts on several threads.

use std::sync::Arc;

use hub_model::mapping::{Decode, Halt, Payload, Records, Segment, Segments};
use hub_model::{Finding, Place, Zone};
use mapping_tabular::{Mapping, Row, RowDecoder, shown};

use crate::cut::{Cutter, Part};
use crate::extent::Kind;
use crate::head::Head;
use crate::limits::{MAX_COLUMNS, MAX_RECORD_BYTES};
use crate::row::{CsvRow, Splitter};

/// Decodes CSV by a mapping file.
///
/// - Shape: one record, or one reading, or a day of readings a row; order kept.
/// - Blocks of readings are gathered within a part of the file ([`crate::segment_bytes`]), and
///   [`Decode::decode`] runs over the same parts as [`Decode::segments`], so both yield the same.
/// - Findings: `bad_header` (fatal), `ragged_row`, `bad_quote`,
///   `too_long`, `bad_encoding`, `missing_value`, `bad_value`.
#[derive(Debug, Clone)]
pub struct CsvDecoder {
    mapping: Arc<Mapping>,
    zone: Zone,
    longest_row: usize,
}

impl CsvDecoder {
    /// A decoder for files of this layout; `zone` is the enterprise's and serves where the mapping
    /// names none.
    #[must_use]
    pub const fn new(mapping: Arc<Mapping>, zone: Zone) -> Self {
        Self {
            mapping,
            zone,
            longest_row: MAX_RECORD_BYTES,
        }
    }

    /// Changes the longest row from [`MAX_RECORD_BYTES`], and with it the size of the parts
    /// ([`crate::segment_bytes`]).
    #[must_use]
    pub fn with_longest_row(mut self, bytes: usize) -> Self {
        self.longest_row = bytes.clamp(1, MAX_RECORD_BYTES);
        self
    }
}

impl Decode for CsvDecoder {
    fn decode(&self, payload: &dyn Payload, out: &mut dyn Records) -> Result<(), Halt> {
        let head = match Head::read(&self.mapping, &self.zone, self.longest_row, payload)? {
            Ok(head) => head,
            Err(finding) => return out.finding(finding),
        };
        let mut cutter = Cutter::new(
            payload.open_at(head.offset)?,
            head.structure,
            head.offset,
            head.line,
        );
        let mut rows = RowDecoder::new(&head.layout);
        while let Some(part) = cutter.next()? {
            decode_part(&head, &part, &mut rows, out)?;
            // Blocks end with their part, so that `segments` yields the same.
            if !self.mapping.needs_order() {
                rows.finish(out)?;
            }
        }
        rows.finish(out)
    }

    fn segments<'a>(
        &'a self,
        payload: &'a dyn Payload,
        from: u64,
    ) -> Result<Option<Box<dyn Segments + 'a>>, Halt> {
        if self.mapping.needs_order() {
            return Ok(None);
        }
        // A head that cannot be understood is told by `decode`.
        let Ok(head) = Head::read(&self.mapping, &self.zone, self.longest_row, payload)? else {
            return Ok(None);
        };
        let offset = from.max(head.offset);
        let line = if offset == head.offset {
            head.line
        } else {
            head.line_at(payload, offset)?
        };
        let cutter = Cutter::new(payload.open_at(offset)?, head.structure, offset, line);
        Ok(Some(Box::new(CsvSegments {
            head: Arc::new(head),
            cutter,
        })))
    }
}

struct CsvSegments<'a> {
    head: Arc<Head>,
    cutter: Cutter<'a>,
}

impl Segments for CsvSegments<'_> {
    fn next(&mut self) -> Result<Option<Segment>, Halt> {
        let Some(part) = self.cutter.next()? else {
            return Ok(None);
        };
        let head = Arc::clone(&self.head);
        Ok(Some(Segment {
            end: part.end,
            decode: Box::new(move |out| {
                let mut rows = RowDecoder::new(&head.layout);
                decode_part(&head, &part, &mut rows, out)?;
                rows.finish(out)
            }),
        }))
    }
}

/// Decodes the rows of one part.
fn decode_part(
    head: &Head,
    part: &Part,
    rows: &mut RowDecoder<'_>,
    out: &mut dyn Records,
) -> Result<(), Halt> {
    if part.too_long {
        return out.finding(too_long(
            head.structure.longest,
            Place::at(part.offset, part.line),
        ));
    }
    let mut splitter = Splitter::new(head.structure);
    let bytes = part.bytes.as_slice();
    let (mut at, mut line) = (0, part.line);
    while at < bytes.len() {
        let extent = head.structure.extent(&bytes[at..]);
        let text = &bytes[at..at + extent.length];
        let (offset, on) = (part.offset + at as u64, line);
        at += extent.next;
        line += extent.lines;
        let cells = match extent.kind {
            Kind::Plain => splitter.plain(text),
            Kind::Quoted => splitter.quoted(text),
            Kind::Skipped => continue,
            Kind::BadQuote | Kind::TooLong => {
                out.finding(broken(
                    head.structure.longest,
                    extent.kind,
                    Place::at(offset, on),
                    text,
                ))?;
                continue;
            }
        };
        match cells {
            Some(cells) => {
                let row = CsvRow {
                    cells,
                    charset: head.charset,
                    offset,
                    line: on,
                };
                match ragged(head, &row) {
                    None => rows.row(&row, out)?,
                    Some(finding) => out.finding(finding)?,
                }
            }
            None => {
                let reason = format!("the row has more than {MAX_COLUMNS} cells");
                out.finding(Finding::error("ragged_row", Place::at(offset, on), reason))?;
            }
        }
    }
    Ok(())
}

/// A row must have a cell for each column of the header. Wide rows may end early, on short days
/// and before values that are yet to come; empty cells at the end of any row are harmless.
#[inline]
fn ragged(head: &Head, row: &CsvRow<'_>) -> Option<Finding> {
    let (width, found) = (head.layout.width()?, row.width());
    if found == width {
        return None;
    }
    judge_ragged(head, row, width, found)
}

#[cold]
fn judge_ragged(head: &Head, row: &CsvRow<'_>, width: usize, found: usize) -> Option<Finding> {
    let wide = head
        .layout
        .mapping()
        .file()
        .readings
        .as_ref()
        .is_some_and(|table| table.get_ref().wide.is_some());
    let harmless = if found < width {
        wide
    } else {
        (width..found).all(|column| {
            row.cells
                .get(column)
                .is_none_or(|cell| cell.trim_ascii().is_empty())
        })
    };
    if harmless
        || (0..found).all(|column| {
            row.cells
                .get(column)
                .is_none_or(|cell| cell.trim_ascii().is_empty())
        })
    {
        return None;
    }
    let reason = format!("the row has {found} cells, expected {width} as in the header");
    Some(Finding::error("ragged_row", row.place(), reason))
}

fn broken(longest: usize, kind: Kind, place: Place, text: &[u8]) -> Finding {
    if kind == Kind::TooLong {
        return too_long(longest, place);
    }
    let reason = format!(
        "the quotes in `{}` are wrong: expected a closing quote within {longest} bytes, a delimiter after it, and quotes inside a cell doubled",
        shown(text)
    );
    Finding::error("bad_quote", place, reason)
}

fn too_long(longest: usize, place: Place) -> Finding {
    Finding::error(
        "too_long",
        place,
        format!("the row is longer than {longest} bytes"),
    )
}
