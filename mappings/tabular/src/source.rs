//! A compiled field: where a value comes from, which words it may be, and how a row's cell
//! becomes it.

use std::borrow::Cow;
use std::collections::HashMap;

use hub_model::{
    Decimal, EndDeviceStatus, Instant, QualityCode, ReadingKind, ReadingType, ServiceKind,
    WorkOrderAction, WorkOrderStatus,
};
use rustc_hash::FxHashMap;

use crate::cell::{Cell, Row, shown, typed_text};
use crate::header::Layout;
use crate::{Expression, TimeFormat};

/// Longest text kept from a cell: what an Excel cell can hold.
pub(crate) const MAX_TEXT_BYTES: usize = 4 * 32_767;

/// What kind of value a field is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Text,
    Integer,
    Number,
    Time,
    ReadingType,
    ReadingKind,
    Quality,
    Action,
    OrderStatus,
    Priority,
    Service,
    DeviceStatus,
}

impl Class {
    /// Checks one of our own words for this kind of value.
    ///
    /// # Errors
    /// What would be valid.
    pub(crate) fn check(self, text: &str) -> Result<(), String> {
        let valid = match self {
            Self::Text => true,
            Self::Integer => text.parse::<i64>().is_ok(),
            Self::Number => text.parse::<Decimal>().is_ok(),
            Self::Time => text.parse::<Instant>().is_ok(),
            Self::ReadingType => {
                return text.parse::<ReadingType>().map(drop).map_err(|error| {
                    format!(
                        "`{}` is not a reading type: {error}",
                        shown(text.as_bytes())
                    )
                });
            }
            Self::ReadingKind => reading_kind(text).is_some(),
            Self::Quality => text
                .split_ascii_whitespace()
                .all(|code| code.parse::<QualityCode>().is_ok()),
            Self::Action => WorkOrderAction::named(text).is_some(),
            Self::OrderStatus => WorkOrderStatus::named(text).is_some(),
            Self::Priority => priority(text).is_some(),
            Self::Service => ServiceKind::named(text).is_some(),
            Self::DeviceStatus => EndDeviceStatus::named(text).is_some(),
        };
        if valid {
            Ok(())
        } else {
            Err(format!(
                "`{}` is not {}",
                shown(text.as_bytes()),
                self.expectation()
            ))
        }
    }

    /// `a whole number`, `one of ...`
    pub(crate) fn expectation(self) -> String {
        let one_of = |words: Vec<&str>| format!("one of `{}`", words.join("`, `"));
        match self {
            Self::Text => "a text".to_owned(),
            Self::Integer => "a whole number".to_owned(),
            Self::Number => "a number such as `12.5`".to_owned(),
            Self::Time => "a time such as `2026-03-29T00:15:00Z`".to_owned(),
            Self::ReadingType => "a reading type of 18 dot-separated integers".to_owned(),
            Self::ReadingKind => one_of(vec!["interval", "register"]),
            Self::Quality => "quality codes such as `2.0.0`, separated by blanks".to_owned(),
            Self::Action => one_of(WorkOrderAction::ALL.map(WorkOrderAction::as_str).to_vec()),
            Self::OrderStatus => one_of(WorkOrderStatus::ALL.map(WorkOrderStatus::as_str).to_vec()),
            Self::Priority => "a whole number from 0 to 9".to_owned(),
            Self::Service => one_of(ServiceKind::ALL.map(ServiceKind::as_str).to_vec()),
            Self::DeviceStatus => {
                one_of(EndDeviceStatus::ALL.map(EndDeviceStatus::as_str).to_vec())
            }
        }
    }
}

/// Our words for the two kinds of readings.
pub(crate) fn reading_kind(word: &str) -> Option<ReadingKind> {
    match word {
        "interval" => Some(ReadingKind::Interval),
        "register" => Some(ReadingKind::Register),
        _ => None,
    }
}

/// 0 to 9.
pub(crate) fn priority(word: &str) -> Option<u8> {
    word.parse().ok().filter(|priority| *priority <= 9)
}

/// Where a value comes from.
#[derive(Debug, Clone)]
pub(crate) enum Origin {
    /// A column, by its slot in [`Layout`].
    Column(usize),
    Constant(String),
    Expression(Expression),
    /// Nowhere: a wide row's quality, whose columns the layout of the row names.
    Elsewhere,
}

/// A compiled field.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) name: &'static str,
    pub(crate) class: Class,
    pub(crate) origin: Origin,
    /// Slot of the column it is written to.
    pub(crate) written: Option<usize>,
    /// Slot of the column with the time of day.
    pub(crate) time_slot: Option<usize>,
    pub(crate) lookup: Option<Lookup>,
    pub(crate) default: Option<String>,
    pub(crate) required: bool,
    pub(crate) format: TimeFormat,
    pub(crate) power_of_ten: i32,
    pub(crate) write: Option<Expression>,
}

/// The partner's words and ours.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lookup {
    pub(crate) ours: FxHashMap<String, String>,
    pub(crate) theirs: FxHashMap<String, String>,
    pub(crate) otherwise: Option<String>,
}

impl Lookup {
    /// Our word for a partner's.
    ///
    /// # Errors
    /// The words that are known.
    pub(crate) fn translate(&self, word: &str) -> Result<&str, String> {
        if let Some(ours) = self.ours.get(word).or(self.otherwise.as_ref()) {
            return Ok(ours);
        }
        Err(format!(
            "`{}` is unknown, expected {}",
            shown(word.as_bytes()),
            listed(self.ours.keys())
        ))
    }
}

/// "one of `a`, `b`", sorted, not too many.
pub(crate) fn listed<'a>(words: impl Iterator<Item = &'a String>) -> String {
    const MOST: usize = 20;
    let mut words: Vec<&str> = words.map(String::as_str).collect();
    words.sort_unstable();
    let more = words.len().saturating_sub(MOST);
    words.truncate(MOST);
    let tail = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    format!("one of `{}`{tail}", words.join("`, `"))
}

/// What is wrong with one value of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Column name, or the field's own where it has no column.
    pub(crate) field: String,
    pub(crate) code: &'static str,
    pub(crate) reason: String,
}

/// A value as a row has it, before it is given a type.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Raw<'r> {
    Nothing,
    /// As the partner writes it.
    Cell(Cell<'r>),
    /// What an expression made of the partner's cells, in UTF-8.
    Made(String),
    /// Our own word: a constant, a default, or what a lookup gave.
    Ours(Cow<'r, str>),
}

impl Source {
    /// The value of a row, `Nothing` if it is empty and has no default.
    ///
    /// # Errors
    /// The cell is an error value, its word unknown, or the expression failed.
    #[inline]
    pub(crate) fn raw<'r, R: Row>(&'r self, layout: &Layout, row: &'r R) -> Result<Raw<'r>, Fault> {
        let raw = match &self.origin {
            Origin::Column(slot) => match layout.cell(row, *slot) {
                Cell::Empty => Raw::Nothing,
                Cell::Error(text) => {
                    return Err(self.fault(
                        layout,
                        format!(
                            "is the error `{text}` of the workbook, expected {}",
                            self.class.expectation()
                        ),
                    ));
                }
                cell => Raw::Cell(cell),
            },
            Origin::Constant(text) => return Ok(Raw::Ours(Cow::Borrowed(text))),
            Origin::Expression(expression) => self.compute(expression, layout, row)?,
            Origin::Elsewhere => Raw::Nothing,
        };
        self.translated(layout, row, raw)
    }

    /// Applies default and lookup to what a cell gave.
    #[inline]
    pub(crate) fn translated<'r, R: Row>(
        &'r self,
        layout: &Layout,
        row: &R,
        raw: Raw<'r>,
    ) -> Result<Raw<'r>, Fault> {
        if raw == Raw::Nothing {
            return Ok(self
                .default
                .as_deref()
                .map_or(Raw::Nothing, |text| Raw::Ours(Cow::Borrowed(text))));
        }
        let Some(lookup) = &self.lookup else {
            return Ok(raw);
        };
        let word = self.text_of(layout, row, &raw)?;
        match lookup.translate(&word) {
            Ok(ours) => Ok(Raw::Ours(Cow::Borrowed(ours))),
            Err(reason) => Err(self.fault(layout, reason)),
        }
    }

    fn compute<'r, R: Row>(
        &self,
        expression: &Expression,
        layout: &Layout,
        row: &R,
    ) -> Result<Raw<'r>, Fault> {
        let text = |column: usize| match layout.trimmed(row, column) {
            Cell::Text(bytes) => row
                .charset()
                .decode(bytes)
                .map_or_else(String::new, Cow::into_owned),
            cell => typed_text(cell).into_owned(),
        };
        let value_of = |name: &str| layout.position(name).map(|column| Cow::Owned(text(column)));
        let all = || -> HashMap<String, String> {
            layout
                .named_columns()
                .map(|(name, column)| (name, text(column)))
                .collect()
        };
        expression
            .evaluate(&value_of, &all)
            .map(|made| made.map_or(Raw::Nothing, Raw::Made))
            .map_err(|reason| self.fault(layout, reason))
    }

    /// The value as text.
    pub(crate) fn text_of<'a, R: Row>(
        &self,
        layout: &Layout,
        row: &R,
        raw: &'a Raw<'_>,
    ) -> Result<Cow<'a, str>, Fault> {
        let text = match raw {
            Raw::Nothing => Cow::Borrowed(""),
            Raw::Ours(text) => Cow::Borrowed(text.as_ref()),
            Raw::Made(text) => Cow::Borrowed(text.as_str()),
            Raw::Cell(Cell::Text(bytes)) => self.decoded(layout, row, bytes)?,
            Raw::Cell(cell) => typed_text(*cell),
        };
        Ok(text)
    }

    fn decoded<'a, R: Row>(
        &self,
        layout: &Layout,
        row: &R,
        bytes: &'a [u8],
    ) -> Result<Cow<'a, str>, Fault> {
        if bytes.len() > MAX_TEXT_BYTES {
            return Err(self.fault(
                layout,
                format!(
                    "has {} bytes, expected at most {MAX_TEXT_BYTES}",
                    bytes.len()
                ),
            ));
        }
        if bytes.contains(&0) {
            return Err(self.fault(
                layout,
                format!("`{}` has a NUL byte, expected a text", shown(bytes)),
            ));
        }
        row.charset().decode(bytes).ok_or_else(|| {
            let mut fault = self.fault(
                layout,
                format!(
                    "`{}` is not {}, expected a text in that encoding",
                    shown(bytes),
                    row.charset().name()
                ),
            );
            fault.code = "bad_encoding";
            fault
        })
    }

    /// A fault of this field, under the name of its column.
    pub(crate) fn fault(&self, layout: &Layout, reason: String) -> Fault {
        Fault {
            field: self.column_name(layout),
            code: "bad_value",
            reason,
        }
    }

    /// The value that should be there is not.
    pub(crate) fn missing(&self, layout: &Layout) -> Fault {
        Fault {
            field: self.column_name(layout),
            code: "missing_value",
            reason: format!("is empty, expected {}", self.class.expectation()),
        }
    }

    fn column_name(&self, layout: &Layout) -> String {
        match self.origin {
            Origin::Column(slot) => layout.slot_name(slot),
            _ => self.name.to_owned(),
        }
    }
}
