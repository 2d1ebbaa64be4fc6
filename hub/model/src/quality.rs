//! Reading qualities: `systemId.category.subCategory` of IEC 61968-9 annex D.

use std::fmt;
use std::str::FromStr;

use crate::Instant;

/// Who judged a reading, and how: `system.category.sub`.
///
/// system: 1 end device, 2 metering system, 3 meter-data management, 4 other, 5 external.
/// category: 0 valid, 4 data collection, 5 reasonability, 6 validation failed, 7 edited, 8 estimated ...
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QualityCode {
    /// 1 end device ... 5 external.
    pub system: u16,
    /// 0 valid ... 12 projected.
    pub category: u16,
    /// Meaning within the category.
    pub sub: u16,
}

/// The text is not three dot-separated numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a reading quality, expected `system.category.sub` such as `2.0.0`")]
pub struct QualityCodeError;

impl QualityCode {
    /// `system.category.sub`.
    #[must_use]
    pub const fn new(system: u16, category: u16, sub: u16) -> Self {
        Self {
            system,
            category,
            sub,
        }
    }

    /// Category 5.259: the value is known to be missing, which is not zero.
    #[must_use]
    pub const fn is_known_missing(self) -> bool {
        self.category == 5 && self.sub == 259
    }
}

impl FromStr for QualityCode {
    type Err = QualityCodeError;

    fn from_str(text: &str) -> Result<Self, QualityCodeError> {
        let mut parts = text.split('.').map(str::parse::<u16>);
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(Ok(system)), Some(Ok(category)), Some(Ok(sub)), None) => Ok(Self {
                system,
                category,
                sub,
            }),
            _ => Err(QualityCodeError),
        }
    }
}

impl fmt::Display for QualityCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.system, self.category, self.sub)
    }
}

impl fmt::Debug for QualityCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One judgement of a reading (CIM `ReadingQuality`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ReadingQuality {
    /// The judgement.
    pub code: QualityCode,
    /// Words that came with it.
    pub comment: Option<String>,
    /// The system that judged.
    pub source: Option<String>,
    /// When it was judged.
    pub timestamp: Option<Instant>,
}

impl ReadingQuality {
    /// A code with nothing else.
    #[must_use]
    pub const fn of(code: QualityCode) -> Self {
        Self {
            code,
            comment: None,
            source: None,
            timestamp: None,
        }
    }
}

/// All judgements of one reading, in the order they came. Most readings of a block share one set.
pub type QualitySet = Vec<ReadingQuality>;
