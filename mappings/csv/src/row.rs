//! One row of a text file: cells as slices, without a copy where there is no quote.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use hub_model::Place;
use mapping_tabular::{Cell, Charset, Row};
use memchr::memchr_iter;

use crate::extent::Structure;
use crate::limits::MAX_COLUMNS;

/// Splits rows into cells, reusing its memory.
pub(crate) struct Splitter {
    delimiter: u8,
    reader: Reader,
    ends: Vec<usize>,
    unescaped: Vec<u8>,
}

/// The cells of a row.
pub(crate) struct Cells<'b> {
    data: &'b [u8],
    ends: &'b [usize],
    /// Bytes between two cells: the delimiter, or none after unescaping.
    gap: usize,
}

/// A row with its place.
pub(crate) struct CsvRow<'b> {
    pub(crate) cells: Cells<'b>,
    pub(crate) charset: Charset,
    pub(crate) offset: u64,
    pub(crate) line: u64,
}

impl Splitter {
    pub(crate) fn new(structure: Structure) -> Self {
        let reader = ReaderBuilder::new()
            .delimiter(structure.delimiter)
            .quote(structure.quote.unwrap_or(b'"'))
            .quoting(structure.quote.is_some())
            .terminator(csv_core::Terminator::Any(structure.line_end))
            .build();
        Self {
            delimiter: structure.delimiter,
            reader,
            ends: Vec::new(),
            unescaped: Vec::new(),
        }
    }

    /// Splits a row that has no quote. `None` if it has too many cells.
    #[inline]
    pub(crate) fn plain<'b>(&'b mut self, row: &'b [u8]) -> Option<Cells<'b>> {
        self.ends.clear();
        self.ends.extend(memchr_iter(self.delimiter, row));
        self.ends.push(row.len());
        (self.ends.len() <= MAX_COLUMNS).then_some(Cells {
            data: row,
            ends: &self.ends,
            gap: 1,
        })
    }

    /// Splits a row with quotes and takes them off. `None` if it has too many cells.
    pub(crate) fn quoted(&mut self, row: &[u8]) -> Option<Cells<'_>> {
        self.reader.reset();
        self.unescaped.resize(row.len(), 0);
        // A row has at most one cell more than bytes.
        self.ends.resize((row.len() + 1).min(MAX_COLUMNS + 1), 0);
        let (mut written, mut cells, mut input) = (0, 0, row);
        loop {
            let (result, read, wrote, ended) = self.reader.read_record(
                input,
                &mut self.unescaped[written..],
                &mut self.ends[cells..],
            );
            input = &input[read..];
            written += wrote;
            cells += ended;
            match result {
                // The end of the row is told to the reader by an empty input.
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::Record | ReadRecordResult::End => break,
                ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => return None,
            }
        }
        (cells <= MAX_COLUMNS).then_some(Cells {
            data: &self.unescaped[..written],
            ends: &self.ends[..cells],
            gap: 0,
        })
    }
}

impl Cells<'_> {
    #[inline]
    pub(crate) fn get(&self, column: usize) -> Option<&[u8]> {
        let end = *self.ends.get(column)?;
        let start = if column == 0 {
            0
        } else {
            self.ends[column - 1] + self.gap
        };
        self.data.get(start..end)
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }
}

impl Row for CsvRow<'_> {
    #[inline]
    fn cell(&self, column: usize) -> Cell<'_> {
        self.cells.get(column).map_or(Cell::Empty, Cell::Text)
    }

    fn width(&self) -> usize {
        self.cells.len()
    }

    #[inline]
    fn charset(&self) -> Charset {
        self.charset
    }

    #[inline]
    fn line(&self) -> u64 {
        self.line
    }

    fn place(&self) -> Place {
        Place::at(self.offset, self.line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEMICOLONS: Structure = Structure {
        delimiter: b';',
        quote: Some(b'"'),
        comment: None,
        line_end: b'\n',
        longest: 1_000,
    };

    fn texts(cells: &Cells<'_>) -> Vec<String> {
        (0..cells.len())
            .map(|i| String::from_utf8_lossy(cells.get(i).unwrap()).into_owned())
            .collect()
    }

    #[test]
    fn plain_and_quoted_rows_give_the_same_cells() {
        let mut splitter = Splitter::new(SEMICOLONS);
        assert_eq!(texts(&splitter.plain(b"a;;c").unwrap()), ["a", "", "c"]);
        assert_eq!(
            texts(&splitter.quoted(b"a;\"\";c").unwrap()),
            ["a", "", "c"]
        );
        assert_eq!(
            texts(&splitter.quoted(b"\"a;\"\"b\"\"\n\";x").unwrap()),
            ["a;\"b\"\n", "x"]
        );
        assert_eq!(texts(&splitter.quoted(b"\"\"").unwrap()), [""]);
        assert!(splitter.plain(&[b';'; MAX_COLUMNS]).is_none());
        assert!(
            splitter
                .quoted(&[&b"\"\""[..], &[b';'; MAX_COLUMNS]].concat())
                .is_none()
        );
    }
}
