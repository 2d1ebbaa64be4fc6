//! Findings: what is wrong with a record, where, and what would be right.

use std::fmt;
use std::sync::Arc;

/// Where in a payload something stands. Unknown parts are zero or `None`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Place {
    /// Bytes from the beginning of the payload, as it was received.
    pub offset: u64,
    /// Line (or row of a sheet), from 1; 0 if unknown.
    pub line: u64,
    /// Sheet of a workbook.
    pub sheet: Option<Arc<str>>,
}

impl Place {
    /// A place in a text file.
    #[must_use]
    pub const fn at(offset: u64, line: u64) -> Self {
        Self {
            offset,
            line,
            sheet: None,
        }
    }
}

impl Place {
    /// Whether it says anything: the first byte without a line is no place but the lack of one.
    #[must_use]
    pub const fn is_known(&self) -> bool {
        self.offset > 0 || self.line > 0 || self.sheet.is_some()
    }
}

/// Empty if the place is not known.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.sheet, self.line) {
            (Some(sheet), line) => write!(f, "sheet `{sheet}`, row {line}"),
            (None, 0) if self.offset == 0 => Ok(()),
            (None, 0) => write!(f, "byte {}", self.offset),
            (None, line) => write!(f, "line {line}"),
        }
    }
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing; the record was taken.
    Warning,
    /// The record was not taken; the rest goes on.
    Error,
    /// Nothing after this place could be read.
    Fatal,
}

impl Severity {
    /// `warning`, `error` or `fatal`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Fatal => "fatal",
        }
    }
}

/// One thing wrong with a payload: where, what, and what would be valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad.
    pub severity: Severity,
    /// Short stable code for programs: `bad_value`, `unknown_device` ...
    pub code: &'static str,
    /// Where.
    pub place: Place,
    /// Field, column name or XML path.
    pub field: Option<String>,
    /// What is wrong, with the offending text, and what would be valid.
    pub reason: String,
    /// How many records this finding stands for: 0 for a warning, 1 for a row, n for a whole block.
    pub rejects: u64,
}

impl Finding {
    /// One record was not taken.
    #[must_use]
    pub fn error(code: &'static str, place: Place, reason: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            place,
            field: None,
            reason: reason.into(),
            rejects: 1,
        }
    }

    /// The record was taken, but something is odd.
    #[must_use]
    pub fn warning(code: &'static str, place: Place, reason: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            rejects: 0,
            ..Self::error(code, place, reason)
        }
    }

    /// Nothing after this place could be read.
    #[must_use]
    pub fn fatal(code: &'static str, place: Place, reason: impl Into<String>) -> Self {
        Self {
            severity: Severity::Fatal,
            ..Self::error(code, place, reason)
        }
    }

    /// Names the field, column or path.
    #[must_use]
    pub fn in_field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// Says how many records it stands for.
    #[must_use]
    pub const fn rejecting(mut self, records: u64) -> Self {
        self.rejects = records;
        self
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.place.is_known() {
            write!(f, "{}: ", self.place)?;
        }
        f.write_str(self.severity.as_str())?;
        if let Some(field) = &self.field {
            write!(f, " in `{field}`")?;
        }
        write!(f, ": {}", self.reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_without_a_place_names_none() {
        let at = |offset, line| Finding::warning("odd", Place::at(offset, line), "odd").to_string();
        assert_eq!(at(0, 0), "warning: odd");
        assert_eq!(at(7, 0), "byte 7: warning: odd");
        assert_eq!(at(7, 2), "line 2: warning: odd");
    }
}
