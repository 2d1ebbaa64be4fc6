//! A stand-in for the data warehouse: an HTTP endpoint in this process that keeps a record of what
//! it was asked and what it answered.
//!
//! It is not always kind, as real ones are not: the first document of north it asks to come back
//! for in a second, and readings of one meter of south it never takes.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::embedded::WAREHOUSE;

/// The meter that the warehouse does not know.
pub(super) const UNKNOWN_METER: &str = "EZ-77003004";

/// Largest document taken. The demo's are far smaller.
const MAX_BYTES: usize = 1 << 20;

/// A request, and the answer it got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    /// Whose document: the last part of the path.
    pub(super) enterprise: String,
    /// The hub's constant id of the document.
    pub(super) key: String,
    /// Size of the document.
    pub(super) bytes: usize,
    /// The status answered.
    pub(super) status: u16,
}

/// A running stand-in.
pub(super) struct Warehouse {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Clone)]
struct Desk {
    requests: Arc<Mutex<Vec<Request>>>,
    authorization: HeaderValue,
}

impl Warehouse {
    /// Starts it, on the address of the configuration if that is free. Takes documents only from
    /// who knows the token.
    pub(super) async fn start(token: &str) -> std::io::Result<Self> {
        let authorization =
            HeaderValue::try_from(format!("Bearer {token}")).map_err(std::io::Error::other)?;
        let listener = match TcpListener::bind(WAREHOUSE).await {
            Ok(listener) => listener,
            Err(_) => TcpListener::bind("127.0.0.1:0").await?,
        };
        let address = listener.local_addr()?;
        let requests = Arc::new(Mutex::new(Vec::new()));
        let router = Router::new()
            .route("/meter-readings/{enterprise}", post(receive))
            .layer(axum::extract::DefaultBodyLimit::max(MAX_BYTES))
            .with_state(Desk {
                requests: Arc::clone(&requests),
                authorization,
            });
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        let task = tokio::spawn(async move {
            // Without it deliveries fail, and the demo says so.
            let _ = axum::serve(listener, router)
                .with_graceful_shutdown(stopped)
                .await;
        });
        Ok(Self {
            address,
            requests,
            stop,
            task,
        })
    }

    /// Where it listens.
    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it was asked, in order.
    pub(super) fn requests(&self) -> Vec<Request> {
        locked(&self.requests).clone()
    }

    /// Stops it.
    pub(super) async fn stop(self) {
        self.stop.cancel();
        self.task.abort();
        let _ = self.task.await;
    }
}

fn locked(requests: &Mutex<Vec<Request>>) -> MutexGuard<'_, Vec<Request>> {
    requests.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn receive(
    State(desk): State<Desk>,
    Path(enterprise): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let key = headers
        .get("idempotency-key")
        .and_then(|key| key.to_str().ok())
        .unwrap_or_default();
    let mut requests = locked(&desk.requests);
    let first_of_north = enterprise == "north" && requests.iter().all(|r| r.enterprise != "north");
    let answer = if headers.get(header::AUTHORIZATION) != Some(&desk.authorization) {
        StatusCode::UNAUTHORIZED.into_response()
    } else if first_of_north {
        wait_a_second()
    } else if names_unknown_meter(&body) {
        unknown_meter()
    } else {
        StatusCode::ACCEPTED.into_response()
    };
    requests.push(Request {
        enterprise,
        key: key.to_owned(),
        bytes: body.len(),
        status: answer.status().as_u16(),
    });
    answer
}

fn wait_a_second() -> Response {
    (
        StatusCode::SERVICE_UNAVAILABLE,
        [(header::RETRY_AFTER, "1")],
        "loading, come back\n",
    )
        .into_response()
}

/// JSON lines with a record of that meter.
fn names_unknown_meter(body: &[u8]) -> bool {
    let lines = body.split(|byte| *byte == b'\n');
    lines
        .filter_map(|line| serde_json::from_slice::<Value>(line).ok())
        .any(|record| record["meter"].to_string().contains(UNKNOWN_METER))
}

fn unknown_meter() -> Response {
    let reason = format!("meter {UNKNOWN_METER} is not in our master data\n");
    (StatusCode::UNPROCESSABLE_ENTITY, reason).into_response()
}
