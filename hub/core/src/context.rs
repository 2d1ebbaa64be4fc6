//! What an adapter is given when it connects.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::files::{Files, OsFiles};
use crate::{Clock, MemoryState, Meter, StateStore, SystemClock};

/// What a source or sink may use of the hub it runs in.
#[derive(Clone)]
pub struct AdapterContext {
    /// The endpoint's name in the configuration.
    pub name: String,
    /// The enterprise whose endpoint it is.
    pub enterprise: String,
    /// Relative paths in the configuration are relative to this folder.
    pub base_dir: PathBuf,
    /// Where to make files that are of no use after a restart. Beside the hub's data, so on a disk with
    /// room: the system's own folder for them is often memory.
    pub temporary: PathBuf,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The file system.
    pub files: Arc<dyn Files>,
    /// Things that adapters of one kind share, such as the hub's HTTP listener.
    pub shared: Shared,
    /// What the enterprise's endpoints remember over a restart.
    pub state: Arc<dyn StateStore>,
    /// What the adapter counts of itself.
    pub meter: Meter,
}

impl AdapterContext {
    /// A context outside a hub, on the system's clock and files, that forgets its state: to check a
    /// configuration, and for tests.
    #[must_use]
    pub fn alone(name: &str, enterprise: &str, base_dir: &Path) -> Self {
        Self {
            name: name.to_owned(),
            enterprise: enterprise.to_owned(),
            base_dir: base_dir.to_owned(),
            temporary: std::env::temp_dir(),
            clock: Arc::new(SystemClock),
            files: Arc::new(OsFiles),
            shared: Shared::default(),
            state: Arc::new(MemoryState::default()),
            meter: Meter::new(enterprise, name),
        }
    }

    /// A configured path, made absolute.
    #[must_use]
    pub fn path(&self, configured: &Path) -> PathBuf {
        self.base_dir.join(configured)
    }
}

/// One value per type, made when first asked for.
#[derive(Clone, Default)]
pub struct Shared(Arc<Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>>);

impl Shared {
    /// The hub's one `T`.
    #[must_use]
    pub fn get<T: Default + Send + Sync + 'static>(&self) -> Arc<T> {
        let mut values = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let value = values
            .entry(TypeId::of::<T>())
            .or_insert_with(|| Arc::new(T::default()))
            .clone();
        value.downcast().expect("stored under its own type id")
    }
}
