//! A partner at a real RabbitMQ: queues, messages sent until they are confirmed, and what arrived.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use lapin::options::{
    BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::uri::AMQPUri;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};

use crate::config_folder::ConfigFolder;
use crate::oracle::Receipt;
use crate::services::service;
use crate::wait::{PATIENCE, until};
use crate::workload::{facts_of_json, sha256_hex};

/// A quorum queue younger than this may be gone after a crash: names of queues are written to disk
/// twice a second (RabbitMQ before ra pull request 443).
const QUEUE_IS_SAFE_AFTER: Duration = Duration::from_secs(1);

/// A number that no other test of this process has.
fn unique() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Two quorum queues of a real broker, and what partners do at them.
pub struct Queues {
    uri: AMQPUri,
    /// The queue that a hub takes from.
    pub inbound: String,
    /// The queue that it sends to.
    pub outbound: String,
}

impl Queues {
    /// New queues; `None`, said aloud, if there is no broker.
    ///
    /// # Panics
    /// The broker refuses.
    pub async fn declare() -> Option<Self> {
        let uri = service("AMQP_URL")?.parse().expect("is a URL");
        let (process, test) = (std::process::id(), unique());
        let name = |what: &str| format!("hub.{what}.{process}.{test}");
        let queues = Self {
            uri,
            inbound: name("in"),
            outbound: name("out"),
        };
        let (_connection, channel) = queues.channel().await.expect("the broker is there");
        for queue in [&queues.inbound, &queues.outbound] {
            let mut arguments = FieldTable::default();
            arguments.insert(
                "x-queue-type".into(),
                AMQPValue::LongString("quorum".into()),
            );
            let options = QueueDeclareOptions {
                durable: true,
                ..QueueDeclareOptions::default()
            };
            let declared = channel.queue_declare(queue.as_str().into(), options, arguments);
            declared.await.expect("a queue can be made");
        }
        tokio::time::sleep(QUEUE_IS_SAFE_AFTER).await;
        Some(queues)
    }

    /// A partner's connection with a channel that confirms.
    ///
    /// # Errors
    /// The broker is not there, or refuses.
    pub async fn channel(&self) -> lapin::Result<(Connection, Channel)> {
        let properties = ConnectionProperties::default();
        let connection = Connection::connect_uri(self.uri.clone(), properties).await?;
        let channel = connection.create_channel().await?;
        channel
            .confirm_select(ConfirmSelectOptions::default())
            .await?;
        Ok((connection, channel))
    }

    /// Where the broker is.
    ///
    /// # Panics
    /// Its URL names no address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        let authority = &self.uri.authority;
        let address = format!("{}:{}", authority.host, authority.port);
        address.parse().expect("an address on loopback")
    }

    /// The `broker` key of a hub's configuration, for a broker at an address: its own, or a proxy's.
    /// The password is in `rabbit-password`, see [`Self::write_password`].
    #[must_use]
    pub fn broker(&self, address: SocketAddr) -> String {
        let user = &self.uri.authority.userinfo.username;
        format!(
            "broker = {{ url = \"amqp://{address}/%2f\", heartbeat_seconds = 2, connect_timeout_seconds = 5, \
             auth = {{ password = {{ user = \"{user}\", password = \"file:rabbit-password\" }} }} }}"
        )
    }

    /// Puts the password where [`Self::broker`] says it is.
    ///
    /// # Panics
    /// The disk refuses.
    pub fn write_password(&self, config: &ConfigFolder) {
        let password = &self.uri.authority.userinfo.password;
        std::fs::write(config.dir().join("rabbit-password"), password).expect("the disk works");
    }

    /// Publishes until the broker says yes, as a partner that cannot know what became of a message
    /// whose confirm was lost: with the same id.
    ///
    /// # Panics
    /// It does not say so in time.
    pub async fn send(&self, key: &str, body: &[u8], kept: &mut Option<(Connection, Channel)>) {
        let channel = tokio::sync::Mutex::new(kept);
        until("the broker to take a message", PATIENCE, || async {
            let mut kept = channel.lock().await;
            let taken = self.try_to_send(key, body, &mut kept).await.ok();
            if taken.is_none() {
                **kept = None;
            }
            taken
        })
        .await;
    }

    /// Publishes once, by the channel that is open, or by a new one.
    async fn try_to_send(
        &self,
        key: &str,
        body: &[u8],
        kept: &mut Option<(Connection, Channel)>,
    ) -> lapin::Result<()> {
        if kept.is_none() {
            *kept = Some(self.channel().await?);
        }
        match kept {
            Some((_, channel)) => publish(channel, &self.inbound, key, body).await,
            None => Ok(()),
        }
    }

    /// Takes the next of what a hub has sent, if there is one.
    ///
    /// # Panics
    /// The broker is gone.
    pub async fn take(&self) -> Option<Vec<u8>> {
        let (_connection, channel) = self.channel().await.expect("the broker is there");
        let options = BasicGetOptions { no_ack: true };
        let got = channel.basic_get(self.outbound.as_str().into(), options);
        let got = got.await.expect("can be read")?;
        Some(got.delivery.data)
    }

    /// All that a hub has sent, as receipts of the sink of this name.
    ///
    /// # Panics
    /// The broker is gone, or something is not what hubs send.
    pub async fn received(&self, sink: &str) -> Vec<Receipt> {
        let (_connection, channel) = self.channel().await.expect("the broker is there");
        let mut receipts = Vec::new();
        let options = BasicGetOptions { no_ack: true };
        let queue = self.outbound.as_str();
        while let Some(got) = channel
            .basic_get(queue.into(), options)
            .await
            .expect("can be read")
        {
            let id = got.delivery.properties.message_id().clone();
            receipts.push(Receipt {
                endpoint: sink.to_owned(),
                id: id.expect("each has an id").to_string(),
                hash: sha256_hex(&got.delivery.data),
                facts: facts_of_json(&got.delivery.data).expect("is JSON"),
            });
        }
        receipts
    }
}

async fn publish(channel: &Channel, queue: &str, key: &str, body: &[u8]) -> lapin::Result<()> {
    let options = BasicPublishOptions::default();
    let properties = BasicProperties::default()
        .with_delivery_mode(2)
        .with_message_id(key.into())
        .with_content_type("application/xml".into());
    let published = channel.basic_publish("".into(), queue.into(), options, body, properties);
    assert!(published.await?.await?.is_ack(), "the queue takes it");
    Ok(())
}
