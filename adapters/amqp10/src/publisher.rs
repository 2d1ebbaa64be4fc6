//! Sends messages and tells what the broker made of each: connects when needed, again after a
//! failure, and never waits for longer than its time limit.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use fe2o3_amqp::link::SendError;
use fe2o3_amqp::types::messaging::Outcome;
use hub_broker::Reconnecting;
use hub_core::Meter;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::timeout;

use crate::connection::{Connection, Endpoint};
use crate::lane::{Lane, OnItsWay, Outgoing, Submitted};
use crate::metrics;
use crate::rejections::Rejections;
use crate::words::{self, Refused};

/// Most addresses with a link at once. Beyond, the one that was used longest ago is ended. Brokers
/// allow 256 sessions or more on a connection.
const MOST_LANES: usize = 64;

/// Why a message was not sent.
#[derive(Debug)]
pub(crate) enum NotSent {
    /// No connection, no link, or no outcome.
    Unavailable(String),
    /// The broker does not know the address.
    UnknownAddress(String),
    /// The broker had it and gave it back.
    GivenBack(String),
    /// The broker wants us to slow down.
    Busy,
    /// The broker will never take it.
    Refused(String),
}

/// Sends to one broker.
pub(crate) struct Publisher {
    endpoint: Endpoint,
    /// Longest wait for the broker's outcome.
    patience: Duration,
    rejections: Rejections,
    slots: Semaphore,
    meter: Meter,
    in_flight: AtomicU32,
    wires: Reconnecting<Arc<Wires>>,
}

/// A connection with its links.
struct Wires {
    connection: Connection,
    lanes: Mutex<Lanes>,
}

/// Links by address.
#[derive(Default)]
struct Lanes {
    by_address: BTreeMap<String, Arc<Slot>>,
    clock: u64,
}

/// The place of one link: whoever finds it empty fills it, and others wait for that.
#[derive(Default)]
struct Slot {
    lane: Mutex<Option<Lane>>,
    last_used: AtomicU64,
}

impl Publisher {
    /// Connects when it first sends.
    pub(crate) fn new(
        endpoint: Endpoint,
        patience: Duration,
        most_in_flight: usize,
        rejections: Rejections,
        meter: Meter,
    ) -> Self {
        Self {
            endpoint,
            patience,
            rejections,
            slots: Semaphore::new(most_in_flight),
            meter,
            in_flight: AtomicU32::new(0),
            wires: Reconnecting::default(),
        }
    }

    /// Returns once the broker has accepted the message.
    ///
    /// # Errors
    /// The kind says what the broker made of it.
    pub(crate) async fn send(&self, address: &str, message: Outgoing) -> Result<(), NotSent> {
        let patience = self.patience;
        let Ok(_slot) = timeout(patience, self.slots.acquire()).await else {
            let reason = format!("no other message had an outcome within {patience:?}");
            return Err(NotSent::Unavailable(reason));
        };
        let _shown = self.show();
        let wires = self.wires().await.map_err(NotSent::Unavailable)?;
        let sending = async {
            // Held until the outcome is there: a link ends when nobody holds it.
            let lane = wires.lane(address, patience).await?;
            let on_its_way = submit(&lane, message).await?;
            self.meaning(on_its_way.await)
        };
        match timeout(patience, sending).await {
            Ok(Err(NotSent::Unavailable(reason))) => Err(NotSent::Unavailable(
                wires.connection.reason_or(reason).await,
            )),
            Ok(told) => told,
            Err(_) => {
                wires.give_up(address).await;
                let reason = format!("address `{address}`: no outcome within {patience:?}");
                Err(NotSent::Unavailable(reason))
            }
        }
    }

    /// What an outcome means (part 3 of the standard, section 3.4).
    fn meaning(&self, told: Result<Outcome, SendError>) -> Result<(), NotSent> {
        match told {
            Ok(Outcome::Accepted(_)) => Ok(()),
            Ok(Outcome::Rejected(rejected)) => Err(self.rejections.meaning(&rejected)),
            Ok(Outcome::Released(_)) => {
                let reason = "the broker could not place the message (`released`)";
                Err(NotSent::GivenBack(reason.to_owned()))
            }
            Ok(Outcome::Modified(modified)) => {
                let elsewhere = match modified.undeliverable_here {
                    Some(true) => ", undeliverable here",
                    _ => "",
                };
                let reason = format!("the broker gave the message back (`modified`{elsewhere})");
                Err(NotSent::GivenBack(reason))
            }
            Err(problem) => Err(words::sending(&problem).into()),
        }
    }

    /// Counts a message as in flight until the guard is dropped.
    fn show(&self) -> Shown<'_> {
        let now = self.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
        self.meter.set(metrics::IN_FLIGHT.name, f64::from(now));
        Shown(self)
    }

    /// The connection; a new one if there is none.
    async fn wires(&self) -> Result<Arc<Wires>, String> {
        let is_open = |wires: &Arc<Wires>| {
            let is_open = wires.connection.is_open();
            if !is_open {
                self.meter.count(metrics::LOST.name, 1);
            }
            is_open
        };
        self.wires.get(is_open, self.open()).await
    }

    async fn open(&self) -> Result<Arc<Wires>, String> {
        let connection = Connection::open(&self.endpoint).await?;
        self.meter.count(metrics::CONNECTIONS.name, 1);
        Ok(Arc::new(Wires {
            connection,
            lanes: Mutex::default(),
        }))
    }
}

/// A message that is counted as in flight.
struct Shown<'a>(&'a Publisher);

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        let now = self.0.in_flight.fetch_sub(1, Ordering::Relaxed) - 1;
        self.0.meter.set(metrics::IN_FLIGHT.name, f64::from(now));
    }
}

async fn submit(lane: &Lane, message: Outgoing) -> Result<OnItsWay, NotSent> {
    match lane.submit(message).await {
        Submitted::OnItsWay(on_its_way) => Ok(on_its_way),
        Submitted::Refused(reason) => Err(NotSent::Refused(reason)),
        Submitted::Ended(refused) => Err(refused.into()),
    }
}

impl From<Refused> for NotSent {
    fn from(Refused { reason, is_unknown }: Refused) -> Self {
        match is_unknown {
            true => Self::UnknownAddress(reason),
            false => Self::Unavailable(reason),
        }
    }
}

impl Wires {
    /// The link to an address; a new one if there is none.
    async fn lane(&self, address: &str, patience: Duration) -> Result<Lane, NotSent> {
        let slot = self.lanes.lock().await.slot(address);
        let mut lane = slot.lane.lock().await;
        if let Some(lane) = lane.as_ref().filter(|lane| lane.is_open()) {
            return Ok(lane.clone());
        }
        match Lane::open(&self.connection, address, patience).await {
            Ok(opened) => Ok(lane.insert(opened).clone()),
            Err(refused) => Err(refused.into()),
        }
    }

    /// Nobody waits for this link any more.
    async fn give_up(&self, address: &str) {
        self.lanes.lock().await.by_address.remove(address);
    }
}

impl Lanes {
    fn slot(&mut self, address: &str) -> Arc<Slot> {
        self.clock += 1;
        if !self.by_address.contains_key(address) && self.by_address.len() >= MOST_LANES {
            self.end_oldest();
        }
        let slot = self.by_address.entry(address.to_owned()).or_default();
        slot.last_used.store(self.clock, Ordering::Relaxed);
        slot.clone()
    }

    /// What waits for its outcome on that link gets it: the link ends when the last one lets go.
    fn end_oldest(&mut self) {
        let used = |slot: &Arc<Slot>| slot.last_used.load(Ordering::Relaxed);
        let oldest = self.by_address.iter().min_by_key(|(_, slot)| used(slot));
        if let Some(address) = oldest.map(|(address, _)| address.clone()) {
            self.by_address.remove(&address);
        }
    }
}
