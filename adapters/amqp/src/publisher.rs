//! Publishes with a confirmed yes: connects when needed, again after a failure, and never waits for
//! longer than its time limit.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use hub_broker::Reconnecting;
use lapin::options::ConfirmSelectOptions;
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::types::ShortString;
use lapin::{BasicProperties, Channel, ErrorKind};
use tokio::sync::{Mutex, Semaphore, mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout};

use crate::lane::{self, Answer, LANE_WIDTH, Request};
use crate::link::{Endpoint, Link, reason, within};
use crate::metrics;
use crate::topology::short;

/// What routing keys of RabbitMQ's direct replies begin with.
const DIRECT_REPLY: &str = "amq.rabbitmq.reply-to.";

/// A broker often blocks who publishes for a moment only, while it writes its memory out. So long that is
/// waited for here; an endpoint that says it is busy rests for longer.
const SHORT_BLOCK: Duration = Duration::from_secs(2);
/// How often is looked whether it goes on.
const BLOCK_LOOK: Duration = Duration::from_millis(20);

/// What is done on each new connection before the first message.
pub(crate) type Preparation =
    Box<dyn Fn(&Link) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync>;

/// Where a message is published to.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    pub(crate) exchange: ShortString,
    pub(crate) routing_key: ShortString,
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

    /// Whether the broker hands a message for it to a requester without a queue, if that is there
    /// still (RabbitMQ's direct replies). It counts as routed nowhere, whether it arrives or not.
    pub(crate) fn is_direct_reply(&self) -> bool {
        let key = self.routing_key.as_str();
        self.exchange.as_str().is_empty() && key.starts_with(DIRECT_REPLY)
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

/// Publishes to one broker.
pub(crate) struct Publisher {
    endpoint: Endpoint,
    /// Longest wait for the broker's yes.
    patience: Duration,
    slots: Semaphore,
    lanes: usize,
    prepare: Option<Preparation>,
    connection: Reconnecting<Arc<Session>>,
}

/// A connection with its lanes.
struct Session {
    link: Link,
    lanes: Vec<Mutex<Option<mpsc::Sender<Request>>>>,
    next: AtomicUsize,
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
            lanes: most_in_flight.div_ceil(LANE_WIDTH),
            prepare,
            connection: Reconnecting::default(),
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
        body: Bytes,
    ) -> Result<(), NotPublished> {
        let Ok(_slot) = timeout(self.patience, self.slots.acquire()).await else {
            let reason = format!("no other message was confirmed within {:?}", self.patience);
            return Err(NotPublished::Unavailable(reason));
        };
        let session = self.session().await.map_err(NotPublished::Unavailable)?;
        let told = if is_blocked_for_long(&session.link).await {
            Err(NotPublished::Blocked)
        } else {
            let publishing = session.publish(address, properties, body, self.patience);
            match timeout(self.patience, publishing).await {
                Ok(told) => told,
                Err(_) => Err(self.stalled(&session)),
            }
        };
        if let Err(problem) = &told {
            self.count(problem);
        }
        told
    }

    fn count(&self, problem: &NotPublished) {
        let count = match problem {
            NotPublished::Blocked => metrics::BLOCKED,
            NotPublished::Unroutable(_) => metrics::UNROUTABLE,
            NotPublished::NotKept => metrics::NOT_KEPT,
            NotPublished::Unavailable(_) | NotPublished::Refused(_) => return,
        };
        self.endpoint.meter.count(count, 1);
    }

    /// No answer came: the connection is given up, unless the broker said that it would be silent.
    fn stalled(&self, session: &Session) -> NotPublished {
        if session.link.is_blocked() {
            return NotPublished::Blocked;
        }
        session.link.cut();
        NotPublished::Unavailable(format!("no confirm within {:?}", self.patience))
    }

    /// The connection; a new one if there is none.
    async fn session(&self) -> Result<Arc<Session>, String> {
        let is_open = |session: &Arc<Session>| session.link.is_connected();
        self.connection.get(is_open, self.open()).await
    }

    async fn open(&self) -> Result<Arc<Session>, String> {
        let link = Link::open(&self.endpoint).await?;
        if let Some(prepare) = &self.prepare {
            prepare(&link).await?;
        }
        Ok(Arc::new(Session::new(link, self.lanes)))
    }
}

impl Session {
    fn new(link: Link, lanes: usize) -> Self {
        Self {
            link,
            lanes: std::iter::repeat_with(Mutex::default).take(lanes).collect(),
            next: AtomicUsize::new(0),
        }
    }

    async fn publish(
        &self,
        address: &Address,
        properties: BasicProperties,
        body: Bytes,
        patience: Duration,
    ) -> Result<(), NotPublished> {
        let lane = self.lane(patience).await;
        let lane = lane.map_err(NotPublished::Unavailable)?;
        let (answer, answered) = oneshot::channel();
        let request = Request {
            address: address.clone(),
            properties: properties.clone(),
            body: body.clone(),
            answer,
        };
        // A lane that ends drops what it did not answer.
        let _ = lane.send(request).await;
        match answered.await.unwrap_or(Answer::Ended) {
            Answer::Told(told) => told,
            // Now each for itself: the one to blame must not take others with it.
            Answer::Ended if self.link.is_connected() => {
                self.publish_alone(address, properties, &body, patience)
                    .await
            }
            Answer::Ended => {
                let reason = "the connection was lost before the broker's yes".to_owned();
                Err(NotPublished::Unavailable(reason))
            }
        }
    }

    /// The next lane in turn; begun anew if its channel has ended.
    async fn lane(&self, patience: Duration) -> Result<mpsc::Sender<Request>, String> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.lanes.len();
        let mut lane = self.lanes[turn].lock().await;
        match lane.as_ref().filter(|lane| !lane.is_closed()) {
            Some(lane) => Ok(lane.clone()),
            None => Ok(lane
                .insert(lane::begin(self.channel(patience).await?))
                .clone()),
        }
    }

    /// Publishes on a channel of its own: what ends that channel is about this message.
    async fn publish_alone(
        &self,
        address: &Address,
        properties: BasicProperties,
        body: &[u8],
        patience: Duration,
    ) -> Result<(), NotPublished> {
        let channel = self.channel(patience).await;
        let channel = channel.map_err(NotPublished::Unavailable)?;
        match lane::publish(&channel, address, properties, body).await {
            Ok(confirmation) => lane::verdict(confirmation),
            Err(error) => Err(failure(&error)),
        }
    }

    /// A new channel that confirms.
    async fn channel(&self, patience: Duration) -> Result<Channel, String> {
        let channel = self.link.channel(patience).await?;
        let selected = channel.confirm_select(ConfirmSelectOptions::default());
        within(patience, "publisher confirms", selected).await?;
        Ok(channel)
    }
}

/// What an error of the channel or connection means for the one message in flight on it.
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

/// Whether the broker has blocked us and stays so for longer than a moment.
async fn is_blocked_for_long(link: &Link) -> bool {
    let until = Instant::now() + SHORT_BLOCK;
    while link.is_blocked() {
        if Instant::now() >= until {
            return true;
        }
        sleep(BLOCK_LOOK).await;
    }
    false
}
