//! Wake-up calls between tasks. A call that is lost costs a poll interval, never a message.

use std::collections::HashMap;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Lanes that wait to be looked at again. What is beyond them is found by the slow second look.
const MOST_LANES: usize = 1_024;

/// The wake-up calls of an engine. A source and a sink may have one name.
#[derive(Clone)]
pub(super) struct Wakers {
    /// Messages of a source wait to be processed.
    pub(super) sources: Calls,
    /// Deliveries wait for a sink.
    pub(super) sinks: Calls,
}

/// One wake-up call per name.
#[derive(Clone)]
pub(super) struct Calls(Arc<HashMap<String, Arc<Call>>>);

impl Calls {
    pub(super) fn new<'a>(names: impl Iterator<Item = &'a String>) -> Self {
        Self(Arc::new(
            names.map(|name| (name.clone(), Arc::default())).collect(),
        ))
    }

    /// The call of one name.
    pub(super) fn of(&self, name: &str) -> Arc<Call> {
        self.0.get(name).cloned().unwrap_or_default()
    }

    /// Wakes the task of a name, now or when it next waits.
    pub(super) fn wake(&self, name: &str) {
        if let Some(call) = self.0.get(name) {
            call.notify.notify_one();
        }
    }

    /// The same, to look at a lane again: something came into it that is older than what was looked
    /// at last.
    pub(super) fn wake_for(&self, name: &str, lane: i64) {
        let Some(call) = self.0.get(name) else { return };
        let mut lanes = call.lanes();
        if lanes.len() < MOST_LANES {
            lanes.push(lane);
        }
        drop(lanes);
        call.notify.notify_one();
    }
}

/// The wake-up call of one task.
#[derive(Default)]
pub(super) struct Call {
    notify: Notify,
    lanes: Mutex<Vec<i64>>,
}

impl Call {
    /// Returns when it was called, perhaps before. Cancel-safe.
    pub(super) async fn notified(&self) {
        self.notify.notified().await;
    }

    /// The lanes to look at again.
    pub(super) fn take_lanes(&self) -> Vec<i64> {
        mem::take(&mut *self.lanes())
    }

    fn lanes(&self) -> MutexGuard<'_, Vec<i64>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    #[test]
    fn a_source_and_a_sink_of_one_name_are_woken_apart() {
        let name = "erp".to_owned();
        let wakers = Wakers {
            sources: Calls::new(std::iter::once(&name)),
            sinks: Calls::new(std::iter::once(&name)),
        };
        wakers.sources.wake("erp");
        let (source, sink) = (wakers.sources.of("erp"), wakers.sinks.of("erp"));
        assert_eq!(sink.notified().now_or_never(), None);
        assert_eq!(source.notified().now_or_never(), Some(()));
    }

    #[test]
    fn lanes_are_named_once_and_not_without_limit() {
        let name = "erp".to_owned();
        let calls = Calls::new(std::iter::once(&name));
        for lane in 0..2 * MOST_LANES as i64 {
            calls.wake_for("erp", lane);
        }
        let call = calls.of("erp");
        assert_eq!(call.notified().now_or_never(), Some(()));
        assert_eq!(call.take_lanes().len(), MOST_LANES);
        assert!(call.take_lanes().is_empty());
    }
}
