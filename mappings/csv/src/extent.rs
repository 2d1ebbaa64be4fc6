//! Where a row ends: shared by cutting and decoding, so that both always agree.

use mapping_tabular::CsvFormat;
use memchr::{memchr, memchr2};

/// The bytes that give a file its structure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Structure {
    pub(crate) delimiter: u8,
    pub(crate) quote: Option<u8>,
    pub(crate) comment: Option<u8>,
    /// Line feed; carriage return in files that have only those.
    pub(crate) line_end: u8,
    /// Longest row, in bytes.
    pub(crate) longest: usize,
}

/// A stretch of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) kind: Kind,
    /// Bytes of the row without its line end.
    pub(crate) length: usize,
    /// Bytes to the next row.
    pub(crate) next: usize,
    /// Lines to the next row.
    pub(crate) lines: u64,
}

/// What a stretch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A row without any quote: cells are what stands between delimiters.
    Plain,
    /// A row with quotes.
    Quoted,
    /// A comment or an empty line.
    Skipped,
    /// A quoted cell that does not end within the longest row, or has text after its closing
    /// quote; the stretch is the row's first line.
    BadQuote,
    /// Longer than the longest row.
    TooLong,
}

impl Structure {
    pub(crate) fn of(format: &CsvFormat, head: &[u8], longest: usize) -> Self {
        let only_returns = memchr(b'\n', head).is_none() && memchr(b'\r', head).is_some();
        Self {
            delimiter: format.delimiter.0.unwrap_or(b','),
            quote: format.quote.0,
            comment: format.comment.and_then(|mark| mark.0),
            line_end: if only_returns { b'\r' } else { b'\n' },
            longest,
        }
    }

    /// The row that begins where `bytes` begins. `bytes` must not be empty; its end counts as the
    /// end of the file.
    #[inline]
    pub(crate) fn extent(&self, bytes: &[u8]) -> Extent {
        let end = memchr(self.line_end, bytes);
        let line = &bytes[..end.unwrap_or(bytes.len())];
        let one_line = |kind| Extent {
            kind,
            length: trimmed(line),
            next: end.map_or(bytes.len(), |end| end + 1),
            lines: 1,
        };
        match self.kind_of(line) {
            // A row whose quotes are wrong costs its first line: the next may be good again. What
            // is wrong with it is not told apart, as a part may end before a cell would have.
            Kind::Quoted => self
                .quoted(bytes)
                .unwrap_or_else(|| one_line(Kind::BadQuote)),
            kind => one_line(kind),
        }
    }

    #[inline]
    fn kind_of(&self, line: &[u8]) -> Kind {
        let blank = matches!(line, [] | [b'\r']);
        if blank || (self.comment.is_some() && line.first().copied() == self.comment) {
            return Kind::Skipped;
        }
        if line.len() > self.longest {
            return Kind::TooLong;
        }
        match self.quote {
            Some(quote) if memchr(quote, line).is_some() => Kind::Quoted,
            _ => Kind::Plain,
        }
    }

    /// A row with quotes, over as many lines as it takes; `None` if the quotes are wrong.
    fn quoted(&self, bytes: &[u8]) -> Option<Extent> {
        let (whole, bytes) = (bytes.len(), &bytes[..bytes.len().min(self.longest)]);
        let (mut at, mut lines) = (0, 1);
        loop {
            let quote = self.quote.filter(|quote| bytes.get(at) == Some(quote));
            if let Some(quote) = quote {
                let (after, inner_lines) = self.closing(bytes, at + 1, quote)?;
                if !self.ends_cell(&bytes[after..]) {
                    return None;
                }
                lines += inner_lines;
                at = after;
            }
            match memchr2(self.delimiter, self.line_end, &bytes[at..]) {
                Some(offset) if bytes[at + offset] == self.delimiter => at += offset + 1,
                Some(offset) => {
                    let length = trimmed(&bytes[..at + offset]);
                    return Some(Extent {
                        kind: Kind::Quoted,
                        length,
                        next: at + offset + 1,
                        lines,
                    });
                }
                None if bytes.len() < whole => return None,
                None => {
                    return Some(Extent {
                        kind: Kind::Quoted,
                        length: trimmed(bytes),
                        next: whole,
                        lines,
                    });
                }
            }
        }
    }

    /// Whether what follows a closing quote ends the cell.
    fn ends_cell(&self, rest: &[u8]) -> bool {
        match rest {
            [] => true,
            [b'\r', rest @ ..] => {
                rest.first().is_none_or(|c| *c == self.line_end) || self.line_end == b'\r'
            }
            [c, ..] => *c == self.delimiter || *c == self.line_end,
        }
    }

    /// From inside a quoted cell: the byte after its closing quote, and the lines in it.
    fn closing(&self, bytes: &[u8], mut at: usize, quote: u8) -> Option<(usize, u64)> {
        let mut lines = 0;
        loop {
            let offset = memchr2(quote, self.line_end, bytes.get(at..)?)?;
            let found = bytes[at + offset];
            at += offset + 1;
            if found == self.line_end && found != quote {
                lines += 1;
            } else if bytes.get(at) == Some(&quote) {
                at += 1;
            } else {
                return Some((at, lines));
            }
        }
    }
}

/// Length without a carriage return before the line end.
#[inline]
fn trimmed(line: &[u8]) -> usize {
    line.strip_suffix(b"\r").unwrap_or(line).len()
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMAS: Structure = Structure {
        delimiter: b',',
        quote: Some(b'"'),
        comment: Some(b'#'),
        line_end: b'\n',
        longest: 1_000,
    };

    fn rows(text: &str) -> Vec<(Kind, &str, u64)> {
        let (mut at, mut rows) = (0, Vec::new());
        while at < text.len() {
            let extent = COMMAS.extent(&text.as_bytes()[at..]);
            rows.push((extent.kind, &text[at..at + extent.length], extent.lines));
            at += extent.next;
        }
        rows
    }

    #[test]
    fn rows_end_where_quotes_allow() {
        assert_eq!(
            rows("a,b\r\n\n#x\"\n\"p\nq\",\"r\"\"\"\n5\" pipe,z"),
            [
                (Kind::Plain, "a,b", 1),
                (Kind::Skipped, "", 1),
                (Kind::Skipped, "#x\"", 1),
                (Kind::Quoted, "\"p\nq\",\"r\"\"\"", 2),
                (Kind::Quoted, "5\" pipe,z", 1),
            ]
        );
    }

    #[test]
    fn an_unclosed_quote_costs_one_line() {
        assert_eq!(
            rows("a,\"b\nc,d\n"),
            [(Kind::BadQuote, "a,\"b", 1), (Kind::Plain, "c,d", 1)]
        );
        let long = format!("\"{}\nc,d\"\n", "x,\n".repeat(COMMAS.longest));
        assert_eq!(COMMAS.extent(long.as_bytes()).kind, Kind::BadQuote);
    }

    #[test]
    fn text_after_a_closing_quote_is_malformed() {
        assert_eq!(rows("\"a\"b,c\n\"a\",c\r\n")[0].0, Kind::BadQuote);
        assert_eq!(
            rows("\"a\",c\r\n\"a\"\r\n"),
            [(Kind::Quoted, "\"a\",c", 1), (Kind::Quoted, "\"a\"", 1)]
        );
    }

    #[test]
    fn a_line_has_a_longest_length() {
        let long = vec![b'x'; COMMAS.longest + 1];
        assert_eq!(COMMAS.extent(&long).kind, Kind::TooLong);
    }
}
