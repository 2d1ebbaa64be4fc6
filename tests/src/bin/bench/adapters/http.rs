//! HTTP: axum and reqwest with the hub between, and without. Needs no server of others.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use bytes::Bytes;
use futures_util::TryStreamExt;
use meterhub_tests::hub_process::HubProcess;
use tokio::runtime::Runtime;
use tokio_util::io::ReaderStream;

use super::compare::{Size, Table, Way};
use super::hub_side::{Accepted, Setup, gives_out, kept, takes_pushed};
use super::large_file::{self, PIECE_BYTES};
use super::servers::{message, message_bytes};
use crate::Outcome;
use crate::load::Load;
use crate::messages::CONNECTIONS;
use crate::receiver::Receiver;
use crate::relay::PARALLEL;

/// Small messages of a run.
const MESSAGES: u64 = 40_000;

/// All four rows.
pub(super) async fn run(table: &mut Table<'_>) -> Outcome<()> {
    small(table).await?;
    large(table).await
}

async fn small(table: &mut Table<'_>) -> Outcome<()> {
    let (disk, count) = (table.disk(), table.messages(MESSAGES));
    let way = Way {
        what: "http in: 1 KB, 256 connections, to the last 202",
        bare: "axum alone, nothing stored",
        size: Size::Messages(count),
    };
    let with_hub = async || {
        let push = async |hub: &HubProcess| {
            let sent = load(hub.address(), count).send().await?;
            Ok(sent.begun)
        };
        takes_pushed(disk, &source(), count, push).await
    };
    let alone = async || {
        let server = Server::start(Router::new().route(PATH, post(take)))?;
        Ok(load(server.address, count).send().await?.took)
    };
    table.compare(way, with_hub, alone).await?;

    let way = Way {
        what: "http out: 1 KB, 64 in flight",
        bare: "reqwest alone",
        size: Size::Messages(count),
    };
    let with_hub = async || {
        let receiver = Receiver::start(anywhere())?;
        let accepted = Accepted::Messages(count, message);
        let took = gives_out(disk, &sink(receiver.address()), accepted).await?;
        receiver.last_of(count).await?;
        Ok(took)
    };
    let alone = async || {
        let receiver = Receiver::start(anywhere())?;
        let took = post_all(receiver.address(), count).await?;
        receiver.last_of(count).await?;
        Ok(took)
    };
    table.compare(way, with_hub, alone).await
}

async fn large(table: &mut Table<'_>) -> Outcome<()> {
    let (disk, bytes) = (table.disk(), table.large_bytes());
    let file = large_file::made(disk, bytes)?;
    let way = Way {
        what: "http in: one large file, to the disk",
        bare: "axum alone, to the disk",
        size: Size::Bytes(bytes),
    };
    let with_hub = async || {
        let push = async |hub: &HubProcess| {
            let begun = Instant::now();
            post_file(hub.address(), &file).await?;
            Ok(begun)
        };
        takes_pushed(disk, &source(), 1, push).await
    };
    let alone = async || {
        let folder = tempfile::tempdir_in(disk)?;
        let path: Arc<Path> = folder.path().join("large.bin").into();
        let routes = Router::new()
            .route(PATH, post(keep))
            .layer(axum::extract::DefaultBodyLimit::disable());
        let server = Server::start(routes.with_state(path))?;
        let begun = Instant::now();
        post_file(server.address, &file).await?;
        Ok(begun.elapsed())
    };
    table.compare(way, with_hub, alone).await?;

    let way = Way {
        what: "http out: one large file",
        bare: "reqwest alone",
        size: Size::Bytes(bytes),
    };
    let with_hub = async || {
        let counted = Arc::<AtomicU64>::default();
        let server = Server::start(counting(&counted))?;
        let took = gives_out(disk, &sink(server.address), Accepted::File(&file)).await?;
        arrived(&counted, bytes)?;
        Ok(took)
    };
    let alone = async || {
        let counted = Arc::<AtomicU64>::default();
        let server = Server::start(counting(&counted))?;
        let begun = Instant::now();
        post_file(server.address, &file).await?;
        arrived(&counted, bytes)?;
        Ok(begun.elapsed())
    };
    table.compare(way, with_hub, alone).await
}

/// Where the hub's source `in` listens; the bare servers do so too.
const PATH: &str = "/api/v1/messages/in";

fn anywhere() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn source() -> Setup {
    let sections = format!(
        "[source.in]\nenterprise = \"north\"\n[source.in.http]\ninsecure_allow_anonymous = true\n\
         max_body_bytes = {}\n\n{}",
        2_u64 * 1024 * 1024 * 1024,
        kept("in")
    );
    Setup {
        sections,
        files: Vec::new(),
    }
}

fn sink(to: SocketAddr) -> Setup {
    let sections = format!(
        "[sink.out]\nenterprise = \"north\"\nparallel = {PARALLEL}\n\
         [sink.out.http]\nurl = \"http://{to}{PATH}\"\n"
    );
    Setup {
        sections,
        files: Vec::new(),
    }
}

fn load(address: SocketAddr, count: u64) -> Load {
    Load {
        address,
        path: PATH.to_owned(),
        count,
        connections: CONNECTIONS,
        body: message,
    }
}

/// The bare client: so many requests at once on the hub's own HTTP library.
async fn post_all(to: SocketAddr, count: u64) -> Outcome<Duration> {
    let posting = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|problem| problem.to_string())?;
        let begun = Instant::now();
        runtime.block_on(post_on_all(to, count))?;
        Ok::<_, String>(begun.elapsed())
    });
    Ok(posting.await??)
}

async fn post_on_all(to: SocketAddr, count: u64) -> Result<(), String> {
    let client = reqwest::Client::builder()
        .no_proxy()
        .pool_max_idle_per_host(PARALLEL);
    let client = client.build().map_err(|problem| problem.to_string())?;
    let next = Arc::new(AtomicU64::new(0));
    let mut senders = tokio::task::JoinSet::new();
    for _ in 0..PARALLEL {
        let (client, next) = (client.clone(), next.clone());
        senders.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return Ok::<_, reqwest::Error>(());
                }
                let request = client
                    .post(format!("http://{to}{PATH}"))
                    .header("x-message-id", number)
                    .body(message_bytes(number));
                request.send().await?.error_for_status()?;
            }
        });
    }
    while let Some(done) = senders.join_next().await {
        let done = done.map_err(|problem| problem.to_string())?;
        done.map_err(|problem| problem.to_string())?;
    }
    Ok(())
}

/// Posts a file as a stream and waits for the yes.
async fn post_file(to: SocketAddr, file: &Path) -> Outcome<()> {
    let opened = tokio::fs::File::open(file).await?;
    let bytes = opened.metadata().await?.len();
    let stream = ReaderStream::with_capacity(opened, PIECE_BYTES);
    let client = reqwest::Client::builder().no_proxy().build()?;
    let request = client
        .post(format!("http://{to}{PATH}"))
        .header("content-length", bytes)
        .body(reqwest::Body::wrap_stream(stream));
    request.send().await?.error_for_status()?;
    Ok(())
}

/// A bare server on as many threads as the hub has; it ends when this is dropped.
struct Server {
    address: SocketAddr,
    runtime: Option<Runtime>,
}

impl Server {
    fn start(routes: Router) -> Outcome<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        let listener = std::net::TcpListener::bind(anywhere())?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener);
            let served =
                axum::serve(listener.expect("a listener that does not block"), routes).await;
            served.expect("serving does not end by itself");
        });
        Ok(Self {
            address,
            runtime: Some(runtime),
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A runtime must not be dropped where others wait on it.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn take(body: Bytes) -> StatusCode {
    std::hint::black_box(body.len());
    StatusCode::ACCEPTED
}

/// Writes a body to the disk as it comes, and syncs it.
async fn keep(State(path): State<Arc<Path>>, body: Body) -> StatusCode {
    let keeping = async {
        use tokio::io::AsyncWriteExt;
        let stream = body.into_data_stream().map_err(std::io::Error::other);
        let mut reader = tokio_util::io::StreamReader::new(stream);
        let file = tokio::fs::File::create(&path).await?;
        let mut file = tokio::io::BufWriter::with_capacity(PIECE_BYTES, file);
        tokio::io::copy_buf(&mut reader, &mut file).await?;
        file.flush().await?;
        file.into_inner().sync_all().await
    };
    match keeping.await {
        Ok(()) => StatusCode::ACCEPTED,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn counting(counted: &Arc<AtomicU64>) -> Router {
    let routes = Router::new()
        .route(PATH, post(count_bytes))
        .layer(axum::extract::DefaultBodyLimit::disable());
    routes.with_state(counted.clone())
}

/// Takes a body and keeps nothing but how long it was.
async fn count_bytes(State(counted): State<Arc<AtomicU64>>, body: Body) -> StatusCode {
    let mut stream = body.into_data_stream();
    loop {
        match stream.try_next().await {
            Ok(Some(piece)) => drop(counted.fetch_add(piece.len() as u64, Ordering::Relaxed)),
            Ok(None) => return StatusCode::OK,
            Err(_) => return StatusCode::BAD_REQUEST,
        }
    }
}

fn arrived(counted: &AtomicU64, expected: u64) -> Outcome<()> {
    match counted.load(Ordering::Relaxed) {
        bytes if bytes == expected => Ok(()),
        bytes => Err(format!("{bytes} bytes arrived, not {expected}").into()),
    }
}
