//! Configuration of file sources and sinks.

mod sink;
mod source;

pub use sink::FileSinkConfig;
pub use source::FileSourceConfig;
