//! The task that owns a source's link: takes messages in, and tells the broker what became of each.
//!
//! One task, because the library settles and grants credit on the same object that it receives
//! with. Nobody waits to make more of it, but answers that gather while others are written go
//! together: what an answer costs the broker is the frame, and one frame can settle a range.
//!
//! Credit is granted by hand: never are more messages on their way or with us than the window allows.

use std::collections::BTreeMap;
use std::time::Duration;

use fe2o3_amqp::Delivery;
use fe2o3_amqp::link::delivery::DeliveryInfo;
use fe2o3_amqp::link::{LinkStateError, RecvError};
use fe2o3_amqp::types::definitions::{Error, ErrorCondition};
use fe2o3_amqp::types::messaging::{Body, Modified};
use fe2o3_amqp::types::primitives::{LazyValue, Symbol};
use hub_core::Arrival;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use crate::body;
use crate::config::GiveBack;
use crate::connection::Connection;
use crate::metrics;
use crate::properties;
use crate::receipt::{Amqp10Receipt, Held, Kept};
use crate::source::{Link, Subscription};
use crate::spoilt::Spoilt;
use crate::words;

/// Most answers that are written in one go.
const MOST_ANSWERS: usize = 1_024;

/// Longest pause before a message is given back, whatever the hub asks for: brokers take it back
/// themselves after a while, and some count that as a failure.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Longest reason sent with a rejection, in characters.
const LONGEST_REASON: usize = 1_000;

/// The condition of a rejection.
const REJECTED: &str = "meterhub:rejected";

/// What to tell the broker of a message.
pub(crate) struct Order {
    pub(crate) held: Held,
    pub(crate) verdict: Verdict,
    /// Told when the answer is on its way.
    pub(crate) written: Option<oneshot::Sender<()>>,
}

/// What became of a message.
pub(crate) enum Verdict {
    /// It is committed.
    Accept,
    /// Not now.
    GiveBack {
        /// The pause before.
        after: Duration,
    },
    /// Never.
    Reject {
        /// Why.
        reason: String,
    },
}

type Offers = mpsc::Sender<Result<Arrival, String>>;

/// A feed that goes on by itself.
pub(crate) struct Begun {
    /// As long as somebody can give orders, it goes on.
    pub(crate) orders: mpsc::UnboundedSender<Order>,
    pub(crate) offers: mpsc::Receiver<Result<Arrival, String>>,
    /// Done when it has ended, and its connection with it.
    pub(crate) task: JoinHandle<()>,
}

/// Begins to read a link. Ends with the link, or when nobody is left who could give an order.
pub(crate) fn begin(connection: Connection, link: Link, subscription: Subscription) -> Begun {
    // Bounded by the credit: each order is for a message that was delivered.
    let (orders, incoming) = mpsc::unbounded_channel();
    let capacity = capacity(subscription.window);
    // Always room for what the credit allows, and for the end.
    let (offers, offered) = mpsc::channel(capacity as usize + 1);
    let modifies = knows_modified(&link);
    let feed = Feed {
        give_back: match subscription.give_back {
            GiveBack::Modified if !modifies => GiveBack::Released,
            other => other,
        },
        link,
        subscription,
        capacity,
        with_us: 0,
        waiting: BTreeMap::new(),
        spoilt: connection.spoilt(),
        orders: orders.downgrade(),
        offers,
        is_wanted: true,
    };
    Begun {
        orders,
        offers: offered,
        task: tokio::spawn(feed.run(incoming, connection)),
    }
}

/// Messages that wait to be given back have room beside those under way, so that they hold up
/// nobody; unless order is wished for: then they must.
fn capacity(window: u16) -> u32 {
    match window {
        1 => 1,
        window => u32::from(window) * 2,
    }
}

/// Whether the broker can be told that a message is `modified`: it knows all outcomes unless it names
/// some.
fn knows_modified(link: &Link) -> bool {
    let source = link.receiver.source().as_ref();
    let named = source.and_then(|source| source.outcomes.as_ref());
    named.is_none_or(|outcomes| {
        let modified = Symbol::from("amqp:modified:list");
        outcomes.0.is_empty() || outcomes.0.contains(&modified)
    })
}

struct Feed {
    link: Link,
    subscription: Subscription,
    give_back: GiveBack,
    /// Most messages that may be with us.
    capacity: u32,
    /// Messages that are not settled.
    with_us: u32,
    /// What is to be given back, and when; numbered, so that those of one instant keep their order.
    waiting: BTreeMap<(Instant, u64), Held>,
    spoilt: Spoilt,
    orders: mpsc::WeakUnboundedSender<Order>,
    offers: Offers,
    /// Somebody still receives.
    is_wanted: bool,
}

impl Feed {
    async fn run(mut self, mut orders: mpsc::UnboundedReceiver<Order>, connection: Connection) {
        let end = self.go_on(&mut orders).await;
        if let Err(reason) = end {
            let reason = connection.reason_or(reason).await;
            let meter = &self.subscription.meter;
            meter.count(metrics::LOST.name, 1);
            // Nobody listens any more if the source is gone.
            let _ = self.offers.send(Err(reason)).await;
        }
        self.show(0);
        // What is still ordered cannot be told any more: the broker has those messages again.
        drop(orders);
        self.link.close(&connection).await;
        connection.close().await;
    }

    /// # Errors
    /// Why the link has ended.
    async fn go_on(&mut self, orders: &mut mpsc::UnboundedReceiver<Order>) -> Result<(), String> {
        let mut batch = Vec::new();
        loop {
            self.grant_credit().await?;
            let due = self.waiting.first_key_value().map(|((due, _), _)| *due);
            let next_due = async {
                match due {
                    Some(due) => sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                count = orders.recv_many(&mut batch, MOST_ANSWERS) => match count {
                    0 => return Ok(()),
                    _ => self.answer(&mut batch).await?,
                },
                () = next_due => self.give_back_due(Instant::now()).await?,
                () = self.offers.closed(), if self.is_wanted => {
                    self.is_wanted = false;
                    self.link.receiver.set_credit(0).await.map_err(|e| e.to_string())?;
                }
                received = self.link.receiver.recv() => self.take(received).await?,
            }
        }
    }

    /// Grants what room there is, once all that was granted before has come. Not sooner: RabbitMQ 3
    /// counts what is on its way from its queue as not sent, sends as much too much, and for that the
    /// library ends the link. And not for little, unless nothing else is left to do.
    async fn grant_credit(&mut self) -> Result<(), String> {
        let room = self.capacity.saturating_sub(self.with_us);
        let is_worth_it = room >= self.capacity.div_ceil(4);
        let is_idle = room > 0 && self.offers.capacity() == self.offers.max_capacity();
        if !self.is_wanted || self.link.receiver.credit() > 0 || !(is_worth_it || is_idle) {
            return Ok(());
        }
        let granting = self.link.receiver.set_credit(room).await;
        self.show(room);
        granting.map_err(|problem| words::link(&LinkStateError::from(problem)))
    }

    fn show(&self, credit: u32) {
        let meter = &self.subscription.meter;
        meter.set(metrics::CREDIT.name, f64::from(credit));
        meter.set(metrics::UNSETTLED.name, f64::from(self.with_us));
    }

    /// Takes in what came, unless it can never be accepted.
    async fn take(
        &mut self,
        received: Result<Delivery<Body<LazyValue>>, RecvError>,
    ) -> Result<(), String> {
        let delivery = match received {
            Ok(delivery) => delivery,
            Err(RecvError::MessageDecode(damaged)) => {
                let reason = match self.spoilt.take(damaged.info.delivery_id()) {
                    Some(spot) => spot.to_string(),
                    None => format!("the message is damaged: {}", damaged.source),
                };
                return self.reject(damaged.info, &reason).await;
            }
            Err(problem) => return Err(words::receiving(&problem)),
        };
        let (info, message) = delivery.into_parts();
        // What could be made of it is not what was sent.
        if let Some(spot) = self.spoilt.take(info.delivery_id()) {
            return self.reject(info, &spot.to_string()).await;
        }
        let known = properties::incoming(
            message.header.as_ref(),
            message.properties,
            message.application_properties.as_ref(),
        );
        let body = match self.usable(message.body) {
            Ok(body) => body,
            Err(reason) => return self.reject(info, &reason).await,
        };
        self.with_us += 1;
        self.offer(info, Kept { known, body }).await
    }

    fn usable(&self, body: Body<LazyValue>) -> Result<bytes::Bytes, String> {
        let body = body::bytes(body)?;
        let (bytes, largest) = (body.len() as u64, self.subscription.largest);
        match bytes <= largest {
            true => Ok(body),
            false => Err(format!(
                "it has {bytes} bytes, and `max_message_bytes` is {largest}"
            )),
        }
    }

    async fn offer(&mut self, delivery: DeliveryInfo, message: Kept) -> Result<(), String> {
        let kept = (self.give_back == GiveBack::Kept).then(|| Box::new(message.clone()));
        let held = Held { delivery, kept };
        let orders = self.orders.upgrade().filter(|_| self.is_wanted);
        let Some(orders) = orders else {
            return self.return_now(held).await;
        };
        let receipt = Amqp10Receipt::new(held, orders, self.subscription.patience);
        let arrival = Arrival::new(message.message(), Box::new(receipt));
        match self.offers.try_send(Ok(arrival)) {
            // A source that is just gone drops the arrival, which orders it back.
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
            Err(mpsc::error::TrySendError::Full(_)) => {
                Err("the broker sent more than it has credit for".to_owned())
            }
        }
    }

    /// Writes answers: of those that are accepted, a frame for each range.
    async fn answer(&mut self, batch: &mut Vec<Order>) -> Result<(), String> {
        let mut accepted = Vec::with_capacity(batch.len());
        let mut written = Vec::with_capacity(batch.len());
        for order in batch.drain(..) {
            written.extend(order.written);
            match order.verdict {
                Verdict::Accept => accepted.push(order.held.delivery),
                Verdict::Reject { reason } => {
                    self.with_us = self.with_us.saturating_sub(1);
                    self.reject(order.held.delivery, &reason).await?;
                }
                Verdict::GiveBack { .. } if !self.is_wanted => self.return_now(order.held).await?,
                Verdict::GiveBack { after } => self.wait(order.held, after),
            }
        }
        if !accepted.is_empty() {
            self.with_us = self
                .with_us
                .saturating_sub(u32::try_from(accepted.len()).unwrap_or(u32::MAX));
            let accepting = self.link.receiver.accept_all(accepted).await;
            accepting.map_err(|problem| words::link(&LinkStateError::from(problem)))?;
        }
        for written in written {
            // Nobody listens any more if the time was up.
            let _ = written.send(());
        }
        Ok(())
    }

    async fn reject(&mut self, delivery: DeliveryInfo, reason: &str) -> Result<(), String> {
        let Subscription { name, address, .. } = &self.subscription;
        tracing::error!(source = %name, %address, reason, "message rejected; the broker dead-letters or drops it");
        let condition = ErrorCondition::Custom(Symbol::from(REJECTED));
        let told: String = reason.chars().take(LONGEST_REASON).collect();
        let error = Error::new(condition, told, None);
        let rejecting = self.link.receiver.reject(delivery, error).await;
        rejecting.map_err(|problem| words::link(&LinkStateError::from(problem)))
    }

    fn wait(&mut self, held: Held, after: Duration) {
        let due = Instant::now() + after.min(LONGEST_PAUSE);
        let last = self.waiting.last_key_value();
        let number = last.map_or(0, |((_, number), _)| number.wrapping_add(1));
        self.waiting.insert((due, number), held);
    }

    async fn give_back_due(&mut self, now: Instant) -> Result<(), String> {
        while let Some(first) = self.waiting.first_entry()
            && first.key().0 <= now
        {
            let mut held = first.remove();
            match held.kept.take() {
                Some(message) => self.offer(held.delivery, *message).await?,
                None => self.return_now(held).await?,
            }
        }
        Ok(())
    }

    async fn return_now(&mut self, held: Held) -> Result<(), String> {
        self.with_us = self.with_us.saturating_sub(1);
        let receiver = &self.link.receiver;
        let returning = match self.give_back {
            GiveBack::Released | GiveBack::Kept => receiver.release(held.delivery).await,
            GiveBack::Modified => {
                let modified = Modified {
                    delivery_failed: Some(true),
                    undeliverable_here: None,
                    message_annotations: None,
                };
                receiver.modify(held.delivery, modified).await
            }
        };
        returning.map_err(|problem| words::link(&LinkStateError::from(problem)))
    }
}
