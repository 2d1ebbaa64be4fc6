//! One connection to a broker: opened, used and ended within time limits.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::sync::{Arc, LazyLock, OnceLock};
use std::time::Duration;

use fe2o3_amqp::Connection as Library;
use fe2o3_amqp::connection::{ConnectionHandle, OpenError};
use fe2o3_amqp::sasl_profile::SaslProfile;
use fe2o3_amqp::session::{Session, SessionHandle};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::external;
use crate::guard::{Guard, Transport};
use crate::spoilt::Spoilt;
use crate::words;

/// How long a connection or session that is not needed any more may take to say good-bye.
const CLOSE_GRACE: Duration = Duration::from_secs(5);

/// How long the reason of a lost connection is waited for.
const REASON_GRACE: Duration = Duration::from_millis(500);

/// Most frames under way in one session, each way. Fewer slow down many small messages; more are
/// memory.
const SESSION_WINDOW: u32 = 2_048;

/// A broker, with secrets and certificates read.
#[derive(Clone)]
pub(crate) struct Endpoint {
    /// The endpoint's name in the configuration.
    pub(crate) name: String,
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The host we ask for.
    pub(crate) host_name: String,
    pub(crate) tls: Option<TlsConnector>,
    pub(crate) login: SaslProfile,
    /// For TCP, TLS and login together.
    pub(crate) connect_timeout: Duration,
    pub(crate) heartbeat: Duration,
    /// Largest message that may come from there, in bytes.
    pub(crate) largest: u64,
}

/// An open connection. Clones share it; when the last is gone it is closed.
#[derive(Clone)]
pub(crate) struct Connection {
    sessions: mpsc::Sender<Begin>,
    /// Why it ended, once it has.
    ended: watch::Receiver<Option<String>>,
    socket: Socket,
    spoilt: Spoilt,
}

type Begin = oneshot::Sender<Result<SessionHandle<()>, String>>;

impl Connection {
    /// Connects and logs in.
    ///
    /// # Errors
    /// What went wrong, in words: name not known, refused, certificate, credentials.
    pub(crate) async fn open(endpoint: &Endpoint) -> Result<Self, String> {
        let patience = endpoint.connect_timeout;
        match timeout(patience, open(endpoint)).await {
            Ok(opened) => opened,
            Err(_) => Err(format!("the broker did not answer within {patience:?}")),
        }
    }

    /// Whether it can still be used.
    pub(crate) fn is_open(&self) -> bool {
        self.ended.borrow().is_none()
    }

    /// Those of the messages that have come which must not be believed.
    pub(crate) fn spoilt(&self) -> Spoilt {
        self.spoilt.clone()
    }

    /// Why it ended, if it has; and else what is said instead. A link is told that its connection is
    /// lost a moment before the connection knows why.
    pub(crate) async fn reason_or(&self, otherwise: String) -> String {
        let mut ended = self.ended.clone();
        if otherwise == words::CONNECTION_LOST {
            let _ = timeout(REASON_GRACE, ended.wait_for(Option::is_some)).await;
        }
        let reason = ended.borrow().clone();
        reason.unwrap_or(otherwise)
    }

    /// A new session. Each link has one of its own: a broker may end the session for the fault of
    /// one link (RabbitMQ does).
    ///
    /// # Errors
    /// What went wrong, in words.
    pub(crate) async fn session(&self, patience: Duration) -> Result<SessionHandle<()>, String> {
        let (begin, begun) = oneshot::channel();
        let beginning = async {
            self.sessions.send(begin).await.ok()?;
            begun.await.ok()
        };
        match timeout(patience, beginning).await {
            Ok(Some(begun)) => begun,
            Ok(None) => Err(self.reason_or(words::CONNECTION_LOST.to_owned()).await),
            Err(_) => {
                self.cut();
                Err(format!(
                    "a session: the broker did not answer within {patience:?}"
                ))
            }
        }
    }

    /// Ends a session, once all that was said on it is written, and its link with it. The link is not
    /// closed before: brokers answer that in ways the library cannot stand. A broker that does not
    /// answer loses the connection: the library's task spins until the session is over.
    pub(crate) async fn end(&self, mut session: SessionHandle<()>) {
        // An error means that it is ended already.
        if timeout(CLOSE_GRACE, session.end()).await.is_err() {
            self.cut();
        }
    }

    /// Says good-bye and waits for the answer, not for long. Clones must be gone.
    pub(crate) async fn close(self) {
        let Self {
            sessions,
            mut ended,
            ..
        } = self;
        drop(sessions);
        // It ends here, whatever the broker says.
        let _ = timeout(CLOSE_GRACE, ended.wait_for(Option::is_some)).await;
    }

    /// Ends it at once: the broker does not answer.
    pub(crate) fn cut(&self) {
        self.socket.cut();
    }
}

/// A second handle on the connection's socket, to end it from outside: while the library writes to a
/// broker that does not read, it does nothing else, not even watch the time.
#[derive(Clone, Default)]
struct Socket(Arc<OnceLock<std::net::TcpStream>>);

impl Socket {
    fn cut(&self) {
        if let Some(socket) = self.0.get() {
            // An error means that it is closed already.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

async fn open(endpoint: &Endpoint) -> Result<Connection, String> {
    let stream = TcpStream::connect((endpoint.host.as_str(), endpoint.port)).await;
    let stream = stream.map_err(|error| error.to_string())?;
    stream.set_nodelay(true).map_err(|e| e.to_string())?;
    let second = stream.as_fd().try_clone_to_owned();
    let socket = Socket::default();
    // There is one stream for each connection, so nothing was set before.
    let _ = socket.0.set(second.map_err(|e| e.to_string())?.into());
    let spoilt = Spoilt::default();
    let handle = log_in(endpoint, stream, spoilt.clone()).await?;
    let (sessions, requests) = mpsc::channel(1);
    let (ended, watched) = watch::channel(None);
    tokio::spawn(keep(handle, requests, ended, socket.clone()));
    Ok(Connection {
        sessions,
        ended: watched,
        socket,
        spoilt,
    })
}

async fn log_in(
    endpoint: &Endpoint,
    stream: TcpStream,
    spoilt: Spoilt,
) -> Result<ConnectionHandle<()>, String> {
    let largest = endpoint.largest;
    let opened = match &endpoint.tls {
        None => begin(endpoint, Guard::new(stream, largest, spoilt)).await,
        Some(connector) => match encrypt(connector, &endpoint.host, stream).await {
            Ok(stream) => begin(endpoint, Guard::new(stream, largest, spoilt)).await,
            Err(problem) => Err(OpenError::Io(problem)),
        },
    };
    opened.map_err(|problem| words::opening(&problem))
}

/// TLS from the first byte, as on port 5671 everywhere.
async fn encrypt(
    connector: &TlsConnector,
    host: &str,
    stream: TcpStream,
) -> io::Result<TlsStream<TcpStream>> {
    let invalid = |error| io::Error::new(io::ErrorKind::InvalidInput, error);
    let name = ServerName::try_from(host.to_owned()).map_err(invalid)?;
    connector.connect(name, stream).await
}

async fn begin<S: Transport>(
    endpoint: &Endpoint,
    stream: Guard<S>,
) -> Result<ConnectionHandle<()>, OpenError> {
    // What is promised to the other side is half of it.
    let silence = u32::try_from(endpoint.heartbeat.as_millis() * 2).unwrap_or(u32::MAX);
    let builder = Library::builder()
        .container_id(container_id(&endpoint.name))
        .hostname(endpoint.host_name.as_str())
        .sasl_hostname(endpoint.host_name.as_str())
        // To the library it is, once it is guarded.
        .scheme("amqp")
        .idle_time_out(silence);
    match &endpoint.login {
        SaslProfile::External => {
            let stream = external::log_in(&endpoint.host_name, stream).await?;
            builder.open_with_stream(stream).await
        }
        login => {
            let builder = builder.sasl_profile(login.clone());
            builder.open_with_stream(stream).await
        }
    }
}

/// Who we are, of this process alone: a broker may give a link to the later of two that come from one
/// container by one name, and another hub, or a check beside a hub that runs, must not take its links.
fn container_id(endpoint: &str) -> String {
    /// Seeded at random; process ids are often 1 in containers.
    static PROCESS: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(()));
    format!("meterhub {endpoint} {:016x}", *PROCESS)
}

/// Owns the library's handle: begins sessions, and tells when and why the connection ended.
async fn keep(
    mut handle: ConnectionHandle<()>,
    mut requests: mpsc::Receiver<Begin>,
    ended: watch::Sender<Option<String>>,
    socket: Socket,
) {
    let reason = loop {
        let begin = tokio::select! {
            end = handle.on_close() => break words::closing(end),
            begin = requests.recv() => begin,
        };
        let Some(begin) = begin else {
            let closed = timeout(CLOSE_GRACE, handle.close()).await;
            if closed.is_err() {
                socket.cut();
            }
            break "we closed it".to_owned();
        };
        // Who waits limits the time, and then cuts the socket, which ends this.
        let begun = session().begin(&mut handle).await;
        // Nobody listens any more if the time was up.
        let _ = begin.send(begun.map_err(|problem| words::beginning(&problem)));
    };
    ended.send_replace(Some(reason));
}

fn session() -> fe2o3_amqp::session::Builder {
    Session::builder()
        .incoming_window(SESSION_WINDOW)
        .outgoing_window(SESSION_WINDOW)
}
