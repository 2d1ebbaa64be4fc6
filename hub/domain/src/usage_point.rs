//! What a usage-point record means against the usage point that is known.

use hub_model::UsagePoint;

use crate::merge::{Arrival, Merge, Merged};

/// Takes over what `incoming` says about a known usage point and names the fields that
/// changed, and those that stay because the record was overtaken.
///
/// What the partner does not say stays as it was; an address is taken as a whole.
#[must_use]
pub fn merge_usage_point(
    known: &UsagePoint,
    incoming: &UsagePoint,
    arrival: Arrival,
) -> Merged<UsagePoint> {
    let mut merged = known.clone();
    let mut merge = Merge::new(arrival);
    merge.take("service", &mut merged.service, &incoming.service);
    merge.take("address", &mut merged.address, &incoming.address);
    merge.take("position", &mut merged.position, &incoming.position);
    merge.take("access", &mut merged.access, &incoming.access);
    merge.into(merged)
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
        let merged = merge_usage_point(&known, &incoming, Arrival::Latest);
        assert_eq!(merged.changed, ["service", "access"]);
        let again = merge_usage_point(&merged.record, &incoming, Arrival::Latest);
        assert!(again.changed.is_empty());
        let overtaken = merge_usage_point(&known, &incoming, Arrival::Overtaken);
        assert_eq!(
            (overtaken.changed, overtaken.kept),
            (vec!["service"], vec!["access"])
        );
    }
}
