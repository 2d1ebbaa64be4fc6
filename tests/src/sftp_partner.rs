//! A partner at a real SFTP server: folders that a hub fetches from and delivers to.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::services::service;

/// The partner's folders, on disk and as the server names them.
pub struct Partner {
    folder: TempDir,
    /// The folder as the server names it; `in` and `out` are below.
    pub remote: String,
}

impl Partner {
    /// New folders; `None`, said aloud, if there is no server.
    ///
    /// # Panics
    /// The disk refuses.
    #[must_use]
    pub fn new() -> Option<Self> {
        let files = PathBuf::from(service("SFTP_FILES")?).join("in");
        let folder = tempfile::Builder::new()
            .prefix("e2e")
            .tempdir_in(files)
            .expect("a folder on the server");
        let name = folder.path().file_name().unwrap_or_default();
        let root = service("SFTP_PATH")?;
        let remote = format!(
            "{}/in/{}",
            root.trim_end_matches('/'),
            name.to_string_lossy()
        );
        for below in ["", "in", "out"] {
            let path = folder.path().join(below);
            fs::create_dir_all(&path).expect("can be made");
            let all = fs::Permissions::from_mode(0o777);
            fs::set_permissions(&path, all).expect("can be changed");
        }
        Some(Self { folder, remote })
    }

    /// One of the folders on disk.
    #[must_use]
    pub fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }
}

/// A real SFTP server.
pub struct Server {
    user: String,
    /// Where it is.
    pub address: SocketAddr,
    key: String,
}

impl Server {
    /// The server; `None`, said aloud, if there is none.
    ///
    /// # Panics
    /// Its variables are not what they should be.
    #[must_use]
    pub fn found() -> Option<Self> {
        let url = service("SFTP_URL")?;
        let login = url.strip_prefix("sftp://").expect("an SFTP URL");
        let (user, address) = login.split_once('@').expect("user@address");
        Some(Self {
            user: user.to_owned(),
            address: address.parse().expect("an address"),
            key: service("SFTP_KEY")?,
        })
    }

    /// Makes the keys known of the same server behind a proxy.
    ///
    /// # Panics
    /// The disk refuses.
    pub fn make_known(&self, config: &Path, proxy: SocketAddr) {
        let known = fs::read_to_string(service("SFTP_KNOWN_HOSTS").expect("is set"));
        let of = |address: SocketAddr| format!("[{}]:{}", address.ip(), address.port());
        let known = known.expect("can be read");
        let proxied = known.replace(&of(self.address), &of(proxy));
        fs::write(config.join("known_hosts"), proxied).expect("can be written");
    }

    /// The `server` key of a hub's configuration, for a server at an address: its own, or a proxy's.
    #[must_use]
    pub fn table(&self, address: SocketAddr) -> String {
        let (user, key) = (&self.user, &self.key);
        format!(
            "server = {{ address = \"{address}\", user = \"{user}\", private_key = \"file:{key}\", \
             connect_timeout_seconds = 3, timeout_seconds = 3 }}"
        )
    }
}
