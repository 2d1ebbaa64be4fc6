//! A gigabyte goes through the channels that can carry one: in by HTTP, out and in again by SFTP, out by
//! HTTP, and comes out as it went in. What the hub needs of memory does not depend on it.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use meterhub_tests::config_folder::ConfigFolder;
use meterhub_tests::hub_process::HubProcess;
use meterhub_tests::sftp_partner::{Partner, Server};
use meterhub_tests::wait::{PATIENCE, until_true};
use sha2::{Digest, Sha256};

/// Bytes of a piece, and pieces of the message: 1 GiB.
const PIECE: usize = 1 << 20;
const PIECES: u32 = 1 << 10;
/// The most that the hub may need at any moment, in KiB.
const MOST_KIB: u64 = 200 * 1024;

type Sum = (u64, [u8; 32]);

/// A piece that no other is like.
fn piece(number: u32) -> Bytes {
    let mut piece = vec![b'x'; PIECE];
    piece[..4].copy_from_slice(&number.to_le_bytes());
    piece.into()
}

fn whole() -> Sum {
    let mut digest = Sha256::new();
    (0..PIECES).for_each(|number| digest.update(piece(number)));
    let bytes = u64::from(PIECES) * PIECE as u64;
    (bytes, digest.finalize().into())
}

/// Takes a message as it comes, and keeps what it was.
async fn take(State(taken): State<Arc<Mutex<Vec<Sum>>>>, body: Body) -> StatusCode {
    let (mut digest, mut bytes) = (Sha256::new(), 0);
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let Ok(chunk) = chunk else {
            return StatusCode::BAD_REQUEST;
        };
        bytes += chunk.len() as u64;
        digest.update(&chunk);
    }
    let mut taken = taken.lock().expect("nobody panics");
    taken.push((bytes, digest.finalize().into()));
    StatusCode::OK
}

fn configuration(server: &Server, partner: &Partner, receiver: &str) -> String {
    let (remote, server) = (&partner.remote, server.table(server.address));
    format!(
        r#"
[enterprise.north]
zone = "UTC"

[source.posted]
enterprise = "north"
http = {{ insecure_allow_anonymous = true, max_body_bytes = 2000000000 }}
[inbound.posted]
from = "posted"
format = "opaque"
to = ["dropped"]

[sink.dropped]
enterprise = "north"
[sink.dropped.sftp]
path = "{remote}/out"
{server}

[source.fetched]
enterprise = "north"
[source.fetched.sftp]
path = "{remote}/out"
complete = "rename"
poll_milliseconds = 100
{server}
[inbound.fetched]
from = "fetched"
format = "opaque"
to = ["receiver"]

[sink.receiver]
enterprise = "north"
http = {{ url = "{receiver}" }}
"#
    )
}

/// Peak of a process's memory, in KiB.
fn peak(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = peak.and_then(|peak| peak.split_whitespace().next());
    kib.and_then(|kib| kib.parse().ok()).expect("is a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gigabyte_goes_through_in_little_memory() {
    let (Some(server), Some(partner)) = (Server::found(), Partner::new()) else {
        return;
    };
    let taken = Arc::<Mutex<Vec<Sum>>>::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("a port is free");
    let address = listener.local_addr().expect("has an address");
    let router = Router::new()
        .route("/in", post(take))
        .layer(axum::extract::DefaultBodyLimit::disable())
        .with_state(Arc::clone(&taken));
    tokio::spawn(axum::serve(listener, router).into_future());

    let config = ConfigFolder::new().expect("a temporary folder");
    server.make_known(&config.dir(), server.address);
    let receiver = format!("http://{address}/in");
    let body = configuration(&server, &partner, &receiver);
    config.write(&body).expect("can be written");
    let hub = HubProcess::start(&config).await;

    let pieces = stream::iter((0..PIECES).map(|number| Ok::<_, std::io::Error>(piece(number))));
    let posted = reqwest::Client::new()
        .post(format!("http://{}/api/v1/messages/posted", hub.address()))
        .header("idempotency-key", "large")
        .body(reqwest::Body::wrap_stream(pieces))
        .send();
    assert_eq!(posted.await.expect("an answer").status(), 202);
    until_true("it to come out", PATIENCE * 3, || async {
        !taken.lock().expect("nobody panics").is_empty()
    })
    .await;
    assert_eq!(taken.lock().expect("nobody panics")[..], [whole()]);
    let peak = peak(hub.pid().expect("it runs"));
    assert!(peak < MOST_KIB, "{peak} KiB\n{}", hub.log());
    println!(
        "a gigabyte in, out, in and out: at most {} MiB",
        peak / 1024
    );
}
