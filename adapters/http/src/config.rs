//! Configuration of HTTP sources and sinks.

mod sink;
mod source;

pub use sink::{CheckMethod, HttpSinkConfig, Method};
pub use source::HttpSourceConfig;
