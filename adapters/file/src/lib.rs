//! Files in watched drop folders as a source, files in an output folder as a sink.
//!
//! The source waits until a file is complete, claims it by a rename that only one node can win,
//! and moves it to an archive or a quarantine once the hub has settled it. The sink writes under
//! a temporary name, makes the bytes durable and then publishes the final name, never
//! overwriting. What is in the files is not this crate's business.
//!
//! Folders below the watched folder (all hidden, so never watched themselves):
//!
//! ```text
//! .meterhub/claimed/<process>/<number>-<name>   taken, not settled yet; locked by its process
//! .meterhub/archive/<YYYY-MM-DD>/<name>         accepted, also resends
//! .meterhub/quarantine/<name>[.reason.txt]      rejected, with the reason beside it
//! ```

mod claim;
mod config;
mod folder;
mod group_sync;
mod lease;
mod listing;
mod moving;
mod publish;
mod settle;
mod sink;
mod source;
mod temporary;

pub use config::{FileSinkConfig, FileSourceConfig};
pub use hub_names::{Complete, OnExisting, Order};
