//! A sink that may still have to be set up (a secret is missing, say). Until then its deliveries wait as
//! for one that does not answer: they lose no attempt, and may go to another sink in time.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use hub_core::{Backoff, Sink, SinkError};
use tracing::{error, info};

use super::Hub;
use super::intake::random;
use super::measure::SinkMeasure;
use crate::config::SinkEntry;

/// Back-off between attempts to set a sink up.
const AGAIN: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));

/// A sink, once it is set up.
#[derive(Default)]
pub(super) struct Outlet {
    sink: OnceLock<Arc<dyn Sink>>,
    problem: Mutex<String>,
}

impl Outlet {
    /// The sink.
    ///
    /// # Errors
    /// Why it could not be set up so far.
    pub(super) fn sink(&self) -> Result<Arc<dyn Sink>, String> {
        let sink = self.sink.get().cloned();
        sink.ok_or_else(|| self.said().clone())
    }

    fn said(&self) -> MutexGuard<'_, String> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sets one sink up.
pub(super) struct SetUp {
    hub: Hub,
    entry: SinkEntry,
    measure: Arc<SinkMeasure>,
    failures: u32,
    outlet: Arc<Outlet>,
}

impl SetUp {
    pub(super) fn new(hub: Hub, entry: SinkEntry) -> Self {
        Self {
            measure: hub.measures.sink(&entry.name),
            hub,
            entry,
            failures: 0,
            outlet: Arc::default(),
        }
    }

    pub(super) fn outlet(&self) -> Arc<Outlet> {
        Arc::clone(&self.outlet)
    }

    /// Tries once. Gives the pause before the next try, if there is to be one.
    pub(super) async fn attempt(&mut self) -> Option<Duration> {
        let (hub, entry) = (&self.hub, &self.entry);
        let context = hub.adapter_context(&entry.name, &entry.enterprise);
        let connecting = entry.adapter.connect(&context);
        match hub.stop.run_until_cancelled(connecting).await? {
            Ok(sink) => {
                if self.failures > 0 {
                    info!(sink = %entry.name, "sink is set up");
                }
                let _ = self.outlet.sink.set(self.measure.around(sink));
                None
            }
            Err(problem) => Some(self.failed(&problem)),
        }
    }

    fn failed(&mut self, problem: &SinkError) -> Duration {
        self.failures += 1;
        if self.failures == 1 {
            error!(sink = %self.entry.name, %problem, "sink cannot be set up; its deliveries wait");
        }
        let reason = problem.to_string();
        let pause = AGAIN.pause(self.failures, random());
        let now = self.hub.surroundings.clock.now();
        self.measure.not_set_up(&reason, pause, now);
        *self.outlet.said() = reason;
        pause
    }

    /// Tries until it is set up, or the engine stops.
    pub(super) async fn go_on(mut self, mut pause: Option<Duration>) {
        while let Some(wait) = pause {
            if !self.hub.pause(wait).await {
                return;
            }
            pause = self.attempt().await;
        }
    }
}
