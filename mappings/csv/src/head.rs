//! What stands before the rows: byte order mark, lines to skip, the header.

use std::io::Read;
use std::sync::Arc;

use hub_model::mapping::{Halt, Payload};
use hub_model::{Finding, Place, Zone};
use mapping_tabular::{Charset, Layout, Mapping, shown};
use memchr::memchr_iter;

use crate::extent::{Kind, Structure};
use crate::limits::MAX_HEAD_BYTES;
use crate::row::Splitter;

/// A payload's head, understood: all that decoding a part needs.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) layout: Layout,
    pub(crate) structure: Structure,
    pub(crate) charset: Charset,
    /// Offset of the first row.
    pub(crate) offset: u64,
    /// Line of the first row.
    pub(crate) line: u64,
}

const UTF8_MARK: &[u8] = b"\xef\xbb\xbf";

impl Head {
    /// Reads the head of a payload.
    ///
    /// # Errors
    /// [`Halt`] only if the content cannot be read; a head that cannot be understood is the finding.
    pub(crate) fn read(
        mapping: &Arc<Mapping>,
        zone: &Zone,
        longest_row: usize,
        payload: &dyn Payload,
    ) -> Result<Result<Self, Finding>, Halt> {
        let mut bytes = Vec::new();
        payload
            .open_at(0)?
            .take(MAX_HEAD_BYTES as u64)
            .read_to_end(&mut bytes)?;
        Ok(Self::parse(mapping, zone, longest_row, &bytes))
    }

    fn parse(
        mapping: &Arc<Mapping>,
        zone: &Zone,
        longest_row: usize,
        bytes: &[u8],
    ) -> Result<Self, Finding> {
        let format = &mapping.file().csv;
        if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
            let reason = "the file is UTF-16, expected `utf-8`, `latin-1` or `windows-1252`";
            return Err(Finding::fatal("bad_encoding", Place::at(0, 1), reason));
        }
        let marked = bytes.starts_with(UTF8_MARK);
        // The mark says more than the mapping file can know.
        let charset = if marked {
            Charset::Utf8
        } else {
            format.encoding
        };
        let structure = Structure::of(format, bytes, longest_row);
        let mut at = if marked { UTF8_MARK.len() } else { 0 };
        let mut line = 1;
        for end in memchr_iter(structure.line_end, &bytes[at..]).take(format.skip_lines as usize) {
            line += 1;
            at = end + 1 + if marked { UTF8_MARK.len() } else { 0 };
        }
        if (line - 1) < u64::from(format.skip_lines) {
            at = bytes.len();
        }
        if !format.header {
            let layout = Layout::positional(Arc::clone(mapping), zone, charset);
            return Ok(Self {
                layout,
                structure,
                charset,
                offset: at as u64,
                line,
            });
        }
        let (names, row_at, next, lines) = header_row(structure, charset, bytes, at, line)?;
        let place = Place::at(row_at.0 as u64, row_at.1);
        let layout = Layout::bind(Arc::clone(mapping), zone, charset, names)
            .map_err(|fault| Finding::fatal("bad_header", place, fault.to_string()))?;
        Ok(Self {
            layout,
            structure,
            charset,
            offset: next as u64,
            line: lines,
        })
    }

    /// The line of a byte further on, by counting the lines before it.
    ///
    /// # Errors
    /// The content cannot be read.
    pub(crate) fn line_at(&self, payload: &dyn Payload, offset: u64) -> Result<u64, Halt> {
        let mut reader = payload.open_at(0)?.take(offset);
        let mut buffer = vec![0u8; 1 << 16];
        let mut line = 1;
        loop {
            let read = reader.read(&mut buffer)?;
            if read == 0 {
                return Ok(line);
            }
            line += memchr_iter(self.structure.line_end, &buffer[..read]).count() as u64;
        }
    }
}

/// Names, place of the header (byte, line), byte and line after it.
type HeaderRow = (Vec<String>, (usize, u64), usize, u64);

fn header_row(
    structure: Structure,
    charset: Charset,
    bytes: &[u8],
    mut at: usize,
    mut line: u64,
) -> Result<HeaderRow, Finding> {
    while at < bytes.len() {
        let extent = structure.extent(&bytes[at..]);
        let (from, on) = (at, line);
        at += extent.next;
        line += extent.lines;
        if extent.kind == Kind::Skipped {
            continue;
        }
        let row = &bytes[from..from + extent.length];
        let names = names(structure, charset, extent.kind, row)
            .map_err(|reason| Finding::fatal("bad_header", Place::at(from as u64, on), reason))?;
        return Ok((names, (from, on), at, line));
    }
    Err(Finding::fatal(
        "bad_header",
        Place::at(at as u64, line),
        "the file ends before its header, expected a row with the column names",
    ))
}

fn names(
    structure: Structure,
    charset: Charset,
    kind: Kind,
    row: &[u8],
) -> Result<Vec<String>, String> {
    let mut splitter = Splitter::new(structure);
    let cells = match kind {
        Kind::BadQuote => {
            return Err(format!(
                "the quotes in the header `{}` are wrong",
                shown(row)
            ));
        }
        Kind::Plain => splitter.plain(row),
        _ => splitter.quoted(row),
    };
    let cells = cells.ok_or_else(|| "the header has too many columns".to_owned())?;
    let name = |column| {
        let bytes: &[u8] = cells.get(column).unwrap_or(b"");
        charset
            .decode(bytes)
            .map(|text| text.trim().to_owned())
            .ok_or_else(|| format!("column name `{}` is not {}", shown(bytes), charset.name()))
    };
    let mut names: Vec<String> = (0..cells.len()).map(name).collect::<Result<_, _>>()?;
    // A delimiter at the end of each line is a habit of some exports.
    while names.last().is_some_and(String::is_empty) {
        names.pop();
    }
    Ok(names)
}
