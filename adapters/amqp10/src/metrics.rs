//! What sources and sinks count of themselves.

use hub_core::Metric;

/// Connections made.
pub(crate) const CONNECTIONS: Metric = Metric::counter(
    "meterhub_amqp10_connections_total",
    "Connections to the broker; all but the first were made because one was lost.",
);

/// Links and connections lost.
pub(crate) const LOST: Metric = Metric::counter(
    "meterhub_amqp10_links_lost_total",
    "Links and connections that ended without the hub's wish.",
);

/// Credit granted.
pub(crate) const CREDIT: Metric = Metric::gauge(
    "meterhub_amqp10_credit_messages",
    "Messages the broker was last allowed to send at once; 0 without a link.",
);

/// Messages that are not settled.
pub(crate) const UNSETTLED: Metric = Metric::gauge(
    "meterhub_amqp10_unsettled_messages",
    "Messages taken from the broker that it was told nothing of yet.",
);

/// Messages without an outcome.
pub(crate) const IN_FLIGHT: Metric = Metric::gauge(
    "meterhub_amqp10_in_flight_messages",
    "Messages sent whose outcome the broker has not told yet.",
);

/// Of a source.
pub(crate) const SOURCE: &[Metric] = &[CONNECTIONS, LOST, CREDIT, UNSETTLED];

/// Of a sink.
pub(crate) const SINK: &[Metric] = &[CONNECTIONS, LOST, IN_FLIGHT];
