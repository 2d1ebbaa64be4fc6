//! The doors of all connected sources, behind the hub's one listener.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};

use axum::http::{HeaderMap, Uri};
use axum::response::Response;

use super::certificate::ClientCertificate;
use super::door::Door;
use super::receive::{not_connected, unknown_source};
use crate::problem::Problem;

/// The doors that are open, by the names of their sources: one value per hub, in
/// [`hub_core::Shared`].
#[derive(Default)]
pub struct Doors {
    doors: RwLock<HashMap<String, Arc<Door>>>,
    expected: RwLock<HashSet<String>>,
    /// Those of the expected that could not be opened.
    failed: RwLock<HashSet<String>>,
}

impl Doors {
    /// Says which sources with doors are configured. While one of them is not connected (the hub starts, or
    /// takes over a changed configuration) its partners are asked to wait; to any other name the
    /// answer is that there is no such source, for good.
    pub fn expect(&self, names: impl IntoIterator<Item = String>) {
        let mut expected = self
            .expected
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *expected = names.into_iter().collect();
        let mut failed = self.failed.write().unwrap_or_else(PoisonError::into_inner);
        failed.clear();
    }

    /// The expected sources that are still on their way: neither connected nor failed to. While
    /// there are any, partners would be asked to wait that could be served in a moment. One that
    /// fails (a secret is missing) is tried again, but does not make the others wait.
    #[must_use]
    pub fn awaited(&self) -> Vec<String> {
        let expected = self.expected.read().unwrap_or_else(PoisonError::into_inner);
        let failed = self.failed.read().unwrap_or_else(PoisonError::into_inner);
        let doors = self.doors.read().unwrap_or_else(PoisonError::into_inner);
        let on_their_way = |name: &&String| !doors.contains_key(*name) && !failed.contains(*name);
        let mut awaited: Vec<String> = expected.iter().filter(on_their_way).cloned().collect();
        awaited.sort_unstable();
        awaited
    }

    /// Notes that a source cannot open its door, so that nobody waits for it.
    pub fn fail(&self, name: &str) {
        let mut failed = self.failed.write().unwrap_or_else(PoisonError::into_inner);
        failed.insert(name.to_owned());
    }

    /// Opens a door; one of the same name, an older configuration's, is replaced.
    pub(super) fn open(&self, door: Arc<Door>) {
        let mut doors = self.doors.write().unwrap_or_else(PoisonError::into_inner);
        doors.insert(door.name.clone(), door);
    }

    /// Closes a door, unless it was replaced already.
    pub(super) fn close(&self, door: &Arc<Door>) {
        let mut doors = self.doors.write().unwrap_or_else(PoisonError::into_inner);
        if doors.get(&door.name).is_some_and(|d| Arc::ptr_eq(d, door)) {
            doors.remove(&door.name);
        }
    }

    /// Whether a request may ask about the messages of a source: its own certificate and
    /// credentials, or the same
    /// problem document that a message would be answered with.
    ///
    /// # Errors
    /// The answer to give.
    #[expect(
        clippy::result_large_err,
        reason = "the refusal is the answer, and rare"
    )]
    pub fn authorize(
        &self,
        source: &str,
        headers: &HeaderMap,
        uri: &Uri,
        certificate: Option<&ClientCertificate>,
    ) -> Result<(), Response> {
        let admitted = match self.door(source) {
            Some(door) => door.check_credentials(headers, uri, certificate),
            None => Err(self.absent(source)),
        };
        admitted.map_err(|problem| problem.response(uri.path()))
    }

    /// What a partner of a source is told that is not connected.
    pub(super) fn absent(&self, source: &str) -> Problem {
        let expected = self.expected.read().unwrap_or_else(PoisonError::into_inner);
        match expected.contains(source) {
            true => not_connected(),
            false => unknown_source(),
        }
    }

    pub(super) fn door(&self, name: &str) -> Option<Arc<Door>> {
        let doors = self.doors.read().unwrap_or_else(PoisonError::into_inner);
        doors.get(name).cloned()
    }
}
