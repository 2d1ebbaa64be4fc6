//! Wake-up calls between tasks. A call that is lost costs a poll interval, never a message.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::Notify;

/// One wake-up call per endpoint.
#[derive(Clone)]
pub(super) struct Wakers(Arc<HashMap<String, Arc<Notify>>>);

impl Wakers {
    pub(super) fn new<'a>(names: impl Iterator<Item = &'a String>) -> Self {
        Self(Arc::new(
            names.map(|name| (name.clone(), Arc::default())).collect(),
        ))
    }

    /// The call of one endpoint.
    pub(super) fn of(&self, name: &str) -> Arc<Notify> {
        self.0.get(name).cloned().unwrap_or_default()
    }

    /// Wakes an endpoint's task, now or when it next waits.
    pub(super) fn wake(&self, name: &str) {
        if let Some(notify) = self.0.get(name) {
            notify.notify_one();
        }
    }
}
