//! Configuration of HTTP sources and sinks.

mod sink;
mod source;

pub use sink::{HttpSinkConfig, Method};
pub use source::HttpSourceConfig;
