//! What the Oracle kinds count of themselves.

use hub_core::Metric;

/// Imports that were started.
pub(crate) const JOBS: &str = "meterhub_oracle_fbdi_jobs_total";
/// Imports without an outcome.
pub(crate) const JOBS_OPEN: &str = "meterhub_oracle_fbdi_jobs_open";
/// Records that were passed over.
pub(crate) const SKIPPED: &str = "meterhub_oracle_txeventq_skipped_total";

/// Of a sink of imports.
pub(crate) const OF_IMPORTS: &[Metric] = &[Metric::counter(
    JOBS,
    "Import jobs that Fusion started for a message.",
)];

/// Of a source that follows them.
pub(crate) const OF_JOBS: &[Metric] = &[Metric::gauge(
    JOBS_OPEN,
    "Import jobs of the account that have no outcome yet.",
)];

/// Of a consumer.
pub(crate) const OF_CONSUMERS: &[Metric] = &[Metric::counter(
    SKIPPED,
    "Records that were passed over, as they are no messages or were rejected; the log says why.",
)];
