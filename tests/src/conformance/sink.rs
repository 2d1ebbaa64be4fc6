//! What every sink must do.

use std::time::Duration;

use async_trait::async_trait;
use hub_core::{Content, MessageId, OutgoingMessage, Sink, SinkError};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::{PATIENCE, QUICKLY};

/// Messages that are sent at once.
const CROWD: u64 = 100;

/// A message that the receiver has taken responsibility for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The id that came with it, if the transport carries one.
    pub id: String,
    /// Its body.
    pub body: Vec<u8>,
}

/// The other side of a sink, at a transport of its own. What it cannot do, it answers with `false`;
/// the law that needs it is then not asked.
#[async_trait]
pub trait Receiver: Send {
    /// A new sink that sends to this receiver.
    async fn sink(&mut self) -> Box<dyn Sink>;

    /// The same with a wrong password or key.
    async fn sink_with_wrong_credentials(&mut self) -> Option<Box<dyn Sink>>;

    /// All that was taken since the last call.
    async fn taken(&mut self) -> Vec<Taken>;

    /// Crashes the receiver.
    async fn kill(&mut self) -> bool;

    /// Starts it again. It need not remember what it has taken.
    async fn restart(&mut self);

    /// Freezes the receiver: connections stay open, nothing answers.
    async fn stall(&mut self) -> bool;

    /// Ends that.
    async fn resume(&mut self);

    /// From now on refuses what is about the subject `refused`, for ever.
    async fn refuse(&mut self) -> bool;

    /// How long the sink is configured to wait for an answer at most, connecting included.
    fn time_limit(&self) -> Duration;
}

/// A message of this number, about this subject.
#[must_use]
pub fn message(number: u64, subject: &str) -> OutgoingMessage {
    OutgoingMessage {
        message_id: MessageId(i64::try_from(number).expect("a small number")),
        correlation_id: MessageId(7),
        enterprise: "nord".into(),
        route: "readings".into(),
        source_name: "in.xml".into(),
        subject: subject.into(),
        created: "2026-03-29T00:15:00Z".parse().expect("is a time"),
        attempt: 1,
        media_type: "text/plain".into(),
        extension: "txt".into(),
        headers: Vec::new(),
        content: Content::bytes(format!("body {number}").into_bytes()),
    }
}

fn taken(number: u64) -> Taken {
    Taken {
        id: message(number, "").message_id.to_string(),
        body: format!("body {number}").into_bytes(),
    }
}

/// All that is asked of a sink.
pub async fn sink(receiver: &mut dyn Receiver) {
    a_yes_means_that_the_receiver_has_it(receiver).await;
    the_id_is_the_same_at_every_attempt(receiver).await;
    a_crowd_is_taken_each_once(receiver).await;
    wrong_credentials_are_told_quickly(receiver).await;
    a_refusal_is_told_and_holds_up_nobody(receiver).await;
    a_dead_receiver_is_unavailable_until_it_is_back(receiver).await;
    a_frozen_receiver_is_waited_for_only_so_long(receiver).await;
}

async fn must_send(sink: &dyn Sink, message: &OutgoingMessage) {
    match timeout(PATIENCE, sink.send(message)).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => panic!("not sent: {error}"),
        Err(_) => panic!("neither sent nor refused within {PATIENCE:?}"),
    }
}

async fn a_yes_means_that_the_receiver_has_it(receiver: &mut dyn Receiver) {
    let sink = receiver.sink().await;
    for number in 1..=3 {
        must_send(sink.as_ref(), &message(number, "meter:1")).await;
        assert_eq!(receiver.taken().await, [taken(number)]);
    }
}

async fn the_id_is_the_same_at_every_attempt(receiver: &mut dyn Receiver) {
    let sink = receiver.sink().await;
    let mut message = message(10, "meter:1");
    must_send(sink.as_ref(), &message).await;
    message.attempt = 2;
    must_send(sink.as_ref(), &message).await;
    let found = receiver.taken().await;
    // A transport may recognise the second by itself.
    assert!((1..=2).contains(&found.len()), "{found:?}");
    assert!(found.iter().all(|found| *found == taken(10)), "{found:?}");
}

async fn a_crowd_is_taken_each_once(receiver: &mut dyn Receiver) {
    let sink: std::sync::Arc<dyn Sink> = receiver.sink().await.into();
    let mut sends = JoinSet::new();
    for number in 100..100 + CROWD {
        let sink = sink.clone();
        sends.spawn(async move {
            must_send(sink.as_ref(), &message(number, &format!("meter:{number}"))).await;
        });
    }
    while let Some(sent) = sends.join_next().await {
        sent.expect("is sent");
    }
    let mut found = receiver.taken().await;
    found.sort_by(|a, b| a.body.cmp(&b.body));
    let mut expected: Vec<_> = (100..100 + CROWD).map(taken).collect();
    expected.sort_by(|a, b| a.body.cmp(&b.body));
    assert_eq!(found, expected);
}

async fn wrong_credentials_are_told_quickly(receiver: &mut dyn Receiver) {
    let Some(sink) = receiver.sink_with_wrong_credentials().await else {
        return;
    };
    let begun = Instant::now();
    let error = sink.send(&message(20, "meter:1")).await;
    let error = error.expect_err("a stranger must not be let in");
    assert!(
        begun.elapsed() < QUICKLY,
        "{error} after {:?}",
        begun.elapsed()
    );
    // Not the message's fault: it must not be parked for it.
    assert!(matches!(error, SinkError::Unavailable { .. }), "{error}");
    assert!(!error.to_string().contains("wrong-password"), "{error}");
    assert_eq!(receiver.taken().await, []);
}

async fn a_refusal_is_told_and_holds_up_nobody(receiver: &mut dyn Receiver) {
    let sink = receiver.sink().await;
    if !receiver.refuse().await {
        return;
    }
    let refused = sink.send(&message(30, "refused")).await;
    let error = refused.expect_err("it is refused");
    assert!(matches!(error, SinkError::Refused { .. }), "{error}");
    must_send(sink.as_ref(), &message(31, "meter:1")).await;
    assert_eq!(receiver.taken().await, [taken(31)]);
}

async fn a_dead_receiver_is_unavailable_until_it_is_back(receiver: &mut dyn Receiver) {
    let sink = receiver.sink().await;
    must_send(sink.as_ref(), &message(40, "meter:1")).await;
    assert_eq!(receiver.taken().await, [taken(40)]);
    if !receiver.kill().await {
        return;
    }
    for _ in 0..3 {
        let limit = receiver.time_limit() + QUICKLY;
        let sent = timeout(limit, sink.send(&message(41, "meter:1"))).await;
        let error = sent
            .expect("does not wait for ever")
            .expect_err("it is dead");
        assert!(matches!(error, SinkError::Unavailable { .. }), "{error}");
    }
    receiver.restart().await;
    must_send(sink.as_ref(), &message(41, "meter:1")).await;
    assert_eq!(receiver.taken().await, [taken(41)]);
}

async fn a_frozen_receiver_is_waited_for_only_so_long(receiver: &mut dyn Receiver) {
    let sink = receiver.sink().await;
    must_send(sink.as_ref(), &message(50, "meter:1")).await;
    assert_eq!(receiver.taken().await, [taken(50)]);
    if !receiver.stall().await {
        return;
    }
    let limit = receiver.time_limit() + QUICKLY;
    let sent = timeout(limit, sink.send(&message(51, "meter:1"))).await;
    receiver.resume().await;
    let error = sent
        .expect("does not wait for ever")
        .expect_err("it is frozen");
    let is_passing = matches!(
        error,
        SinkError::Unavailable { .. } | SinkError::Busy { .. }
    );
    assert!(is_passing, "{error}");
    must_send(sink.as_ref(), &message(51, "meter:1")).await;
    // It may have read the first attempt from its socket when it thawed.
    let found = receiver.taken().await;
    assert!(
        !found.is_empty() && found.iter().all(|found| *found == taken(51)),
        "{found:?}"
    );
}
