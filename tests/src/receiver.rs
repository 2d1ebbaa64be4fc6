//! A partner's HTTP server that notes what it receives and misbehaves when told to.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The header that carries the constant id of a delivery.
pub const ID_HEADER: &str = "x-message-id";

/// A request that arrived whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Position among all requests, from 0.
    pub number: usize,
    /// Path and query.
    pub path: String,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// SHA-256 of the body.
    pub hash: [u8; 32],
    /// The body.
    pub body: Bytes,
    /// Whether it was taken: answered with 2xx, or taken and left without an answer.
    pub taken: bool,
}

impl Received {
    /// The constant id of the delivery; empty without one.
    #[must_use]
    pub fn id(&self) -> &str {
        self.header(ID_HEADER).unwrap_or_default()
    }

    /// The value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// What the server does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// Takes it: 200.
    Take,
    /// Takes it, and answers only after a while.
    TakeAfter(Duration),
    /// Takes it, and never answers: the sender cannot know.
    TakeInSilence,
    /// Takes it, and breaks the connection instead of answering.
    TakeAndBreak,
    /// Does not take it, and says so with this status.
    Refuse(u16),
    /// Does not take it: this status, with `Retry-After` in seconds.
    Busy(u16, u64),
}

type Decide = dyn Fn(&Received) -> Behaviour + Send + Sync;

struct Shared {
    received: Mutex<Vec<Received>>,
    decide: Mutex<Arc<Decide>>,
}

/// A running server. Stops when dropped.
pub struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Receiver {
    /// Starts a server that takes everything.
    ///
    /// # Panics
    /// The machine has no free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port is free");
        let address = listener.local_addr().expect("a listener has an address");
        let decide: Arc<Decide> = Arc::new(|_| Behaviour::Take);
        let shared = Arc::new(Shared {
            received: Mutex::default(),
            decide: Mutex::new(decide),
        });
        let task = tokio::spawn(serve(listener, shared.clone()));
        Self {
            address,
            shared,
            task,
        }
    }

    /// From now on, decides by the request what to do. Its number counts all requests.
    pub fn behave(&self, decide: impl Fn(&Received) -> Behaviour + Send + Sync + 'static) {
        *lock(&self.shared.decide) = Arc::new(decide);
    }

    /// Where it listens: `http://127.0.0.1:4711/in`.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// All whole requests so far, in the order of their arrival.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        lock(&self.shared.received).clone()
    }

    /// How many were taken so far.
    #[must_use]
    pub fn taken(&self) -> usize {
        lock(&self.shared.received)
            .iter()
            .filter(|received| received.taken)
            .count()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    // Connections end with the server.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                let shared = shared.clone();
                connections.spawn(async move {
                    let service = service_fn(|request| answer(request, shared.clone()));
                    // An error is the sender's end, or a connection broken on purpose.
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        }
    }
}

/// Breaks the connection.
#[derive(Debug)]
struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("broken on purpose")
    }
}

impl std::error::Error for Broken {}

async fn answer(
    request: Request<Incoming>,
    shared: Arc<Shared>,
) -> Result<Response<Full<Bytes>>, Broken> {
    let (head, body) = request.into_parts();
    // A request that does not arrive whole never happened.
    let Ok(body) = body.collect().await else {
        return Err(Broken);
    };
    let body = body.to_bytes();
    let header = |(name, value): (&hyper::header::HeaderName, &hyper::header::HeaderValue)| {
        (
            name.as_str().to_owned(),
            String::from_utf8_lossy(value.as_bytes()).into_owned(),
        )
    };
    let behaviour = note(
        &shared,
        Received {
            number: 0,
            path: head.uri.to_string(),
            headers: head.headers.iter().map(header).collect(),
            hash: Sha256::digest(&body).into(),
            body,
            taken: false,
        },
    );
    match behaviour {
        Behaviour::Take => Ok(status(200, None)),
        Behaviour::TakeAfter(pause) => {
            tokio::time::sleep(pause).await;
            Ok(status(200, None))
        }
        Behaviour::TakeInSilence => match std::future::pending::<Infallible>().await {},
        Behaviour::TakeAndBreak => Err(Broken),
        Behaviour::Refuse(code) => Ok(status(code, None)),
        Behaviour::Busy(code, seconds) => Ok(status(code, Some(seconds))),
    }
}

fn note(shared: &Shared, mut received: Received) -> Behaviour {
    let mut all = lock(&shared.received);
    received.number = all.len();
    let decide = lock(&shared.decide).clone();
    let behaviour = decide(&received);
    received.taken = !matches!(behaviour, Behaviour::Refuse(_) | Behaviour::Busy(..));
    all.push(received);
    behaviour
}

fn status(code: u16, retry_after: Option<u64>) -> Response<Full<Bytes>> {
    let mut response = Response::builder().status(code);
    if let Some(seconds) = retry_after {
        response = response.header("retry-after", seconds);
    }
    response
        .body(Full::default())
        .expect("a number is a header value")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http_load::{Connection, Message};

    fn message(body: &[u8]) -> Message<'_> {
        Message {
            path: "/in",
            key: Some("k"),
            content_type: "text/plain",
            token: None,
            body,
        }
    }

    #[tokio::test]
    async fn notes_what_arrives_and_behaves_as_told() {
        let receiver = Receiver::start().await;
        let mut connection = Connection::new(receiver.address);
        assert_eq!(connection.post(message(b"one")).await.unwrap().status, 200);
        receiver.behave(|received| match received.number {
            1 => Behaviour::Busy(503, 7),
            2 => Behaviour::TakeAndBreak,
            _ => Behaviour::Refuse(422),
        });
        let busy = connection.post(message(b"two")).await.unwrap();
        assert_eq!((busy.status, busy.header("retry-after")), (503, Some("7")));
        assert!(connection.post(message(b"three")).await.is_err());
        assert_eq!(connection.post(message(b"four")).await.unwrap().status, 422);
        let received = receiver.received();
        let taken: Vec<_> = received.iter().map(|r| (r.text(), r.taken)).collect();
        let expected = [
            ("one", true),
            ("two", false),
            ("three", true),
            ("four", false),
        ];
        assert_eq!(
            taken,
            expected.map(|(text, taken)| (text.to_owned(), taken))
        );
        assert_eq!(received[0].header("idempotency-key"), Some("k"));
    }
}
