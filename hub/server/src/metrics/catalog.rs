//! Every metric of the hub and what it says: the `# HELP` of `/metrics`, and the reference page.
//!
//! What an adapter counts of itself stands with the adapter (`metrics()` of its configuration).

use std::collections::BTreeMap;

use hub_core::{AdapterRegistry, Metric, MetricShape};

/// What came of an arrival.
const ARRIVALS: &[&str] = &["accepted", "duplicate", "rejected", "put_off"];
/// What came of an attempt to deliver.
const ATTEMPTS: &[&str] = &["sent", "refused", "unavailable", "busy", "given_up"];
/// What became of a record.
const RECORDS: &[&str] = &["applied", "rejected"];
/// How a message ended.
const ENDINGS: &[&str] = &["processed", "processed_with_findings", "invalid"];

const fn histogram(name: &'static str, help: &'static str) -> Metric {
    Metric::new(name, MetricShape::Histogram, help)
}

/// What the engine counts of every source, whatever its kind.
pub(crate) const SOURCE: &[Metric] = &[
    Metric::gauge(
        "meterhub_source_connected",
        "1 while the source is connected, else 0.",
    ),
    Metric::counter(
        "meterhub_source_connects_total",
        "Attempts to connect.",
    ),
    Metric::counter(
        "meterhub_source_connect_failures_total",
        "Attempts to connect that failed.",
    ),
    Metric::counter(
        "meterhub_source_disconnects_total",
        "Connections that were lost after they had been made.",
    ),
    Metric::counter(
        "meterhub_source_messages_total",
        "Messages offered. `accepted` are new and on disk; `duplicate` are resends that were recognised; \
         `rejected` have the key of another message; `put_off` could not be stored, and their sender keeps them.",
    )
    .by(&[("outcome", ARRIVALS)]),
    Metric::counter(
        "meterhub_source_bytes_total",
        "Bytes of the messages that were accepted.",
    ),
    histogram(
        "meterhub_source_accept_seconds",
        "Seconds from the arrival of a message until it was on disk and its sender could be answered.",
    ),
    Metric::gauge(
        "meterhub_source_unsettled",
        "Messages that arrived and whose sender has no answer yet.",
    ),
];

/// What the engine counts of what the messages of a source become.
pub(crate) const PROCESSING: &[Metric] = &[
    Metric::counter(
        "meterhub_source_finished_total",
        "Messages that were processed to their end.",
    )
    .by(&[("state", ENDINGS)]),
    Metric::counter(
        "meterhub_source_records_total",
        "Records of messages: applied, or rejected by the format or by what is known of the estate.",
    )
    .by(&[("outcome", RECORDS)]),
    Metric::counter(
        "meterhub_source_findings_total",
        "Findings of all kinds.",
    ),
    Metric::gauge(
        "meterhub_source_backlog_messages",
        "Messages that were accepted and are not processed yet. Counted when asked, at most every few seconds.",
    ),
    Metric::gauge(
        "meterhub_source_backlog_seconds",
        "Age of the oldest of them; 0 if there is none.",
    ),
];

/// What the engine counts of every sink, whatever its kind.
pub(crate) const SINK: &[Metric] = &[
    Metric::counter(
        "meterhub_sink_attempts_total",
        "Attempts to deliver. `sent`: the partner has it; `refused`: it never will; `unavailable`: no good answer; \
         `busy`: it asked for a pause; `given_up`: the hub gave up waiting, or failed itself.",
    )
    .by(&[("outcome", ATTEMPTS)]),
    Metric::counter(
        "meterhub_sink_parked_total",
        "Deliveries that were parked: refused, or out of attempts.",
    ),
    Metric::counter(
        "meterhub_sink_fell_over_total",
        "Deliveries that went to another sink instead (`fall_over`).",
    ),
    Metric::counter(
        "meterhub_sink_bytes_total",
        "Bytes of the deliveries that were sent.",
    ),
    histogram(
        "meterhub_sink_attempt_seconds",
        "Seconds of an attempt, whatever came of it.",
    ),
    Metric::gauge(
        "meterhub_sink_in_flight",
        "Attempts under way now.",
    ),
    Metric::gauge(
        "meterhub_sink_circuit_open",
        "1 while the endpoint is taken for down and only probed, else 0.",
    ),
    Metric::gauge(
        "meterhub_sink_waiting_deliveries",
        "Deliveries that are neither delivered nor parked. Counted when asked, at most every few seconds.",
    ),
    Metric::gauge(
        "meterhub_sink_waiting_seconds",
        "Age of the oldest of them; 0 if there is none.",
    ),
    Metric::gauge(
        "meterhub_sink_parked_deliveries",
        "Deliveries that are parked now and wait for an operator.",
    ),
];

/// What the hub as a whole tells. These have no labels but their own.
pub(crate) const HUB: &[Metric] = &[
    Metric::gauge(
        "meterhub_build_info",
        "1; the label says which version runs.",
    )
    .by(&[("version", &[])]),
    Metric::gauge(
        "meterhub_uptime_seconds",
        "Seconds since the process began to count.",
    ),
    histogram(
        "meterhub_store_commit_seconds",
        "Seconds of a commit to the database, its sync to disk included. Many messages may share one.",
    ),
    histogram("meterhub_store_commit_jobs", "Jobs that shared a commit."),
    Metric::counter(
        "meterhub_store_backlog_counts_total",
        "Times that what waits was counted in the database, for who asks here.",
    ),
    Metric::gauge(
        "meterhub_store_database_bytes",
        "Size of the database: its file and its write-ahead log.",
    ),
    Metric::gauge(
        "meterhub_store_content_bytes",
        "Size of the large messages that are kept as files. Measured in the background, so it may be older.",
    ),
];

/// All that the hub itself counts.
fn own() -> impl Iterator<Item = Metric> {
    [SOURCE, PROCESSING, SINK, HUB]
        .into_iter()
        .flatten()
        .copied()
}

/// Everything that can stand in `/metrics`, by name.
pub(crate) fn all(adapters: &AdapterRegistry) -> BTreeMap<&'static str, Metric> {
    let sources = adapters.sources.values().map(|kind| (kind.metrics)());
    let sinks = adapters.sinks.values().map(|kind| (kind.metrics)());
    let theirs = sources.chain(sinks).flatten().copied();
    own()
        .chain(theirs)
        .map(|metric| (metric.name, metric))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::adapters;

    #[test]
    fn names_and_labels_are_as_prometheus_has_them() {
        for (name, metric) in all(&adapters()) {
            assert!(name.starts_with("meterhub_"), "{name}");
            let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
            assert!(name.bytes().all(allowed), "{name}");
            let is_counter = metric.shape == MetricShape::Counter;
            assert_eq!(name.ends_with("_total"), is_counter, "{name}");
            assert!(metric.help.ends_with('.'), "{name}: {}", metric.help);
            assert!(!metric.help.contains('\n'), "{name}");
        }
    }

    #[test]
    fn no_name_is_given_twice() {
        let names: Vec<_> = own().map(|metric| metric.name).collect();
        let theirs = all(&adapters());
        let own_kinds = ["source", "sink", "hub", "store"];
        for kind in theirs.keys().filter(|name| !names.contains(name)) {
            let second = kind.split('_').nth(1).unwrap_or_default();
            assert!(!own_kinds.contains(&second), "{kind} is an adapter's");
        }
        let mut once = names.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), names.len());
    }

    /// Names in the sources of the adapters that look like metrics.
    fn counted(folder: &std::path::Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                counted(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let strings = text.split('"').skip(1).step_by(2);
                let is_name = |text: &&str| {
                    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
                    text.starts_with("meterhub_") && text.bytes().all(allowed)
                };
                found.extend(strings.filter(is_name).map(str::to_owned));
            }
        }
    }

    /// Nobody can read a figure that nothing explains.
    #[test]
    fn what_adapters_count_is_declared() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../adapters");
        let registry = adapters();
        let (mut found, known) = (Vec::new(), all(&registry));
        let kinds = registry.sources.keys().chain(registry.sinks.keys());
        let words: Vec<&str> = kinds.filter_map(|kind| kind.split('_').next()).collect();
        // A crate that is not registered yet has nobody to tell.
        let is_registered = |name: &str| name.split('_').nth(1).is_some_and(|w| words.contains(&w));
        for adapter in std::fs::read_dir(folder).unwrap() {
            let sources = adapter.unwrap().path().join("src");
            if sources.is_dir() {
                counted(&sources, &mut found);
            }
        }
        assert!(found.contains(&"meterhub_amqp_connections_total".to_owned()));
        found.retain(|name| is_registered(name) && !known.contains_key(name.as_str()));
        assert!(
            found.is_empty(),
            "{found:?} are not in the `metrics()` of any registered adapter"
        );
    }
}
