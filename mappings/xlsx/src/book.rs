//! Opens a workbook of any kind and streams the cells of one sheet.

use std::io::Cursor;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use calamine::{Reader, Xls, XlsError, Xlsb, Xlsx};
use hub_model::mapping::Halt;

use crate::limits::MAX_CELLS;
use crate::package::{self, Package};
use crate::value::{Value, of_data, of_ref};
use crate::{biff, cfb, ods};

/// Takes a cell: row and column from 0, and its value. Says whether to go on.
pub(crate) type CellSink<'s> = dyn FnMut(u32, u32, Value) -> Result<ControlFlow<()>, Trouble> + 's;

/// What is said of a workbook that is encrypted, of whatever kind.
pub(crate) const PROTECTED: &str = "the workbook is protected by a password";

/// Why a workbook cannot be read to its end.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The content: becomes a finding.
    Unreadable(String),
    /// The receiver wants no more.
    Halt(Halt),
}

impl Trouble {
    /// What the library says.
    pub(crate) fn library(error: impl std::fmt::Display) -> Self {
        let mut text = error.to_string();
        text.truncate(
            text.char_indices()
                .nth(300)
                .map_or(text.len(), |(at, _)| at),
        );
        Self::Unreadable(format!("the workbook is damaged: {text}"))
    }
}

impl From<Halt> for Trouble {
    fn from(halt: Halt) -> Self {
        Self::Halt(halt)
    }
}

type Memory = Cursor<Vec<u8>>;

/// An open workbook.
pub(crate) enum Book {
    Xlsx(Box<Xlsx<Memory>>),
    Xlsb(Box<Xlsb<Memory>>),
    Xls(Box<Xls<Memory>>),
    Ods(Vec<u8>, Vec<String>),
}

impl Book {
    /// Checks the bytes and opens them.
    pub(crate) fn open(bytes: Vec<u8>) -> Result<Self, Trouble> {
        if cfb::is_compound(&bytes) {
            let mut stream = cfb::workbook_stream(&bytes).map_err(Trouble::Unreadable)?;
            drop(bytes);
            biff::check(&mut stream).map_err(Trouble::Unreadable)?;
            let clean = cfb::wrap(&stream);
            drop(stream);
            return guarded(|| Xls::new(Cursor::new(clean)).map_err(xls_trouble))
                .map(|book| Self::Xls(Box::new(book)));
        }
        if !bytes.starts_with(b"PK") {
            return Err(Trouble::Unreadable(
                "the file is not a workbook, expected xlsx, xlsm, xlsb, xls or ods".to_owned(),
            ));
        }
        match package::check(&bytes).map_err(Trouble::Unreadable)? {
            Package::Ods => {
                let names = ods::sheet_names(&bytes)?;
                Ok(Self::Ods(bytes, names))
            }
            Package::Xlsx => guarded(|| Xlsx::new(Cursor::new(bytes)).map_err(Trouble::library))
                .map(|book| Self::Xlsx(Box::new(book))),
            Package::Xlsb => guarded(|| Xlsb::new(Cursor::new(bytes)).map_err(Trouble::library))
                .map(|book| Self::Xlsb(Box::new(book))),
        }
    }

    /// The names of the sheets, in their order.
    pub(crate) fn sheets(&self) -> Vec<String> {
        match self {
            Self::Xlsx(book) => book.sheet_names(),
            Self::Xlsb(book) => book.sheet_names(),
            Self::Xls(book) => book.sheet_names(),
            Self::Ods(_, names) => names.clone(),
        }
    }

    /// Whether day numbers count from 1904.
    pub(crate) fn counts_from_1904(&self) -> bool {
        match self {
            Self::Xlsx(book) => book.has_1904_epoch(),
            Self::Xlsb(book) => book.has_1904_epoch(),
            Self::Xls(book) => book.has_1904_epoch(),
            Self::Ods(..) => false,
        }
    }

    /// Streams the cells of a sheet that are not empty, row by row.
    pub(crate) fn cells(&mut self, sheet: usize, sink: &mut CellSink<'_>) -> Result<(), Trouble> {
        let names = self.sheets();
        let name = names.get(sheet).map_or("", String::as_str);
        let from_1904 = self.counts_from_1904();
        let mut seen = 0u64;
        let mut counted = |row: u32, column: u32, value: Option<Value>| {
            seen += 1;
            if seen > MAX_CELLS {
                return Err(Trouble::Unreadable(format!(
                    "the sheet has more than {MAX_CELLS} cells"
                )));
            }
            value.map_or(Ok(ControlFlow::Continue(())), |value| {
                sink(row, column, value)
            })
        };
        match self {
            Self::Xlsx(book) => {
                let mut reader =
                    guarded(|| book.worksheet_cells_reader(name).map_err(Trouble::library))?;
                while let Some(cell) = guarded(|| reader.next_cell().map_err(Trouble::library))? {
                    let (row, column) = cell.get_position();
                    if counted(row, column, of_ref(cell.get_value(), from_1904))?.is_break() {
                        break;
                    }
                }
                Ok(())
            }
            Self::Xlsb(book) => {
                let mut reader =
                    guarded(|| book.worksheet_cells_reader(name).map_err(Trouble::library))?;
                while let Some(cell) = guarded(|| reader.next_cell().map_err(Trouble::library))? {
                    let (row, column) = cell.get_position();
                    if counted(row, column, of_ref(cell.get_value(), from_1904))?.is_break() {
                        break;
                    }
                }
                Ok(())
            }
            Self::Xls(book) => {
                // Measured before it was opened: see `biff`.
                let range = guarded(|| book.worksheet_range(name).map_err(Trouble::library))?;
                let (first_row, first_column) = range.start().unwrap_or_default();
                for (row, column, data) in range.used_cells() {
                    let row = u32::try_from(row).unwrap_or(0).saturating_add(first_row);
                    let column = u32::try_from(column)
                        .unwrap_or(0)
                        .saturating_add(first_column);
                    if counted(row, column, of_data(data, from_1904))?.is_break() {
                        break;
                    }
                }
                Ok(())
            }
            Self::Ods(bytes, _) => ods::cells(bytes, sheet, &mut |row, column, value| {
                counted(row, column, Some(value))
            }),
        }
    }
}

/// Old workbooks hold their password inside, where only the library looks.
fn xls_trouble(error: XlsError) -> Trouble {
    match error {
        XlsError::Password => Trouble::Unreadable(PROTECTED.to_owned()),
        other => Trouble::library(other),
    }
}

/// Runs the library; its panics become findings. The value it was working on is dropped.
fn guarded<T>(run: impl FnOnce() -> Result<T, Trouble>) -> Result<T, Trouble> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| {
        Err(Trouble::Unreadable(
            "the workbook is damaged: its reader failed".to_owned(),
        ))
    })
}
