//! The running hub: one process that owns a data folder, its engine, and its HTTP address.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hub_core::files::OsFiles;
use hub_core::{Shared, SystemClock};
use hub_store::StoreError;
use hub_store::messages::Store;
use hub_store::sqlite::SqliteOptions;
use hub_web::Doors;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::adapters::adapters;
use crate::api;
use crate::config::{Config, ConfigErrors, Drawing, SourceEntry, render};
use crate::engine::{Engine, EngineError, PreparedEngine, Surroundings, assembled_folder};
use crate::formats::formats;
use crate::listener::{TlsError, acceptor};
use crate::metrics::recorder;
use crate::operators::TokenError;
use crate::{listener, operators};

/// How often the configuration is looked at for changes.
const CONFIG_POLL: Duration = Duration::from_secs(2);

/// Why a hub does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The configuration is not valid.
    #[error("the configuration is not valid")]
    Config(#[source] ConfigErrors),
    /// Another hub has the data folder.
    #[error("another hub is running on `{0}`; stop it first, or configure another `data_dir`")]
    Locked(PathBuf),
    /// The data folder cannot be used.
    #[error("the data folder `{folder}` cannot be used")]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// The store cannot be opened.
    #[error("the store cannot be opened")]
    Store(#[from] StoreError),
    /// The engine cannot start.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// What operators show cannot be had.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// TLS cannot be spoken.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The HTTP address is not free.
    #[error("cannot listen on `{address}`; configure another `listen` address")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
}

/// A running hub.
pub struct Service {
    config_dir: PathBuf,
    config: Arc<Config>,
    store: Store,
    surroundings: Surroundings,
    engine: Option<Engine>,
    address: SocketAddr,
    tls_address: Option<SocketAddr>,
    http_stop: CancellationToken,
    http: tokio::task::JoinHandle<()>,
    _lock: File,
}

impl Service {
    /// Starts the hub of a configuration folder. When this returns it takes messages.
    ///
    /// # Errors
    /// See [`ServiceError`].
    pub async fn start(config_dir: &Path) -> Result<Self, ServiceError> {
        let config = load(config_dir).map_err(ServiceError::Config)?;
        Self::start_with(config, default_surroundings(), SqliteOptions::default()).await
    }

    /// Starts a hub on surroundings of one's own, as tests do.
    ///
    /// # Errors
    /// See [`ServiceError`].
    pub async fn start_with(
        config: Config,
        surroundings: Surroundings,
        options: SqliteOptions,
    ) -> Result<Self, ServiceError> {
        let config = Arc::new(config);
        let lock = lock(&config.hub.data_dir)?;
        // First of all: what is counted before is not.
        let recorder = recorder();
        let token = operators::asked_for(&config)?;
        let (files, clock) = (
            Arc::clone(&surroundings.files),
            Arc::clone(&surroundings.clock),
        );
        let store = Store::open(&config.hub.data_dir, HUB_NODE, options, files, clock).await?;
        store.content().clear_partial().map_err(StoreError::from)?;
        clear_assembled(&config.hub.data_dir);
        let (listener, address) = bind(config.hub.listen).await?;
        let behind_tls = match &config.hub.tls {
            None => None,
            Some(tls) => Some((bind(tls.listen).await?, acceptor(tls, &config.dir)?)),
        };
        expect_sources(&config, &surroundings.shared);
        let http_stop = CancellationToken::new();
        let clock = &surroundings.clock;
        let operators = operators::router(&store, &config.hub, &surroundings.shared, clock, token);
        let router = api::router(&store, &surroundings.shared, operators);
        let counting = http_stop.clone();
        tokio::spawn(async move { counting.run_until_cancelled(recorder.keep_up()).await });
        let tls_address = behind_tls.as_ref().map(|((_, address), _)| *address);
        let (stop, stop_tls) = (http_stop.clone(), http_stop.clone());
        let http = tokio::spawn(async move {
            let over_tls = async {
                if let Some(((listener, _), acceptor)) = behind_tls {
                    listener::serve_tls(listener, acceptor, router.clone(), stop_tls).await;
                }
            };
            tokio::join!(listener::serve(listener, router.clone(), stop), over_tls);
        });
        let prepared =
            PreparedEngine::new(Arc::clone(&config), store.clone(), surroundings.clone());
        let engine = Some(prepared.await?.start());
        let config_dir = config.dir.clone();
        Ok(Self {
            config_dir,
            config,
            store,
            surroundings,
            engine,
            address,
            tls_address,
            http_stop,
            http,
            _lock: lock,
        })
    }

    /// Where HTTP listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where HTTP listens behind TLS, if it does.
    #[must_use]
    pub const fn tls_address(&self) -> Option<SocketAddr> {
        self.tls_address
    }

    /// The store.
    #[must_use]
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// Runs until the process is asked to stop (SIGTERM, Ctrl-C), and takes over changes of the
    /// configuration meanwhile.
    pub async fn run_until_signal(mut self) {
        let mut seen = fingerprint(&self.config_dir);
        let mut stop = std::pin::pin!(stop_signal());
        loop {
            tokio::select! {
                () = &mut stop => break,
                () = tokio::time::sleep(CONFIG_POLL) => {
                    let now = fingerprint(&self.config_dir);
                    if now != seen {
                        seen = now;
                        self.reload().await;
                    }
                }
            }
        }
        info!("stopping");
        self.stop().await;
    }

    /// Takes over a changed configuration, or refuses it and goes on with the old one.
    pub async fn reload(&mut self) {
        match load(&self.config_dir) {
            Err(errors) => {
                // The same report as at start-up: every problem with its place.
                let report = render(&errors.0, Drawing::default());
                error!(
                    "changed configuration is refused, the hub goes on with the old one:\n{report}"
                );
            }
            Ok(config) if config.hub != self.config.hub => {
                error!(
                    "changes of `[hub]` need a restart; the hub goes on with the old configuration"
                );
            }
            Ok(config) => self.take_over(Arc::new(config)).await,
        }
    }

    /// Runs on another configuration. All that can fail comes before the old engine stops.
    async fn take_over(&mut self, config: Arc<Config>) {
        let (store, surroundings) = (self.store.clone(), self.surroundings.clone());
        let prepared = match PreparedEngine::new(Arc::clone(&config), store, surroundings).await {
            Ok(prepared) => prepared,
            Err(problem) => {
                error!(%problem, "changed configuration is refused, the hub goes on with the old one");
                return;
            }
        };
        expect_sources(&config, &self.surroundings.shared);
        if let Some(engine) = self.engine.take() {
            engine.stop().await;
        }
        self.config = config;
        self.engine = Some(prepared.start());
        info!("changed configuration is in force");
    }

    /// Stops: takes nothing more, finishes or hands back what is on its way.
    pub async fn stop(mut self) {
        if let Some(engine) = self.engine.take() {
            engine.stop().await;
        }
        self.http_stop.cancel();
        if tokio::time::timeout(Duration::from_secs(5), &mut self.http)
            .await
            .is_err()
        {
            self.http.abort();
        }
    }
}

/// A listener, and where it listens.
async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ServiceError> {
    let failed = |cause| ServiceError::Listen { address, cause };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

/// Makes known which names partners may post to, so that one whose source is not connected at the
/// moment is asked to wait, and not told that there is no such source. Without an inbound route a
/// source is never run.
fn expect_sources(config: &Config, shared: &Shared) {
    let is_run =
        |entry: &&SourceEntry| entry.adapter.has_door() && config.inbound_of(&entry.name).is_some();
    let names = config
        .sources
        .values()
        .filter(is_run)
        .map(|entry| entry.name.clone());
    shared.get::<Doors>().expect(names);
}

/// The hub's own node number. One hub owns a SQLite folder; the command line takes others.
const HUB_NODE: u16 = 0;

/// Opens the store of a data folder beside a running hub, for the command line.
///
/// # Errors
/// The store cannot be opened, or is of another version.
pub async fn open_beside(config: &Config) -> Result<Store, StoreError> {
    let surroundings = default_surroundings();
    // Any number but the hub's; two command lines at the same moment hardly draw the same.
    let node = 1 + u16::try_from(std::process::id() % 1_023).unwrap_or(0);
    let (files, clock) = (surroundings.files, surroundings.clock);
    Store::open_beside(&config.hub.data_dir, node, files, clock).await
}

/// The machine's clock and file system.
#[must_use]
pub fn default_surroundings() -> Surroundings {
    Surroundings {
        clock: Arc::new(SystemClock),
        files: Arc::new(OsFiles),
        shared: Shared::default(),
    }
}

/// Loads a configuration folder with all adapters and formats of this hub.
///
/// # Errors
/// All problems found.
pub fn load(dir: &Path) -> Result<Config, ConfigErrors> {
    Config::load(dir, &adapters(), &formats())
}

/// Removes documents that an earlier run put together for sending; they are made again as needed.
fn clear_assembled(data_dir: &Path) {
    let _ = std::fs::remove_dir_all(assembled_folder(data_dir));
}

/// Takes the data folder for this process. The lock goes with the process, however it ends.
fn lock(folder: &Path) -> Result<File, ServiceError> {
    let failed = |cause| ServiceError::Folder {
        folder: folder.to_owned(),
        cause,
    };
    std::fs::create_dir_all(folder).map_err(failed)?;
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(folder.join("hub.lock"));
    let file = file.map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(ServiceError::Locked(folder.to_owned())),
        Err(std::fs::TryLockError::Error(cause)) => Err(failed(cause)),
    }
}

/// Names, sizes and times of the configuration's files.
fn fingerprint(dir: &Path) -> Vec<(PathBuf, u64, Option<SystemTime>)> {
    let in_folder = |folder: PathBuf| {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.filter_map(|entry| {
            let path = entry.path();
            let is_toml = path
                .extension()
                .is_some_and(|extension| extension == "toml");
            let metadata = entry.metadata().ok()?;
            is_toml.then(|| (path, metadata.len(), metadata.modified().ok()))
        })
    };
    let mut files: Vec<_> = in_folder(dir.to_owned())
        .chain(in_folder(dir.join("mappings")))
        .chain(in_folder(dir.join("mappings/segments")))
        .collect();
    files.sort();
    files
}

async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate =
        signal(SignalKind::terminate()).expect("signals can be listened to at start-up");
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
