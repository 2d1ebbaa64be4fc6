//! Reads the fields of one row by name, and remembers everything wrong with them.

use hub_model::{Address, Decimal, Instant, ObjectRef};

use crate::cell::{Row, shown};
use crate::decode::times::TimeReader;
use crate::header::Layout;
use crate::number::read_number;
use crate::source::{Fault, Raw, Source};
use crate::{Cell, Charset};

/// The fields of one row.
pub(crate) struct Fields<'a, R> {
    pub(crate) layout: &'a Layout,
    pub(crate) row: &'a R,
    pub(crate) times: &'a mut TimeReader,
    pub(crate) faults: Vec<Fault>,
}

impl<'a, R: Row> Fields<'a, R> {
    fn source(&self, name: &str) -> Option<&'a Source> {
        self.layout.mapping().field(name)
    }

    fn keep<T>(&mut self, source: &Source, value: Result<Option<T>, Fault>) -> Option<T> {
        let value = match value {
            Ok(None) if source.required => Err(source.missing(self.layout)),
            other => other,
        };
        value.unwrap_or_else(|fault| {
            self.faults.push(fault);
            None
        })
    }

    /// A text; `None` if it is empty or wrong.
    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        let source = self.source(name)?;
        let value = text_of(source, self.layout, self.row);
        self.keep(source, value)
    }

    /// A text, empty where it is missing: the fault is remembered then.
    pub(crate) fn needed(&mut self, name: &str) -> String {
        self.text(name).unwrap_or_default()
    }

    /// A word that means something to us.
    pub(crate) fn word<T>(&mut self, name: &str, meaning: impl Fn(&str) -> Option<T>) -> Option<T> {
        let source = self.source(name)?;
        let value = text_of(source, self.layout, self.row).and_then(|text| match text {
            None => Ok(None),
            Some(text) => meaning(&text).map(Some).ok_or_else(|| {
                let expected = source.class.expectation();
                source.fault(
                    self.layout,
                    format!(
                        "`{}` is unknown, expected {expected}",
                        shown(text.as_bytes())
                    ),
                )
            }),
        });
        self.keep(source, value)
    }

    /// A number.
    pub(crate) fn number(&mut self, name: &str) -> Option<Decimal> {
        let source = self.source(name)?;
        let value = number_of(source, self.layout, self.row);
        self.keep(source, value)
    }

    /// A time.
    pub(crate) fn time(&mut self, name: &str) -> Option<Instant> {
        let source = self.source(name)?;
        let value = self.times.read(source, self.layout, self.row, &[]);
        self.keep(source, value)
    }

    /// A reference to an object by its id.
    pub(crate) fn object(&mut self, name: &str) -> Option<ObjectRef> {
        self.text(name).map(ObjectRef::by_mrid)
    }

    /// An address, if any part of it is there.
    pub(crate) fn address(&mut self) -> Option<Address> {
        let address = Address {
            street: self.text("street"),
            postal_code: self.text("postal_code"),
            town: self.text("town"),
            country: self.text("country"),
        };
        Some(address).filter(|address| *address != Address::default())
    }

    /// Properties kept under a name, those that are not empty.
    pub(crate) fn attributes(&mut self) -> Vec<(String, String)> {
        let mut kept = Vec::new();
        for (name, source) in &self.layout.mapping().plan.attributes {
            let value = text_of(source, self.layout, self.row);
            if let Some(value) = self.keep(source, value) {
                kept.push((name.clone(), value));
            }
        }
        kept
    }
}

/// The value of a source as text; `None` if it is empty.
pub(crate) fn text_of<R: Row>(
    source: &Source,
    layout: &Layout,
    row: &R,
) -> Result<Option<String>, Fault> {
    let raw = source.raw(layout, row)?;
    let text = source.text_of(layout, row, &raw)?;
    Ok(Some(text.into_owned()).filter(|text| !text.is_empty()))
}

/// The value of a source as a number; `None` if it is empty.
#[inline]
pub(crate) fn number_of<R: Row>(
    source: &Source,
    layout: &Layout,
    row: &R,
) -> Result<Option<Decimal>, Fault> {
    number_from(source, layout, row.charset(), source.raw(layout, row)?)
}

/// A number from what a cell, an expression or a lookup gave.
#[inline]
pub(crate) fn number_from(
    source: &Source,
    layout: &Layout,
    charset: Charset,
    raw: Raw<'_>,
) -> Result<Option<Decimal>, Fault> {
    let format = &layout.mapping().file().numbers;
    let value = match &raw {
        Raw::Nothing => return Ok(None),
        Raw::Ours(text) => return Ok(text.parse().ok()),
        Raw::Cell(cell) => read_number(*cell, charset, format, source.power_of_ten),
        Raw::Made(text) => read_number(
            Cell::Text(text.as_bytes()),
            Charset::Utf8,
            format,
            source.power_of_ten,
        ),
    };
    value
        .map(Some)
        .map_err(|reason| source.fault(layout, reason))
}
