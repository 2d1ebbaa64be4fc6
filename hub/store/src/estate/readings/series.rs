//! Series: one quantity at one device or usage point, under a number of its own.

use hub_model::{ReadingKind, ReadingType};

use crate::StoreError;
use crate::db::{Tx, first};
use crate::estate::EnterpriseId;
use crate::estate::effect::Effect;
use crate::estate::ids;
use crate::estate::names::ObjectKind;
use crate::estate::totals::Total;

/// What makes a series, within its enterprise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::estate) struct SeriesKey {
    subject_kind: i64,
    subject_id: i64,
    type_id: i64,
    kind: i64,
}

impl SeriesKey {
    pub(in crate::estate) const fn new(
        subject: ObjectKind,
        subject_id: i64,
        type_id: i64,
        kind: ReadingKind,
    ) -> Self {
        Self {
            subject_kind: subject.code(),
            subject_id,
            type_id,
            kind: code(kind),
        }
    }
}

/// How a kind of readings is stored.
pub(in crate::estate) const fn code(kind: ReadingKind) -> i64 {
    match kind {
        ReadingKind::Interval => 0,
        ReadingKind::Register => 1,
    }
}

/// See [`code`].
pub(super) fn kind(code: i64) -> Result<ReadingKind, StoreError> {
    match code {
        0 => Ok(ReadingKind::Interval),
        1 => Ok(ReadingKind::Register),
        _ => Err(StoreError::Damaged(format!("series of kind {code}"))),
    }
}

/// The number of a series, given if it is new.
pub(in crate::estate) fn ensure(
    tx: &mut dyn Tx,
    enterprise: EnterpriseId,
    key: &SeriesKey,
    effect: &mut Effect,
) -> Result<i64, StoreError> {
    let known = first(
        tx,
        "SELECT id FROM series WHERE enterprise_id = ?1 AND subject_kind = ?2 \
         AND subject_id = ?3 AND reading_type = ?4 AND kind = ?5",
        &[
            enterprise.0.into(),
            key.subject_kind.into(),
            key.subject_id.into(),
            key.type_id.into(),
            key.kind.into(),
        ],
        |row| row.int(0),
    )?;
    if let Some(id) = known {
        return Ok(id);
    }
    let id = ids::next(tx, "series")?;
    tx.execute(
        "INSERT INTO series (enterprise_id, subject_kind, subject_id, reading_type, kind, id) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        &[
            enterprise.0.into(),
            key.subject_kind.into(),
            key.subject_id.into(),
            key.type_id.into(),
            key.kind.into(),
            id.into(),
        ],
    )?;
    effect.created.push(Total::Series);
    Ok(id)
}

/// The number of a reading type, given if it is new.
pub(in crate::estate) fn type_id(
    tx: &mut dyn Tx,
    reading_type: &ReadingType,
) -> Result<i64, StoreError> {
    let code = reading_type.to_string();
    let known = first(
        tx,
        "SELECT id FROM reading_type WHERE code = ?1",
        &[code.as_str().into()],
        |row| row.int(0),
    )?;
    if let Some(id) = known {
        return Ok(id);
    }
    let id = ids::next(tx, "reading_type")?;
    tx.execute(
        "INSERT INTO reading_type (code, id) VALUES (?1, ?2)",
        &[code.as_str().into(), id.into()],
    )?;
    Ok(id)
}
