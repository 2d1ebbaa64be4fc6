//! Kannel under test, the message centre behind it, and a hub's listener that it calls back.

use std::sync::Arc;

use adapter_sms::{SmsHttpSinkConfig, SmsHttpSourceConfig};
use axum::Router;
use axum::extract::RawQuery;
use axum::routing::get;
use hub_core::files::OsFiles;
use hub_core::{
    AdapterContext, Content, OutgoingMessage, Sink, SinkConfig, Source, SourceConfig, SystemClock,
};
use hub_web::router;
use meterhub_tests::conformance;
use meterhub_tests::services::service;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, MutexGuard};

/// The simulator has one list of messages: one test at a time.
static SIMULATOR: Mutex<()> = Mutex::const_new(());

/// Longest waits of the configurations here, in seconds.
pub(crate) const CONNECT_SECONDS: u64 = 3;
pub(crate) const ANSWER_SECONDS: u64 = 2;

/// Kannel, alone, and a hub's listener.
pub(crate) struct Kannel {
    pub(crate) context: AdapterContext,
    /// `host:port` of the hub's listener.
    pub(crate) hub: String,
    url: String,
    control: String,
    _base: TempDir,
    _alone: MutexGuard<'static, ()>,
}

impl Kannel {
    /// `None`, said aloud, if there is none.
    pub(crate) async fn find() -> Option<Self> {
        let url = service("SMS_HTTP_URL")?;
        let control = service("SMSC_CONTROL_URL")?;
        let alone = SIMULATOR.lock().await;
        let base = tempfile::tempdir().unwrap();
        let password = service("SMS_HTTP_PASSWORD")?;
        std::fs::write(base.path().join("password"), password).unwrap();
        std::fs::write(base.path().join("wrong"), "wrong-password").unwrap();
        std::fs::write(base.path().join("token"), "t0ken").unwrap();
        let mut context = conformance::context("kannel", base.path(), Arc::new(OsFiles));
        context.clock = Arc::new(SystemClock);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let hub = listener.local_addr().unwrap().to_string();
        let app = router(&context.shared);
        tokio::spawn(async move { axum::serve(listener, app).await });
        let kannel = Self {
            context,
            hub,
            url,
            control,
            _base: base,
            _alone: alone,
        };
        kannel.forget().await;
        Some(kannel)
    }

    /// A sink, with further keys; `password` is a file.
    pub(crate) async fn sink_with(&self, password: &str, further: &str) -> Box<dyn Sink> {
        let (url, hub) = (&self.url, &self.hub);
        let user = std::env::var("SMS_HTTP_USER").unwrap();
        let config = format!(
            r#"
gateway = "kannel"
sender = "Nordkraft"
url = "{url}"
method = "GET"
connect_timeout_seconds = {CONNECT_SECONDS}
timeout_seconds = {ANSWER_SECONDS}
secrets = {{ password = "file:{password}", token = "file:token" }}
{further}
[query]
username = "{user}"
password = "{{password}}"
from = "{{from}}"
to = "{{to}}"
text = "{{text}}"
charset = "UTF-8"
coding = "{{coding}}"
validity = "{{valid_minutes}}"
dlr-mask = "31"
dlr-url = "http://{hub}/api/v1/callbacks/kannel?token={{token}}&id={{message_id}}&type=%d"
"#
        );
        let config: SmsHttpSinkConfig = toml::from_str(&config).unwrap();
        assert_eq!(config.validate().iter().filter(|p| !p.warning).count(), 0);
        config.connect(&self.context).await.unwrap()
    }

    pub(crate) async fn sink(&self) -> Box<dyn Sink> {
        self.sink_with("password", "").await
    }

    /// The source that Kannel calls back.
    pub(crate) async fn source(&self) -> Box<dyn Source> {
        let config = r#"
gateway = "kannel"
door = { query_tokens = ["file:token"] }
receipt = { id = "id", state = "type" }
message = { from = "from", to = "to", text = "text", id = "sms" }
"#;
        self.source_of(config).await
    }

    pub(crate) async fn source_of(&self, config: &str) -> Box<dyn Source> {
        let config: SmsHttpSourceConfig = toml::from_str(config).unwrap();
        config.check(&self.context).await.unwrap();
        config.connect(&self.context).await.unwrap()
    }

    /// Passes on to the hub's listener what Kannel calls with at its one fixed address.
    pub(crate) async fn pass_on_texts(&self) -> tokio::task::JoinHandle<()> {
        let address = service("SMS_HTTP_CALLBACK_ADDR").unwrap();
        let listener = TcpListener::bind(address).await.unwrap();
        let hub = self.hub.clone();
        let pass_on = move |RawQuery(query): RawQuery| async move {
            let query = query.unwrap_or_default();
            let url = format!("http://{hub}/api/v1/callbacks/kannel?token=t0ken&{query}");
            let answer = reqwest::get(url).await.unwrap();
            (answer.status(), answer.bytes().await.unwrap())
        };
        let app = Router::new().route("/callback", get(pass_on));
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() })
    }

    /// What the message centre behind Kannel has.
    pub(crate) async fn messages(&self) -> Vec<Value> {
        let messages = self.get("messages").await;
        messages.as_array().unwrap().clone()
    }

    pub(crate) async fn forget(&self) {
        let url = format!("{}/messages", self.control);
        reqwest::Client::new().delete(url).send().await.unwrap();
    }

    /// Sends from a telephone.
    pub(crate) async fn text_us(&self, from: &str, text: &str) {
        let url = format!("{}/mobile-originated", self.control);
        let query = [
            ("from", from),
            ("to", "12345"),
            ("text", text),
            ("account", "gateway"),
        ];
        let url = reqwest::Url::parse_with_params(&url, query).unwrap();
        let answer: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
        assert_eq!(answer["sent"], 1, "Kannel is bound");
    }

    async fn get(&self, path: &str) -> Value {
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
