//! Configuration of an output folder on a server.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use hub_core::{AdapterContext, ConfigProblem, Metric, Sink, SinkConfig, SinkError};
use hub_names::{OnExisting, Template};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::Server;
use crate::failure::{Failure, Status};
use crate::pool::Pool;
use crate::session::Kind;
use crate::sink::{SftpSink, unavailable};
use crate::upload::Outbox;

/// Puts each message as a file into a folder on an SFTP server.
///
/// The file is written under a hidden temporary name (`.<message id>.part`), made durable where
/// the server can, compared in size, and only then renamed; nothing is ever overwritten. An
/// upload that broke is resumed where it ended (from 8 MiB on). If the final name exists with the
/// same bytes, an earlier attempt got that far and the message counts as delivered; not so if
/// names are numbered (`on_existing = "suffix"`) and hold no `{message_id}`: two messages with the
/// same bytes are two files then, and an attempt whose answer was lost may leave a second file.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SftpSinkConfig {
    /// The server.
    pub server: Server,
    /// The output folder: absolute, or relative to the folder where the login begins, which is
    /// the default. It must exist, unless `create_folder` is set.
    #[serde(default)]
    pub path: PathBuf,
    /// The file's name. In braces: `message_id`, `correlation_id`, `source_name` and
    /// `source_stem` (name of the incoming message with and without its extension), `subject`,
    /// `route`, `enterprise`, `extension`, and `created:FORMAT` with a `strftime` format in UTC.
    /// What could leave the folder or hide the file is replaced by `_`.
    #[serde(default = "name")]
    pub name: String,
    /// What to do if the name exists with other content.
    #[serde(default)]
    pub on_existing: OnExisting,
    /// Write an empty file of the file's name and this suffix once the file is complete.
    #[serde(default)]
    pub done_suffix: Option<String>,
    /// Make the folder if it is missing.
    #[serde(default)]
    pub create_folder: bool,
}

fn name() -> String {
    "{message_id}.{extension}".to_owned()
}

fn failed(context: &AdapterContext, reason: String) -> SinkError {
    SinkError::Unavailable {
        endpoint: context.name.clone(),
        reason,
        retry_after: None,
        answered: false,
    }
}

impl SftpSinkConfig {
    fn pool(&self, context: &AdapterContext) -> Result<Pool, SinkError> {
        let dial = self
            .server
            .dial(context)
            .map_err(|error| failed(context, error.to_string()))?;
        Ok(Pool::new(dial, self.server.pace()))
    }
}

#[async_trait]
impl SinkConfig for SftpSinkConfig {
    const KIND: &'static str = "sftp";

    fn example() -> &'static str {
        r#"path = "incoming/orders"
name = "{created:%Y%m%d-%H%M%S}_{route}_{message_id}.{extension}"
on_existing = "refuse"        # or "suffix"
done_suffix = ".done"
server.address = "sftp.contractor.example:22"
server.user = "meterhub"
server.known_hosts = "known_hosts"
server.password = "env:CONTRACTOR_PASSWORD"
"#
    }

    fn metrics() -> &'static [Metric] {
        crate::metrics::ALL
    }

    fn validate(&self) -> Vec<ConfigProblem> {
        let mut problems = self.server.validate();
        match Template::parse(&self.name) {
            Err(reason) => problems.push(ConfigProblem::error("name", reason)),
            Ok(template) if !template.is_unique() && self.on_existing == OnExisting::Refuse => {
                let reason = "without `{message_id}` two messages may get one name, and the \
                              second is parked; add it, or set `on_existing = \"suffix\"`";
                problems.push(ConfigProblem::warning("name", reason));
            }
            Ok(_) => {}
        }
        let suffix = self.done_suffix.as_deref();
        if suffix.is_some_and(|s| s.is_empty() || s.contains(['/', '\\', '\0'])) {
            let reason = "is empty or holds a folder separator, expected a suffix such as `.done`";
            problems.push(ConfigProblem::error("done_suffix", reason));
        }
        problems
    }

    async fn check(&self, context: &AdapterContext) -> Result<(), SinkError> {
        let (path, create) = (self.path.clone(), self.create_folder);
        let pool = self.pool(context)?;
        let looked = pool.run(move |session, _| {
            let folder = match session.real_path(&path) {
                Err(error) if error.is_not_found() && create => return Ok(()),
                other => other?,
            };
            match session.stat(&folder) {
                Err(error) if error.is_not_found() && create => Ok(()),
                Ok(stat) if matches!(stat.kind, Kind::Folder | Kind::Unknown) => Ok(()),
                Ok(_) => {
                    let status = Status::Other("is not a folder".into());
                    Err(Failure::file(&folder, status))
                }
                Err(error) => Err(error),
            }
        });
        let looked = looked.await;
        looked.map_err(|failure| unavailable(&context.name, &failure))
    }

    async fn connect(&self, context: &AdapterContext) -> Result<Box<dyn Sink>, SinkError> {
        let template =
            Template::parse(&self.name).map_err(|r| failed(context, format!("`name` {r}")))?;
        Ok(Box::new(SftpSink {
            endpoint: context.name.clone(),
            pool: self.pool(context)?,
            outbox: Arc::new(Outbox {
                server: self.server.address.clone(),
                folder: self.path.clone(),
                create_folder: self.create_folder,
                files: context.files.clone(),
                on_existing: self.on_existing,
                is_unique: template.is_unique(),
                done_suffix: self.done_suffix.clone(),
            }),
            template,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: &str =
        "server = { address = 'a', user = 'me', password = 'env:SFTP_PASSWORD' }\n";

    fn problems(toml: &str) -> Vec<ConfigProblem> {
        toml::from_str::<SftpSinkConfig>(toml).unwrap().validate()
    }

    #[test]
    fn the_example_is_valid() {
        assert_eq!(problems(SftpSinkConfig::example()), []);
        assert_eq!(problems(SERVER), []);
    }

    #[test]
    fn a_name_that_may_collide_is_a_warning() {
        let found = problems(&format!("name = '{{subject}}.csv'\n{SERVER}"));
        assert!(found.len() == 1 && found[0].warning && found[0].key == "name");
    }

    #[test]
    fn wrong_values_are_errors() {
        let found = problems(&format!("name = '{{what}}'\ndone_suffix = 'a/b'\n{SERVER}"));
        assert_eq!(found.iter().filter(|p| !p.warning).count(), 2, "{found:?}");
    }
}
