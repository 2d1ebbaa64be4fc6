//! What every source must do; [`source`] asks it of the source alone, [`source_of_a_server`] of one
//! whose messages wait in a server that can fail.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::time::Duration;

use async_trait::async_trait;
use hub_core::{Arrival, Body, Settlement, Source, SourceError};
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, timeout};

use super::{PATIENCE, QUICKLY, accepted};

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

    /// Whether what was settled may come again after a new connection, because an answer that is
    /// given just before the old one ends may be lost with it.
    fn answers_may_be_lost(&self) -> bool {
        false
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
    take_apart(receive(source).await).await
}

async fn take_apart(arrival: Arrival) -> (String, Vec<u8>, Settle) {
    let (message, receipt) = arrival.into_parts();
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

/// A partner whose messages wait in a server: one that can be crashed and frozen.
#[async_trait]
pub trait Server: Partner {
    /// Tries to connect the source; the server may be down.
    async fn try_connect(&mut self) -> Result<Box<dyn Source>, SourceError>;

    /// Tries to connect it with a wrong password or key.
    async fn try_wrong_credentials(&mut self) -> Result<Box<dyn Source>, SourceError>;

    /// Crashes the server.
    async fn kill(&mut self);

    /// Starts it again, with its data.
    async fn restart(&mut self);

    /// Freezes the server: connections stay open, nothing answers.
    async fn stall(&mut self);

    /// Ends that.
    async fn resume(&mut self);

    /// How long the source is configured to wait for the server at most.
    fn time_limit(&self) -> Duration;
}

/// All that is asked of a source whose messages wait in a server.
pub async fn source_of_a_server(server: &mut dyn Server) {
    wrong_credentials_are_told_quickly(server).await;
    a_crash_of_the_server_loses_nothing(server).await;
    a_frozen_server_is_noticed(server).await;
}

async fn wrong_credentials_are_told_quickly(server: &mut dyn Server) {
    let begun = Instant::now();
    let Err(error) = server.try_wrong_credentials().await else {
        panic!("connected with wrong credentials");
    };
    assert!(
        begun.elapsed() < QUICKLY,
        "{error} after {:?}",
        begun.elapsed()
    );
    assert!(!error.to_string().contains("wrong-password"), "{error}");
}

async fn a_crash_of_the_server_loses_nothing(server: &mut dyn Server) {
    let mut expected: BTreeSet<String> = (0..40).map(|n| format!("stream-{n}.csv")).collect();
    let mut source = server.connect().await;
    for name in &expected {
        server.send(name, name.as_bytes()).await;
    }
    for _ in 0..5 {
        let (name, _, settle) = open(source.as_mut()).await;
        settle(accepted()).await;
        expected.remove(&name);
    }
    let unsettled = receive(source.as_mut()).await;
    server.kill().await;
    // What it has still in memory may come first; then it must say that it cannot go on.
    let ended = timeout(PATIENCE, async { while source.receive().await.is_ok() {} });
    ended.await.expect("a source whose server is gone says so");
    drop((source, unsettled));
    let begun = Instant::now();
    let refused = server.try_connect().await;
    assert!(refused.is_err(), "connected to a server that is gone");
    assert!(begun.elapsed() < server.time_limit() + QUICKLY);
    server.restart().await;
    let mut source = server.connect().await;
    while !expected.is_empty() {
        let (name, body, settle) = open(source.as_mut()).await;
        assert_eq!(body, name.as_bytes());
        settle(accepted()).await;
        expected.remove(&name);
    }
}

async fn a_frozen_server_is_noticed(server: &mut dyn Server) {
    let mut source = server.connect().await;
    server.stall().await;
    let ended = timeout(server.time_limit() + PATIENCE, async {
        while source.receive().await.is_ok() {}
    });
    let ended = ended.await;
    let begun = Instant::now();
    let refused = timeout(server.time_limit() + QUICKLY, server.try_connect()).await;
    let waited = begun.elapsed();
    server.resume().await;
    ended.expect("a source whose server is frozen says so");
    let refused = refused.unwrap_or_else(|_| panic!("still connecting after {waited:?}"));
    assert!(refused.is_err(), "connected to a frozen server");
    drop(source);
    let mut source = server.connect().await;
    server.send("thawed.csv", b"1").await;
    let settle = loop {
        let (name, _, settle) = open(source.as_mut()).await;
        if name == "thawed.csv" {
            break settle;
        }
        settle(accepted()).await;
    };
    settle(accepted()).await;
    assert_eq!(server.told("thawed.csv").await, Told::Yes);
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
    drop(receive_of(partner, source.as_mut(), "dropped").await);
    assert_eq!(partner.told("dropped.csv").await, Told::Later);
    partner.send_again("dropped.csv", b"1").await;
    let (name, _, settle) = open_of(partner, source.as_mut(), "dropped").await;
    assert_eq!(name, "dropped.csv");
    settle(accepted()).await;
    assert_eq!(partner.told("dropped.csv").await, Told::Yes);
}

async fn order_is_kept(partner: &mut dyn Partner) {
    let mut source = partner.connect().await;
    for number in 0..10u8 {
        let name = format!("order-{number}.csv");
        partner.send(&name, &[number]).await;
        let (got, body, settle) = open_of(partner, source.as_mut(), "order-").await;
        assert_eq!((got, body), (name, vec![number]));
        settle(accepted()).await;
    }
}

async fn a_cancelled_receive_loses_nothing(partner: &mut dyn Partner) {
    let mut source = partner.connect().await;
    for _ in 0..20 {
        // Polled once, which may begin something, and dropped.
        if let Ok(again) = tokio::time::timeout(Duration::ZERO, source.receive()).await {
            settle_again(partner, again.expect("source works")).await;
        }
    }
    partner.send("cancelled.csv", b"1").await;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let receipt = loop {
        assert!(tokio::time::Instant::now() < deadline, "nothing arrived");
        let Ok(arrival) = tokio::time::timeout(Duration::from_millis(1), source.receive()).await
        else {
            continue;
        };
        let arrival = arrival.expect("source works");
        if arrival.message.name == "cancelled.csv" {
            break arrival.into_parts().1;
        }
        settle_again(partner, arrival).await;
    };
    receipt.settle(accepted()).await;
    assert_eq!(partner.told("cancelled.csv").await, Told::Yes);
}

/// The next arrival of a law, whose messages' names begin so.
async fn receive_of(partner: &dyn Partner, source: &mut dyn Source, law: &str) -> Arrival {
    loop {
        let arrival = receive(source).await;
        if arrival.message.name.starts_with(law) {
            return arrival;
        }
        settle_again(partner, arrival).await;
    }
}

/// The same taken apart: name, body, and how to settle it.
async fn open_of(
    partner: &dyn Partner,
    source: &mut dyn Source,
    law: &str,
) -> (String, Vec<u8>, Settle) {
    take_apart(receive_of(partner, source, law).await).await
}

/// Settles a message of an earlier law once more.
async fn settle_again(partner: &dyn Partner, arrival: Arrival) {
    let (message, receipt) = arrival.into_parts();
    let is_of_earlier_law = ["yes", "never", "later", "dropped", "order-", "cancelled"]
        .iter()
        .any(|law| message.name.starts_with(law));
    assert!(
        is_of_earlier_law && partner.answers_may_be_lost(),
        "`{}` came although it was settled, or never sent",
        message.name
    );
    receipt.settle(accepted()).await;
}

async fn a_crash_before_the_commit_loses_nothing(partner: &mut dyn Partner) {
    let mut source = partner.connect().await;
    partner.send("crash.csv", b"content").await;
    let arrival = receive_of(partner, source.as_mut(), "crash").await;
    drop(source);
    drop(arrival);
    let mut source = partner.connect().await;
    assert_eq!(partner.told("crash.csv").await, Told::Later);
    partner.send_again("crash.csv", b"content").await;
    let (name, body, settle) = open_of(partner, source.as_mut(), "crash").await;
    assert_eq!(
        (name.as_str(), body.as_slice()),
        ("crash.csv", b"content".as_slice())
    );
    settle(accepted()).await;
    assert_eq!(partner.told("crash.csv").await, Told::Yes);
}
