//! What every adapter and the engine share: messages, sources, sinks, policies, the registry of
//! adapters, and the seams for clock and file system. Knows no protocol, no format, no database.

mod clock;
mod content;
mod context;
pub mod files;
mod id;
mod policy;
mod registry;
mod secret;
mod sink;
mod source;

pub use clock::{Clock, ManualClock, SystemClock};
pub use content::{Content, Piece};
pub use context::{AdapterContext, Shared};
pub use id::{IdGenerator, MessageId, MessageIdError};
pub use policy::{
    Backoff, Circuit, CircuitPolicy, CircuitState, RateLimit, RetryPolicy, TokenBucket,
};
pub use registry::{
    AdapterRegistry, ConfigProblem, ConfiguredSink, ConfiguredSource, SinkConfig, SinkKind,
    SourceConfig, SourceKind,
};
pub use secret::{Secret, SecretError};
pub use sink::{OutgoingMessage, Sent, Sink, SinkError};
pub use source::{
    Arrival, Body, Headers, IncomingMessage, Receipt, Settlement, Source, SourceError,
    UnsettledReceipt,
};
