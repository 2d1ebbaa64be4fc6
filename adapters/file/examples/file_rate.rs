//! How many small files a second go out and come in, durable, without a store in between.
//!
//! `cargo run --release -p adapter-file --example file_rate -- FOLDER`, on the disk to be
//! measured.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use adapter_file::{FileSinkConfig, FileSourceConfig};
use hub_core::{
    AdapterContext, Content, MessageId, OutgoingMessage, Settlement, Sink, SinkConfig, SourceConfig,
};
use tokio::task::JoinSet;

const FILES: i64 = 20_000;
const IN_FLIGHT: usize = 64;

type AnyError = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), AnyError> {
    let base: PathBuf = std::env::args().nth(1).ok_or("expected a folder")?.into();
    let context = AdapterContext::alone(
        "bench",
        "bench",
        &base.join(format!("file_rate-{}", std::process::id())),
    );
    let begin = Instant::now();
    send(&context).await?;
    report("files written and published", begin);
    let begin = Instant::now();
    receive(&context, 1).await?;
    report("files claimed and archived, one at a time", begin);
    std::fs::remove_dir_all(&context.base_dir)?;

    send(&context).await?;
    let begin = Instant::now();
    receive(&context, IN_FLIGHT).await?;
    report("files claimed and archived, 64 at a time", begin);
    Ok(std::fs::remove_dir_all(&context.base_dir)?)
}

fn report(what: &str, begin: Instant) {
    let rate = FILES as f64 / begin.elapsed().as_secs_f64();
    println!("{rate:8.0} {what} a second");
}

async fn send(context: &AdapterContext) -> Result<(), AnyError> {
    let config: FileSinkConfig = toml::from_str("path = 'drop'\ncreate_folder = true")?;
    let sink: Arc<dyn Sink> = config.connect(context).await?.into();
    let mut running = JoinSet::new();
    for id in 0..FILES {
        if running.len() == IN_FLIGHT {
            running.join_next().await.transpose()?.transpose()?;
        }
        let (sink, message) = (sink.clone(), message(id));
        running.spawn(async move { sink.send(&message).await });
    }
    while let Some(sent) = running.join_next().await {
        sent??;
    }
    Ok(())
}

async fn receive(context: &AdapterContext, window: usize) -> Result<(), AnyError> {
    let options = format!("path = 'drop'\ncomplete = 'rename'\nwindow = {window}");
    let config: FileSourceConfig = toml::from_str(&options)?;
    let mut source = config.connect(context).await?;
    let mut settling = JoinSet::new();
    for id in 0..FILES {
        if settling.len() == window {
            settling.join_next().await.transpose()?;
        }
        let (_, receipt) = source.receive().await?.into_parts();
        let message_id = MessageId(id);
        settling.spawn(receipt.settle(Settlement::Accepted {
            message_id,
            duplicate: false,
        }));
    }
    while let Some(settled) = settling.join_next().await {
        settled?;
    }
    Ok(())
}

fn message(id: i64) -> OutgoingMessage {
    OutgoingMessage {
        message_id: MessageId(id),
        correlation_id: MessageId(id),
        enterprise: "nord".into(),
        route: "bench".into(),
        source_name: String::new(),
        subject: String::new(),
        created: hub_model::Instant::EPOCH,
        attempt: 1,
        media_type: "text/csv".into(),
        extension: "csv".into(),
        headers: Vec::new(),
        content: Content::bytes(vec![b'x'; 1_000]),
    }
}
