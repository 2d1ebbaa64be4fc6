//! Records that are one row each.

use std::borrow::Cow;

use hub_model::mapping::Inexpressible;
use hub_model::{
    Address, EndDevice, EndDeviceEvent, EndDeviceStatus, ObjectRef, ServiceKind, UsagePoint,
    WorkOrder, WorkOrderStatus,
};

use crate::encode::cells::{RowCells, Value, canonical_of};
use crate::encode::{EmitRow, RowWriter};

type Values<'a> = Vec<(&'static str, Value<'a>)>;

/// Writes a row of these values and attributes.
pub(crate) fn write(
    writer: &RowWriter,
    values: &[(&'static str, Value<'_>)],
    attributes: &[(String, String)],
    row: &mut RowCells,
    emit: &mut EmitRow<'_>,
) -> Result<(), Inexpressible> {
    row.clear();
    let others = canonical_of(values);
    let plan = &writer.mapping().plan;
    // Where two fields share a column, the first in our order wins: the others are put before it.
    for (name, value) in values.iter().rev() {
        if let Some(source) = plan.fields.iter().find(|field| field.name == *name) {
            writer.put(source, value, &others, row)?;
        }
    }
    for (name, source) in &plan.attributes {
        let kept = attributes.iter().find(|(key, _)| key == name);
        writer.put(
            source,
            &Value::text(kept.map(|(_, value)| value.as_str())),
            &others,
            row,
        )?;
    }
    emit(row.cells())
}

fn object(object: Option<&ObjectRef>) -> Value<'_> {
    Value::text(object.and_then(ObjectRef::id))
}

fn shown<'a, T: ToString>(value: Option<T>) -> Value<'a> {
    value.map_or(Value::Nothing, |value| {
        Value::Text(Cow::Owned(value.to_string()))
    })
}

fn address(values: &mut Values<'_>, address: Option<&Address>) {
    let part = |part: fn(&Address) -> &Option<String>| {
        address
            .and_then(|address| part(address).clone())
            .map_or(Value::Nothing, |text| Value::Text(Cow::Owned(text)))
    };
    values.extend([
        ("street", part(|a| &a.street)),
        ("postal_code", part(|a| &a.postal_code)),
        ("town", part(|a| &a.town)),
        ("country", part(|a| &a.country)),
    ]);
}

pub(crate) fn work_order(order: &WorkOrder) -> Values<'_> {
    let text = |text: &Option<String>| {
        text.clone()
            .map_or(Value::Nothing, |text| Value::Text(Cow::Owned(text)))
    };
    let mut values = vec![
        ("number", Value::Text(Cow::Borrowed(&order.number))),
        ("revision", shown(order.revision)),
        ("action", Value::Text(Cow::Borrowed(order.action.as_str()))),
        ("kind", text(&order.kind)),
        (
            "status",
            Value::text(order.status.map(WorkOrderStatus::as_str)),
        ),
        ("priority", shown(order.priority)),
        ("usage_point", object(order.usage_point.as_ref())),
        ("device", object(order.device.as_ref())),
        ("new_device", object(order.new_device.as_ref())),
        (
            "window_start",
            Value::time(order.window.map(|window| window.start)),
        ),
        (
            "window_end",
            Value::time(order.window.map(|window| window.end)),
        ),
        ("performed", Value::time(order.performed)),
        ("customer_name", text(&order.customer_name)),
        ("customer_phone", text(&order.customer_phone)),
        ("comment", text(&order.comment)),
        ("deviation", text(&order.deviation)),
    ];
    address(&mut values, order.address.as_ref());
    values
}

pub(crate) fn end_device(device: &EndDevice) -> Values<'_> {
    vec![
        ("id", object(Some(&device.id))),
        (
            "serial_number",
            Value::text(device.serial_number.as_deref()),
        ),
        ("device_type", Value::text(device.device_type.as_deref())),
        ("manufacturer", Value::text(device.manufacturer.as_deref())),
        (
            "service",
            Value::text(device.service.map(ServiceKind::as_str)),
        ),
        ("usage_point", object(device.usage_point.as_ref())),
        (
            "status",
            Value::text(device.status.map(EndDeviceStatus::as_str)),
        ),
        ("installed", Value::time(device.installed)),
    ]
}

pub(crate) fn usage_point(point: &UsagePoint) -> Values<'_> {
    let degrees = |pick: fn((hub_model::Decimal, hub_model::Decimal)) -> hub_model::Decimal| {
        point
            .position
            .map_or(Value::Nothing, |position| Value::Number(pick(position)))
    };
    let mut values = vec![
        ("id", object(Some(&point.id))),
        (
            "service",
            Value::text(point.service.map(ServiceKind::as_str)),
        ),
        ("latitude", degrees(|position| position.0)),
        ("longitude", degrees(|position| position.1)),
        ("access", Value::text(point.access.as_deref())),
    ];
    address(&mut values, point.address.as_ref());
    values
}

pub(crate) fn event(event: &EndDeviceEvent) -> Values<'_> {
    vec![
        ("mrid", Value::text(event.mrid.as_deref())),
        ("device", object(Some(&event.device))),
        ("usage_point", object(event.usage_point.as_ref())),
        ("event_type", Value::Text(Cow::Borrowed(&event.event_type))),
        ("at", Value::Time(event.at)),
        ("reason", Value::text(event.reason.as_deref())),
        ("severity", Value::text(event.severity.as_deref())),
    ]
}
