//! What the adapter counts of itself. The engine knows nothing of the connections that a sink opens,
//! nor why a broker took nothing.

use hub_core::Metric;

pub(crate) const CONNECTIONS: &str = "meterhub_mqtt_connections_total";
pub(crate) const CONNECTION_FAILURES: &str = "meterhub_mqtt_connection_failures_total";
pub(crate) const NO_SUBSCRIBER: &str = "meterhub_mqtt_no_subscriber_total";
pub(crate) const OVER_QUOTA: &str = "meterhub_mqtt_over_quota_total";

/// Of sources and sinks; a source publishes to its `rejected_topic`.
pub(crate) const ALL: &[Metric] = &[
    Metric::counter(
        CONNECTIONS,
        "Connections opened. Many mean that the broker, the network, or another client with our client id, cuts them.",
    ),
    Metric::counter(
        CONNECTION_FAILURES,
        "Attempts to connect or log in that failed.",
    ),
    Metric::counter(NO_SUBSCRIBER, "Publishes for which nobody subscribed."),
    Metric::counter(
        OVER_QUOTA,
        "Publishes that the broker did not take because a quota is used up.",
    ),
];
