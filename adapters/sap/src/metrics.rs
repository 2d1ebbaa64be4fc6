//! What sinks and sources count of themselves.

use hub_core::Metric;

pub(crate) const TOKENS: &str = "meterhub_sap_tokens_fetched_total";
pub(crate) const NOT_POSTED: &str = "meterhub_sap_idocs_not_posted_total";
pub(crate) const REFUSED: &str = "meterhub_sap_idocs_refused_total";
pub(crate) const CONFLICTS: &str = "meterhub_sap_etag_conflicts_total";
pub(crate) const ROWS: &str = "meterhub_sap_rows_total";
pub(crate) const RESTARTS: &str = "meterhub_sap_restarts_total";
pub(crate) const REJECTED: &str = "meterhub_sap_pages_rejected_total";

const TOKENS_METRIC: Metric = Metric::counter(
    TOKENS,
    "CSRF tokens that were fetched; many per delivery mean that the system does not keep its sessions.",
);

/// Of a sink `sap_idoc`.
pub(crate) const OF_IDOC_SINK: [Metric; 3] = [
    Metric::counter(
        NOT_POSTED,
        "IDocs that the system took, but did not post (51 and such): people work on them there.",
    ),
    Metric::counter(
        REFUSED,
        "IDocs with a status of `refused_statuses`: their messages are parked.",
    ),
    TOKENS_METRIC,
];

/// Of a sink `sap_odata`.
pub(crate) const OF_ODATA_SINK: [Metric; 2] = [
    Metric::counter(
        CONFLICTS,
        "Changes that somebody else was faster with (412); each is tried once more.",
    ),
    TOKENS_METRIC,
];

/// Of a source `sap_odata`.
pub(crate) const OF_ODATA_SOURCE: [Metric; 3] = [
    Metric::counter(ROWS, "Rows of pages that had something new in them."),
    Metric::counter(
        RESTARTS,
        "Readings of the set from its start because a link of the service was gone; more than now and \
         then mean that its tokens end before they are used.",
    ),
    Metric::counter(
        REJECTED,
        "Pages that the hub rejected and the source read past; the last one's key is in the log.",
    ),
];
