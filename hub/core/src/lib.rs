//! What every adapter and the engine share: messages, sources, sinks, policies, the registry of
//! adapters, and the seams for clock and file system. Knows no protocol, no format, no database.

mod clock;
mod content;
mod context;
pub mod files;
mod id;
mod meter;
mod policy;
mod registry;
mod report;
mod secret;
mod sink;
mod source;
mod state;

pub use clock::{Clock, ManualClock, SystemClock};
pub use content::{Content, Piece};
pub use context::{AdapterContext, Shared};
pub use id::{IdGenerator, MessageId, MessageIdError};
pub use meter::{Meter, Metric, MetricShape};
pub use policy::{
    Backoff, Circuit, CircuitPolicy, CircuitState, RateLimit, RetryPolicy, TokenBucket,
};
pub use registry::{
    AdapterRegistry, ConfigProblem, ConfiguredSink, ConfiguredSource, SinkConfig, SinkKind,
    SourceConfig, SourceKind,
};
pub use report::{DeliveryReport, Reported};
pub use secret::{Secret, SecretError};
pub use sink::{OutgoingMessage, Sent, Sink, SinkError};
pub use source::{
    Arrival, Body, Headers, IncomingMessage, Receipt, Settlement, Source, SourceError,
    UnsettledReceipt,
};
pub use state::{
    MAX_STATE_LISTING, MAX_STATE_NAME_BYTES, MAX_STATE_VALUE_BYTES, MemoryState, StateEntry,
    StateError, StateStore, check_state,
};
