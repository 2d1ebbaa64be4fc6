//! The broker under test, and a partner's view of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use hub_core::AdapterContext;
use hub_core::files::OsFiles;
use lapin::options::{
    BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions,
    QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::uri::AMQPUri;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, ExchangeKind};
use meterhub_tests::conformance;
use meterhub_tests::services::{self, service};
use tempfile::TempDir;
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio::time::Instant;

/// A quorum queue younger than this may be gone after a crash, its confirmed messages with it: the
/// broker writes names of queues to disk twice a second (RabbitMQ before ra pull request 443).
const QUEUE_IS_SAFE_AFTER: Duration = Duration::from_secs(1);

/// Tests share the one broker; those that crash or freeze it are alone.
static BROKER: RwLock<()> = RwLock::const_new(());

/// Nobody harms the broker while this is held.
pub(crate) async fn calm() -> RwLockReadGuard<'static, ()> {
    BROKER.read().await
}

/// Nobody else uses the broker while this is held.
pub(crate) async fn alone() -> RwLockWriteGuard<'static, ()> {
    BROKER.write().await
}

/// A name that no other test uses.
pub(crate) fn unique(what: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("test.{what}.{}.{number}", std::process::id())
}

/// The broker, and a folder with secrets for configurations.
pub(crate) struct Broker {
    pub(crate) uri: AMQPUri,
    pub(crate) base: TempDir,
    /// Plaintext address.
    pub(crate) address: String,
    declared: std::sync::Mutex<Option<Instant>>,
}

impl Broker {
    /// `None`, said aloud, if there is none.
    pub(crate) fn find() -> Option<Self> {
        let uri: AMQPUri = service("AMQP_URL")?.parse().unwrap();
        let base = tempfile::tempdir().unwrap();
        std::fs::write(
            base.path().join("password"),
            &uri.authority.userinfo.password,
        )
        .unwrap();
        std::fs::write(base.path().join("wrong"), "wrong-password").unwrap();
        let address = format!("{}:{}", uri.authority.host, uri.authority.port);
        Some(Self {
            uri,
            base,
            address,
            declared: std::sync::Mutex::default(),
        })
    }

    pub(crate) fn context(&self) -> AdapterContext {
        conformance::context("partner", self.base.path(), Arc::new(OsFiles))
    }

    /// The `broker` table of a configuration. `password` is a file: `password` or `wrong`.
    pub(crate) fn table(&self, address: &str, password: &str) -> String {
        let user = &self.uri.authority.userinfo.username;
        format!(
            "broker = {{ url = 'amqp://{address}/%2f', heartbeat_seconds = 1, \
             connect_timeout_seconds = 3, auth = {{ password = {{ user = '{user}', \
             password = 'file:{password}' }} }} }}\n"
        )
    }

    /// A connection of the partner's.
    pub(crate) async fn channel(&self) -> (Connection, Channel) {
        let properties = ConnectionProperties::default();
        let connection = Connection::connect_uri(self.uri.clone(), properties).await;
        let connection = connection.unwrap();
        let channel = connection.create_channel().await.unwrap();
        let confirms = channel.confirm_select(ConfirmSelectOptions::default());
        confirms.await.unwrap();
        (connection, channel)
    }

    /// Makes a durable queue: `quorum` or `classic`, with further arguments.
    pub(crate) async fn queue(
        &self,
        name: &str,
        kind: &str,
        further: &[(&'static str, AMQPValue)],
    ) {
        let (_connection, channel) = self.channel().await;
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), AMQPValue::LongString(kind.into()));
        for (name, value) in further {
            arguments.insert((*name).into(), value.clone());
        }
        let options = QueueDeclareOptions {
            durable: true,
            ..QueueDeclareOptions::default()
        };
        channel
            .queue_declare(name.into(), options, arguments)
            .await
            .unwrap();
        *self.declared.lock().unwrap() = Some(Instant::now());
    }

    /// Makes an exchange, and binds a queue to it by these keys.
    pub(crate) async fn exchange(
        &self,
        name: &str,
        kind: ExchangeKind,
        queue: &str,
        keys: &[String],
    ) {
        let (_connection, channel) = self.channel().await;
        let options = ExchangeDeclareOptions {
            durable: true,
            ..ExchangeDeclareOptions::default()
        };
        let none = FieldTable::default;
        channel
            .exchange_declare(name.into(), kind, options, none())
            .await
            .unwrap();
        for key in keys {
            let key = key.as_str().into();
            let options = QueueBindOptions::default();
            channel
                .queue_bind(queue.into(), name.into(), key, options, none())
                .await
                .unwrap();
        }
    }

    /// Publishes to a queue, durably.
    pub(crate) async fn publish(&self, queue: &str, properties: BasicProperties, body: &[u8]) {
        let (_connection, channel) = self.channel().await;
        publish(&channel, queue, properties, body).await;
    }

    /// Takes all that waits in a queue.
    pub(crate) async fn drain(&self, queue: &str) -> Vec<(BasicProperties, Vec<u8>)> {
        let (_connection, channel) = self.channel().await;
        let options = BasicGetOptions { no_ack: true };
        let mut found = Vec::new();
        while let Some(got) = channel.basic_get(queue.into(), options).await.unwrap() {
            found.push((got.delivery.properties, got.delivery.data));
        }
        found
    }

    /// Crashes it, once what was declared would survive.
    pub(crate) async fn kill(&self) {
        let declared = *self.declared.lock().unwrap();
        if let Some(declared) = declared {
            tokio::time::sleep_until(declared + QUEUE_IS_SAFE_AFTER).await;
        }
        services::kill("rabbitmq").await;
    }
}

/// Publishes to a queue, durably.
pub(crate) async fn publish(
    channel: &Channel,
    queue: &str,
    properties: BasicProperties,
    body: &[u8],
) {
    let options = BasicPublishOptions::default();
    let properties = properties.with_delivery_mode(2);
    let published = channel.basic_publish("".into(), queue.into(), options, body, properties);
    assert!(published.await.unwrap().await.unwrap().is_ack());
}

/// Properties of a message with a name.
pub(crate) fn named(name: &str) -> BasicProperties {
    let mut headers = FieldTable::default();
    headers.insert("x-filename".into(), AMQPValue::LongString(name.into()));
    BasicProperties::default().with_headers(headers)
}

/// The text of a header.
pub(crate) fn header(properties: &BasicProperties, name: &str) -> Option<String> {
    match properties.headers().as_ref()?.inner().get(name)? {
        AMQPValue::LongString(text) => Some(text.to_string()),
        other => Some(format!("{other:?}")),
    }
}
