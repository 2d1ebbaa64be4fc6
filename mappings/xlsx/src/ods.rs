//! OpenDocument sheets, streamed.
//!
//! The library reads all sheets into dense memory with every repetition spelt out, so a kilobyte
//! can ask for gigabytes; this reader hands out cells one by one.
//! Source: OpenDocument 1.3 part 3, 9.1 (tables) and 19.385 (values).

use std::io::{BufRead, BufReader, Cursor};
use std::ops::ControlFlow;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use zip::ZipArchive;

use crate::book::{CellSink, Trouble};
use crate::limits::{MAX_COLUMNS, MAX_MARKUP_BYTES};
use crate::value::{Value, from_iso, from_iso_duration};

/// Excel's own last row; OpenDocument has none.
const MAX_ROWS: u64 = 1_048_576;

/// Most blanks that one element stands for.
const MAX_BLANKS: usize = 1_000;

/// The names of the sheets.
pub(crate) fn sheet_names(bytes: &[u8]) -> Result<Vec<String>, Trouble> {
    let mut names = Vec::new();
    with_content(bytes, |reader| {
        let mut buffer = Vec::new();
        loop {
            match next(reader, &mut buffer)? {
                Event::Start(tag) | Event::Empty(tag) if tag.name().as_ref() == "table:table" => {
                    names.push(attribute(&tag, "table:name")?.unwrap_or_default());
                }
                Event::Eof => return Ok(()),
                _ => {}
            }
        }
    })?;
    Ok(names)
}

/// Hands out the cells of a sheet, given by its number from 0.
pub(crate) fn cells(bytes: &[u8], sheet: usize, sink: &mut CellSink<'_>) -> Result<(), Trouble> {
    with_content(bytes, |reader| {
        let mut buffer = Vec::new();
        let mut number = 0;
        loop {
            match next(reader, &mut buffer)? {
                Event::Start(tag) if tag.name().as_ref() == "table:table" => {
                    if number == sheet {
                        return Table::default().read(reader, sink);
                    }
                    number += 1;
                }
                Event::Eof => return Ok(()),
                _ => {}
            }
        }
    })
}

type Content<'a> = Reader<Box<dyn BufRead + 'a>>;

fn with_content<T>(
    bytes: &[u8],
    mut run: impl FnMut(&mut Content<'_>) -> Result<T, Trouble>,
) -> Result<T, Trouble> {
    let mut zip = ZipArchive::new(Cursor::new(bytes)).map_err(Trouble::library)?;
    let entry = zip.by_name("content.xml").map_err(Trouble::library)?;
    let boxed: Box<dyn BufRead + '_> = Box::new(BufReader::new(entry));
    let mut reader = Reader::from_reader(boxed);
    reader.config_mut().check_end_names = true;
    run(&mut reader)
}

fn next<'b>(reader: &mut Content<'_>, buffer: &'b mut Vec<u8>) -> Result<Event<'b>, Trouble> {
    buffer.clear();
    reader.read_event_into(buffer).map_err(Trouble::library)
}

fn attribute(tag: &BytesStart<'_>, name: &str) -> Result<Option<String>, Trouble> {
    for found in tag.attributes() {
        let found = found.map_err(Trouble::library)?;
        if found.key.as_ref() == name {
            let value = quick_xml::escape::unescape(&found.value).map_err(Trouble::library)?;
            return Ok(Some(value.into_owned()));
        }
    }
    Ok(None)
}

fn repeated(tag: &BytesStart<'_>, name: &str) -> Result<u64, Trouble> {
    Ok(attribute(tag, name)?
        .and_then(|count| count.parse().ok())
        .unwrap_or(1)
        .max(1))
}

/// Where in a table the reader is.
#[derive(Default)]
struct Table {
    row: u64,
    row_repeats: u64,
    column: u64,
    /// Cells of the row, for rows that repeat.
    cells: Vec<(u32, Value)>,
    /// The open cell: its value, how often it repeats, and the text seen in it.
    open: Option<(Option<Value>, u64)>,
    text: String,
    paragraphs: u32,
    /// Comments in a cell are not its text.
    annotation: u32,
}

impl Table {
    fn read(mut self, reader: &mut Content<'_>, sink: &mut CellSink<'_>) -> Result<(), Trouble> {
        let mut buffer = Vec::new();
        let mut depth = 0u32;
        loop {
            match next(reader, &mut buffer)? {
                Event::Start(tag) => match tag.name().as_ref() {
                    "table:table" => depth += 1,
                    _ if depth > 0 => {}
                    _ => self.start(&tag)?,
                },
                Event::Empty(tag) if depth == 0 => {
                    self.start(&tag)?;
                    if self.end(tag.name().as_ref(), sink)?.is_break() {
                        return Ok(());
                    }
                }
                Event::End(tag) => match tag.name().as_ref() {
                    "table:table" if depth == 0 => return Ok(()),
                    "table:table" => depth -= 1,
                    _ if depth > 0 => {}
                    name => {
                        if self.end(name, sink)?.is_break() {
                            return Ok(());
                        }
                    }
                },
                Event::Text(text) => self.add(&text.xml10_content()),
                Event::CData(text) => self.add(&text.xml10_content()),
                Event::GeneralRef(name) => self.add_reference(&name)?,
                Event::DocType(_) => {
                    return Err(Trouble::Unreadable(
                        "the document has a DTD, which no sheet needs".to_owned(),
                    ));
                }
                Event::Eof => return Err(Trouble::Unreadable("the sheet ends early".to_owned())),
                _ => {}
            }
        }
    }

    fn start(&mut self, tag: &BytesStart<'_>) -> Result<(), Trouble> {
        match tag.name().as_ref() {
            "table:table-row" => {
                self.row_repeats = repeated(tag, "table:number-rows-repeated")?;
                self.column = 0;
                self.cells.clear();
            }
            "table:table-cell" | "table:covered-table-cell" => {
                let repeats = repeated(tag, "table:number-columns-repeated")?;
                self.open = Some((typed(tag)?, repeats));
                self.text.clear();
                self.paragraphs = 0;
            }
            "office:annotation" => self.annotation += 1,
            "text:p" if self.annotation == 0 => {
                if self.paragraphs > 0 {
                    self.add("\n");
                }
                self.paragraphs += 1;
            }
            "text:s" => {
                let count = attribute(tag, "text:c")?.and_then(|count| count.parse().ok());
                self.add(&" ".repeat(count.unwrap_or(1usize).min(MAX_BLANKS)));
            }
            "text:tab" => self.add("\t"),
            "text:line-break" => self.add("\n"),
            _ => {}
        }
        Ok(())
    }

    fn add(&mut self, text: &str) {
        if self.open.is_some()
            && self.annotation == 0
            && self.paragraphs > 0
            && self.text.len() + text.len() <= MAX_MARKUP_BYTES
        {
            self.text.push_str(text);
        }
    }

    fn add_reference(&mut self, name: &quick_xml::events::BytesRef<'_>) -> Result<(), Trouble> {
        if let Some(c) = name.resolve_char_ref().map_err(Trouble::library)? {
            self.add(c.encode_utf8(&mut [0; 4]));
        } else if let Some(text) = quick_xml::escape::resolve_predefined_entity(name) {
            self.add(text);
        }
        Ok(())
    }

    fn end(&mut self, name: &str, sink: &mut CellSink<'_>) -> Result<ControlFlow<()>, Trouble> {
        match name {
            "table:table-cell" | "table:covered-table-cell" => self.end_cell(),
            "office:annotation" => self.annotation = self.annotation.saturating_sub(1),
            "table:table-row" => return self.end_row(sink),
            _ => {}
        }
        Ok(ControlFlow::Continue(()))
    }

    fn end_cell(&mut self) {
        let Some((value, repeats)) = self.open.take() else {
            return;
        };
        let value = match value {
            // Error values are written as texts.
            None if self.text.starts_with('#') || self.text == "Err:502" => {
                Some(Value::Error("#ERROR"))
            }
            None if !self.text.is_empty() => Some(Value::Text(std::mem::take(&mut self.text))),
            other => other,
        };
        if let Some(value) = value {
            let last = self
                .column
                .saturating_add(repeats)
                .min(u64::from(MAX_COLUMNS));
            for column in self.column..last {
                self.cells
                    .push((u32::try_from(column).unwrap_or(MAX_COLUMNS), value.clone()));
            }
        }
        self.column = self.column.saturating_add(repeats);
    }

    fn end_row(&mut self, sink: &mut CellSink<'_>) -> Result<ControlFlow<()>, Trouble> {
        let last = self.row.saturating_add(self.row_repeats);
        if !self.cells.is_empty() {
            for row in self.row..last.min(MAX_ROWS) {
                let number = u32::try_from(row).unwrap_or(u32::MAX);
                for (column, value) in &self.cells {
                    if sink(number, *column, value.clone())?.is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
            }
        }
        self.row = last;
        Ok(ControlFlow::Continue(()))
    }
}

/// The typed value of a cell, where it has one; texts stand in its paragraphs.
fn typed(tag: &BytesStart<'_>) -> Result<Option<Value>, Trouble> {
    let kind = attribute(tag, "office:value-type")?;
    Ok(match kind.as_deref() {
        Some("float" | "percentage" | "currency") => attribute(tag, "office:value")?
            .and_then(|text| text.parse().ok())
            .map(Value::Number),
        Some("date") => attribute(tag, "office:date-value")?.map(|text| from_iso(&text)),
        Some("time") => attribute(tag, "office:time-value")?.map(|text| from_iso_duration(&text)),
        Some("boolean") => {
            attribute(tag, "office:boolean-value")?.map(|text| Value::Bool(text == "true"))
        }
        _ => None,
    })
}
