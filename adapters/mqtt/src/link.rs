//! One connection to a broker: opened, used and ended within time limits.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use hub_core::Meter;
use rumqttc::{
    AckMode, AsyncClient, ConnAck, ConnAckProperties, ConnectReturnCode, ConnectionError, Event,
    EventLoop, MqttOptions, Packet, StateError, TlsConfiguration, Transport,
};
use tokio::net::TcpStream;
use tokio::sync::{oneshot, watch};
use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::inbox::Feed;
use crate::metrics;
use crate::session::{EmptySession, REQUESTS_IN_FLIGHT};
use crate::tls::ClientTls;

/// How long a connection that is not needed any more may take to say good-bye.
const CLOSE_GRACE: Duration = Duration::from_secs(5);

/// Requests written at once.
const REQUEST_BATCH: usize = 64;

/// A broker, with secrets and certificates read.
#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// `None`: not encrypted.
    pub(crate) tls: Option<ClientTls>,
    pub(crate) login: Option<Login>,
    /// For TCP, TLS and login together.
    pub(crate) connect_timeout: Duration,
    pub(crate) keep_alive_seconds: u16,
    pub(crate) meter: Meter,
}

/// A user and the password itself.
#[derive(Clone)]
pub(crate) struct Login {
    pub(crate) user: String,
    pub(crate) password: String,
}

/// What the broker shall know us by and keep for us.
pub(crate) struct Session {
    client_id: String,
    kind: Kind,
}

enum Kind {
    /// Ends with the connection.
    Passing {
        /// Publishes of ours that may be unacknowledged.
        in_flight: u16,
    },
    /// The broker keeps it while we are away.
    Kept(Kept),
}

/// A session that the broker keeps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kept {
    pub(crate) expiry_seconds: u32,
    /// Messages that may be unacknowledged by us.
    pub(crate) receive_maximum: u16,
    /// Largest packet that the broker may send, in bytes.
    pub(crate) largest_packet: u32,
}

impl Session {
    /// One that ends with the connection. Without a client id the broker gives it one.
    pub(crate) fn passing(client_id: String) -> Self {
        Self::sending(client_id, 1)
    }

    /// The same, with so many publishes unacknowledged at once.
    pub(crate) fn sending(client_id: String, in_flight: u16) -> Self {
        let kind = Kind::Passing { in_flight };
        Self { client_id, kind }
    }

    /// One that the broker keeps while we are away.
    pub(crate) fn kept(client_id: String, kept: Kept) -> Self {
        let kind = Kind::Kept(kept);
        Self { client_id, kind }
    }
}

/// An open connection. Clones share it; the last one closes it.
#[derive(Clone)]
pub(crate) struct Link(Arc<Inner>);

struct Inner {
    client: AsyncClient,
    welcome: ConnAck,
    /// Why it cannot be used any more.
    ended: Arc<watch::Sender<Option<String>>>,
    driver: AbortHandle,
    /// Dropped with it: the driver then ends soon.
    _in_use: oneshot::Sender<()>,
}

impl Link {
    /// Connects and logs in. What the broker sends goes to `feed`.
    ///
    /// # Errors
    /// What went wrong, in words: name not known, refused, certificate, credentials.
    pub(crate) async fn open(
        endpoint: &Endpoint,
        session: &Session,
        feed: Option<Feed>,
    ) -> Result<Self, String> {
        let opened = Self::try_open(endpoint, session, feed).await;
        let count = match opened {
            Ok(_) => metrics::CONNECTIONS,
            Err(_) => metrics::CONNECTION_FAILURES,
        };
        endpoint.meter.count(count, 1);
        opened
    }

    async fn try_open(
        endpoint: &Endpoint,
        session: &Session,
        feed: Option<Feed>,
    ) -> Result<Self, String> {
        let patience = endpoint.connect_timeout;
        let Ok(connected) = timeout(patience, connect(endpoint, session)).await else {
            return Err(format!("the broker did not answer within {patience:?}"));
        };
        let (client, mut events, welcome) =
            connected.map_err(|error| unreached(endpoint, &error))?;
        let ended = Arc::new(watch::Sender::new(None));
        let (in_use, unused) = oneshot::channel();
        let end = ended.clone();
        let driver = tokio::spawn(async move {
            let reason = tokio::select! {
                reason = drive(&mut events, feed.as_ref()) => reason,
                () = grace_after(unused) => "it was closed".to_owned(),
            };
            // It is there before those who wait for an answer hear of the end.
            set_end(&end, reason);
            drop((events, feed));
        });
        Ok(Self(Arc::new(Inner {
            client,
            welcome,
            ended,
            driver: driver.abort_handle(),
            _in_use: in_use,
        })))
    }

    /// What requests are made of.
    pub(crate) fn client(&self) -> &AsyncClient {
        &self.0.client
    }

    /// Whether it can still be used.
    pub(crate) fn is_connected(&self) -> bool {
        self.0.ended.borrow().is_none()
    }

    /// Why it cannot be used any more.
    pub(crate) fn end(&self) -> String {
        let reason = self.0.ended.borrow().clone();
        reason.unwrap_or_else(|| "the connection was lost".to_owned())
    }

    /// Waits until it cannot be used any more.
    pub(crate) async fn ended(&self) {
        // It cannot fail: the sender lives as long as we do.
        let _ = self.0.ended.subscribe().wait_for(Option::is_some).await;
    }

    /// Whether the broker has kept the session.
    pub(crate) fn session_was_kept(&self) -> bool {
        self.0.welcome.session_present
    }

    /// What the broker has said about itself.
    pub(crate) fn properties(&self) -> Option<&ConnAckProperties> {
        self.0.welcome.properties.as_ref()
    }

    /// Ends it at once: the broker does not answer.
    pub(crate) fn cut(&self, reason: &str) {
        set_end(&self.0.ended, reason.to_owned());
        self.0.driver.abort();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Acknowledgements that were asked for before go first. An error means that it is closed.
        let _ = self.client.try_disconnect_with_timeout(CLOSE_GRACE);
    }
}

/// Only the first reason counts.
fn set_end(ended: &watch::Sender<Option<String>>, reason: String) {
    ended.send_if_modified(|end| {
        let is_first = end.is_none();
        end.get_or_insert(reason);
        is_first
    });
}

async fn grace_after(unused: oneshot::Receiver<()>) {
    // It is never sent to, only dropped.
    let _ = unused.await;
    tokio::time::sleep(CLOSE_GRACE).await;
}

/// Until the broker has let us in.
async fn connect(
    endpoint: &Endpoint,
    session: &Session,
) -> Result<(AsyncClient, EventLoop, ConnAck), ConnectionError> {
    let builder = AsyncClient::builder(options(endpoint, session));
    let (client, mut events) = builder.unbounded().build();
    loop {
        if let Event::Incoming(Packet::ConnAck(welcome)) = events.poll().await? {
            return Ok((client, events, welcome));
        }
    }
}

/// Reads and writes until it cannot go on; says why.
async fn drive(events: &mut EventLoop, feed: Option<&Feed>) -> String {
    loop {
        match (events.poll().await, feed) {
            (Ok(Event::Incoming(Packet::Publish(publish))), Some(feed)) => feed.put(publish).await,
            (Ok(_), _) => {}
            (Err(error), _) => return reason(&error),
        }
    }
}

fn options(endpoint: &Endpoint, session: &Session) -> MqttOptions {
    let broker = (endpoint.host.clone(), endpoint.port);
    let mut options = MqttOptions::new(session.client_id.clone(), broker);
    let address = (endpoint.host.clone(), endpoint.port);
    options.set_socket_connector(move |_, _| {
        let (host, port) = address.clone();
        async move {
            let stream = TcpStream::connect((host.as_str(), port)).await?;
            stream.set_nodelay(true)?;
            Ok(stream)
        }
    });
    if let Some(tls) = &endpoint.tls {
        let tls = TlsConfiguration::Rustls(tls.clone());
        options.set_transport(Transport::tls_with_config(tls));
    }
    if let Some(login) = &endpoint.login {
        options.set_credentials(login.user.clone(), login.password.clone());
    }
    options
        .set_keep_alive(endpoint.keep_alive_seconds)
        .set_connect_timeout(endpoint.connect_timeout)
        .set_max_request_batch(REQUEST_BATCH);
    match session.kind {
        Kind::Passing { in_flight } => {
            options
                .set_clean_start(true)
                .set_outgoing_inflight_upper_limit(in_flight);
        }
        Kind::Kept(kept) => keep(&mut options, kept),
    }
    options
}

fn keep(options: &mut MqttOptions, kept: Kept) {
    let expiry_seconds = kept.expiry_seconds;
    options
        .set_clean_start(false)
        .set_session_expiry_interval(Some(expiry_seconds))
        .set_session_store(EmptySession { expiry_seconds })
        .set_outgoing_inflight_upper_limit(REQUESTS_IN_FLIGHT)
        .set_ack_mode(AckMode::Manual)
        .set_receive_maximum(Some(kept.receive_maximum))
        .set_max_packet_size(Some(kept.largest_packet));
}

/// Why a connection could not be opened; of the network, with where to.
fn unreached(endpoint: &Endpoint, error: &ConnectionError) -> String {
    if matches!(error, ConnectionError::Timeout(_)) {
        let patience = endpoint.connect_timeout;
        return format!("the broker did not answer within {patience:?}");
    }
    let reason = reason(error);
    match reason.strip_prefix("I/O: ") {
        Some(reason) => format!("{}:{}: {reason}", endpoint.host, endpoint.port),
        None if reason.starts_with("TLS: ") => {
            let reason = reason.replacen("I/O: ", "", 1);
            format!("{}:{}: {reason}", endpoint.host, endpoint.port)
        }
        None => reason,
    }
}

/// What went wrong, down to its cause.
fn reason(error: &ConnectionError) -> String {
    match error {
        ConnectionError::ConnectionRefused(
            code @ (ConnectReturnCode::BadUserNamePassword
            | ConnectReturnCode::NotAuthorized
            | ConnectReturnCode::Banned),
        ) => format!("the broker refuses our credentials ({code:?})"),
        ConnectionError::ConnectionRefused(code) => {
            format!("the broker refuses the connection ({code:?})")
        }
        ConnectionError::MqttState(StateError::AwaitPingResp) => {
            "the broker shows no sign of life".to_owned()
        }
        ConnectionError::MqttState(StateError::ConnectionAborted) => {
            "the broker closed the connection and did not say why; has another client our client id?"
                .to_owned()
        }
        ConnectionError::MqttState(StateError::ServerDisconnect {
            reason_code,
            reason_string,
        }) => {
            let text = reason_string.as_deref().unwrap_or_default();
            format!("the broker ended the connection ({reason_code:?}) {text}")
                .trim_end()
                .to_owned()
        }
        error => with_causes(error),
    }
}

fn with_causes(error: &ConnectionError) -> String {
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
