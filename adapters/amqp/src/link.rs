//! One connection to a broker: opened, used and ended within time limits.

use std::error::Error as _;
use std::io;
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_compat::{Compat, CompatExt};
use hub_core::Meter;
use lapin::tcp::{AsyncTcpStream, OwnedTLSConfig};
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{Channel, Connection, ConnectionProperties, ErrorKind};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tracing::Dispatch;

use crate::metrics;

/// How long a connection that is not needed any more may take to say good-bye. Longer, and threads
/// of connections to a frozen broker pile up; shorter, and the broker logs broken connections.
const CLOSE_GRACE: Duration = Duration::from_secs(5);

/// What a broker means that hangs up while we log in.
const HUNG_UP: &str = "the broker hung up during login: it may not know this way to log in \
                       (`broker.auth`), or not speak AMQP 0-9-1 on this port";

/// A broker, with secrets and certificates read.
#[derive(Clone)]
pub(crate) struct Endpoint {
    /// The endpoint's name in the configuration.
    pub(crate) name: String,
    pub(crate) uri: AMQPUri,
    pub(crate) tls: OwnedTLSConfig,
    /// For TCP, TLS and login together.
    pub(crate) connect_timeout: Duration,
    pub(crate) meter: Meter,
}

/// An open connection. Clones share it; the last one closes it.
#[derive(Clone)]
pub(crate) struct Link(Arc<Inner>);

struct Inner {
    connection: Connection,
    socket: Socket,
}

impl Link {
    /// Connects and logs in.
    ///
    /// # Errors
    /// What went wrong, in words: name not known, refused, certificate, credentials, virtual host.
    pub(crate) async fn open(endpoint: &Endpoint) -> Result<Self, String> {
        let opened = Self::try_open(endpoint).await;
        let count = match opened {
            Ok(_) => metrics::CONNECTIONS,
            Err(_) => metrics::CONNECTION_FAILURES,
        };
        endpoint.meter.count(count, 1);
        opened
    }

    async fn try_open(endpoint: &Endpoint) -> Result<Self, String> {
        let socket = Socket::default();
        let mut unfinished = CutOnDrop(Some(socket.clone()));
        let patience = endpoint.connect_timeout;
        match timeout(patience, connect(endpoint, socket.clone())).await {
            Ok(Ok(connection)) => {
                unfinished.0 = None;
                Ok(Self(Arc::new(Inner { connection, socket })))
            }
            Ok(Err(error)) if was_hung_up(&error) => Err(HUNG_UP.to_owned()),
            Ok(Err(error)) => Err(unreached(endpoint, &error)),
            Err(_) => Err(format!("the broker did not answer within {patience:?}")),
        }
    }

    /// Whether it can still be used.
    pub(crate) fn is_connected(&self) -> bool {
        self.0.connection.status().connected()
    }

    /// Whether the broker has told us to stop publishing: its memory or disk is full.
    pub(crate) fn is_blocked(&self) -> bool {
        self.0.connection.status().blocked()
    }

    /// A new channel.
    ///
    /// # Errors
    /// What went wrong, in words.
    pub(crate) async fn channel(&self, patience: Duration) -> Result<Channel, String> {
        within(patience, "a channel", self.0.connection.create_channel()).await
    }

    /// Says good-bye and waits for the answer, not for long.
    pub(crate) async fn close(self) {
        let goodbye = self.0.connection.close(200, "OK".into());
        // It ends here, whatever the broker says.
        let _ = timeout(CLOSE_GRACE, goodbye).await;
    }

    /// The same, with a channel before: the broker answers that when it has taken in all that was said
    /// on it.
    pub(crate) async fn close_behind(self, channel: Channel) {
        // An error means that it is closed already.
        let _ = timeout(CLOSE_GRACE, channel.close(200, "OK".into())).await;
        self.close().await;
    }

    /// Ends it at once: the broker does not answer.
    pub(crate) fn cut(&self) {
        self.0.socket.cut();
    }
}

impl Drop for Inner {
    /// The library closes in the background, and a closing connection has no heartbeat: without an
    /// end of ours, a frozen broker would keep the thread and the socket for ever.
    fn drop(&mut self) {
        let socket = self.socket.clone();
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(async move {
                tokio::time::sleep(CLOSE_GRACE).await;
                socket.cut();
            })),
            Err(_) => socket.cut(),
        }
    }
}

/// A second handle on the connection's socket, to end it from outside.
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

/// An attempt that is given up must not go on in the library's thread.
struct CutOnDrop(Option<Socket>);

impl Drop for CutOnDrop {
    fn drop(&mut self) {
        if let Some(socket) = &self.0 {
            socket.cut();
        }
    }
}

async fn connect(endpoint: &Endpoint, socket: Socket) -> lapin::Result<Connection> {
    let tls = endpoint.tls.clone();
    let patience = endpoint.connect_timeout;
    let properties =
        ConnectionProperties::default().with_connection_name(connection_name(&endpoint.name));
    Connection::connector(
        endpoint.uri.clone(),
        lapin::runtime::default_runtime()?,
        async move |uri, _| {
            silence_this_thread();
            let opening = timeout(patience, open_stream(&uri, &tls, &socket));
            let opened = opening
                .await
                .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
            Ok(opened?)
        },
        properties,
    )
    .await
}

/// What the broker shows of us.
fn connection_name(endpoint: &str) -> lapin::types::LongString {
    format!("meterhub {endpoint}").into()
}

/// The library's thread logs returned messages with their bodies, as warnings: personal data. What
/// matters of its news reaches us as results.
fn silence_this_thread() {
    let silent = tracing::dispatcher::set_default(&Dispatch::none());
    // For the life of the thread.
    std::mem::forget(silent);
}

async fn open_stream(
    uri: &AMQPUri,
    tls: &OwnedTLSConfig,
    socket: &Socket,
) -> io::Result<AsyncTcpStream<Compat<TcpStream>>> {
    let host = uri.authority.host.as_str();
    let stream = TcpStream::connect((host, uri.authority.port)).await?;
    stream.set_nodelay(true)?;
    let second = stream.as_fd().try_clone_to_owned()?;
    // There is one attempt for each connection, so nothing was set before.
    let _ = socket.0.set(second.into());
    let plain = AsyncTcpStream::Plain(stream.compat());
    match uri.scheme {
        AMQPScheme::AMQP => Ok(plain),
        AMQPScheme::AMQPS => plain.into_tls(host, tls.as_ref()).await,
    }
}

/// Waits for an answer of the broker, but not for ever.
///
/// # Errors
/// The broker's, or that it did not answer, in words.
pub(crate) async fn within<T>(
    patience: Duration,
    what: &str,
    answer: impl Future<Output = lapin::Result<T>>,
) -> Result<T, String> {
    match timeout(patience, answer).await {
        Ok(answer) => answer.map_err(|error| format!("{what}: {}", reason(&error))),
        Err(_) => Err(format!(
            "{what}: the broker did not answer within {patience:?}"
        )),
    }
}

/// A broker that cannot use what a client offers hangs up after a while, without a word.
fn was_hung_up(error: &lapin::Error) -> bool {
    let ErrorKind::IOError(error) = error.kind() else {
        return false;
    };
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::UnexpectedEof
    )
}

/// Why a connection could not be opened; of the network, with where to.
fn unreached(endpoint: &Endpoint, error: &lapin::Error) -> String {
    let reason = reason(error);
    match reason.strip_prefix("IO error: ") {
        Some(reason) => {
            let place = &endpoint.uri.authority;
            format!("{}:{}: {reason}", place.host, place.port)
        }
        None => reason,
    }
}

/// What went wrong, down to its cause.
pub(crate) fn reason(error: &lapin::Error) -> String {
    if let ErrorKind::ProtocolError(error) = error.kind() {
        return format!("{} ({})", error.get_message(), error.get_id());
    }
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}
