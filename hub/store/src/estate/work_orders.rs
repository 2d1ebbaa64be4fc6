//! Work orders with their steps.

use std::sync::Arc;

use hub_core::MessageId;
use hub_domain::work_order::{
    Change, Decision, Known, Objection, Step, Unknown, action_in, decide,
};
use hub_model::{Finding, Instant, ObjectRef, Place, TimePeriod, WorkOrder, WorkOrderStatus};
use serde_json::json;

use super::effect::Effect;
use super::lineage::Lineage;
use super::scope::{Scope, UnknownPolicy};
use super::totals::Total;
use super::{EnterpriseId, json, place};
use crate::StoreError;
use crate::db::{Row, Tx, all, first};

/// A work order as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredWorkOrder {
    /// All that is known; the status is where it stands, the action what a partner is told.
    pub order: WorkOrder,
    /// Fingerprint of what the client last said.
    content: Option<i64>,
    /// The message that last changed it.
    pub updated_by: MessageId,
    /// Where in that message.
    pub place: Place,
}

/// One step in an order's life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredStep {
    /// From 1.
    pub seq: i64,
    /// When we learnt of it.
    pub at: Instant,
    /// Where the order stood; `None` at first.
    pub from: Option<WorkOrderStatus>,
    /// Where it stood then.
    pub to: WorkOrderStatus,
    /// The message that said so.
    pub message_id: MessageId,
}

/// The work order of this number, if it is known.
///
/// # Errors
/// The database refused.
pub fn work_order(
    tx: &mut dyn Tx,
    enterprise: EnterpriseId,
    number: &str,
) -> Result<Option<StoredWorkOrder>, StoreError> {
    first(
        tx,
        "SELECT number, revision, status, kind, priority, refs, address, window_start, \
         window_end, performed_at, customer_name, customer_phone, comment, deviation, attributes, \
         content, updated_by, byte_offset, line, sheet \
         FROM work_order WHERE enterprise_id = ?1 AND number = ?2",
        &[enterprise.0.into(), number.into()],
        read,
    )
}

/// The steps of an order, in their order. At most the last 1,000.
///
/// # Errors
/// The database refused.
pub fn steps(
    tx: &mut dyn Tx,
    enterprise: EnterpriseId,
    number: &str,
) -> Result<Vec<StoredStep>, StoreError> {
    let mut steps = all(
        tx,
        "SELECT seq, at, from_status, to_status, message_id FROM work_order_step \
         WHERE enterprise_id = ?1 AND number = ?2 ORDER BY seq DESC LIMIT 1000",
        &[enterprise.0.into(), number.into()],
        |row| {
            Ok(StoredStep {
                seq: row.int(0)?,
                at: Instant::from_micros(row.int(1)?),
                from: row.opt_text(2)?.and_then(WorkOrderStatus::named),
                to: status(row.text(3)?)?,
                message_id: MessageId(row.int(4)?),
            })
        },
    )?;
    steps.reverse();
    Ok(steps)
}

/// Takes an order, a change, a cancellation or a report.
pub(super) fn apply(
    tx: &mut dyn Tx,
    scope: &Scope,
    place: &Place,
    incoming: &WorkOrder,
) -> Result<Effect, StoreError> {
    if incoming.number.is_empty() {
        return Ok(Effect::finding(missing_number(place)));
    }
    let by = Lineage::of(scope, place);
    let stored = work_order(tx, scope.enterprise, &incoming.number)?.map(StoredWorkOrder::split);
    let (known, last) = stored.unzip();
    let last = last.unwrap_or_else(|| by.clone());
    let unknown = match scope.unknown {
        UnknownPolicy::Finding => Unknown::Refuse,
        UnknownPolicy::Create => Unknown::Create,
    };
    let lineage = (&by, &last);
    match decide(known.as_ref(), incoming, by.arrival(&last), unknown) {
        Decision::Take(change) => take(tx, scope, lineage, known.is_none(), &change),
        Decision::Unchanged => Ok(Effect::default()),
        Decision::Superseded(objection) => Ok(Effect {
            findings: warning(lineage, objection).into_iter().collect(),
            ..Effect::default()
        }),
        Decision::Refused(objection) => Ok(Effect::finding(
            Finding::error(objection.code, place.clone(), objection.reason)
                .in_field(objection.field),
        )),
    }
}

impl StoredWorkOrder {
    /// What is decided by, and the record that last changed it.
    fn split(self) -> (Known, Lineage) {
        let known = Known {
            order: self.order,
            content: self.content,
        };
        let last = Lineage {
            message: self.updated_by,
            place: self.place,
        };
        (known, last)
    }
}

fn take(
    tx: &mut dyn Tx,
    scope: &Scope,
    lineage: (&Lineage, &Lineage),
    new: bool,
    change: &Change,
) -> Result<Effect, StoreError> {
    let number = &change.known.order.number;
    let (by, last) = lineage;
    let latest = by.clone().latest(last.clone());
    save(tx, scope.enterprise, &latest, &change.known)?;
    if let Some(step) = change.step {
        save_step(tx, scope, number, step)?;
    }
    let mut effect = Effect::default();
    let subject: Arc<str> = format!("work_order:{number}").into();
    for event in &change.events {
        effect.happened(*event, &subject);
    }
    if new {
        effect.created.push(Total::WorkOrders);
    }
    if let Some(remark) = &change.remark {
        effect.findings.extend(warning(lineage, remark.clone()));
    }
    Ok(effect)
}

fn warning((by, last): (&Lineage, &Lineage), objection: Objection) -> Option<Finding> {
    let finding = Finding::warning(objection.code, by.place.clone(), objection.reason)
        .in_field(objection.field);
    match objection.code {
        "superseded" => by.overtaken_by(last, finding),
        _ => Some(finding),
    }
}

fn missing_number(place: &Place) -> Finding {
    Finding::error(
        "missing_id",
        place.clone(),
        "the work order has no number, expected the client's order number",
    )
    .in_field("number")
}

fn save_step(tx: &mut dyn Tx, scope: &Scope, number: &str, step: Step) -> Result<(), StoreError> {
    let seq = first(
        tx,
        "SELECT COALESCE(MAX(seq), 0) + 1 FROM work_order_step \
         WHERE enterprise_id = ?1 AND number = ?2",
        &[scope.enterprise.0.into(), number.into()],
        |row| row.int(0),
    )?;
    tx.execute(
        "INSERT INTO work_order_step \
         (enterprise_id, number, seq, at, from_status, to_status, message_id) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        &[
            scope.enterprise.0.into(),
            number.into(),
            seq.unwrap_or(1).into(),
            scope.now.micros().into(),
            step.from.map(WorkOrderStatus::as_str).into(),
            step.to.as_str().into(),
            scope.message_id.0.into(),
        ],
    )?;
    Ok(())
}

fn save(
    tx: &mut dyn Tx,
    enterprise: EnterpriseId,
    by: &Lineage,
    known: &Known,
) -> Result<(), StoreError> {
    let order = &known.order;
    let id = |object: &Option<ObjectRef>| object.as_ref().and_then(|o| o.id().map(str::to_owned));
    let (usage_point, device, new_device) = (
        id(&order.usage_point),
        id(&order.device),
        id(&order.new_device),
    );
    let refs = refs(order);
    let address = order.address.as_ref().map(|a| json::address(a).to_string());
    let attributes = json::pairs(&order.attributes);
    let status = order.status.unwrap_or(WorkOrderStatus::Created);
    let [offset, line, sheet] = place::params(&by.place);
    tx.execute(
        "INSERT INTO work_order (enterprise_id, number, revision, status, kind, priority, \
         usage_point, device, new_device, refs, address, window_start, window_end, performed_at, \
         customer_name, customer_phone, comment, deviation, attributes, content, updated_by, \
         byte_offset, line, sheet) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, \
         ?18, ?19, ?20, ?21, ?22, ?23, ?24) \
         ON CONFLICT (enterprise_id, number) DO UPDATE SET revision = excluded.revision, \
         status = excluded.status, kind = excluded.kind, priority = excluded.priority, \
         usage_point = excluded.usage_point, device = excluded.device, \
         new_device = excluded.new_device, refs = excluded.refs, address = excluded.address, \
         window_start = excluded.window_start, window_end = excluded.window_end, \
         performed_at = excluded.performed_at, customer_name = excluded.customer_name, \
         customer_phone = excluded.customer_phone, comment = excluded.comment, \
         deviation = excluded.deviation, attributes = excluded.attributes, \
         content = excluded.content, updated_by = excluded.updated_by, \
         byte_offset = excluded.byte_offset, line = excluded.line, sheet = excluded.sheet",
        &[
            enterprise.0.into(),
            order.number.as_str().into(),
            order.revision.into(),
            status.as_str().into(),
            order.kind.as_deref().into(),
            order.priority.map(i64::from).into(),
            usage_point.as_deref().into(),
            device.as_deref().into(),
            new_device.as_deref().into(),
            refs.as_str().into(),
            address.as_deref().into(),
            order.window.map(|window| window.start.micros()).into(),
            order.window.map(|window| window.end.micros()).into(),
            order.performed.map(Instant::micros).into(),
            order.customer_name.as_deref().into(),
            order.customer_phone.as_deref().into(),
            order.comment.as_deref().into(),
            order.deviation.as_deref().into(),
            attributes.as_deref().into(),
            known.content.into(),
            by.message.0.into(),
            offset,
            line,
            sheet,
        ],
    )?;
    Ok(())
}

/// All names of the objects an order is about: `[usage point, device, new device]`.
fn refs(order: &WorkOrder) -> String {
    let object = |object: &Option<ObjectRef>| object.as_ref().map(json::object);
    json!([
        object(&order.usage_point),
        object(&order.device),
        object(&order.new_device)
    ])
    .to_string()
}

fn read(row: &dyn Row) -> Result<StoredWorkOrder, StoreError> {
    let text = |column| Ok::<_, StoreError>(row.opt_text(column)?.map(ToOwned::to_owned));
    let instant = |column| Ok::<_, StoreError>(row.opt_int(column)?.map(Instant::from_micros));
    let refs = json::parse(row.text(5)?)?;
    let object = |index: usize| match refs.get(index) {
        None | Some(serde_json::Value::Null) => Ok(None),
        Some(value) => json::read_object(value).map(Some),
    };
    let status = status(row.text(2)?)?;
    let window = instant(7)?.zip(instant(8)?);
    Ok(StoredWorkOrder {
        order: WorkOrder {
            number: row.text(0)?.to_owned(),
            revision: row.opt_int(1)?,
            action: action_in(status),
            kind: text(3)?,
            status: Some(status),
            priority: row.opt_int(4)?.and_then(|p| u8::try_from(p).ok()),
            usage_point: object(0)?,
            address: row.opt_text(6)?.map(json::read_address).transpose()?,
            device: object(1)?,
            new_device: object(2)?,
            window: window.map(|(start, end)| TimePeriod { start, end }),
            performed: instant(9)?,
            customer_name: text(10)?,
            customer_phone: text(11)?,
            comment: text(12)?,
            deviation: text(13)?,
            attributes: json::read_pairs(row.opt_text(14)?)?,
        },
        content: row.opt_int(15)?,
        updated_by: MessageId(row.int(16)?),
        place: place::read(row, 17)?,
    })
}

fn status(word: &str) -> Result<WorkOrderStatus, StoreError> {
    WorkOrderStatus::named(word)
        .ok_or_else(|| StoreError::Damaged(format!("work order status `{word}`")))
}
