//! Old `.xls` workbooks: measures what their reader would hold in memory, before it does.
//!
//! Record types: MS-XLS 2.3.

use crate::cfb::u16_at;
use crate::limits::{MAX_DENSE_CELLS, MAX_SHEETS};

const BOUND_SHEET: u16 = 0x0085;
const BEGIN: u16 = 0x0809;
const END: u16 = 0x000A;
const DIMENSIONS: u16 = 0x0200;
const MANY_NUMBERS: u16 = 0x00BD;
/// Records that are one cell, with row and column first.
const CELLS: [u16; 7] = [0x0203, 0x0204, 0x00D6, 0x0205, 0x027E, 0x00FD, 0x0006];
/// A type that no reader knows.
const NOTHING: u16 = 0x7FFF;

/// Checks a workbook stream, and takes out the declared dimensions of its sheets: the reader would
/// reserve memory for them whatever they say.
///
/// # Errors
/// What is wrong, in words.
pub(crate) fn check(stream: &mut [u8]) -> Result<(), String> {
    let sheets = sheet_positions(stream);
    if sheets.len() > MAX_SHEETS {
        return Err(format!(
            "the workbook has {} sheets, expected at most {MAX_SHEETS}",
            sheets.len()
        ));
    }
    let mut cells = 0u64;
    for position in sheets {
        cells = cells.saturating_add(measure(stream, position));
        if cells > MAX_DENSE_CELLS {
            return Err(format!(
                "the sheets span more than {MAX_DENSE_CELLS} cells: save the workbook as xlsx"
            ));
        }
    }
    Ok(())
}

fn sheet_positions(stream: &[u8]) -> Vec<usize> {
    let (mut at, mut found) = (0, Vec::new());
    while let Some((kind, length)) = record(stream, at) {
        if kind == BOUND_SHEET {
            let low = u16_at(stream, at + 4).map_or(0, usize::from);
            let high = u16_at(stream, at + 6).map_or(0, usize::from);
            found.push(low | high << 16);
        }
        if kind == END {
            break;
        }
        at += 4 + length;
    }
    found
}

fn record(stream: &[u8], at: usize) -> Option<(u16, usize)> {
    Some((
        u16_at(stream, at)?,
        usize::from(u16_at(stream, at.checked_add(2)?)?),
    ))
}

/// The cells of the smallest rectangle around all cells of a sheet.
fn measure(stream: &mut [u8], mut at: usize) -> u64 {
    let (mut rows, mut columns) = (Span::default(), Span::default());
    let (mut begun, mut depth) = (false, 0usize);
    while let Some((kind, length)) = record(stream, at) {
        match kind {
            BEGIN if begun => depth += 1,
            BEGIN => begun = true,
            END if depth > 0 => depth -= 1,
            END => break,
            DIMENSIONS => stream[at..at + 2].copy_from_slice(&NOTHING.to_le_bytes()),
            _ if CELLS.contains(&kind) || kind == MANY_NUMBERS => {
                if let (Some(row), Some(column)) = (u16_at(stream, at + 4), u16_at(stream, at + 6))
                {
                    let more = if kind == MANY_NUMBERS {
                        length.saturating_sub(6) / 6
                    } else {
                        0
                    };
                    rows.include(u64::from(row));
                    columns.include(u64::from(column));
                    columns.include(u64::from(column) + more as u64);
                }
            }
            _ => {}
        }
        at += 4 + length;
    }
    rows.length() * columns.length()
}

/// From the least to the greatest of some numbers.
#[derive(Default)]
struct Span(Option<(u64, u64)>);

impl Span {
    fn include(&mut self, number: u64) {
        let (least, most) = self.0.unwrap_or((number, number));
        self.0 = Some((least.min(number), most.max(number)));
    }

    fn length(&self) -> u64 {
        self.0.map_or(0, |(least, most)| most - least + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(stream: &mut Vec<u8>, kind: u16, data: &[u8]) {
        stream.extend(kind.to_le_bytes());
        stream.extend(u16::try_from(data.len()).unwrap().to_le_bytes());
        stream.extend_from_slice(data);
    }

    fn workbook(sheets: usize, last: u16) -> Vec<u8> {
        let mut stream = Vec::new();
        let position = u32::try_from(sheets * 12 + 4).unwrap();
        for _ in 0..sheets {
            push(
                &mut stream,
                BOUND_SHEET,
                &[&position.to_le_bytes()[..], &[0; 4]].concat(),
            );
        }
        push(&mut stream, END, &[]);
        push(&mut stream, BEGIN, &[0; 4]);
        push(&mut stream, DIMENSIONS, &[0xFF; 14]);
        push(&mut stream, 0x0203, &[0; 14]);
        push(
            &mut stream,
            0x0203,
            &[&last.to_le_bytes()[..], &last.to_le_bytes()[..], &[0; 10]].concat(),
        );
        push(&mut stream, END, &[]);
        stream
    }

    #[test]
    fn two_cells_far_apart_are_refused() {
        assert!(
            check(&mut workbook(1, u16::MAX))
                .unwrap_err()
                .contains("span more than")
        );
        assert!(check(&mut workbook(1, 1_000)).is_ok());
        assert!(check(&mut workbook(10, 1_000)).is_err());
        assert!(
            check(&mut workbook(MAX_SHEETS + 1, 0))
                .unwrap_err()
                .contains("sheets")
        );
    }

    #[test]
    fn declared_dimensions_are_taken_out() {
        let mut stream = workbook(1, 1);
        check(&mut stream).unwrap();
        let mut at = 0;
        while let Some((kind, length)) = record(&stream, at) {
            assert_ne!(kind, DIMENSIONS);
            at += 4 + length;
        }
    }
}
