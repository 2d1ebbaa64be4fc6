//! The file sink against a real file system, and against one that fails.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic too")]

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;

use adapter_file::FileSinkConfig;
use bytes::Bytes;
use hub_core::{Content, MessageId, OutgoingMessage, Piece, Sink, SinkConfig, SinkError};
use meterhub_tests::conformance;
use meterhub_tests::faults::{Call, Fault, FaultyFiles};
use tempfile::TempDir;

struct Out {
    base: TempDir,
    files: FaultyFiles,
    sink: Box<dyn Sink>,
}

impl Out {
    async fn new(options: &str) -> Self {
        let base = tempfile::tempdir().unwrap();
        fs::create_dir(base.path().join("out")).unwrap();
        let files = FaultyFiles::new();
        let config: FileSinkConfig = toml::from_str(&format!("path = 'out'\n{options}")).unwrap();
        let context = conformance::context("billing", base.path(), Arc::new(files.clone()));
        config.check(&context).await.unwrap();
        let sink = config.connect(&context).await.unwrap();
        Self { base, files, sink }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.base.path().join("out").join(name)
    }

    fn names(&self) -> BTreeSet<String> {
        let entries = fs::read_dir(self.path("")).unwrap();
        entries
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    async fn send(&self, message: &OutgoingMessage) -> Result<String, SinkError> {
        self.sink.send(message).await.map(|sent| sent.note)
    }
}

fn message(id: i64, content: Content) -> OutgoingMessage {
    OutgoingMessage {
        message_id: MessageId(id),
        correlation_id: MessageId(1),
        enterprise: "nord".into(),
        route: "readings".into(),
        source_name: "in.xml".into(),
        subject: "meter-7".into(),
        created: "2026-03-29T00:15:00Z".parse().unwrap(),
        attempt: 1,
        media_type: "text/csv".into(),
        extension: "csv".into(),
        headers: Vec::new(),
        content,
    }
}

fn set<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.map(str::to_owned).into()
}

#[tokio::test]
async fn a_file_is_synced_before_it_has_its_name_and_the_name_before_the_yes() {
    let out = Out::new("name = '{subject}.{extension}'").await;
    let note = out
        .send(&message(1, Content::bytes("a;b\n")))
        .await
        .unwrap();
    assert_eq!(note, "meter-7.csv");
    assert_eq!(
        fs::read_to_string(out.path("meter-7.csv")).unwrap(),
        "a;b\n"
    );
    assert_eq!(out.names(), set(["meter-7.csv"]));
    let calls: Vec<Call> = out
        .files
        .calls()
        .into_iter()
        .map(|(call, _)| call)
        .collect();
    let expected = [
        Call::Stat, // check
        Call::Create,
        Call::Write,
        Call::SyncCreated,
        Call::Publish,
        Call::SyncDir,
    ];
    assert_eq!(calls, expected);
}

#[tokio::test]
async fn pieces_in_memory_and_in_files_become_one_file() {
    let out = Out::new("").await;
    let piece = out.base.path().join("piece");
    fs::write(&piece, vec![b'x'; 700_000]).unwrap();
    let content = Content(vec![
        Piece::Bytes(Bytes::from_static(b"head")),
        Piece::File {
            path: piece.clone(),
            len: 700_000,
        },
        Piece::Bytes(Bytes::from_static(b"tail")),
    ]);
    let sent = message(2, content);
    let name = out.send(&sent).await.unwrap();
    let written = fs::read(out.path(&name)).unwrap();
    assert_eq!(written.len(), 700_008);
    assert!(written.starts_with(b"headx") && written.ends_with(b"xtail"));
    assert_eq!(
        out.send(&sent).await.unwrap(),
        format!("{name} (was there already)")
    );
    assert_eq!(out.names().len(), 1);

    fs::write(piece, "shorter").unwrap();
    let damaged = out
        .send(&OutgoingMessage {
            message_id: MessageId(3),
            ..sent
        })
        .await;
    assert!(
        matches!(damaged, Err(SinkError::Refused { answer, .. }) if answer.contains("damaged"))
    );
    assert_eq!(out.names().len(), 1);
}

#[tokio::test]
async fn a_resend_is_recognised_and_other_content_is_refused() {
    let out = Out::new("name = '{subject}.csv'").await;
    out.send(&message(1, Content::bytes("same"))).await.unwrap();
    let note = out.send(&message(1, Content::bytes("same"))).await.unwrap();
    assert_eq!(note, "meter-7.csv (was there already)");
    for other in ["diff", "longer than before", ""] {
        let result = out.send(&message(2, Content::bytes(other))).await;
        let Err(SinkError::Refused { endpoint, answer }) = result else {
            panic!("{result:?}")
        };
        assert!(
            endpoint == "billing" && answer.contains("meter-7.csv"),
            "{answer}"
        );
    }
    assert_eq!(fs::read_to_string(out.path("meter-7.csv")).unwrap(), "same");
    assert_eq!(out.names(), set(["meter-7.csv"]));
}

#[tokio::test]
async fn or_gets_a_number() {
    let out =
        Out::new("name = '{subject}.csv'\non_existing = 'suffix'\ndone_suffix = '.done'").await;
    for (id, content, name) in [
        (1, "one", "meter-7.csv"),
        (2, "two", "meter-7-1.csv"),
        (3, "three", "meter-7-2.csv"),
        // The same bytes in another message are another file.
        (4, "one", "meter-7-3.csv"),
    ] {
        assert_eq!(
            out.send(&message(id, Content::bytes(content)))
                .await
                .unwrap(),
            name
        );
        assert_eq!(fs::read_to_string(out.path(name)).unwrap(), content);
        assert!(out.path(&format!("{name}.done")).exists());
    }
    assert_eq!(out.names().len(), 8);
}

#[tokio::test]
async fn a_numbered_name_with_the_message_id_recognises_a_resend() {
    let out = Out::new("name = '{message_id}.csv'\non_existing = 'suffix'").await;
    let name = format!("{}.csv", MessageId(1));
    fs::write(out.path(&name), "somebody else's").unwrap();
    let sent = message(1, Content::bytes("one"));
    let note = out.send(&sent).await.unwrap();
    let again = out.send(&sent).await.unwrap();
    assert_eq!(again, format!("{note} (was there already)"));
    assert_eq!(out.names().len(), 2);
}

#[tokio::test]
async fn a_name_that_its_reader_frees_meanwhile_is_taken() {
    let out = Out::new("name = '{subject}.csv'").await;
    fs::write(out.path("meter-7.csv"), "old").unwrap();
    let taken = Fault::meanwhile(Call::Stat, |path| fs::remove_file(path).unwrap());
    out.files.add(taken.path("meter-7.csv").times(1));
    let note = out.send(&message(1, Content::bytes("new"))).await.unwrap();
    assert_eq!(note, "meter-7.csv");
    assert_eq!(fs::read_to_string(out.path("meter-7.csv")).unwrap(), "new");
}

#[tokio::test]
async fn a_full_disk_leaves_nothing_and_the_next_attempt_succeeds() {
    let out = Out::new("").await;
    let sent = message(5, Content::bytes("0123456789"));
    for fault in [
        Fault::torn_write(4),
        Fault::fail(Call::Create, ErrorKind::StorageFull),
        Fault::fail(Call::SyncCreated, ErrorKind::StorageFull),
        Fault::fail(Call::Publish, ErrorKind::PermissionDenied),
    ] {
        out.files.add(fault);
        let result = out.send(&sent).await;
        let Err(SinkError::Unavailable { reason, .. }) = result else {
            panic!("{result:?}")
        };
        assert!(reason.contains("output folder"), "{reason}");
        assert_eq!(out.names(), set([]));
        out.files.heal();
    }
    out.send(&sent).await.unwrap();
    assert_eq!(out.names().len(), 1);
}

#[tokio::test]
async fn no_yes_before_the_name_is_durable() {
    let out = Out::new("").await;
    let sent = message(5, Content::bytes("x"));
    out.files
        .add(Fault::fail(Call::SyncDir, ErrorKind::Other).times(1));
    assert!(matches!(
        out.send(&sent).await,
        Err(SinkError::Unavailable { .. })
    ));
    let note = out.send(&sent).await.unwrap();
    assert!(note.ends_with("(was there already)"), "{note}");
    assert_eq!(out.files.count(Call::SyncDir), 2);
}

#[tokio::test]
async fn what_a_crashed_attempt_left_is_replaced() {
    let out = Out::new("").await;
    let sent = message(5, Content::bytes("whole"));
    let name = format!("{}.csv", MessageId(5));
    // Crash in the middle of writing.
    let temporary = out.path(&format!(".{}.part", MessageId(5)));
    fs::write(&temporary, "ha").unwrap();
    assert_eq!(out.send(&sent).await.unwrap(), name);
    assert_eq!(fs::read_to_string(out.path(&name)).unwrap(), "whole");
    // Crash between the link and the removal of the temporary name.
    fs::hard_link(out.path(&name), &temporary).unwrap();
    out.send(&sent).await.unwrap();
    assert_eq!(out.names(), BTreeSet::from([name]));
}

#[tokio::test]
async fn a_missing_folder_is_a_share_that_is_not_mounted() {
    let out = Out::new("").await;
    fs::remove_dir(out.path("")).unwrap();
    let result = out.send(&message(5, Content::bytes("x"))).await;
    assert!(
        matches!(result, Err(SinkError::Unavailable { .. })),
        "{result:?}"
    );
    assert!(!out.path("").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_sends_share_the_sync_of_the_folder() {
    let out = Arc::new(Out::new("").await);
    let sends: Vec<_> = (0..200)
        .map(|id| {
            let out = out.clone();
            tokio::spawn(async move {
                let content = Content::bytes(format!("message {id}"));
                out.send(&message(id, content)).await.unwrap()
            })
        })
        .collect();
    for send in sends {
        send.await.unwrap();
    }
    assert_eq!(out.names().len(), 200);
    assert_eq!(out.files.count(Call::SyncCreated), 200);
    assert!(out.files.count(Call::SyncDir) <= 200);
}
