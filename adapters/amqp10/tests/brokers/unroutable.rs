//! What RabbitMQ makes of messages that reach no queue, and what can be known of that beforehand: the
//! documentation of the sink's `address` says so.

use adapter_amqp10::Amqp10SinkConfig;
use hub_core::SinkConfig;
use lapin::options::QueueDeleteOptions;
use meterhub_tests::conformance::message;

use crate::rig::{Broker, calm, operator, unique};
use crate::sink::Reader;

fn config(broker: &Broker, address: &str) -> Amqp10SinkConfig {
    let table = broker.table(&broker.address, "password");
    toml::from_str(&format!(
        "{table}address = '{address}'\noutcome_timeout_seconds = 3"
    ))
    .unwrap()
}

/// Its plugin says `accepted` before it knows. Should this fail with a newer broker, the better: then
/// the documentation is to be corrected.
#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_without_a_queue_accepts_and_loses() {
    let Some(broker) = Broker::rabbitmq() else {
        return;
    };
    let _calm = calm().await;
    let address = format!("/exchange/amq.direct/{}", unique("nowhere"));
    let config = config(&broker, &address);
    config.check(&broker.context()).await.unwrap();
    let sink = config.connect(&broker.context()).await.unwrap();
    sink.send(&message(90, "meter:1")).await.unwrap();
}

/// Until it is made: no restart is needed.
#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_is_missing_is_told_beforehand() {
    let Some(broker) = Broker::rabbitmq() else {
        return;
    };
    let _calm = calm().await;
    let queue = unique("missing");
    let config = config(&broker, &format!("/amq/queue/{queue}"));
    let is_told = |error: String| error.contains(&queue) && error.contains("amqp:not-found");
    let checked = config.check(&broker.context()).await.unwrap_err();
    assert!(is_told(checked.to_string()), "{checked}");
    let sink = config.connect(&broker.context()).await.unwrap();
    let sent = sink.send(&message(91, "meter:1")).await.unwrap_err();
    assert!(is_told(sent.to_string()), "{sent}");
    broker.queue(&queue, "quorum", &[]).await;
    config.check(&broker.context()).await.unwrap();
    sink.send(&message(91, "meter:1")).await.unwrap();
    assert_eq!(broker.drain(&queue).await.len(), 1);
}

/// The other thing that cannot be known.
#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_is_deleted_under_a_link_accepts_and_loses() {
    let Some(broker) = Broker::rabbitmq() else {
        return;
    };
    let _calm = calm().await;
    let reader = Reader::new(broker).await;
    let sink = reader.connect("password", &reader.fixed()).await;
    sink.send(&message(92, "meter:1")).await.unwrap();
    let (_connection, channel) = operator().await;
    let queue = reader.queue.as_str().into();
    let deleting = channel.queue_delete(queue, QueueDeleteOptions::default());
    deleting.await.unwrap();
    sink.send(&message(93, "meter:1")).await.unwrap();
}
