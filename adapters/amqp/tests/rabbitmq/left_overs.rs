//! Connections that ended, and attempts that were given up, leave no thread and no socket behind.

use adapter_amqp::{AmqpSinkConfig, AmqpSourceConfig};
use hub_core::{SinkConfig, SourceConfig};
use meterhub_tests::conformance::message;
use meterhub_tests::services;
use meterhub_tests::wait::{PATIENCE, until_true};
use tokio::net::TcpListener;

use crate::rig::{Broker, alone, unique};

/// The library's threads, and all open files, of this process.
fn held() -> (usize, usize) {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let name = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm"));
    let threads = tasks.flatten().filter_map(|task| name(task).ok());
    let threads = threads.filter(|name| name.starts_with("lapin")).count();
    (threads, std::fs::read_dir("/proc/self/fd").unwrap().count())
}

async fn until_released(before: (usize, usize)) {
    until_true(
        &format!("no more than {before:?} to be held"),
        PATIENCE,
        || async {
            let now = held();
            now.0 <= before.0 && now.1 <= before.1
        },
    )
    .await;
}

/// Waits until what other tests left is gone: each connection has some seconds to say good-bye.
async fn nothing_held() -> (usize, usize) {
    until_true("other connections to end", PATIENCE, || async {
        held().0 == 0
    })
    .await;
    held()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_connections_that_were_used() {
    let Some(broker) = Broker::find() else { return };
    let _alone = alone().await;
    let queue = unique("used");
    broker.queue(&queue, "quorum", &[]).await;
    let table = broker.table(&broker.address, "password");
    let source: AmqpSourceConfig = toml::from_str(&format!("{table}queue = '{queue}'")).unwrap();
    let sink: AmqpSinkConfig = toml::from_str(&format!("{table}routing_key = '{queue}'")).unwrap();
    let context = broker.context();
    let before = nothing_held().await;
    for number in 0..10 {
        let source = source.connect(&context).await.unwrap();
        let sink = sink.connect(&context).await.unwrap();
        sink.send(&message(number, "meter:1")).await.unwrap();
        drop((source, sink));
    }
    until_released(before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_server_that_accepts_and_says_nothing() {
    let Some(broker) = Broker::find() else { return };
    let _alone = alone().await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let table = broker.table(&address, "password");
    let table = table.replace("connect_timeout_seconds = 3", "connect_timeout_seconds = 1");
    let source: AmqpSourceConfig = toml::from_str(&format!("{table}queue = 'q'")).unwrap();
    let context = broker.context();
    // Of a first connection the library's adapter to tokio stays: one thread, for all of them.
    assert!(source.check(&context).await.is_err());
    let before = nothing_held().await;
    for _ in 0..3 {
        let error = source.check(&context).await.unwrap_err().to_string();
        assert!(error.contains("did not answer within 1s"), "{error}");
    }
    until_released(before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_connection_whose_broker_froze() {
    let Some(broker) = Broker::find() else { return };
    let _alone = alone().await;
    let _resumed = services::ResumeAtEnd("rabbitmq");
    let queue = unique("frozen");
    broker.queue(&queue, "quorum", &[]).await;
    let table = broker.table(&broker.address, "password");
    let source: AmqpSourceConfig = toml::from_str(&format!("{table}queue = '{queue}'")).unwrap();
    let before = nothing_held().await;
    let connected = source.connect(&broker.context()).await.unwrap();
    services::pause("rabbitmq").await;
    drop(connected);
    until_released(before).await;
    services::resume("rabbitmq").await;
}
