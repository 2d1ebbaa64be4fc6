//! The brokers under test, and a partner's view of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use fe2o3_amqp::connection::ConnectionHandle;
use fe2o3_amqp::sasl_profile::SaslProfile;
use fe2o3_amqp::session::SessionHandle;
use fe2o3_amqp::types::messaging::{Body, Data, Message, SerializableBody};
use fe2o3_amqp::types::primitives::{Binary, Value};
use fe2o3_amqp::{Connection, Receiver, Sender, Session};
use hub_core::AdapterContext;
use hub_core::files::OsFiles;
use lapin::options::QueueDeclareOptions;
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, ConnectionProperties};
use meterhub_tests::conformance;
use meterhub_tests::services::{self, service};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio::time::{Instant, timeout};

/// A quorum queue younger than this may be gone after a crash, its confirmed messages with it: the
/// broker writes names of queues to disk twice a second (RabbitMQ before ra pull request 443).
const QUEUE_IS_SAFE_AFTER: Duration = Duration::from_secs(1);

/// After so long without another message a queue is taken for empty.
const EMPTY_AFTER: Duration = Duration::from_millis(400);

/// Tests share the brokers; those that crash or freeze one are alone.
static BROKERS: RwLock<()> = RwLock::const_new(());

/// Nobody harms a broker while this is held.
pub(crate) async fn calm() -> RwLockReadGuard<'static, ()> {
    BROKERS.read().await
}

/// Nobody else uses the brokers while this is held.
pub(crate) async fn alone() -> RwLockWriteGuard<'static, ()> {
    BROKERS.write().await
}

/// A name that no other test uses.
pub(crate) fn unique(what: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("test10.{what}.{}.{number}", std::process::id())
}

/// Which broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    RabbitMq,
    Proton,
}

/// A broker, and a folder with secrets for configurations.
pub(crate) struct Broker {
    pub(crate) engine: Engine,
    /// Plaintext address.
    pub(crate) address: String,
    pub(crate) base: TempDir,
    login: Option<(String, String)>,
    declared: std::sync::Mutex<Option<Instant>>,
}

impl Broker {
    /// RabbitMQ; `None`, said aloud, if there is none.
    pub(crate) fn rabbitmq() -> Option<Self> {
        let (login, address) = authority(&service("AMQP10_URL")?);
        Some(Self::new(Engine::RabbitMq, login, address))
    }

    /// Proton; `None`, said aloud, if there is none.
    pub(crate) fn proton() -> Option<Self> {
        let (login, address) = authority(&service("AMQP10_PROTON_URL")?);
        Some(Self::new(Engine::Proton, login, address))
    }

    fn new(engine: Engine, login: Option<(String, String)>, address: String) -> Self {
        let base = tempfile::tempdir().unwrap();
        if let Some((_, password)) = &login {
            std::fs::write(base.path().join("password"), password).unwrap();
            std::fs::write(base.path().join("wrong"), "wrong-password").unwrap();
        }
        Self {
            engine,
            address,
            base,
            login,
            declared: std::sync::Mutex::default(),
        }
    }

    pub(crate) fn service(&self) -> &'static str {
        match self.engine {
            Engine::RabbitMq => "rabbitmq",
            Engine::Proton => "proton",
        }
    }

    pub(crate) fn context(&self) -> AdapterContext {
        conformance::context("partner", self.base.path(), Arc::new(OsFiles))
    }

    /// The `broker` table of a configuration. `password` is a file: `password` or `wrong`.
    pub(crate) fn table(&self, address: &str, password: &str) -> String {
        let auth = match &self.login {
            None => "'insecure_anonymous'".to_owned(),
            Some((user, _)) => {
                format!("{{ password = {{ user = '{user}', password = 'file:{password}' }} }}")
            }
        };
        format!(
            "broker = {{ url = 'amqp://{address}', heartbeat_seconds = 1, \
             connect_timeout_seconds = 5, auth = {auth} }}\n"
        )
    }

    /// What a configuration calls a queue that exists.
    pub(crate) fn address_of(&self, queue: &str) -> String {
        match self.engine {
            Engine::RabbitMq => format!("/amq/queue/{queue}"),
            Engine::Proton => queue.to_owned(),
        }
    }

    /// Makes a durable queue: `quorum` or `classic`, with further arguments. Proton makes its own.
    pub(crate) async fn queue(
        &self,
        name: &str,
        kind: &str,
        further: &[(&'static str, AMQPValue)],
    ) {
        if self.engine == Engine::Proton {
            return;
        }
        let (_connection, channel) = operator().await;
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), AMQPValue::LongString(kind.into()));
        for (name, value) in further {
            arguments.insert((*name).into(), value.clone());
        }
        let options = QueueDeclareOptions {
            durable: true,
            ..QueueDeclareOptions::default()
        };
        let declared = channel.queue_declare(name.into(), options, arguments);
        declared.await.unwrap();
        *self.declared.lock().unwrap() = Some(Instant::now());
    }

    /// A partner's connection.
    pub(crate) async fn partner(&self) -> PartnerLink {
        let stream = TcpStream::connect(&self.address).await.unwrap();
        let login = match &self.login {
            None => SaslProfile::Anonymous,
            Some((user, password)) => SaslProfile::from((user.as_str(), password.as_str())),
        };
        let opening = Connection::builder()
            .container_id(unique("partner"))
            .hostname("localhost")
            .sasl_profile(login)
            .open_with_stream(stream);
        let mut connection = opening.await.unwrap();
        let session = Session::begin(&mut connection).await.unwrap();
        PartnerLink {
            session,
            connection,
        }
    }

    /// Puts a message of any kind into a queue.
    pub(crate) async fn send<B: SerializableBody + Send>(&self, queue: &str, message: Message<B>) {
        let mut partner = self.partner().await;
        let address = self.address_of(queue);
        let name = unique("sender");
        let mut sender = Sender::attach(&mut partner.session, name, address)
            .await
            .unwrap();
        let outcome = sender.send(message).await.unwrap();
        assert!(outcome.is_accepted(), "{outcome:?}");
        partner.close().await;
    }

    /// Takes all that waits in a queue.
    pub(crate) async fn drain(&self, queue: &str) -> Vec<Message<Body<Value>>> {
        let mut partner = self.partner().await;
        let address = self.address_of(queue);
        let name = unique("reader");
        let mut receiver = Receiver::attach(&mut partner.session, name, address)
            .await
            .unwrap();
        let mut found = Vec::new();
        while let Ok(delivery) = timeout(EMPTY_AFTER, receiver.recv()).await {
            let delivery = delivery.unwrap();
            receiver.accept(&delivery).await.unwrap();
            found.push(delivery.into_message());
        }
        partner.close().await;
        found
    }

    /// Crashes it, once what was declared would survive.
    pub(crate) async fn kill(&self) {
        let declared = *self.declared.lock().unwrap();
        if let Some(declared) = declared {
            tokio::time::sleep_until(declared + QUEUE_IS_SAFE_AFTER).await;
        }
        services::kill(self.service()).await;
    }

    /// Thaws it. Proton's broker would die, sooner or later, of the connections that ran out while it
    /// was frozen: it is started anew.
    pub(crate) async fn resume(&self) {
        match self.engine {
            Engine::RabbitMq => services::resume(self.service()).await,
            Engine::Proton => {
                services::kill(self.service()).await;
                services::start(self.service()).await;
            }
        }
    }
}

/// User and password, and `host:port`.
fn authority(url: &str) -> (Option<(String, String)>, String) {
    let (_, rest) = url.split_once("://").unwrap();
    match rest.split_once('@') {
        None => (None, rest.to_owned()),
        Some((login, address)) => {
            let (user, password) = login.split_once(':').unwrap();
            let login = (user.to_owned(), password.to_owned());
            (Some(login), address.to_owned())
        }
    }
}

/// A partner's connection and session.
pub(crate) struct PartnerLink {
    pub(crate) session: SessionHandle<()>,
    connection: ConnectionHandle<()>,
}

impl PartnerLink {
    pub(crate) async fn close(mut self) {
        // RabbitMQ 3.10 sometimes does not answer; an error means that it is ended already.
        let _ = timeout(Duration::from_secs(2), self.session.end()).await;
        let _ = timeout(Duration::from_secs(2), self.connection.close()).await;
    }
}

/// RabbitMQ by its own protocol: another client, for what AMQP 1.0 cannot do there.
pub(crate) async fn operator() -> (lapin::Connection, Channel) {
    let url = service("AMQP_URL").unwrap();
    let properties = ConnectionProperties::default();
    let connection = lapin::Connection::connect(&url, properties).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    (connection, channel)
}

/// A durable message with a name and a body of one section.
pub(crate) fn named(name: &str, body: &[u8]) -> Message<Data> {
    use fe2o3_amqp::types::messaging::{ApplicationProperties, Header};
    Message::builder()
        .header(Header::builder().durable(true).build())
        .application_properties(
            ApplicationProperties::builder()
                .insert("x-filename", name)
                .build(),
        )
        .body(Data(Binary::from(body.to_vec())))
        .build()
}

/// The bytes of a body.
pub(crate) fn bytes(message: &Message<Body<Value>>) -> Vec<u8> {
    match &message.body {
        Body::Data(sections) => sections.iter().flat_map(|data| data.0.to_vec()).collect(),
        other => panic!("{other:?}"),
    }
}

/// The message-id as text.
pub(crate) fn id(message: &Message<Body<Value>>) -> String {
    use fe2o3_amqp::types::messaging::MessageId;
    let properties = message.properties.as_ref().unwrap();
    match properties.message_id.clone().unwrap() {
        MessageId::String(text) => text,
        other => panic!("{other:?}"),
    }
}
