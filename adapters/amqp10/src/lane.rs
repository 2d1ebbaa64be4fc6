//! A link to one address, on a session of its own: messages go out one after the other, and many
//! may wait for their outcomes.
//!
//! One task owns the library's sender. A message that is given up between two of its frames would
//! spoil the link for the next, so nobody else may drop what it does; and it notices at once when
//! the broker ends the link, also between two messages.

use std::time::Duration;

use fe2o3_amqp::link::SendError;
use fe2o3_amqp::link::delivery::DeliveryFut;
use fe2o3_amqp::link::receiver::CreditMode;
use fe2o3_amqp::session::SessionHandle;
use fe2o3_amqp::types::definitions::{ReceiverSettleMode, SenderSettleMode};
use fe2o3_amqp::types::messaging::{Data, Message, Outcome};
use fe2o3_amqp::{Receiver, Sender};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::connection::Connection;
use crate::words::{self, Refused};

/// Most messages that wait for the link to take them; more wait outside.
const WAITING: usize = 64;

/// What the address of an existing queue begins with in RabbitMQ. Nobody else has such addresses.
const RABBITMQ_QUEUE: &str = "/amq/queue/";

/// A message that is on its way, until the broker says what became of it.
pub(crate) type OnItsWay = DeliveryFut<Result<Outcome, SendError>>;

/// What there is to send.
pub(crate) type Outgoing = Message<Data>;

/// What became of an attempt to send.
pub(crate) enum Submitted {
    /// The broker has it, or will.
    OnItsWay(OnItsWay),
    /// It was not sent; the link goes on.
    Refused(String),
    /// It was not sent: the link has ended, and why.
    Ended(Refused),
}

/// A message to send, and where to tell what became of that.
struct Request {
    message: Outgoing,
    answer: oneshot::Sender<Submitted>,
}

/// A link to one address. Clones share it; the last one ends it.
#[derive(Clone)]
pub(crate) struct Lane(mpsc::Sender<Request>);

impl Lane {
    /// Attaches a link.
    ///
    /// # Errors
    /// Why the broker does not let us send there.
    pub(crate) async fn open(
        connection: &Connection,
        address: &str,
        patience: Duration,
    ) -> Result<Self, Refused> {
        let (sender, session) = attach(connection, address, patience, "").await?;
        let (requests, incoming) = mpsc::channel(WAITING);
        let connection = connection.clone();
        tokio::spawn(async move {
            let sender = run(sender, incoming).await;
            connection.end(session).await;
            // Dropped after its session, the library writes nothing more on it.
            drop(sender);
        });
        Ok(Self(requests))
    }

    /// Whether it can be used.
    pub(crate) fn is_open(&self) -> bool {
        !self.0.is_closed()
    }

    /// Hands a message over, as soon as the broker has credit for it. If this is dropped while it
    /// waits, the link ends: nobody knows how much of the message is out.
    pub(crate) async fn submit(&self, message: Outgoing) -> Submitted {
        let ended = || {
            let reason = "the link has ended".to_owned();
            Submitted::Ended(Refused::without_condition(reason))
        };
        let (answer, answered) = oneshot::channel();
        if self.0.send(Request { message, answer }).await.is_err() {
            return ended();
        }
        answered.await.unwrap_or_else(|_| ended())
    }
}

/// Whether the broker lets us send there.
///
/// # Errors
/// Why not, in words.
pub(crate) async fn check(
    connection: &Connection,
    address: &str,
    patience: Duration,
) -> Result<(), String> {
    let attached = attach(connection, address, patience, " check").await;
    let (sender, session) = attached.map_err(|refused| refused.reason)?;
    connection.end(session).await;
    drop(sender);
    Ok(())
}

async fn attach(
    connection: &Connection,
    address: &str,
    patience: Duration,
    purpose: &str,
) -> Result<(Sender, SessionHandle<()>), Refused> {
    if address.starts_with(RABBITMQ_QUEUE) {
        look_up(connection, address, patience).await?;
    }
    let session = connection.session(patience).await;
    let mut session = session.map_err(Refused::without_condition)?;
    let attaching = Sender::builder()
        .name(format!("to {address}{purpose}"))
        .target(address)
        .sender_settle_mode(SenderSettleMode::Unsettled)
        .receiver_settle_mode(ReceiverSettleMode::First)
        .attach(&mut session);
    let refused = match timeout(patience, attaching).await {
        Ok(Ok(sender)) => return Ok((sender, session)),
        Ok(Err(problem)) => words::attaching_sender(&problem),
        Err(_) => silent(connection, patience),
    };
    Err(refused.at(address))
}

fn silent(connection: &Connection, patience: Duration) -> Refused {
    connection.cut();
    Refused::without_condition(format!("the broker did not answer within {patience:?}"))
}

/// Whether a queue of RabbitMQ is there. It lets us send to one that is not, accepts what we send, and
/// loses it; but it lets nobody read there. Takes no message. Who must not read learns nothing.
///
/// # Errors
/// The queue is missing, or the broker does not answer.
async fn look_up(
    connection: &Connection,
    address: &str,
    patience: Duration,
) -> Result<(), Refused> {
    let session = connection.session(patience).await;
    let mut session = session.map_err(Refused::without_condition)?;
    let attaching = Receiver::builder()
        .name(format!("is there {address}"))
        .source(address)
        .credit_mode(CreditMode::Manual)
        .attach(&mut session);
    match timeout(patience, attaching).await {
        Ok(Ok(receiver)) => {
            connection.end(session).await;
            drop(receiver);
            Ok(())
        }
        Ok(Err(problem)) => match words::attaching_receiver(&problem) {
            refused if refused.is_unknown => Err(refused.at(address)),
            _ => Ok(()),
        },
        Err(_) => Err(silent(connection, patience).at(address)),
    }
}

/// Sends what is asked for, until nobody is left who could ask, or the link ends.
async fn run(mut sender: Sender, mut requests: mpsc::Receiver<Request>) -> Sender {
    loop {
        let request = tokio::select! {
            biased;
            _ = sender.on_detach() => return sender,
            request = requests.recv() => request,
        };
        let Some(Request {
            message,
            mut answer,
        }) = request
        else {
            return sender;
        };
        let sent = tokio::select! {
            sent = sender.send_batchable(message) => sent,
            () = answer.closed() => return sender,
        };
        // Nobody listens any more if the sender's time was up: then it will be sent again.
        let is_over = match sent {
            Ok(on_its_way) => {
                let _ = answer.send(Submitted::OnItsWay(on_its_way));
                false
            }
            Err(problem @ (SendError::LinkStateError(_) | SendError::Detached(_))) => {
                let _ = answer.send(Submitted::Ended(words::sending(&problem)));
                true
            }
            Err(problem) => {
                let _ = answer.send(Submitted::Refused(words::sending(&problem).reason));
                false
            }
        };
        if is_over {
            return sender;
        }
    }
}
