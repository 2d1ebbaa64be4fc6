//! One watched folder with its claim, archive and quarantine folders.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use hub_core::Clock;
use hub_core::files::{Files, Stat};

use crate::group_sync::GroupSync;
use crate::lease::Lease;
use crate::listing::Lister;

/// All that a source does on disk; its calls block. Claiming is in `claim`, what follows a
/// settlement in `settle`.
pub(crate) struct Folder {
    pub(crate) lister: Lister,
    /// `None`: accepted files are deleted.
    pub(crate) archive: Option<PathBuf>,
    pub(crate) quarantine: PathBuf,
    pub(crate) files: Arc<dyn Files>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) lease: Lease,
    /// Number of the next claim.
    pub(crate) next: AtomicU64,
    /// The day's archive folder, mostly.
    pub(crate) archive_sync: Mutex<Option<Arc<GroupSync>>>,
}

/// A file that is ours until it is settled.
#[derive(Debug)]
pub(crate) struct Claimed {
    /// Counts up in the order of claims.
    pub(crate) number: u64,
    /// Where it is now.
    pub(crate) path: PathBuf,
    /// Where it was, below the watched folder.
    pub(crate) relative: PathBuf,
    /// What it was when claimed.
    pub(crate) stat: Stat,
    /// How often it was settled and could not be moved away.
    pub(crate) failures: u32,
}

impl Folder {
    /// Makes the names in `folder` durable, together with whoever else wants that now.
    pub(crate) fn sync_names(&self, folder: &Path) -> io::Result<()> {
        let group = {
            let mut last = self
                .archive_sync
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            match &*last {
                Some(group) if group.folder() == folder => group.clone(),
                _ => last
                    .insert(Arc::new(GroupSync::new(
                        self.files.clone(),
                        folder.to_owned(),
                    )))
                    .clone(),
            }
        };
        group.sync()
    }
}
