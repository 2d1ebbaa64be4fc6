//! Wake-up calls between tasks. A call that is lost costs a poll interval, never a message.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::Notify;

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
pub(super) struct Calls(Arc<HashMap<String, Arc<Notify>>>);

impl Calls {
    pub(super) fn new<'a>(names: impl Iterator<Item = &'a String>) -> Self {
        Self(Arc::new(
            names.map(|name| (name.clone(), Arc::default())).collect(),
        ))
    }

    /// The call of one name.
    pub(super) fn of(&self, name: &str) -> Arc<Notify> {
        self.0.get(name).cloned().unwrap_or_default()
    }

    /// Wakes the task of a name, now or when it next waits.
    pub(super) fn wake(&self, name: &str) {
        if let Some(notify) = self.0.get(name) {
            notify.notify_one();
        }
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
}
