//! What an adapter counts of itself, beside what the engine counts of every endpoint.

use std::sync::Arc;

use metrics::{Label, SharedString, counter, gauge};

/// Counts for one endpoint. Names are `meterhub_<kind>_<what>_<unit>`, counters end in `_total`, as
/// Prometheus has them. Costs nothing where nobody scrapes.
#[derive(Clone, Debug)]
pub struct Meter {
    labels: Arc<[Label]>,
}

impl Meter {
    /// The meter of an endpoint.
    #[must_use]
    pub fn new(enterprise: &str, endpoint: &str) -> Self {
        let label =
            |key: &'static str, value: &str| Label::new(key, SharedString::from(value.to_owned()));
        Self {
            labels: Arc::new([label("enterprise", enterprise), label("endpoint", endpoint)]),
        }
    }

    /// Adds to a counter.
    pub fn count(&self, name: &'static str, more: u64) {
        counter!(name, self.labels.iter()).increment(more);
    }

    /// Sets a gauge.
    pub fn set(&self, name: &'static str, value: f64) {
        gauge!(name, self.labels.iter()).set(value);
    }
}
