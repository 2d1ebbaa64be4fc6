//! The SFTP source against OpenSSH.

mod support;

use std::fs;
use std::time::Duration;

use async_trait::async_trait;
use hub_core::{Body, Settlement, Source};
use meterhub_tests::conformance::{self, Partner, Told, accepted, open, read, receive};
use meterhub_tests::proxy::{Fault, Proxy, Step};
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, timeout};

use support::{Site, noise};

/// A partner that puts files into its folder on the server.
struct Uploader {
    site: Site,
    options: &'static str,
    done_file: bool,
}

#[async_trait]
impl Partner for Uploader {
    async fn connect(&mut self) -> Box<dyn Source> {
        self.site.source(self.options).await
    }

    async fn send(&mut self, name: &str, body: &[u8]) {
        self.site.write(name, body);
        if self.done_file {
            self.site.write(&format!("{name}.done"), "");
        }
    }

    async fn send_again(&mut self, _: &str, _: &[u8]) {}

    async fn told(&mut self, name: &str) -> Told {
        if self.site.archived().contains(name) {
            return Told::Yes;
        }
        match self.site.names(".meterhub/quarantine").contains(name) {
            true => Told::Never,
            false => Told::Later,
        }
    }
}

#[tokio::test]
async fn conforms() {
    for (options, done_file) in [
        ("complete = 'rename'", false),
        ("complete = 'unchanged'", false),
        ("complete = 'rename'\nwindow = 2\norder = 'modified'", false),
        ("complete = 'done-file'", true),
    ] {
        let Some(site) = Site::new() else { return };
        let mut partner = Uploader {
            site,
            options,
            done_file,
        };
        conformance::source(&mut partner).await;
        assert_eq!(partner.site.names(".meterhub/quarantine").len(), 2);
        let left = partner.site.names("");
        assert_eq!(left, [".meterhub".to_owned()].into(), "{options}");
    }
}

async fn next_name(source: &mut dyn Source) -> String {
    let (name, _, settle) = open(source).await;
    settle(accepted()).await;
    name
}

/// Nothing comes for several polls.
async fn nothing_comes(source: &mut dyn Source) {
    let waited = timeout(Duration::from_millis(700), source.receive()).await;
    assert!(waited.is_err(), "something came");
}

#[tokio::test]
async fn a_large_file_comes_as_a_stream() {
    let Some(site) = Site::new() else { return };
    let bytes = noise(20_000_001);
    site.write("large.bin", &bytes);
    let mut source = site.source("complete = 'rename'").await;
    let (message, receipt) = receive(source.as_mut()).await.into_parts();
    assert!(matches!(message.body, Body::Stream(_)));
    assert!(
        message
            .headers
            .iter()
            .any(|(k, v)| k == "path" && v == "large.bin")
    );
    assert!(read(message.body).await.unwrap() == bytes);
    assert!(site.archived().is_empty(), "not before the commit");
    receipt.settle(accepted()).await;
    assert_eq!(site.archived(), ["large.bin".to_owned()].into());
}

#[tokio::test]
async fn a_file_that_breaks_off_is_no_file_and_comes_again() {
    let Some(site) = Site::new() else { return };
    let bytes = noise(8_000_000);
    site.write("large.bin", &bytes);
    for fault in [Fault::Cut, Fault::Truncate] {
        let proxy = Proxy::start(site.address).await.unwrap();
        site.knows(proxy.address());
        let server = site.server(proxy.address());
        let mut source = site
            .try_source(&server, "complete = 'rename'")
            .await
            .unwrap();
        proxy.follow([Step {
            after_bytes: 3_000_000,
            fault,
        }]);
        let (message, receipt) = receive(source.as_mut()).await.into_parts();
        let Body::Stream(mut stream) = message.body else {
            panic!("a stream was expected");
        };
        let mut got = Vec::new();
        let error = stream.read_to_end(&mut got).await.unwrap_err();
        assert!(got.len() < bytes.len(), "{error}");
        let soon = Settlement::Retry {
            after: Duration::from_millis(10),
        };
        receipt.settle(soon).await;
        let (name, body, _unsettled) = open(source.as_mut()).await;
        assert!(name == "large.bin" && body == bytes);
    }
    assert!(site.archived().is_empty());
}

#[tokio::test]
async fn a_file_settled_while_the_wire_was_cut_is_moved_later_and_not_fetched_again() {
    let Some(site) = Site::new() else { return };
    site.write("a.csv", "1");
    let proxy = Proxy::start(site.address).await.unwrap();
    site.knows(proxy.address());
    let server = site.server(proxy.address());
    let mut source = site
        .try_source(&server, "complete = 'rename'")
        .await
        .unwrap();
    let (_, _, settle) = open(source.as_mut()).await;
    proxy.stall();
    settle(accepted()).await;
    assert!(site.disk("a.csv").exists(), "the server could not be told");
    proxy.cut();
    proxy.heal();
    // The hub drops a source that lost its server and connects another; the file stays known.
    drop(source);
    let mut source = site
        .try_source(&server, "complete = 'rename'")
        .await
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while site.disk("a.csv").exists() {
        assert!(Instant::now() < deadline, "it is never moved");
        nothing_comes(source.as_mut()).await;
    }
    assert_eq!(site.archived(), ["a.csv".to_owned()].into());
}

#[tokio::test]
async fn a_file_written_to_after_it_was_taken_is_taken_again() {
    let Some(site) = Site::new() else { return };
    site.write("a.csv", "first");
    let mut source = site.source("complete = 'rename'").await;
    let (_, body, settle) = open(source.as_mut()).await;
    assert_eq!(body, b"first");
    site.write("a.csv", "first and second");
    settle(accepted()).await;
    assert!(site.archived().is_empty());
    let (_, body, settle) = open(source.as_mut()).await;
    assert_eq!(body, b"first and second");
    settle(accepted()).await;
    assert_eq!(site.archived().len(), 1);
}

#[tokio::test]
async fn a_file_that_grows_is_left_alone_until_it_rests() {
    let Some(site) = Site::new() else { return };
    let options = "complete = 'unchanged'\npoll_milliseconds = 500";
    let mut source = site.source(options).await;
    let mut content = String::new();
    for _ in 0..50 {
        content.push('x');
        fs::write(site.disk("grows.csv"), &content).unwrap();
        let waited = timeout(Duration::from_millis(40), source.receive()).await;
        assert!(waited.is_err(), "taken while it grew");
    }
    let (_, body, _settle) = open(source.as_mut()).await;
    assert_eq!(body, content.as_bytes());
}

#[tokio::test]
async fn nothing_is_ever_overwritten() {
    let Some(site) = Site::new() else { return };
    let mut source = site.source("complete = 'rename'").await;
    for body in ["1", "2", "3"] {
        site.write("a.csv", body);
        assert_eq!(next_name(source.as_mut()).await, "a.csv");
    }
    let archived = [("a.csv", "1"), ("a-1.csv", "2"), ("a-2.csv", "3")];
    for (name, body) in archived {
        let path = site.disk(".meterhub/archive/2026-03-29").join(name);
        assert_eq!(fs::read_to_string(path).unwrap(), body, "{name}");
    }
    assert_eq!(site.archived().len(), 3);
}

#[tokio::test]
async fn a_rejected_file_lies_beside_its_reason() {
    let Some(site) = Site::new() else { return };
    site.write("bad.csv", "x");
    let mut source = site.source("complete = 'rename'").await;
    let (_, _, settle) = open(source.as_mut()).await;
    let reason = "its key belongs to another message".to_owned();
    settle(Settlement::Reject { reason }).await;
    let told = fs::read_to_string(site.disk(".meterhub/quarantine/bad.csv.reason.txt"));
    assert_eq!(told.unwrap(), "its key belongs to another message\n");
    assert!(site.disk(".meterhub/quarantine/bad.csv").exists());
    nothing_comes(source.as_mut()).await;
}

#[tokio::test]
async fn folders_patterns_order_and_delete_are_as_configured() {
    let Some(site) = Site::new() else { return };
    for folder in ["north", "south"] {
        site.make(folder);
    }
    for (seconds, name) in [
        (3, "a.csv"),
        (2, "north/b.csv"),
        (1, "south/c.xml"),
        (1, "d.txt"),
    ] {
        site.write(name, name);
        let then = std::time::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + seconds);
        fs::File::open(site.disk(name))
            .unwrap()
            .set_modified(then)
            .unwrap();
    }
    std::os::unix::fs::symlink("a.csv", site.disk("link.csv")).unwrap();
    let options = "complete = 'rename'\nrecursive = true\norder = 'modified'\narchive = 'delete'\n\
                   include = ['*.csv', 'south/*']\nexclude = ['z*']";
    let mut source = site.source(options).await;
    for expected in ["c.xml", "b.csv", "a.csv"] {
        assert_eq!(next_name(source.as_mut()).await, expected);
    }
    nothing_comes(source.as_mut()).await;
    assert_eq!(
        site.names("").len(),
        4,
        "north, south, d.txt, link.csv: {:?}",
        site.names("")
    );
    assert!(site.names("north").is_empty() && site.names("south").is_empty());
}

#[tokio::test]
async fn a_root_may_be_relative_to_where_the_login_begins() {
    let Some(site) = Site::new() else { return };
    site.write("a.csv", "1");
    site.make("old");
    // The login begins in `in`.
    let name = site.remote.rsplit('/').next().unwrap().to_owned();
    let server = site.server(site.address);
    let text = format!(
        "path = '{name}'\narchive = '{name}/old'\ncomplete = 'rename'\npoll_milliseconds = 100\nrecursive = true\n{server}"
    );
    let config: adapter_sftp::SftpSourceConfig = toml::from_str(&text).unwrap();
    hub_core::SourceConfig::check(&config, &site.context)
        .await
        .unwrap();
    let mut source = hub_core::SourceConfig::connect(&config, &site.context)
        .await
        .unwrap();
    assert_eq!(next_name(source.as_mut()).await, "a.csv");
    assert_eq!(site.names("old/2026-03-29"), ["a.csv".to_owned()].into());
    nothing_comes(source.as_mut()).await;
}

#[tokio::test]
async fn a_folder_that_is_missing_is_a_source_that_is_not_connected() {
    let Some(site) = Site::new() else { return };
    let server = site.server(site.address);
    let text = format!("path = '{}/none'\n{server}", site.remote);
    let config: adapter_sftp::SftpSourceConfig = toml::from_str(&text).unwrap();
    let connected = hub_core::SourceConfig::connect(&config, &site.context).await;
    let Err(error) = connected else {
        panic!("connected to nothing");
    };
    assert!(
        error.to_string().contains("/none`: does not exist"),
        "{error}"
    );
}

#[tokio::test]
async fn a_hundred_thousand_entries_are_no_trouble() {
    let Some(site) = Site::new() else { return };
    for number in 0..100_000 {
        // 7919 is prime to 100,000: every number once, in no order.
        let name = format!("{:06}.csv", number * 7_919 % 100_000);
        fs::File::create(site.disk(&name)).unwrap();
    }
    let mut source = site.source("complete = 'rename'").await;
    let begun = Instant::now();
    for expected in 0..3 {
        let (name, _, settle) = open(source.as_mut()).await;
        assert_eq!(name, format!("{expected:06}.csv"));
        settle(accepted()).await;
    }
    eprintln!(
        "100,000 entries listed, 3 files taken in {:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn a_stalled_server_is_noticed_and_holds_up_nobody_else() {
    let Some(site) = Site::new() else { return };
    let Some(other) = Site::new() else { return };
    let proxy = Proxy::start(site.address).await.unwrap();
    site.knows(proxy.address());
    let server = site.server(proxy.address());
    let mut source = site
        .try_source(&server, "complete = 'rename'")
        .await
        .unwrap();
    nothing_comes(source.as_mut()).await;
    proxy.stall();
    let stalled = tokio::spawn(async move { source.receive().await });
    let mut healthy = other.source("complete = 'rename'").await;
    for number in 0..20 {
        other.write(&format!("{number:02}.csv"), "x");
        assert_eq!(
            next_name(healthy.as_mut()).await,
            format!("{number:02}.csv")
        );
    }
    let limit = Duration::from_secs(3 * support::TIMEOUT_SECONDS);
    let Err(error) = timeout(limit, stalled).await.unwrap().unwrap() else {
        panic!("something came");
    };
    assert!(
        error.to_string().contains("no answer within 3 seconds"),
        "{error}"
    );
    // A new connection is not waited for in vain either.
    let Err(error) = site.try_source(&server, "").await else {
        panic!("connected to a stalled server");
    };
    assert!(
        error.to_string().contains("no answer within 3 seconds"),
        "{error}"
    );
}
