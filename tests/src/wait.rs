//! Waiting for what must happen, with a deadline and never for longer than it takes.

use std::fmt::Display;
use std::time::{Duration, Instant};

/// Longest wait for something that must happen. Generous: the machine may be busy.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(10);

/// Looks until something is there. Panics, naming it, when it did not come in time: `what` is written
/// only then, and may tell how things stand.
pub async fn until<T, F>(what: impl Display, patience: Duration, mut look: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let begun = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(
            begun.elapsed() < patience,
            "waited {patience:?} in vain for {what}"
        );
        tokio::time::sleep(LOOK).await;
    }
}

/// Looks until something is true. Panics, naming it, when it did not come in time.
pub async fn until_true<F>(what: impl Display, patience: Duration, mut look: impl FnMut() -> F)
where
    F: Future<Output = bool>,
{
    let mut look = || {
        let is_true = look();
        async { is_true.await.then_some(()) }
    };
    until(what, patience, &mut look).await;
}
