//! What a device record means against the device that is known.

use hub_model::EndDevice;

use crate::merge::Merge;

/// Takes over what `incoming` says about a known device and names the fields that changed.
///
/// What the partner does not say stays as it was. The identity (`id`) of the known device stays:
/// a partner's other names for it are the store's business.
#[must_use]
pub fn merge_device(known: &EndDevice, incoming: &EndDevice) -> (EndDevice, Vec<&'static str>) {
    let mut merged = known.clone();
    let mut merge = Merge::default();
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
    (merged, merge.changed)
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
        let (merged, changed) = merge_device(&known, &incoming);
        assert_eq!(changed, ["status", "attributes"]);
        assert_eq!(merged.serial_number.as_deref(), Some("S1"));
        assert_eq!(
            merged.attributes,
            [
                ("firmware".into(), "2".into()),
                ("seal".into(), "a".to_owned())
            ]
        );
        let (_, again) = merge_device(&merged, &incoming);
        assert!(again.is_empty());
    }
}
