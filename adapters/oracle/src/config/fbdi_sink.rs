//! Configuration of a bulk import into a Fusion application.

use std::sync::Arc;

use async_trait::async_trait;
use hub_core::{AdapterContext, ConfigProblem, Metric, Secret, Sink, SinkConfig, SinkError};
use hub_names::MessageTemplate;
use hub_web::WebServer;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    fbdi_account, fbdi_described, fbdi_resource, must_be_given, not_usable, sink_client, template,
    within,
};
use crate::fbdi::{FbdiSink, Import, Packing};
use crate::metrics::OF_IMPORTS;

/// Largest import file. Fusion itself takes about 250 MB.
const LARGEST_DOCUMENT: u64 = 2 * 1024 * 1024 * 1024;

/// Imports each message into a Fusion application (ERP, SCM, Project Management): the file-based data
/// import (FBDI) of the REST resource `erpintegrations`, operation `importBulkData`.
///
/// The message is the import file: a ZIP of CSV files, sent as it is once its entries were looked at,
/// or (with `csv`) one CSV, which is zipped. The file is streamed, never held in memory.
///
/// A yes means that Fusion has the file and started a job, whose number is noted with the delivery.
/// What becomes of the job is told by a source `oracle_fbdi_jobs` of the same `account`. A request
/// that got no answer is tried again, and Fusion cannot tell that it is the same: `file_name` is the
/// same at every attempt, so that an operator can. One that was answered 2xx without the number of a job
/// (the answer broke off) is parked: it may be imported, and the reason names the file to look for.
///
/// Not seen by an Oracle system: tested against a stand-in that speaks the documented protocol.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FbdiSinkConfig {
    /// The Fusion application: `url = "https://pod.fa.example.oraclecloud.com"`, and who we are there.
    pub server: WebServer,
    /// Path of the resource.
    #[serde(default = "fbdi_resource")]
    pub resource: String,
    /// Under which name the jobs are remembered, the same as at the source that follows them.
    #[serde(default = "fbdi_account")]
    pub account: String,
    /// Account of the content server for the file, `fin$/payables$/import$` say.
    pub document_account: String,
    /// Package and name of the import job, separated by a comma:
    /// `/oracle/apps/ess/financials/payables/invoices/transactions,APXIIMPT`.
    pub job_name: String,
    /// Parameters of the job in their order, with the words of file-name templates. An empty one
    /// becomes `#NULL`; one with a comma is quoted.
    #[serde(default)]
    pub parameters: Vec<String>,
    /// Options of the job, `InterfaceDetails=15,ImportOption=Y,PurgeOption=N` say.
    #[serde(default)]
    pub job_options: Option<String>,
    /// Whom Fusion notifies of the outcome beside us, as its two-digit code.
    #[serde(default = "notification_code")]
    pub notification_code: String,
    /// Where Fusion tells that a job ended: the address under which it reaches this hub, and
    /// `/api/v1/callbacks/<source>` of the source `oracle_fbdi_jobs`.
    #[serde(default)]
    pub callback_url: Option<String>,
    /// Token that is added to the callback URL as `?token=`: one of the source's `query_tokens`.
    #[serde(default)]
    pub callback_token: Option<Secret>,
    /// Name of the file at Fusion.
    #[serde(default = "file_name")]
    pub file_name: String,
    /// Makes the ZIP of messages that are CSV. Without it only ZIPs are taken.
    #[serde(default)]
    pub csv: Option<CsvToZip>,
    /// Largest file, in bytes.
    #[serde(default = "max_document_bytes")]
    pub max_document_bytes: u64,
}

/// How a CSV is packed.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CsvToZip {
    /// Name of the CSV in the ZIP, which the import prescribes: `ApInvoicesInterface.csv`.
    pub file_name: String,
    /// Name of a manifest to add, `apinvoices.properties` say: one line with package, job, prefix of
    /// the file's name, and the parameters.
    #[serde(default)]
    pub manifest: Option<String>,
}

fn notification_code() -> String {
    "10".to_owned()
}

fn file_name() -> String {
    "{message_id}.zip".to_owned()
}

fn max_document_bytes() -> u64 {
    250 * 1024 * 1024
}

impl FbdiSinkConfig {
    fn import(&self, context: &AdapterContext) -> Result<Import, String> {
        let parameters = self.parameters.iter().map(|p| MessageTemplate::parse(p));
        Ok(Import {
            document_account: self.document_account.clone(),
            job_name: self.job_name.clone(),
            parameters: parameters.collect::<Result<_, _>>()?,
            job_options: self.job_options.clone(),
            notification_code: self.notification_code.clone(),
            callback_url: self.callback(context)?,
            file_name: MessageTemplate::parse(&self.file_name)?,
        })
    }

    fn callback(&self, context: &AdapterContext) -> Result<Option<String>, String> {
        let Some(url) = &self.callback_url else {
            return Ok(None);
        };
        let mut url = reqwest::Url::parse(url).map_err(|e| format!("`callback_url`: {e}"))?;
        if let Some(secret) = &self.callback_token {
            let token = secret.resolve(&context.base_dir);
            let token = token.map_err(|e| e.to_string())?;
            url.query_pairs_mut().append_pair("token", &token);
        }
        Ok(Some(url.into()))
    }

    fn packing(&self, context: &AdapterContext) -> Packing {
        Packing {
            csv: self.csv.clone(),
            max_bytes: self.max_document_bytes,
            folder: context.temporary.clone(),
        }
    }

    fn validate_names(&self, problems: &mut Vec<ConfigProblem>) {
        must_be_given("account", &self.account, problems);
        must_be_given("document_account", &self.document_account, problems);
        if !self.job_name.contains([',', ';']) {
            let reason = "lacks the name of the job, expected `/package/path,JOBNAME`";
            problems.push(ConfigProblem::error("job_name", reason));
        }
        for parameter in &self.parameters {
            template("parameters", parameter, problems);
        }
        template("file_name", &self.file_name, problems);
        if let Some(csv) = &self.csv {
            must_be_given("csv.file_name", &csv.file_name, problems);
        }
    }
}

#[async_trait]
impl SinkConfig for FbdiSinkConfig {
    const KIND: &'static str = "oracle_fbdi";

    fn example() -> &'static str {
        r##"server = { url = "https://pod.fa.example.oraclecloud.com", auth = { basic = { user = "METERHUB", password = "env:FUSION_PASSWORD" } } }
document_account = "fin$/payables$/import$"
job_name = "/oracle/apps/ess/financials/payables/invoices/transactions,APXIIMPT"
parameters = ["", "300000046987012", "N", "", "", "", "1000", "External", "{message_id}", "N", "N", "300000046975971", "", "1"]
callback_url = "https://hub.example/api/v1/callbacks/fusion-jobs"
callback_token = "env:FUSION_CALLBACK_TOKEN"
csv = { file_name = "ApInvoicesInterface.csv" }
"##
    }

    fn metrics() -> &'static [Metric] {
        OF_IMPORTS
    }

    fn validate(&self) -> Vec<ConfigProblem> {
        let mut problems = Vec::new();
        self.server.validate("server", &mut problems);
        self.validate_names(&mut problems);
        if let Some(url) = &self.callback_url {
            self.server.validate_url("callback_url", url, &mut problems);
        } else if self.callback_token.is_some() {
            let reason = "belongs to a `callback_url`, which is not given";
            problems.push(ConfigProblem::error("callback_token", reason));
        }
        within(
            "max_document_bytes",
            self.max_document_bytes,
            1,
            LARGEST_DOCUMENT,
            &mut problems,
        );
        problems
    }

    async fn check(&self, context: &AdapterContext) -> Result<(), SinkError> {
        self.import(context)
            .map_err(|reason| not_usable(context, reason))?;
        Ok(fbdi_described(&self.server, &self.resource, context).await?)
    }

    async fn connect(&self, context: &AdapterContext) -> Result<Box<dyn Sink>, SinkError> {
        let failed = |reason| SinkError::from(not_usable(context, reason));
        Ok(Box::new(FbdiSink {
            endpoint: context.name.clone(),
            client: sink_client(&self.server, context)?,
            resource: self.resource.clone(),
            account: self.account.clone(),
            import: self.import(context).map_err(failed)?,
            packing: self.packing(context),
            state: Arc::clone(&context.state),
            clock: Arc::clone(&context.clock),
            meter: context.meter.clone(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(toml: &str) -> Vec<String> {
        let config: FbdiSinkConfig = toml::from_str(toml).unwrap();
        config.validate().into_iter().map(|p| p.key).collect()
    }

    #[test]
    fn the_example_is_valid() {
        assert_eq!(keys(FbdiSinkConfig::example()), [] as [&str; 0]);
    }

    #[test]
    fn wrong_values_are_errors() {
        let found = keys(
            "server = { url = 'http://fusion.example' }\ndocument_account = ''\njob_name = 'X'\n\
             parameters = ['{no}']\ncallback_token = 'env:T'\nmax_document_bytes = 0",
        );
        let expected = [
            "server.url",
            "document_account",
            "job_name",
            "parameters",
            "callback_token",
            "max_document_bytes",
        ];
        assert_eq!(found, expected);
    }
}
