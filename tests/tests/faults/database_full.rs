//! The database's disk is full: senders are told to come again, and nothing acknowledged is lost.

use std::time::{Duration, Instant};

use hub_core::MessageId;
use hub_store::messages::MessageState;
use hub_store::sqlite::SqliteOptions;
use meterhub_tests::oracle::{Fact, SentMessage};
use meterhub_tests::random::Random;
use meterhub_tests::receiver::Receiver;
use meterhub_tests::wait::{PATIENCE, until_true};
use meterhub_tests::workload::{Content, Maker};

use crate::rig::{HTTP_IN, Rig, TELL_ORDERS, http_out};

/// Pages of 4 KiB that the database may have in all.
const PAGES: u32 = 500;
/// Pages taken from the beginning, and given free again later.
const BALLAST_PAGES: i64 = 200;

/// Fills a part of the database with nothing of worth.
async fn add_ballast(rig: &Rig) {
    let store = rig.store().db();
    store
        .write(|tx| {
            tx.execute("CREATE TABLE ballast (bytes BLOB NOT NULL)", &[])?;
            tx.execute(
                "INSERT INTO ballast (bytes) VALUES (zeroblob(?1))",
                &[(BALLAST_PAGES * 4_096).into()],
            )
        })
        .await
        .expect("there is room yet");
}

async fn drop_ballast(rig: &Rig) {
    let dropped = || async {
        rig.store()
            .db()
            .write(|tx| tx.execute("DROP TABLE ballast", &[]))
            .await
            .is_ok()
    };
    until_true("room to be made", PATIENCE, dropped).await;
}

/// Orders with a long comment, so that the disk fills soon.
fn orders(maker: &mut Maker) -> Content {
    let content = maker.json_orders(3);
    let comment = format!("\"customer_name\":\"{}\",\"comment\"", "x".repeat(4_000));
    let text = String::from_utf8_lossy(&content.bytes).replace("\"comment\"", &comment);
    Content {
        bytes: text.into_bytes(),
        ..content
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn senders_wait_nothing_is_lost_and_all_goes_on_when_there_is_room() {
    let erp = Receiver::start().await;
    let body = [HTTP_IN, TELL_ORDERS, &http_out(&erp.url("/in"), "")].concat();
    let mut rig = Rig::limited(
        &body,
        SqliteOptions {
            max_pages: Some(PAGES),
        },
    )
    .await;
    add_ballast(&rig).await;

    let mut maker = Maker::new("erp", Random::new(1));
    let mut sent: Vec<SentMessage> = Vec::new();
    let first_refused = loop {
        assert!(sent.len() < 1_000, "the database never fills");
        let (content, key) = (orders(&mut maker), format!("k{}", sent.len()));
        let answer = rig.post_once("in", &key, &content.bytes).await;
        if answer.status != 202 && answer.json()["type"] != "urn:meterhub:problem:not-connected" {
            assert_eq!(answer.status, 503, "{answer:?}");
            assert!(
                answer.header("retry-after").is_some(),
                "the sender is told when to come again"
            );
            break (content, key);
        }
        let told = match answer.status {
            202 => answer.json()["message_id"].as_str().map(str::to_owned),
            _ => Some(rig.post("in", &key, &content.bytes).await),
        };
        sent.push(content.sent("in", Some(key), told));
    };
    assert!(sent.len() > 10, "some went well before: {}", sent.len());

    drop_ballast(&rig).await;
    let (content, key) = first_refused;
    let told = rig.post("in", &key, &content.bytes).await;
    sent.push(content.sent("in", Some(key), Some(told)));
    rig.idle().await;

    let orders: usize = sent.iter().map(|message| message.facts.len()).sum();
    assert_in_order(&erp);
    assert_eq!(distinct_deliveries(&erp), orders, "each order is told once");
    rig.assert_conserved(sent).await;
    rig.service.stop().await;
}

fn distinct_deliveries(erp: &Receiver) -> usize {
    let ids: std::collections::BTreeSet<String> =
        erp.received().iter().map(|r| r.id().to_owned()).collect();
    ids.len()
}

fn assert_in_order(erp: &Receiver) {
    let mut newest = std::collections::BTreeMap::new();
    for received in erp.received() {
        for fact in meterhub_tests::workload::facts_of_json(&received.body).expect("is ours") {
            let Fact::Order { number, revision } = fact else {
                continue;
            };
            let known = newest.entry(number.clone()).or_insert(0);
            assert!(revision >= *known, "{number}: {revision} after {known}");
            *known = revision;
        }
    }
}

/// Small messages are applied together; when the database cannot take one, those after it must
/// not overtake it: without revisions the latest message counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_the_database_cannot_take_yet_is_not_overtaken_by_the_next() {
    let mut rig = Rig::limited(
        HTTP_IN,
        SqliteOptions {
            max_pages: Some(PAGES),
        },
    )
    .await;
    let order = |comment: &str| {
        format!("{{\"record\":\"work_order\",\"number\":\"1\",\"comment\":\"{comment}\"}}\n")
    };
    // The disk is full for this one message, for a while.
    let fail = "CREATE TRIGGER full BEFORE INSERT ON work_order WHEN NEW.comment = 'stuck' \
                BEGIN INSERT INTO ballast (bytes) VALUES (zeroblob(100000000)); END";
    add_ballast(&rig).await;
    let store = rig.store().clone();
    store
        .db()
        .write(|tx| tx.execute(fail, &[]))
        .await
        .expect("a trigger can be made");
    rig.post("in", "k1", order("stuck").as_bytes()).await;
    let latest = rig.post("in", "k2", order("latest").as_bytes()).await;
    let latest: MessageId = latest.parse().expect("is an id");
    // What must not happen can only be waited for: several rounds of the engine's tries.
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(4) {
        let view = store
            .message(latest)
            .await
            .expect("can be read")
            .expect("is there");
        assert_eq!(
            view.state,
            MessageState::Received,
            "it waits for the one before"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    store
        .db()
        .write(|tx| tx.execute("DROP TRIGGER full", &[]))
        .await
        .expect("a trigger can be dropped");
    rig.idle().await;
    assert_eq!(
        comment_of(&rig, "1").await,
        "latest",
        "the message accepted last counts"
    );
    rig.service.stop().await;
}

async fn comment_of(rig: &Rig, number: &'static str) -> String {
    let read = rig.store().db().read(move |tx| {
        let sql = "SELECT comment FROM work_order WHERE number = ?1";
        hub_store::db::first(tx, sql, &[number.into()], |row| Ok(row.text(0)?.to_owned()))
    });
    read.await.expect("can be read").unwrap_or_default()
}
