//! What a small file costs: questions to the server, each of which is waited for. Counted, not timed: so
//! it is known on any machine when one more is asked.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic too")]

mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use meterhub_tests::conformance::{accepted, open};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};

use support::Site;

/// Files of a test.
const FILES: usize = 20;

/// A relay to a server that counts what it is asked. Who asks waits for the answer before it asks again,
/// and no question is larger than a packet: each comes alone.
struct Counter {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
}

impl Counter {
    async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = asked.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(server).await.unwrap();
                server.set_nodelay(true).unwrap();
                client.set_nodelay(true).unwrap();
                tokio::spawn(relay(client, server, counted.clone()));
            }
        });
        Self { address, asked }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

async fn relay(client: TcpStream, server: TcpStream, asked: Arc<AtomicUsize>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    tokio::spawn(async move { copy(&mut from_server, &mut to_client).await });
    let mut question = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from_client.read(&mut question).await {
        asked.fetch_add(1, Ordering::SeqCst);
        if to_server.write_all(&question[..length]).await.is_err() {
            return;
        }
    }
}

/// Questions for each file of a folder, one after the other on one session; without those for the first,
/// which has folders made and the session opened.
async fn questions(options: &str, done_file: bool) -> Option<f64> {
    let site = Site::new()?;
    for number in 0..=FILES {
        site.write(&format!("{number:02}.csv"), vec![b'x'; 1_000]);
        if done_file {
            site.write(&format!("{number:02}.csv.done"), "");
        }
    }
    let counter = Counter::to(site.address).await;
    site.knows(counter.address);
    let login = format!("private_key = '{}'\nsessions = 1", site.key);
    let server = site.server_with(counter.address, &login);
    let options = format!("poll_milliseconds = 3600000\n{options}");
    let mut source = site.try_source(&server, &options).await.unwrap();
    let mut begun = 0;
    for number in 0..=FILES {
        let (_, body, settle) = open(source.as_mut()).await;
        assert_eq!(body.len(), 1_000);
        settle(accepted()).await;
        if number == 0 {
            begun = counter.asked();
        }
    }
    assert!(site.names("").iter().all(|name| name == ".meterhub"));
    Some((counter.asked() - begun) as f64 / FILES as f64)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_small_file_are_few() {
    for (what, options, done_file, expected) in [
        (
            "open, read, look, close; look, remove",
            "complete = 'rename'\narchive = 'delete'",
            false,
            6.0,
        ),
        (
            "open, read, look, close; look, look for the new name, move",
            "complete = 'rename'",
            false,
            7.0,
        ),
        (
            "look, open, read, look, close; look, remove the done-file, remove",
            "complete = 'done-file'\narchive = 'delete'",
            true,
            8.0,
        ),
    ] {
        let Some(found) = questions(options, done_file).await else {
            return;
        };
        assert_eq!(found, expected, "{what}");
    }
}
