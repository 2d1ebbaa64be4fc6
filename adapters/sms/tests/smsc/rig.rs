//! The simulator under test: its control URL, and configurations that lead to it.

use std::sync::Arc;

use adapter_sms::{SmsSinkConfig, SmsSourceConfig};
use hub_core::files::OsFiles;
use hub_core::{
    AdapterContext, Content, OutgoingMessage, Shared, Sink, SinkConfig, SourceConfig, SystemClock,
};
use meterhub_tests::conformance;
use meterhub_tests::services::service;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard};

/// The simulator has one account for us and one list of messages: one test at a time.
static SIMULATOR: Mutex<()> = Mutex::const_new(());

/// Longest waits of the configurations here, in seconds.
pub(crate) const CONNECT_SECONDS: u64 = 3;
pub(crate) const ANSWER_SECONDS: u64 = 2;

/// The simulator, alone, and a folder with secrets for configurations.
pub(crate) struct Smsc {
    pub(crate) context: AdapterContext,
    pub(crate) address: String,
    control: String,
    _base: TempDir,
    _alone: MutexGuard<'static, ()>,
}

impl Smsc {
    /// `None`, said aloud, if there is none.
    pub(crate) async fn find() -> Option<Self> {
        let address = service("SMPP_ADDR")?;
        let control = service("SMSC_CONTROL_URL")?;
        let alone = SIMULATOR.lock().await;
        let base = tempfile::tempdir().unwrap();
        let password = service("SMPP_PASSWORD")?;
        std::fs::write(base.path().join("password"), password).unwrap();
        std::fs::write(base.path().join("wrong"), "wrong-password").unwrap();
        let mut context = conformance::context("smsc", base.path(), Arc::new(OsFiles));
        // The time is what tells two answers of the same words apart.
        context.clock = Arc::new(SystemClock);
        let smsc = Self {
            context,
            address,
            control,
            _base: base,
            _alone: alone,
        };
        // A session of the test before may still be there, and would get our receipts.
        smsc.get("drop").await;
        smsc.forget().await;
        smsc.control("rate=0&receipt_ms=20&delay_ms=0&fail_binds=0&mute=0&hex_ids=0")
            .await;
        Some(smsc)
    }

    /// A hub that was started anew: what it remembers is what is on disk.
    pub(crate) fn restart_hub(&mut self) {
        self.context.shared = Shared::default();
    }

    /// The `account` table of a configuration. `password` is a file: `password` or `wrong`.
    pub(crate) fn account(&self, address: &str, password: &str, further: &str) -> String {
        let system_id = std::env::var("SMPP_SYSTEM_ID").unwrap();
        format!(
            "account = {{ server = '{address}', system_id = '{system_id}', \
             password = 'file:{password}', connect_timeout_seconds = {CONNECT_SECONDS}, \
             answer_timeout_seconds = {ANSWER_SECONDS}, enquire_link_seconds = 1{further} }}\n"
        )
    }

    /// A sink, with further keys.
    pub(crate) async fn sink(&self, further: &str) -> Box<dyn Sink> {
        let account = self.account(&self.address, "password", "");
        self.sink_of(&format!("{account}sender = 'Nordkraft'\n{further}"))
            .await
    }

    pub(crate) async fn sink_of(&self, toml: &str) -> Box<dyn Sink> {
        let config: SmsSinkConfig = toml::from_str(toml).unwrap();
        config.connect(&self.context).await.unwrap()
    }

    /// The source of an account.
    pub(crate) fn source(&self, address: &str, password: &str) -> SmsSourceConfig {
        toml::from_str(&self.account(address, password, "")).unwrap()
    }

    pub(crate) async fn open_source(&self) -> Box<dyn hub_core::Source> {
        let config = self.source(&self.address, "password");
        config.connect(&self.context).await.unwrap()
    }

    /// What the simulator has accepted.
    pub(crate) async fn messages(&self) -> Vec<Value> {
        self.get("messages").await.as_array().unwrap().clone()
    }

    /// Binds, enquire_links and unbinds.
    pub(crate) async fn log(&self, event: &str) -> usize {
        let log = self.get("log").await;
        let log = log.as_array().unwrap();
        log.iter().filter(|entry| entry["event"] == event).count()
    }

    pub(crate) async fn control(&self, query: &str) {
        let answer = self.get(&format!("control?{query}")).await;
        assert!(answer.get("error").is_none(), "{answer}");
    }

    pub(crate) async fn forget(&self) {
        let url = format!("{}/messages", self.control);
        reqwest::Client::new().delete(url).send().await.unwrap();
    }

    /// Sends from a telephone.
    pub(crate) async fn text_us(&self, from: &str, to: &str, text: &str) {
        let url = format!("{}/mobile-originated", self.control);
        let query = [("from", from), ("to", to), ("text", text)];
        let url = reqwest::Url::parse_with_params(&url, query).unwrap();
        let answer: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
        assert_eq!(answer["sent"], 1, "somebody is bound");
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let url = format!("{}/{path}", self.control);
        reqwest::get(url).await.unwrap().json().await.unwrap()
    }
}

/// A message to a telephone.
pub(crate) fn sms(number: u64, to: &str, text: &str) -> OutgoingMessage {
    let body = json!({"to": to, "text": text}).to_string();
    OutgoingMessage {
        media_type: "application/json".into(),
        content: Content::bytes(body.into_bytes()),
        ..conformance::message(number, "work_order:1")
    }
}
