//! Messages a second, beside what the library does alone. Run by hand, with optimisation for figures
//! that mean something: `cargo test --release -p adapter-amqp -- --ignored --nocapture throughput`.

use std::sync::Arc;
use std::time::Instant;

use adapter_amqp::{AmqpSinkConfig, AmqpSourceConfig};
use futures_util::stream::{self, StreamExt};
use hub_core::{Content, Sink, SinkConfig, SourceConfig};
use lapin::BasicProperties;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions};
use lapin::types::FieldTable;
use meterhub_tests::conformance::{accepted, message, receive};
use tokio::task::JoinSet;

use crate::rig::{Broker, alone, unique};

const MESSAGES: u64 = 10_000;
const BODY: [u8; 1_024] = [7; 1_024];
const IN_FLIGHT: usize = 256;

fn report(what: &str, begun: Instant) {
    let rate = MESSAGES as f64 / begun.elapsed().as_secs_f64();
    println!("{what}: {rate:.0} messages/s (1 KiB, durable, quorum queue)");
}

async fn library_alone(broker: &Broker, queue: &str) {
    let (_connection, channel) = broker.channel().await;
    let begun = Instant::now();
    let confirms = stream::iter(0..MESSAGES)
        .map(|_| async {
            let options = BasicPublishOptions {
                mandatory: true,
                immediate: false,
            };
            let properties = BasicProperties::default().with_delivery_mode(2);
            let sent = channel.basic_publish("".into(), queue.into(), options, &BODY, properties);
            sent.await.unwrap().await.unwrap()
        })
        .buffer_unordered(IN_FLIGHT);
    assert!(
        confirms
            .all(|confirm| async move { confirm.is_ack() })
            .await
    );
    report("library, publish on one channel", begun);
}

async fn library_alone_reads(broker: &Broker, queue: &str) {
    let (_connection, channel) = broker.channel().await;
    let window = u16::try_from(2 * IN_FLIGHT).unwrap();
    channel
        .basic_qos(window, BasicQosOptions::default())
        .await
        .unwrap();
    let options = BasicConsumeOptions::default();
    let consuming = channel.basic_consume(queue.into(), "".into(), options, FieldTable::default());
    let mut consumer = consuming.await.unwrap();
    let begun = Instant::now();
    let mut settling = JoinSet::new();
    for _ in 0..MESSAGES {
        let delivery = consumer.next().await.unwrap().unwrap();
        settling.spawn(async move { delivery.acker.ack(BasicAckOptions::default()).await });
        while settling.len() >= IN_FLIGHT {
            settling.join_next().await;
        }
    }
    while settling.join_next().await.is_some() {}
    report("library, consume and ack each", begun);
}

async fn sink(broker: &Broker, queue: &str) {
    let table = broker.table(&broker.address, "password");
    let config = format!("{table}routing_key = '{queue}'\nmax_in_flight = {IN_FLIGHT}");
    let config: AmqpSinkConfig = toml::from_str(&config).unwrap();
    let sink: Arc<dyn Sink> = config.connect(&broker.context()).await.unwrap().into();
    let mut first = message(0, "meter:1");
    first.content = Content::bytes(BODY.to_vec());
    sink.send(&first).await.unwrap();
    let begun = Instant::now();
    let sends = stream::iter(1..MESSAGES).map(|number| {
        let (sink, mut message) = (sink.clone(), first.clone());
        message.message_id.0 += i64::try_from(number).unwrap();
        async move { sink.send(&message).await }
    });
    let failed = sends.buffer_unordered(IN_FLIGHT).filter(|sent| {
        let failed = sent.is_err();
        async move { failed }
    });
    assert_eq!(failed.count().await, 0);
    report("sink", begun);
}

async fn source(broker: &Broker, queue: &str) {
    let table = broker.table(&broker.address, "password");
    let config = format!("{table}queue = '{queue}'\nwindow = {IN_FLIGHT}");
    let config: AmqpSourceConfig = toml::from_str(&config).unwrap();
    let mut source = config.connect(&broker.context()).await.unwrap();
    let begun = Instant::now();
    let mut settling = JoinSet::new();
    for _ in 0..MESSAGES {
        let (_, receipt) = receive(source.as_mut()).await.into_parts();
        settling.spawn(receipt.settle(accepted()));
        while settling.len() >= source.window() {
            settling.join_next().await;
        }
    }
    while settling.join_next().await.is_some() {}
    report("source", begun);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement, not a test"]
async fn throughput() {
    let Some(broker) = Broker::find() else { return };
    let _alone = alone().await;
    for _ in 0..2 {
        for send_with_sink in [false, true] {
            let queue = unique("speed");
            broker.queue(&queue, "quorum", &[]).await;
            match send_with_sink {
                false => {
                    library_alone(&broker, &queue).await;
                    source(&broker, &queue).await;
                }
                true => {
                    sink(&broker, &queue).await;
                    library_alone_reads(&broker, &queue).await;
                }
            }
        }
    }
}
