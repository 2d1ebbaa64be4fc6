//! Reading readings, day by day, with where they came from.

use hub_core::MessageId;
use hub_model::{Instant, LocalDay, ReadingKind, ReadingType};

use super::codec;
use super::day::DayBlock;
use super::series;
use crate::StoreError;
use crate::db::{Tx, all};
use crate::estate::EnterpriseId;
use crate::estate::names::{self, ObjectKind};

/// Whose readings: a device or a usage point, by any id a partner has for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubjectId<'a> {
    /// A meter or other device.
    Device(&'a str),
    /// A usage point.
    UsagePoint(&'a str),
}

/// A series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Series {
    id: i64,
    /// What is measured.
    pub reading_type: ReadingType,
    /// Intervals or register readings.
    pub kind: ReadingKind,
}

/// Which readings.
#[derive(Debug, Clone, Copy)]
pub struct ReadingsQuery<'a> {
    /// Owner.
    pub enterprise: EnterpriseId,
    /// Whose.
    pub subject: SubjectId<'a>,
    /// Of which type; `None`: all.
    pub reading_type: Option<ReadingType>,
    /// Stamped after this instant ...
    pub after: Instant,
    /// ... and up to this one: `after` and `until` midnight are the intervals of a day.
    pub until: Instant,
}

/// One day of a series.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredDay {
    /// The local day.
    pub day: LocalDay,
    /// 1, and one more for each correction.
    pub version: i64,
    /// When this version became known.
    pub known_since: Instant,
    /// The readings asked for.
    pub block: DayBlock,
}

/// An older version of a day.
#[derive(Debug, Clone, PartialEq)]
pub struct BlockVersion {
    /// The series.
    pub series: Series,
    /// The day as it was known.
    pub day: StoredDay,
    /// When it was corrected.
    pub known_until: Instant,
    /// The message that corrected it.
    pub corrected_by: MessageId,
}

/// The series of a device or usage point. Empty if it is not known.
///
/// # Errors
/// The database refused.
pub fn series_of(
    tx: &mut dyn Tx,
    enterprise: EnterpriseId,
    subject: SubjectId<'_>,
) -> Result<Vec<Series>, StoreError> {
    let (kind, id) = match subject {
        SubjectId::Device(id) => (ObjectKind::Device, id),
        SubjectId::UsagePoint(id) => (ObjectKind::UsagePoint, id),
    };
    let Some(found) = names::find_id(tx, enterprise, kind, id)? else {
        return Ok(Vec::new());
    };
    all(
        tx,
        "SELECT s.id, t.code, s.kind FROM series s JOIN reading_type t ON t.id = s.reading_type \
         WHERE s.enterprise_id = ?1 AND s.subject_kind = ?2 AND s.subject_id = ?3 \
         ORDER BY s.id LIMIT 10000",
        &[enterprise.0.into(), kind.code().into(), found.id.into()],
        |row| {
            Ok(Series {
                id: row.int(0)?,
                reading_type: row
                    .text(1)?
                    .parse()
                    .map_err(|e| StoreError::Damaged(format!("reading type: {e}")))?,
                kind: series::kind(row.int(2)?)?,
            })
        },
    )
}

/// Hands the readings to `each`, series by series and day by day, without holding more than a day.
///
/// # Errors
/// The database refused, a block is damaged, or `each` did not want more.
pub fn readings(
    tx: &mut dyn Tx,
    query: &ReadingsQuery<'_>,
    each: &mut dyn FnMut(&Series, StoredDay) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let all = series_of(tx, query.enterprise, query.subject)?;
    let wanted = |series: &&Series| query.reading_type.is_none_or(|t| t == series.reading_type);
    for series in all.iter().filter(wanted) {
        tx.query(
            "SELECT day, version, known_since, data FROM reading_block \
             WHERE series_id = ?1 AND day BETWEEN ?2 AND ?3 ORDER BY day",
            &[
                series.id.into(),
                (utc_day(query.after) - SLACK_DAYS).into(),
                (utc_day(query.until) + SLACK_DAYS).into(),
            ],
            &mut |row| {
                let mut block = codec::decode(row.blob(3)?)?;
                let asked = query.after..=query.until;
                block
                    .readings
                    .retain(|r| asked.contains(&r.at) && r.at != query.after);
                if block.readings.is_empty() {
                    return Ok(());
                }
                let day = StoredDay {
                    day: day(row.int(0)?)?,
                    version: row.int(1)?,
                    known_since: Instant::from_micros(row.int(2)?),
                    block,
                };
                each(series, day)
            },
        )?;
    }
    Ok(())
}

/// The older versions of a local day, oldest first, at most the first 1,000 of each series.
///
/// # Errors
/// The database refused, or a block is damaged.
pub fn versions(
    tx: &mut dyn Tx,
    enterprise: EnterpriseId,
    subject: SubjectId<'_>,
    local_day: LocalDay,
) -> Result<Vec<BlockVersion>, StoreError> {
    let mut versions = Vec::new();
    for series in series_of(tx, enterprise, subject)? {
        versions.extend(all(
            tx,
            "SELECT version, known_since, known_until, corrected_by, data \
             FROM reading_block_version WHERE series_id = ?1 AND day = ?2 \
             ORDER BY version LIMIT 1000",
            &[series.id.into(), i64::from(local_day.0).into()],
            |row| {
                Ok(BlockVersion {
                    series,
                    day: StoredDay {
                        day: local_day,
                        version: row.int(0)?,
                        known_since: Instant::from_micros(row.int(1)?),
                        block: codec::decode(row.blob(4)?)?,
                    },
                    known_until: Instant::from_micros(row.int(2)?),
                    corrected_by: MessageId(row.int(3)?),
                })
            },
        )?);
    }
    Ok(versions)
}

/// Days that a reading's stamp may lie away from its local day in UTC: the zone's offset, and an
/// interval of up to a day.
const SLACK_DAYS: i64 = 2;

const fn utc_day(instant: Instant) -> i64 {
    instant.seconds().div_euclid(86_400)
}

fn day(stored: i64) -> Result<LocalDay, StoreError> {
    i32::try_from(stored)
        .map(LocalDay)
        .map_err(|_| StoreError::Damaged(format!("day {stored}")))
}
