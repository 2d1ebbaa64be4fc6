//! Canonical records as lines: nothing is copied, nothing is left out.

use std::borrow::Cow;

use hub_model as model;

use crate::scalar::{
    Action, Code, DeviceStatus, Moment, Number, OrderStatus, Service, Text, TypeCode,
};
use crate::wire;

fn text(value: &str) -> Text<'_> {
    Text(Cow::Borrowed(value))
}

fn opt(value: Option<&String>) -> Option<Text<'_>> {
    value.map(|v| text(v))
}

pub(crate) fn object_ref(object: &model::ObjectRef) -> wire::Ref<'_> {
    wire::Ref {
        mrid: opt(object.mrid.as_ref()),
        names: object.names.iter().map(name).collect(),
    }
}

fn name(name: &model::Name) -> wire::Name<'_> {
    wire::Name {
        name: text(&name.name),
        name_type: opt(name.name_type.as_ref()),
        authority: opt(name.authority.as_ref()),
    }
}

pub(crate) fn quality(quality: &model::ReadingQuality) -> wire::Quality<'_> {
    wire::Quality {
        code: Code(quality.code),
        comment: opt(quality.comment.as_ref()),
        source: opt(quality.source.as_ref()),
        timestamp: quality.timestamp.map(Moment),
    }
}

const fn period(period: model::TimePeriod) -> wire::Period {
    wire::Period {
        start: Moment(period.start),
        end: Moment(period.end),
    }
}

fn address(address: &model::Address) -> wire::Address<'_> {
    wire::Address {
        street: opt(address.street.as_ref()),
        postal_code: opt(address.postal_code.as_ref()),
        town: opt(address.town.as_ref()),
        country: opt(address.country.as_ref()),
    }
}

fn properties(pairs: &[(String, String)]) -> Vec<wire::Property<'_>> {
    pairs
        .iter()
        .map(|(name, value)| wire::Property {
            name: text(name),
            value: text(value),
        })
        .collect()
}

/// One reading of a block.
pub(crate) fn reading<'a>(
    block: &'a model::ReadingBlock,
    reading: &'a model::Reading,
) -> wire::Reading<'a> {
    let detail = reading.detail.as_deref();
    wire::Reading {
        record: wire::ReadingTag::Word,
        meter: block.meter.as_ref().map(object_ref),
        usage_point: block.usage_point.as_ref().map(object_ref),
        reading_type: TypeCode(block.reading_type),
        kind: match block.kind {
            model::ReadingKind::Interval => wire::Kind::Interval,
            model::ReadingKind::Register => wire::Kind::Register,
        },
        at: Moment(reading.at),
        value: reading.value.map(Number),
        qualities: block.qualities_of(reading).iter().map(quality).collect(),
        reported: detail.and_then(|d| d.reported).map(Moment),
        source: opt(detail.and_then(|d| d.source.as_ref())),
        reason: opt(detail.and_then(|d| d.reason.as_ref())),
        period: detail.and_then(|d| d.period).map(period),
    }
}

pub(crate) fn work_order(order: &model::WorkOrder) -> wire::WorkOrder<'_> {
    wire::WorkOrder {
        record: wire::WorkOrderTag::Word,
        number: text(&order.number),
        revision: order.revision,
        action: Action(order.action),
        kind: opt(order.kind.as_ref()),
        status: order.status.map(OrderStatus),
        priority: order.priority,
        usage_point: order.usage_point.as_ref().map(object_ref),
        address: order.address.as_ref().map(address),
        device: order.device.as_ref().map(object_ref),
        new_device: order.new_device.as_ref().map(object_ref),
        window: order.window.map(period),
        performed: order.performed.map(Moment),
        customer_name: opt(order.customer_name.as_ref()),
        customer_phone: opt(order.customer_phone.as_ref()),
        comment: opt(order.comment.as_ref()),
        deviation: opt(order.deviation.as_ref()),
        attributes: properties(&order.attributes),
    }
}

pub(crate) fn end_device(device: &model::EndDevice) -> wire::EndDevice<'_> {
    wire::EndDevice {
        record: wire::EndDeviceTag::Word,
        id: object_ref(&device.id),
        serial_number: opt(device.serial_number.as_ref()),
        device_type: opt(device.device_type.as_ref()),
        manufacturer: opt(device.manufacturer.as_ref()),
        service: device.service.map(Service),
        usage_point: device.usage_point.as_ref().map(object_ref),
        status: device.status.map(DeviceStatus),
        installed: device.installed.map(Moment),
        attributes: properties(&device.attributes),
    }
}

pub(crate) fn usage_point(point: &model::UsagePoint) -> wire::UsagePoint<'_> {
    wire::UsagePoint {
        record: wire::UsagePointTag::Word,
        id: object_ref(&point.id),
        service: point.service.map(Service),
        address: point.address.as_ref().map(address),
        position: point.position.map(|(latitude, longitude)| wire::Position {
            latitude: Number(latitude),
            longitude: Number(longitude),
        }),
        access: opt(point.access.as_ref()),
    }
}

pub(crate) fn end_device_event(event: &model::EndDeviceEvent) -> wire::EndDeviceEvent<'_> {
    wire::EndDeviceEvent {
        record: wire::EndDeviceEventTag::Word,
        mrid: opt(event.mrid.as_ref()),
        device: object_ref(&event.device),
        usage_point: event.usage_point.as_ref().map(object_ref),
        event_type: text(&event.event_type),
        at: Moment(event.at),
        reason: opt(event.reason.as_ref()),
        severity: opt(event.severity.as_ref()),
        details: properties(&event.details),
    }
}
