//! Canonical records to CSV.

use std::sync::Arc;

use hub_model::mapping::{Encode, Envelope, Inexpressible};
use hub_model::{ReadingBlock, Record, RecordKind, Zone};
use mapping_tabular::{Charset, Mapping, RowWriter};

/// Encodes records as CSV by a mapping file.
///
/// Cells that a spreadsheet would run as a formula (they begin with `= + - @`, a tab or a carriage
/// return) are written with an apostrophe before them, unless they are plain numbers.
#[derive(Debug, Clone)]
pub struct CsvEncoder {
    rows: RowWriter,
    delimiter: u8,
    quote: Option<u8>,
    comment: Option<u8>,
    charset: Charset,
    line_end: &'static [u8],
    decimal: u8,
}

impl CsvEncoder {
    /// An encoder for files of this layout; `zone` is the enterprise's and serves where the
    /// mapping names none.
    #[must_use]
    pub fn new(mapping: Arc<Mapping>, zone: Zone) -> Self {
        let format = &mapping.file().csv;
        Self {
            delimiter: format.delimiter.0.unwrap_or(b','),
            quote: format.quote.0,
            comment: format.comment.and_then(|mark| mark.0),
            charset: format.encoding,
            line_end: if format.crlf { b"\r\n" } else { b"\n" },
            decimal: mapping.file().numbers.decimal.byte(),
            rows: RowWriter::new(mapping, &zone),
        }
    }

    fn row(&self, cells: &[Vec<u8>], out: &mut Vec<u8>) -> Result<(), Inexpressible> {
        let lonely = cells.len() == 1;
        for (at, cell) in cells.iter().enumerate() {
            if at > 0 {
                out.push(self.delimiter);
            }
            let risky = is_formula(cell, self.decimal);
            // A row of one empty cell would be an empty line, a first `#` a comment.
            let comment =
                at == 0 && self.comment.is_some() && cell.first().copied() == self.comment;
            let quoted = comment || (lonely && cell.is_empty()) || self.needs_quotes(cell);
            self.cell(cell, risky, quoted, out)?;
        }
        out.extend_from_slice(self.line_end);
        Ok(())
    }

    fn needs_quotes(&self, cell: &[u8]) -> bool {
        cell.iter()
            .any(|c| *c == self.delimiter || Some(*c) == self.quote || matches!(c, b'\n' | b'\r'))
    }

    fn cell(
        &self,
        cell: &[u8],
        risky: bool,
        quoted: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), Inexpressible> {
        let quote = match (quoted, self.quote) {
            (false, _) => None,
            (true, Some(quote)) => Some(quote),
            (true, None) => {
                return Err(refused(
                    cell,
                    "needs quotes, which the mapping switches off",
                ));
            }
        };
        out.extend(quote);
        if risky {
            out.push(b'\'');
        }
        let text = String::from_utf8_lossy(cell);
        let from = out.len();
        self.charset.encode(&text, out).map_err(|c| {
            refused(
                cell,
                &format!("has `{c}`, which {} cannot write", self.charset.name()),
            )
        })?;
        if let Some(quote) = quote {
            if out[from..].contains(&quote) {
                let doubled = out.split_off(from);
                out.extend(
                    doubled
                        .iter()
                        .flat_map(|c| std::iter::repeat_n(*c, if *c == quote { 2 } else { 1 })),
                );
            }
            out.push(quote);
        }
        Ok(())
    }
}

fn refused(cell: &[u8], why: &str) -> Inexpressible {
    Inexpressible {
        field: "cell",
        reason: format!("`{}` {why}", mapping_tabular::shown(cell)),
    }
}

/// Whether a spreadsheet would take the cell for a formula.
fn is_formula(cell: &[u8], decimal: u8) -> bool {
    match cell {
        [b'=' | b'@' | b'\t' | b'\r', ..] => true,
        [b'+' | b'-', rest @ ..] => {
            let mut points = 0;
            let number = rest.iter().all(|c| {
                points += usize::from(*c == decimal);
                c.is_ascii_digit() || *c == decimal
            });
            !(number && points <= 1 && rest.iter().any(u8::is_ascii_digit))
        }
        _ => false,
    }
}

impl Encode for CsvEncoder {
    fn media_type(&self) -> &'static str {
        "text/csv"
    }

    fn extension(&self) -> &'static str {
        "csv"
    }

    fn writes(&self) -> &'static [RecordKind] {
        self.rows.writes()
    }

    fn head(&self, _: &Envelope, out: &mut Vec<u8>) {
        let header: Vec<Vec<u8>> = self
            .rows
            .header()
            .iter()
            .map(|name| name.as_bytes().to_vec())
            .collect();
        if header.is_empty() {
            return;
        }
        let from = out.len();
        if self.row(&header, out).is_err() {
            // A name that the encoding lacks: keep the file readable, the partner counts columns.
            out.truncate(from);
            let ascii = |name: &Vec<u8>| {
                name.iter()
                    .map(|c| {
                        if c.is_ascii_graphic() || *c == b' ' {
                            *c
                        } else {
                            b'?'
                        }
                    })
                    .collect()
            };
            let plain: Vec<Vec<u8>> = header.iter().map(ascii).collect();
            let _ = self.row(&plain, out);
        }
    }

    fn record(
        &self,
        _: &Envelope,
        record: &Record,
        out: &mut Vec<u8>,
    ) -> Result<(), Inexpressible> {
        let from = out.len();
        let written = self.rows.rows(record, &mut |cells| self.row(cells, out));
        written.inspect_err(|_| out.truncate(from))
    }

    fn clashes(&self, block: &ReadingBlock) -> Vec<(usize, Inexpressible)> {
        self.rows.clashes(block)
    }

    fn tail(&self, _: &Envelope, _: &mut Vec<u8>) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_told_from_numbers() {
        for cell in [
            "=1+1",
            "@SUM(A1)",
            "+cmd|' /C calc'!A0",
            "-2+3",
            "-",
            "\t=1",
            "\r1",
            "+1.2.3",
        ] {
            assert!(is_formula(cell.as_bytes(), b'.'), "{cell}");
        }
        for cell in ["", "-1.5", "+46701234567", "a=b", "1-2", "-.5"] {
            assert!(!is_formula(cell.as_bytes(), b'.'), "{cell}");
        }
        assert!(is_formula(b"-1.5", b','));
        assert!(!is_formula(b"-1,5", b','));
    }
}
