//! The ceiling of HTTP to HTTP on this machine: the hub's own HTTP libraries around nothing. What
//! comes in is answered with 202 and posted on; no store, no decoding, no sync.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use bytes::Bytes;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;

use crate::Outcome;

/// Requests under way to the receiver: as the hub's sink is configured.
pub(crate) const PARALLEL: usize = 64;

/// A running relay; it ends when this is dropped.
pub(crate) struct Relay {
    address: SocketAddr,
    runtime: Option<Runtime>,
}

#[derive(Clone)]
struct Onward {
    client: reqwest::Client,
    to: SocketAddr,
    number: Arc<AtomicU64>,
    under_way: Arc<Semaphore>,
}

impl Relay {
    /// Starts a relay to a receiver, on as many threads as the hub has.
    ///
    /// # Errors
    /// The machine refuses.
    pub(crate) fn start(to: SocketAddr) -> Outcome<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let onward = Onward {
            client: reqwest::Client::builder()
                .no_proxy()
                .pool_max_idle_per_host(PARALLEL)
                .build()?,
            to,
            number: Arc::default(),
            under_way: Arc::new(Semaphore::new(PARALLEL)),
        };
        let router = Router::new().route("/in", post(take)).with_state(onward);
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener);
            let served =
                axum::serve(listener.expect("a listener that does not block"), router).await;
            served.expect("serving does not end by itself");
        });
        Ok(Self {
            address,
            runtime: Some(runtime),
        })
    }

    /// Where it listens, under `/in`.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // A runtime must not be dropped where others wait on it.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn take(State(onward): State<Onward>, body: Bytes) -> StatusCode {
    tokio::spawn(async move {
        let _permit = onward.under_way.acquire().await;
        let id = onward.number.fetch_add(1, Ordering::Relaxed);
        let request = onward.client.post(format!("http://{}/out", onward.to));
        // What is lost is missed by the receiver, and that ends the run.
        let _ = request.header("x-message-id", id).body(body).send().await;
    });
    StatusCode::ACCEPTED
}
