//! Devices, usage points and events: known by any of their names, changed field by field, once.

use hub_model::{
    Address, EndDevice, EndDeviceEvent, EndDeviceStatus, Instant, Name, ObjectRef, Record,
    ServiceKind, UsagePoint,
};
use hub_store::estate::device_events::device_events;
use hub_store::estate::devices::{StoredDevice, device};
use hub_store::estate::usage_points::usage_point;

use crate::client::{Client, Store, events, findings};

fn full() -> EndDevice {
    EndDevice {
        id: ObjectRef::by_mrid("uuid-1"),
        serial_number: Some("SN1".into()),
        device_type: Some("E450".into()),
        manufacturer: Some("LGZ".into()),
        service: Some(ServiceKind::Electricity),
        usage_point: None,
        status: Some(EndDeviceStatus::Installed),
        installed: Some(Instant::from_seconds(1_700_000_000)),
        attributes: vec![("firmware".into(), "1.2".into())],
    }
}

fn record(device: EndDevice) -> Record {
    Record::EndDevice(Box::new(device))
}

fn event(device: ObjectRef) -> EndDeviceEvent {
    EndDeviceEvent {
        mrid: None,
        device,
        usage_point: None,
        event_type: "3.26.0.47".into(),
        at: Instant::from_seconds(1_800_000_000),
        reason: Some("power loss".into()),
        severity: None,
        details: vec![("phase".into(), "A".into())],
    }
}

async fn stored(client: &Client, id: &str) -> Option<StoredDevice> {
    let (enterprise, id) = (client.enterprise, id.to_owned());
    client
        .db
        .read(move |tx| device(tx, enterprise, &id))
        .await
        .unwrap()
}

#[tokio::test]
async fn a_device_is_kept_whole_and_changed_field_by_field() {
    let store = Store::new();
    let client = store.client("north", "Europe/Helsinki").await;
    let created = client.send(vec![record(full())]).await;
    assert_eq!(events(&created), [("end_device.created", "meter:uuid-1")]);
    assert_eq!(stored(&client, "uuid-1").await.unwrap().device, full());
    let again = client.send(vec![record(full())]).await;
    assert!(again.events.is_empty());
    let removed = EndDevice {
        id: ObjectRef::by_mrid("uuid-1"),
        status: Some(EndDeviceStatus::Removed),
        ..EndDevice::default()
    };
    let changed = client.send(vec![record(removed)]).await;
    assert_eq!(events(&changed), [("end_device.changed", "meter:uuid-1")]);
    let kept = stored(&client, "uuid-1").await.unwrap().device;
    assert_eq!(kept.status, Some(EndDeviceStatus::Removed));
    assert_eq!(kept.manufacturer, full().manufacturer);
}

/// The head-end calls it by its UUID, the ERP by its serial number.
#[tokio::test]
async fn a_device_is_found_by_any_of_its_ids() {
    let store = Store::new();
    let client = store.client("north", "Europe/Helsinki").await;
    client.send(vec![record(full())]).await;
    assert_eq!(stored(&client, "SN1").await.unwrap().name, "uuid-1");
    let by_serial = EndDevice {
        id: ObjectRef::by_mrid("SN1"),
        device_type: Some("E360".into()),
        ..EndDevice::default()
    };
    let outcome = client.send(vec![record(by_serial)]).await;
    assert_eq!(events(&outcome), [("end_device.changed", "meter:uuid-1")]);
    let by_name = ObjectRef {
        mrid: Some("uuid-of-another-system".into()),
        names: vec![Name {
            name: "SN1".into(),
            ..Name::default()
        }],
    };
    let outcome = client
        .send(vec![Record::EndDeviceEvent(Box::new(event(by_name)))])
        .await;
    assert_eq!(
        events(&outcome),
        [("end_device_event.created", "meter:uuid-1")]
    );
    assert_eq!(client.counts().await.end_devices, 1);
}

#[tokio::test]
async fn a_name_that_two_devices_share_leads_to_neither() {
    let store = Store::new();
    let client = store.client("north", "Europe/Helsinki").await;
    let twin = EndDevice {
        id: ObjectRef::by_mrid("uuid-2"),
        ..full()
    };
    client.send(vec![record(full())]).await;
    // The same serial number leads to the first device, so the second is the first.
    let outcome = client.send(vec![record(twin)]).await;
    assert!(outcome.events.is_empty());
    assert_eq!(stored(&client, "uuid-2").await.unwrap().name, "uuid-1");
    let of_another_maker = EndDevice {
        id: ObjectRef::by_mrid("uuid-4"),
        manufacturer: Some("ISK".into()),
        ..full()
    };
    let outcome = client.send(vec![record(of_another_maker)]).await;
    assert_eq!(events(&outcome), [("end_device.created", "meter:uuid-4")]);
    assert!(stored(&client, "SN1").await.is_none());
    let third = EndDevice {
        id: ObjectRef::by_mrid("uuid-3"),
        ..EndDevice::default()
    };
    client.send(vec![record(third)]).await;
    let claims = EndDevice {
        id: ObjectRef::by_mrid("uuid-3"),
        serial_number: Some("SN1".into()),
        ..EndDevice::default()
    };
    client.send(vec![record(claims)]).await;
    assert!(stored(&client, "SN1").await.is_none());
    assert!(stored(&client, "uuid-3").await.is_some());
}

#[tokio::test]
async fn a_device_is_linked_to_a_usage_point_that_is_known() {
    let store = Store::new();
    let client = store.client("north", "Europe/Helsinki").await;
    let at_point = EndDevice {
        usage_point: Some(ObjectRef::by_mrid("p1")),
        ..full()
    };
    let outcome = client.send(vec![record(at_point.clone())]).await;
    assert_eq!(findings(&outcome), [("unknown_usage_point", 0)]);
    let point = UsagePoint {
        id: ObjectRef::by_mrid("p1"),
        service: Some(ServiceKind::Gas),
        address: Some(Address {
            town: Some("Turku".into()),
            ..Address::default()
        }),
        position: Some(("60.4518".parse().unwrap(), "-22.2666".parse().unwrap())),
        access: Some("gate code 7".into()),
    };
    let outcome = client
        .send(vec![
            Record::UsagePoint(Box::new(point.clone())),
            record(at_point.clone()),
        ])
        .await;
    assert_eq!(
        events(&outcome),
        [
            ("usage_point.created", "usage_point:p1"),
            ("end_device.changed", "meter:uuid-1"),
        ]
    );
    assert_eq!(stored(&client, "uuid-1").await.unwrap().device, at_point);
    let enterprise = client.enterprise;
    let kept = client
        .db
        .read(move |tx| usage_point(tx, enterprise, "p1"))
        .await
        .unwrap();
    assert_eq!(kept, Some(point));
}

#[tokio::test]
async fn what_has_no_id_is_a_finding() {
    let store = Store::new();
    let client = store.client("north", "Europe/Helsinki").await;
    let outcome = client
        .send(vec![
            record(EndDevice::default()),
            Record::UsagePoint(Box::default()),
            Record::EndDeviceEvent(Box::new(event(ObjectRef::default()))),
        ])
        .await;
    assert_eq!(findings(&outcome), [("missing_id", 1); 3]);
}

#[tokio::test]
async fn an_event_is_kept_once() {
    let store = Store::new();
    let client = store.client("north", "Europe/Helsinki").await;
    let reported = event(ObjectRef::by_mrid("uuid-1"));
    let record_of = |event: &EndDeviceEvent| Record::EndDeviceEvent(Box::new(event.clone()));
    let unknown = client.send(vec![record_of(&reported)]).await;
    assert_eq!(findings(&unknown), [("unknown_device", 1)]);
    client.send(vec![record(full())]).await;
    let other = EndDeviceEvent {
        mrid: Some("e2".into()),
        ..reported.clone()
    };
    let outcome = client
        .send(vec![
            record_of(&reported),
            record_of(&reported),
            record_of(&other),
        ])
        .await;
    assert_eq!(outcome.applied, 3);
    assert_eq!(
        events(&outcome),
        [("end_device_event.created", "meter:uuid-1"); 2]
    );
    let enterprise = client.enterprise;
    let kept = client
        .db
        .read(move |tx| device_events(tx, enterprise, "SN1", 10))
        .await
        .unwrap();
    let kept: Vec<_> = kept.into_iter().map(|stored| stored.event).collect();
    assert!(kept.contains(&reported) && kept.contains(&other));
    assert_eq!(client.counts().await.end_device_events, 2);
}
