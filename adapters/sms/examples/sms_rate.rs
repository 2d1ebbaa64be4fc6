//! How many texts a second one bind carries, to the simulator of `deploy/test-services`: counted and
//! looked up in a store on this disk, as in a hub.
//!
//! ```text
//! eval "$(deploy/test-services env)"
//! cargo run --release -p adapter-sms --example sms_rate -- 5000     # texts
//! ```

use std::sync::Arc;
use std::time::Instant;

use adapter_sms::SmsSinkConfig;
use hub_core::files::OsFiles;
use hub_core::{Content, Sink, SinkConfig};
use hub_store::EndpointState;
use meterhub_tests::conformance::{context, message};
use meterhub_tests::observe;
use tokio::task::JoinSet;

/// Messages under way at once, as lanes of the hub are.
const LANES: u64 = 200;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let texts = match std::env::args().nth(1) {
        Some(number) => number.parse()?,
        None => 5_000,
    };
    let folder = tempfile::tempdir()?;
    let store = observe::open(folder.path()).await?;
    let state = Arc::new(EndpointState::of(store.db(), "north"));
    for window in [1, 10, 100] {
        let sink: Arc<dyn Sink> = open(window, state.clone()).await?.into();
        // Bound before the clock starts.
        send(sink.as_ref(), 0).await?;
        let begun = Instant::now();
        let mut lanes = JoinSet::new();
        for lane in 0..LANES {
            let sink = sink.clone();
            lanes.spawn(async move {
                for number in (lane..texts).step_by(LANES as usize) {
                    send(sink.as_ref(), number).await?;
                }
                Ok::<(), hub_core::SinkError>(())
            });
        }
        while let Some(lane) = lanes.join_next().await {
            lane??;
        }
        let rate = texts as f64 / begun.elapsed().as_secs_f64();
        println!("window {window:>3}: {rate:.0} texts/s");
    }
    Ok(())
}

async fn open(
    window: u16,
    state: Arc<EndpointState>,
) -> Result<Box<dyn Sink>, Box<dyn std::error::Error>> {
    let (server, system_id) = (
        std::env::var("SMPP_ADDR")?,
        std::env::var("SMPP_SYSTEM_ID")?,
    );
    let config: SmsSinkConfig = toml::from_str(&format!(
        "account = {{ server = '{server}', system_id = '{system_id}', \
         password = 'env:SMPP_PASSWORD', window = {window} }}\n\
         sender = 'Nordkraft'\nreceipts = false"
    ))?;
    let mut context = context("smsc", std::path::Path::new("."), Arc::new(OsFiles));
    context.state = state;
    Ok(config.connect(&context).await?)
}

async fn send(sink: &dyn Sink, number: u64) -> Result<(), hub_core::SinkError> {
    let mut sms = message(number, "");
    let text = format!("text {number}: your meter is replaced tomorrow between 9 and 11");
    sms.content = Content::bytes(format!(r#"{{"to":"+37255500007","text":"{text}"}}"#));
    sink.send(&sms).await.map(drop)
}
