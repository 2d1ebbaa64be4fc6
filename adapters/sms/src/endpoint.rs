//! The errors of a sink, with its name.

use std::time::Duration;

use hub_core::{SinkError, StateError};

/// The name of a sink in the configuration.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint(pub(crate) String);

impl Endpoint {
    /// The other side wants us to slow down.
    pub(crate) fn busy(&self, retry_after: Option<Duration>) -> SinkError {
        SinkError::Busy {
            endpoint: self.0.clone(),
            retry_after,
        }
    }

    /// We ourselves hold everything back for so many seconds, and say why: the error has no place for
    /// a reason, so it stands behind the name.
    pub(crate) fn held(&self, reason: &str, seconds: u64) -> SinkError {
        SinkError::Busy {
            endpoint: format!("{} ({reason})", self.0),
            retry_after: Some(Duration::from_secs(seconds)),
        }
    }

    pub(crate) fn unavailable(&self, reason: String, answered: bool) -> SinkError {
        SinkError::Unavailable {
            endpoint: self.0.clone(),
            reason,
            retry_after: None,
            answered,
        }
    }

    /// What we must remember cannot be read or kept: nothing is sent.
    pub(crate) fn no_memory(&self, error: &StateError) -> SinkError {
        self.unavailable(error.to_string(), false)
    }

    pub(crate) fn refused(&self, answer: String) -> SinkError {
        SinkError::Refused {
            endpoint: self.0.clone(),
            answer,
        }
    }
}
