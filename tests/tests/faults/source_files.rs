//! Files that are not what the listing said: the size is a lie, or they grow while they are read.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use meterhub_tests::faults::{Call, Fault};
use meterhub_tests::random::Random;
use meterhub_tests::workload::{Content, Maker, sha256_hex};

use crate::rig::{FILES_IN, Rig};

/// Appends to a file once, as a slow partner does who renamed too early.
fn append_once(more: Vec<u8>) -> impl Fn(&Path) + Send + Sync {
    let done = AtomicBool::new(false);
    move |path| {
        if !done.swap(true, Ordering::SeqCst) {
            let file = std::fs::File::options().append(true).open(path);
            file.and_then(|mut file| file.write_all(&more))
                .expect("can be appended to");
        }
    }
}

/// Whatever was accepted, it is what the file is in the end, and the store's copy is intact.
async fn is_taken_whole(rig: &Rig, content: Content) {
    let folder = rig.folder("drops");
    rig.taken(&folder).await;
    rig.idle().await;
    let messages = rig.messages().await;
    assert_eq!(messages.len(), 1, "{messages:#?}");
    assert_eq!(messages[0].size, content.bytes.len() as u64);
    assert_eq!(messages[0].content_sha256, sha256_hex(&content.bytes));
    assert_eq!(rig.half_written(), 0);
    rig.assert_conserved(vec![content.sent("drops", None, None)])
        .await;
}

fn sized(large: bool) -> Content {
    Maker::new("con", Random::new(5)).json_readings(if large { 3_000 } else { 20 }, 0)
}

async fn a_lie_about_the_size(large: bool) {
    let rig = Rig::start(FILES_IN).await;
    let content = sized(large);
    let folder = rig.folder("drops");
    for len in [
        content.bytes.len() as u64 - 10,
        content.bytes.len() as u64 + 10,
    ] {
        rig.files
            .add(Fault::lie_about_len(len).path("claimed").times(1));
    }
    folder
        .drop_file("a.jsonl", &content.bytes)
        .expect("can be written");
    is_taken_whole(&rig, content).await;
    rig.service.stop().await;
}

#[tokio::test]
async fn a_small_file_whose_size_is_a_lie_is_put_off_and_taken_whole() {
    a_lie_about_the_size(false).await;
}

#[tokio::test]
async fn a_large_file_whose_size_is_a_lie_is_put_off_and_taken_whole() {
    a_lie_about_the_size(true).await;
}

/// The file grows just before one of the calls that the hub makes to take it.
async fn grows_before(large: bool, call: Call, path: &'static str, skip: u32) {
    let rig = Rig::start(FILES_IN).await;
    let content = sized(large);
    let cut = content.bytes.len() / 2 / 10 * 10;
    let (begin, rest) = content.bytes.split_at(cut);
    let append = Arc::new(append_once(rest.to_vec()));
    rig.files.add(
        Fault::meanwhile(call, move |path| append(path))
            .path(path)
            .skip(skip)
            .times(1),
    );
    rig.folder("drops")
        .drop_file("a.jsonl", begin)
        .expect("can be written");
    is_taken_whole(&rig, content).await;
    rig.service.stop().await;
}

#[tokio::test]
async fn a_small_file_that_grows_before_it_is_read_is_taken_whole() {
    grows_before(false, Call::Open, "claimed", 1).await;
}

#[tokio::test]
async fn a_large_file_that_grows_before_the_store_links_it_is_taken_whole() {
    grows_before(true, Call::Link, "claimed", 0).await;
}

/// Under the store's second name for it.
#[tokio::test]
async fn a_large_file_that_grows_before_it_is_read_is_taken_whole() {
    grows_before(true, Call::Open, "partial", 0).await;
}

/// After it was read and hashed, before the store gives it the name of that hash.
#[tokio::test]
async fn a_large_file_that_grows_after_it_was_read_is_taken_whole() {
    grows_before(true, Call::Stat, "partial", 0).await;
}
