//! How many small messages a second one core takes in over HTTP, without a store behind it.
//!
//! The listener runs on a thread of its own; its processor time is what counts, so that the
//! client beside it and other load on the machine do not. `cargo run --release -p adapter-http
//! --example accept_rate`. Linux only.

use std::path::Path;
use std::time::Instant;

use adapter_http::HttpSourceConfig;
use hub_core::{AdapterContext, MessageId, Settlement, SourceConfig};
use hub_web::router;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const CONNECTIONS: usize = 32;
const REQUESTS_PER_CONNECTION: usize = 5_000;
const BODY_BYTES: usize = 1_000;

type AnyError = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), AnyError> {
    std::fs::write(std::env::temp_dir().join("accept_rate.token"), "token")?;
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(serve(tell))
    });
    let (address, thread) = told.recv()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let before = processor_seconds(&thread)?;
    let begin = Instant::now();
    runtime.block_on(async {
        let clients: Vec<_> = (0..CONNECTIONS)
            .map(|_| tokio::spawn(client(address)))
            .collect();
        for client in clients {
            client.await??;
        }
        Ok::<_, AnyError>(())
    })?;
    let elapsed = begin.elapsed().as_secs_f64();
    let used = processor_seconds(&thread)? - before;
    let count = (CONNECTIONS * REQUESTS_PER_CONNECTION) as f64;
    println!("{count} requests of {BODY_BYTES} bytes, {CONNECTIONS} connections");
    println!("{:.0} a second beside the client", count / elapsed);
    println!("{:.0} a second of one core", count / used);
    Ok(())
}

async fn serve(
    tell: std::sync::mpsc::Sender<(std::net::SocketAddr, String)>,
) -> Result<(), AnyError> {
    let context = AdapterContext::alone("bench", "bench", &std::env::temp_dir());
    let config: HttpSourceConfig = toml::from_str("bearer = ['file:accept_rate.token']")?;
    let mut source = config.connect(&context).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let thread = std::fs::read_link("/proc/thread-self")?;
    tell.send((
        listener.local_addr()?,
        format!("/proc/{}/stat", thread.display()),
    ))?;
    tokio::spawn(async move { axum::serve(listener, router(&context.shared)).await });
    let mut id = 0;
    loop {
        let (_, receipt) = source.receive().await?.into_parts();
        id += 1;
        let message_id = MessageId(id);
        receipt
            .settle(Settlement::Accepted {
                message_id,
                duplicate: false,
            })
            .await;
    }
}

async fn client(address: std::net::SocketAddr) -> Result<(), AnyError> {
    let body = "x".repeat(BODY_BYTES);
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    // All answers are of one length: ids are.
    let mut answer = vec![0; 4_096];
    for number in 0..REQUESTS_PER_CONNECTION {
        let request = format!(
            "POST /api/v1/messages/bench HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer token\r\n\
             Content-Type: application/xml\r\nIdempotency-Key: {number}\r\nX-Filename: a.xml\r\n\
             Content-Length: {BODY_BYTES}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await?;
        let read = stream.read(&mut answer).await?;
        if !answer[..read].starts_with(b"HTTP/1.1 202") || !answer[..read].ends_with(b"}") {
            return Err(String::from_utf8_lossy(&answer[..read]).into());
        }
    }
    Ok(())
}

/// User and system time of a thread: fields 14 and 15 of its `stat`, in hundredths of a second.
fn processor_seconds(stat: &str) -> Result<f64, AnyError> {
    let text = std::fs::read_to_string(Path::new(stat))?;
    let fields = text.rsplit(')').next().unwrap_or_default();
    let ticks: f64 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<f64>().ok())
        .sum();
    Ok(ticks / 100.0)
}
