//! The page about what the hub tells of itself.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use hub_core::{AdapterRegistry, Metric, MetricShape};

use super::Page;
use super::markdown::{cell, code, table};
use crate::metrics::catalog;

const INTRODUCTION: &str = "\
`GET /metrics`, on the hub's `listen` address, is in the text format of Prometheus.
`GET /api/v1/endpoints` tells how each endpoint is, as JSON; `meterhub endpoints` shows the same as a table.

Who asks must show a token, as `Authorization: Bearer TOKEN`: the `metrics_token` of `[hub]`. Without one
configured the hub makes one itself when it first starts, and keeps it in the file `operator.token` of its
data folder, which only its own user may read. `meterhub endpoints` finds it there. For Prometheus on the
same machine, give its group the file (`chgrp prometheus operator.token; chmod 640 operator.token`) and
name it; for one elsewhere, copy it. To get another token, remove the file and start the hub again.

Labels are `enterprise` and `endpoint` (the name of the source or sink), and those named below: few
values, never ids. Counters begin at 0 with the process. What waits is counted in the database when
somebody asks, and that is kept for two seconds or more: the longer the count took, the longer.
An endpoint that is taken out of the configuration keeps its series until the hub is restarted, with
nothing waiting and no circuit open.

```yaml
# prometheus.yml
scrape_configs:
  - job_name: meterhub
    authorization: { credentials_file: /var/lib/meterhub/data/operator.token }
    static_configs: [{ targets: [\"hub.example:8080\"] }]
```
";

const HEALTH: &str = "\
## How an endpoint is

`health` in `/api/v1/endpoints`, with `since`, `reason`, `last_success` (when a message last came from it
and was kept, or was last taken by it), `failures` in a row and `next_attempt`:

| Health | Of a source | Of a sink |
| --- | --- | --- |
| `waiting` | never connected yet | nothing was sent to it yet |
| `ok` | connected | it took, or refused, what was sent last |
| `busy` | the hub cannot store what comes: a full disk, say | it asked for a pause |
| `retrying` | not connected, tried again with back-off | it did not answer, tried again with back-off |
| `circuit_open` | - | it did not answer for long: one probe at a time |

`/health/ready` says something else: whether partners who post now are served.

## What to watch

| Alert | Because |
| --- | --- |
| `meterhub_sink_circuit_open == 1` for minutes | a partner is down; its deliveries wait |
| `meterhub_sink_parked_deliveries > 0` | somebody must look: `meterhub parked list` |
| `meterhub_sink_waiting_seconds > 3600` | a partner gets its data late, whatever the reason |
| `meterhub_source_connected == 0` for minutes | nothing comes from that partner |
| `meterhub_source_backlog_seconds > 600` | processing does not keep up |
| `rate(meterhub_source_messages_total{outcome=\"put_off\"}[5m]) > 0` | the hub cannot store: look at its disk |
| `rate(meterhub_source_finished_total{state=\"invalid\"}[1h]) > 0` | a partner changed its layout, perhaps |
";

/// The page.
pub(super) fn page(registry: &AdapterRegistry) -> Page {
    let mut body = format!("{INTRODUCTION}\n{HEALTH}");
    for (title, metrics) in [
        ("Every source", catalog::SOURCE),
        ("What the messages of a source become", catalog::PROCESSING),
        ("Every sink", catalog::SINK),
        ("The hub", catalog::HUB),
    ] {
        let _ = write!(body, "\n## {title}\n\n{}", rows(metrics));
    }
    let theirs = of_adapters(registry);
    if !theirs.is_empty() {
        body.push_str("\n## What adapters count beside that\n");
    }
    for (kind, metrics) in theirs {
        let _ = write!(
            body,
            "\n### [{kind}](adapters/{kind}.md)\n\n{}",
            rows(&metrics)
        );
    }
    Page::new("metrics.md", "Metrics", &body)
}

fn of_adapters(registry: &AdapterRegistry) -> BTreeMap<&'static str, Vec<Metric>> {
    let sources = registry.sources.iter();
    let sources = sources.map(|(kind, source)| (*kind, (source.metrics)()));
    let sinks = registry.sinks.iter();
    let sinks = sinks.map(|(kind, sink)| (*kind, (sink.metrics)()));
    let mut all: BTreeMap<_, Vec<Metric>> = BTreeMap::new();
    for (kind, metrics) in sources.chain(sinks) {
        for metric in metrics {
            let of_kind = all.entry(kind).or_default();
            if !of_kind.contains(metric) {
                of_kind.push(*metric);
            }
        }
    }
    all
}

/// Metrics in a table.
pub(super) fn rows(metrics: &[Metric]) -> String {
    let row = |metric: &Metric| {
        let shape = match metric.shape {
            MetricShape::Counter => "counter",
            MetricShape::Gauge => "gauge",
            MetricShape::Histogram => "histogram",
        };
        let labels: Vec<_> = metric
            .labels
            .iter()
            .map(|(key, values)| match values.is_empty() {
                true => code(key),
                false => format!("{}: {}", code(key), values.join(", ")),
            })
            .collect();
        vec![
            code(metric.name),
            shape.to_owned(),
            labels.join("; "),
            cell(metric.help),
        ]
    };
    let rows: Vec<_> = metrics.iter().map(row).collect();
    table(&["Name", "Type", "Labels", "Meaning"], &rows)
}
