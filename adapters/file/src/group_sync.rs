//! Makes the names in a folder durable, one sync for as many waiting threads as there are.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use hub_core::files::Files;

/// Groups the syncs of one folder. A name is durable once a sync that began after the name was
/// made has ended, so threads that come while one sync runs all share the next.
pub(crate) struct GroupSync {
    files: Arc<dyn Files>,
    folder: PathBuf,
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Default)]
struct State {
    running: bool,
    /// Numbers of the last sync that began and of the last that ended.
    begun: u64,
    ended: u64,
    /// The last sync that failed, and how.
    failed: Option<(u64, io::ErrorKind, String)>,
}

impl State {
    /// The answer for someone who needed sync number `needed` or a later one. A failure after
    /// `needed` counts too: whether the earlier names survived it is not known.
    fn answer(&self, needed: u64) -> io::Result<()> {
        match &self.failed {
            Some((number, kind, text)) if *number >= needed => {
                Err(io::Error::new(*kind, text.clone()))
            }
            _ => Ok(()),
        }
    }
}

impl GroupSync {
    pub(crate) fn new(files: Arc<dyn Files>, folder: PathBuf) -> Self {
        Self {
            files,
            folder,
            state: Mutex::default(),
            ended: Condvar::new(),
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns once every name made in the folder before the call is on disk. Blocks.
    pub(crate) fn sync(&self) -> io::Result<()> {
        let mut state = self.lock();
        let needed = state.begun + 1;
        while state.ended < needed {
            if state.running {
                state = self
                    .ended
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
            } else {
                state = self.run(state);
            }
        }
        state.answer(needed)
    }

    fn run<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        state.running = true;
        state.begun += 1;
        let number = state.begun;
        drop(state);
        let result = self.files.sync_dir(&self.folder);
        let mut state = self.lock();
        state.running = false;
        state.ended = number;
        if let Err(error) = result {
            state.failed = Some((number, error.kind(), error.to_string()));
        }
        self.ended.notify_all();
        state
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use meterhub_tests::faults::{Call, Fault, FaultyFiles};
    use std::sync::Barrier;

    #[test]
    fn who_comes_during_a_sync_waits_for_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let files = FaultyFiles::new();
        // The first sync ends only after other threads have come.
        let first = Arc::new(Barrier::new(2));
        let gate = first.clone();
        files.add(
            Fault::meanwhile(Call::SyncDir, move |_| {
                gate.wait();
            })
            .times(1),
        );
        let group = GroupSync::new(Arc::new(files.clone()), folder.path().to_owned());
        std::thread::scope(|scope| {
            scope.spawn(|| group.sync().unwrap());
            while files.count(Call::SyncDir) == 0 {
                std::thread::yield_now();
            }
            for _ in 0..8 {
                scope.spawn(|| group.sync().unwrap());
            }
            first.wait();
        });
        let syncs = files.count(Call::SyncDir);
        assert!((2..=9).contains(&syncs), "{syncs} syncs for 9 threads");
    }

    #[test]
    fn a_failed_sync_is_nobodys_yes() {
        let folder = tempfile::tempdir().unwrap();
        let files = FaultyFiles::new();
        files.add(Fault::fail(Call::SyncDir, io::ErrorKind::Other).times(1));
        let group = GroupSync::new(Arc::new(files), folder.path().to_owned());
        assert!(group.sync().is_err());
        assert!(group.sync().is_ok(), "the next one is a new one");
    }
}
