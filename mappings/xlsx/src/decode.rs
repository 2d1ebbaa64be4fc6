//! Workbooks to canonical records.

use std::io::Read;
use std::ops::ControlFlow;
use std::sync::Arc;

use hub_model::mapping::{Decode, Halt, Payload, Records};
use hub_model::{Finding, Place, Zone};
use mapping_tabular::{Charset, HeaderFault, Layout, Mapping, RowDecoder, Sheet};

use crate::book::{Book, Trouble};
use crate::limits::{HEADER_SEARCH_ROWS, MAX_FILE_BYTES};
use crate::row::SheetRow;
use crate::value::Value;

/// Decodes workbooks by a mapping file.
///
/// - Shape: one record, or one reading, or a day of readings a row; blank rows nothing.
/// - Places are sheet and row; a workbook cannot be cut into segments.
/// - Findings: `bad_workbook`, `too_large`, `no_sheet`, `bad_header` (fatal); `skipped_row` (warning);
///   `missing_value`, `bad_value`.
#[derive(Debug, Clone)]
pub struct XlsxDecoder {
    mapping: Arc<Mapping>,
    zone: Zone,
}

/// The layout and the row of its header (0: there is none), or why there is none and where.
type FoundHeader = Result<(Layout, u64), (String, u64)>;

impl XlsxDecoder {
    /// A decoder for sheets of this layout; `zone` is the enterprise's and serves where the
    /// mapping names none.
    #[must_use]
    pub const fn new(mapping: Arc<Mapping>, zone: Zone) -> Self {
        Self { mapping, zone }
    }

    fn run(&self, bytes: Vec<u8>, out: &mut dyn Records) -> Result<(), Trouble> {
        let mut book = Book::open(bytes)?;
        let names = book.sheets();
        let Some(sheet) = chosen(self.mapping.file().excel.sheet.as_ref(), &names) else {
            let reason = format!("no such sheet, the sheets are `{}`", names.join("`, `"));
            out.finding(Finding::fatal("no_sheet", Place::default(), reason))?;
            return Ok(());
        };
        let name: Arc<str> = names.get(sheet).map_or("", String::as_str).into();
        let (layout, header) = match self.header(&mut book, sheet)? {
            Ok(found) => found,
            Err(fault) => {
                let place = Place {
                    offset: 0,
                    line: fault.1,
                    sheet: Some(name),
                };
                out.finding(Finding::fatal("bad_header", place, fault.0))?;
                return Ok(());
            }
        };
        self.rows(&mut book, sheet, &name, &layout, header, out)
    }

    /// Finds the header.
    fn header(&self, book: &mut Book, sheet: usize) -> Result<FoundHeader, Trouble> {
        let wanted = self.mapping.file().excel.header_row.map(u64::from);
        if !self.mapping.file().csv.header {
            let layout = Layout::positional(Arc::clone(&self.mapping), &self.zone, Charset::Utf8);
            return Ok(Ok((layout, wanted.unwrap_or(0))));
        }
        let mut found = None;
        let mut best: Option<(HeaderFault, u64)> = None;
        let mut tried = 0;
        each_row(book, sheet, None, &mut |row| {
            if wanted.is_some_and(|wanted| row.number < wanted) {
                return Ok(ControlFlow::Continue(()));
            }
            tried += 1;
            match Layout::bind(
                Arc::clone(&self.mapping),
                &self.zone,
                Charset::Utf8,
                row.names(),
            ) {
                Ok(layout) => found = Some((layout, row.number)),
                Err(fault)
                    if best
                        .as_ref()
                        .is_none_or(|(known, _)| fault.missing.len() < known.missing.len()) =>
                {
                    best = Some((fault, row.number));
                }
                Err(_) => {}
            }
            let enough = found.is_some() || wanted.is_some() || tried >= HEADER_SEARCH_ROWS;
            Ok(if enough {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            })
        })?;
        Ok(found.ok_or_else(|| match best {
            Some((fault, row)) => (fault.to_string(), row),
            None => (
                "the sheet is empty, expected a row with the column names".to_owned(),
                0,
            ),
        }))
    }

    fn rows(
        &self,
        book: &mut Book,
        sheet: usize,
        name: &Arc<str>,
        layout: &Layout,
        header: u64,
        out: &mut dyn Records,
    ) -> Result<(), Trouble> {
        let mut rows = RowDecoder::new(layout);
        let needed = self.mapping.needed_columns().count();
        let read = each_row(book, sheet, Some(name), &mut |row| {
            if row.number <= header || !layout.touches(row) {
                return Ok(ControlFlow::Continue(()));
            }
            match lonely(row).filter(|_| needed > 1 && layout.width().is_some()) {
                None => rows.row(row, out)?,
                Some(text) => {
                    let reason = format!(
                        "the row holds only `{}` and was skipped as a title or remark",
                        mapping_tabular::shown(text.as_bytes())
                    );
                    let place = Place {
                        offset: 0,
                        line: row.number,
                        sheet: Some(Arc::clone(name)),
                    };
                    out.finding(Finding::warning("skipped_row", place, reason))?;
                }
            }
            Ok(ControlFlow::Continue(()))
        });
        // What was read before the damage is good.
        rows.finish(out)?;
        read
    }
}

/// The text of a row that has nothing else: a title, a remark, a merged cell.
fn lonely(row: &SheetRow) -> Option<&str> {
    let mut filled = row.cells.iter().filter_map(|(_, value)| match value {
        Value::Text(text) if text.trim().is_empty() => None,
        other => Some(other),
    });
    match (filled.next(), filled.next()) {
        (Some(Value::Text(text)), None) => Some(text),
        _ => None,
    }
}

fn chosen(wanted: Option<&Sheet>, names: &[String]) -> Option<usize> {
    match wanted {
        None => (!names.is_empty()).then_some(0),
        Some(Sheet::Numbered(number)) => usize::from(*number)
            .checked_sub(1)
            .filter(|at| *at < names.len()),
        Some(Sheet::Named(wanted)) => names.iter().position(|name| name.trim() == wanted.trim()),
        Some(Sheet::Matching(pattern)) => names
            .iter()
            .position(|name| pattern.matching.0.is_match(name)),
    }
}

/// Gathers cells into rows.
fn each_row(
    book: &mut Book,
    sheet: usize,
    name: Option<&Arc<str>>,
    visit: &mut dyn FnMut(&SheetRow) -> Result<ControlFlow<()>, Trouble>,
) -> Result<(), Trouble> {
    let mut row = SheetRow {
        sheet: name.cloned(),
        from_1904: book.counts_from_1904(),
        ..SheetRow::default()
    };
    let mut stopped = false;
    book.cells(sheet, &mut |number, column, value| {
        let number = u64::from(number) + 1;
        if number != row.number && !row.cells.is_empty() {
            row.settle();
            if visit(&row)?.is_break() {
                stopped = true;
                return Ok(ControlFlow::Break(()));
            }
            row.cells.clear();
        }
        row.number = number;
        // Cells of one place that repeat without end must not fill the memory.
        if row.cells.len() <= 2 * crate::limits::MAX_COLUMNS as usize {
            row.cells.push((column, value));
        }
        Ok(ControlFlow::Continue(()))
    })?;
    if !stopped && !row.cells.is_empty() {
        row.settle();
        // The last row: there is nothing to go on to.
        let _ = visit(&row)?;
    }
    Ok(())
}

impl Decode for XlsxDecoder {
    fn decode(&self, payload: &dyn Payload, out: &mut dyn Records) -> Result<(), Halt> {
        if payload.len() > MAX_FILE_BYTES {
            let reason = format!(
                "the workbook has {} bytes, expected at most {MAX_FILE_BYTES}",
                payload.len()
            );
            return out.finding(Finding::fatal("too_large", Place::default(), reason));
        }
        let mut bytes = Vec::new();
        payload
            .open_at(0)?
            .take(MAX_FILE_BYTES)
            .read_to_end(&mut bytes)?;
        match self.run(bytes, out) {
            Ok(()) => Ok(()),
            Err(Trouble::Halt(halt)) => Err(halt),
            Err(Trouble::Unreadable(reason)) => {
                out.finding(Finding::fatal("bad_workbook", Place::default(), reason))
            }
        }
    }
}
