//! The HTTP listener: how connections are taken, bounded and closed. What is served is not its
//! business.
//!
//! A client that stalls must not hold a connection: it has [`HEADER_TIMEOUT`] to send the head of
//! each request, and as long to send another on a connection that is kept open. Slow bodies are
//! the business of those who read them.

mod tls;

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use hub_web::{BehindTls, ClientCertificate};
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error};

pub(crate) use tls::TlsError;
pub(crate) use tls::acceptor;

/// Connections served at a time; more wait to be taken. Too few starve partners that keep theirs
/// open, too many cost memory (some 10 kB each) and file descriptors.
const MAX_CONNECTIONS: usize = 4_096;

/// Time to send the head of a request, and time that a connection is kept without one.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// How often an HTTP/2 client is asked whether it is there, and how long it has to answer.
const PING_PAUSE: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// Streams of one HTTP/2 connection at a time.
const MAX_STREAMS: u32 = 256;

/// Pause after the system refused a connection, for want of file descriptors say.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// How connections are bounded.
#[derive(Debug, Clone, Copy)]
struct Limits {
    connections: usize,
    header_timeout: Duration,
}

/// Serves until `stop`, then lets the requests on their way end.
pub(crate) async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    let limits = Limits {
        connections: MAX_CONNECTIONS,
        header_timeout: HEADER_TIMEOUT,
    };
    serve_within(limits, listener, None, router, stop).await;
}

/// The same behind TLS. A client that does not greet in time, or whose certificate is not one of
/// ours, is cut off.
pub(crate) async fn serve_tls(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    router: Router,
    stop: CancellationToken,
) {
    let limits = Limits {
        connections: MAX_CONNECTIONS,
        header_timeout: HEADER_TIMEOUT,
    };
    serve_within(limits, listener, Some(acceptor), router, stop).await;
}

async fn serve_within(
    limits: Limits,
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    router: Router,
    stop: CancellationToken,
) {
    let server = Server {
        acceptor,
        builder: builder(limits.header_timeout),
        router,
        header_timeout: limits.header_timeout,
    };
    let (server, places) = (
        Arc::new(server),
        Arc::new(Semaphore::new(limits.connections)),
    );
    let open = GracefulShutdown::new();
    while let Some((stream, place)) = next(&listener, &places, &stop).await {
        tokio::spawn(Arc::clone(&server).connection(stream, open.watcher(), place));
    }
    // Nobody new is taken, not even to wait.
    drop(listener);
    open.shutdown().await;
}

/// The next connection and its place; `None` once it is time to stop.
async fn next(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
    stop: &CancellationToken,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let taken = async {
        let place = Arc::clone(places).acquire_owned().await;
        let place = place.expect("the semaphore is never closed");
        (accept(listener).await, place)
    };
    stop.run_until_cancelled(taken).await
}

async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            // That client changed its mind; the next one is waiting.
            Err(problem) if is_of_one_client(&problem) => {}
            Err(problem) => {
                error!(%problem, "no connection can be taken");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn is_of_one_client(problem: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        problem.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

fn builder(header_timeout: Duration) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_PAUSE)
        .keep_alive_timeout(PING_TIMEOUT)
        .max_concurrent_streams(MAX_STREAMS);
    builder
}

/// What all connections share.
struct Server {
    acceptor: Option<TlsAcceptor>,
    builder: Builder<TokioExecutor>,
    router: Router,
    header_timeout: Duration,
}

impl Server {
    async fn connection(
        self: Arc<Self>,
        stream: TcpStream,
        open: Watcher,
        _place: OwnedSemaphorePermit,
    ) {
        // Answers are small and wanted at once.
        if let Err(problem) = stream.set_nodelay(true) {
            debug!(%problem, "TCP_NODELAY is not possible");
        }
        let mut peer = Peer {
            certificate: None,
            tls: self.acceptor.as_ref().map(|_| BehindTls),
        };
        let Some(acceptor) = &self.acceptor else {
            return self.speak(stream, peer, open).await;
        };
        match tokio::time::timeout(self.header_timeout, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => {
                peer.certificate = tls::client_certificate(&stream);
                self.speak(stream, peer, open).await;
            }
            Ok(Err(problem)) => debug!(%problem, "no TLS with this client"),
            Err(_) => debug!("connection closed: TLS was not agreed on in time"),
        }
    }

    async fn speak<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        &self,
        stream: S,
        peer: Peer,
        open: Watcher,
    ) {
        let asked = Arc::new(AtomicBool::new(false));
        let service = Noting {
            router: TowerToHyperService::new(self.router.clone()),
            asked: Arc::clone(&asked),
            peer,
        };
        let connection = self.builder.serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(open.watch(connection));
        // The builder's own time-out begins only once it knows the version of HTTP.
        let served = tokio::select! {
            served = &mut connection => served,
            () = tokio::time::sleep(self.header_timeout) => {
                if !asked.load(Ordering::Relaxed) {
                    debug!("connection closed: it brought no request in time");
                    return;
                }
                connection.await
            }
        };
        if let Err(problem) = served {
            debug!(%problem, "connection broke");
        }
    }
}

/// Who is at the other end of a connection.
struct Peer {
    /// What they showed, if they were asked to.
    certificate: Option<ClientCertificate>,
    tls: Option<BehindTls>,
}

/// Answers requests, tells what is known of who sends them, and notes that there was one.
struct Noting {
    router: TowerToHyperService<Router>,
    asked: Arc<AtomicBool>,
    peer: Peer,
}

impl Service<Request<Incoming>> for Noting {
    type Response = Response;
    type Error = Infallible;
    type Future = <TowerToHyperService<Router> as Service<Request<Incoming>>>::Future;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        self.asked.store(true, Ordering::Relaxed);
        if let Some(certificate) = &self.peer.certificate {
            request.extensions_mut().insert(certificate.clone());
        }
        if let Some(tls) = self.peer.tls {
            request.extensions_mut().insert(tls);
        }
        self.router.call(request)
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::Notify;
    use tokio::task::JoinHandle;
    use tokio::time::timeout;

    const REQUEST: &[u8] = b"GET /now HTTP/1.1\r\nhost: hub\r\n\r\n";
    const LONG: Duration = Duration::from_secs(20);

    struct Hub {
        address: SocketAddr,
        stop: CancellationToken,
        served: JoinHandle<()>,
        /// Tells that `/later` was asked.
        asked: Arc<Notify>,
        /// Lets it answer.
        later: Arc<Notify>,
    }

    impl Hub {
        async fn start(connections: usize, header_timeout: Duration) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let stop = CancellationToken::new();
            let (asked, later) = (Arc::<Notify>::default(), Arc::<Notify>::default());
            let (tell, waited) = (Arc::clone(&asked), Arc::clone(&later));
            let router = Router::new().route("/now", get(|| async { "now" })).route(
                "/later",
                get(|| async move {
                    tell.notify_one();
                    waited.notified().await;
                    "later"
                }),
            );
            let limits = Limits {
                connections,
                header_timeout,
            };
            let served = tokio::spawn(serve_within(limits, listener, None, router, stop.clone()));
            Self {
                address,
                stop,
                served,
                asked,
                later,
            }
        }

        async fn connect(&self) -> TcpStream {
            TcpStream::connect(self.address).await.unwrap()
        }
    }

    /// One answer, up to the end of its short body.
    async fn answer(stream: &mut TcpStream, body: &str) -> String {
        let mut got = Vec::new();
        let mut block = [0; 1_024];
        while !got.ends_with(body.as_bytes()) {
            match timeout(LONG, stream.read(&mut block)).await.unwrap() {
                Ok(count @ 1..) => got.extend_from_slice(&block[..count]),
                end => panic!("{end:?} after {:?}", String::from_utf8_lossy(&got)),
            }
        }
        String::from_utf8(got).unwrap()
    }

    async fn is_closed(stream: &mut TcpStream) -> bool {
        let mut rest = Vec::new();
        timeout(LONG, stream.read_to_end(&mut rest)).await.is_ok()
    }

    #[tokio::test]
    async fn who_stalls_is_cut_off_wherever_they_stall() {
        let hub = Hub::start(8, Duration::from_millis(200)).await;
        // `P` may begin a POST as well as the preface of HTTP/2.
        for begun in [
            &b""[..],
            b"P",
            b"PRI * HTTP/2.0\r\n",
            b"GET /now HTTP/1.1\r\nho",
        ] {
            let mut stream = hub.connect().await;
            stream.write_all(begun).await.unwrap();
            assert!(is_closed(&mut stream).await, "{begun:?}");
        }
        let mut idle = hub.connect().await;
        idle.write_all(REQUEST).await.unwrap();
        answer(&mut idle, "now").await;
        assert!(is_closed(&mut idle).await, "kept open without a request");
    }

    #[tokio::test]
    async fn an_answer_may_take_longer_than_the_head_of_a_request() {
        let hub = Hub::start(8, Duration::from_millis(50)).await;
        let mut stream = hub.connect().await;
        stream
            .write_all(b"GET /later HTTP/1.1\r\nhost: hub\r\n\r\n")
            .await
            .unwrap();
        // Another that says nothing is closed: the time has passed for this one as well.
        assert!(is_closed(&mut hub.connect().await).await);
        hub.later.notify_one();
        assert!(
            answer(&mut stream, "later")
                .await
                .starts_with("HTTP/1.1 200")
        );
    }

    #[tokio::test]
    async fn connections_are_kept_and_those_beyond_the_limit_wait() {
        let hub = Hub::start(1, LONG).await;
        let mut first = hub.connect().await;
        for _ in 0..3 {
            first.write_all(REQUEST).await.unwrap();
            answer(&mut first, "now").await;
        }
        let mut second = hub.connect().await;
        second.write_all(REQUEST).await.unwrap();
        let early = timeout(Duration::from_millis(100), second.read_u8()).await;
        assert!(early.is_err(), "no place yet");
        drop(first);
        answer(&mut second, "now").await;
    }

    #[tokio::test]
    async fn stopping_lets_requests_end_and_closes_the_rest() {
        let hub = Hub::start(8, LONG).await;
        let (mut busy, mut idle, mut silent) = (
            hub.connect().await,
            hub.connect().await,
            hub.connect().await,
        );
        idle.write_all(REQUEST).await.unwrap();
        answer(&mut idle, "now").await;
        busy.write_all(b"GET /later HTTP/1.1\r\nhost: hub\r\n\r\n")
            .await
            .unwrap();
        hub.asked.notified().await;
        hub.stop.cancel();
        assert!(is_closed(&mut idle).await && is_closed(&mut silent).await);
        assert!(!hub.served.is_finished());
        hub.later.notify_one();
        answer(&mut busy, "later").await;
        timeout(LONG, hub.served).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn http2_is_spoken_to_those_who_know() {
        let hub = Hub::start(8, LONG).await;
        let client = reqwest::Client::builder().http2_prior_knowledge().build();
        let url = format!("http://{}/now", hub.address);
        let answer = client.unwrap().get(url).send().await.unwrap();
        assert_eq!(answer.version(), axum::http::Version::HTTP_2);
        assert_eq!(answer.text().await.unwrap(), "now");
    }
}
