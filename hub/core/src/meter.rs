//! What an adapter counts of itself, beside what the engine counts of every endpoint.

use std::sync::Arc;

use metrics::{Label, SharedString, counter, gauge};

/// A figure that the hub shows to who watches over it: what it is called and what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// `meterhub_<kind>_<what>_<unit>`; counters end in `_total`.
    pub name: &'static str,
    /// How its value moves.
    pub shape: MetricShape,
    /// Labels beside `enterprise` and `endpoint`, with all values that each may have.
    pub labels: &'static [(&'static str, &'static [&'static str])],
    /// What it says, one sentence, and what an operator reads from it.
    pub help: &'static str,
}

/// How the value of a [`Metric`] moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricShape {
    /// Only up, from 0 at the start of the process.
    Counter,
    /// Up and down.
    Gauge,
    /// Counts of values by size.
    Histogram,
}

impl Metric {
    /// Without labels of its own.
    #[must_use]
    pub const fn new(name: &'static str, shape: MetricShape, help: &'static str) -> Self {
        Self {
            name,
            shape,
            labels: &[],
            help,
        }
    }

    /// A counter without labels of its own.
    #[must_use]
    pub const fn counter(name: &'static str, help: &'static str) -> Self {
        Self::new(name, MetricShape::Counter, help)
    }

    /// A gauge without labels of its own.
    #[must_use]
    pub const fn gauge(name: &'static str, help: &'static str) -> Self {
        Self::new(name, MetricShape::Gauge, help)
    }

    /// With a label of its own.
    #[must_use]
    pub const fn by(self, labels: &'static [(&'static str, &'static [&'static str])]) -> Self {
        Self { labels, ..self }
    }
}

/// Counts for one endpoint. Names are `meterhub_<kind>_<what>_<unit>`, counters end in `_total`, as
/// Prometheus has them, and stand with what they say in the adapter's `metrics()`.
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
