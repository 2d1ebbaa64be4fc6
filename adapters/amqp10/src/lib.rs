//! AMQP 1.0 (ISO/IEC 19464: IBM MQ, Artemis, Azure Service Bus, SAP Event Mesh) as a source (an
//! address is read) and as a sink (messages are sent to an address).
//!
//! A delivery is `accepted` only once it is committed, and `released`, `modified` or `rejected`
//! otherwise; a message counts as sent only once the broker has `accepted` it. Formats are not this
//! crate's business; AMQP 0-9-1 is another protocol and another adapter. Not done: transactions, links
//! that are resumed, AMQP over WebSocket, SASL SCRAM, the token protocol of Azure (CBS): Service Bus
//! takes an access policy and its key as user and password.
//!
//! # Traps of the client library (fe2o3-amqp 0.18.4), and what is done here
//!
//! - *Closing a link makes an error of answers that brokers give* (RabbitMQ's is not a closing one: the
//!   library attaches again to close once more). Here the session is ended, with all that was said on
//!   it written before; each link has a session of its own.
//! - *A task spins from the end of a session until the broker has answered that.* One that does not
//!   answer for 5 seconds loses the connection.
//! - *A message given up between two of its frames spoils its link.* One task owns each sender, and a
//!   sender whose message is given up while it waits is given up with it.
//! - *Granted credit can exceed the window by half*, because it is renewed when half of it is settled;
//!   and a broker that sends more than it was granted loses the link, as RabbitMQ 3 does when credit is
//!   renewed while messages are on their way (seen: after 12,000 messages). Here it is granted by hand,
//!   once all that was granted has come.
//! - *A message above the link's limit ends the link*, and would do so again for ever. The broker is
//!   told twice our limit; what is below that is taken in and rejected.
//! - *A message is in memory as a whole*, twice while it is sent. What bounds memory is the window times
//!   the limit; and for sinks 256 MiB of bodies, or one that is larger.
//! - *While it writes to a broker that does not read, it does nothing else*, not even watch the time. A
//!   second handle on the socket ends that.
//! - *Values are decoded as deeply as they are nested, without a limit* (seen: a thousand levels, 10 KB,
//!   overflow the stack of a thread of 2 MiB in a debug build). Here all that comes is looked at before
//!   the library sees it. A message with more than 64 levels is overwritten from there on with what is
//!   no value, so that nothing of it is decoded, and rejected with the section and the byte; those
//!   behind it come as ever. So is one that the library reads otherwise than the standard has it, and
//!   levels could hide in: sizes that do not fit, arrays of lists, maps, arrays or described values.
//!   The same outside of a message is the broker's fault and ends the connection.
//! - *SASL EXTERNAL is possible only where the library encrypts.* We encrypt, so as to look at what
//!   comes, and do that login ourselves with the library's parts.
//! - The library's own logging is off: it shows frames, and bodies with them.
//!
//! # Brokers, as they were seen
//!
//! - *RabbitMQ 3.10* (plugin `rabbitmq_amqp1_0`): an existing queue is `/amq/queue/NAME`, an exchange
//!   `/exchange/NAME/KEY`. It accepts what reaches no queue, and the message is lost: a queue is
//!   looked up before a link to it is made; an exchange without one, and a queue that is deleted
//!   later, cannot be told, and a sink there should rather be `amqp`, which asks for a failure. Of a
//!   full queue with `reject-publish` its session dies, and the sink sees a time-out; of a queue that
//!   is deleted, the source sees an end without a word. It does not know `modified`. Wrong credentials
//!   are answered after 3 seconds. It turns the order of several `data` sections round.
//! - *Qpid Proton's example broker* (tests only): in memory, and a message leaves its queue when it is
//!   sent; what is given back is gone.

mod body;
mod config;
mod connection;
mod external;
mod feed;
mod frames;
mod guard;
mod lane;
mod metrics;
mod nesting;
mod properties;
mod publisher;
mod receipt;
mod rejections;
mod sink;
mod source;
mod spoilt;
mod tls;
mod words;

pub use config::{Amqp10SinkConfig, Amqp10SourceConfig, Auth, Broker, GiveBack, PasswordLogin};
