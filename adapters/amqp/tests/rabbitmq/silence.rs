//! Bodies are personal data: they are never logged, not by the library either.

use std::io::Write;
use std::sync::{Mutex, OnceLock};

use adapter_amqp::AmqpSinkConfig;
use hub_core::{Content, SinkConfig};
use meterhub_tests::conformance::message;

use crate::rig::{Broker, calm, unique};

const BODY: &str = "meter 4711: 12.5 kWh";

static LOG: OnceLock<Mutex<Vec<u8>>> = OnceLock::new();

struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let log = LOG.get_or_init(Mutex::default);
        log.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_returned_message_is_not_logged_with_its_body() {
    let Some(broker) = Broker::find() else { return };
    let _calm = calm().await;
    tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::WARN)
        .with_writer(|| Log)
        .init();
    let table = broker.table(&broker.address, "password");
    let config = format!("{table}routing_key = '{}'", unique("nowhere"));
    let config: AmqpSinkConfig = toml::from_str(&config).unwrap();
    let sink = config.connect(&broker.context()).await.unwrap();
    let mut message = message(1, "meter:1");
    message.content = Content::bytes(BODY.as_bytes());
    assert!(sink.send(&message).await.is_err(), "no queue takes it");
    let log = LOG.get_or_init(Mutex::default).lock().unwrap().clone();
    let log = String::from_utf8_lossy(&log);
    let as_numbers = format!("{:?}", BODY.as_bytes());
    assert!(!log.contains(BODY) && !log.contains(&as_numbers), "{log}");
}
