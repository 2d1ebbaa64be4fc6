//! Lines as canonical records.

use hub_model as model;

use crate::scalar::Text;
use crate::wire;

fn owned(text: Text<'_>) -> String {
    text.0.into_owned()
}

fn opt(text: Option<Text<'_>>) -> Option<String> {
    text.map(owned)
}

pub(crate) fn object_ref(object: wire::Ref<'_>) -> model::ObjectRef {
    model::ObjectRef {
        mrid: opt(object.mrid),
        names: object
            .names
            .into_iter()
            .map(|name| model::Name {
                name: owned(name.name),
                name_type: opt(name.name_type),
                authority: opt(name.authority),
            })
            .collect(),
    }
}

pub(crate) fn quality(quality: wire::Quality<'_>) -> model::ReadingQuality {
    model::ReadingQuality {
        code: quality.code.0,
        comment: opt(quality.comment),
        source: opt(quality.source),
        timestamp: quality.timestamp.map(|t| t.0),
    }
}

pub(crate) const fn period(period: wire::Period) -> model::TimePeriod {
    model::TimePeriod {
        start: period.start.0,
        end: period.end.0,
    }
}

pub(crate) const fn kind(kind: wire::Kind) -> model::ReadingKind {
    match kind {
        wire::Kind::Interval => model::ReadingKind::Interval,
        wire::Kind::Register => model::ReadingKind::Register,
    }
}

/// The rarer properties of a reading, if it has any.
pub(crate) fn detail(reading: &mut wire::Reading<'_>) -> Option<Box<model::ReadingDetail>> {
    let detail = model::ReadingDetail {
        reported: reading.reported.map(|t| t.0),
        source: opt(reading.source.take()),
        reason: opt(reading.reason.take()),
        period: reading.period.map(period),
    };
    (detail != model::ReadingDetail::default()).then(|| Box::new(detail))
}

fn address(address: wire::Address<'_>) -> model::Address {
    model::Address {
        street: opt(address.street),
        postal_code: opt(address.postal_code),
        town: opt(address.town),
        country: opt(address.country),
    }
}

fn properties(properties: Vec<wire::Property<'_>>) -> Vec<(String, String)> {
    properties
        .into_iter()
        .map(|p| (owned(p.name), owned(p.value)))
        .collect()
}

pub(crate) fn work_order(order: wire::WorkOrder<'_>) -> model::WorkOrder {
    model::WorkOrder {
        number: owned(order.number),
        revision: order.revision,
        action: order.action.0,
        kind: opt(order.kind),
        status: order.status.map(|s| s.0),
        priority: order.priority,
        usage_point: order.usage_point.map(object_ref),
        address: order.address.map(address),
        device: order.device.map(object_ref),
        new_device: order.new_device.map(object_ref),
        window: order.window.map(period),
        performed: order.performed.map(|t| t.0),
        customer_name: opt(order.customer_name),
        customer_phone: opt(order.customer_phone),
        comment: opt(order.comment),
        deviation: opt(order.deviation),
        attributes: properties(order.attributes),
    }
}

pub(crate) fn end_device(device: wire::EndDevice<'_>) -> model::EndDevice {
    model::EndDevice {
        id: object_ref(device.id),
        serial_number: opt(device.serial_number),
        device_type: opt(device.device_type),
        manufacturer: opt(device.manufacturer),
        service: device.service.map(|s| s.0),
        usage_point: device.usage_point.map(object_ref),
        status: device.status.map(|s| s.0),
        installed: device.installed.map(|t| t.0),
        attributes: properties(device.attributes),
    }
}

pub(crate) fn usage_point(point: wire::UsagePoint<'_>) -> model::UsagePoint {
    model::UsagePoint {
        id: object_ref(point.id),
        service: point.service.map(|s| s.0),
        address: point.address.map(address),
        position: point.position.map(|p| (p.latitude.0, p.longitude.0)),
        access: opt(point.access),
    }
}

pub(crate) fn end_device_event(event: wire::EndDeviceEvent<'_>) -> model::EndDeviceEvent {
    model::EndDeviceEvent {
        mrid: opt(event.mrid),
        device: object_ref(event.device),
        usage_point: event.usage_point.map(object_ref),
        event_type: owned(event.event_type),
        at: event.at.0,
        reason: opt(event.reason),
        severity: opt(event.severity),
        details: properties(event.details),
    }
}
