//! A message that is nested so deeply that the library would overflow the stack.

use adapter_amqp10::Amqp10SourceConfig;
use fe2o3_amqp::types::messaging::{AmqpValue, Data, Message, MessageAnnotations};
use fe2o3_amqp::types::primitives::{Binary, Symbol, Value};
use hub_core::SourceConfig;
use lapin::options::{BasicGetOptions, QueuePurgeOptions};
use meterhub_tests::conformance::{accepted, open};
use meterhub_tests::wait::PATIENCE;

use crate::rig::{Broker, calm, named, operator, unique};

/// As many as were seen to overflow 2 MiB.
const LEVELS: usize = 1_500;

/// What the library needs to send them.
const STACK: usize = 512 << 20;

fn nested(levels: usize) -> Value {
    (0..levels).fold(Value::Null, |inner, _| Value::List(vec![inner]))
}

/// Where the levels are.
#[derive(Clone, Copy)]
enum Place {
    Annotation,
    Body,
}

async fn send(broker: &Broker, queue: &str, place: Place, levels: usize) {
    match place {
        Place::Annotation => {
            let mut annotations = MessageAnnotations::default();
            let key = Symbol::from("x-opt-nested");
            annotations.insert(key.into(), nested(levels));
            let message = Message::builder()
                .message_annotations(annotations)
                .body(Data(Binary::from(b"nested".to_vec())))
                .build();
            broker.send(queue, message).await;
        }
        Place::Body => {
            let message = Message::builder().body(AmqpValue(nested(levels))).build();
            broker.send(queue, message).await;
        }
    }
}

/// To RabbitMQ, on a thread that has room for it: the library encodes recursively, too.
fn send_deep(queue: &str, place: Place) {
    let broker = Broker::rabbitmq().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let sending = || {
        runtime
            .unwrap()
            .block_on(send(&broker, queue, place, LEVELS))
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK);
        let sent = thread.spawn_scoped(scope, sending).unwrap().join();
        sent.unwrap();
    });
}

fn source(broker: &Broker, queue: &str) -> Amqp10SourceConfig {
    let table = broker.table(&broker.address, "password");
    let address = broker.address_of(queue);
    toml::from_str(&format!("{table}address = '{address}'")).unwrap()
}

/// Why a source ended that had nothing to offer before.
async fn end(broker: &Broker, queue: &str) -> String {
    let connecting = source(broker, queue).connect(&broker.context()).await;
    let mut source = connecting.unwrap();
    let received = tokio::time::timeout(PATIENCE, source.receive()).await;
    let Err(error) = received.unwrap() else {
        panic!("it was offered")
    };
    error.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn ends_the_source_and_stays_in_the_queue_until_it_is_taken_away() {
    let Some(broker) = Broker::rabbitmq() else {
        return;
    };
    let _calm = calm().await;
    for place in [Place::Annotation, Place::Body] {
        let queue = unique("nested");
        broker.queue(&queue, "classic", &[]).await;
        tokio::task::block_in_place(|| send_deep(&queue, place));
        for _attempt in 0..2 {
            let reason = end(&broker, &queue).await;
            assert!(
                reason.contains("nested more than 64 levels deep"),
                "{reason}"
            );
            assert!(reason.contains("stays in the queue"), "{reason}");
        }
        let (_connection, channel) = operator().await;
        let peek = || channel.basic_get(queue.as_str().into(), BasicGetOptions::default());
        let waiting = peek().await.unwrap().unwrap();
        assert!(waiting.delivery.redelivered);
        let again = lapin::options::BasicNackOptions {
            requeue: true,
            ..Default::default()
        };
        waiting.delivery.nack(again).await.unwrap();
        let purge = channel.queue_purge(queue.as_str().into(), QueuePurgeOptions::default());
        assert_eq!(purge.await.unwrap(), 1);
        broker.send(&queue, named("next.csv", b"next")).await;
        assert_is_next(&broker, &queue).await;
    }
}

async fn assert_is_next(broker: &Broker, queue: &str) {
    let connecting = source(broker, queue).connect(&broker.context()).await;
    let mut source = connecting.unwrap();
    let (_, body, settle) = open(source.as_mut()).await;
    assert_eq!(body, b"next");
    settle(accepted()).await;
}

/// No deeper than this broker stands itself.
#[tokio::test(flavor = "multi_thread")]
async fn ends_the_source_whoever_the_broker_is() {
    let Some(broker) = Broker::proton() else {
        return;
    };
    let _calm = calm().await;
    let queue = unique("nested");
    send(&broker, &queue, Place::Annotation, 100).await;
    let reason = end(&broker, &queue).await;
    assert!(
        reason.contains("nested more than 64 levels deep"),
        "{reason}"
    );
    broker.send(&queue, named("next.csv", b"next")).await;
    assert_is_next(&broker, &queue).await;
}

/// The section and the map are two levels of the 64.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_limit_allows_is_read() {
    let Some(broker) = Broker::proton() else {
        return;
    };
    let _calm = calm().await;
    let queue = unique("nested");
    send(&broker, &queue, Place::Annotation, 62).await;
    let connecting = source(&broker, &queue).connect(&broker.context()).await;
    let mut source = connecting.unwrap();
    let (_, body, settle) = open(source.as_mut()).await;
    assert_eq!(body, b"nested");
    settle(accepted()).await;
}
