//! Publishes with a confirmed yes: connects when needed, again after a failure, and never waits for
//! longer than its time limit.
//!
//! A message that waits for its yes has a channel to itself. On a channel shared by several, the
//! library pairs returned messages with confirms by their order of arrival, which is not the order
//! of publishing: the confirm of one message could carry the return of another, and a message that
//! reached no queue would count as delivered.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;

use hub_core::Backoff;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::types::ShortString;
use lapin::{BasicProperties, Channel, Confirmation, ErrorKind};
use tokio::sync::{Mutex, Semaphore};
use tokio::time::{Instant, sleep_until, timeout};

use crate::link::{Endpoint, Link, reason, within};
use crate::topology::short;

/// Pauses between attempts to connect. Short ones: the hub's own back-off comes on top.
const RECONNECT: Backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));

/// What is done on each new connection before the first message.
pub(crate) type Preparation =
    Box<dyn Fn(&Link) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync>;

/// Where a message is published to.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    exchange: ShortString,
    routing_key: ShortString,
}

impl Address {
    /// # Errors
    /// A name is too long for the protocol.
    pub(crate) fn new(exchange: &str, routing_key: &str) -> Result<Self, String> {
        Ok(Self {
            exchange: short(exchange)?,
            routing_key: short(routing_key)?,
        })
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (exchange, key) = (self.exchange.as_str(), self.routing_key.as_str());
        write!(f, "exchange `{exchange}`, routing key `{key}`")
    }
}

/// Why a message was not published.
#[derive(Debug)]
pub(crate) enum NotPublished {
    /// No connection, or no answer.
    Unavailable(String),
    /// The broker's memory or disk is full.
    Blocked,
    /// It reached no queue.
    Unroutable(String),
    /// The broker could not keep it: a queue is full, or has lost its majority.
    NotKept,
    /// The broker will never take it.
    Refused(String),
}

/// Publishes to one broker. Clone-free: share it by reference.
pub(crate) struct Publisher {
    endpoint: Endpoint,
    /// Longest wait for the broker's yes.
    patience: Duration,
    slots: Semaphore,
    prepare: Option<Preparation>,
    /// How often a connection was tried. Who waited for an attempt does not start another.
    attempts: AtomicU64,
    connection: Mutex<State>,
}

#[derive(Default)]
struct State {
    session: Option<Arc<Session>>,
    failures: u32,
    not_before: Option<Instant>,
    reason: String,
}

/// A connection with its channels that nobody uses at the moment.
struct Session {
    link: Link,
    idle: StdMutex<Vec<Channel>>,
}

impl Publisher {
    /// Connects when it first publishes.
    pub(crate) fn new(
        endpoint: Endpoint,
        patience: Duration,
        most_in_flight: usize,
        prepare: Option<Preparation>,
    ) -> Self {
        Self {
            endpoint,
            patience,
            slots: Semaphore::new(most_in_flight),
            prepare,
            attempts: AtomicU64::new(0),
            connection: Mutex::default(),
        }
    }

    /// Returns once the broker has the message safe in a queue.
    ///
    /// # Errors
    /// The kind says what the broker made of it.
    pub(crate) async fn publish(
        &self,
        address: &Address,
        properties: BasicProperties,
        body: &[u8],
    ) -> Result<(), NotPublished> {
        let Ok(slot) = timeout(self.patience, self.slots.acquire()).await else {
            let reason = format!("no other message was confirmed within {:?}", self.patience);
            return Err(NotPublished::Unavailable(reason));
        };
        let session = self.session().await.map_err(NotPublished::Unavailable)?;
        if session.link.is_blocked() {
            return Err(NotPublished::Blocked);
        }
        let channel = session.channel(self.patience).await;
        let channel = channel.map_err(NotPublished::Unavailable)?;
        let publishing = publish_on(&channel, address, properties, body);
        let result = match timeout(self.patience, publishing).await {
            Ok(Ok(confirmation)) => {
                session.put_back(channel);
                verdict(confirmation, address)
            }
            Ok(Err(error)) => Err(failure(&error)),
            Err(_) => Err(self.stalled(&session)),
        };
        drop(slot);
        result
    }

    /// No answer came. The channel is given up with the message; so is the connection, unless the
    /// broker said that it would be silent.
    fn stalled(&self, session: &Session) -> NotPublished {
        if session.link.is_blocked() {
            return NotPublished::Blocked;
        }
        session.link.cut();
        NotPublished::Unavailable(format!("no confirm within {:?}", self.patience))
    }

    /// The connection; a new one if there is none. One attempt at a time, and all who wait for it
    /// share what came of it.
    async fn session(&self) -> Result<Arc<Session>, String> {
        let seen = self.attempts.load(Ordering::SeqCst);
        let mut state = self.connection.lock().await;
        if let Some(session) = &state.session {
            if session.link.is_connected() {
                return Ok(session.clone());
            }
            state.session = None;
        }
        if self.attempts.load(Ordering::SeqCst) != seen && state.failures > 0 {
            return Err(state.reason.clone());
        }
        if let Some(not_before) = state.not_before {
            sleep_until(not_before).await;
        }
        let opened = self.open().await;
        self.attempts.fetch_add(1, Ordering::SeqCst);
        match opened {
            Ok(link) => {
                let idle = StdMutex::default();
                let session = Arc::new(Session { link, idle });
                *state = State {
                    session: Some(session.clone()),
                    ..State::default()
                };
                Ok(session)
            }
            Err(reason) => {
                state.failures = state.failures.saturating_add(1);
                let pause = RECONNECT.pause(state.failures, self.attempts.load(Ordering::SeqCst));
                state.not_before = Some(Instant::now() + pause);
                state.reason.clone_from(&reason);
                Err(reason)
            }
        }
    }

    async fn open(&self) -> Result<Link, String> {
        let link = Link::open(&self.endpoint).await?;
        if let Some(prepare) = &self.prepare {
            prepare(&link).await?;
        }
        Ok(link)
    }
}

impl Session {
    async fn channel(&self, patience: Duration) -> Result<Channel, String> {
        while let Some(channel) = self.lock().pop() {
            if channel.status().connected() {
                return Ok(channel);
            }
        }
        let channel = self.link.channel(patience).await?;
        let selected = channel.confirm_select(ConfirmSelectOptions::default());
        within(patience, "publisher confirms", selected).await?;
        Ok(channel)
    }

    fn put_back(&self, channel: Channel) {
        self.lock().push(channel);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Channel>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn publish_on(
    channel: &Channel,
    address: &Address,
    properties: BasicProperties,
    body: &[u8],
) -> lapin::Result<Confirmation> {
    let options = BasicPublishOptions {
        mandatory: true,
        immediate: false,
    };
    let (exchange, key) = (address.exchange.clone(), address.routing_key.clone());
    let confirm = channel.basic_publish(exchange, key, options, body, properties);
    confirm.await?.await
}

fn verdict(confirmation: Confirmation, address: &Address) -> Result<(), NotPublished> {
    match confirmation {
        Confirmation::Ack(None) => Ok(()),
        Confirmation::Ack(Some(returned)) | Confirmation::Nack(Some(returned)) => {
            let (text, code) = (returned.reply_text.as_str(), returned.reply_code);
            Err(NotPublished::Unroutable(format!(
                "{address}: {text} ({code})"
            )))
        }
        Confirmation::Nack(None) => Err(NotPublished::NotKept),
        Confirmation::NotRequested => {
            let reason = "the channel has no publisher confirms".to_owned();
            Err(NotPublished::Unavailable(reason))
        }
    }
}

/// What an error of the channel or connection means for the message.
fn failure(error: &lapin::Error) -> NotPublished {
    if let ErrorKind::ProtocolError(problem) = error.kind()
        && matches!(
            problem.kind(),
            AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED)
        )
    {
        // Larger than the broker takes, or a property that it does not understand.
        return NotPublished::Refused(reason(error));
    }
    NotPublished::Unavailable(reason(error))
}
