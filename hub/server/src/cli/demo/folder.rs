//! The demo's folder: written anew each time, and never at the cost of what was there.
//!
//! A marker file says that a folder is a demo's. What an earlier demo left is moved into
//! `earlier/<number>`; nothing is ever deleted, and a folder without the marker is not touched.

use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::embedded::{CONFIG, INPUTS, WAREHOUSE};

const MARKER: &str = ".meterhub-demo";
const MARKER_TEXT: &str =
    "`meterhub demo` made this folder. The next demo moves what it made into `earlier/`.\n";
const EARLIER: &str = "earlier";

/// Folders that partners' systems would have made.
const DROPS: [&str; 3] = ["in/north-erp", "in/north-head-end", "in/south-vendor"];

/// What stands directly in a demo's folder, beside the files of [`CONFIG`].
const OWN: [&str; 6] = ["mappings", "inputs", "in", "out", "data", "hub.log"];
const SECRETS: &str = "secrets";

/// Why the folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum FolderError {
    /// There is something in it that no demo made.
    #[error(
        "`{0}` is not empty and not a demo's folder, so it is left alone; name another with `--dir DIR`"
    )]
    NotOurs(PathBuf),
    /// A hub has its data.
    #[error("a hub is running on `{0}`; stop it first, or name another folder with `--dir DIR`")]
    InUse(PathBuf),
    /// The file system refused.
    #[error("`{path}` cannot be used")]
    Io {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
}

/// A folder ready for a demo.
pub(super) struct Folder {
    root: PathBuf,
    /// Where an earlier demo's files are now.
    pub(super) earlier: Option<PathBuf>,
}

/// What partners are known by, new for each demo.
pub(super) struct Tokens {
    /// The portal's, when it posts to the hub.
    pub(super) portal: String,
    /// The hub's, when it posts to the warehouse.
    pub(super) warehouse: String,
}

impl Tokens {
    /// New ones.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            portal: token()?,
            warehouse: token()?,
        })
    }
}

impl Folder {
    /// Makes the folder, or makes it fresh.
    pub(super) fn prepare(
        root: &Path,
        warehouse: SocketAddr,
        tokens: &Tokens,
    ) -> Result<Self, FolderError> {
        let failed = |cause| FolderError::Io {
            path: root.to_owned(),
            cause,
        };
        let earlier = match fs::read_dir(root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(error)),
            Ok(_) if root.join(MARKER).is_file() => {
                refuse_if_in_use(root)?;
                put_aside(root).map_err(failed)?
            }
            Ok(mut entries) => match entries.next() {
                Some(_) => return Err(FolderError::NotOurs(root.to_owned())),
                None => None,
            },
        };
        let folder = Self {
            root: root.to_owned(),
            earlier,
        };
        folder.write(warehouse, tokens).map_err(failed)?;
        Ok(folder)
    }

    /// A path in it.
    pub(super) fn path(&self, below: &str) -> PathBuf {
        self.root.join(below)
    }

    /// The folder itself.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    fn write(&self, warehouse: SocketAddr, tokens: &Tokens) -> io::Result<()> {
        for folder in DROPS.iter().chain(&["mappings", "inputs"]) {
            fs::create_dir_all(self.path(folder))?;
        }
        fs::write(self.path(MARKER), MARKER_TEXT)?;
        for (name, bytes) in CONFIG {
            let text = String::from_utf8_lossy(bytes).replace(WAREHOUSE, &warehouse.to_string());
            fs::write(self.path(name), text)?;
        }
        for (name, bytes) in INPUTS {
            fs::write(self.path("inputs").join(name), bytes)?;
        }
        let secrets = self.path(SECRETS);
        fs::create_dir_all(&secrets)?;
        write_secret(&secrets.join("portal-token"), &tokens.portal)?;
        write_secret(&secrets.join("warehouse-token"), &tokens.warehouse)
    }
}

fn refuse_if_in_use(root: &Path) -> Result<(), FolderError> {
    let lock = File::open(root.join("data/hub.lock"));
    match lock.map(|lock| lock.try_lock()) {
        Ok(Err(fs::TryLockError::WouldBlock)) => Err(FolderError::InUse(root.to_owned())),
        _ => Ok(()),
    }
}

/// Moves what an earlier demo made out of the way. `None` if there is nothing.
fn put_aside(root: &Path) -> io::Result<Option<PathBuf>> {
    let ours = || {
        CONFIG
            .iter()
            .map(|(name, _)| *name)
            .filter(|name| !name.contains('/'))
    };
    let names: Vec<&str> = ours()
        .chain(OWN)
        .chain([SECRETS])
        .filter(|name| root.join(name).symlink_metadata().is_ok())
        .collect();
    if names.is_empty() {
        return Ok(None);
    }
    let place = next_place(&root.join(EARLIER))?;
    for name in names {
        fs::rename(root.join(name), place.join(name))?;
    }
    Ok(Some(place))
}

/// A new folder with the next number.
fn next_place(earlier: &Path) -> io::Result<PathBuf> {
    fs::create_dir_all(earlier)?;
    let mut newest = 0;
    for entry in fs::read_dir(earlier)? {
        let number = entry?
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u64>().ok());
        newest = newest.max(number.unwrap_or(0));
    }
    let place = earlier.join((newest + 1).to_string());
    fs::create_dir(&place)?;
    Ok(place)
}

/// 32 random bytes in hexadecimal.
fn token() -> io::Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn write_secret(path: &Path, secret: &str) -> io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    writeln!(file, "{secret}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepare(root: &Path) -> Result<Folder, FolderError> {
        Folder::prepare(
            root,
            SocketAddr::from(([127, 0, 0, 1], 4711)),
            &Tokens::new().unwrap(),
        )
    }

    #[test]
    fn a_second_demo_puts_the_first_aside_and_leaves_the_rest() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("quickstart");
        prepare(&root).unwrap();
        assert!(
            fs::read_to_string(root.join("north.toml"))
                .unwrap()
                .contains("127.0.0.1:4711")
        );
        fs::write(root.join("north.toml"), "# mine").unwrap();
        fs::write(root.join("notes.txt"), "mine too").unwrap();
        let second = prepare(&root).unwrap();
        let earlier = second.earlier.unwrap();
        assert_eq!(earlier, root.join("earlier/1"));
        assert_eq!(
            fs::read_to_string(earlier.join("north.toml")).unwrap(),
            "# mine"
        );
        assert_eq!(
            fs::read_to_string(root.join("notes.txt")).unwrap(),
            "mine too"
        );
        assert_eq!(
            prepare(&root).unwrap().earlier,
            Some(root.join("earlier/2"))
        );
    }

    #[test]
    fn a_folder_of_others_is_not_touched() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("thesis.txt"), "years of work").unwrap();
        assert!(matches!(prepare(dir.path()), Err(FolderError::NotOurs(_))));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_data_of_a_running_hub_is_not_moved() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("quickstart");
        prepare(&root).unwrap();
        fs::create_dir(root.join("data")).unwrap();
        let lock = File::create(root.join("data/hub.lock")).unwrap();
        lock.lock().unwrap();
        assert!(matches!(prepare(&root), Err(FolderError::InUse(_))));
        assert!(root.join("data/hub.lock").exists());
    }

    #[test]
    fn secrets_are_different_each_time_and_for_the_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let folder = prepare(&dir.path().join("quickstart")).unwrap();
        let secret = |name: &str| fs::read_to_string(folder.path(name)).unwrap();
        assert_ne!(
            secret("secrets/portal-token"),
            secret("secrets/warehouse-token")
        );
        let mode = fs::metadata(folder.path("secrets/portal-token"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o077, 0);
    }
}
