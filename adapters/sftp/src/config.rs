//! Configuration of SFTP sources and sinks.

mod server;
mod sink;
mod source;

pub use server::Server;
pub use sink::SftpSinkConfig;
pub use source::SftpSourceConfig;
