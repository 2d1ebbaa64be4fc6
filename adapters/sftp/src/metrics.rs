//! What the adapter counts of itself: the engine sees messages, not sessions.

use hub_core::Metric;

pub(crate) const LOGINS: &str = "meterhub_sftp_logins_total";
pub(crate) const LOGIN_FAILURES: &str = "meterhub_sftp_login_failures_total";

/// Of sources and sinks.
pub(crate) const ALL: &[Metric] = &[
    Metric::counter(
        LOGINS,
        "Sessions opened. Many for few files mean that the server, or the network, cuts them.",
    ),
    Metric::counter(
        LOGIN_FAILURES,
        "Sessions that could not be opened: no connection, another host key, or not let in.",
    ),
];
