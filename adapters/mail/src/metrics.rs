//! What the sink counts of itself: the engine sees messages, not connections and recipients.

use hub_core::Metric;

pub(crate) const CONNECTIONS: &str = "meterhub_mail_connections_total";
pub(crate) const NOT_LET_IN: &str = "meterhub_mail_not_let_in_total";
pub(crate) const REFUSED: &str = "meterhub_mail_refused_recipients_total";
pub(crate) const PUT_OFF: &str = "meterhub_mail_put_off_recipients_total";

/// Of sinks.
pub(crate) const OF_SINKS: &[Metric] = &[
    Metric::counter(CONNECTIONS, "Connections opened to the SMTP server."),
    Metric::counter(
        NOT_LET_IN,
        "Attempts that ended at the login, or because the server offers no encryption: somebody must act.",
    ),
    Metric::counter(
        REFUSED,
        "Recipients that the server refused for good (5xx), for one mail each.",
    ),
    Metric::counter(
        PUT_OFF,
        "Recipients that the server put off (4xx), for one attempt each.",
    ),
];
