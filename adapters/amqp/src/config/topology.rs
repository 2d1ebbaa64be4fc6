//! Queues and exchanges: made by us, or only looked for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who makes queues, exchanges and bindings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Topology {
    /// Somebody else: we only look whether they are there.
    #[default]
    Check,
    /// We do, durable, when we connect. What is there with other properties is an error and stays
    /// as it is.
    Declare,
}

/// Kind of a declared queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum QueueType {
    /// Replicated, survives the loss of a minority of the broker's nodes.
    #[default]
    Quorum,
    /// On one node.
    Classic,
}

impl QueueType {
    /// Its value in `x-queue-type`.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Quorum => "quorum",
            Self::Classic => "classic",
        }
    }
}

/// Kind of a declared exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExchangeType {
    /// Queues whose binding key matches by words, `*` and `#`.
    #[default]
    Topic,
    /// Queues whose binding key is equal.
    Direct,
    /// All bound queues.
    Fanout,
    /// Queues by headers.
    Headers,
}

/// A binding of the queue that a source reads.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceBinding {
    /// The exchange; it must exist.
    pub exchange: String,
    /// The binding key.
    #[serde(default)]
    pub routing_key: String,
}

/// A queue that what a sink sends shall reach.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QueueBinding {
    /// The queue.
    pub queue: String,
    /// Its kind, when declared.
    #[serde(default)]
    pub queue_type: QueueType,
    /// The binding key, when declared. Without meaning for the default exchange.
    #[serde(default)]
    pub routing_key: String,
}
