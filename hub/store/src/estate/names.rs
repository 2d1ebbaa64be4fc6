//! Finding devices and usage points by what partners call them.
//!
//! An object is known by the id under which it first came. Other partners may call it otherwise:
//! the ids in its master data (`mRID`, first name, serial number) lead to it as well, unless two
//! objects share one.

use hub_model::ObjectRef;

use super::EnterpriseId;
use crate::StoreError;
use crate::db::{Tx, all, first};

/// What has a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum ObjectKind {
    Device = 0,
    UsagePoint = 1,
}

/// An object that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) id: i64,
    /// The id by which it is known.
    pub(super) name: String,
}

impl ObjectKind {
    pub(super) const fn code(self) -> i64 {
        self as i64
    }

    const fn id_of_name(self) -> &'static str {
        match self {
            Self::Device => "SELECT id FROM end_device WHERE enterprise_id = ?1 AND name = ?2",
            Self::UsagePoint => "SELECT id FROM usage_point WHERE enterprise_id = ?1 AND name = ?2",
        }
    }

    const fn name_of_id(self) -> &'static str {
        match self {
            Self::Device => "SELECT name FROM end_device WHERE enterprise_id = ?1 AND id = ?2",
            Self::UsagePoint => "SELECT name FROM usage_point WHERE enterprise_id = ?1 AND id = ?2",
        }
    }
}

/// The ids in a reference that may lead to an object: `mRID` and first name.
fn ids(object: &ObjectRef) -> impl Iterator<Item = &str> {
    let first = object.names.first().map(|name| name.name.as_str());
    let ids = object.mrid.as_deref().into_iter().chain(first);
    ids.filter(|id| !id.is_empty())
}

/// The object a reference means, if it is known.
pub(super) fn find(
    tx: &mut dyn Tx,
    enterprise: EnterpriseId,
    kind: ObjectKind,
    object: &ObjectRef,
) -> Result<Option<Found>, StoreError> {
    for id in ids(object) {
        if let Some(found) = find_id(tx, enterprise, kind, id)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// The object that is called `name`, if there is exactly one.
pub(super) fn find_id(
    tx: &mut dyn Tx,
    enterprise: EnterpriseId,
    kind: ObjectKind,
    name: &str,
) -> Result<Option<Found>, StoreError> {
    let params = [enterprise.0.into(), name.into()];
    if let Some(id) = first(tx, kind.id_of_name(), &params, |row| row.int(0))? {
        let name = name.to_owned();
        return Ok(Some(Found { id, name }));
    }
    let others = all(
        tx,
        "SELECT object_id FROM object_name \
         WHERE enterprise_id = ?1 AND kind = ?2 AND name = ?3 LIMIT 2",
        &[enterprise.0.into(), kind.code().into(), name.into()],
        |row| row.int(0),
    )?;
    match others.as_slice() {
        [id] => name_of(tx, enterprise, kind, *id),
        _ => Ok(None),
    }
}

/// The object of this id with its name.
pub(super) fn name_of(
    tx: &mut dyn Tx,
    enterprise: EnterpriseId,
    kind: ObjectKind,
    id: i64,
) -> Result<Option<Found>, StoreError> {
    let params = [enterprise.0.into(), id.into()];
    let name = first(tx, kind.name_of_id(), &params, |row| {
        row.text(0).map(ToOwned::to_owned)
    })?;
    Ok(name.map(|name| Found { id, name }))
}

/// Remembers what else an object is called.
pub(super) fn learn(
    tx: &mut dyn Tx,
    enterprise: EnterpriseId,
    kind: ObjectKind,
    known: &Found,
    object: &ObjectRef,
    serial_number: Option<&str>,
) -> Result<(), StoreError> {
    for name in ids(object).chain(serial_number) {
        if name != known.name && !name.is_empty() {
            tx.execute(
                "INSERT INTO object_name (enterprise_id, kind, name, object_id) \
                 VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
                &[
                    enterprise.0.into(),
                    kind.code().into(),
                    name.into(),
                    known.id.into(),
                ],
            )?;
        }
    }
    Ok(())
}

/// All names of an object after a partner called it `incoming`: nothing is forgotten.
pub(super) fn united(known: &ObjectRef, incoming: &ObjectRef) -> ObjectRef {
    let mut united = known.clone();
    if united.mrid.is_none() {
        united.mrid.clone_from(&incoming.mrid);
    }
    for name in &incoming.names {
        if !united.names.contains(name) && united.names.len() < MAX_NAMES {
            united.names.push(name.clone());
        }
    }
    united
}

/// Names kept per object. A partner that sends a new one each time must not grow the row for ever.
const MAX_NAMES: usize = 32;
