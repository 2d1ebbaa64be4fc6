//! Configuration of AMQP sources and sinks.

mod broker;
mod limits;
mod sink;
mod source;
mod topology;

pub use broker::{Auth, Broker, PasswordLogin};
pub use sink::AmqpSinkConfig;
pub use source::AmqpSourceConfig;
pub use topology::{ExchangeType, QueueBinding, QueueType, SourceBinding, Topology};
