//! Configuration of a watched folder on a server.

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use hub_core::{AdapterContext, ConfigProblem, Metric, Source, SourceConfig, SourceError};
use hub_names::{Complete, Filter, Order};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::Server;
use crate::failure::{Failure, Status};
use crate::hold::{AllUnmoved, Hold};
use crate::listing::Lister;
use crate::pool::Pool;
use crate::session::{Kind, Session};
use crate::settle::Folder;
use crate::source::{Pace, SftpSource, Shared, disconnected};

/// Our own folder below the watched one.
const OWN_FOLDER: &str = ".meterhub";

/// The word that stands where an archive folder could.
const DELETE: &str = "delete";

/// Shortest pause between two listings: each is work for the partner's server.
const SHORTEST_POLL_MILLISECONDS: u64 = 100;

/// Most unsettled files. More sessions than the server has are of no use.
const LARGEST_WINDOW: usize = 64;

/// Takes files from a folder on an SFTP server (EIP: Polling Consumer).
///
/// A file stays where it is until the hub has it on disk; only then is it archived or deleted, so
/// nothing is lost if anything fails before. Should the connection fail just then, the file is
/// moved away later; if the hub was stopped meanwhile, it is fetched again and recognised by its
/// content. One hub may watch a folder: files are not claimed, because many servers allow no
/// folder for that.
///
/// Hidden files, links, pipes and devices are never taken. Empty files are messages like any
/// other. A file that was written to after it was taken is taken again: its size or its
/// modification time tells, and SFTP tells the time in whole seconds.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SftpSourceConfig {
    /// The server.
    pub server: Server,
    /// The watched folder: absolute, or relative to the folder where the login begins, which is
    /// the default.
    #[serde(default)]
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
    /// Which of the complete files comes first. With `complete = "done-file"`, `modified` is the
    /// time of the done-file.
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
    /// The done-file is removed just before its file is archived.
    #[serde(default = "done_suffix")]
    pub done_suffix: String,
    /// Names that begin so are unfinished uploads and are left alone.
    #[serde(default = "temp_prefixes")]
    pub temp_prefixes: Vec<String>,
    /// Names that end so are unfinished uploads and are left alone.
    #[serde(default = "temp_suffixes")]
    pub temp_suffixes: Vec<String>,
    /// Where accepted files go, into a folder per day (UTC), absolute or relative as `path` is;
    /// or `"delete"`. Default: `.meterhub/archive` in the watched folder. Nothing is ever
    /// overwritten: a name that is taken gets a number.
    #[serde(default)]
    pub archive: Option<String>,
    /// Where rejected files go, with `<name>.reason.txt` beside them. Default:
    /// `.meterhub/quarantine` in the watched folder.
    #[serde(default)]
    pub quarantine: Option<PathBuf>,
    /// How many files may be under way at once, each on a session of its own. 1 keeps their
    /// order.
    #[serde(default = "window")]
    pub window: usize,
}

fn everything() -> Vec<String> {
    vec!["*".to_owned()]
}

fn poll_milliseconds() -> u64 {
    10_000
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

/// The folders, absolute.
struct Places {
    root: PathBuf,
    archive: Option<PathBuf>,
    quarantine: PathBuf,
}

impl SftpSourceConfig {
    fn pool(&self, context: &AdapterContext) -> Result<Pool, SourceError> {
        let dial = self
            .server
            .dial(context)
            .map_err(|error| disconnected(&context.name, error.to_string()))?;
        Ok(Pool::new(dial, self.server.pace()))
    }

    fn places(&self, session: &Session) -> Result<Places, Failure> {
        let root = watched(session, &self.path)?;
        let home = session.real_path(Path::new("."))?;
        let archive = match self.archive.as_deref() {
            Some(DELETE) => None,
            Some(folder) => Some(home.join(folder)),
            None => Some(root.join(OWN_FOLDER).join("archive")),
        };
        let quarantine = match &self.quarantine {
            Some(folder) => home.join(folder),
            None => root.join(OWN_FOLDER).join("quarantine"),
        };
        Ok(Places {
            root,
            archive,
            quarantine,
        })
    }

    fn folder(&self, places: Places, context: &AdapterContext) -> Result<Folder, SourceError> {
        let filter = Filter::new(
            &self.include,
            &self.exclude,
            self.temp_prefixes.clone(),
            self.temp_suffixes.clone(),
        );
        let own = [places.archive.as_ref(), Some(&places.quarantine)];
        Ok(Folder {
            lister: Lister {
                filter: filter.map_err(|e| disconnected(&context.name, e.to_string()))?,
                recursive: self.recursive,
                order: self.order,
                complete: self.complete,
                done_suffix: self.done_suffix.clone(),
                own_folders: own.into_iter().flatten().cloned().collect(),
                root: places.root,
            },
            archive: places.archive,
            quarantine: places.quarantine,
            clock: context.clock.clone(),
        })
    }
}

/// The absolute path of a folder that is there.
fn watched(session: &Session, path: &Path) -> Result<PathBuf, Failure> {
    let root = session.real_path(path)?;
    match session.stat(&root)?.kind {
        Kind::Folder | Kind::Unknown => Ok(root),
        _ => Err(Failure::file(
            &root,
            Status::Other("is not a folder".into()),
        )),
    }
}

#[async_trait]
impl SourceConfig for SftpSourceConfig {
    const KIND: &'static str = "sftp";

    fn example() -> &'static str {
        r#"path = "outgoing/readings"
include = ["*.xml", "*.csv"]
poll_milliseconds = 10000
complete = "unchanged"        # or "done-file", or "rename"
archive = "archive/readings"  # or "delete"
server.address = "sftp.north.example:22"
server.user = "meterhub"
server.known_hosts = "known_hosts"
server.private_key = "file:secrets/north_ed25519"
"#
    }

    fn metrics() -> &'static [Metric] {
        crate::metrics::ALL
    }

    fn validate(&self) -> Vec<ConfigProblem> {
        let mut problems = self.server.validate();
        let mut error = |key, reason: String| problems.push(ConfigProblem::error(key, reason));
        if self.include.is_empty() {
            let reason = "is empty: nothing would be taken; `[\"*\"]` takes all";
            error("include", reason.into());
        }
        for (key, patterns) in [("include", &self.include), ("exclude", &self.exclude)] {
            if let Err(wrong) = Filter::new(patterns, &[], Vec::new(), Vec::new()) {
                error(key, format!("{wrong}; a pattern looks like `*.xml`"));
            }
        }
        if self.poll_milliseconds < SHORTEST_POLL_MILLISECONDS {
            let (is, least) = (self.poll_milliseconds, SHORTEST_POLL_MILLISECONDS);
            error(
                "poll_milliseconds",
                format!("is {is}, expected at least {least}"),
            );
        }
        if !(1..=LARGEST_WINDOW).contains(&self.window) {
            let reason = format!("is {}, expected 1 to {LARGEST_WINDOW}", self.window);
            error("window", reason);
        }
        if self.complete == Complete::DoneFile && self.done_suffix.is_empty() {
            let reason = "is empty, expected a suffix such as `.done`";
            error("done_suffix", reason.into());
        }
        for (key, parts) in [
            ("temp_prefixes", &self.temp_prefixes),
            ("temp_suffixes", &self.temp_suffixes),
        ] {
            if parts.iter().any(String::is_empty) {
                let reason = "holds an empty text: every file would be left alone";
                error(key, reason.into());
            }
        }
        if self.archive.as_deref() == Some("") {
            error(
                "archive",
                "is empty, expected a folder or `\"delete\"`".into(),
            );
        }
        problems.extend(self.warnings());
        problems
    }

    async fn check(&self, context: &AdapterContext) -> Result<(), SourceError> {
        let path = self.path.clone();
        let pool = self.pool(context)?;
        let looked = pool.run(move |session, _| {
            let root = watched(session, &path)?;
            session.for_each_entry(&root, |_, _| Err(Failure::Cancelled))
        });
        match looked.await {
            // One entry is enough to see.
            Ok(()) | Err(Failure::Cancelled) => Ok(()),
            Err(failure) => Err(disconnected(&context.name, failure.to_string())),
        }
    }

    async fn connect(&self, context: &AdapterContext) -> Result<Box<dyn Source>, SourceError> {
        let pool = self.pool(context)?;
        let config = self.clone();
        let places = pool.run(move |session, _| config.places(session)).await;
        let places = places.map_err(|f| disconnected(&context.name, f.to_string()))?;
        // Another server or folder under the same name of the source is another place.
        let Server { address, user, .. } = &self.server;
        let place = format!(
            "{} {user}@{address}:{}",
            context.name,
            places.root.display()
        );
        let shared = Shared {
            pool,
            folder: self.folder(places, context)?,
            hold: Hold::default(),
            unmoved: context.shared.get::<AllUnmoved>().of(&place),
        };
        let pace = Pace {
            poll: Duration::from_millis(self.poll_milliseconds),
            window: self.window.clamp(1, LARGEST_WINDOW),
        };
        Ok(Box::new(SftpSource::new(
            context.name.clone(),
            shared,
            pace,
        )))
    }
}

impl SftpSourceConfig {
    fn warnings(&self) -> Vec<ConfigProblem> {
        let mut warnings = Vec::new();
        if self.window > 1 {
            let reason = "above 1, files may be accepted in another order than they came";
            warnings.push(ConfigProblem::warning("window", reason));
        }
        if self.window > self.server.sessions {
            let reason = "is more than `server.sessions`: files wait for a session";
            warnings.push(ConfigProblem::warning("window", reason));
        }
        warnings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: &str =
        "server = { address = 'a', user = 'me', password = 'env:SFTP_PASSWORD' }\n";

    fn problems(toml: &str) -> Vec<String> {
        let config: SftpSourceConfig = toml::from_str(toml).unwrap();
        config.validate().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_example_is_valid() {
        assert_eq!(problems(SftpSourceConfig::example()), Vec::<String>::new());
        assert_eq!(problems(SERVER), Vec::<String>::new());
    }

    #[test]
    fn problems_name_the_key_and_what_would_be_valid() {
        let found = problems(&format!(
            "include = ['[a']\npoll_milliseconds = 1\nwindow = 0\ntemp_suffixes = ['']\narchive = ''\n{SERVER}"
        ));
        for (key, hint) in [
            ("`include`", "`*.xml`"),
            ("`poll_milliseconds`", "at least 100"),
            ("`window`", "1 to 64"),
            ("`temp_suffixes`", "every file"),
            ("`archive`", "`\"delete\"`"),
        ] {
            let named = |p: &String| p.contains(key) && p.contains(hint);
            assert!(found.iter().any(named), "{key}: {found:?}");
        }
    }

    #[test]
    fn a_window_that_loses_order_is_a_warning() {
        let found = problems(&format!("window = 3\n{SERVER}"));
        assert_eq!(found.len(), 2, "{found:?}");
    }
}
