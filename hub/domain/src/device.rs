//! What a device record means against the device that is known.

use hub_model::EndDevice;

use crate::merge::{Arrival, Merge, Merged};

/// Takes over what `incoming` says about a known device and names the fields that changed,
/// and those that stay because the record was overtaken.
///
/// What the partner does not say stays as it was. The identity (`id`) of the known device stays:
/// a partner's other names for it are the store's business.
#[must_use]
pub fn merge_device(
    known: &EndDevice,
    incoming: &EndDevice,
    arrival: Arrival,
) -> Merged<EndDevice> {
    let mut merged = known.clone();
    let mut merge = Merge::new(arrival);
    merge.take(
        "serial_number",
        &mut merged.serial_number,
        &incoming.serial_number,
    );
    merge.take(
        "device_type",
        &mut merged.device_type,
        &incoming.device_type,
    );
    merge.take(
        "manufacturer",
        &mut merged.manufacturer,
        &incoming.manufacturer,
    );
    merge.take("service", &mut merged.service, &incoming.service);
    merge.take(
        "usage_point",
        &mut merged.usage_point,
        &incoming.usage_point,
    );
    merge.take("status", &mut merged.status, &incoming.status);
    merge.take("installed", &mut merged.installed, &incoming.installed);
    merge.take_attributes(&mut merged.attributes, &incoming.attributes);
    merge.into(merged)
}

#[cfg(test)]
mod tests {
    use hub_model::{EndDeviceStatus, ObjectRef};

    use super::*;

    #[test]
    fn what_is_not_said_stays() {
        let known = EndDevice {
            id: ObjectRef::by_mrid("m1"),
            serial_number: Some("S1".into()),
            status: Some(EndDeviceStatus::InStock),
            attributes: vec![("firmware".into(), "1".into()), ("seal".into(), "a".into())],
            ..EndDevice::default()
        };
        let incoming = EndDevice {
            status: Some(EndDeviceStatus::Installed),
            attributes: vec![("firmware".into(), "2".into())],
            ..EndDevice::default()
        };
        let Merged {
            record: merged,
            changed,
            kept,
        } = merge_device(&known, &incoming, Arrival::Latest);
        assert_eq!(changed, ["status", "attributes"]);
        assert!(kept.is_empty());
        assert_eq!(merged.serial_number.as_deref(), Some("S1"));
        assert_eq!(
            merged.attributes,
            [
                ("firmware".into(), "2".into()),
                ("seal".into(), "a".to_owned())
            ]
        );
        for arrival in [Arrival::Latest, Arrival::Overtaken] {
            let again = merge_device(&merged, &incoming, arrival);
            assert!(again.changed.is_empty() && again.kept.is_empty());
        }
    }

    #[test]
    fn one_that_was_overtaken_only_adds() {
        let known = EndDevice {
            id: ObjectRef::by_mrid("m1"),
            status: Some(EndDeviceStatus::Removed),
            attributes: vec![("firmware".into(), "2".into())],
            ..EndDevice::default()
        };
        let incoming = EndDevice {
            serial_number: Some("S1".into()),
            status: Some(EndDeviceStatus::Installed),
            attributes: vec![("firmware".into(), "1".into()), ("seal".into(), "a".into())],
            ..EndDevice::default()
        };
        let merged = merge_device(&known, &incoming, Arrival::Overtaken);
        assert_eq!(merged.changed, ["serial_number", "attributes"]);
        assert_eq!(merged.kept, ["status", "attributes"]);
        assert_eq!(merged.record.status, known.status);
        assert_eq!(
            merged.record.attributes,
            [
                ("firmware".into(), "2".into()),
                ("seal".into(), "a".to_owned())
            ]
        );
    }
}
