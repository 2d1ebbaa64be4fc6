//! Configuration of an output folder.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use hub_core::{AdapterContext, ConfigProblem, Sink, SinkConfig, SinkError};
use hub_names::{OnExisting, Template};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::group_sync::GroupSync;
use crate::publish::Outbox;
use crate::sink::FileSink;

/// Writes each message to a file in a folder.
///
/// The file is written under a hidden temporary name (`.<message id>.part`), made durable, and
/// only then gets its final name; nothing is ever overwritten. If the final name exists with the
/// same bytes, an earlier attempt got that far and the message counts as delivered; not so if
/// names are numbered (`on_existing = "suffix"`) and hold no `{message_id}`: two messages with the
/// same bytes are two files then, and an attempt that is repeated after a crash or a disk error
/// may leave a second file. With `{message_id}` in the name, each message is one file.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileSinkConfig {
    /// The output folder. It must exist, unless `create_folder` is set.
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
    /// Make the folder if it is missing. Off by default: a missing folder is more likely a share
    /// that is not mounted, and files written below its mount point would be lost to everyone.
    #[serde(default)]
    pub create_folder: bool,
}

fn name() -> String {
    "{message_id}.{extension}".to_owned()
}

fn unavailable(context: &AdapterContext, reason: String) -> SinkError {
    SinkError::Unavailable {
        endpoint: context.name.clone(),
        reason,
        retry_after: None,
        answered: false,
    }
}

async fn blocking(
    context: &AdapterContext,
    folder: &Path,
    work: impl FnOnce() -> std::io::Result<()> + Send + 'static,
) -> Result<(), SinkError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => {
            let folder = folder.display();
            Err(unavailable(
                context,
                format!("output folder `{folder}`: {error}"),
            ))
        }
        Err(error) => Err(unavailable(context, error.to_string())),
    }
}

#[async_trait]
impl SinkConfig for FileSinkConfig {
    const KIND: &'static str = "file";

    fn example() -> &'static str {
        r#"path = "/srv/meterhub/out/billing"
name = "{created:%Y%m%d-%H%M%S}_{route}_{message_id}.{extension}"
on_existing = "refuse"        # or "suffix"
done_suffix = ".done"
"#
    }

    fn validate(&self) -> Vec<ConfigProblem> {
        let mut problems = Vec::new();
        if self.path.as_os_str().is_empty() {
            problems.push(ConfigProblem::error("path", "is empty, expected a folder"));
        }
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
        let (folder, files) = (context.path(&self.path), context.files.clone());
        let (create, looked_at) = (self.create_folder, folder.clone());
        blocking(context, &folder, move || {
            match files.stat(&looked_at.join("")) {
                Ok(stat) if stat.is_dir => Ok(()),
                Ok(_) => Err(std::io::ErrorKind::NotADirectory.into()),
                Err(error) if create && error.kind() == std::io::ErrorKind::NotFound => Ok(()),
                Err(error) => Err(error),
            }
        })
        .await
    }

    async fn connect(&self, context: &AdapterContext) -> Result<Box<dyn Sink>, SinkError> {
        let template =
            Template::parse(&self.name).map_err(|r| unavailable(context, format!("`name` {r}")))?;
        let folder = context.path(&self.path);
        if self.create_folder {
            let (files, made) = (context.files.clone(), folder.clone());
            blocking(context, &folder, move || files.create_dir_all(&made)).await?;
        }
        // A numbered name that is not the message's own may hold another message's equal bytes.
        let same_is_delivered = template.is_unique() || self.on_existing == OnExisting::Refuse;
        Ok(Box::new(FileSink {
            endpoint: context.name.clone(),
            template,
            outbox: Arc::new(Outbox {
                sync: GroupSync::new(context.files.clone(), folder.clone()),
                folder,
                files: context.files.clone(),
                on_existing: self.on_existing,
                same_is_delivered,
                done_suffix: self.done_suffix.clone(),
            }),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(toml: &str) -> Vec<ConfigProblem> {
        toml::from_str::<FileSinkConfig>(toml).unwrap().validate()
    }

    #[test]
    fn the_example_is_valid() {
        assert_eq!(problems(FileSinkConfig::example()), []);
        assert_eq!(problems("path = 'out'"), []);
    }

    #[test]
    fn a_name_that_may_collide_is_a_warning() {
        let found = problems("path = 'out'\nname = '{subject}.csv'");
        assert!(found.len() == 1 && found[0].warning && found[0].key == "name");
        assert_eq!(
            problems("path = 'out'\nname = '{subject}.csv'\non_existing = 'suffix'"),
            []
        );
    }

    #[test]
    fn wrong_values_are_errors() {
        let found = problems("path = ''\nname = '{what}'\ndone_suffix = 'a/b'");
        assert_eq!(found.iter().filter(|p| !p.warning).count(), 3, "{found:?}");
    }
}
