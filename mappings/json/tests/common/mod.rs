//! What the tests of this crate share: arbitrary canonical records, and comparison up to grouping.

#![allow(dead_code, reason = "each test binary uses its own part")]

use hub_model::mapping::{Collected, Decode, Encode, Envelope};
use hub_model::{
    Address, Decimal, EndDevice, EndDeviceEvent, EndDeviceStatus, Instant, Name, ObjectRef,
    QualityCode, Reading, ReadingBlock, ReadingDetail, ReadingKind, ReadingQuality, ReadingType,
    Record, ServiceKind, TimePeriod, UsagePoint, WorkOrder, WorkOrderAction, WorkOrderStatus, Zone,
};
use mapping_json::{JsonDecoder, JsonEncoder};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

pub(crate) fn envelope() -> Envelope {
    Envelope {
        message_id: "m-1".into(),
        created: Instant::EPOCH,
        zone: Zone::utc(),
    }
}

pub(crate) fn encode(records: &[Record]) -> Vec<u8> {
    let mut out = Vec::new();
    for record in records {
        JsonEncoder::new()
            .record(&envelope(), record, &mut out)
            .expect("expressible");
    }
    out
}

pub(crate) fn decode(bytes: &[u8]) -> Collected {
    let mut out = Collected::default();
    JsonDecoder::new()
        .decode(&bytes.to_vec(), &mut out)
        .expect("a collector never halts");
    out
}

/// One record a reading, so that grouping does not matter.
pub(crate) fn ungrouped(records: impl IntoIterator<Item = Record>) -> Vec<Record> {
    let mut flat = Vec::new();
    for record in records {
        let Record::Readings(block) = record else {
            flat.push(record);
            continue;
        };
        for reading in &block.readings {
            flat.push(Record::Readings(ReadingBlock {
                qualities: vec![block.qualities_of(reading).to_vec()],
                readings: vec![Reading {
                    quality: 0,
                    line: 0,
                    ..reading.clone()
                }],
                ..block.clone()
            }));
        }
    }
    flat
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[A-Za-z0-9]{0,8}",
        any::<String>(),
        "[\"\\\\\n\r\t\u{0}\u{7f}é€😀]{0,4}"
    ]
}

fn object_ref() -> impl Strategy<Value = ObjectRef> {
    let name = (text(), of(text()), of(text())).prop_map(|(name, name_type, authority)| Name {
        name,
        name_type,
        authority,
    });
    (of(text()), vec(name, 0..3)).prop_map(|(mrid, names)| ObjectRef { mrid, names })
}

fn instant() -> impl Strategy<Value = Instant> {
    prop_oneof![
        (1_500_000_000i64..2_000_000_000).prop_map(Instant::from_seconds),
        (-62_167_219_200_000_000i64..253_402_300_800_000_000).prop_map(Instant::from_micros),
    ]
}

fn decimal() -> impl Strategy<Value = Decimal> {
    (
        -999_999_999_999_999_999i64..=999_999_999_999_999_999,
        0u8..=18,
    )
        .prop_map(|(mantissa, scale)| Decimal::new(mantissa, scale).expect("in range"))
}

fn period() -> impl Strategy<Value = TimePeriod> {
    (instant(), instant()).prop_map(|(start, end)| TimePeriod { start, end })
}

fn quality() -> impl Strategy<Value = ReadingQuality> {
    (
        any::<(u16, u16, u16)>(),
        of(text()),
        of(text()),
        of(instant()),
    )
        .prop_map(|((a, b, c), comment, source, timestamp)| ReadingQuality {
            code: QualityCode::new(a, b, c),
            comment,
            source,
            timestamp,
        })
}

fn detail() -> impl Strategy<Value = Option<Box<ReadingDetail>>> {
    (of(instant()), of(text()), of(text()), of(period())).prop_map(
        |(reported, source, reason, period)| {
            let detail = ReadingDetail {
                reported,
                source,
                reason,
                period,
            };
            // An empty detail says nothing, so it comes back as none.
            (detail != ReadingDetail::default()).then(|| Box::new(detail))
        },
    )
}

fn reading_type() -> impl Strategy<Value = ReadingType> {
    (proptest::array::uniform18(0..i32::MAX), any::<i32>()).prop_map(|(mut parts, multiplier)| {
        parts[15] = multiplier;
        ReadingType(parts)
    })
}

fn block() -> impl Strategy<Value = ReadingBlock> {
    let subject = (of(object_ref()), of(object_ref()));
    let what = (reading_type(), any::<bool>());
    let sets = vec(vec(quality(), 0..3), 1..4);
    let readings = vec((instant(), of(decimal()), any::<u16>(), detail()), 1..12);
    (subject, what, sets, readings).prop_map(
        |((meter, usage_point), (kind, register), sets, rows)| {
            let mut block = ReadingBlock::new(
                kind,
                if register {
                    ReadingKind::Register
                } else {
                    ReadingKind::Interval
                },
            );
            block.meter = meter;
            block.usage_point = usage_point;
            block.readings = rows
                .into_iter()
                .map(|(at, value, quality, detail)| Reading {
                    at,
                    value,
                    quality: quality % sets.len() as u16,
                    line: 0,
                    detail,
                })
                .collect();
            block.qualities = sets;
            block
        },
    )
}

fn address() -> impl Strategy<Value = Address> {
    (of(text()), of(text()), of(text()), of(text())).prop_map(
        |(street, postal_code, town, country)| Address {
            street,
            postal_code,
            town,
            country,
        },
    )
}

fn properties() -> impl Strategy<Value = Vec<(String, String)>> {
    vec((text(), text()), 0..3)
}

fn work_order() -> impl Strategy<Value = WorkOrder> {
    let what = (
        text(),
        of(any::<i64>()),
        select(&WorkOrderAction::ALL[..]),
        of(text()),
        of(select(&WorkOrderStatus::ALL[..])),
        of(any::<u8>()),
    );
    let place = (
        of(object_ref()),
        of(address()),
        of(object_ref()),
        of(object_ref()),
    );
    let time = (of(period()), of(instant()));
    let words = (of(text()), of(text()), of(text()), of(text()), properties());
    (what, place, time, words).prop_map(|(what, place, time, words)| WorkOrder {
        number: what.0,
        revision: what.1,
        action: what.2,
        kind: what.3,
        status: what.4,
        priority: what.5,
        usage_point: place.0,
        address: place.1,
        device: place.2,
        new_device: place.3,
        window: time.0,
        performed: time.1,
        customer_name: words.0,
        customer_phone: words.1,
        comment: words.2,
        deviation: words.3,
        attributes: words.4,
    })
}

fn end_device() -> impl Strategy<Value = EndDevice> {
    let names = (object_ref(), of(text()), of(text()), of(text()));
    let state = (
        of(select(&ServiceKind::ALL[..])),
        of(object_ref()),
        of(select(&EndDeviceStatus::ALL[..])),
        of(instant()),
        properties(),
    );
    (names, state).prop_map(|(names, state)| EndDevice {
        id: names.0,
        serial_number: names.1,
        device_type: names.2,
        manufacturer: names.3,
        service: state.0,
        usage_point: state.1,
        status: state.2,
        installed: state.3,
        attributes: state.4,
    })
}

fn usage_point() -> impl Strategy<Value = UsagePoint> {
    (
        object_ref(),
        of(select(&ServiceKind::ALL[..])),
        of(address()),
        of((decimal(), decimal())),
        of(text()),
    )
        .prop_map(|(id, service, address, position, access)| UsagePoint {
            id,
            service,
            address,
            position,
            access,
        })
}

fn event() -> impl Strategy<Value = EndDeviceEvent> {
    let what = (
        of(text()),
        object_ref(),
        of(object_ref()),
        text(),
        instant(),
    );
    (what, of(text()), of(text()), properties()).prop_map(|(what, reason, severity, details)| {
        EndDeviceEvent {
            mrid: what.0,
            device: what.1,
            usage_point: what.2,
            event_type: what.3,
            at: what.4,
            reason,
            severity,
            details,
        }
    })
}

/// Any record the canonical model can hold.
pub(crate) fn record() -> impl Strategy<Value = Record> {
    prop_oneof![
        3 => block().prop_map(Record::Readings),
        1 => work_order().prop_map(|r| Record::WorkOrder(Box::new(r))),
        1 => end_device().prop_map(|r| Record::EndDevice(Box::new(r))),
        1 => usage_point().prop_map(|r| Record::UsagePoint(Box::new(r))),
        1 => event().prop_map(|r| Record::EndDeviceEvent(Box::new(r))),
    ]
}
