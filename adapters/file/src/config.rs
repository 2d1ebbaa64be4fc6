//! Configuration of file sources and sinks.

mod sink;
mod source;

pub use sink::{FileSinkConfig, OnExisting};
pub use source::{Complete, FileSourceConfig, Order};
