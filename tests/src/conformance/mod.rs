//! The conformance kit: what every adapter must do, whatever its transport.
//!
//! A source's test implements [`Partner`] for its transport and calls [`source`]; if messages wait in
//! a server that can fail, it also implements [`Server`] and calls [`source_of_a_server`]. A sink's
//! test implements [`Receiver`] and calls [`sink`].

mod sink;
mod source;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hub_core::files::Files;
use hub_core::{AdapterContext, ManualClock, MessageId, Settlement};

pub use sink::{Receiver, Taken, message, sink};
pub use source::{Partner, Server, Settle, Told, open, read, receive, source, source_of_a_server};

/// Longest wait for something that must happen.
const PATIENCE: Duration = Duration::from_secs(30);

/// What "at once" may take on a busy machine.
const QUICKLY: Duration = Duration::from_secs(10);

/// A context at a fixed time, relative to a folder.
#[must_use]
pub fn context(name: &str, base_dir: &Path, files: Arc<dyn Files>) -> AdapterContext {
    let now = "2026-03-29T00:15:00Z".parse().expect("is a time");
    AdapterContext {
        clock: Arc::new(ManualClock::at(now)),
        files,
        ..AdapterContext::alone(name, "north", base_dir)
    }
}

/// A yes.
#[must_use]
pub fn accepted() -> Settlement {
    Settlement::Accepted {
        message_id: MessageId(4_711),
        duplicate: false,
    }
}
