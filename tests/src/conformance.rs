//! The conformance kit: what every source must do, whatever its transport.
//!
//! An adapter's test implements [`Partner`] for its transport and calls [`source`].

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hub_core::files::Files;
use hub_core::{AdapterContext, Arrival, Body, ManualClock, MessageId, Settlement, Shared, Source};
use tokio::io::AsyncReadExt;

/// Longest wait for something that must happen.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a partner knows of its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// The hub has it.
    Yes,
    /// The partner still has it, and the hub will take it, or be offered it, again.
    Later,
    /// The hub will never have it.
    Never,
}

/// The other side of a source, at a transport of its own.
#[async_trait]
pub trait Partner: Send {
    /// Connects the source; a second time, after the first was dropped.
    async fn connect(&mut self) -> Box<dyn Source>;

    /// Sends a message of this name. Must not wait for the answer.
    async fn send(&mut self, name: &str, body: &[u8]);

    /// Sends again what was not accepted, if that is the partner's business in this transport.
    async fn send_again(&mut self, name: &str, body: &[u8]);

    /// What the partner was told about the message it sent last under this name.
    async fn told(&mut self, name: &str) -> Told;
}

/// A context at a fixed time, relative to a folder.
#[must_use]
pub fn context(name: &str, base_dir: &Path, files: Arc<dyn Files>) -> AdapterContext {
    let now = "2026-03-29T00:15:00Z".parse().expect("is a time");
    AdapterContext {
        name: name.to_owned(),
        base_dir: base_dir.to_owned(),
        clock: Arc::new(ManualClock::at(now)),
        files,
        shared: Shared::default(),
    }
}

/// A yes.
#[must_use]
pub fn accepted() -> Settlement {
    Settlement::Accepted {
        message_id: MessageId(4_711),
        duplicate: false,
    }
}

/// The next arrival. Panics if none comes.
pub async fn receive(source: &mut dyn Source) -> Arrival {
    match tokio::time::timeout(PATIENCE, source.receive()).await {
        Ok(Ok(arrival)) => arrival,
        Ok(Err(error)) => panic!("source failed: {error}"),
        Err(_) => panic!("nothing arrived"),
    }
}

/// Settles an arrival; dropping it leaves the arrival unsettled.
pub type Settle = Box<dyn FnOnce(Settlement) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// The next arrival taken apart: name, body, and how to settle it.
pub async fn open(source: &mut dyn Source) -> (String, Vec<u8>, Settle) {
    let (message, receipt) = receive(source).await.into_parts();
    let body = read(message.body).await.expect("body is complete");
    let settle: Settle = Box::new(|settlement| Box::pin(receipt.settle(settlement)));
    (message.name, body, settle)
}

/// Reads a body to its end.
///
/// # Errors
/// The body is not complete.
pub async fn read(body: Body) -> std::io::Result<Vec<u8>> {
    match body {
        Body::Bytes(bytes) => Ok(bytes.to_vec()),
        Body::File(path) => std::fs::read(path),
        Body::Stream(mut stream) => {
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).await?;
            Ok(bytes)
        }
    }
}

/// All that is asked of a source.
pub async fn source(partner: &mut dyn Partner) {
    every_settlement_is_told(partner).await;
    a_dropped_receipt_is_never_a_yes(partner).await;
    order_is_kept(partner).await;
    a_cancelled_receive_loses_nothing(partner).await;
    a_crash_before_the_commit_loses_nothing(partner).await;
}

async fn every_settlement_is_told(partner: &mut dyn Partner) {
    let mut source = partner.connect().await;
    let retry = Settlement::Retry {
        after: Duration::from_secs(1),
    };
    let reject = Settlement::Reject {
        reason: "not for us".to_owned(),
    };
    for (name, settlement, expected) in [
        ("yes.csv", accepted(), Told::Yes),
        ("never.csv", reject, Told::Never),
        ("later.csv", retry, Told::Later),
    ] {
        partner.send(name, name.as_bytes()).await;
        let (got, body, settle) = open(source.as_mut()).await;
        assert_eq!((got.as_str(), body.as_slice()), (name, name.as_bytes()));
        settle(settlement).await;
        assert_eq!(partner.told(name).await, expected, "{name}");
    }
    partner.send_again("later.csv", b"later.csv").await;
    let (name, _, settle) = open(source.as_mut()).await;
    assert_eq!(name, "later.csv", "what was put off comes again");
    settle(accepted()).await;
    assert_eq!(partner.told("later.csv").await, Told::Yes);
}

async fn a_dropped_receipt_is_never_a_yes(partner: &mut dyn Partner) {
    let mut source = partner.connect().await;
    partner.send("dropped.csv", b"1").await;
    drop(receive(source.as_mut()).await);
    assert_eq!(partner.told("dropped.csv").await, Told::Later);
    partner.send_again("dropped.csv", b"1").await;
    let (name, _, settle) = open(source.as_mut()).await;
    assert_eq!(name, "dropped.csv");
    settle(accepted()).await;
    assert_eq!(partner.told("dropped.csv").await, Told::Yes);
}

async fn order_is_kept(partner: &mut dyn Partner) {
    let mut source = partner.connect().await;
    for number in 0..10u8 {
        let name = format!("order-{number}.csv");
        partner.send(&name, &[number]).await;
        let (got, body, settle) = open(source.as_mut()).await;
        assert_eq!((got, body), (name, vec![number]));
        settle(accepted()).await;
    }
}

async fn a_cancelled_receive_loses_nothing(partner: &mut dyn Partner) {
    let mut source = partner.connect().await;
    for _ in 0..20 {
        // Polled once, which may begin something, and dropped.
        let once = tokio::time::timeout(Duration::ZERO, source.receive()).await;
        assert!(once.is_err(), "nothing was sent yet");
    }
    partner.send("cancelled.csv", b"1").await;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let arrival = loop {
        assert!(tokio::time::Instant::now() < deadline, "nothing arrived");
        match tokio::time::timeout(Duration::from_millis(1), source.receive()).await {
            Err(_) => {}
            Ok(arrival) => break arrival.expect("source works"),
        }
    };
    let (message, receipt) = arrival.into_parts();
    assert_eq!(message.name, "cancelled.csv");
    receipt.settle(accepted()).await;
    assert_eq!(partner.told("cancelled.csv").await, Told::Yes);
}

async fn a_crash_before_the_commit_loses_nothing(partner: &mut dyn Partner) {
    let mut source = partner.connect().await;
    partner.send("crash.csv", b"content").await;
    let arrival = receive(source.as_mut()).await;
    drop(source);
    drop(arrival);
    let mut source = partner.connect().await;
    assert_eq!(partner.told("crash.csv").await, Told::Later);
    partner.send_again("crash.csv", b"content").await;
    let (name, body, settle) = open(source.as_mut()).await;
    assert_eq!(
        (name.as_str(), body.as_slice()),
        ("crash.csv", b"content".as_slice())
    );
    settle(accepted()).await;
    assert_eq!(partner.told("crash.csv").await, Told::Yes);
}
