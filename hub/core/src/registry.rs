//! The registry of adapters: what kinds there are, their typed configuration, and how to connect.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use schemars::{JsonSchema, Schema};
use serde::de::DeserializeOwned;
use toml::de::ValueDeserializer;

use crate::{AdapterContext, Metric, Sink, SinkError, Source, SourceError};

/// What is wrong with a configuration that is well-formed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{key}`: {reason}")]
pub struct ConfigProblem {
    /// The key, dotted below the adapter's table.
    pub key: String,
    /// What is wrong and what would be valid.
    pub reason: String,
    /// Only worth a warning: unsafe, or surely not meant.
    pub warning: bool,
}

impl ConfigProblem {
    /// An error.
    #[must_use]
    pub fn error(key: &str, reason: impl Into<String>) -> Self {
        Self {
            key: key.to_owned(),
            reason: reason.into(),
            warning: false,
        }
    }

    /// A warning.
    #[must_use]
    pub fn warning(key: &str, reason: impl Into<String>) -> Self {
        Self {
            warning: true,
            ..Self::error(key, reason)
        }
    }
}

/// Typed configuration of a kind of source. Its doc comments are its reference page.
#[async_trait]
pub trait SourceConfig: DeserializeOwned + JsonSchema + Send + Sync + 'static {
    /// The name of the kind: the table's name in the configuration.
    const KIND: &'static str;

    /// An example of the adapter's table, in TOML. A test parses and validates it.
    fn example() -> &'static str;

    /// What it counts of itself ([`AdapterContext::meter`]), beside what the engine counts of every
    /// endpoint. Its reference page and the hub's `/metrics` say the same.
    #[must_use]
    fn metrics() -> &'static [Metric] {
        &[]
    }

    /// Looks for problems, without network or disk.
    fn validate(&self) -> Vec<ConfigProblem>;

    /// Whether partners come to it through the hub's own HTTP listener: while it is not connected
    /// they are asked to wait, and the hub is not ready.
    fn has_door(&self) -> bool {
        false
    }

    /// Tries whether it would connect, changing nothing.
    ///
    /// # Errors
    /// What is not available.
    async fn check(&self, context: &AdapterContext) -> Result<(), SourceError>;

    /// Connects.
    ///
    /// # Errors
    /// What is not available; the runtime tries again with back-off.
    async fn connect(&self, context: &AdapterContext) -> Result<Box<dyn Source>, SourceError>;
}

/// Typed configuration of a kind of sink.
#[async_trait]
pub trait SinkConfig: DeserializeOwned + JsonSchema + Send + Sync + 'static {
    /// The name of the kind: the table's name in the configuration.
    const KIND: &'static str;

    /// An example of the adapter's table, in TOML. A test parses and validates it.
    fn example() -> &'static str;

    /// What it counts of itself ([`AdapterContext::meter`]), beside what the engine counts of every
    /// endpoint. Its reference page and the hub's `/metrics` say the same.
    #[must_use]
    fn metrics() -> &'static [Metric] {
        &[]
    }

    /// Looks for problems, without network or disk.
    fn validate(&self) -> Vec<ConfigProblem>;

    /// Tries whether it could send, changing nothing.
    ///
    /// # Errors
    /// What is not available.
    async fn check(&self, context: &AdapterContext) -> Result<(), SinkError>;

    /// Makes the sink. A sink connects when it first sends.
    ///
    /// # Errors
    /// A secret or certificate is missing.
    async fn connect(&self, context: &AdapterContext) -> Result<Box<dyn Sink>, SinkError>;
}

macro_rules! erased {
    ($erased:ident, $config:ident, $part:ident, $error:ident $(, $is:ident)?) => {
        #[async_trait]
        trait $erased: Send + Sync {
            fn validate(&self) -> Vec<ConfigProblem>;
            $(fn $is(&self) -> bool;)?
            async fn check(&self, context: &AdapterContext) -> Result<(), $error>;
            async fn connect(&self, context: &AdapterContext) -> Result<Box<dyn $part>, $error>;
        }

        #[async_trait]
        impl<T: $config> $erased for T {
            fn validate(&self) -> Vec<ConfigProblem> {
                $config::validate(self)
            }
            $(fn $is(&self) -> bool {
                $config::$is(self)
            })?
            async fn check(&self, context: &AdapterContext) -> Result<(), $error> {
                $config::check(self, context).await
            }
            async fn connect(&self, context: &AdapterContext) -> Result<Box<dyn $part>, $error> {
                $config::connect(self, context).await
            }
        }
    };
}

erased!(AnySource, SourceConfig, Source, SourceError, has_door);
erased!(AnySink, SinkConfig, Sink, SinkError);

/// A configured source of some kind.
#[derive(Clone)]
pub struct ConfiguredSource(Arc<dyn AnySource>);

/// A configured sink of some kind.
#[derive(Clone)]
pub struct ConfiguredSink(Arc<dyn AnySink>);

macro_rules! configured {
    ($configured:ident, $part:ident, $error:ident) => {
        impl $configured {
            /// Looks for problems, without network or disk.
            #[must_use]
            pub fn validate(&self) -> Vec<ConfigProblem> {
                self.0.validate()
            }

            /// Tries whether it is available, changing nothing.
            ///
            /// # Errors
            /// What is not available.
            pub async fn check(&self, context: &AdapterContext) -> Result<(), $error> {
                self.0.check(context).await
            }

            /// Connects.
            ///
            /// # Errors
            /// What is not available.
            pub async fn connect(
                &self,
                context: &AdapterContext,
            ) -> Result<Box<dyn $part>, $error> {
                self.0.connect(context).await
            }
        }
    };
}

configured!(ConfiguredSource, Source, SourceError);

impl ConfiguredSource {
    /// Whether partners come to it through the hub's own HTTP listener.
    #[must_use]
    pub fn has_door(&self) -> bool {
        self.0.has_door()
    }
}

configured!(ConfiguredSink, Sink, SinkError);

/// A kind of source that this hub can run.
pub struct SourceKind {
    /// Reads the adapter's table; errors keep their place in the file.
    pub parse: fn(ValueDeserializer<'_>) -> Result<ConfiguredSource, toml::de::Error>,
    /// An example of the table.
    pub example: fn() -> &'static str,
    /// JSON Schema of the table.
    pub schema: fn() -> Schema,
    /// What it counts of itself.
    pub metrics: fn() -> &'static [Metric],
}

/// A kind of sink that this hub can run.
pub struct SinkKind {
    /// Reads the adapter's table; errors keep their place in the file.
    pub parse: fn(ValueDeserializer<'_>) -> Result<ConfiguredSink, toml::de::Error>,
    /// An example of the table.
    pub example: fn() -> &'static str,
    /// JSON Schema of the table.
    pub schema: fn() -> Schema,
    /// What it counts of itself.
    pub metrics: fn() -> &'static [Metric],
}

/// Every adapter this hub can run, by kind.
#[derive(Default)]
pub struct AdapterRegistry {
    /// Kinds of sources.
    pub sources: BTreeMap<&'static str, SourceKind>,
    /// Kinds of sinks.
    pub sinks: BTreeMap<&'static str, SinkKind>,
}

impl AdapterRegistry {
    /// An empty registry.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a kind of source.
    #[must_use]
    pub fn source<C: SourceConfig>(mut self) -> Self {
        let kind = SourceKind {
            parse: |table| Ok(ConfiguredSource(Arc::new(C::deserialize(table)?))),
            example: C::example,
            schema: || schemars::schema_for!(C),
            metrics: C::metrics,
        };
        self.sources.insert(C::KIND, kind);
        self
    }

    /// Adds a kind of sink.
    #[must_use]
    pub fn sink<C: SinkConfig>(mut self) -> Self {
        let kind = SinkKind {
            parse: |table| Ok(ConfiguredSink(Arc::new(C::deserialize(table)?))),
            example: C::example,
            schema: || schemars::schema_for!(C),
            metrics: C::metrics,
        };
        self.sinks.insert(C::KIND, kind);
        self
    }
}
