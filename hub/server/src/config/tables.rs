//! The tables of a configuration file as they are written. Their docs become the JSON Schema.
//!
//! The table of an adapter (`[source.x.file]`) is not here: its shape is the adapter's own.

use std::path::PathBuf;

use hub_core::{CircuitPolicy, RateLimit, RetryPolicy, Secret};
use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::{AnswerWhen, Batch, Reject, UnknownDevices, WhenParked};

/// A word that is checked later and must keep its place in the file.
pub(crate) type Word = Spanned<String>;

/// The hub itself.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HubTable {
    /// Where messages, readings and orders are kept, relative to the configuration folder.
    /// Default: `data`.
    #[serde(default)]
    #[schemars(with = "Option<String>", example = &"data")]
    pub(crate) data_dir: Option<Word>,
    /// Address and port of HTTP import, status and metrics. Default: `127.0.0.1:8080`, which only
    /// this machine can reach.
    #[serde(default)]
    #[schemars(with = "Option<String>", example = &"127.0.0.1:8080")]
    pub(crate) listen: Option<Word>,
    /// What must be shown, as `Authorization: Bearer`, to see `/metrics` and `/api/v1/endpoints`:
    /// `env:NAME` or `file:PATH`. Without it the hub makes one itself when it first starts, in the file
    /// `operator.token` of its data folder.
    #[serde(default)]
    #[schemars(with = "Option<String>", example = &"env:METERHUB_METRICS_TOKEN")]
    pub(crate) metrics_token: Option<Secret>,
    /// A second address, behind TLS, for partners on the network. The same is served there.
    #[serde(default)]
    pub(crate) tls: Option<TlsTable>,
}

/// The address behind TLS.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TlsTable {
    /// Address and port.
    #[schemars(with = "String", example = &"0.0.0.0:8443")]
    pub(crate) listen: Word,
    /// Our certificate with its chain, and its private key, in one PEM: `file:hub.pem`. Read when the
    /// hub starts.
    pub(crate) certificate: Secret,
    /// File of the certificate authorities (PEM) of which every client must show a certificate
    /// (mutual TLS). What a client may do is still said by the credentials of each source.
    #[serde(default)]
    pub(crate) client_authorities: Option<PathBuf>,
}

/// A utility client: the owner of its devices, orders, readings and messages.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EnterpriseTable {
    /// IANA time zone in which its local times and days are meant.
    #[schemars(with = "String", example = &"Europe/Helsinki")]
    pub(crate) zone: Word,
}

/// Where messages come from. Beside these keys stands one table named like the adapter's kind.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SourceTable {
    /// Whose messages these are.
    #[schemars(with = "String", example = &"north")]
    pub(crate) enterprise: Word,
}

/// Where messages go. Beside these keys stands one table named like the adapter's kind.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SinkTable {
    /// Whose partner this is.
    #[schemars(with = "String", example = &"north")]
    pub(crate) enterprise: Word,
    /// When a failed delivery is tried again.
    #[serde(default)]
    pub(crate) retry: Option<RetryPolicy>,
    /// When the endpoint is taken for down.
    #[serde(default)]
    pub(crate) circuit: Option<CircuitPolicy>,
    /// How fast the endpoint may be sent to. No limit if absent.
    #[serde(default)]
    pub(crate) rate: Option<RateLimit>,
    /// Lanes sent at once. Default 8.
    #[serde(default)]
    #[schemars(with = "Option<u16>", range(min = 1, max = 1024))]
    pub(crate) parallel: Option<Spanned<i64>>,
    /// Where deliveries go that this sink refuses, gives up, or does not take in time.
    #[serde(default)]
    pub(crate) fall_over: Option<FallOverTable>,
    /// What the rest of a lane does when its head is parked.
    #[serde(default)]
    pub(crate) when_parked: WhenParked,
}

/// Another sink of the same enterprise that gets what this one does not take: the same body, under
/// the same message id. What fell over keeps no order with what did not.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FallOverTable {
    /// The other sink. It may have a `fall_over` of its own.
    #[schemars(with = "String", example = &"sms-gateway")]
    pub(crate) to: Word,
    /// Seconds after it was made until a delivery that only waits, because the sink does not answer,
    /// goes elsewhere. Default: it waits; only what is refused or given up falls over.
    #[serde(default)]
    pub(crate) after_seconds: Option<u64>,
}

/// Tells the sender what became of a message, once it is done.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AnswerTable {
    /// The sink that gets the answer. Its `reply-to` and `correlation-id` are the message's.
    #[schemars(with = "String", example = &"mdm-replies")]
    pub(crate) to: Word,
    /// The format of the answer: `cim` (IEC 61968-100 `ResponseMessage`) or `json`.
    #[schemars(with = "String", example = &"cim")]
    pub(crate) format: Word,
    /// Which messages are answered.
    #[serde(default)]
    pub(crate) when: AnswerWhen,
}

/// What the messages of a source become.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct InboundTable {
    /// The source.
    #[schemars(with = "String", example = &"north-hes")]
    pub(crate) from: Word,
    /// The format of its messages, or `opaque` to pass them on as they are.
    #[schemars(with = "String", example = &"cim")]
    pub(crate) format: Word,
    /// For `csv`, `xlsx` and `idoc`: the mapping file `mappings/<name>.toml`.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(crate) mapping: Option<Word>,
    /// What happens with readings and events of devices that the hub does not know.
    #[serde(default)]
    pub(crate) unknown_devices: UnknownDevices,
    /// What a record that cannot be understood costs.
    #[serde(default)]
    pub(crate) reject: Reject,
    /// More rejected records than this make the whole message invalid. Default 10,000.
    #[serde(default)]
    #[schemars(with = "Option<u64>")]
    pub(crate) max_rejects: Option<Spanned<i64>>,
    /// Tells the sender what became of each message.
    #[serde(default)]
    pub(crate) answer: Option<AnswerTable>,
    /// For `opaque`: the sinks that get the content. `[]`: it is only kept and shown.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(crate) to: Vec<Word>,
}

/// What is told to whom.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OutboundTable {
    /// Whose events.
    #[schemars(with = "String", example = &"north")]
    pub(crate) enterprise: Word,
    /// The events that are told.
    #[schemars(with = "Vec<super::schema::EventName>")]
    pub(crate) on: Vec<Word>,
    /// A CEL expression over `record`; only records for which it is true are told.
    #[serde(default)]
    #[schemars(with = "Option<String>", example = &"record.kind == \"exchange\"")]
    pub(crate) filter: Option<Word>,
    /// The format of the documents.
    #[schemars(with = "String", example = &"csv")]
    pub(crate) format: Word,
    /// For `csv`, `idoc` and `template`: the mapping file `mappings/<name>.toml`.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(crate) mapping: Option<Word>,
    /// How many records a document holds.
    #[serde(default)]
    pub(crate) batch: Batch,
    /// The sinks that get the documents.
    #[schemars(with = "Vec<String>")]
    pub(crate) to: Vec<Word>,
}
