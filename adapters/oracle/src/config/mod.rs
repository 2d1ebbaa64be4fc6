//! Configuration of the Oracle endpoints.

mod fbdi_jobs;
mod fbdi_sink;
mod ords;
mod txeventq_sink;
mod txeventq_source;

pub use fbdi_jobs::{FbdiJobsSourceConfig, Fetch};
pub use fbdi_sink::{CsvToZip, FbdiSinkConfig};
pub use ords::{OrdsMethod, OrdsSinkConfig};
pub use txeventq_sink::{TxEventQSinkConfig, ValueForm};
pub use txeventq_source::TxEventQSourceConfig;

use hub_core::{AdapterContext, ConfigProblem, SinkError, SourceError};
use hub_names::MessageTemplate;
use hub_web::{Answer, ClientOptions, NoAnswer, Probe, WebClient, WebServer};
use reqwest::Method;
use reqwest::header::{ACCEPT, HeaderValue};

/// Where the import service of a Fusion application is.
pub(crate) fn fbdi_resource() -> String {
    "/fscmRestApi/resources/11.13.18.05/erpintegrations".to_owned()
}

/// The space in which a sink and a source of one Fusion account know of its jobs.
pub(crate) fn fbdi_account() -> String {
    "oracle-fbdi".to_owned()
}

/// Where the queues of a database schema are, below the address of its ORDS.
pub(crate) fn txeventq_resource() -> String {
    "_/db-api/stable/database/txeventq".to_owned()
}

fn must_be_given(key: &str, value: &str, problems: &mut Vec<ConfigProblem>) {
    if value.trim().is_empty() {
        problems.push(ConfigProblem::error(key, "is empty"));
    }
}

fn template(key: &str, text: &str, problems: &mut Vec<ConfigProblem>) {
    if let Err(reason) = MessageTemplate::parse(text) {
        problems.push(ConfigProblem::error(key, reason));
    }
}

fn within(key: &str, value: u64, from: u64, to: u64, problems: &mut Vec<ConfigProblem>) {
    if !(from..=to).contains(&value) {
        let reason = format!("is {value}, expected {from} to {to}");
        problems.push(ConfigProblem::error(key, reason));
    }
}

fn not_usable(context: &AdapterContext, reason: String) -> NoAnswer {
    NoAnswer {
        endpoint: context.name.clone(),
        reason,
    }
}

/// Asks the service for something that changes nothing, with our credentials; gives the answer.
async fn probed(
    server: &WebServer,
    path: &str,
    may_be_absent: bool,
    context: &AdapterContext,
) -> Result<Option<Answer>, NoAnswer> {
    let probe = Probe::new(Method::GET, path).may_be_absent(may_be_absent);
    let probe = probe.header(
        ACCEPT,
        HeaderValue::from_static("application/json, */*;q=0.1"),
    );
    let options = ClientOptions::default();
    server.check(options, Some(&probe), context).await
}

/// Whether the import service is there and knows us: its description of itself, which every resource
/// of a Fusion application has ("Access Metadata" in Oracle's guide to them).
async fn fbdi_described(
    server: &WebServer,
    resource: &str,
    context: &AdapterContext,
) -> Result<(), NoAnswer> {
    let path = format!("{resource}/describe");
    probed(server, &path, false, context).await.map(drop)
}

fn sink_client(server: &WebServer, context: &AdapterContext) -> Result<WebClient, SinkError> {
    let client = server.client(context);
    client.map_err(|reason| not_usable(context, reason).into())
}

fn source_client(server: &WebServer, context: &AdapterContext) -> Result<WebClient, SourceError> {
    let client = server.client(context);
    client.map_err(|reason| not_usable(context, reason).into())
}
