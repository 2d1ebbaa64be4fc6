//! What a filter may ask of a record: `record.kind`, `record.status` and so on.
//!
//! Every field is there for every record; what a record does not say, or cannot say, is null.
//! `meter` and `device` are the same: readings speak of meters, orders and events of devices.
//! Times are texts in UTC (`2026-03-29T00:15:00Z`), which sort as the times do.

use std::collections::HashMap;

use cel::Value;
use hub_domain::EventKind;
use hub_model::{
    Address, EndDevice, EndDeviceEvent, ObjectRef, ReadingBlock, ReadingKind, ReadingType, Record,
    RecordKind, UsagePoint, WorkOrder,
};

type Fields = Vec<(&'static str, Value)>;

/// The word for a kind of record: `record.type`.
pub(crate) const fn word(kind: RecordKind) -> &'static str {
    match kind {
        RecordKind::Readings => "readings",
        RecordKind::WorkOrder => "work_order",
        RecordKind::EndDevice => "end_device",
        RecordKind::UsagePoint => "usage_point",
        RecordKind::EndDeviceEvent => "end_device_event",
    }
}

/// The kind of record that an event is about.
pub(crate) const fn kind_of(event: EventKind) -> RecordKind {
    match event {
        EventKind::WorkOrderCreated
        | EventKind::WorkOrderChanged
        | EventKind::WorkOrderCancelled
        | EventKind::WorkOrderCompleted
        | EventKind::WorkOrderAborted => RecordKind::WorkOrder,
        EventKind::EndDeviceCreated | EventKind::EndDeviceChanged => RecordKind::EndDevice,
        EventKind::UsagePointCreated | EventKind::UsagePointChanged => RecordKind::UsagePoint,
        EventKind::MeterReadingsAccepted => RecordKind::Readings,
        EventKind::EndDeviceEventCreated => RecordKind::EndDeviceEvent,
    }
}

/// The fields of a record and their values.
pub(crate) fn of(record: &Record) -> Fields {
    let mut fields = match record {
        Record::Readings(block) => readings(block),
        Record::WorkOrder(order) => work_order(order),
        Record::EndDevice(device) => end_device(device),
        Record::UsagePoint(point) => usage_point(point),
        Record::EndDeviceEvent(event) => event_fields(event),
    };
    fields.push(("type", word(record.kind()).into()));
    fields
}

/// A record of a kind that says nothing: what a filter is tried on when it is loaded.
pub(crate) fn blank(kind: RecordKind) -> Record {
    match kind {
        RecordKind::Readings => Record::Readings(ReadingBlock::new(
            ReadingType::default(),
            ReadingKind::Interval,
        )),
        RecordKind::WorkOrder => Record::WorkOrder(Box::new(WorkOrder::new(""))),
        RecordKind::EndDevice => Record::EndDevice(Box::default()),
        RecordKind::UsagePoint => Record::UsagePoint(Box::default()),
        RecordKind::EndDeviceEvent => Record::EndDeviceEvent(Box::new(EndDeviceEvent {
            mrid: None,
            device: ObjectRef::default(),
            usage_point: None,
            event_type: String::new(),
            at: hub_model::Instant::EPOCH,
            reason: None,
            severity: None,
            details: Vec::new(),
        })),
    }
}

/// The names of a kind's fields, in the order of the documentation.
pub(crate) fn names(kind: RecordKind) -> Vec<&'static str> {
    of(&blank(kind)).into_iter().map(|(name, _)| name).collect()
}

/// All kinds of records.
pub(crate) const KINDS: [RecordKind; 5] = [
    RecordKind::Readings,
    RecordKind::WorkOrder,
    RecordKind::EndDevice,
    RecordKind::UsagePoint,
    RecordKind::EndDeviceEvent,
];

fn readings(block: &ReadingBlock) -> Fields {
    let kind = match block.kind {
        ReadingKind::Interval => "interval",
        ReadingKind::Register => "register",
    };
    vec![
        ("meter", id(block.meter.as_ref())),
        ("usage_point", id(block.usage_point.as_ref())),
        ("reading_type", block.reading_type.to_string().into()),
        ("kind", kind.into()),
        ("count", int(block.readings.len())),
    ]
}

fn work_order(order: &WorkOrder) -> Fields {
    let mut fields = vec![
        ("number", order.number.as_str().into()),
        (
            "revision",
            order.revision.map(Value::Int).unwrap_or(Value::Null),
        ),
        ("action", order.action.as_str().into()),
        ("kind", text(order.kind.as_deref())),
        ("status", text(order.status.map(|status| status.as_str()))),
        (
            "priority",
            order.priority.map_or(Value::Null, |p| Value::Int(p.into())),
        ),
        ("meter", id(order.device.as_ref())),
        ("device", id(order.device.as_ref())),
        ("new_device", id(order.new_device.as_ref())),
        ("usage_point", id(order.usage_point.as_ref())),
        (
            "window_start",
            time(order.window.map(|window| window.start)),
        ),
        ("window_end", time(order.window.map(|window| window.end))),
        ("performed", time(order.performed)),
        ("customer_name", text(order.customer_name.as_deref())),
        ("customer_phone", text(order.customer_phone.as_deref())),
        ("comment", text(order.comment.as_deref())),
        ("deviation", text(order.deviation.as_deref())),
        ("attributes", map(&order.attributes)),
    ];
    fields.extend(address(order.address.as_ref()));
    fields
}

fn end_device(device: &EndDevice) -> Fields {
    vec![
        ("meter", id(Some(&device.id))),
        ("device", id(Some(&device.id))),
        ("serial_number", text(device.serial_number.as_deref())),
        ("device_type", text(device.device_type.as_deref())),
        ("manufacturer", text(device.manufacturer.as_deref())),
        (
            "service",
            text(device.service.map(|service| service.as_str())),
        ),
        ("usage_point", id(device.usage_point.as_ref())),
        ("status", text(device.status.map(|status| status.as_str()))),
        ("installed", time(device.installed)),
        ("attributes", map(&device.attributes)),
    ]
}

fn usage_point(point: &UsagePoint) -> Fields {
    let mut fields = vec![
        ("usage_point", id(Some(&point.id))),
        (
            "service",
            text(point.service.map(|service| service.as_str())),
        ),
    ];
    fields.extend(address(point.address.as_ref()));
    fields
}

fn event_fields(event: &EndDeviceEvent) -> Fields {
    vec![
        ("meter", id(Some(&event.device))),
        ("device", id(Some(&event.device))),
        ("usage_point", id(event.usage_point.as_ref())),
        ("event_type", event.event_type.as_str().into()),
        ("at", time(Some(event.at))),
        ("reason", text(event.reason.as_deref())),
        ("severity", text(event.severity.as_deref())),
        ("attributes", map(&event.details)),
    ]
}

fn address(address: Option<&Address>) -> [(&'static str, Value); 4] {
    let part =
        |part: fn(&Address) -> Option<&String>| text(address.and_then(part).map(String::as_str));
    [
        ("street", part(|a| a.street.as_ref())),
        ("postal_code", part(|a| a.postal_code.as_ref())),
        ("town", part(|a| a.town.as_ref())),
        ("country", part(|a| a.country.as_ref())),
    ]
}

fn text(value: Option<&str>) -> Value {
    value.map_or(Value::Null, Value::from)
}

fn id(object: Option<&ObjectRef>) -> Value {
    text(object.and_then(ObjectRef::id))
}

fn time(instant: Option<hub_model::Instant>) -> Value {
    instant.map_or(Value::Null, |instant| instant.to_string().into())
}

fn int(count: usize) -> Value {
    Value::Int(i64::try_from(count).unwrap_or(i64::MAX))
}

fn map(pairs: &[(String, String)]) -> Value {
    pairs.iter().cloned().collect::<HashMap<_, _>>().into()
}
