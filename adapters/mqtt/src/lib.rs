//! MQTT 5 as a source (topics are subscribed to) and as a sink (messages are published).
//!
//! A message is acknowledged to the broker only once it is committed; a message counts as sent only
//! once the broker has acknowledged it and somebody subscribes to it. Formats are not this crate's
//! business; MQTT 3.1.1 is another wire format and is not spoken.
//!
//! # Traps of the client library (rumqttc-v5-next 0.34), and what is done here
//!
//! - *A session that only the broker remembers is refused*, and with the policy that allows it every
//!   SUBSCRIBE and QoS 1 PUBLISH is rejected. A source sends nothing that is in flight beyond its
//!   connection, so its own half of the session is always the same: it is told that (`session.rs`).
//!   Rejected messages are published on another connection.
//! - *Polling goes on by itself after an error*, with the old client id: two connections of one
//!   source would throw each other out for ever. The first error ends the polling here; the hub, or
//!   the publisher, connects anew.
//! - *Requests wait in a bounded channel* that only polling empties: a receipt could wait for the
//!   source, and the source for the receipt. The channel is unbounded here; what bounds it is the
//!   number of messages in flight.
//! - *A publish above the broker's limit ends the connection*, and with it all others in flight. Its
//!   size is compared with the limit before.
//! - *An IPv6 address is joined to its port without brackets*, and Nagle's algorithm is on: the
//!   socket is opened here.
//! - *A broker that is silent is noticed only by pings*: each publish has a time limit of ours.
//! - The default limit of incoming packets is 10 KiB; ours is said in CONNECT, so that the broker
//!   knows it too.

mod config;
mod identity;
mod inbox;
mod link;
mod metrics;
mod properties;
mod publisher;
mod receipt;
mod rejected;
mod session;
mod sink;
mod source;
mod text;
mod tls;
mod topics;

pub use config::{
    Auth, Broker, Identity, MqttSinkConfig, MqttSourceConfig, NoSubscriber, PasswordLogin, Retained,
};
