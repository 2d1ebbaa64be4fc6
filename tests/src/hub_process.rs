//! The built `meterhub` as a child process: started, watched, killed, stopped.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tokio::process::Child;

use crate::config_folder::ConfigFolder;
use crate::http_load::Connection;
use crate::wait::PATIENCE;

/// Pause between two looks whether the hub is ready.
const LOOK: Duration = Duration::from_millis(5);

/// The binary: `METERHUB_BIN`, or what cargo builds beside the running test. Built once per test
/// process, so that a test never runs against an old one.
///
/// # Panics
/// The binary cannot be built.
#[must_use]
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| match std::env::var_os("METERHUB_BIN") {
        Some(path) => path.into(),
        None => build(),
    })
}

fn build() -> PathBuf {
    let test = std::env::current_exe().expect("a running test has a path");
    // target/<profile>/deps/<test>, or target/<profile>/<binary>
    let above = |path: &Path| path.parent().map(Path::to_owned).expect("has a folder");
    let beside = above(&test);
    let folder = if beside.ends_with("deps") {
        above(&beside)
    } else {
        beside
    };
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| env!("CARGO").into()));
    cargo.args([
        "build",
        "--quiet",
        "--package",
        "meterhub",
        "--bin",
        "meterhub",
    ]);
    cargo.arg("--target-dir").arg(above(&folder));
    match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => {}
        Some(profile) => drop(cargo.args(["--profile", profile])),
    }
    let built = cargo
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .expect("cargo can be run");
    assert!(built.success(), "`meterhub` cannot be built");
    folder.join("meterhub")
}

/// A hub that runs as a process of its own. Killed when dropped.
pub struct HubProcess {
    child: Child,
    address: SocketAddr,
    log: PathBuf,
}

impl HubProcess {
    /// Starts a hub and waits until it is ready. Its log is added to `<root>/hub.log`.
    ///
    /// # Panics
    /// It ends, or is not ready in time; the log is in the message.
    pub async fn start(config: &ConfigFolder) -> Self {
        let mut hub = Self::spawn(config).expect("meterhub can be run");
        hub.ready().await;
        hub
    }

    /// Starts a hub without waiting.
    ///
    /// # Errors
    /// The process cannot be started.
    pub fn spawn(config: &ConfigFolder) -> io::Result<Self> {
        let log = config.root().join("hub.log");
        let out = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&log)?;
        let mut command = tokio::process::Command::from(command(config));
        command
            .arg("run")
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out);
        let child = command.kill_on_drop(true).spawn()?;
        Ok(Self {
            child,
            address: config.address(),
            log,
        })
    }

    /// Waits until the hub says that it is ready.
    ///
    /// # Panics
    /// It ends, or is not ready in time; the log is in the message.
    pub async fn ready(&mut self) {
        let begun = Instant::now();
        loop {
            let mut connection = Connection::new(self.address);
            if connection
                .get("/health/ready")
                .await
                .is_ok_and(|answer| answer.status == 200)
            {
                return;
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("the hub ended with {status}:\n{}", self.log());
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "the hub is not ready:\n{}",
                self.log()
            );
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What the hubs of this folder have logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The process.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// SIGKILL: it gets no chance to tidy up. Returns when it is gone.
    ///
    /// # Panics
    /// It ended by itself before: that is a defect.
    pub async fn kill(mut self) {
        if let Ok(Some(status)) = self.child.try_wait() {
            panic!("the hub ended by itself with {status}:\n{}", self.log());
        }
        self.child.kill().await.expect("a child can be killed");
    }

    /// SIGTERM: it finishes what it is doing, and ends.
    ///
    /// # Panics
    /// It ended before.
    pub fn terminate(&self) {
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok());
        let pid = pid
            .and_then(rustix::process::Pid::from_raw)
            .expect("the hub is running");
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)
            .expect("a child can be signalled");
    }

    /// SIGTERM, and waits for its end.
    ///
    /// # Panics
    /// It does not end in time, or not with success.
    pub async fn stop(mut self) {
        self.terminate();
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        let status = ended
            .expect("the hub stops in time")
            .expect("a child can be waited for");
        assert!(
            status.success(),
            "the hub ended with {status}:\n{}",
            self.log()
        );
    }

    /// Waits for the process to end by itself. Returns whether with success.
    ///
    /// # Panics
    /// It does not end in time.
    pub async fn ended(mut self) -> bool {
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        ended
            .expect("the hub ends by itself")
            .expect("a child can be waited for")
            .success()
    }
}

/// The binary with its configuration folder; the caller adds a command.
#[must_use]
pub fn command(config: &ConfigFolder) -> Command {
    let mut command = Command::new(binary());
    command
        .arg("--config")
        .arg(config.dir())
        .env("NO_COLOR", "1");
    command
}

/// Runs a command line beside a hub: `["message", "list", "--json"]`.
///
/// # Panics
/// The binary cannot be run.
#[must_use]
pub fn run(config: &ConfigFolder, arguments: &[&str]) -> Output {
    command(config)
        .args(arguments)
        .output()
        .expect("meterhub can be run")
}

/// Runs a command line that prints JSON, one value a line, and reads it.
///
/// # Panics
/// What it prints is not JSON.
#[must_use]
pub fn run_json(config: &ConfigFolder, arguments: &[&str]) -> Vec<serde_json::Value> {
    let output = run(config, &[arguments, &["--json"]].concat());
    let text = String::from_utf8_lossy(&output.stdout);
    let problem = || {
        let errors = String::from_utf8_lossy(&output.stderr);
        format!("{arguments:?} ({}): {text}{errors}", output.status)
    };
    let read = |line| {
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {}", problem()))
    };
    text.lines().map(read).collect()
}
