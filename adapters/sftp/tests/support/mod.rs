//! A folder of a test's own on the OpenSSH server of `deploy/test-services`, which the test also
//! sees on disk.

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test binary uses its part of it, and helpers of tests may panic"
)]

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use adapter_sftp::{SftpSinkConfig, SftpSourceConfig};
use hub_core::files::OsFiles;
use hub_core::{AdapterContext, Sink, SinkConfig, SinkError, Source, SourceConfig, SourceError};
use meterhub_tests::conformance;
use meterhub_tests::services::service;
use tempfile::TempDir;

/// Longest wait for an answer that the tests configure, in seconds.
pub(crate) const TIMEOUT_SECONDS: u64 = 3;

pub(crate) struct Site {
    /// Our side: `known_hosts`, and keys.
    pub(crate) base: TempDir,
    /// Their side, on disk.
    folder: TempDir,
    /// The same folder as the server names it.
    pub(crate) remote: String,
    pub(crate) user: String,
    pub(crate) address: SocketAddr,
    pub(crate) key: String,
    pub(crate) context: AdapterContext,
}

impl Site {
    /// `None`, said aloud, without a server.
    pub(crate) fn new() -> Option<Self> {
        let url = service("SFTP_URL")?;
        let (user, address) = url
            .strip_prefix("sftp://")
            .unwrap()
            .split_once('@')
            .unwrap();
        let inbox = PathBuf::from(service("SFTP_FILES")?).join("in");
        let folder = tempfile::Builder::new()
            .prefix("t")
            .tempdir_in(inbox)
            .unwrap();
        let base = tempfile::tempdir().unwrap();
        fs::copy(
            service("SFTP_KNOWN_HOSTS")?,
            base.path().join("known_hosts"),
        )
        .unwrap();
        let name = folder.path().file_name().unwrap().to_str().unwrap();
        let site = Self {
            context: conformance::context("north", base.path(), Arc::new(OsFiles)),
            remote: format!("{}/in/{name}", service("SFTP_PATH")?.trim_end_matches('/')),
            user: user.to_owned(),
            address: address.parse().unwrap(),
            key: format!("file:{}", service("SFTP_KEY")?),
            base,
            folder,
        };
        open_to_all(site.folder.path());
        Some(site)
    }

    pub(crate) fn disk(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    /// A folder on their side.
    pub(crate) fn make(&self, below: &str) {
        fs::create_dir_all(self.disk(below)).unwrap();
        open_to_all(&self.disk(below));
    }

    /// A file on their side, at once.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let hidden = self.disk(".being-written");
        fs::write(&hidden, content).unwrap();
        fs::set_permissions(&hidden, fs::Permissions::from_mode(0o666)).unwrap();
        fs::rename(hidden, self.disk(name)).unwrap();
    }

    pub(crate) fn names(&self, below: &str) -> BTreeSet<String> {
        let entries = fs::read_dir(self.disk(below)).into_iter().flatten();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    pub(crate) fn archived(&self) -> BTreeSet<String> {
        self.names(".meterhub/archive/2026-03-29")
    }

    /// Makes the server of another address known by the same keys.
    pub(crate) fn knows(&self, address: SocketAddr) {
        let path = self.base.path().join("known_hosts");
        let known = fs::read_to_string(&path).unwrap();
        let [old, new] = [self.address, address].map(|a| format!("[{}]:{}", a.ip(), a.port()));
        fs::write(&path, format!("{known}\n{}", known.replace(&old, &new))).unwrap();
    }

    /// The server's table, logging in by key.
    pub(crate) fn server(&self, address: SocketAddr) -> String {
        self.server_with(address, &format!("private_key = '{}'", self.key))
    }

    pub(crate) fn server_with(&self, address: SocketAddr, login: &str) -> String {
        let user = &self.user;
        server(address, user, login)
    }

    pub(crate) fn source_config(&self, server: &str, options: &str) -> SftpSourceConfig {
        let poll = match options.contains("poll_milliseconds") {
            true => "",
            false => "poll_milliseconds = 100",
        };
        let text = format!("path = '{}'\n{poll}\n{options}\n{server}", self.remote);
        let config: SftpSourceConfig = toml::from_str(&text).unwrap();
        let problems = config.validate();
        assert!(problems.iter().all(|p| p.warning), "{problems:?}");
        config
    }

    pub(crate) async fn try_source(
        &self,
        server: &str,
        options: &str,
    ) -> Result<Box<dyn Source>, SourceError> {
        let config = self.source_config(server, options);
        config.connect(&self.context).await
    }

    pub(crate) async fn source(&self, options: &str) -> Box<dyn Source> {
        let server = self.server(self.address);
        self.try_source(&server, options).await.unwrap()
    }

    pub(crate) async fn try_sink(
        &self,
        server: &str,
        options: &str,
    ) -> Result<Box<dyn Sink>, SinkError> {
        let text = format!("path = '{}'\n{options}\n{server}", self.remote);
        let config: SftpSinkConfig = toml::from_str(&text).unwrap();
        let problems = config.validate();
        assert!(problems.iter().all(|p| p.warning), "{problems:?}");
        config.connect(&self.context).await
    }

    pub(crate) async fn sink(&self, options: &str) -> Box<dyn Sink> {
        let server = self.server(self.address);
        self.try_sink(&server, options).await.unwrap()
    }
}

/// A server's table.
pub(crate) fn server(address: SocketAddr, user: &str, login: &str) -> String {
    format!(
        "[server]\naddress = '{address}'\nuser = '{user}'\nconnect_timeout_seconds = {TIMEOUT_SECONDS}\n\
         timeout_seconds = {TIMEOUT_SECONDS}\n{login}"
    )
}

fn open_to_all(folder: &Path) {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o777)).unwrap();
}

/// Bytes that compress badly and differ everywhere.
pub(crate) fn noise(len: usize) -> Vec<u8> {
    let mut random = meterhub_tests::random::Random::new(7);
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        bytes.extend_from_slice(&random.next_number().to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}
