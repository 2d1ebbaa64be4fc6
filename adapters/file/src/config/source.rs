//! Configuration of a watched folder.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use async_trait::async_trait;
use hub_core::{AdapterContext, ConfigProblem, Source, SourceConfig, SourceError};
use hub_names::{Complete, Filter, Order, PatternError};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::folder::{Claimed, Folder};
use crate::lease::Lease;
use crate::listing::Lister;
use crate::source::{FileSource, Pace, disconnected};

/// Our own folder below the watched one.
const OWN_FOLDER: &str = ".meterhub";

/// The word that stands where an archive folder could.
const DELETE: &str = "delete";

/// Shortest pause between two listings. Below, an idle hub would do little else.
const SHORTEST_POLL_MILLISECONDS: u64 = 10;

/// Most unsettled files. More only means more files in the claim folder.
const LARGEST_WINDOW: usize = 1_024;

/// Takes files from a watched folder (EIP: Polling Consumer).
///
/// Hidden files, links, pipes and devices are never taken. Empty files are messages like any
/// other. A file is claimed by moving it to the claim folder, so any number of hubs may watch one
/// folder; each file is taken by one of them, and what a hub that died had claimed is taken over
/// within seconds. Names that are not UTF-8 are taken; the message's name has `�` then. Names
/// longer than about 235 bytes cannot be claimed; they stay, with a warning a minute.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileSourceConfig {
    /// The watched folder. It must exist: a folder that is missing, a share that is not mounted
    /// say, is a source that is not connected.
    pub path: PathBuf,
    /// Patterns of names to take: `*`, `?`, `[a-z]`, `{xml,csv}`. One with a `/` is matched
    /// against the path below the watched folder, one without against the name in any folder.
    #[serde(default = "everything")]
    pub include: Vec<String>,
    /// Patterns of names not to take, even if included.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// Whether to take files of sub-folders too.
    #[serde(default)]
    pub recursive: bool,
    /// Which of the complete files comes first.
    #[serde(default)]
    pub order: Order,
    /// Pause between two listings when there is nothing to do, in milliseconds; with
    /// `complete = "unchanged"` also how long a file must rest.
    #[serde(default = "poll_milliseconds")]
    pub poll_milliseconds: u64,
    /// How to tell that a file is complete.
    #[serde(default)]
    pub complete: Complete,
    /// With `complete = "done-file"`: `a.csv` is complete once `a.csv` and this suffix exists.
    /// The done-file is removed when its file is claimed.
    #[serde(default = "done_suffix")]
    pub done_suffix: String,
    /// Names that begin so are unfinished uploads and are left alone.
    #[serde(default = "temp_prefixes")]
    pub temp_prefixes: Vec<String>,
    /// Names that end so are unfinished uploads and are left alone.
    #[serde(default = "temp_suffixes")]
    pub temp_suffixes: Vec<String>,
    /// Where claimed files wait for their commit. Must be on the same file system as `path`, and
    /// the same for all hubs that watch it. Default: `.meterhub/claimed` in the watched folder.
    #[serde(default)]
    pub claim_folder: Option<PathBuf>,
    /// Where accepted files go, into a folder per day (UTC); or `"delete"`. Default:
    /// `.meterhub/archive` in the watched folder. Nothing is ever overwritten: a name that is
    /// taken gets a number.
    #[serde(default)]
    pub archive: Option<String>,
    /// Where rejected files go, with `<name>.reason.txt` beside them. Default:
    /// `.meterhub/quarantine` in the watched folder.
    #[serde(default)]
    pub quarantine: Option<PathBuf>,
    /// How many files may be under way at once. 1 keeps their order; more is faster with many
    /// small files.
    #[serde(default = "window")]
    pub window: usize,
}

fn everything() -> Vec<String> {
    vec!["*".to_owned()]
}

fn poll_milliseconds() -> u64 {
    2_000
}

fn done_suffix() -> String {
    ".done".to_owned()
}

fn temp_prefixes() -> Vec<String> {
    vec!["~".to_owned()]
}

fn temp_suffixes() -> Vec<String> {
    [".part", ".tmp", ".filepart", ".partial"]
        .map(ToOwned::to_owned)
        .to_vec()
}

fn window() -> usize {
    1
}

impl FileSourceConfig {
    fn filter(&self) -> Result<Filter, PatternError> {
        Filter::new(
            &self.include,
            &self.exclude,
            self.temp_prefixes.clone(),
            self.temp_suffixes.clone(),
        )
    }

    fn lister(&self, root: &Path, own_folders: Vec<PathBuf>) -> Result<Lister, PatternError> {
        Ok(Lister {
            root: root.to_owned(),
            filter: self.filter()?,
            recursive: self.recursive,
            order: self.order,
            complete: self.complete,
            done_suffix: self.done_suffix.clone(),
            own_folders,
        })
    }

    /// Connects to the folder; blocks.
    fn open(&self, context: &AdapterContext) -> Result<(Folder, Vec<Claimed>), SourceError> {
        let root = context.path(&self.path);
        watched(context, &root)?;
        let place = |configured: Option<&Path>, default: &str| match configured {
            Some(path) => context.path(path),
            None => root.join(OWN_FOLDER).join(default),
        };
        let claim = place(self.claim_folder.as_deref(), "claimed");
        let archive = match self.archive.as_deref() {
            Some(DELETE) => None,
            other => Some(place(other.map(Path::new), "archive")),
        };
        let quarantine = place(self.quarantine.as_deref(), "quarantine");
        let own = [Some(&claim), archive.as_ref(), Some(&quarantine)];
        let own = own.into_iter().flatten().cloned().collect();

        let unusable = |error: &dyn std::fmt::Display| {
            disconnected(
                &context.name,
                format!("claim folder `{}`: {error}", claim.display()),
            )
        };
        context
            .files
            .create_dir_all(&claim)
            .map_err(|e| unusable(&e))?;
        let lease = Lease::take(&claim, context.clock.now()).map_err(|e| unusable(&e))?;
        let lister = self
            .lister(&root, own)
            .map_err(|error| disconnected(&context.name, error.to_string()))?;
        let folder = Folder {
            lister,
            archive,
            quarantine,
            files: context.files.clone(),
            clock: context.clock.clone(),
            lease,
            next: AtomicU64::new(1),
            archive_sync: Mutex::default(),
        };
        let left = folder.take_over().map_err(|e| unusable(&e))?;
        Ok((folder, left))
    }
}

fn watched(context: &AdapterContext, root: &Path) -> Result<(), SourceError> {
    let missing = |reason: String| {
        disconnected(
            &context.name,
            format!("watched folder `{}`: {reason}", root.display()),
        )
    };
    // With a slash a link to a folder is followed.
    let stat = context
        .files
        .stat(&root.join(""))
        .map_err(|e| missing(e.to_string()))?;
    match stat.is_dir {
        true => Ok(()),
        false => Err(missing("is not a folder".to_owned())),
    }
}

#[async_trait]
impl SourceConfig for FileSourceConfig {
    const KIND: &'static str = "file";

    fn example() -> &'static str {
        r#"path = "/srv/meterhub/in/north"
include = ["*.xml", "*.csv"]
exclude = ["*draft*"]
poll_milliseconds = 2000
complete = "unchanged"        # or "done-file", or "rename"
archive = "/srv/meterhub/archive/north"
"#
    }

    fn validate(&self) -> Vec<ConfigProblem> {
        let mut problems = Vec::new();
        let mut error = |key, reason: String| problems.push(ConfigProblem::error(key, reason));
        if self.path.as_os_str().is_empty() {
            error("path", "is empty, expected a folder".into());
        }
        if self.include.is_empty() {
            error(
                "include",
                "is empty: nothing would be taken; `[\"*\"]` takes all".into(),
            );
        }
        for (key, patterns) in [("include", &self.include), ("exclude", &self.exclude)] {
            if let Err(wrong) = Filter::new(patterns, &[], Vec::new(), Vec::new()) {
                error(key, format!("{wrong}; a pattern looks like `*.xml`"));
            }
        }
        if self.poll_milliseconds < SHORTEST_POLL_MILLISECONDS {
            error(
                "poll_milliseconds",
                format!(
                    "is {}, expected at least {SHORTEST_POLL_MILLISECONDS}",
                    self.poll_milliseconds
                ),
            );
        }
        if !(1..=LARGEST_WINDOW).contains(&self.window) {
            error(
                "window",
                format!("is {}, expected 1 to {LARGEST_WINDOW}", self.window),
            );
        }
        if self.complete == Complete::DoneFile && self.done_suffix.is_empty() {
            error(
                "done_suffix",
                "is empty, expected a suffix such as `.done`".into(),
            );
        }
        for (key, parts) in [
            ("temp_prefixes", &self.temp_prefixes),
            ("temp_suffixes", &self.temp_suffixes),
        ] {
            if parts.iter().any(String::is_empty) {
                error(
                    key,
                    "holds an empty text: every file would be left alone".into(),
                );
            }
        }
        if self.archive.as_deref() == Some("") {
            error(
                "archive",
                "is empty, expected a folder or `\"delete\"`".into(),
            );
        }
        if self.window > 1 {
            problems.push(ConfigProblem::warning(
                "window",
                "above 1, files may be accepted in another order than they came",
            ));
        }
        problems
    }

    async fn check(&self, context: &AdapterContext) -> Result<(), SourceError> {
        let (root, context) = (context.path(&self.path), context.clone());
        blocking(&context.name.clone(), move || {
            watched(&context, &root)?;
            let listed = context.files.list(&root);
            listed
                .map(drop)
                .map_err(|error| disconnected(&context.name, error.to_string()))
        })
        .await
    }

    async fn connect(&self, context: &AdapterContext) -> Result<Box<dyn Source>, SourceError> {
        let (config, opening) = (self.clone(), context.clone());
        let (folder, left) = blocking(&context.name, move || config.open(&opening)).await?;
        let pace = Pace {
            poll: Duration::from_millis(self.poll_milliseconds),
            window: self.window.clamp(1, LARGEST_WINDOW),
        };
        Ok(Box::new(FileSource::new(
            context.name.clone(),
            folder,
            left,
            pace,
        )))
    }
}

async fn blocking<T: Send + 'static>(
    endpoint: &str,
    work: impl FnOnce() -> Result<T, SourceError> + Send + 'static,
) -> Result<T, SourceError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(disconnected(endpoint, error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(toml: &str) -> Vec<String> {
        let config: FileSourceConfig = toml::from_str(toml).unwrap();
        config.validate().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_example_is_valid() {
        assert_eq!(problems(FileSourceConfig::example()), Vec::<String>::new());
        assert_eq!(problems("path = 'in'"), Vec::<String>::new());
    }

    #[test]
    fn problems_name_the_key_and_what_would_be_valid() {
        let found = problems(
            "path = ''\ninclude = ['[a']\npoll_milliseconds = 1\nwindow = 0\ntemp_suffixes = ['']",
        );
        for (key, hint) in [
            ("`path`", "expected a folder"),
            ("`include`", "`*.xml`"),
            ("`poll_milliseconds`", "at least 10"),
            ("`window`", "1 to 1024"),
            ("`temp_suffixes`", "every file"),
        ] {
            assert!(
                found.iter().any(|p| p.contains(key) && p.contains(hint)),
                "{key}: {found:?}"
            );
        }
        assert_eq!(found.len(), 5);
    }

    #[test]
    fn an_unknown_key_lists_the_valid_ones() {
        let error = toml::from_str::<FileSourceConfig>("path = 'in'\npol = 1").unwrap_err();
        assert!(error.to_string().contains("poll_milliseconds"), "{error}");
        let error =
            toml::from_str::<FileSourceConfig>("path = 'in'\ncomplete = 'soon'").unwrap_err();
        assert!(error.to_string().contains("done-file"), "{error}");
    }
}
