//! Deliveries: order, patience, parking and what an operator does about it.

use std::time::Duration;

use hub_store::messages::{DeliveryState, Step};
use meterhub_tests::hub_process::{run, run_json};
use meterhub_tests::oracle::Fact;
use meterhub_tests::receiver::{Behaviour, Received, Receiver};
use meterhub_tests::wait::{PATIENCE, until_true};
use meterhub_tests::workload::facts_of_json;

use crate::world::{World, http_in, http_out, order, order_fact, reading};

const TELL_ORDERS: &str = "[outbound.tell]\nenterprise = \"north\"\non = [\"work_order.created\", \"work_order.changed\"]\n\
                           format = \"json\"\nbatch = \"record\"\nto = [\"erp\"]\n";

async fn world(erp: &Receiver, sink: &str) -> World {
    let body = [
        http_in("north", "in", "format = \"json\""),
        http_out("north", "erp", &erp.url("/in"), sink),
        TELL_ORDERS.to_owned(),
    ];
    World::of_north(&body.concat()).await
}

async fn post_orders(world: &mut World, orders: &[(&str, i64)]) {
    for (number, revision) in orders {
        let key = format!("{number}-{revision}");
        assert_eq!(
            world
                .post("in", Some(&key), order(number, *revision))
                .await
                .status,
            202
        );
    }
}

fn taken(erp: &Receiver) -> Vec<Fact> {
    let taken = erp.received().into_iter().filter(|received| received.taken);
    taken
        .flat_map(|received| facts_of_json(&received.body).expect("is JSON of ours"))
        .collect()
}

fn of_order(received: &Received, number: &str) -> bool {
    received
        .text()
        .contains(&format!("\"number\":\"{number}\""))
}

#[tokio::test]
async fn a_parked_delivery_holds_its_lane_until_it_is_released_and_then_all_come_in_order() {
    let erp = Receiver::start().await;
    erp.behave(|received| match of_order(received, "A") {
        true => Behaviour::Refuse(422),
        false => Behaviour::Take,
    });
    let mut world = world(&erp, "").await;
    post_orders(&mut world, &[("A", 1), ("A", 2), ("B", 1)]).await;
    until_true("B to be delivered and A to be parked", PATIENCE, || async {
        taken(&erp).len() == 1 && world.store.parked(None, 10).await.unwrap().len() == 1
    })
    .await;
    assert_eq!(taken(&erp), [order_fact("B", 1)], "another lane goes on");
    let parked = run_json(&world.config, &["parked", "list"]);
    assert_eq!(parked.len(), 1);
    assert_eq!(parked[0]["subject"], "work_order:A");
    assert!(
        parked[0]["note"].as_str().unwrap().contains("422"),
        "{parked:?}"
    );

    erp.behave(|_| Behaviour::Take);
    let id = parked[0]["delivery_id"].as_str().unwrap();
    let released = run(
        &world.config,
        &["parked", "release", id, "--reason", "ERP was repaired"],
    );
    assert!(released.status.success());
    // A newer one of the lane must not overtake those that waited.
    post_orders(&mut world, &[("A", 3)]).await;
    world.idle().await;
    let expected = [("B", 1), ("A", 1), ("A", 2), ("A", 3)]
        .map(|(number, revision)| order_fact(number, revision));
    assert_eq!(taken(&erp), expected);

    let message = world.messages().await.remove(0);
    let trace = world.trace(message.id).await;
    let note = trace
        .iter()
        .find(|row| row.step == Step::Released)
        .and_then(|row| row.note.clone());
    assert!(
        note.is_some_and(|note| note.ends_with(": ERP was repaired")),
        "{trace:#?}"
    );
    let first_of_a = erp
        .received()
        .into_iter()
        .filter(|received| of_order(received, "A"));
    let ids: Vec<String> = first_of_a
        .take(2)
        .map(|received| received.id().to_owned())
        .collect();
    assert_eq!(ids[0], ids[1], "released under its constant id");
}

#[tokio::test]
async fn a_lane_may_go_on_without_a_parked_delivery_and_an_operator_may_discard_it() {
    let erp = Receiver::start().await;
    erp.behave(
        |received| match received.text().contains("\"revision\":1") {
            true => Behaviour::Refuse(400),
            false => Behaviour::Take,
        },
    );
    let mut world = world(&erp, "when_parked = \"go-on\"").await;
    post_orders(&mut world, &[("A", 1), ("A", 2)]).await;
    world.idle().await;
    assert_eq!(taken(&erp), [order_fact("A", 2)]);
    let parked = world.store.parked(None, 10).await.unwrap();
    let id = parked[0].id.to_string();
    assert!(
        run(
            &world.config,
            &["parked", "discard", &id, "--reason", "not needed"]
        )
        .status
        .success()
    );
    assert!(run_json(&world.config, &["parked", "list"]).is_empty());
    let again = run(
        &world.config,
        &["parked", "release", &id, "--reason", "but I want it"],
    );
    assert!(!again.status.success(), "what is discarded is not parked");
}

#[tokio::test]
async fn a_partner_that_took_it_but_did_not_say_so_gets_it_again_under_the_same_id() {
    let erp = Receiver::start().await;
    erp.behave(|received| match received.number {
        0 => Behaviour::TakeAndBreak,
        1 => Behaviour::Refuse(503),
        _ => Behaviour::Take,
    });
    let mut world = world(&erp, "").await;
    post_orders(&mut world, &[("A", 1)]).await;
    world.idle().await;
    let received = erp.received();
    assert_eq!(received.len(), 3);
    assert!(
        received
            .iter()
            .all(|again| again.id() == received[0].id() && again.hash == received[0].hash)
    );
    assert!(!received[0].id().is_empty());
    let message = world.messages().await.remove(0);
    let delivery = world.deliveries(message.id).await.remove(0);
    assert_eq!(
        (delivery.state, delivery.attempts),
        (DeliveryState::Delivered, 3)
    );
    assert_eq!(delivery.id.to_string(), received[0].id());
}

#[tokio::test]
async fn a_busy_partner_is_left_in_peace_as_long_as_it_asks() {
    let erp = Receiver::start().await;
    erp.behave(|received| match received.number {
        0 => Behaviour::Busy(429, 2),
        _ => Behaviour::Take,
    });
    let mut world = world(&erp, "parallel = 1").await;
    let begun = std::time::Instant::now();
    post_orders(&mut world, &[("A", 1), ("B", 1), ("C", 1)]).await;
    world.idle().await;
    assert!(
        begun.elapsed() >= Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(
        erp.received().len(),
        4,
        "one was sent twice, nothing in between"
    );
}

/// A hub that is told to end waits for what it is sending, but not for ever: what it knows by then must
/// not be sent again.
#[tokio::test]
async fn an_attempt_that_hangs_takes_nothing_of_the_others_along() {
    let erp = Receiver::start().await;
    erp.behave(|received| match of_order(received, "A") {
        true => Behaviour::TakeInSilence,
        false => Behaviour::TakeAfter(Duration::from_secs(1)),
    });
    let mut world = world(&erp, "parallel = 2").await;
    post_orders(&mut world, &[("A", 1), ("B", 1)]).await;
    until_true("both to be on their way", PATIENCE, || async {
        erp.received().len() == 2
    })
    .await;
    world.hub.terminate();
    until_true("what came of B to be written down", PATIENCE, || async {
        let mut delivered = Vec::new();
        for message in world.messages().await {
            delivered.extend(world.deliveries(message.id).await);
        }
        delivered.retain(|delivery| delivery.state == DeliveryState::Delivered);
        delivered.len() == 1
    })
    .await;
    world.hub.kill().await;
}

#[tokio::test]
async fn a_partner_that_is_down_for_a_while_gets_everything_in_order_when_it_is_back() {
    let erp = Receiver::start().await;
    erp.behave(|_| Behaviour::Refuse(503));
    let mut world = world(&erp, "circuit = { failures = 2, probe_seconds = 1 }").await;
    let orders: Vec<(String, i64)> = (1..=10)
        .flat_map(|revision| ["A", "B", "C"].map(|number| (number.to_owned(), revision)))
        .collect();
    for (number, revision) in &orders {
        post_orders(&mut world, &[(number, *revision)]).await;
    }
    until_true("the circuit to open", PATIENCE, || async {
        erp.received().len() >= 2
    })
    .await;
    erp.behave(|_| Behaviour::Take);
    world.idle().await;
    for number in ["A", "B", "C"] {
        let revisions: Vec<Fact> = taken(&erp)
            .into_iter()
            .filter(|fact| matches!(fact, Fact::Order { number: n, .. } if n == number))
            .collect();
        let expected: Vec<Fact> = (1..=10)
            .map(|revision| order_fact(number, revision))
            .collect();
        assert_eq!(revisions, expected);
    }
    assert!(world.store.parked(None, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_replayed_message_has_no_effect_twice_and_a_replayed_delivery_keeps_its_id() {
    let erp = Receiver::start().await;
    let mut world = world(&erp, "").await;
    post_orders(&mut world, &[("A", 1)]).await;
    world.idle().await;
    let message = world.messages().await.remove(0);
    let replay = |id: String| {
        run(
            &world.config,
            &["message", "replay", &id, "--reason", "to be sure"],
        )
    };
    assert!(replay(message.id.to_string()).status.success());
    until_true("the replay to be done", PATIENCE, || async {
        let message = world.store.message(message.id).await.unwrap().unwrap();
        message.run == 2 && message.finished.is_some()
    })
    .await;
    world.idle().await;
    let again = world.messages().await.remove(0);
    assert_eq!((again.applied, again.run), (message.applied, 2));
    assert_eq!(
        erp.received().len(),
        1,
        "nothing changed, so nothing is told"
    );
    assert_eq!(world.estate("north").await, [order_fact("A", 1)]);

    let delivery = world.deliveries(message.id).await.remove(0);
    assert!(replay(delivery.id.to_string()).status.success());
    until_true("the delivery to be sent again", PATIENCE, || async {
        erp.received().len() == 2
    })
    .await;
    let received = erp.received();
    assert_eq!(
        (received[0].id(), received[0].hash),
        (received[1].id(), received[1].hash)
    );
    let trace = world.trace(message.id).await;
    assert_eq!(
        trace
            .iter()
            .filter(|row| row.step == Step::Replayed)
            .count(),
        2
    );
}

#[tokio::test]
async fn a_large_document_made_in_parts_is_the_same_at_every_attempt() {
    let mdm = Receiver::start().await;
    mdm.behave(|received| match received.number {
        0 => Behaviour::TakeAndBreak,
        1 => Behaviour::Refuse(500),
        _ => Behaviour::Take,
    });
    let tell = "[outbound.tell]\nenterprise = \"north\"\non = [\"meter_readings.accepted\"]\nformat = \"json\"\nto = [\"mdm\"]\n";
    let route = "format = \"json\"\nunknown_devices = \"create\"";
    let body = [
        http_in("north", "in", route),
        http_out("north", "mdm", &mdm.url("/in"), ""),
        tell.to_owned(),
    ];
    let mut world = World::of_north(&body.concat()).await;
    let many: String = (0..150)
        .flat_map(|meter| (0..96).map(move |q| reading(&format!("M{meter}"), q, "0.5")))
        .collect();
    assert_eq!(world.post("in", Some("k"), &many).await.status, 202);
    world.idle().await;
    let received = mdm.received();
    assert_eq!(received.len(), 3);
    assert!(
        received
            .iter()
            .all(|again| again.hash == received[0].hash && again.id() == received[0].id())
    );
    assert_eq!(facts_of_json(&received[2].body).unwrap().len(), 150 * 96);
}
