//! How fast one large file goes each way, beside OpenSSH's own `sftp` against the same server, in
//! turns; and the most memory that took.
//!
//! ```text
//! eval "$(deploy/test-services env)"
//! cargo run --release -p adapter-sftp --example sftp_rate -- 1000 3     # MB, rounds
//! ```

use std::error::Error;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use adapter_sftp::{SftpSinkConfig, SftpSourceConfig};
use hub_core::files::OsFiles;
use hub_core::{
    AdapterContext, Body, Content, MessageId, Piece, Settlement, SinkConfig, SourceConfig,
};
use meterhub_tests::conformance::{context, message};
use meterhub_tests::random::Random;
use tokio::io::AsyncReadExt;

/// Bytes that the hub hands to its disk at a time.
const PIECE_BYTES: usize = 256 * 1024;

type Failure = Box<dyn Error>;

struct Bench {
    context: AdapterContext,
    base: tempfile::TempDir,
    folder: tempfile::TempDir,
    remote: String,
    server: String,
    bytes: u64,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let argument = |n, default| std::env::args().nth(n).map_or(Ok(default), |a| a.parse());
    let (megabytes, rounds) = (argument(1, 1_000)?, argument(2, 3)?);
    let bench = Bench::new(megabytes)?;
    println!("{megabytes} MB; MB/s of the adapter and of `sftp` (n = {rounds})");
    for round in 0..rounds {
        let down = (bench.fetch().await?, bench.sftp("get", "big.bin")?);
        let up = (bench.put(round).await?, bench.sftp("put", "up.bin")?);
        for (way, (ours, theirs)) in [("fetch", down), ("put", up)] {
            println!(
                "{way}: {ours:.0} {theirs:.0} ({:.0} %)",
                ours / theirs * 100.0
            );
        }
    }
    println!("most memory: {}", most_memory()?);
    Ok(())
}

impl Bench {
    fn new(megabytes: u64) -> Result<Self, Failure> {
        let (url, files) = (std::env::var("SFTP_URL")?, std::env::var("SFTP_FILES")?);
        let (user, address) = url
            .strip_prefix("sftp://")
            .and_then(|login| login.split_once('@'))
            .ok_or("SFTP_URL is no sftp://user@host:port")?;
        let base = tempfile::tempdir()?;
        let known_hosts = base.path().join("known_hosts");
        fs::copy(std::env::var("SFTP_KNOWN_HOSTS")?, known_hosts)?;
        let folder = tempfile::tempdir_in(Path::new(&files).join("in"))?;
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777))?;
        let name = folder
            .path()
            .file_name()
            .unwrap_or_default()
            .to_string_lossy();
        let root = std::env::var("SFTP_PATH")?;
        let bench = Self {
            context: context("bench", base.path(), Arc::new(OsFiles)),
            remote: format!("{}/in/{name}", root.trim_end_matches('/')),
            server: format!(
                "[server]\naddress = '{address}'\nuser = '{user}'\nprivate_key = 'file:{}'",
                std::env::var("SFTP_KEY")?
            ),
            bytes: megabytes * 1_000_000,
            base,
            folder,
        };
        for path in [bench.folder.path().join("big.bin"), bench.local("up.bin")] {
            write_noise(&path, bench.bytes)?;
        }
        Ok(bench)
    }

    fn local(&self, name: &str) -> PathBuf {
        self.base.path().join(name)
    }

    /// Fetches the file to disk, and leaves it on the server.
    async fn fetch(&self) -> Result<f64, Failure> {
        let text = format!(
            "path = '{}'\ninclude = ['big.bin']\ncomplete = 'rename'\n{}",
            self.remote, self.server
        );
        let config: SftpSourceConfig = toml::from_str(&text)?;
        let mut source = config.connect(&self.context).await?;
        let begun = Instant::now();
        let (message, receipt) = source.receive().await?.into_parts();
        let Body::Stream(mut stream) = message.body else {
            return Err("a stream was expected".into());
        };
        let mut file = fs::File::create(self.local("got.bin"))?;
        let mut copied = 0;
        loop {
            // As the hub's intake does it.
            let mut piece = Vec::with_capacity(PIECE_BYTES);
            let mut limited = (&mut stream).take(PIECE_BYTES as u64);
            if limited.read_to_end(&mut piece).await? == 0 {
                break;
            }
            copied += piece.len() as u64;
            let writing =
                tokio::task::spawn_blocking(move || file.write_all(&piece).map(|()| file));
            file = writing.await??;
        }
        let rate = self.rate(begun);
        assert_eq!(copied, self.bytes);
        let after = std::time::Duration::from_secs(3_600);
        receipt.settle(Settlement::Retry { after }).await;
        fs::remove_file(self.local("got.bin"))?;
        Ok(rate)
    }

    async fn put(&self, round: u64) -> Result<f64, Failure> {
        let text = format!("path = '{}'\n{}", self.remote, self.server);
        let config: SftpSinkConfig = toml::from_str(&text)?;
        let sink = config.connect(&self.context).await?;
        let mut message = message(round + 1, "meter:1");
        message.message_id = MessageId(i64::try_from(round)? + 1);
        message.content = Content(vec![Piece::File {
            path: self.local("up.bin"),
            len: self.bytes,
        }]);
        let begun = Instant::now();
        let sent = sink.send(&message).await?;
        let rate = self.rate(begun);
        fs::remove_file(self.folder.path().join(sent.note))?;
        Ok(rate)
    }

    /// OpenSSH's client, as it comes; `put` makes the file durable, as the adapter does.
    fn sftp(&self, verb: &str, name: &str) -> Result<f64, Failure> {
        let url = std::env::var("SFTP_URL")?;
        let known_hosts = self.local("known_hosts");
        let begun = Instant::now();
        let mut sftp = Command::new("sftp")
            .args(["-q", "-b", "-", "-F", "/dev/null", "-i"])
            .arg(std::env::var("SFTP_KEY")?)
            .args(["-o", "IdentitiesOnly=yes", "-o"])
            .arg(format!("UserKnownHostsFile={}", known_hosts.display()))
            .arg(url)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()?;
        let (here, there) = (self.base.path().display(), &self.remote);
        let script = match verb {
            "get" => format!("get {there}/{name} {here}/got.bin\n"),
            _ => format!("put -f {here}/{name} {there}/{name}\n"),
        };
        sftp.stdin
            .take()
            .ok_or("no pipe")?
            .write_all(script.as_bytes())?;
        let ended = sftp.wait()?;
        let rate = self.rate(begun);
        assert!(ended.success(), "`sftp` failed");
        let left = match verb {
            "get" => self.local("got.bin"),
            _ => self.folder.path().join(name),
        };
        fs::remove_file(left)?;
        Ok(rate)
    }

    fn rate(&self, begun: Instant) -> f64 {
        self.bytes as f64 / 1e6 / begun.elapsed().as_secs_f64()
    }
}

fn write_noise(path: &Path, bytes: u64) -> Result<(), Failure> {
    let mut random = Random::new(7);
    let block: Vec<u8> = (0..131_072)
        .flat_map(|_| random.next_number().to_le_bytes())
        .collect();
    let mut file = fs::File::create(path)?;
    let mut left = bytes;
    while left > 0 {
        let count = usize::try_from(left)?.min(block.len());
        file.write_all(&block[..count])?;
        left -= count as u64;
    }
    Ok(file.sync_all()?)
}

fn most_memory() -> Result<String, Failure> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"));
    Ok(line.unwrap_or("unknown").to_owned())
}
