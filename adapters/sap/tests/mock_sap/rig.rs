//! The mock system as the tests see it, and endpoints that talk to it.

use std::sync::Arc;
use std::time::Duration;

use hub_core::files::OsFiles;
use hub_core::{AdapterContext, OutgoingMessage, Sent, Sink, SinkConfig, SinkError};
use meterhub_tests::conformance::{self, Taken};
use meterhub_tests::services::{self, ResumeAtEnd, service};
use reqwest::{Client, Method, RequestBuilder, Url};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard};

/// Longest wait that the tests configure, in seconds.
const TIMEOUT_SECONDS: u64 = 3;

/// Tests crash the one mock system, and make it fail for all: one at a time.
static ALONE: Mutex<()> = Mutex::const_new(());

pub(crate) struct Sap {
    pub(crate) url: String,
    pub(crate) user: String,
    password: String,
    http: Client,
    _base: TempDir,
    pub(crate) context: AdapterContext,
    /// The last request that `new_requests` has told.
    seen: u64,
    _resume: ResumeAtEnd,
    _alone: MutexGuard<'static, ()>,
}

impl Sap {
    /// `None`, said aloud, without mock-sap.
    pub(crate) async fn new() -> Option<Self> {
        let address = Url::parse(&service("SAP_URL")?).unwrap();
        let alone = ALONE.lock().await;
        let base = tempfile::tempdir().unwrap();
        let password = address.password().unwrap().to_owned();
        std::fs::write(base.path().join("password"), &password).unwrap();
        std::fs::write(base.path().join("wrong"), "wrong-password").unwrap();
        let mut sap = Self {
            url: address.origin().ascii_serialization(),
            user: address.username().to_owned(),
            password,
            http: Client::new(),
            context: conformance::context("erp", base.path(), Arc::new(OsFiles)),
            _base: base,
            seen: 0,
            _resume: ResumeAtEnd("mock-sap"),
            _alone: alone,
        };
        sap.control(Method::DELETE, "faults").await;
        sap.control(Method::DELETE, "idoc-posting").await;
        sap.new_requests().await;
        Some(sap)
    }

    /// The table `server` of a configuration. `password` is the file it is in.
    pub(crate) fn server(&self, password: &str) -> String {
        let (url, user) = (&self.url, &self.user);
        format!(
            "[server]\nurl = '{url}'\ntimeout_seconds = {TIMEOUT_SECONDS}\nconnect_timeout_seconds = {TIMEOUT_SECONDS}\n\
             auth = {{ basic = {{ user = '{user}', password = 'file:{password}' }} }}\n"
        )
    }

    pub(crate) async fn sink<C: SinkConfig>(&self, keys: &str, password: &str) -> Box<dyn Sink> {
        let config = self.config::<C>(keys, password);
        config.connect(&self.context).await.unwrap()
    }

    pub(crate) fn config<C: SinkConfig>(&self, keys: &str, password: &str) -> C {
        let config: C = toml::from_str(&format!("{keys}\n{}", self.server(password))).unwrap();
        assert_eq!(config.validate(), []);
        config
    }

    pub(crate) fn time_limit(&self) -> Duration {
        Duration::from_secs(2 * TIMEOUT_SECONDS)
    }

    /// A request by another client than the one that is tested.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.url);
        let request = self.http.request(method, url);
        request.basic_auth(&self.user, Some(&self.password))
    }

    /// Tells the mock what to do.
    pub(crate) async fn tell(&self, what: &str, order: Value) -> Value {
        let path = format!("/_mock/{what}");
        let answer = self
            .request(Method::POST, &path)
            .json(&order)
            .send()
            .await
            .unwrap();
        assert!(answer.status().is_success(), "{order}");
        answer.json().await.unwrap()
    }

    async fn control(&self, method: Method, what: &str) -> Value {
        let answer = self.request(method, &format!("/_mock/{what}")).send().await;
        answer.unwrap().json().await.unwrap()
    }

    /// All access tokens end.
    pub(crate) async fn end_tokens(&self) {
        self.control(Method::DELETE, "tokens").await;
    }

    /// What was asked of it since the last call, in order.
    pub(crate) async fn new_requests(&mut self) -> Vec<Value> {
        let log = self
            .control(Method::GET, "requests?verbose=1&limit=2000")
            .await;
        let mut new = log["results"].as_array().unwrap().clone();
        new.retain(|request| request["id"].as_u64().unwrap() > self.seen);
        new.reverse();
        if let Some(last) = new.last() {
            self.seen = last["id"].as_u64().unwrap();
        }
        new
    }

    /// The posts to a path that were taken since the last call; `body` finds the message in what came.
    pub(crate) async fn taken(&mut self, path: &str, body: impl Fn(&str) -> String) -> Vec<Taken> {
        let requests = self.new_requests().await;
        let is_taken =
            |r: &&Value| r["method"] == "POST" && r["path"] == path && r["status"] == 201;
        let taken = requests.iter().filter(is_taken).map(|request| Taken {
            id: request["headers"]["x-message-id"]
                .as_str()
                .unwrap()
                .to_owned(),
            body: body(request["body"].as_str().unwrap()).into_bytes(),
        });
        taken.collect()
    }

    /// Creates an entity, as somebody in the system would; what it became.
    pub(crate) async fn create(&self, path: &str, entity: &Value) -> Value {
        let fetch = self.request(Method::GET, &format!("{path}?$top=1"));
        let fetched = fetch.header("x-csrf-token", "fetch").send().await.unwrap();
        let token = fetched.headers()["x-csrf-token"].clone();
        let post = self
            .request(Method::POST, path)
            .header("x-csrf-token", token);
        let answer = post.json(entity).send().await.unwrap();
        assert_eq!(answer.status(), 201);
        let created: Value = answer.json().await.unwrap();
        created.get("d").unwrap_or(&created).clone()
    }

    pub(crate) async fn fault(&self, path: &str, status: u16, count: u32) {
        let order = json!({"method": "POST", "match": path, "status": status, "count": count});
        self.tell("faults", order).await;
    }

    pub(crate) async fn kill(&self) {
        services::kill("mock-sap").await;
    }

    pub(crate) async fn start(&self) {
        services::start("mock-sap").await;
    }

    pub(crate) async fn pause(&self) {
        services::pause("mock-sap").await;
    }

    pub(crate) async fn resume(&self) {
        services::resume("mock-sap").await;
    }
}

/// A sink that sends what `make` makes of each message: a system takes no message that is only words.
pub(crate) struct Making {
    pub(crate) inner: Box<dyn Sink>,
    pub(crate) make: fn(&OutgoingMessage, &str) -> (String, &'static str),
}

#[async_trait::async_trait]
impl Sink for Making {
    async fn send(&self, message: &OutgoingMessage) -> Result<Sent, SinkError> {
        let bytes = message.content.as_bytes().unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let (content, media_type) = (self.make)(message, &text);
        let made = OutgoingMessage {
            content: hub_core::Content::bytes(content.into_bytes()),
            media_type: media_type.to_owned(),
            ..message.clone()
        };
        self.inner.send(&made).await
    }
}

/// What stands between two marks.
pub(crate) fn between(text: &str, opening: &str, closing: &str) -> String {
    let (_, rest) = text.split_once(opening).unwrap();
    rest.split_once(closing).unwrap().0.to_owned()
}
