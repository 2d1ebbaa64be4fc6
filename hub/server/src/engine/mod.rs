//! The engine: takes messages from sources, applies them, and delivers what they cause.
//!
//! One task per source takes messages in ([`intake`]), one processes what was accepted in order
//! ([`process`]), one task per sink delivers in lanes ([`dispatch`]). They share nothing but the
//! store and wake-up calls: whatever is lost with a process is found again in the store.

mod answer;
mod book;
mod decode;
mod dispatch;
mod fall_over;
mod forward;
mod gather;
mod intake;
mod lanes;
mod large;
mod measure;
mod outlet;
mod owners;
mod process;
mod publish;
mod send;
mod stage;
mod steady;
mod storing;
pub(crate) mod vitals;
mod wake;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hub_core::files::Files;
use hub_core::{AdapterContext, Clock, Meter, Shared};
use hub_store::estate::{EnterpriseId, enterprise};
use hub_store::messages::{Store, WaitingWork};
use hub_store::{EndpointState, StoreError};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

pub(crate) use owners::SourceOwners;

use crate::config::{Config, Enterprise};
use measure::Measures;
pub(crate) use send::assembled_folder;
use vitals::Vitals;
use wake::{Calls, Wakers};

/// How long a stopping engine waits for what is on its way. What is cut off is done again.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);
/// Safety net: how often a task looks into the store though nobody woke it. Another process (the
/// command line) may have changed something.
const IDLE_POLL: Duration = Duration::from_secs(1);
/// Pause after the store refused, so that a full disk does not make a hot loop.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// What the engine runs on, replaceable in tests.
#[derive(Clone)]
pub struct Surroundings {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The file system.
    pub files: Arc<dyn Files>,
    /// What adapters share, the HTTP inbox say.
    pub shared: Shared,
}

/// What every task of the engine knows.
#[derive(Clone)]
struct Hub {
    config: Arc<Config>,
    store: Store,
    surroundings: Surroundings,
    enterprises: Arc<BTreeMap<String, EnterpriseId>>,
    wakers: Wakers,
    measures: Arc<Measures>,
    stop: CancellationToken,
}

impl Hub {
    fn adapter_context(&self, name: &str, enterprise: &str) -> AdapterContext {
        AdapterContext {
            name: name.to_owned(),
            enterprise: enterprise.to_owned(),
            base_dir: self.config.dir.clone(),
            temporary: self.store.content().partial_folder(),
            clock: Arc::clone(&self.surroundings.clock),
            files: Arc::clone(&self.surroundings.files),
            shared: self.surroundings.shared.clone(),
            state: Arc::new(EndpointState::of(self.store.db(), enterprise)),
            meter: Meter::new(enterprise, name),
        }
    }

    /// Waits, unless the engine stops. Returns whether to go on.
    async fn pause(&self, pause: Duration) -> bool {
        tokio::select! {
            () = self.stop.cancelled() => false,
            () = tokio::time::sleep(pause) => true,
        }
    }
}

/// Why an engine does not start.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The store does not answer.
    #[error("the store does not answer")]
    Store(#[from] StoreError),
    /// Readings are kept by the local days of another zone.
    #[error(
        "enterprise `{enterprise}` has readings kept by local days of {stored}, but its zone is configured as {wanted}; \
         put `zone = \"{stored}\"` back, or give the enterprise another name"
    )]
    ZoneChanged {
        /// The enterprise.
        enterprise: String,
        /// The zone that its readings are kept by.
        stored: String,
        /// The zone that is configured.
        wanted: String,
    },
}

/// A running engine.
pub struct Engine {
    hub: Hub,
    tasks: JoinSet<()>,
}

/// An engine that can start at any moment.
pub struct PreparedEngine(Hub);

impl PreparedEngine {
    /// Does all of a start that can fail, while another engine may still run.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub async fn new(
        config: Arc<Config>,
        store: Store,
        surroundings: Surroundings,
    ) -> Result<Self, EngineError> {
        let enterprises = Arc::new(register(&config, &store).await?);
        let wakers = Wakers {
            sources: Calls::new(config.sources.keys()),
            sinks: Calls::new(config.sinks.keys()),
        };
        let stop = CancellationToken::new();
        Ok(Self(Hub {
            config,
            store,
            surroundings,
            enterprises,
            wakers,
            measures: Arc::default(),
            stop,
        }))
    }

    /// Starts all sources, processors and sinks.
    #[must_use]
    pub fn start(self) -> Engine {
        let Self(mut hub) = self;
        let vitals: Arc<Vitals> = hub.surroundings.shared.get();
        hub.measures = Arc::new(Measures::begin(
            &hub.config,
            &vitals,
            &hub.surroundings.clock,
        ));
        let owners: Arc<SourceOwners> = hub.surroundings.shared.get();
        owners.set(&hub.config);
        let mut tasks = JoinSet::new();
        for sink in hub.config.sinks.values() {
            tasks.spawn(dispatch::run(hub.clone(), sink.clone()));
        }
        for route in hub.config.inbound.values() {
            let Some(source) = hub.config.sources.get(&route.from) else {
                continue;
            };
            let route = Arc::new(route.clone());
            tasks.spawn(process::run(hub.clone(), Arc::clone(&route)));
            tasks.spawn(intake::run(hub.clone(), source.clone(), route));
        }
        tasks.spawn(report_orphans(hub.clone()));
        Engine { hub, tasks }
    }
}

/// Says what waits in the store for sources and sinks that are no longer configured: nobody would
/// ever touch it.
async fn report_orphans(hub: Hub) {
    let Ok(work) = hub.store.open_work().await else {
        return;
    };
    let config = &hub.config;
    let routed = |work: &&WaitingWork| {
        let mut routes = config.inbound.values();
        routes.any(|route| route.from == work.place && route.enterprise == work.enterprise)
    };
    for WaitingWork {
        enterprise,
        place,
        count,
    } in work.messages.iter().filter(|w| !routed(w))
    {
        warn!(
            enterprise,
            source = place,
            count,
            "messages wait for a source that has no inbound route in the configuration"
        );
    }
    let known = |work: &&WaitingWork| {
        let sink = config.sinks.get(&work.place);
        sink.is_some_and(|sink| sink.enterprise == work.enterprise)
    };
    for WaitingWork {
        enterprise,
        place,
        count,
    } in work.deliveries.iter().filter(|w| !known(w))
    {
        warn!(
            enterprise,
            sink = place,
            count,
            "deliveries wait for a sink that is not in the configuration"
        );
    }
}

impl Engine {
    /// Stops taking messages, finishes or hands back what is on its way, and ends.
    pub async fn stop(mut self) {
        self.hub.stop.cancel();
        let all = async {
            while let Some(ended) = self.tasks.join_next().await {
                if let Err(problem) = ended {
                    error!(%problem, "a task of the engine failed on its own account; this is a defect");
                }
            }
        };
        if tokio::time::timeout(STOP_TIMEOUT, all).await.is_err() {
            warn!("some work did not end in time; it is done again at the next start");
            self.tasks.shutdown().await;
        }
    }
}

/// Makes the configured enterprises known to the store.
async fn register(
    config: &Config,
    store: &Store,
) -> Result<BTreeMap<String, EnterpriseId>, EngineError> {
    let configured: Vec<_> = config.enterprises.values().cloned().collect();
    let known = store.db().write(move |tx| {
        let known = |wanted: &Enterprise| {
            let known = enterprise::ensure(tx, &wanted.name, &wanted.zone)?;
            Ok((known, wanted.clone()))
        };
        let known: Result<Vec<_>, StoreError> = configured.iter().map(known).collect();
        known
    });
    let mut ids = BTreeMap::new();
    for (known, wanted) in known.await? {
        // Days of readings are days of the zone: another zone would keep them twice.
        if known.zone != wanted.zone {
            let (enterprise, stored, wanted) = (wanted.name, known.zone.name(), wanted.zone.name());
            return Err(EngineError::ZoneChanged {
                enterprise,
                stored,
                wanted,
            });
        }
        ids.insert(wanted.name, known.id);
    }
    Ok(ids)
}
