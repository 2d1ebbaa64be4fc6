//! A hub that is stopped in good order while it takes messages from a real RabbitMQ, over each of the
//! protocols: what it has committed the broker does not have any more, and what the broker still has
//! the hub has not. Nothing is lost, and nothing comes twice.

use std::collections::BTreeSet;
use std::time::Duration;

use hub_store::messages::Store;
use lapin::message::BasicGetMessage;
use lapin::options::{
    BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use meterhub_tests::config_folder::ConfigFolder;
use meterhub_tests::hub_process::HubProcess;
use meterhub_tests::services::service;
use meterhub_tests::wait::{PATIENCE, until, until_true};
use rusqlite::OpenFlags;

/// More than the hub takes until it is stopped.
const MESSAGES: usize = 8_000;
/// It is stopped when it has committed so many: while others are under way.
const COMMITTED: usize = 2_000;

/// A queue of the broker, of this kind.
struct Queue {
    name: String,
    channel: Channel,
    url: String,
    _connection: Connection,
}

impl Queue {
    /// A new one; `None`, said aloud, if there is no broker.
    async fn declare(kind: &str, test: &str) -> Option<Self> {
        let url = service("AMQP_URL")?;
        let connection = Connection::connect(&url, ConnectionProperties::default());
        let connection = connection.await.expect("the broker is there");
        let channel = connection.create_channel().await.expect("a channel");
        let confirms = channel.confirm_select(ConfirmSelectOptions::default());
        confirms.await.expect("confirms");
        let name = format!("stop.{test}.{}", std::process::id());
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), AMQPValue::LongString(kind.into()));
        let options = QueueDeclareOptions {
            durable: true,
            ..QueueDeclareOptions::default()
        };
        let declared = channel.queue_declare(name.as_str().into(), options, arguments);
        declared.await.expect("a queue can be made");
        Some(Self {
            name,
            channel,
            url,
            _connection: connection,
        })
    }

    /// Fills it. Messages have their numbers as ids.
    async fn fill(&self) {
        let mut confirms = Vec::with_capacity(MESSAGES);
        for number in 0..MESSAGES {
            let number = number.to_string();
            let properties = BasicProperties::default()
                .with_delivery_mode(2)
                .with_message_id(number.as_str().into());
            let (queue, options) = (self.name.as_str().into(), BasicPublishOptions::default());
            let body = number.repeat(100);
            let published =
                self.channel
                    .basic_publish("".into(), queue, options, body.as_bytes(), properties);
            confirms.push(published.await.expect("the broker takes it"));
        }
        for confirm in confirms {
            assert!(confirm.await.expect("a confirm").is_ack());
        }
    }

    /// Takes the messages that are left: so many at least, and what more there are. Nobody else reads
    /// the queue: what it was not given back by the last of these it will not be.
    async fn left(&self, expected: usize) -> BTreeSet<String> {
        let mut left = BTreeSet::new();
        let what = format!("{expected} messages to be left");
        while left.len() < expected {
            let got = until(&what, PATIENCE, || self.next()).await;
            left.insert(id(&got));
        }
        while let Some(more) = self.next().await {
            left.insert(id(&more));
        }
        left
    }

    async fn next(&self) -> Option<BasicGetMessage> {
        let options = BasicGetOptions { no_ack: true };
        let got = self.channel.basic_get(self.name.as_str().into(), options);
        got.await.expect("can be read")
    }

    /// Whether anybody reads it.
    async fn is_read(&self) -> bool {
        let options = QueueDeclareOptions {
            passive: true,
            ..QueueDeclareOptions::default()
        };
        let (name, none) = (self.name.as_str().into(), FieldTable::default());
        let asked = self.channel.queue_declare(name, options, none).await;
        asked.expect("it is there").consumer_count() > 0
    }

    /// A hub that takes from it.
    fn configuration(&self, adapter: &str) -> String {
        let name = &self.name;
        let (user, password, place) = login(&self.url);
        let (path, address) = match adapter {
            "amqp" => ("/%2f", format!("queue = \"{name}\"")),
            _ => ("", format!("address = \"/amq/queue/{name}\"")),
        };
        assert_eq!(password, "hubpw", "the account of the test services");
        format!(
            r#"
[enterprise.north]
zone = "Europe/Helsinki"
[source.in]
enterprise = "north"
[source.in.{adapter}]
broker = {{ url = "amqp://{place}{path}", auth = {{ password = {{ user = "{user}", password = "file:password" }} }} }}
{address}
[inbound.in]
from = "in"
format = "opaque"
to = []
"#
        )
    }
}

fn id(got: &BasicGetMessage) -> String {
    let id = got.delivery.properties.message_id().clone();
    id.expect("each has an id").to_string()
}

/// User, password, and `host:port`.
fn login(url: &str) -> (&str, &str, &str) {
    let rest = url.strip_prefix("amqp://").expect("is a URL");
    let (login, place) = rest.split_once('@').expect("has an account");
    let (user, password) = login.split_once(':').expect("has a password");
    (user, password, place.split('/').next().unwrap_or(place))
}

/// What a hub has committed, as a reader of its database sees it.
struct Committed(rusqlite::Connection);

impl Committed {
    fn open(config: &ConfigFolder) -> Self {
        let path = Store::database(&config.dir().join("data"));
        let connection =
            rusqlite::Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY);
        let connection = connection.expect("the hub has a database");
        let waits = connection.busy_timeout(Duration::from_secs(10));
        waits.expect("it can wait");
        Self(connection)
    }

    fn count(&self) -> usize {
        let count = "SELECT COUNT(*) FROM message";
        let count = self.0.query_row(count, [], |row| row.get::<_, i64>(0));
        usize::try_from(count.expect("can be read")).expect("is a count")
    }

    fn ids(&self) -> Vec<String> {
        let mut all = self
            .0
            .prepare("SELECT business_key FROM message")
            .expect("is SQL");
        let ids = all.query_map([], |row| row.get(0)).expect("can be read");
        ids.map(|id| id.expect("each has an id")).collect()
    }
}

async fn stopped_in_mid_stream(adapter: &str, kind: &str) {
    let Some(queue) = Queue::declare(kind, &format!("{adapter}.{kind}")).await else {
        return;
    };
    queue.fill().await;
    let config = ConfigFolder::new().expect("the disk works");
    std::fs::write(config.dir().join("password"), "hubpw").expect("the disk works");
    config
        .write(&queue.configuration(adapter))
        .expect("the disk works");
    let hub = HubProcess::start(&config).await;
    let committed = Committed::open(&config);
    until_true("some to be committed", PATIENCE, async || {
        committed.count() >= COMMITTED
    })
    .await;
    hub.stop().await;
    until_true("the broker to see it go", PATIENCE, async || {
        !queue.is_read().await
    })
    .await;

    let kept = committed.ids();
    let kept: BTreeSet<_> = kept.into_iter().collect();
    assert_eq!(kept.len(), committed.count(), "none twice");
    assert!(
        (COMMITTED..MESSAGES).contains(&kept.len()),
        "{}",
        kept.len()
    );
    let left = queue.left(MESSAGES - kept.len()).await;
    let both = kept.intersection(&left).count();
    println!(
        "{adapter}, {kind}: {} committed, {} left",
        kept.len(),
        left.len()
    );
    assert_eq!(both, 0, "messages that are committed and offered again");
}

#[tokio::test(flavor = "multi_thread")]
async fn amqp_leaves_a_quorum_queue_with_what_it_has_not() {
    stopped_in_mid_stream("amqp", "quorum").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn amqp_leaves_a_classic_queue_with_what_it_has_not() {
    stopped_in_mid_stream("amqp", "classic").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn amqp10_leaves_a_quorum_queue_with_what_it_has_not() {
    stopped_in_mid_stream("amqp10", "quorum").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn amqp10_leaves_a_classic_queue_with_what_it_has_not() {
    stopped_in_mid_stream("amqp10", "classic").await;
}
