//! AMQP 0-9-1 (RabbitMQ) as a source (a queue is consumed) and as a sink (messages are published).
//!
//! A delivery is acknowledged only once it is committed; a message counts as sent only once the
//! broker has confirmed it and did not return it. Formats are not this crate's business, AMQP 1.0 is
//! another protocol and another adapter.
//!
//! # Traps of the client library (lapin 4.12.3), and what is done here
//!
//! - *Returns are paired with confirms by arrival.* With several publishes in flight on a channel, a
//!   `basic.return` is handed to whichever confirm is completed next, and confirms of `multiple` in
//!   the order of a hash map: an unroutable message can count as delivered (seen: 3 of 5,000 with
//!   half of them unroutable). `lane` believes a confirm only once it has seen all before it.
//! - *A publish is numbered and written in two steps.* Publishing on one channel from several tasks
//!   can mix up the numbers. Each channel has one task here.
//! - *An error of a channel ends all publishes in flight on it*, whichever was to blame. Each is then
//!   published again on a channel of its own, so that only that one is refused.
//! - *Returned messages are logged with their bodies*, as warnings of the I/O thread. That thread
//!   gets no subscriber here.
//! - *A dropped or timed-out connect goes on in the library's thread*, for ever if the broker
//!   accepts and says nothing; and a connection that is closing has no heartbeat. A second handle on
//!   the socket ends both.
//! - *While the broker blocks a connection, nothing at all is written on it*, acknowledgements
//!   neither. Sources, which acknowledge, and their dead-letter publishing have separate connections.
//! - *`ShortString::from` panics* above 255 bytes; `try_new` is used throughout.
//! - *An IPv6 address in a URL silently becomes `localhost`.* The host is read from the URL here.
//! - *Listeners for events compete* for them instead of getting all; the status is asked instead.
//! - *Dropped confirms are collected* until `wait_for_confirms` is called. A channel whose confirm is
//!   given up is closed.
//! - *A message is in memory as a whole before its size is known to us.* What bounds memory is the
//!   prefetch times the broker's `max_message_size`.
//! - The library's own recovery is off: the hub connects sources again, a sink does so itself; both
//!   would otherwise have to guess which deliveries are still theirs.

mod acks;
mod config;
mod dead_letters;
mod lane;
mod link;
mod metrics;
mod properties;
mod publisher;
mod receipt;
mod sink;
mod source;
mod topology;

pub use config::{
    AmqpSinkConfig, AmqpSourceConfig, Auth, Broker, ExchangeType, PasswordLogin, QueueBinding,
    QueueType, SourceBinding, Topology,
};
