//! Clocks that jump: what is to be done soon is done soon, and ids only grow.

use std::time::{Duration, Instant};

use meterhub_tests::oracle::Fact;
use meterhub_tests::random::Random;
use meterhub_tests::receiver::{Behaviour, Receiver};
use meterhub_tests::wait::{PATIENCE, until_true};
use meterhub_tests::workload::{Maker, facts_of_json};

use crate::rig::{HTTP_IN, Rig, TELL_ORDERS, http_out};

const HOUR: i64 = 3_600;

/// A partner is down; the clock jumps; the partner comes back. Everything must arrive within
/// seconds, once, in order.
async fn jumps_while_deliveries_wait(seconds: i64, more: &str) {
    let erp = Receiver::start().await;
    erp.behave(|_| Behaviour::Refuse(503));
    let mut rig =
        Rig::start(&[HTTP_IN, TELL_ORDERS, &http_out(&erp.url("/in"), more)].concat()).await;
    let mut maker = Maker::new("erp", Random::new(6));
    let mut sent = Vec::new();
    for number in 0..6 {
        if number == 3 {
            until_true("attempts to fail", PATIENCE, || async {
                erp.received().len() >= 2
            })
            .await;
            rig.clock.jump(seconds);
        }
        let (content, key) = (maker.json_orders(2), format!("k{number}"));
        let told = rig.post("in", &key, &content.bytes).await;
        sent.push(content.sent("in", Some(key), Some(told)));
    }
    erp.behave(|_| Behaviour::Take);
    let begun = Instant::now();
    rig.idle().await;
    assert!(
        begun.elapsed() < Duration::from_secs(30),
        "{:?}",
        begun.elapsed()
    );

    let ids: Vec<_> = rig
        .messages()
        .await
        .into_iter()
        .map(|message| Some(message.id.to_string()))
        .collect();
    let told: Vec<_> = sent.iter().map(|message| message.told.clone()).collect();
    assert_eq!(ids, told, "ids grow with the order of acceptance");
    let taken = erp.received().into_iter().filter(|received| received.taken);
    let facts: Vec<Fact> = taken
        .flat_map(|received| facts_of_json(&received.body).expect("is ours"))
        .collect();
    for message in &sent {
        for fact in &message.facts {
            assert_eq!(
                facts.iter().filter(|taken| *taken == fact).count(),
                1,
                "{fact:?}"
            );
        }
    }
    rig.assert_conserved(sent).await;
    rig.service.stop().await;
}

#[tokio::test]
async fn deliveries_that_wait_are_not_held_up_when_the_clock_jumps_back() {
    jumps_while_deliveries_wait(-HOUR, "circuit = { failures = 1000, probe_seconds = 1 }").await;
}

#[tokio::test]
async fn an_endpoint_that_was_down_is_probed_although_the_clock_jumped_back() {
    jumps_while_deliveries_wait(-HOUR, "circuit = { failures = 2, probe_seconds = 1 }").await;
}

#[tokio::test]
async fn deliveries_survive_a_jump_forward() {
    jumps_while_deliveries_wait(HOUR, "circuit = { failures = 2, probe_seconds = 1 }").await;
}

#[tokio::test]
async fn a_rate_limit_does_not_stop_an_endpoint_when_the_clock_jumps_back() {
    jumps_while_deliveries_wait(
        -HOUR,
        "rate = { per_second = 50 }\ncircuit = { failures = 1000, probe_seconds = 1 }",
    )
    .await;
}

#[tokio::test]
async fn a_partner_s_rate_limit_does_not_lock_it_out_when_the_clock_jumps_back() {
    let limited = HTTP_IN.replace(
        "anonymous = true",
        "anonymous = true, rate_limit = { per_second = 5 }",
    );
    let mut rig = Rig::start(&limited).await;
    let mut maker = Maker::new("erp", Random::new(7));
    rig.post("in", "k0", &maker.json_orders(1).bytes).await;
    rig.clock.jump(-HOUR);
    let content = maker.json_orders(1);
    let begun = Instant::now();
    loop {
        let answer = rig.post_once("in", "k1", &content.bytes).await;
        if answer.status == 202 {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{answer:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    rig.service.stop().await;
}
