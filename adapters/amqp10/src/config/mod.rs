//! Configuration of AMQP 1.0 sources and sinks.

mod broker;
mod limits;
mod sink;
mod source;

pub use broker::{Auth, Broker, PasswordLogin};
pub(crate) use limits::usable_address;
pub use sink::Amqp10SinkConfig;
pub use source::{Amqp10SourceConfig, GiveBack};
