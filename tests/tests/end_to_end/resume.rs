//! Messages that a hub left half done, found by a hub that may decode them in another way.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic too")]

use std::sync::Arc;

use bytes::Bytes;
use hub_core::MessageId;
use hub_model::{Place, Record, WorkOrder, Zone};
use hub_store::content::Staged;
use hub_store::estate::{Scope, UnknownPolicy, enterprise};
use hub_store::messages::{
    Acceptance, Change, Chunk, DeliveryState, DeliveryView, MessageState, NewDelivery, NewMessage,
    NewParts, OpenMessage, Publication, Publish, Step, Store,
};
use meterhub_tests::config_folder::ConfigFolder;
use meterhub_tests::hub_process::run;
use meterhub_tests::oracle::Fact;
use meterhub_tests::wait::{PATIENCE, until_true};

use crate::world::{World, files_out, http_in, with_north};

const FILE: &str = "A,B\na1,b1\na2,b2\na3,b3\n";

/// The document that was begun of [`FILE`], whole.
const HALF: &str = "first\nwork_order:a1\nlast\n";

/// Orders by the numbers in this column.
fn mapping(column: &str) -> String {
    format!(
        "record = \"work_order\"\n[csv]\ncolumns = [\"A\", \"B\"]\n[work_order]\nnumber = \"{column}\"\n"
    )
}

fn config() -> String {
    with_north(
        &[
            http_in("north", "in", "format = \"csv\"\nmapping = \"orders\""),
            "[outbound.tell]\nenterprise = \"north\"\non = [\"work_order.created\"]\nformat = \"json\"\n\
             to = [\"out\"]\n"
                .to_owned(),
            files_out("north", "out"),
        ]
        .concat(),
    )
}

/// Makes parts of the document of route `tell`, as the hub does.
struct Parts(i64);

impl Publish for Parts {
    fn publish(&self, _: MessageId, changes: &[Change<'_>], _: bool) -> Publication {
        let delivery = NewDelivery {
            route: "tell".into(),
            endpoint: "out".into(),
            lane: "documents".into(),
            subject: String::new(),
            media_type: "application/json".into(),
            extension: "json".into(),
            headers: Vec::new(),
            body: None,
        };
        let part = |change: &Change<'_>| NewParts {
            route: "tell".into(),
            encoded_by: self.0,
            head: b"first\n".to_vec(),
            tail: b"last\n".to_vec(),
            deliveries: vec![delivery.clone()],
            pieces: vec![format!("{}\n", change.event.subject).into_bytes()],
        };
        Publication {
            parts: changes.iter().map(part).collect(),
            ..Publication::default()
        }
    }

    fn obstacle(&self, _: &str, _: &str) -> Option<String> {
        None
    }
}

/// Leaves a message in the store of which order `a1` was applied, and nothing else.
async fn leave_half_done(store: &Store, decoded_by: i64, encoded_by: i64) -> MessageId {
    let message = NewMessage {
        at_once: None,
        enterprise: "north".into(),
        source: "in".into(),
        name: "half.csv".into(),
        headers: Vec::new(),
        media_type: None,
        business_key: Some("half".into()),
        reports: Vec::new(),
        content: Staged::inline(Bytes::from_static(FILE.as_bytes())),
    };
    let Acceptance::Accepted(id) = store.accept(message).await.unwrap() else {
        panic!("it is new")
    };
    let message = store.message_to_process(id).await.unwrap().unwrap();
    let chunk = Chunk {
        decoded_by,
        publisher: Arc::new(Parts(encoded_by)),
        ..first_order(store, &message).await
    };
    store.apply(chunk).await.unwrap();
    id
}

async fn first_order(store: &Store, message: &OpenMessage) -> Chunk {
    let zone: Zone = Zone::named("Europe/Helsinki").unwrap();
    let known = zone.clone();
    let north = store
        .db()
        .write(move |tx| enterprise::ensure(tx, "north", &known))
        .await
        .unwrap();
    Chunk {
        message: message.id,
        run: message.run,
        route: "in".into(),
        decoded_by: 0,
        scope: Scope {
            enterprise: north.id,
            zone,
            message_id: message.id,
            now: store.clock().now(),
            unknown: UnknownPolicy::Finding,
        },
        records: vec![(
            Place::at(4, 2),
            Record::WorkOrder(Box::new(WorkOrder::new("a1"))),
        )],
        findings: Vec::new(),
        checkpoint: 0,
        seen_before: 0,
        seen: 1,
        after: None,
        ending: None,
        publisher: Arc::new(Parts(0)),
    }
}

/// What a hub leaves that has processed one file by column `A` and was stopped amid another:
/// its configuration and its store. `same` says whether that one was decoded as the first.
async fn left_half_done(same: bool) -> (ConfigFolder, MessageId) {
    let mut world = World::start(&[("orders", &mapping("A"))], &config()).await;
    let first = world.post("in", Some("first"), "A,B\nx,y\n").await;
    assert_eq!(first.status, 202);
    world.idle().await;
    let World {
        config, hub, store, ..
    } = world;
    hub.stop().await;
    let loaded = meterhub::service::load(&config.dir()).unwrap();
    let decoded_by = loaded.inbound["in"].decoded_by + i64::from(!same);
    let encoded_by = loaded.outbound["tell"].encoded_by;
    let id = leave_half_done(&store, decoded_by, encoded_by).await;
    (config, id)
}

fn numbers(estate: Vec<Fact>) -> Vec<String> {
    let number = |fact| match fact {
        Fact::Order { number, .. } => number,
        other => panic!("{other:?}"),
    };
    estate.into_iter().map(number).collect()
}

#[tokio::test]
async fn a_half_done_message_goes_on_where_it_stood() {
    let (config, id) = left_half_done(true).await;
    let world = World::on(config).await;
    world.idle().await;
    let message = world.store.message(id).await.unwrap().unwrap();
    assert_eq!((message.run, message.state), (1, MessageState::Processed));
    assert_eq!(
        numbers(world.estate("north").await),
        ["a1", "a2", "a3", "x"]
    );
    world.hub.stop().await;
}

/// Skipping one record, as the mapping of before counted, would leave out `b1`.
#[tokio::test]
async fn a_half_done_message_begins_again_when_its_mapping_was_changed_meanwhile() {
    let (config, id) = left_half_done(true).await;
    config.write_mapping("orders", &mapping("B")).unwrap();
    let world = World::on(config).await;
    world.idle().await;
    let message = world.store.message(id).await.unwrap().unwrap();
    assert_eq!((message.run, message.records, message.applied), (2, 3, 3));
    assert_eq!(message.state, MessageState::ProcessedWithFindings);
    assert_eq!(
        numbers(world.estate("north").await),
        ["a1", "b1", "b2", "b3", "x"]
    );
    let findings = world.findings(id).await;
    let codes: Vec<_> = findings.iter().map(|f| f.code.as_str()).collect();
    assert_eq!(codes, ["begun_again"]);
    let trace = world.trace(id).await;
    assert!(trace.iter().any(|row| row.step == Step::BegunAgain));
    let told = world.texts("out").concat();
    for number in ["a1", "b1", "b2", "b3"] {
        assert_eq!(told.matches(number).count(), 1, "{number} in {told}");
    }
    world.hub.stop().await;
}

/// The same mapping, but the hub that began counted otherwise: nothing is applied or told twice.
#[tokio::test]
async fn a_message_that_begins_again_has_no_effect_twice() {
    let (config, id) = left_half_done(false).await;
    let world = World::on(config).await;
    world.idle().await;
    let message = world.store.message(id).await.unwrap().unwrap();
    assert_eq!((message.run, message.records, message.applied), (2, 3, 3));
    assert_eq!(
        numbers(world.estate("north").await),
        ["a1", "a2", "a3", "x"]
    );
    let told = world.texts("out").concat();
    for number in ["a1", "a2", "a3"] {
        assert_eq!(told.matches(number).count(), 1, "{number} in {told}");
    }
    world.hub.stop().await;
}

/// The route passes messages on from now: what was applied is told, and the message goes on whole.
#[tokio::test]
async fn a_half_done_message_of_a_route_that_decodes_no_more_is_told_and_passed_on() {
    let (config, id) = left_half_done(true).await;
    let opaque = "format = \"opaque\"\nto = [\"out\"]";
    let decoded = "format = \"csv\"\nmapping = \"orders\"";
    let all = self::config().replace(decoded, opaque);
    config.write(&all).unwrap();
    let world = World::on(config).await;
    world.idle().await;
    let message = world.store.message(id).await.unwrap().unwrap();
    assert_eq!((message.run, message.records), (2, 0));
    let mut told = told(&world);
    told.sort();
    assert_eq!(told, [FILE, HALF]);
    world.hub.stop().await;
}

/// What was told in the old format and what is told in the new are two documents, each whole.
#[tokio::test]
async fn a_document_whose_format_was_changed_while_it_was_made_becomes_two() {
    let (config, id) = left_half_done(true).await;
    let all = self::config();
    let (inbound, outbound) = all.split_once("[outbound.tell]").unwrap();
    let changed = outbound.replace(
        "format = \"json\"",
        "format = \"csv\"\nmapping = \"orders\"",
    );
    config
        .write(&[inbound, "[outbound.tell]", &changed].concat())
        .unwrap();
    let world = World::on(config).await;
    world.idle().await;
    assert!(world.findings(id).await.is_empty());
    let told = told(&world);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.contains(&HALF.to_owned()), "{told:?}");
    let rest = told.iter().find(|text| *text != HALF).unwrap();
    let lines: Vec<&str> = rest.lines().collect();
    assert_eq!(lines, ["A,B", "a2,", "a3,"]);
    world.hub.stop().await;
}

/// Nothing of a document is lost with its route: it waits, whole, and is sent when it is released.
#[tokio::test]
async fn a_document_whose_route_is_taken_out_while_it_is_made_is_parked() {
    let (config, id) = left_half_done(true).await;
    let all = self::config();
    let (before, _) = all.split_once("[outbound.tell]").unwrap();
    let without = [before, &files_out("north", "out")].concat();
    config.write(&without).unwrap();
    let world = World::on(config).await;
    world.idle().await;
    assert_eq!(told(&world), [""; 0]);
    let findings = world.findings(id).await;
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(findings[0].code, "delivery_parked");
    let reason = &findings[0].reason;
    assert!(
        reason.starts_with("route `tell` was taken out of the configuration"),
        "{reason}"
    );
    let delivery = world.deliveries(id).await.remove(0);
    assert_eq!(delivery.state, DeliveryState::Parked);
    assert_eq!(delivery.note.as_ref(), Some(reason));

    release(&world, &delivery);
    world.idle().await;
    assert_eq!(told(&world), [HALF]);
    world.hub.stop().await;
}

/// A renamed route goes on under its new name. What was begun under the old one waits, and what
/// comes after it to the same sink waits behind it, so that their order is kept.
#[tokio::test]
async fn a_route_that_is_renamed_amid_its_document_leaves_the_first_half_parked() {
    let (config, id) = left_half_done(true).await;
    let renamed = self::config().replace("[outbound.tell]", "[outbound.say]");
    config.write(&renamed).unwrap();
    let world = World::on(config).await;
    until_true("the message to be processed", PATIENCE, || async {
        world.deliveries(id).await.len() == 2
    })
    .await;
    let deliveries = world.deliveries(id).await;
    let states: Vec<_> = deliveries
        .iter()
        .map(|delivery| (delivery.route.as_str(), delivery.state))
        .collect();
    let (parked, pending) = (DeliveryState::Parked, DeliveryState::Pending);
    assert_eq!(states, [("tell", parked), ("say", pending)]);

    release(&world, &deliveries[0]);
    world.idle().await;
    let told = told(&world);
    assert!(told.contains(&HALF.to_owned()), "{told:?}");
    let told = told.concat();
    for number in ["a1", "a2", "a3"] {
        assert_eq!(told.matches(number).count(), 1, "{number} in {told}");
    }
    world.hub.stop().await;
}

fn release(world: &World, delivery: &DeliveryView) {
    let delivery = delivery.id.to_string();
    let why = "the partner needs it";
    let released = run(
        &world.config,
        &["parked", "release", &delivery, "--reason", why],
    );
    assert!(released.status.success(), "{released:?}");
}

/// What the partner got of the half done file: the file before it was told by its number, `x`.
fn told(world: &World) -> Vec<String> {
    let mut told = world.texts("out");
    told.retain(|text| !text.contains("\"x\""));
    told
}
