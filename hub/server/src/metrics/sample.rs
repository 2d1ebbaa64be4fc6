//! Figures that nobody counts as they change: they are looked up when somebody asks.
//!
//! A look into the store costs, and more with much that waits. So its outcome is kept for a while,
//! the longer the longer it took: whoever asks however often, looking takes a small part of the time.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hub_store::StoreError;
use hub_store::messages::{Backlog, Store};
use tokio::sync::Mutex;

/// An outcome is kept at least so long.
const KEPT: Duration = Duration::from_secs(2);
/// It is kept this many times as long as the look took.
const KEPT_FACTOR: u32 = 20;
/// The size of the content is looked up at most so often: each file is looked at.
const SIZE_PAUSE: Duration = Duration::from_secs(300);

/// Looks up what waits, and how large the store is.
#[derive(Clone)]
pub(crate) struct Sampler {
    store: Store,
    data_dir: PathBuf,
    backlog: Arc<Mutex<Kept<Arc<Backlog>>>>,
    sized: Arc<Mutex<Option<Instant>>>,
}

/// An outcome, and until when it is good.
struct Kept<T> {
    value: T,
    until: Option<Instant>,
}

impl Sampler {
    pub(crate) fn new(store: Store, data_dir: PathBuf) -> Self {
        let nothing = Kept {
            value: Arc::default(),
            until: None,
        };
        Self {
            store,
            data_dir,
            backlog: Arc::new(Mutex::new(nothing)),
            sized: Arc::default(),
        }
    }

    /// What waits, as it was a moment ago.
    pub(crate) async fn backlog(&self) -> Result<Arc<Backlog>, StoreError> {
        let mut kept = self.backlog.lock().await;
        let begun = Instant::now();
        if kept.until.is_none_or(|until| begun >= until) {
            metrics::counter!("meterhub_store_backlog_counts_total").increment(1);
            kept.value = Arc::new(self.store.backlog().await?);
            kept.until = Some(Instant::now() + KEPT.max(begun.elapsed() * KEPT_FACTOR));
        }
        Ok(Arc::clone(&kept.value))
    }

    /// Sets the gauges of sizes. That of the content follows when it is measured.
    pub(crate) async fn sizes(&self) {
        let database = Store::database(&self.data_dir);
        let log = database.with_extension("db-wal");
        let mut bytes = 0;
        for file in [database, log] {
            bytes += tokio::fs::metadata(file).await.map_or(0, |file| file.len());
        }
        gauge("meterhub_store_database_bytes", bytes);
        let mut sized = self.sized.lock().await;
        if sized.is_none_or(|at| at.elapsed() >= SIZE_PAUSE) {
            *sized = Some(Instant::now());
            let folder = self.data_dir.join("content");
            tokio::task::spawn_blocking(move || {
                gauge("meterhub_store_content_bytes", size_of(&folder));
            });
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "nobody counts single bytes of petabytes"
)]
fn gauge(name: &'static str, bytes: u64) {
    metrics::gauge!(name).set(bytes as f64);
}

/// Bytes of all files in a folder and those below. What vanishes meanwhile does not count.
fn size_of(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(found) if found.is_dir() => size_of(&entry.path()),
            Ok(found) => found.len(),
            Err(_) => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_as_large_as_all_that_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("ab")).unwrap();
        std::fs::write(folder.path().join("ab/abcd"), [0; 1_000]).unwrap();
        std::fs::write(folder.path().join("left"), [0; 24]).unwrap();
        assert_eq!(size_of(folder.path()), 1_024);
        assert_eq!(size_of(&folder.path().join("none")), 0);
    }
}
