//! Meters and other devices.

use std::sync::Arc;

use hub_core::MessageId;
use hub_domain::{EventKind, merge_device};
use hub_model::{EndDevice, EndDeviceStatus, Finding, Instant, ObjectRef, Place, ServiceKind};

use super::effect::Effect;
use super::lineage::Lineage;
use super::names::{self, Found, ObjectKind};
use super::scope::{Scope, UnknownPolicy};
use super::totals::Total;
use super::{EnterpriseId, ids, json, place, usage_points};
use crate::StoreError;
use crate::db::{Row, Tx, first};

/// A device as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredDevice {
    /// The id by which it is known.
    pub name: String,
    /// What is known of it.
    pub device: EndDevice,
    /// The message that last changed it.
    pub updated_by: MessageId,
    /// Where in that message.
    pub place: Place,
}

/// The device a partner calls `id` (mRID, name or serial number), if it is known.
///
/// # Errors
/// The database refused.
pub fn device(
    tx: &mut dyn Tx,
    enterprise: EnterpriseId,
    id: &str,
) -> Result<Option<StoredDevice>, StoreError> {
    match names::find_id(tx, enterprise, ObjectKind::Device, id)? {
        Some(found) => load(tx, enterprise, &found),
        None => Ok(None),
    }
}

/// Takes a device: creates it, or takes over what it says.
pub(super) fn apply(
    tx: &mut dyn Tx,
    scope: &Scope,
    place: &Place,
    incoming: &EndDevice,
) -> Result<Effect, StoreError> {
    let mut effect = Effect::default();
    let mut incoming = incoming.clone();
    if incoming.id.id().is_none() {
        incoming.id.mrid.clone_from(&incoming.serial_number);
    }
    if incoming.id.id().is_none() {
        return Ok(Effect::finding(missing_id(place)));
    }
    let link = link_of(tx, scope, place, &mut incoming, &mut effect)?;
    match find(tx, scope.enterprise, &incoming)? {
        Some(found) => change(tx, scope, place, &found, &incoming, link, &mut effect)?,
        None => {
            create(tx, scope, place, &incoming, link, &mut effect)?;
        }
    }
    Ok(effect)
}

fn find(
    tx: &mut dyn Tx,
    enterprise: EnterpriseId,
    incoming: &EndDevice,
) -> Result<Option<Found>, StoreError> {
    if let Some(found) = names::find(tx, enterprise, ObjectKind::Device, &incoming.id)? {
        return Ok(Some(found));
    }
    let Some(serial) = incoming.serial_number.as_deref() else {
        return Ok(None);
    };
    let Some(found) = names::find_id(tx, enterprise, ObjectKind::Device, serial)? else {
        return Ok(None);
    };
    // Makers number their meters independently of each other.
    let known = load(tx, enterprise, &found)?;
    let maker = known.and_then(|known| known.device.manufacturer);
    let differs =
        maker.is_some() && incoming.manufacturer.is_some() && maker != incoming.manufacturer;
    Ok((!differs).then_some(found))
}

/// Replaces the named usage point by the one that is known, and returns its id. One that is not
/// known is created or, if the scope says so, dropped with a warning.
fn link_of(
    tx: &mut dyn Tx,
    scope: &Scope,
    place: &Place,
    incoming: &mut EndDevice,
    effect: &mut Effect,
) -> Result<Option<i64>, StoreError> {
    let Some(named) = incoming.usage_point.take() else {
        return Ok(None);
    };
    let known = names::find(tx, scope.enterprise, ObjectKind::UsagePoint, &named)?;
    let found = match (known, scope.unknown) {
        (None, UnknownPolicy::Create) if named.id().is_some() => {
            Some(usage_points::create(tx, scope, place, &named, effect)?)
        }
        (known, _) => known,
    };
    match &found {
        Some(found) => incoming.usage_point = Some(ObjectRef::by_mrid(&found.name)),
        None => effect.findings.push(unknown_usage_point(place, &named)),
    }
    Ok(found.map(|found| found.id))
}

/// Creates a device that has an id.
pub(super) fn create(
    tx: &mut dyn Tx,
    scope: &Scope,
    place: &Place,
    device: &EndDevice,
    usage_point_id: Option<i64>,
    effect: &mut Effect,
) -> Result<Found, StoreError> {
    let found = Found {
        id: ids::next(tx, "object")?,
        name: device.id.id().unwrap_or_default().to_owned(),
    };
    let by = Lineage::of(scope, place);
    save(tx, scope.enterprise, &by, &found, device, usage_point_id)?;
    learn(tx, scope, &found, device)?;
    effect.created.push(Total::EndDevices);
    effect.happened(EventKind::EndDeviceCreated, &subject(&found.name));
    Ok(found)
}

fn change(
    tx: &mut dyn Tx,
    scope: &Scope,
    place: &Place,
    found: &Found,
    incoming: &EndDevice,
    link: Option<i64>,
    effect: &mut Effect,
) -> Result<(), StoreError> {
    let Some(known) = load(tx, scope.enterprise, found)? else {
        return Ok(());
    };
    let by = Lineage::of(scope, place);
    let last = Lineage {
        message: known.updated_by,
        place: known.place,
    };
    let arrival = by.arrival(&last);
    let merged = merge_device(&known.device, incoming, arrival);
    effect.findings.extend(by.superseded(&last, &merged.kept));
    let link = link.filter(|_| !merged.kept.contains(&"usage_point"));
    let mut device = merged.record;
    device.id = names::united(&known.device.id, &incoming.id);
    if device != known.device {
        let latest = by.latest(last);
        save(tx, scope.enterprise, &latest, found, &device, link)?;
    }
    if device != known.device || incoming.id.id() != Some(found.name.as_str()) {
        learn(tx, scope, found, incoming)?;
    }
    if !merged.changed.is_empty() {
        effect.happened(EventKind::EndDeviceChanged, &subject(&found.name));
    }
    Ok(())
}

fn learn(
    tx: &mut dyn Tx,
    scope: &Scope,
    found: &Found,
    device: &EndDevice,
) -> Result<(), StoreError> {
    let serial = device.serial_number.as_deref();
    let kind = ObjectKind::Device;
    names::learn(tx, scope.enterprise, kind, found, &device.id, serial)
}

/// Links a device to the usage point that a record named beside it, if it has no link yet.
pub(super) fn link(
    tx: &mut dyn Tx,
    enterprise: EnterpriseId,
    device_id: i64,
    usage_point_id: i64,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE end_device SET usage_point_id = ?3 \
         WHERE enterprise_id = ?1 AND id = ?2 AND usage_point_id IS NULL",
        &[enterprise.0.into(), device_id.into(), usage_point_id.into()],
    )?;
    Ok(())
}

/// The subject of events about a device and its readings.
pub(super) fn subject(name: &str) -> Arc<str> {
    format!("meter:{name}").into()
}

fn missing_id(place: &Place) -> Finding {
    Finding::error(
        "missing_id",
        place.clone(),
        "the device has no id, expected an mRID, a name or a serial number",
    )
    .in_field("end_device")
}

fn unknown_usage_point(place: &Place, named: &ObjectRef) -> Finding {
    Finding::warning(
        "unknown_usage_point",
        place.clone(),
        format!(
            "usage point `{}` is not known, so the device is not linked to it; \
             send the usage point first",
            named.id().unwrap_or_default()
        ),
    )
    .in_field("usage_point")
}

/// Inserts or updates; a link that is not given stays.
fn save(
    tx: &mut dyn Tx,
    enterprise: EnterpriseId,
    by: &Lineage,
    found: &Found,
    device: &EndDevice,
    usage_point_id: Option<i64>,
) -> Result<(), StoreError> {
    let names = json::object(&device.id).to_string();
    let attributes = json::pairs(&device.attributes);
    let [offset, line, sheet] = place::params(&by.place);
    tx.execute(
        "INSERT INTO end_device (enterprise_id, name, id, usage_point_id, names, serial_number, \
         device_type, manufacturer, service, status, installed_at, attributes, updated_by, \
         byte_offset, line, sheet) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16) \
         ON CONFLICT (enterprise_id, name) DO UPDATE SET \
         usage_point_id = COALESCE(excluded.usage_point_id, end_device.usage_point_id), \
         names = excluded.names, serial_number = excluded.serial_number, \
         device_type = excluded.device_type, manufacturer = excluded.manufacturer, \
         service = excluded.service, status = excluded.status, \
         installed_at = excluded.installed_at, attributes = excluded.attributes, \
         updated_by = excluded.updated_by, byte_offset = excluded.byte_offset, \
         line = excluded.line, sheet = excluded.sheet",
        &[
            enterprise.0.into(),
            found.name.as_str().into(),
            found.id.into(),
            usage_point_id.into(),
            names.as_str().into(),
            device.serial_number.as_deref().into(),
            device.device_type.as_deref().into(),
            device.manufacturer.as_deref().into(),
            device.service.map(ServiceKind::as_str).into(),
            device.status.map(EndDeviceStatus::as_str).into(),
            device.installed.map(Instant::micros).into(),
            attributes.as_deref().into(),
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
) -> Result<Option<StoredDevice>, StoreError> {
    first(
        tx,
        "SELECT d.name, d.names, d.serial_number, d.device_type, d.manufacturer, d.service, \
         d.status, d.installed_at, d.attributes, p.name, d.updated_by, d.byte_offset, d.line, \
         d.sheet FROM end_device d LEFT JOIN usage_point p \
         ON p.enterprise_id = d.enterprise_id AND p.id = d.usage_point_id \
         WHERE d.enterprise_id = ?1 AND d.name = ?2",
        &[enterprise.0.into(), found.name.as_str().into()],
        read,
    )
}

fn read(row: &dyn Row) -> Result<StoredDevice, StoreError> {
    let text = |column| Ok::<_, StoreError>(row.opt_text(column)?.map(ToOwned::to_owned));
    Ok(StoredDevice {
        name: row.text(0)?.to_owned(),
        device: EndDevice {
            id: json::read_object(&json::parse(row.text(1)?)?)?,
            serial_number: text(2)?,
            device_type: text(3)?,
            manufacturer: text(4)?,
            service: row.opt_text(5)?.and_then(ServiceKind::named),
            status: row.opt_text(6)?.and_then(EndDeviceStatus::named),
            installed: row.opt_int(7)?.map(Instant::from_micros),
            attributes: json::read_pairs(row.opt_text(8)?)?,
            usage_point: row.opt_text(9)?.map(ObjectRef::by_mrid),
        },
        updated_by: MessageId(row.int(10)?),
        place: place::read(row, 11)?,
    })
}
