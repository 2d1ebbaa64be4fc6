//! A stand-in for Oracle's REST interfaces, as their documentation shows them: it proves that the
//! adapter speaks what it was written to speak, and nothing about an Oracle system.

#![allow(dead_code, reason = "each test uses a part of it")]
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic too")]

pub(crate) mod fusion;
mod gate;
mod queues;
mod rest;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tokio::sync::watch;

use fusion::Fusion;
use gate::Gate;
use queues::Queues;
use rest::Rest;

/// `Basic` of `METERS` and `right`.
const AUTHORIZATION: &str = "Basic TUVURVJTOnJpZ2h0";

/// All that the stand-in knows.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) fusion: Fusion,
    pub(crate) queues: Queues,
    pub(crate) rest: Rest,
}

/// What the handlers share.
pub(crate) type Shared = Arc<Mutex<World>>;

/// A running stand-in, behind a door that can be shut and a server that can freeze.
pub(crate) struct StandIn {
    world: Shared,
    gate: Gate,
    frozen: watch::Sender<bool>,
}

impl StandIn {
    pub(crate) async fn start() -> Self {
        let world = Shared::default();
        let (frozen, is_frozen) = watch::channel(false);
        let app = Router::new()
            .merge(fusion::routes())
            .merge(queues::routes())
            .merge(rest::routes())
            .layer(middleware::from_fn(known_only))
            .layer(middleware::from_fn_with_state(is_frozen, unless_frozen))
            .with_state(Arc::clone(&world));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let behind = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await });
        let gate = Gate::open(behind).await;
        Self {
            world,
            gate,
            frozen,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.gate.address()
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    /// `server = { ... }` of a configuration.
    pub(crate) fn server(&self, password: &str) -> String {
        format!(
            "server = {{ url = 'http://{}/ords/meters', timeout_seconds = 2, \
             connect_timeout_seconds = 2, \
             auth = {{ basic = {{ user = 'METERS', password = 'file:{password}' }} }} }}\n",
            self.gate.address()
        )
    }

    /// Cuts all connections and takes no more.
    pub(crate) async fn kill(&mut self) {
        self.gate.shut().await;
    }

    pub(crate) async fn restart(&mut self) {
        self.gate.reopen().await;
    }

    pub(crate) fn freeze(&self) {
        self.frozen.send_replace(true);
    }

    pub(crate) fn thaw(&self) {
        self.frozen.send_replace(false);
    }
}

async fn known_only(request: Request, next: Next) -> Response {
    let authorization = request.headers().get(header::AUTHORIZATION);
    match authorization.is_some_and(|value| value == AUTHORIZATION) {
        true => next.run(request).await,
        false => StatusCode::UNAUTHORIZED.into_response(),
    }
}

async fn unless_frozen(
    State(mut frozen): State<watch::Receiver<bool>>,
    request: Request,
    next: Next,
) -> Response {
    let _ = frozen.wait_for(|frozen| !frozen).await;
    next.run(request).await
}
