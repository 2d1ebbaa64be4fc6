//! The laws that Proton's example broker can keep. It forgets: its queues are in memory, and a
//! message leaves its queue when it is sent, so that one which is given back, or not answered, or
//! rejected, is gone. What the hub does itself holds with it as well.

use std::time::{Duration, Instant};

use hub_core::{Settlement, SinkError};
use meterhub_tests::conformance::{
    Partner, Receiver, Server, Told, accepted, message, open, receive,
};
use meterhub_tests::services;
use meterhub_tests::wait::PATIENCE;

use crate::rig::{Broker, alone, bytes, calm};
use crate::sink::Reader;
use crate::source::SenderSide;

/// All but redelivery after a crash of ours: with `kept` messages the broker need not offer them
/// again.
#[tokio::test(flavor = "multi_thread")]
async fn a_source_settles_keeps_order_and_offers_again_what_it_keeps() {
    let Some(broker) = Broker::proton() else {
        return;
    };
    let _calm = calm().await;
    let mut partner = SenderSide::new(broker, "", "window = 8\ngive_back = 'kept'").await;
    let mut source = partner.connect().await;
    let later = Settlement::Retry {
        after: Duration::from_millis(100),
    };
    let never = Settlement::Reject {
        reason: "not for us".to_owned(),
    };
    for (name, settlement, expected) in [
        ("yes.csv", accepted(), Told::Yes),
        ("never.csv", never, Told::Never),
        ("later.csv", later, Told::Later),
    ] {
        partner.send(name, name.as_bytes()).await;
        let (got, body, settle) = open(source.as_mut()).await;
        assert_eq!((got.as_str(), body.as_slice()), (name, name.as_bytes()));
        settle(settlement).await;
        assert_eq!(partner.told(name).await, expected, "{name}");
    }
    let (name, _, settle) = open(source.as_mut()).await;
    assert_eq!(name, "later.csv");
    settle(accepted()).await;
    assert_eq!(partner.told("later.csv").await, Told::Yes);
    partner.send("dropped.csv", b"1").await;
    drop(receive(source.as_mut()).await);
    assert_eq!(partner.told("dropped.csv").await, Told::Later);
    let (name, _, settle) = open(source.as_mut()).await;
    assert_eq!(name, "dropped.csv");
    settle(accepted()).await;
    for number in 0..10_u8 {
        let name = format!("order-{number}.csv");
        partner.send(&name, &[number]).await;
        let (got, body, settle) = open(source.as_mut()).await;
        assert_eq!((got, body), (name, vec![number]));
        settle(accepted()).await;
    }
}

/// This broker knows all outcomes: `modified` is what is asked for.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_modified_if_that_is_wished_for() {
    use fe2o3_amqp::types::messaging::DeliveryState;
    let Some(broker) = Broker::proton() else {
        return;
    };
    let _calm = calm().await;
    let mut partner = SenderSide::new(broker, "", "give_back = 'modified'").await;
    let mut source = partner.connect().await;
    partner.send("later.csv", b"1").await;
    let (_, _, settle) = open(source.as_mut()).await;
    settle(Settlement::Retry {
        after: Duration::ZERO,
    })
    .await;
    let begun = Instant::now();
    let told = loop {
        if let Some(told) = partner.wire.answer("later.csv") {
            break told;
        }
        assert!(begun.elapsed() < PATIENCE, "nothing was told");
        tokio::task::yield_now().await;
    };
    let DeliveryState::Modified(modified) = told else {
        panic!("{told:?}")
    };
    assert_eq!(modified.delivery_failed, Some(true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_notices_a_crash_and_a_freeze_and_comes_back() {
    let Some(broker) = Broker::proton() else {
        return;
    };
    let _alone = alone().await;
    let _resumed = services::ResumeAtEnd("proton");
    let mut partner = SenderSide::new(broker, "", "").await;
    let mut source = partner.connect().await;
    partner.kill().await;
    let ended = tokio::time::timeout(PATIENCE, source.receive()).await;
    assert!(ended.unwrap().is_err(), "its broker is gone");
    assert!(partner.try_connect().await.is_err());
    partner.restart().await;
    let mut source = partner.connect().await;
    partner.send("after.csv", b"1").await;
    let (name, _, settle) = open(source.as_mut()).await;
    assert_eq!(name, "after.csv");
    settle(accepted()).await;
    assert_eq!(partner.told("after.csv").await, Told::Yes);
    partner.stall().await;
    let ended = tokio::time::timeout(PATIENCE, source.receive()).await;
    let refused = partner.try_connect().await.err();
    partner.resume().await;
    assert!(ended.unwrap().is_err(), "its broker is frozen");
    assert!(refused.is_some(), "connected to a frozen broker");
}

/// The sink's laws, but for wrong credentials (there are none) and refusals (it takes all).
#[tokio::test(flavor = "multi_thread")]
async fn a_sink_is_taken_from_each_once_and_survives_crash_and_freeze() {
    let Some(broker) = Broker::proton() else {
        return;
    };
    let _alone = alone().await;
    let _resumed = services::ResumeAtEnd("proton");
    let mut reader = Reader::new(broker).await;
    let sink = reader.sink().await;
    for number in 1..=100 {
        sink.send(&message(number, "meter:1")).await.unwrap();
    }
    let found = reader.broker.drain(&reader.queue).await;
    assert_eq!(found.len(), 100);
    assert_eq!(bytes(&found[99]), b"body 100");
    reader.kill().await;
    let error = sink.send(&message(101, "meter:1")).await.unwrap_err();
    assert!(matches!(error, SinkError::Unavailable { .. }), "{error}");
    reader.restart().await;
    sink.send(&message(101, "meter:1")).await.unwrap();
    assert_eq!(reader.broker.drain(&reader.queue).await.len(), 1);
    reader.stall().await;
    let begun = Instant::now();
    let error = sink.send(&message(102, "meter:1")).await.unwrap_err();
    let waited = begun.elapsed();
    reader.resume().await;
    assert!(matches!(error, SinkError::Unavailable { .. }), "{error}");
    assert!(
        waited < reader.time_limit() + Duration::from_secs(2),
        "{waited:?}"
    );
    sink.send(&message(102, "meter:1")).await.unwrap();
}
