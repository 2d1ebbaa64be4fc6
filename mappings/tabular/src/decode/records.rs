//! Rows that are one record each: work orders, devices, usage points, events.

use hub_model::{
    EndDevice, EndDeviceEvent, EndDeviceStatus, Instant, ObjectRef, Record, ServiceKind,
    TimePeriod, UsagePoint, WorkOrder, WorkOrderAction, WorkOrderStatus,
};

use crate::cell::Row;
use crate::decode::fields::Fields;
use crate::decode::times::TimeReader;
use crate::file::RecordName;
use crate::header::Layout;
use crate::source::{Fault, priority};

/// Decodes a row that is one record.
///
/// # Errors
/// Everything wrong with it.
pub(crate) fn decode<R: Row>(
    name: RecordName,
    layout: &Layout,
    row: &R,
    times: &mut TimeReader,
) -> Result<Record, Vec<Fault>> {
    let mut fields = Fields {
        layout,
        row,
        times,
        faults: Vec::new(),
    };
    let record = match name {
        RecordName::EndDevice => Record::EndDevice(Box::new(end_device(&mut fields))),
        RecordName::UsagePoint => Record::UsagePoint(Box::new(usage_point(&mut fields))),
        RecordName::EndDeviceEvent => Record::EndDeviceEvent(Box::new(event(&mut fields))),
        // Readings have a decoder of their own.
        RecordName::WorkOrder | RecordName::Readings => {
            Record::WorkOrder(Box::new(work_order(&mut fields)))
        }
    };
    if fields.faults.is_empty() {
        Ok(record)
    } else {
        Err(fields.faults)
    }
}

fn work_order<R: Row>(fields: &mut Fields<'_, R>) -> WorkOrder {
    WorkOrder {
        revision: fields.word("revision", |text| text.parse().ok()),
        action: fields
            .word("action", WorkOrderAction::named)
            .unwrap_or_default(),
        kind: fields.text("kind"),
        status: fields.word("status", WorkOrderStatus::named),
        priority: fields.word("priority", priority),
        usage_point: fields.object("usage_point"),
        address: fields.address(),
        device: fields.object("device"),
        new_device: fields.object("new_device"),
        window: window(fields),
        performed: fields.time("performed"),
        customer_name: fields.text("customer_name"),
        customer_phone: fields.text("customer_phone"),
        comment: fields.text("comment"),
        deviation: fields.text("deviation"),
        attributes: fields.attributes(),
        ..WorkOrder::new(fields.needed("number"))
    }
}

/// A window needs both its ends, in their order.
fn window<R: Row>(fields: &mut Fields<'_, R>) -> Option<TimePeriod> {
    let (start, end) = (fields.time("window_start")?, fields.time("window_end")?);
    if start <= end {
        return Some(TimePeriod { start, end });
    }
    fields.faults.push(Fault {
        field: "window_end".to_owned(),
        code: "bad_value",
        reason: format!("`{end}` is before the start `{start}`, expected a later time"),
    });
    None
}

fn end_device<R: Row>(fields: &mut Fields<'_, R>) -> EndDevice {
    EndDevice {
        id: ObjectRef::by_mrid(fields.needed("id")),
        serial_number: fields.text("serial_number"),
        device_type: fields.text("device_type"),
        manufacturer: fields.text("manufacturer"),
        service: fields.word("service", ServiceKind::named),
        usage_point: fields.object("usage_point"),
        status: fields.word("status", EndDeviceStatus::named),
        installed: fields.time("installed"),
        attributes: fields.attributes(),
    }
}

fn usage_point<R: Row>(fields: &mut Fields<'_, R>) -> UsagePoint {
    UsagePoint {
        id: ObjectRef::by_mrid(fields.needed("id")),
        service: fields.word("service", ServiceKind::named),
        address: fields.address(),
        position: fields.number("latitude").zip(fields.number("longitude")),
        access: fields.text("access"),
    }
}

fn event<R: Row>(fields: &mut Fields<'_, R>) -> EndDeviceEvent {
    EndDeviceEvent {
        mrid: fields.text("mrid"),
        device: ObjectRef::by_mrid(fields.needed("device")),
        usage_point: fields.object("usage_point"),
        event_type: fields.needed("event_type"),
        at: fields.time("at").unwrap_or(Instant::EPOCH),
        reason: fields.text("reason"),
        severity: fields.text("severity"),
        details: fields.attributes(),
    }
}
