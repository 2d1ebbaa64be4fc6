//! A message that is nested so deeply that the library would overflow the stack.

use adapter_amqp10::Amqp10SourceConfig;
use fe2o3_amqp::types::messaging::{AmqpValue, Data, Message, MessageAnnotations};
use fe2o3_amqp::types::primitives::{Binary, Symbol, Value};
use hub_core::{Source, SourceConfig};
use lapin::options::{BasicGetOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use meterhub_tests::conformance::{accepted, open};
use meterhub_tests::wait::{PATIENCE, until};

use crate::rig::{Broker, calm, named, operator, unique};

/// As many as were seen to overflow 2 MiB.
const LEVELS: usize = 1_500;

/// What the library needs to send them.
const STACK: usize = 512 << 20;

fn nested(levels: usize) -> Value {
    (0..levels).fold(Value::Null, |inner, _| Value::List(vec![inner]))
}

/// Where the levels are.
#[derive(Debug, Clone, Copy)]
enum Place {
    Annotation,
    Body,
    /// In an annotation, with so much behind it that the message needs several transfers.
    Large,
}

async fn send(broker: &Broker, queue: &str, place: Place, levels: usize) {
    match place {
        Place::Annotation | Place::Large => {
            let bytes = match place {
                Place::Large => vec![b'x'; 500_000],
                _ => b"nested".to_vec(),
            };
            let mut annotations = MessageAnnotations::default();
            let key = Symbol::from("x-opt-nested");
            annotations.insert(key.into(), nested(levels));
            let message = Message::builder()
                .message_annotations(annotations)
                .body(Data(Binary::from(bytes)))
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

async fn source(broker: &Broker, queue: &str) -> Box<dyn Source> {
    let table = broker.table(&broker.address, "password");
    let address = broker.address_of(queue);
    let config: Amqp10SourceConfig =
        toml::from_str(&format!("{table}address = '{address}'")).unwrap();
    config.connect(&broker.context()).await.unwrap()
}

async fn assert_next(source: &mut dyn Source, expected: &[u8]) {
    let (_, body, settle) = open(source).await;
    assert_eq!(body, expected);
    settle(accepted()).await;
}

/// How many messages wait in a queue for others than who reads it.
async fn waiting(queue: &str) -> u32 {
    let (_connection, channel) = operator().await;
    let options = QueueDeclareOptions {
        passive: true,
        ..QueueDeclareOptions::default()
    };
    let asked = channel.queue_declare(queue.into(), options, FieldTable::default());
    asked.await.unwrap().message_count()
}

/// One connection all along: the message costs nothing but itself.
#[tokio::test(flavor = "multi_thread")]
async fn is_rejected_with_the_place_and_holds_up_nothing() {
    let Some(broker) = Broker::rabbitmq() else {
        return;
    };
    let _calm = calm().await;
    for (kind, place) in [
        ("classic", Place::Annotation),
        ("quorum", Place::Body),
        ("quorum", Place::Large),
    ] {
        let (queue, dead) = (unique("nested"), unique("dead"));
        let text = |text: &str| AMQPValue::LongString(text.into());
        let further = [
            ("x-dead-letter-exchange", text("")),
            ("x-dead-letter-routing-key", text(&dead)),
        ];
        broker.queue(&queue, kind, &further).await;
        broker.queue(&dead, "classic", &[]).await;
        broker.send(&queue, named("before.csv", b"before")).await;
        tokio::task::block_in_place(|| send_deep(&queue, place));
        broker.send(&queue, named("behind.csv", b"behind")).await;

        let mut source = source(&broker, &queue).await;
        assert_next(source.as_mut(), b"before").await;
        assert_next(source.as_mut(), b"behind").await;
        let buried = || async { (waiting(&dead).await == 1).then_some(()) };
        until("the dead letter", PATIENCE, buried).await;
        broker.send(&queue, named("last.csv", b"last")).await;
        assert_next(source.as_mut(), b"last").await;
        drop(source);
        assert_is_as_it_was_sent(&dead, place).await;
    }
}

/// What was overwritten is what we read, not what the broker has.
async fn assert_is_as_it_was_sent(dead: &str, place: Place) {
    let (_connection, channel) = operator().await;
    let got = channel.basic_get(dead.into(), BasicGetOptions { no_ack: true });
    let body = got.await.unwrap().unwrap().delivery.data;
    match place {
        Place::Annotation => assert_eq!(body, b"nested"),
        Place::Large => assert_eq!(body, vec![b'x'; 500_000]),
        // As the plugin keeps what is no bytes: encoded.
        Place::Body => assert!(body.len() > LEVELS, "{}", body.len()),
    }
}

/// No deeper than this broker stands itself.
#[tokio::test(flavor = "multi_thread")]
async fn is_rejected_whoever_the_broker_is() {
    let Some(broker) = Broker::proton() else {
        return;
    };
    let _calm = calm().await;
    let queue = unique("nested");
    send(&broker, &queue, Place::Annotation, 100).await;
    broker.send(&queue, named("next.csv", b"next")).await;
    let mut source = source(&broker, &queue).await;
    assert_next(source.as_mut(), b"next").await;
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
    let mut source = source(&broker, &queue).await;
    assert_next(source.as_mut(), b"nested").await;
}
