//! When a delivery goes to another sink instead: what its own refuses, gives up, or does not take in
//! time.

use hub_model::Instant;
use hub_store::messages::{DeliveryOutcome, PendingDelivery};

use super::send::EndpointHealth;
use crate::config::FallOver;

/// What comes of an attempt where there is another sink to go to. In time goes elsewhere what its own
/// sink is silent about: not what it asked to wait for, nor what our own store is in the way of.
pub(super) fn instead(
    outcome: DeliveryOutcome,
    health: &EndpointHealth,
    fall_over: Option<&FallOver>,
    delivery: &PendingDelivery,
    now: Instant,
) -> DeliveryOutcome {
    let Some(fall_over) = fall_over else {
        return outcome;
    };
    let to = fall_over.to.clone();
    match outcome {
        DeliveryOutcome::Parked { note } => DeliveryOutcome::FellOver { note, to },
        DeliveryOutcome::Failed { note, .. }
            if is_silent(health) && is_overdue(fall_over, delivery, now) =>
        {
            DeliveryOutcome::FellOver { note, to }
        }
        outcome => outcome,
    }
}

const fn is_silent(health: &EndpointHealth) -> bool {
    matches!(health, EndpointHealth::Silent { .. })
}

/// Whether a delivery was made so long ago that it waits for its sink no more.
pub(super) fn is_overdue(fall_over: &FallOver, delivery: &PendingDelivery, now: Instant) -> bool {
    let waited = u64::try_from(now.micros_since(delivery.created)).unwrap_or_default();
    let patience = fall_over.after_seconds;
    patience.is_some_and(|seconds| waited >= seconds.saturating_mul(1_000_000))
}

#[cfg(test)]
mod tests {
    use super::super::send::tests::delivery;
    use super::*;

    fn fall_over(after_seconds: Option<u64>) -> FallOver {
        FallOver {
            to: "mail".into(),
            after_seconds,
        }
    }

    fn failed() -> DeliveryOutcome {
        DeliveryOutcome::Failed {
            note: "down".into(),
            due: Instant::EPOCH,
            counts: true,
        }
    }

    #[test]
    fn what_is_refused_goes_elsewhere_at_once_and_what_waits_in_time() {
        let made = delivery(0);
        let at = |seconds: i64| Instant::from_micros(made.created.micros() + seconds * 1_000_000);
        let parked = DeliveryOutcome::Parked {
            note: "no such number".into(),
        };
        let elsewhere = DeliveryOutcome::FellOver {
            note: "no such number".into(),
            to: "mail".into(),
        };
        let silent = EndpointHealth::Silent { pause: None };
        let answered = EndpointHealth::Answered;
        let after =
            |outcome: &DeliveryOutcome,
             health: &EndpointHealth,
             other: Option<&FallOver>,
             seconds| { instead(outcome.clone(), health, other, &made, at(seconds)) };
        let patient = fall_over(None);
        assert_eq!(after(&parked, &answered, Some(&patient), 0), elsewhere);
        assert_eq!(after(&parked, &answered, None, 0), parked);
        assert_eq!(after(&failed(), &silent, Some(&patient), 9_999), failed());
        let hasty = fall_over(Some(60));
        assert_eq!(after(&failed(), &silent, Some(&hasty), 59), failed());
        let gone = after(&failed(), &silent, Some(&hasty), 60);
        assert!(matches!(gone, DeliveryOutcome::FellOver { .. }));
        let busy = EndpointHealth::Busy { pause: None };
        for waits in [busy, EndpointHealth::Unknown] {
            assert_eq!(after(&failed(), &waits, Some(&hasty), 60), failed());
        }
    }
}
