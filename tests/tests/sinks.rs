//! The conformance kit for sinks, asked of those whose receiver needs no server of its own.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use adapter_file::FileSinkConfig;
use adapter_http::HttpSinkConfig;
use async_trait::async_trait;
use hub_core::files::OsFiles;
use hub_core::{Sink, SinkConfig};
use meterhub_tests::conformance::{self, Receiver, Taken, message};
use meterhub_tests::receiver::{self, Behaviour};
use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// A folder, read by a partner.
struct Folder {
    base: TempDir,
}

impl Folder {
    fn path(&self) -> PathBuf {
        self.base.path().join("out")
    }

    fn gone(&self) -> PathBuf {
        self.base.path().join("not-mounted")
    }
}

#[async_trait]
impl Receiver for Folder {
    async fn sink(&mut self) -> Box<dyn Sink> {
        let config: FileSinkConfig = toml_of("path = 'out'");
        let context = conformance::context("partner", self.base.path(), Arc::new(OsFiles));
        config.connect(&context).await.expect("the folder is there")
    }

    async fn sink_with_wrong_credentials(&mut self) -> Option<Box<dyn Sink>> {
        None
    }

    async fn taken(&mut self) -> Vec<Taken> {
        let entries = std::fs::read_dir(self.path()).expect("the folder is there");
        let mut files: Vec<PathBuf> = entries.map(|e| e.expect("can be read").path()).collect();
        files.sort();
        let take = |path: PathBuf| {
            let body = std::fs::read(&path).expect("can be read");
            std::fs::remove_file(&path).expect("can be removed");
            let id = path.file_stem().expect("has a name").to_string_lossy();
            Taken {
                id: id.into_owned(),
                body,
            }
        };
        let taken = files.into_iter().map(take);
        taken.filter(|taken| taken.body != OTHER).collect()
    }

    /// Its file system is not mounted.
    async fn kill(&mut self) -> bool {
        std::fs::rename(self.path(), self.gone()).expect("can be renamed");
        true
    }

    async fn restart(&mut self) {
        std::fs::rename(self.gone(), self.path()).expect("can be renamed");
    }

    async fn stall(&mut self) -> bool {
        false
    }

    async fn resume(&mut self) {}

    /// The name is taken, by other content.
    async fn refuse(&mut self) -> bool {
        let name = format!("{}.txt", message(30, "refused").message_id);
        std::fs::write(self.path().join(name), OTHER).expect("can be written");
        true
    }

    fn time_limit(&self) -> Duration {
        Duration::from_secs(1)
    }
}

const OTHER: &[u8] = b"of somebody else";

/// A web server behind a port that can be closed.
struct Server {
    base: TempDir,
    server: Arc<receiver::Receiver>,
    behind: String,
    port: u16,
    gate: Option<JoinHandle<()>>,
    seen: usize,
}

impl Server {
    async fn start() -> Self {
        let server = receiver::Receiver::start().await;
        let behind = server.url("").trim_start_matches("http://").to_owned();
        let base = tempfile::tempdir().expect("the disk works");
        std::fs::write(base.path().join("token"), "right").expect("the disk works");
        std::fs::write(base.path().join("wrong"), "wrong-password").expect("the disk works");
        let mut started = Self {
            base,
            server: Arc::new(server),
            behind,
            port: 0,
            gate: None,
            seen: 0,
        };
        started.behave();
        started.open().await;
        started
    }

    fn behave(&self) {
        self.server.behave(|request| {
            let is_known = request.header("authorization") == Some("Bearer right");
            match (is_known, request.path.contains("refused")) {
                (false, _) => Behaviour::Refuse(401),
                (true, true) => Behaviour::Refuse(422),
                (true, false) => Behaviour::Take,
            }
        });
    }

    async fn open(&mut self) {
        let listener = TcpListener::bind(("127.0.0.1", self.port))
            .await
            .expect("the port is free");
        self.port = listener.local_addr().expect("has an address").port();
        let behind = self.behind.clone();
        self.gate = Some(tokio::spawn(async move {
            // Connections end with the gate.
            let mut connections = JoinSet::new();
            while let Ok((mut client, _)) = listener.accept().await {
                let behind = behind.clone();
                connections.spawn(async move {
                    let mut server = TcpStream::connect(behind).await?;
                    copy_bidirectional(&mut client, &mut server).await
                });
            }
        }));
    }

    async fn connect(&self, secret: &str) -> Box<dyn Sink> {
        let config: HttpSinkConfig = toml_of(&format!(
            "url = 'http://127.0.0.1:{}/in?about={{subject}}'\ntimeout_seconds = 2\n\
             connect_timeout_seconds = 2\nauth = {{ bearer = 'file:{secret}' }}",
            self.port
        ));
        let context = conformance::context("partner", self.base.path(), Arc::new(OsFiles));
        config.connect(&context).await.expect("the secret is there")
    }
}

#[async_trait]
impl Receiver for Server {
    async fn sink(&mut self) -> Box<dyn Sink> {
        self.connect("token").await
    }

    async fn sink_with_wrong_credentials(&mut self) -> Option<Box<dyn Sink>> {
        Some(self.connect("wrong").await)
    }

    async fn taken(&mut self) -> Vec<Taken> {
        let all = self.server.received();
        let new = all.iter().skip(self.seen).filter(|request| request.taken);
        let taken = new.map(|request| Taken {
            id: request.id().to_owned(),
            body: request.body.to_vec(),
        });
        let taken = taken.collect();
        self.seen = all.len();
        taken
    }

    async fn kill(&mut self) -> bool {
        if let Some(gate) = self.gate.take() {
            gate.abort();
            // Its end is what was asked for.
            let _ = gate.await;
        }
        true
    }

    async fn restart(&mut self) {
        self.open().await;
    }

    async fn stall(&mut self) -> bool {
        self.server.behave(|_| Behaviour::TakeInSilence);
        true
    }

    async fn resume(&mut self) {
        self.behave();
    }

    async fn refuse(&mut self) -> bool {
        true
    }

    fn time_limit(&self) -> Duration {
        Duration::from_secs(4)
    }
}

fn toml_of<C: serde::de::DeserializeOwned>(text: &str) -> C {
    toml::from_str(text).expect("is valid")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_sink_passes() {
    let base = tempfile::tempdir().expect("the disk works");
    let mut folder = Folder { base };
    std::fs::create_dir(folder.path()).expect("the disk works");
    conformance::sink(&mut folder).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_http_sink_passes() {
    conformance::sink(&mut Server::start().await).await;
}
