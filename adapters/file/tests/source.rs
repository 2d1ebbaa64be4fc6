//! The file source against a real file system, and against one that fails.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic too")]

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use adapter_file::FileSourceConfig;
use async_trait::async_trait;
use hub_core::files::OsFiles;
use hub_core::{Settlement, Source, SourceConfig, SourceError};
use meterhub_tests::conformance::{self, Partner, Told, accepted, open, receive};
use meterhub_tests::faults::{Call, Fault, FaultyFiles};
use tempfile::TempDir;

/// A drop folder `in` with a source that takes what has its final name.
struct Drop {
    base: TempDir,
    files: FaultyFiles,
    options: &'static str,
}

impl Drop {
    fn new(options: &'static str) -> Self {
        let base = tempfile::tempdir().unwrap();
        fs::create_dir(base.path().join("in")).unwrap();
        Self {
            base,
            files: FaultyFiles::new(),
            options,
        }
    }

    fn path(&self, below: &str) -> PathBuf {
        self.base.path().join("in").join(below)
    }

    fn write(&self, name: &str, content: &str) {
        let hidden = self.path(".upload.part");
        fs::write(&hidden, content).unwrap();
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::rename(hidden, self.path(name)).unwrap();
    }

    async fn try_connect(&self) -> Result<Box<dyn Source>, SourceError> {
        let config = format!("path = 'in'\n{}", self.options);
        let config: FileSourceConfig = toml::from_str(&config).unwrap();
        assert!(config.validate().iter().all(|p| p.warning));
        let files = Arc::new(self.files.clone());
        config
            .connect(&conformance::context("north", self.base.path(), files))
            .await
    }

    async fn connect(&self) -> Box<dyn Source> {
        self.try_connect().await.unwrap()
    }

    fn archived(&self) -> BTreeSet<String> {
        names(&self.path(".meterhub/archive/2026-03-29"))
    }

    fn quarantined(&self) -> BTreeSet<String> {
        names(&self.path(".meterhub/quarantine"))
    }
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect()
}

async fn next_name(source: &mut dyn Source) -> String {
    let (name, _, settle) = open(source).await;
    settle(accepted()).await;
    name
}

async fn nothing_comes(source: &mut dyn Source) {
    let waited = tokio::time::timeout(Duration::from_secs(9), source.receive()).await;
    assert!(waited.is_err(), "something came");
}

#[async_trait]
impl Partner for Drop {
    async fn connect(&mut self) -> Box<dyn Source> {
        Drop::connect(self).await
    }

    async fn send(&mut self, name: &str, body: &[u8]) {
        self.write(name, std::str::from_utf8(body).unwrap());
    }

    async fn send_again(&mut self, _: &str, _: &[u8]) {}

    async fn told(&mut self, name: &str) -> Told {
        if self.archived().contains(name) {
            return Told::Yes;
        }
        match self.quarantined().contains(name) {
            true => Told::Never,
            false => Told::Later,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn conforms() {
    conformance::source(&mut Drop::new("complete = 'rename'")).await;
    conformance::source(&mut Drop::new("complete = 'unchanged'")).await;
    conformance::source(&mut Drop::new("complete = 'rename'\nwindow = 64")).await;
}

#[tokio::test(start_paused = true)]
async fn files_come_in_order_without_a_pause_between() {
    let drop = Drop::new("complete = 'rename'\npoll_milliseconds = 60000");
    for number in (0..500).rev() {
        drop.write(&format!("{number:03}.csv"), "x");
    }
    let mut source = drop.connect().await;
    let begin = tokio::time::Instant::now();
    for number in 0..500 {
        assert_eq!(next_name(source.as_mut()).await, format!("{number:03}.csv"));
    }
    assert!(
        begin.elapsed() < Duration::from_secs(60),
        "no poll between files"
    );
    assert_eq!(drop.archived().len(), 500);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_grows_is_left_alone_until_it_rests() {
    let drop = Drop::new("complete = 'unchanged'\npoll_milliseconds = 1000");
    let growing = drop.path("growing.csv");
    fs::write(&growing, "line 1\n").unwrap();
    let files = drop.files.clone();
    let target = growing.clone();
    // Five listings each find it longer than before.
    files.add(
        Fault::meanwhile(Call::List, move |_| {
            let mut text = fs::read_to_string(&target).unwrap();
            text.push_str("more\n");
            fs::write(&target, text).unwrap();
        })
        .path("in")
        .times(5),
    );
    let mut source = drop.connect().await;
    let (_, body, settle) = open(source.as_mut()).await;
    assert_eq!(body.iter().filter(|b| **b == b'\n').count(), 6);
    settle(accepted()).await;
}

#[tokio::test(start_paused = true)]
async fn a_file_that_changes_between_listing_and_claim_is_not_taken_yet() {
    let drop = Drop::new("complete = 'unchanged'");
    drop.write("a.csv", "part");
    // Listing looks twice, the claim is the third look.
    let target = drop.path("a.csv");
    let append = move |_: &Path| fs::write(&target, "part and more").unwrap();
    drop.files.add(
        Fault::meanwhile(Call::Stat, append)
            .path("a.csv")
            .skip(2)
            .times(1),
    );
    let mut source = drop.connect().await;
    let (_, body, settle) = open(source.as_mut()).await;
    assert_eq!(body, b"part and more");
    settle(accepted()).await;
    assert_eq!(drop.archived(), BTreeSet::from(["a.csv".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn what_is_written_after_the_claim_is_taken_again() {
    let drop = Drop::new("complete = 'rename'");
    drop.write("a.csv", "first half");
    let mut source = drop.connect().await;
    let (message, receipt) = receive(source.as_mut()).await.into_parts();
    let hub_core::Body::File(claimed) = message.body else {
        panic!("files are given as files")
    };
    fs::write(claimed, "first half, second half").unwrap();
    receipt.settle(accepted()).await;
    assert_eq!(drop.archived(), BTreeSet::new());
    let (name, body, settle) = open(source.as_mut()).await;
    assert_eq!(
        (name.as_str(), body.as_slice()),
        ("a.csv", b"first half, second half".as_slice())
    );
    settle(accepted()).await;
    assert_eq!(drop.archived(), BTreeSet::from(["a.csv".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn a_done_file_releases_its_file_once() {
    let drop = Drop::new("complete = 'done-file'\ndone_suffix = '.ok'");
    drop.write("a.csv", "1");
    let mut source = drop.connect().await;
    nothing_comes(source.as_mut()).await;
    drop.write("a.csv.ok", "");
    assert_eq!(next_name(source.as_mut()).await, "a.csv");
    assert!(!drop.path("a.csv.ok").exists());
    drop.write("a.csv", "2, still being written");
    nothing_comes(source.as_mut()).await;
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_put_back_is_announced_again() {
    let drop = Drop::new("complete = 'done-file'\ndone_suffix = '.ok'");
    let mut source = written_to_while_claimed(&drop).await;
    assert!(drop.path("a.csv").exists() && drop.path("a.csv.ok").exists());
    let (name, body, settle) = open(source.as_mut()).await;
    assert_eq!(
        (name.as_str(), body.as_slice()),
        ("a.csv", &b"all of it"[..])
    );
    settle(accepted()).await;
    assert_eq!(drop.archived(), BTreeSet::from(["a.csv".to_owned()]));
    assert!(!drop.path("a.csv.ok").exists());
}

#[tokio::test(start_paused = true)]
async fn a_file_that_cannot_be_announced_is_not_put_back() {
    let drop = Drop::new("complete = 'done-file'\ndone_suffix = '.ok'");
    drop.files
        .add(Fault::fail(Call::Create, ErrorKind::StorageFull).path("a.csv.ok"));
    let mut source = written_to_while_claimed(&drop).await;
    assert!(!drop.path("a.csv").exists());
    let late = tokio::time::timeout(Duration::from_secs(90), source.receive()).await;
    let (message, receipt) = late.unwrap().unwrap().into_parts();
    assert_eq!(message.name, "a.csv", "offered again as it is now");
    receipt.settle(accepted()).await;
    assert_eq!(drop.archived(), BTreeSet::from(["a.csv".to_owned()]));
}

/// `a.csv` was taken, written to, and accepted in its first state.
async fn written_to_while_claimed(drop: &Drop) -> Box<dyn Source> {
    drop.write("a.csv", "a part");
    drop.write("a.csv.ok", "");
    let mut source = drop.connect().await;
    let (message, receipt) = receive(source.as_mut()).await.into_parts();
    let hub_core::Body::File(claimed) = message.body else {
        panic!("files are given as files")
    };
    fs::write(claimed, "all of it").unwrap();
    receipt.settle(accepted()).await;
    source
}

#[tokio::test(start_paused = true)]
async fn equal_names_never_overwrite_each_other() {
    let drop = Drop::new("complete = 'rename'");
    let mut source = drop.connect().await;
    for content in ["one", "two", "three"] {
        drop.write("report.csv", content);
        let (_, body, settle) = open(source.as_mut()).await;
        assert_eq!(body, content.as_bytes());
        settle(accepted()).await;
    }
    let day = drop.path(".meterhub/archive/2026-03-29");
    assert_eq!(fs::read_to_string(day.join("report.csv")).unwrap(), "one");
    assert_eq!(fs::read_to_string(day.join("report-1.csv")).unwrap(), "two");
    assert_eq!(
        fs::read_to_string(day.join("report-2.csv")).unwrap(),
        "three"
    );
}

#[tokio::test(start_paused = true)]
async fn a_rejected_file_lies_beside_its_reason() {
    let drop = Drop::new("complete = 'rename'");
    drop.write("bad.csv", "x");
    let mut source = drop.connect().await;
    let reason = "key belongs to other content".to_owned();
    let (_, _, settle) = open(source.as_mut()).await;
    settle(Settlement::Reject { reason }).await;
    let expected = ["bad.csv", "bad.csv.reason.txt"].map(str::to_owned);
    assert_eq!(drop.quarantined(), BTreeSet::from(expected));
    let reason = fs::read_to_string(drop.path(".meterhub/quarantine/bad.csv.reason.txt")).unwrap();
    assert_eq!(reason, "key belongs to other content\n");
}

#[tokio::test(start_paused = true)]
async fn a_put_off_file_comes_after_its_pause_and_before_the_others() {
    let drop = Drop::new("complete = 'rename'");
    drop.write("a.csv", "1");
    drop.write("b.csv", "2");
    let mut source = drop.connect().await;
    let (name, _, settle) = open(source.as_mut()).await;
    assert_eq!(name, "a.csv");
    let begin = tokio::time::Instant::now();
    let after = Duration::from_secs(7);
    settle(Settlement::Retry { after }).await;
    assert_eq!(next_name(source.as_mut()).await, "a.csv");
    assert!(begin.elapsed() >= after);
    assert_eq!(next_name(source.as_mut()).await, "b.csv");
}

#[tokio::test(start_paused = true)]
async fn two_nodes_share_a_folder_without_taking_anything_twice() {
    let drop = Drop::new("complete = 'rename'\nwindow = 8");
    for number in 0..200 {
        drop.write(&format!("{number:03}.csv"), "x");
    }
    let (mut one, mut two) = (drop.connect().await, drop.connect().await);
    let mut taken = BTreeSet::new();
    while taken.len() < 200 {
        // Whoever has one first; the other goes on where it was.
        let arrival = tokio::select! {
            arrival = receive(one.as_mut()) => arrival,
            arrival = receive(two.as_mut()) => arrival,
        };
        let (message, receipt) = arrival.into_parts();
        receipt.settle(accepted()).await;
        assert!(taken.insert(message.name));
    }
    nothing_comes(one.as_mut()).await;
    nothing_comes(two.as_mut()).await;
    assert_eq!((taken.len(), drop.archived().len()), (200, 200));
}

#[tokio::test(start_paused = true)]
async fn a_living_node_takes_over_from_a_dead_one() {
    let drop = Drop::new("complete = 'rename'\nwindow = 4\nrecursive = true");
    for name in ["a.csv", "deep/b.csv", "c.csv"] {
        drop.write(name, name);
    }
    let mut dying = drop.connect().await;
    let held = [receive(dying.as_mut()).await, receive(dying.as_mut()).await];
    let mut living = drop.connect().await;
    nothing_comes(living.as_mut()).await;
    std::mem::drop((held, dying));
    for name in ["a.csv", "c.csv", "b.csv"] {
        assert_eq!(next_name(living.as_mut()).await, name);
    }
    let expected = ["a.csv", "c.csv", "deep"].map(str::to_owned);
    assert_eq!(
        drop.archived(),
        BTreeSet::from(expected),
        "under their own names"
    );
}

#[tokio::test(start_paused = true)]
async fn a_receipt_outlives_its_source() {
    let drop = Drop::new("complete = 'rename'");
    drop.write("a.csv", "1");
    let mut source = drop.connect().await;
    let (_, _, settle) = open(source.as_mut()).await;
    std::mem::drop(source);
    let mut next = drop.connect().await;
    nothing_comes(next.as_mut()).await;
    settle(accepted()).await;
    assert_eq!(drop.archived(), BTreeSet::from(["a.csv".to_owned()]));
    nothing_comes(next.as_mut()).await;
}

#[tokio::test(start_paused = true)]
async fn accepted_files_can_be_deleted() {
    let drop = Drop::new("complete = 'rename'\narchive = 'delete'");
    drop.write("a.csv", "1");
    let mut source = drop.connect().await;
    assert_eq!(next_name(source.as_mut()).await, "a.csv");
    assert_eq!(
        names(&drop.path("")),
        BTreeSet::from([".meterhub".to_owned()])
    );
    assert_eq!(drop.archived(), BTreeSet::new());
}

#[tokio::test(start_paused = true)]
async fn an_archive_that_is_full_is_tried_again_and_blocks_nobody() {
    let drop = Drop::new("complete = 'rename'");
    drop.write("a.csv", "1");
    drop.write("b.csv", "2");
    drop.files.add(
        Fault::fail(Call::Link, ErrorKind::StorageFull)
            .path("a.csv")
            .times(1),
    );
    let mut source = drop.connect().await;
    assert_eq!(next_name(source.as_mut()).await, "a.csv");
    assert_eq!(next_name(source.as_mut()).await, "b.csv");
    assert_eq!(drop.archived(), BTreeSet::from(["b.csv".to_owned()]));
    let late = tokio::time::timeout(Duration::from_secs(90), source.receive()).await;
    let (message, receipt) = late.unwrap().unwrap().into_parts();
    assert_eq!(
        message.name, "a.csv",
        "offered again: the hub recognises it"
    );
    receipt.settle(accepted()).await;
    assert_eq!(drop.archived().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_archive_that_stays_full_is_tried_less_and_less_but_every_hour() {
    let drop = Drop::new("complete = 'rename'");
    drop.write("a.csv", "1");
    drop.files
        .add(Fault::fail(Call::Link, ErrorKind::StorageFull));
    let mut source = drop.connect().await;
    let mut pauses = Vec::new();
    let mut last = tokio::time::Instant::now();
    for _ in 0..9 {
        let late = tokio::time::timeout(Duration::from_secs(7_200), source.receive()).await;
        let (_, receipt) = late.unwrap().unwrap().into_parts();
        pauses.push(last.elapsed().as_secs());
        last = tokio::time::Instant::now();
        receipt.settle(accepted()).await;
    }
    assert_eq!(pauses, [0, 60, 120, 240, 480, 960, 1_920, 3_600, 3_600]);
}

#[tokio::test(start_paused = true)]
async fn an_archive_on_another_file_system_gets_a_copy() {
    let drop = Drop::new("complete = 'rename'");
    drop.write("a.csv", "1");
    drop.files
        .add(Fault::fail(Call::Link, ErrorKind::CrossesDevices));
    let mut source = drop.connect().await;
    assert_eq!(next_name(source.as_mut()).await, "a.csv");
    assert_eq!(drop.archived(), BTreeSet::from(["a.csv".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn a_file_that_nobody_may_read_is_quarantined() {
    let drop = Drop::new("complete = 'rename'");
    drop.write("a.csv", "1");
    drop.write("b.csv", "2");
    drop.files
        .add(Fault::fail(Call::Open, ErrorKind::PermissionDenied).path("a.csv"));
    let mut source = drop.connect().await;
    assert_eq!(next_name(source.as_mut()).await, "b.csv");
    assert!(drop.quarantined().contains("a.csv"));
    let reason = fs::read_to_string(drop.path(".meterhub/quarantine/a.csv.reason.txt")).unwrap();
    assert!(reason.contains("permission"), "{reason}");
}

#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn a_file_that_becomes_a_link_as_it_is_claimed_is_not_followed() {
    let drop = Drop::new("complete = 'rename'");
    drop.write("a.csv", "1");
    drop.write("b.csv", "2");
    let swapped = Fault::meanwhile(Call::Rename, |path| {
        fs::remove_file(path).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", path).unwrap();
    });
    drop.files.add(swapped.path("a.csv").times(1));
    let mut source = drop.connect().await;
    assert_eq!(next_name(source.as_mut()).await, "b.csv");
    assert!(drop.path(".meterhub/quarantine/a.csv").is_symlink());
    nothing_comes(source.as_mut()).await;
}

#[tokio::test(start_paused = true)]
async fn a_file_that_cannot_be_claimed_does_not_make_a_hot_loop() {
    let drop = Drop::new("complete = 'rename'\npoll_milliseconds = 1000");
    drop.write("a.csv", "1");
    drop.files
        .add(Fault::fail(Call::Rename, ErrorKind::PermissionDenied).path("a.csv"));
    let mut source = drop.connect().await;
    nothing_comes(source.as_mut()).await;
    assert!(drop.files.count(Call::List) < 15);
    assert_eq!(drop.files.count(Call::Rename), 1, "left alone for a minute");
    drop.write("b.csv", "2");
    assert_eq!(next_name(source.as_mut()).await, "b.csv");
}

#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn odd_entries_are_left_where_they_are() {
    use std::os::unix::ffi::OsStrExt;
    let drop = Drop::new("complete = 'rename'\npoll_milliseconds = 1000");
    std::os::unix::fs::symlink("/etc/hostname", drop.path("link.csv")).unwrap();
    fs::create_dir(drop.path("folder.csv")).unwrap();
    drop.write("empty.csv", "");
    let odd = std::ffi::OsStr::from_bytes(b"z\xe4hler.csv");
    fs::write(drop.path("").join(odd), "x").unwrap();
    let mut source = drop.connect().await;
    assert_eq!(next_name(source.as_mut()).await, "empty.csv");
    assert_eq!(next_name(source.as_mut()).await, "z\u{fffd}hler.csv");
    nothing_comes(source.as_mut()).await;
    assert!(drop.path("link.csv").is_symlink() && drop.path("folder.csv").is_dir());
    assert!(drop.path(".meterhub/archive/2026-03-29").join(odd).exists());
    assert!(drop.files.count(Call::List) < 20, "no hot loop");
}

#[tokio::test(start_paused = true)]
async fn a_folder_that_disappears_is_a_lost_connection() {
    let drop = Drop::new("complete = 'rename'");
    let mut source = drop.connect().await;
    fs::rename(drop.path(""), drop.base.path().join("gone")).unwrap();
    let SourceError::Disconnected { endpoint, reason } =
        source.receive().await.map(|_| ()).unwrap_err();
    assert_eq!(endpoint, "north");
    assert!(reason.contains("watched folder"), "{reason}");
    assert!(drop.try_connect().await.is_err());
    assert!(!drop.path("").exists(), "a missing folder is not made");
}

#[tokio::test(start_paused = true)]
async fn a_file_that_vanishes_while_claimed_holds_nobody_up() {
    let drop = Drop::new("complete = 'rename'");
    drop.write("a.csv", "1");
    drop.write("b.csv", "2");
    let mut source = drop.connect().await;
    let (message, receipt) = receive(source.as_mut()).await.into_parts();
    let hub_core::Body::File(claimed) = message.body else {
        panic!("files are given as files")
    };
    fs::remove_file(claimed).unwrap();
    let after = Duration::from_secs(1);
    receipt.settle(Settlement::Retry { after }).await;
    assert_eq!(next_name(source.as_mut()).await, "b.csv");
}

#[tokio::test]
async fn check_changes_nothing() {
    let drop = Drop::new("");
    let config: FileSourceConfig = toml::from_str("path = 'in'").unwrap();
    let context = conformance::context("north", drop.base.path(), Arc::new(OsFiles));
    config.check(&context).await.unwrap();
    assert_eq!(names(&drop.path("")), BTreeSet::new());
    let missing: FileSourceConfig = toml::from_str("path = 'nowhere'").unwrap();
    let error = missing.check(&context).await.unwrap_err().to_string();
    assert!(
        error.contains("north") && error.contains("nowhere"),
        "{error}"
    );
}
