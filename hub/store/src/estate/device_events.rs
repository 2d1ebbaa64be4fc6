//! Events that devices report, each kept once.

use hub_core::MessageId;
use hub_domain::EventKind;
use hub_model::{EndDeviceEvent, Instant, ObjectRef, Place};

use super::effect::Effect;
use super::names::{self, ObjectKind};
use super::scope::Scope;
use super::subjects::Subject;
use super::totals::Total;
use super::{EnterpriseId, json, place};
use crate::StoreError;
use crate::db::{Row, Tx, all};

/// An event as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// What the device reported.
    pub event: EndDeviceEvent,
    /// The message that brought it first.
    pub message_id: MessageId,
    /// Where in that message.
    pub place: Place,
}

/// The newest events of the device a partner calls `id`, newest first, at most `limit`.
///
/// # Errors
/// The database refused.
pub fn device_events(
    tx: &mut dyn Tx,
    enterprise: EnterpriseId,
    id: &str,
    limit: u32,
) -> Result<Vec<StoredEvent>, StoreError> {
    let Some(device) = names::find_id(tx, enterprise, ObjectKind::Device, id)? else {
        return Ok(Vec::new());
    };
    all(
        tx,
        "SELECT at, event_type, mrid, usage_point, reason, severity, details, message_id, \
         byte_offset, line, sheet FROM end_device_event \
         WHERE enterprise_id = ?1 AND device_id = ?2 ORDER BY at DESC LIMIT ?3",
        &[
            enterprise.0.into(),
            device.id.into(),
            i64::from(limit).into(),
        ],
        |row| read(row, &device.name),
    )
}

fn read(row: &dyn Row, device: &str) -> Result<StoredEvent, StoreError> {
    let text = |column| Ok::<_, StoreError>(row.opt_text(column)?.map(ToOwned::to_owned));
    Ok(StoredEvent {
        event: EndDeviceEvent {
            at: Instant::from_micros(row.int(0)?),
            event_type: row.text(1)?.to_owned(),
            mrid: text(2)?.filter(|mrid| !mrid.is_empty()),
            device: ObjectRef::by_mrid(device),
            usage_point: text(3)?.map(ObjectRef::by_mrid),
            reason: text(4)?,
            severity: text(5)?,
            details: json::read_pairs(row.opt_text(6)?)?,
        },
        message_id: MessageId(row.int(7)?),
        place: place::read(row, 8)?,
    })
}

/// Takes an event of a known device. The same type at the same instant, with the same partner's
/// id, is the same event.
pub(super) fn apply(
    tx: &mut dyn Tx,
    scope: &Scope,
    place: &Place,
    device: &Subject,
    event: &EndDeviceEvent,
    effect: &mut Effect,
) -> Result<(), StoreError> {
    let details = json::pairs(&event.details);
    let [offset, line, sheet] = place::params(place);
    let added = tx.execute(
        "INSERT INTO end_device_event (enterprise_id, device_id, at, event_type, mrid, \
         usage_point, reason, severity, details, message_id, byte_offset, line, sheet) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) ON CONFLICT DO NOTHING",
        &[
            scope.enterprise.0.into(),
            device.id.into(),
            event.at.micros().into(),
            event.event_type.as_str().into(),
            event.mrid.as_deref().unwrap_or_default().into(),
            event.usage_point.as_ref().and_then(ObjectRef::id).into(),
            event.reason.as_deref().into(),
            event.severity.as_deref().into(),
            details.as_deref().into(),
            scope.message_id.0.into(),
            offset,
            line,
            sheet,
        ],
    )?;
    if added > 0 {
        effect.created.push(Total::EndDeviceEvents);
        effect.happened(EventKind::EndDeviceEventCreated, &device.label);
    }
    Ok(())
}
