//! Configuration folders in temporary places, for hubs under test.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A configuration folder with its data beside it; gone when dropped.
///
/// ```text
/// <root>/config/hub.toml    the configuration, mappings/ below
/// <root>/config/data        what the hub keeps
/// <root>/<anything>         folders of partners, `../<anything>` in the configuration
/// ```
pub struct ConfigFolder {
    root: TempDir,
    address: SocketAddr,
}

impl ConfigFolder {
    /// An empty folder and a free port.
    ///
    /// # Errors
    /// The disk or the machine refuses.
    pub fn new() -> io::Result<Self> {
        Self::within(tempfile::tempdir()?)
    }

    /// The same in a folder of one's own: on another disk, say.
    ///
    /// # Errors
    /// The disk or the machine refuses.
    pub fn within(root: TempDir) -> io::Result<Self> {
        std::fs::create_dir_all(root.path().join("config/mappings"))?;
        Ok(Self {
            root,
            address: free_address()?,
        })
    }

    /// Writes the configuration: `[hub]` with folder and port, then `body`. In `body`, paths of
    /// partners' folders are relative: `../in`.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn write(&self, body: &str) -> io::Result<()> {
        let hub = format!(
            "[hub]\ndata_dir = \"data\"\nlisten = \"{}\"\n\n{body}",
            self.address
        );
        self.replace("hub.toml", &hub)
    }

    /// Writes a mapping file, `mappings/<name>.toml`.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn write_mapping(&self, name: &str, text: &str) -> io::Result<()> {
        self.replace(&format!("mappings/{name}.toml"), text)
    }

    /// Replaces a file of the configuration at once, so that a running hub never sees half of it.
    fn replace(&self, name: &str, text: &str) -> io::Result<()> {
        let partial = self.root.path().join("being-written");
        std::fs::write(&partial, text)?;
        std::fs::rename(partial, self.dir().join(name))
    }

    /// The configuration folder.
    #[must_use]
    pub fn dir(&self) -> PathBuf {
        self.root.path().join("config")
    }

    /// A partner's folder, made if it is missing: `../<name>` in the configuration.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn partner(&self, name: &str) -> io::Result<PathBuf> {
        let folder = self.root.path().join(name);
        std::fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// The folder of everything.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// Where the hub listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Keeps everything on disk, to look at after a failure. Returns where.
    #[must_use]
    pub fn keep(self) -> PathBuf {
        self.root.keep()
    }
}

/// A port of this machine that was free a moment ago.
///
/// # Errors
/// The machine has none.
pub fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}
