//! Files on SFTP servers: pick-up as a source, drop as a sink.
//!
//! The source waits until a file is complete, fetches it as a stream, and archives or deletes it
//! on the server once the hub has it on disk. The sink writes under a temporary name, resumes
//! what broke, and renames in the end, never overwriting. Host keys are verified before anything
//! is sent. All calls to a server run on a few threads of the endpoint's own, so that a server
//! that stalls holds up nobody else. What is in the files is not this crate's business.
//!
//! On the server, below the watched folder unless configured otherwise:
//!
//! ```text
//! .meterhub/archive/<YYYY-MM-DD>/<name>         accepted, also resends
//! .meterhub/quarantine/<name>[.reason.txt]      rejected, with the reason beside it
//! ```

mod config;
mod dial;
mod failure;
mod hold;
mod known_hosts;
mod listing;
mod login;
mod metrics;
mod pieces;
mod pool;
mod remote_file;
mod session;
mod settle;
mod sink;
mod source;
mod take;
mod upload;

pub use config::{Server, SftpSinkConfig, SftpSourceConfig};
pub use hub_names::{Complete, OnExisting, Order};
