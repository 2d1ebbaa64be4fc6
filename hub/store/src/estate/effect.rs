//! What one record did.

use std::sync::Arc;

use hub_domain::EventKind;
use hub_model::Finding;

use super::totals::Total;

/// Collected while one record is applied.
#[derive(Debug, Default)]
pub(super) struct Effect {
    pub(super) events: Vec<(EventKind, Arc<str>)>,
    pub(super) findings: Vec<Finding>,
    /// What the enterprise has more of now.
    pub(super) created: Vec<Total>,
}

impl Effect {
    pub(super) fn finding(finding: Finding) -> Self {
        Self {
            findings: vec![finding],
            ..Self::default()
        }
    }

    pub(super) fn happened(&mut self, kind: EventKind, subject: &Arc<str>) {
        self.events.push((kind, Arc::clone(subject)));
    }
}
