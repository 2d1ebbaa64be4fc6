//! The configuration: one folder of TOML, strict and typed.
//!
//! - [`Config::load`] reads all `*.toml` files directly in a folder, and the mapping files in its
//!   `mappings/` that are referred to by name. It touches no network and changes nothing on disk.
//! - All problems of all files are reported at once ([`ConfigErrors`]), each with its place.
//! - What comes out is ready to run: decoders, encoders and filters are built, references resolved.

mod adapter;
mod answers;
mod document;
mod fall_over;
mod fields;
mod filter;
mod load;
mod mappings;
mod mask;
mod order;
mod overlap;
mod problem;
mod routes;
mod schema;
mod segments;
mod suggest;
mod tables;
mod text;
mod typed;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hub_core::{
    AdapterRegistry, CircuitPolicy, ConfiguredSink, ConfiguredSource, RateLimit, RetryPolicy,
    Secret, SecretError,
};
use hub_domain::EventKind;
use hub_model::Zone;
use hub_model::mapping::{Answer, Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use filter::{Filter, FilterError};
pub(crate) use mappings::place as mapping_place;
pub use problem::{ConfigErrors, Drawing, Location, Problem, SourceText, render, to_json};
pub use schema::config_schema;
pub(crate) use segments::beside as segments_beside;
pub(crate) use suggest::expected;
pub(crate) use text::read_text;

use crate::formats::Formats;

/// A configuration that can be run.
#[derive(Clone)]
pub struct Config {
    /// The folder it was read from; relative paths are relative to it.
    pub dir: PathBuf,
    /// The hub itself.
    pub hub: HubConfig,
    /// Utility clients by name.
    pub enterprises: BTreeMap<String, Enterprise>,
    /// Where messages come from, by name. One without an inbound route has a warning and is not run.
    pub sources: BTreeMap<String, SourceEntry>,
    /// Where messages go, by name.
    pub sinks: BTreeMap<String, SinkEntry>,
    /// What the messages of a source become, by name. At most one per source.
    pub inbound: BTreeMap<String, Inbound>,
    /// What is told to whom, by name.
    pub outbound: BTreeMap<String, Outbound>,
    /// What works but is probably not meant, or is unsafe.
    pub warnings: Vec<Problem>,
}

/// Settings of the hub itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubConfig {
    /// Where messages, readings and orders are kept.
    pub data_dir: PathBuf,
    /// Address of HTTP import and status.
    pub listen: SocketAddr,
    /// What an operator shows who asks for metrics; without it the hub makes one itself.
    pub metrics_token: Option<Secret>,
    /// The same behind TLS.
    pub tls: Option<TlsListen>,
}

/// An address behind TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsListen {
    /// Where.
    pub listen: SocketAddr,
    /// Our certificate and its private key, in PEM.
    pub certificate: Secret,
    /// File of the authorities of which clients must show a certificate.
    pub client_authorities: Option<PathBuf>,
}

/// A utility client.
#[derive(Debug, Clone, PartialEq)]
pub struct Enterprise {
    /// Its name.
    pub name: String,
    /// The zone of its local times.
    pub zone: Zone,
}

/// A source.
#[derive(Clone)]
pub struct SourceEntry {
    /// Its name.
    pub name: String,
    /// Whose messages it brings.
    pub enterprise: String,
    /// The adapter's kind.
    pub kind: String,
    /// The adapter.
    pub adapter: ConfiguredSource,
}

/// A sink.
#[derive(Clone)]
pub struct SinkEntry {
    /// Its name.
    pub name: String,
    /// Whose partner it is.
    pub enterprise: String,
    /// The adapter's kind.
    pub kind: String,
    /// The adapter.
    pub adapter: ConfiguredSink,
    /// When a failed delivery is tried again.
    pub retry: RetryPolicy,
    /// When it is taken for down.
    pub circuit: CircuitPolicy,
    /// How fast it may be sent to.
    pub rate: Option<RateLimit>,
    /// Lanes sent at once, from 1 to 1024.
    pub parallel: usize,
    /// What the rest of a lane does when its head is parked.
    pub when_parked: WhenParked,
    /// Where deliveries go that it does not take.
    pub fall_over: Option<FallOver>,
}

/// Where deliveries go that a sink refuses, gives up, or does not take in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FallOver {
    /// Another sink of the same enterprise.
    pub to: String,
    /// How long after it was made a delivery waits for its own sink; `None`: for ever.
    pub after_seconds: Option<u64>,
}

/// How senders are told what became of their messages.
#[derive(Clone)]
pub struct Answering {
    /// The sink that gets the answers.
    pub to: String,
    /// What writes them.
    pub writer: Arc<dyn Answer>,
    /// Which messages are answered.
    pub when: AnswerWhen,
}

/// Which messages are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AnswerWhen {
    /// All.
    #[default]
    Always,
    /// Those that had findings, and those that are invalid.
    Findings,
}

/// An inbound route.
#[derive(Clone)]
pub struct Inbound {
    /// Its name.
    pub name: String,
    /// The source.
    pub from: String,
    /// Whose messages, as the source says.
    pub enterprise: String,
    /// What reads them; `None` passes the content on as it is.
    pub decoder: Option<Arc<dyn Decode>>,
    /// What the decoder is made of, as a number: see [`Setup::decoder_fingerprint`](crate::formats::Setup::decoder_fingerprint).
    pub decoded_by: i64,
    /// What a record that cannot be understood costs.
    pub reject: Reject,
    /// More rejected records than this make the message invalid.
    pub max_rejects: u64,
    /// What happens with readings and events of unknown devices.
    pub unknown_devices: UnknownDevices,
    /// How its senders are told what became of their messages, if they are.
    pub answer: Option<Answering>,
    /// Sinks that get the content; only without a decoder.
    pub to: Vec<String>,
}

/// An outbound route.
#[derive(Clone)]
pub struct Outbound {
    /// Its name.
    pub name: String,
    /// Whose events.
    pub enterprise: String,
    /// The events that are told.
    pub on: Vec<EventKind>,
    /// Only records that it matches are told.
    pub filter: Option<Filter>,
    /// What writes the documents.
    pub encoder: Arc<dyn Encode>,
    /// What the encoder is made of, as a number: see [`Setup::encoder_fingerprint`](crate::formats::Setup::encoder_fingerprint).
    pub encoded_by: i64,
    /// How many records a document holds.
    pub batch: Batch,
    /// Sinks that get the documents.
    pub to: Vec<String>,
}

/// What the rest of a lane does when its head is parked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WhenParked {
    /// It waits until the parked delivery is released or discarded: order is kept.
    #[default]
    Wait,
    /// It goes on: later messages may arrive without the parked one.
    GoOn,
}

/// What a record that cannot be understood costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reject {
    /// The record; the rest of the message is applied.
    #[default]
    Record,
    /// The whole message: nothing of it is applied.
    File,
}

/// What happens with readings and events of devices that the hub does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UnknownDevices {
    /// They become findings.
    #[default]
    Finding,
    /// The device is created from what the message says of it.
    Create,
}

/// How many records a document of an outbound route holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Batch {
    /// One document holds all that one incoming message caused.
    #[default]
    Message,
    /// One document per business object.
    Record,
}

impl Config {
    /// Reads and checks the configuration in a folder.
    ///
    /// # Errors
    /// All problems, warnings among them, if at least one is an error.
    pub fn load(
        dir: &Path,
        registry: &AdapterRegistry,
        formats: &Formats,
    ) -> Result<Self, ConfigErrors> {
        load::load(dir, registry, formats)
    }

    /// What an operator shows who asks for metrics, if that is configured.
    ///
    /// # Errors
    /// It cannot be had.
    pub fn metrics_token(&self) -> Result<Option<String>, SecretError> {
        let token = self.hub.metrics_token.as_ref();
        token.map(|token| token.resolve(&self.dir)).transpose()
    }

    /// The inbound route of a source.
    #[must_use]
    pub fn inbound_of(&self, source: &str) -> Option<&Inbound> {
        self.inbound.values().find(|route| route.from == source)
    }

    /// The zone of an enterprise; UTC for one that is not in the configuration.
    #[must_use]
    pub fn zone_of(&self, enterprise: &str) -> Zone {
        self.enterprises
            .get(enterprise)
            .map_or_else(Zone::utc, |enterprise| enterprise.zone.clone())
    }
}
