//! What the hub counts, as Prometheus reads it.
//!
//! One recorder serves the process, also if several hubs run in it (tests): series are told apart by
//! enterprise and endpoint. Who counts holds handles ([`crate::engine`], the adapters' meters), so
//! that a count is one atomic addition. What is told: [`catalog`].

pub(crate) mod catalog;
mod sample;

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use hub_core::MetricShape;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tracing::warn;

pub(crate) use sample::Sampler;

/// How often the values of histograms are put into their buckets: until then each costs eight bytes.
pub(crate) const UPKEEP: Duration = Duration::from_secs(2);

/// Upper bounds of the buckets of seconds: from a commit on a fast disk to a large upload.
const SECONDS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0, 60.0, 600.0,
];
/// Upper bounds of the buckets of jobs in a commit.
const JOBS: [f64; 8] = [1.0, 2.0, 4.0, 8.0, 16.0, 64.0, 256.0, 1_024.0];

/// The recorder of this process, and when it began.
pub(crate) struct Recorder {
    handle: Option<PrometheusHandle>,
    begun: Instant,
}

/// The process's one recorder; made when first asked for. Handles count only what they are made
/// for after that, so a hub asks first of all.
pub(crate) fn recorder() -> &'static Recorder {
    static RECORDER: OnceLock<Recorder> = OnceLock::new();
    RECORDER.get_or_init(|| {
        let handle = install();
        if let Err(problem) = &handle {
            warn!(%problem, "nothing is counted: this process has another recorder of metrics");
        }
        Recorder {
            handle: handle.ok(),
            begun: Instant::now(),
        }
    })
}

fn install() -> Result<PrometheusHandle, BuildError> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_jobs".into()), &JOBS)?
        .install_recorder()?;
    for (name, metric) in catalog::all(&crate::adapters::adapters()) {
        match metric.shape {
            MetricShape::Counter => metrics::describe_counter!(name, metric.help),
            MetricShape::Gauge => metrics::describe_gauge!(name, metric.help),
            MetricShape::Histogram => metrics::describe_histogram!(name, metric.help),
        }
    }
    metrics::gauge!("meterhub_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    Ok(handle)
}

impl Recorder {
    /// All values, in the text format of Prometheus.
    pub(crate) fn render(&self) -> String {
        metrics::gauge!("meterhub_uptime_seconds").set(self.begun.elapsed().as_secs_f64());
        self.handle
            .as_ref()
            .map(PrometheusHandle::render)
            .unwrap_or_default()
    }

    /// Puts the values of histograms into their buckets, now and then, for ever.
    pub(crate) async fn keep_up(&self) {
        loop {
            tokio::time::sleep(UPKEEP).await;
            if let Some(handle) = &self.handle {
                handle.run_upkeep();
            }
        }
    }
}
