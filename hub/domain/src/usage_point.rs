//! What a usage-point record means against the usage point that is known.

use hub_model::UsagePoint;

use crate::merge::Merge;

/// Takes over what `incoming` says about a known usage point and names the fields that changed.
///
/// What the partner does not say stays as it was; an address is taken as a whole.
#[must_use]
pub fn merge_usage_point(
    known: &UsagePoint,
    incoming: &UsagePoint,
) -> (UsagePoint, Vec<&'static str>) {
    let mut merged = known.clone();
    let mut merge = Merge::default();
    merge.take("service", &mut merged.service, &incoming.service);
    merge.take("address", &mut merged.address, &incoming.address);
    merge.take("position", &mut merged.position, &incoming.position);
    merge.take("access", &mut merged.access, &incoming.access);
    (merged, merge.changed)
}

#[cfg(test)]
mod tests {
    use hub_model::{ObjectRef, ServiceKind};

    use super::*;

    #[test]
    fn names_the_fields_that_changed() {
        let known = UsagePoint {
            id: ObjectRef::by_mrid("p1"),
            access: Some("key in box".into()),
            ..UsagePoint::default()
        };
        let incoming = UsagePoint {
            service: Some(ServiceKind::Gas),
            access: Some("dog".into()),
            ..UsagePoint::default()
        };
        let (merged, changed) = merge_usage_point(&known, &incoming);
        assert_eq!(changed, ["service", "access"]);
        assert!(merge_usage_point(&merged, &incoming).1.is_empty());
    }
}
