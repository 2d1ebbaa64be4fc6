//! What the adapter counts of itself. The engine knows nothing of the connections that a sink opens,
//! nor why a broker took nothing.

use hub_core::Metric;

pub(crate) const CONNECTIONS: &str = "meterhub_amqp_connections_total";
pub(crate) const CONNECTION_FAILURES: &str = "meterhub_amqp_connection_failures_total";
pub(crate) const BLOCKED: &str = "meterhub_amqp_blocked_total";
pub(crate) const UNROUTABLE: &str = "meterhub_amqp_unroutable_total";
pub(crate) const NOT_KEPT: &str = "meterhub_amqp_not_kept_total";

/// Of sources and sinks; a source publishes to its dead-letter exchange.
pub(crate) const ALL: &[Metric] = &[
    Metric::counter(
        CONNECTIONS,
        "Connections opened. Many mean that the broker, or the network, cuts them.",
    ),
    Metric::counter(
        CONNECTION_FAILURES,
        "Attempts to connect or log in that failed.",
    ),
    Metric::counter(
        BLOCKED,
        "Publishes that waited because the broker has run out of memory or disk.",
    ),
    Metric::counter(
        UNROUTABLE,
        "Publishes that reached no queue: a binding is missing.",
    ),
    Metric::counter(
        NOT_KEPT,
        "Publishes that the broker answered with a no: a queue is full, or has lost its majority.",
    ),
];
