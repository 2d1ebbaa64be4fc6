//! Many publishes in flight on one channel, each with an answer that is its own.
//!
//! The library pairs returned messages with confirms by their order of arrival: the return of a
//! message that reached no queue is handed to whichever confirm is completed next. It comes no later
//! than the confirm of that message, though. So a confirm is believed only once all that were
//! completed before it have been looked at: those are all completed when it is, so looking at every
//! publish in flight again, until nothing new is found, finds them.
//!
//! One task owns the channel, because the library numbers a publish and writes it in two steps:
//! publishing from several tasks can mix up the numbers.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use lapin::options::BasicPublishOptions;
use lapin::types::ShortString;
use lapin::{BasicProperties, Channel, Confirmation};
use tokio::sync::{mpsc, oneshot};

use crate::publisher::{Address, NotPublished};

/// Most publishes in flight on a lane. All are looked at whenever one is confirmed.
pub(crate) const LANE_WIDTH: usize = 64;

/// A message to publish.
pub(crate) struct Request {
    pub(crate) address: Address,
    pub(crate) properties: BasicProperties,
    pub(crate) body: Bytes,
    pub(crate) answer: oneshot::Sender<Answer>,
}

/// What became of a message on a lane.
pub(crate) enum Answer {
    /// The broker said so.
    Told(Result<(), NotPublished>),
    /// The channel ended. Of all messages in flight one may be to blame, and nobody can say which.
    Ended,
}

/// Begins a lane on a channel that confirms. It ends with the channel, or with the last sender.
pub(crate) fn begin(channel: Channel) -> mpsc::Sender<Request> {
    let (requests, incoming) = mpsc::channel(LANE_WIDTH);
    tokio::spawn(run(channel, incoming));
    requests
}

async fn run(channel: Channel, mut requests: mpsc::Receiver<Request>) {
    let mut lane = Lane::default();
    let mut arrived = Vec::with_capacity(LANE_WIDTH);
    let mut is_open = true;
    while is_open || !lane.in_flight.is_empty() {
        let room = LANE_WIDTH - lane.in_flight.len();
        tokio::select! {
            biased;
            done = lane.completed() => {
                if !lane.answer(done) {
                    return;
                }
            }
            count = requests.recv_many(&mut arrived, room), if is_open && room > 0 => {
                is_open = count > 0;
                let publishes = arrived.drain(..).map(|request| InFlight::new(&channel, request));
                lane.in_flight.extend(publishes);
            }
        }
    }
}

#[derive(Default)]
struct Lane {
    in_flight: Vec<InFlight>,
    /// Messages that the broker returned and whose own confirms are still to come.
    returned: Vec<Returned>,
}

struct Returned {
    key: Key,
    reason: String,
}

/// What tells one message in flight from another. Two that are equal are one message, sent twice.
#[derive(PartialEq, Eq)]
struct Key {
    message_id: Option<ShortString>,
    exchange: ShortString,
    routing_key: ShortString,
}

type Publish = Pin<Box<dyn Future<Output = lapin::Result<Confirmation>> + Send>>;

struct InFlight {
    key: Key,
    publish: Publish,
    answer: oneshot::Sender<Answer>,
}

impl InFlight {
    fn new(channel: &Channel, request: Request) -> Self {
        let Request {
            address,
            properties,
            body,
            answer,
        } = request;
        let key = Key {
            message_id: properties.message_id().clone(),
            exchange: address.exchange.clone(),
            routing_key: address.routing_key.clone(),
        };
        let channel = channel.clone();
        let publish = Box::pin(async move { publish(&channel, &address, properties, &body).await });
        Self {
            key,
            publish,
            answer,
        }
    }
}

type Done = Vec<(Key, oneshot::Sender<Answer>, lapin::Result<Confirmation>)>;

impl Lane {
    /// Waits until publishes are completed. Returns them with all that were completed before any of
    /// them.
    async fn completed(&mut self) -> Done {
        std::future::poll_fn(|cx| self.poll_completed(cx)).await
    }

    fn poll_completed(&mut self, cx: &mut Context<'_>) -> Poll<Done> {
        let mut done = Done::new();
        loop {
            let found_before = done.len();
            let mut index = 0;
            while index < self.in_flight.len() {
                match self.in_flight[index].publish.as_mut().poll(cx) {
                    Poll::Pending => index += 1,
                    Poll::Ready(result) => {
                        // Keeps the order: a new publish must not be written before an older one.
                        let InFlight { key, answer, .. } = self.in_flight.remove(index);
                        done.push((key, answer, result));
                    }
                }
            }
            if done.len() == found_before {
                break;
            }
        }
        match done.is_empty() {
            true => Poll::Pending,
            false => Poll::Ready(done),
        }
    }

    /// Answers all of them. Returns whether the channel can still be used.
    fn answer(&mut self, mut done: Done) -> bool {
        for (_, _, result) in &mut done {
            if let Ok(Confirmation::Ack(returned) | Confirmation::Nack(returned)) = result
                && let Some(message) = returned.take()
            {
                self.returned.push(Returned {
                    reason: reason_of_return(&message),
                    key: Key {
                        message_id: message.properties.message_id().clone(),
                        exchange: message.delivery.exchange,
                        routing_key: message.delivery.routing_key,
                    },
                });
            }
        }
        let mut is_usable = true;
        for (key, answer, result) in done {
            is_usable &= result.is_ok();
            // Nobody listens any more if the sender's time was up.
            let _ = answer.send(self.verdict(&key, result));
        }
        is_usable
    }

    fn verdict(&mut self, key: &Key, result: lapin::Result<Confirmation>) -> Answer {
        let returned = self
            .returned
            .iter()
            .position(|returned| returned.key == *key);
        if let Some(index) = returned {
            let reason = self.returned.swap_remove(index).reason;
            return Answer::Told(Err(NotPublished::Unroutable(reason)));
        }
        match result {
            Ok(confirmation) => Answer::Told(verdict(confirmation)),
            Err(_) => Answer::Ended,
        }
    }
}

/// Publishes and waits for the confirm.
pub(crate) async fn publish(
    channel: &Channel,
    address: &Address,
    properties: BasicProperties,
    body: &[u8],
) -> lapin::Result<Confirmation> {
    let options = BasicPublishOptions {
        mandatory: !address.is_direct_reply(),
        immediate: false,
    };
    let (exchange, key) = (address.exchange.clone(), address.routing_key.clone());
    let confirm = channel.basic_publish(exchange, key, options, body, properties);
    confirm.await?.await
}

/// What the confirm of the only publish in flight means.
pub(crate) fn verdict(confirmation: Confirmation) -> Result<(), NotPublished> {
    match confirmation {
        Confirmation::Ack(None) => Ok(()),
        Confirmation::Ack(Some(returned)) | Confirmation::Nack(Some(returned)) => {
            Err(NotPublished::Unroutable(reason_of_return(&returned)))
        }
        Confirmation::Nack(None) => Err(NotPublished::NotKept),
        Confirmation::NotRequested => {
            let reason = "the channel has no publisher confirms".to_owned();
            Err(NotPublished::Unavailable(reason))
        }
    }
}

fn reason_of_return(message: &lapin::message::BasicReturnMessage) -> String {
    let (text, code) = (message.reply_text.as_str(), message.reply_code);
    let (exchange, key) = (&message.delivery.exchange, &message.delivery.routing_key);
    format!("exchange `{exchange}`, routing key `{key}`: {text} ({code})")
}
