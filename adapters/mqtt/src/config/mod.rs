//! Configuration of MQTT sources and sinks.

mod broker;
mod limits;
mod sink;
mod source;

pub use broker::{Auth, Broker, PasswordLogin};
pub use sink::{MqttSinkConfig, NoSubscriber};
pub use source::{Identity, MqttSourceConfig, Retained};
