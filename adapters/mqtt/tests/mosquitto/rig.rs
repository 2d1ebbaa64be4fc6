//! The broker under test, and a partner's view of it.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use hub_core::AdapterContext;
use hub_core::files::OsFiles;
use meterhub_tests::conformance;
use meterhub_tests::services::{self, service};
use rumqttc::{
    AsyncClient, Event, EventLoop, MqttOptions, Packet, PubAckReason, Publish, PublishOptions,
    PublishProperties, PublishResult, QoS,
};
use tempfile::TempDir;
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard, mpsc};
use tokio::task::JoinHandle;

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
    format!("test-{what}-{}-{number}", std::process::id())
}

/// The broker, and a folder with secrets for configurations.
pub(crate) struct Broker {
    pub(crate) base: TempDir,
    /// Plaintext address.
    pub(crate) address: String,
    user: String,
    password: String,
}

impl Broker {
    /// `None`, said aloud, if there is none.
    pub(crate) fn find() -> Option<Self> {
        let url = service("MQTT_URL")?;
        let (login, address) = url
            .strip_prefix("mqtt://")
            .unwrap()
            .split_once('@')
            .unwrap();
        let (user, password) = login.split_once(':').unwrap();
        let base = tempfile::tempdir().unwrap();
        std::fs::write(base.path().join("password"), password).unwrap();
        std::fs::write(base.path().join("wrong"), "wrong-password").unwrap();
        Some(Self {
            base,
            address: address.to_owned(),
            user: user.to_owned(),
            password: password.to_owned(),
        })
    }

    pub(crate) fn context(&self) -> AdapterContext {
        conformance::context("partner", self.base.path(), Arc::new(OsFiles))
    }

    /// The `broker` table of a configuration. `password` is a file: `password` or `wrong`.
    pub(crate) fn table(&self, url: &str, password: &str, further: &str) -> String {
        let user = &self.user;
        format!(
            "broker = {{ url = '{url}', keep_alive_seconds = 1, connect_timeout_seconds = 3, \
             auth = {{ password = {{ user = '{user}', password = 'file:{password}' }} }}{further} }}\n"
        )
    }

    fn options(&self, client_id: &str) -> MqttOptions {
        let (host, port) = self.address.split_once(':').unwrap();
        let broker = (host.to_owned(), port.parse::<u16>().unwrap());
        let mut options = MqttOptions::new(client_id, broker);
        options.set_credentials(self.user.clone(), self.password.clone());
        options.set_max_packet_size(Some(64 * 1024 * 1024));
        options
    }

    /// A connection of the partner's, for as long as the test runs.
    pub(crate) fn client(&self) -> AsyncClient {
        let mut options = self.options(&unique("client"));
        options.set_max_request_batch(64);
        let (client, events) = AsyncClient::builder(options).build();
        tokio::spawn(drive(events, None));
        client
    }

    /// Publishes with QoS 1 and says whether anybody subscribes.
    pub(crate) async fn publish(
        &self,
        topic: &str,
        properties: PublishProperties,
        body: &[u8],
    ) -> PubAckReason {
        let options = PublishOptions::at_least_once().properties(properties);
        self.publish_with(topic, options, body).await
    }

    pub(crate) async fn publish_with(
        &self,
        topic: &str,
        options: PublishOptions,
        body: &[u8],
    ) -> PubAckReason {
        let client_id = unique("publisher");
        let (client, events) = AsyncClient::builder(self.options(&client_id)).build();
        let driver = tokio::spawn(drive(events, None));
        let published = client.publish_tracked(topic, body.to_vec(), options).await;
        let answer = published.unwrap().wait_async().await.unwrap();
        driver.abort();
        match answer {
            PublishResult::Qos1(answer) => answer.reason,
            other => panic!("{other:?}"),
        }
    }

    /// Subscribes for as long as the reader lives.
    pub(crate) async fn reader(&self, topic: &str) -> Reader {
        let (client, events) = AsyncClient::builder(self.options(&unique("reader"))).build();
        let (to, messages) = mpsc::unbounded_channel();
        let driver = tokio::spawn(drive(events, Some(to)));
        let asked = client.subscribe_tracked(topic, QoS::AtLeastOnce).await;
        asked.unwrap().wait_async().await.unwrap();
        Reader {
            messages,
            driver,
            _client: client,
        }
    }

    /// Crashes it, once it has written to disk what it has: it does so only now and then.
    pub(crate) async fn kill(&self) {
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../deploy/test-services");
        let status = Command::new(script).arg("status").output().unwrap();
        let status = String::from_utf8(status.stdout).unwrap();
        let line = status.lines().find(|l| l.starts_with("mosquitto")).unwrap();
        let mut words = line.split_whitespace().skip_while(|w| *w != "pid");
        let pid = words.nth(1).unwrap();
        let told = Command::new("kill").args(["-USR1", pid]).status().unwrap();
        assert!(told.success());
        // It has one thread: after two answers it has come around to the signal.
        for _ in 0..2 {
            self.publish("nobody", PublishProperties::default(), b"")
                .await;
        }
        services::kill("mosquitto").await;
    }
}

/// A partner that subscribes.
pub(crate) struct Reader {
    messages: mpsc::UnboundedReceiver<Publish>,
    driver: JoinHandle<()>,
    _client: AsyncClient,
}

impl Reader {
    /// The next message. Panics if none comes.
    pub(crate) async fn next(&mut self) -> Publish {
        let next = tokio::time::timeout(Duration::from_secs(30), self.messages.recv());
        next.await.expect("a message comes").unwrap()
    }

    /// All that has come, once nothing more does.
    pub(crate) async fn all(&mut self) -> Vec<Publish> {
        let mut found = Vec::new();
        let on_the_way = Duration::from_millis(300);
        while let Ok(Some(publish)) = tokio::time::timeout(on_the_way, self.messages.recv()).await {
            found.push(publish);
        }
        found
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

async fn drive(mut events: EventLoop, to: Option<mpsc::UnboundedSender<Publish>>) {
    while let Ok(event) = events.poll().await {
        if let (Event::Incoming(Packet::Publish(publish)), Some(to)) = (event, &to) {
            to.send(publish).unwrap();
        }
    }
}

/// Properties with these user properties.
pub(crate) fn with(user_properties: &[(&str, &str)]) -> PublishProperties {
    let user_properties = user_properties.iter();
    let owned = user_properties.map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
    PublishProperties {
        user_properties: owned.collect(),
        ..PublishProperties::default()
    }
}

/// Properties of a message with a name.
pub(crate) fn named(name: &str) -> PublishProperties {
    with(&[("x-filename", name)])
}

/// The value of a user property.
pub(crate) fn user_property(publish: &Publish, name: &str) -> Option<String> {
    let properties = &publish.properties.as_ref()?.user_properties;
    let found = properties.iter().find(|(n, _)| n == name);
    found.map(|(_, value)| value.clone())
}
