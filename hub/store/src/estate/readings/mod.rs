//! Readings: one row holds a series' readings of a local day.
//!
//! A *series* is one quantity (reading type, intervals or register) at one device or usage point.
//! An interval reading belongs to the local day in which its interval begins, a register reading
//! to the day of its instant. A day that is corrected keeps its older versions: what was known
//! when.

mod blocks;
mod calendar;
pub mod codec;
mod day;
mod merge;
mod palette;
mod pending;
mod query;
pub(super) mod series;

pub(super) use pending::{Pending, ReadingRecord};

pub use day::{DayBlock, MAX_READINGS, Origin, StoredReading};
pub use query::{
    BlockVersion, ReadingsQuery, Series, StoredDay, SubjectId, readings, series_of, versions,
};

#[cfg(test)]
mod tests;
