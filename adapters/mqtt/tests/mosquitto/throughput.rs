//! Messages a second, beside what the library does alone. Run by hand, with optimisation for figures
//! that mean something: `cargo test --release -p adapter-mqtt -- --ignored --nocapture throughput`.

use std::sync::Arc;
use std::time::Instant;

use adapter_mqtt::{MqttSinkConfig, MqttSourceConfig};
use hub_core::{Content, Sink, SinkConfig, SourceConfig};
use meterhub_tests::conformance::{accepted, message, receive};
use rumqttc::PublishOptions;
use tokio::task::JoinSet;

use crate::rig::{Broker, alone, unique};

/// Below what Mosquitto keeps for one session by default (`max_queued_messages`).
const MESSAGES: u64 = 900;
const ROUNDS: usize = 5;
const BODY: [u8; 1_024] = [7; 1_024];
const IN_FLIGHT: usize = 64;

fn report(what: &str, begun: Instant) {
    let rate = MESSAGES as f64 / begun.elapsed().as_secs_f64();
    println!("{what}: {rate:.0} messages/s (1 KiB, QoS 1)");
}

async fn library_alone(broker: &Broker, topic: &str) {
    let client = broker.client();
    let begun = Instant::now();
    let mut notices = JoinSet::new();
    for _ in 0..MESSAGES {
        let options = PublishOptions::at_least_once();
        let published = client.publish_tracked(topic, BODY.to_vec(), options).await;
        notices.spawn(published.unwrap().wait_async());
        while notices.len() >= IN_FLIGHT {
            notices.join_next().await.unwrap().unwrap().unwrap();
        }
    }
    while let Some(answered) = notices.join_next().await {
        answered.unwrap().unwrap();
    }
    report("library, publish", begun);
}

async fn sink(broker: &Broker, topic: &str) {
    let table = broker.table(&format!("mqtt://{}", broker.address), "password", "");
    let config = format!("{table}topic = '{topic}'\nmax_in_flight = {IN_FLIGHT}");
    let config: MqttSinkConfig = toml::from_str(&config).unwrap();
    let sink: Arc<dyn Sink> = config.connect(&broker.context()).await.unwrap().into();
    let begun = Instant::now();
    let mut sends = JoinSet::new();
    for number in 0..MESSAGES {
        let (sink, mut message) = (sink.clone(), message(number, "meter:1"));
        message.content = Content::bytes(BODY.to_vec());
        sends.spawn(async move { sink.send(&message).await });
        while sends.len() >= IN_FLIGHT {
            sends.join_next().await.unwrap().unwrap().unwrap();
        }
    }
    while let Some(sent) = sends.join_next().await {
        sent.unwrap().unwrap();
    }
    report("sink", begun);
}

fn source_config(broker: &Broker, topic: &str) -> MqttSourceConfig {
    let table = broker.table(&format!("mqtt://{}", broker.address), "password", "");
    let config =
        format!("{table}client_id = '{topic}'\ntopics = ['{topic}']\nwindow = {IN_FLIGHT}");
    toml::from_str(&config).unwrap()
}

async fn source(broker: &Broker, topic: &str) {
    let config = source_config(broker, topic);
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
    for _ in 0..ROUNDS {
        for send_with_sink in [false, true] {
            let topic = unique("speed");
            // The session begins, so that there is somebody to publish to.
            let config = source_config(&broker, &topic);
            drop(config.connect(&broker.context()).await.unwrap());
            match send_with_sink {
                false => library_alone(&broker, &topic).await,
                true => sink(&broker, &topic).await,
            }
            source(&broker, &topic).await;
        }
    }
}
