//! Disks that fill up or tear writes: in the content store, and in a partner's output folder.

use std::io::ErrorKind;
use std::time::Duration;

use hub_store::messages::DeliveryState;
use meterhub_tests::faults::{Call, Fault};
use meterhub_tests::files_load::files_of;
use meterhub_tests::random::Random;
use meterhub_tests::receiver::{Behaviour, Receiver};
use meterhub_tests::workload::{Maker, facts_of_json};

use crate::rig::{FILES_IN, FILES_OUT, HTTP_IN, Rig, TELL_ORDERS, http_out};

/// Everything that can go wrong while a large body is put into the content store.
fn content_faults() -> Vec<(&'static str, Fault)> {
    let full = ErrorKind::StorageFull;
    vec![
        (
            "no file can be made",
            Fault::fail(Call::Create, full).path("partial"),
        ),
        (
            "the write is torn",
            Fault::torn_write(1_000).path("partial"),
        ),
        (
            "a later write is torn",
            Fault::torn_write(1_000).path("partial").skip(1),
        ),
        (
            "the sync fails",
            Fault::fail(Call::SyncCreated, ErrorKind::Other).path("partial"),
        ),
        (
            "no folder can be made",
            Fault::fail(Call::CreateDirAll, full).path("content"),
        ),
        (
            "the name cannot be given",
            Fault::fail(Call::Rename, full).path("partial"),
        ),
        (
            "the folder cannot be synced",
            Fault::fail(Call::SyncDir, ErrorKind::Other).path("content"),
        ),
    ]
}

#[tokio::test]
async fn a_posted_body_that_cannot_be_stored_is_not_accepted_and_leaves_nothing() {
    let mut rig = Rig::start(HTTP_IN).await;
    let mut maker = Maker::new("gw", Random::new(1));
    let mut sent = Vec::new();
    for (number, (what, fault)) in content_faults().into_iter().enumerate() {
        let (content, key) = (maker.json_readings(3_000, 0), format!("k{number}"));
        // Connected for certain before anything fails.
        rig.post(
            "in",
            &format!("small{number}"),
            maker.json_readings(1, 0).bytes.as_slice(),
        )
        .await;
        rig.files.add(fault.times(1));
        let refused = rig.post_once("in", &key, &content.bytes).await;
        assert_eq!(refused.status, 503, "{what}: {refused:?}");
        assert_eq!(rig.half_written(), 0, "{what}");
        rig.files.heal();
        let told = rig.post("in", &key, &content.bytes).await;
        sent.push(content.sent("in", Some(key), Some(told)));
    }
    rig.idle().await;
    let large: Vec<_> = rig
        .messages()
        .await
        .into_iter()
        .filter(|message| message.size > 100_000)
        .collect();
    assert_eq!(large.len(), sent.len());
    for (message, sent) in large.iter().zip(&sent) {
        assert_eq!(
            (Some(message.id.to_string()), message.applied),
            (sent.told.clone(), 3_000)
        );
    }
    rig.service.stop().await;
}

#[tokio::test]
async fn a_dropped_file_that_cannot_be_stored_stays_until_it_can() {
    let rig = Rig::start(FILES_IN).await;
    let mut maker = Maker::new("con", Random::new(2));
    let content = maker.json_readings(3_000, 7);
    for (call, part) in [
        (Call::Sync, "partial"),
        (Call::Rename, "partial"),
        (Call::SyncDir, "content"),
    ] {
        rig.files.add(
            Fault::fail(call, ErrorKind::StorageFull)
                .path(part)
                .times(1),
        );
    }
    let folder = rig.folder("drops");
    folder
        .drop_file("large.jsonl", &content.bytes)
        .expect("can be written");
    rig.taken(&folder).await;
    rig.idle().await;
    assert_eq!(rig.half_written(), 0);
    assert_eq!(folder.archived().expect("can be read").len(), 1);
    rig.assert_conserved(vec![content.sent("drops", None, None)])
        .await;
    rig.service.stop().await;
}

#[tokio::test]
async fn an_output_file_is_whole_or_not_there_and_comes_once() {
    let full = ErrorKind::StorageFull;
    let faults = || {
        vec![
            Fault::fail(Call::Create, full).path(".part"),
            Fault::torn_write(10).path(".part"),
            Fault::fail(Call::SyncCreated, full).path(".part"),
            Fault::fail(Call::Publish, full).path(".part"),
            Fault::fail(Call::SyncDir, ErrorKind::Other).path("out"),
        ]
    };
    let mut rig = Rig::start(&[HTTP_IN, TELL_ORDERS, FILES_OUT].concat()).await;
    let mut maker = Maker::new("erp", Random::new(3));
    let mut sent = Vec::new();
    for (number, fault) in faults().into_iter().enumerate() {
        rig.files.add(fault.times(2));
        let (content, key) = (maker.json_orders(2), format!("k{number}"));
        let told = rig.post("in", &key, &content.bytes).await;
        sent.push(content.sent("in", Some(key), Some(told)));
        rig.idle().await;
        rig.files.heal();
    }
    let out = rig.config.root().join("out");
    let mut told = Vec::new();
    for path in files_of(&out).expect("can be read") {
        let facts = facts_of_json(&std::fs::read(&path).expect("can be read"));
        told.extend(facts.unwrap_or_else(|line| panic!("{} is torn: {line}", path.display())));
    }
    let mut expected: Vec<_> = sent
        .iter()
        .flat_map(|message| message.facts.clone())
        .collect();
    expected.sort();
    told.sort();
    assert_eq!(told, expected);
    let hidden = std::fs::read_dir(&out).expect("can be read").flatten();
    let hidden = hidden.filter(|entry| entry.file_name().to_string_lossy().starts_with('.'));
    assert_eq!(hidden.count(), 0, "nothing is left behind");
    rig.assert_conserved(sent).await;
    rig.service.stop().await;
}

#[tokio::test]
async fn a_destination_that_took_it_and_never_answered_gets_it_again_and_can_tell() {
    let erp = Receiver::start().await;
    erp.behave(|received| match received.number {
        0 | 1 => Behaviour::TakeInSilence,
        _ => Behaviour::Take,
    });
    let mut rig =
        Rig::start(&[HTTP_IN, TELL_ORDERS, &http_out(&erp.url("/in"), "")].concat()).await;
    let content = Maker::new("erp", Random::new(4)).json_orders(1);
    let begun = std::time::Instant::now();
    rig.post("in", "k", &content.bytes).await;
    rig.idle().await;
    assert!(
        begun.elapsed() >= Duration::from_secs(2),
        "it waited for two answers"
    );
    let received = erp.received();
    assert_eq!(received.len(), 3);
    assert!(
        received
            .iter()
            .all(|again| again.id() == received[0].id() && again.hash == received[0].hash)
    );
    let message = rig.messages().await.remove(0);
    let deliveries = rig
        .store()
        .deliveries_of(message.id, 10)
        .await
        .expect("can be read");
    assert_eq!(deliveries.len(), 1);
    assert_eq!(
        (deliveries[0].state, deliveries[0].attempts),
        (DeliveryState::Delivered, 3)
    );
    rig.service.stop().await;
}
