//! The SFTP sink against OpenSSH.

mod support;

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hub_core::{Content, OutgoingMessage, Piece, Sink, SinkError};
use meterhub_tests::conformance;
use meterhub_tests::proxy::{Fault, Proxy, Step};
use meterhub_tests::wait;
use tokio::time::{Instant, timeout};

use support::{Site, noise};

fn message(id: u64, content: impl Into<Bytes>) -> OutgoingMessage {
    OutgoingMessage {
        content: Content::bytes(content),
        ..conformance::message(id, "meter-7")
    }
}

async fn send(sink: &dyn Sink, message: &OutgoingMessage) -> Result<String, SinkError> {
    sink.send(message).await.map(|sent| sent.note)
}

#[tokio::test]
async fn pieces_in_memory_and_in_files_become_one_file() {
    let Some(site) = Site::new() else { return };
    let piece = site.base.path().join("piece");
    fs::write(&piece, noise(3_000_000)).unwrap();
    let content = Content(vec![
        Piece::Bytes(Bytes::from_static(b"head")),
        Piece::File {
            path: piece.clone(),
            len: 3_000_000,
        },
        Piece::Bytes(Bytes::from_static(b"tail")),
    ]);
    let whole = OutgoingMessage {
        content,
        ..message(1, "")
    };
    let sink = site.sink("").await;
    let name = send(sink.as_ref(), &whole).await.unwrap();
    let written = fs::read(site.disk(&name)).unwrap();
    assert_eq!(written.len(), 3_000_008);
    assert!(written[4..3_000_004] == noise(3_000_000));
    assert_eq!(site.names("").len(), 1);

    fs::write(piece, "shorter").unwrap();
    let damaged = OutgoingMessage {
        message_id: hub_core::MessageId(2),
        ..whole
    };
    let error = send(sink.as_ref(), &damaged).await.unwrap_err();
    let SinkError::Refused { answer, .. } = &error else {
        panic!("{error}");
    };
    assert!(answer.contains("damaged"), "{error}");
    assert!(!site.names("").contains("0000000000002.txt"));
}

#[tokio::test]
async fn a_resend_is_recognised_and_other_content_is_refused() {
    let Some(site) = Site::new() else { return };
    let sink = site.sink("name = '{subject}.csv'").await;
    for (attempt, note) in [
        (1, "meter-7.csv"),
        (1, "meter-7.csv (was there already)"),
        (2, "meter-7.csv (was there already)"),
    ] {
        let mut message = message(1, "same");
        message.attempt = attempt;
        assert_eq!(send(sink.as_ref(), &message).await.unwrap(), note);
    }
    for other in ["diff", "longer than before", ""] {
        let error = send(sink.as_ref(), &message(2, other)).await.unwrap_err();
        let refused =
            matches!(&error, SinkError::Refused { answer, .. } if answer.contains("meter-7.csv"));
        assert!(refused, "{error}");
    }
    let kept = fs::read_to_string(site.disk("meter-7.csv")).unwrap();
    assert_eq!(kept, "same");
    assert_eq!(site.names(""), ["meter-7.csv".to_owned()].into());
}

#[tokio::test]
async fn or_gets_a_number_and_a_done_file_in_a_new_folder() {
    let Some(site) = Site::new() else { return };
    let options = "name = '{subject}.csv'\non_existing = 'suffix'\ndone_suffix = '.done'";
    let mut below = site;
    below.remote.push_str("/a/b");
    let sink = below.sink(options).await;
    let error = send(sink.as_ref(), &message(1, "one")).await.unwrap_err();
    let reason = error.to_string();
    assert!(reason.contains("does not exist"), "{reason}");
    let sink = below
        .sink(&format!("{options}\ncreate_folder = true"))
        .await;
    for (id, content, name) in [
        (1, "one", "meter-7.csv"),
        (2, "two", "meter-7-1.csv"),
        // The same bytes in another message are another file.
        (3, "one", "meter-7-2.csv"),
    ] {
        assert_eq!(
            send(sink.as_ref(), &message(id, content)).await.unwrap(),
            name
        );
        let path = below.disk("a/b").join(name);
        assert_eq!(fs::read_to_string(path).unwrap(), content);
        assert!(below.disk(&format!("a/b/{name}.done")).exists());
    }
    assert_eq!(below.names("a/b").len(), 6);
}

#[tokio::test]
async fn a_broken_upload_is_resumed() {
    let Some(site) = Site::new() else { return };
    let bytes = noise(40_000_000);
    let proxy = Proxy::start(site.address).await.unwrap();
    site.knows(proxy.address());
    let sink = site
        .try_sink(&site.server(proxy.address()), "")
        .await
        .unwrap();
    proxy.follow([Step {
        after_bytes: 30_000_000,
        fault: Fault::Cut,
    }]);
    let error = send(sink.as_ref(), &message(1, bytes.clone()))
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            SinkError::Unavailable {
                answered: false,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(site.names(""), [".0000000000001.part".to_owned()].into());
    let broken_at = proxy.forwarded();
    let mut again = message(1, bytes.clone());
    again.attempt = 2;
    let note = send(sink.as_ref(), &again).await.unwrap();
    assert_eq!(note, "0000000000001.txt");
    let resent = proxy.forwarded() - broken_at;
    assert!(resent < 20_000_000, "{resent} bytes were sent again");
    assert!(fs::read(site.disk(&note)).unwrap() == bytes);
    assert_eq!(site.names("").len(), 1);
}

/// What lies under the temporary name is replaced, not followed and not added to.
#[tokio::test]
async fn what_a_crash_left_is_replaced() {
    let Some(site) = Site::new() else { return };
    site.write(".0000000000001.part", "something longer than the message");
    let sink = site.sink("").await;
    let note = send(sink.as_ref(), &message(1, "short")).await.unwrap();
    assert_eq!(fs::read_to_string(site.disk(&note)).unwrap(), "short");
    assert_eq!(site.names("").len(), 1);
}

#[tokio::test]
async fn a_stalled_server_is_unavailable_and_holds_up_nobody_else() {
    let Some(site) = Site::new() else { return };
    let proxy = Proxy::start(site.address).await.unwrap();
    site.knows(proxy.address());
    let stalled = site
        .try_sink(&site.server(proxy.address()), "")
        .await
        .unwrap();
    let stalled: Arc<dyn Sink> = stalled.into();
    send(stalled.as_ref(), &message(1, "1")).await.unwrap();
    proxy.stall();
    let limit = Duration::from_secs(3 * support::TIMEOUT_SECONDS);
    let waiting: Vec<_> = (2..4)
        .map(|id| {
            let stalled = stalled.clone();
            tokio::spawn(async move { stalled.send(&message(id, "x")).await })
        })
        .collect();
    let healthy = site.sink("").await;
    for id in 100..130 {
        send(healthy.as_ref(), &message(id, "x")).await.unwrap();
    }
    for sent in waiting {
        let error = timeout(limit, sent).await.unwrap().unwrap().unwrap_err();
        assert!(matches!(error, SinkError::Unavailable { .. }), "{error}");
    }
    proxy.heal();
    // Meanwhile the server may do what the first attempts had asked for: no harm to the second.
    for id in 2..4 {
        send(stalled.as_ref(), &message(id, "x")).await.unwrap();
        let name = format!("000000000000{id}.txt");
        assert_eq!(fs::read_to_string(site.disk(&name)).unwrap(), "x");
    }
    let mut names = site.names("");
    names.retain(|name| !name.starts_with('.'));
    assert_eq!(names.len(), 33, "{names:?}");
}

#[tokio::test]
async fn an_attempt_that_is_given_up_ends_and_frees_its_name() {
    let Some(site) = Site::new() else { return };
    let proxy = Proxy::start(site.address).await.unwrap();
    site.knows(proxy.address());
    let sink = site
        .try_sink(&site.server(proxy.address()), "")
        .await
        .unwrap();
    let large = message(1, noise(10_000_000));
    proxy.strike(Fault::Throttle(20_000_000));
    let given_up = timeout(Duration::from_millis(200), sink.send(&large)).await;
    assert!(given_up.is_err(), "the wire was not slow enough");
    proxy.heal();
    let begun = Instant::now();
    wait::until_true("the name to be free", wait::PATIENCE, || async {
        send(sink.as_ref(), &large).await.is_ok()
    })
    .await;
    assert!(begun.elapsed() < Duration::from_secs(20));
    let names = site.names("");
    assert_eq!(names, ["0000000000001.txt".to_owned()].into());
    assert_eq!(
        fs::metadata(site.disk("0000000000001.txt")).unwrap().len(),
        10_000_000
    );
}
