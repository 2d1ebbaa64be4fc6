//! Usage points and their sites.

use std::sync::Arc;

use hub_domain::{EventKind, merge_usage_point};
use hub_model::{Address, Decimal, Finding, ObjectRef, Place, ServiceKind, UsagePoint};

use super::effect::Effect;
use super::lineage::Lineage;
use super::names::{self, Found, ObjectKind};
use super::scope::Scope;
use super::totals::Total;
use super::{EnterpriseId, ids, json, place};
use crate::StoreError;
use crate::db::{Row, Tx, first};

/// The usage point a partner calls `id`, if it is known.
///
/// # Errors
/// The database refused.
pub fn usage_point(
    tx: &mut dyn Tx,
    enterprise: EnterpriseId,
    id: &str,
) -> Result<Option<UsagePoint>, StoreError> {
    match names::find_id(tx, enterprise, ObjectKind::UsagePoint, id)? {
        Some(found) => Ok(load(tx, enterprise, &found)?.map(|(known, _)| known)),
        None => Ok(None),
    }
}

/// Takes a usage point: creates it, or takes over what it says.
pub(super) fn apply(
    tx: &mut dyn Tx,
    scope: &Scope,
    place: &Place,
    incoming: &UsagePoint,
) -> Result<Effect, StoreError> {
    let enterprise = scope.enterprise;
    let mut effect = Effect::default();
    if incoming.id.id().is_none() {
        return Ok(Effect::finding(missing_id(place)));
    }
    let Some(found) = names::find(tx, enterprise, ObjectKind::UsagePoint, &incoming.id)? else {
        return insert(tx, scope, place, incoming, &mut effect).map(|_| effect);
    };
    let Some((known, last)) = load(tx, enterprise, &found)? else {
        return Ok(effect);
    };
    let by = Lineage::of(scope, place);
    let merged = merge_usage_point(&known, incoming, by.arrival(&last));
    effect.findings.extend(by.superseded(&last, &merged.kept));
    let mut usage_point = merged.record;
    usage_point.id = names::united(&known.id, &incoming.id);
    if usage_point != known {
        save(tx, enterprise, &by.latest(last), &found, &usage_point)?;
        let kind = ObjectKind::UsagePoint;
        names::learn(tx, enterprise, kind, &found, &incoming.id, None)?;
    }
    if !merged.changed.is_empty() {
        effect.happened(EventKind::UsagePointChanged, &subject(&found.name));
    }
    Ok(effect)
}

/// Creates a usage point of which only a reference with an id is known.
pub(super) fn create(
    tx: &mut dyn Tx,
    scope: &Scope,
    place: &Place,
    id: &ObjectRef,
    effect: &mut Effect,
) -> Result<Found, StoreError> {
    let usage_point = UsagePoint {
        id: id.clone(),
        ..UsagePoint::default()
    };
    insert(tx, scope, place, &usage_point, effect)
}

fn insert(
    tx: &mut dyn Tx,
    scope: &Scope,
    place: &Place,
    usage_point: &UsagePoint,
    effect: &mut Effect,
) -> Result<Found, StoreError> {
    let found = Found {
        id: ids::next(tx, "object")?,
        name: usage_point.id.id().unwrap_or_default().to_owned(),
    };
    let by = Lineage::of(scope, place);
    save(tx, scope.enterprise, &by, &found, usage_point)?;
    names::learn(
        tx,
        scope.enterprise,
        ObjectKind::UsagePoint,
        &found,
        &usage_point.id,
        None,
    )?;
    effect.created.push(Total::UsagePoints);
    effect.happened(EventKind::UsagePointCreated, &subject(&found.name));
    Ok(found)
}

/// The subject of events about a usage point.
pub(super) fn subject(name: &str) -> Arc<str> {
    format!("usage_point:{name}").into()
}

fn missing_id(place: &Place) -> Finding {
    Finding::error(
        "missing_id",
        place.clone(),
        "the usage point has no id, expected an mRID or a name",
    )
    .in_field("usage_point")
}

fn save(
    tx: &mut dyn Tx,
    enterprise: EnterpriseId,
    by: &Lineage,
    found: &Found,
    usage_point: &UsagePoint,
) -> Result<(), StoreError> {
    let names = json::object(&usage_point.id).to_string();
    let none = Address::default();
    let address = usage_point.address.as_ref().unwrap_or(&none);
    let (latitude, longitude) = usage_point.position.unzip();
    let (latitude, longitude) = (
        latitude.map(|d| d.to_string()),
        longitude.map(|d| d.to_string()),
    );
    let [offset, line, sheet] = place::params(&by.place);
    tx.execute(
        "INSERT INTO usage_point (enterprise_id, name, id, names, service, street, postal_code, \
         town, country, latitude, longitude, access, updated_by, byte_offset, line, sheet) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16) \
         ON CONFLICT (enterprise_id, name) DO UPDATE SET names = excluded.names, \
         service = excluded.service, street = excluded.street, \
         postal_code = excluded.postal_code, town = excluded.town, country = excluded.country, \
         latitude = excluded.latitude, longitude = excluded.longitude, access = excluded.access, \
         updated_by = excluded.updated_by, byte_offset = excluded.byte_offset, \
         line = excluded.line, sheet = excluded.sheet",
        &[
            enterprise.0.into(),
            found.name.as_str().into(),
            found.id.into(),
            names.as_str().into(),
            usage_point.service.map(ServiceKind::as_str).into(),
            address.street.as_deref().into(),
            address.postal_code.as_deref().into(),
            address.town.as_deref().into(),
            address.country.as_deref().into(),
            latitude.as_deref().into(),
            longitude.as_deref().into(),
            usage_point.access.as_deref().into(),
            by.message.0.into(),
            offset,
            line,
            sheet,
        ],
    )?;
    Ok(())
}

fn load(
    tx: &mut dyn Tx,
    enterprise: EnterpriseId,
    found: &Found,
) -> Result<Option<(UsagePoint, Lineage)>, StoreError> {
    first(
        tx,
        "SELECT names, service, street, postal_code, town, country, latitude, longitude, access, \
         updated_by, byte_offset, line, sheet \
         FROM usage_point WHERE enterprise_id = ?1 AND name = ?2",
        &[enterprise.0.into(), found.name.as_str().into()],
        |row| Ok((read(row)?, Lineage::read(row, 9)?)),
    )
}

fn read(row: &dyn Row) -> Result<UsagePoint, StoreError> {
    let text = |column| Ok::<_, StoreError>(row.opt_text(column)?.map(ToOwned::to_owned));
    let degrees = |column| {
        let text = row.opt_text(column)?;
        text.map(str::parse::<Decimal>)
            .transpose()
            .map_err(|e| StoreError::Damaged(format!("position of a usage point: {e}")))
    };
    let address = Address {
        street: text(2)?,
        postal_code: text(3)?,
        town: text(4)?,
        country: text(5)?,
    };
    Ok(UsagePoint {
        id: json::read_object(&json::parse(row.text(0)?)?)?,
        service: row.opt_text(1)?.and_then(ServiceKind::named),
        address: (address != Address::default()).then_some(address),
        position: degrees(6)?.zip(degrees(7)?),
        access: text(8)?,
    })
}
