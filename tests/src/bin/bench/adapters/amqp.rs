//! AMQP 0-9-1: RabbitMQ with a durable quorum queue, and lapin without a hub.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions,
    ConfirmSelectOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};

use super::compare::{Size, Table, Way};
use super::hub_side::{Accepted, Setup, gives_out, kept, takes_in};
use super::servers::{Place, message, message_bytes, unique, variables};
use crate::Outcome;

/// Messages of a run.
const MESSAGES: u64 = 20_000;
/// Messages under way: the adapter's default.
const WINDOW: usize = 256;
/// Unacknowledged messages that the broker sends: as the adapter asks for.
const PREFETCH: u16 = 512;
/// Messages that the bare client acknowledges with one frame.
const ACKED_TOGETHER: u64 = 64;
/// Longest wait until the broker has seen all answers.
const SETTLING: Duration = Duration::from_secs(10);

/// Both rows.
pub(super) async fn run(table: &mut Table<'_>) -> Outcome<()> {
    let [url] = variables(["AMQP_URL"])?;
    let broker = Broker::at(url)?;
    let (disk, count) = (table.disk(), table.messages(MESSAGES));
    let way = Way {
        what: "amqp in: quorum queue, 1 KB, window 256",
        bare: "lapin alone",
        size: Size::Messages(count),
    };
    let with_hub = async || {
        let queue = broker.filled(count).await?;
        let took = takes_in(disk, &broker.source(&queue.name), count).await?;
        queue.ends_with(0).await?;
        Ok(took)
    };
    let alone = async || {
        let queue = broker.filled(count).await?;
        let took = broker.consume(&queue.name, count).await?;
        queue.ends_with(0).await?;
        Ok(took)
    };
    table.compare(way, with_hub, alone).await?;

    let way = Way {
        what: "amqp out: quorum queue, 1 KB, 256 in flight",
        bare: "lapin alone",
        size: Size::Messages(count),
    };
    let with_hub = async || {
        let queue = broker.queue().await?;
        let accepted = Accepted::Messages(count, message);
        let took = gives_out(disk, &broker.sink(&queue.name), accepted).await?;
        queue.ends_with(count).await?;
        Ok(took)
    };
    let alone = async || {
        let queue = broker.queue().await?;
        let took = broker.publish(&queue.name, count).await?;
        queue.ends_with(count).await?;
        Ok(took)
    };
    table.compare(way, with_hub, alone).await
}

pub(super) struct Broker {
    url: String,
    place: Place,
}

/// A queue of one run.
pub(super) struct Queue {
    pub(super) name: String,
    channel: Channel,
    _connection: Connection,
}

impl Broker {
    pub(super) fn at(url: String) -> Outcome<Self> {
        Ok(Self {
            place: Place::parse(&url)?,
            url,
        })
    }

    fn section(&self) -> String {
        let Place {
            host, port, user, ..
        } = &self.place;
        format!(
            "broker = {{ url = \"amqp://{host}:{port}/%2f\", \
             auth = {{ password = {{ user = \"{user}\", password = \"file:password\" }} }} }}"
        )
    }

    fn setup(&self, sections: String) -> Setup {
        Setup {
            sections,
            files: vec![("password", self.place.password.clone())],
        }
    }

    fn source(&self, queue: &str) -> Setup {
        self.setup(format!(
            "[source.in]\nenterprise = \"north\"\n[source.in.amqp]\n{}\nqueue = \"{queue}\"\n\
             window = {WINDOW}\n\n{}",
            self.section(),
            kept("in")
        ))
    }

    fn sink(&self, queue: &str) -> Setup {
        self.setup(format!(
            "[sink.out]\nenterprise = \"north\"\nparallel = {WINDOW}\n\
             [sink.out.amqp]\n{}\nrouting_key = \"{queue}\"\nmax_in_flight = {WINDOW}\n",
            self.section()
        ))
    }

    async fn connect(&self) -> Outcome<(Connection, Channel)> {
        let connection = Connection::connect(&self.url, ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        channel
            .confirm_select(ConfirmSelectOptions::default())
            .await?;
        Ok((connection, channel))
    }

    /// A new durable quorum queue.
    pub(super) async fn queue(&self) -> Outcome<Queue> {
        let (connection, channel) = self.connect().await?;
        let mut arguments = FieldTable::default();
        let quorum = AMQPValue::LongString("quorum".into());
        arguments.insert("x-queue-type".into(), quorum);
        let options = QueueDeclareOptions {
            durable: true,
            ..QueueDeclareOptions::default()
        };
        let name = unique("queue");
        channel
            .queue_declare(name.as_str().into(), options, arguments)
            .await?;
        Ok(Queue {
            name,
            channel,
            _connection: connection,
        })
    }

    /// A new queue with so many messages.
    pub(super) async fn filled(&self, count: u64) -> Outcome<Queue> {
        let queue = self.queue().await?;
        self.publish(&queue.name, count).await?;
        Ok(queue)
    }

    /// The bare client: publishes durable messages, so many in flight, and waits for each confirm.
    async fn publish(&self, queue: &str, count: u64) -> Outcome<Duration> {
        let begun = Instant::now();
        let (_connection, channel) = self.connect().await?;
        let options = BasicPublishOptions {
            mandatory: true,
            ..BasicPublishOptions::default()
        };
        let mut in_flight = VecDeque::with_capacity(WINDOW);
        for number in 0..count {
            if in_flight.len() == WINDOW
                && let Some(oldest) = in_flight.pop_front()
            {
                confirmed(oldest).await?;
            }
            let properties = BasicProperties::default()
                .with_delivery_mode(2)
                .with_message_id(number.to_string().into());
            let body = message_bytes(number);
            let published =
                channel.basic_publish("".into(), queue.into(), options, &body, properties);
            in_flight.push_back(published.await?);
        }
        for confirm in in_flight {
            confirmed(confirm).await?;
        }
        Ok(begun.elapsed())
    }

    /// The bare client: takes so many messages and acknowledges them, several with one frame.
    async fn consume(&self, queue: &str, count: u64) -> Outcome<Duration> {
        let begun = Instant::now();
        let (connection, channel) = self.connect().await?;
        channel
            .basic_qos(PREFETCH, BasicQosOptions::default())
            .await?;
        let options = BasicConsumeOptions::default();
        let consuming =
            channel.basic_consume(queue.into(), "".into(), options, FieldTable::default());
        let mut consumer = consuming.await?;
        for number in 1..=count {
            let delivery = consumer.next().await.ok_or("the broker ended it")??;
            std::hint::black_box(delivery.data.len());
            if number.is_multiple_of(ACKED_TOGETHER) || number == count {
                delivery.ack(BasicAckOptions { multiple: true }).await?;
            }
        }
        let took = begun.elapsed();
        connection.close(200, "OK".into()).await?;
        Ok(took)
    }
}

async fn confirmed(confirm: lapin::PublisherConfirm) -> Outcome<()> {
    match confirm.await? {
        lapin::Confirmation::Ack(None) => Ok(()),
        other => Err(format!("a message was not taken: {other:?}").into()),
    }
}

impl Queue {
    /// Deletes the queue, which must hold so many messages. Answers of who has just left may still be
    /// on their way to it.
    pub(super) async fn ends_with(self, expected: u64) -> Outcome<()> {
        let begun = Instant::now();
        let name = self.name.as_str();
        loop {
            let options = QueueDeclareOptions {
                passive: true,
                ..QueueDeclareOptions::default()
            };
            let arguments = FieldTable::default();
            let asked = self.channel.queue_declare(name.into(), options, arguments);
            let queue = asked.await?;
            let (ready, readers) = (u64::from(queue.message_count()), queue.consumer_count());
            if ready == expected && readers == 0 {
                break;
            }
            if begun.elapsed() > SETTLING {
                return Err(format!("{ready} messages are in the queue, not {expected}").into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let options = QueueDeleteOptions::default();
        self.channel.queue_delete(name.into(), options).await?;
        Ok(())
    }
}
