//! Sinks to the two services, and what those have taken.

use std::sync::Arc;

use adapter_soap::SoapSinkConfig;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hub_core::files::OsFiles;
use hub_core::{AdapterContext, Content, OutgoingMessage, Sink, SinkConfig, SystemClock};
use meterhub_tests::conformance;
use meterhub_tests::services::service;
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard};

/// The namespace of both.
pub(crate) const TNS: &str = "urn:meterhub:test:store";

/// The tests share the services, and crash them.
static ALONE: Mutex<()> = Mutex::const_new(());

/// The services, and secrets for them.
pub(crate) struct Services {
    _alone: MutexGuard<'static, ()>,
    base: TempDir,
    pub(crate) spyne: String,
    pub(crate) npm: String,
}

impl Services {
    /// Both, or neither.
    pub(crate) async fn find() -> Option<Self> {
        let (spyne, npm) = (service("SOAP_SPYNE_URL")?, service("SOAP_NPM_URL")?);
        let base = tempfile::tempdir().unwrap();
        let password = service("SOAP_PASSWORD")?;
        std::fs::write(base.path().join("password"), password).unwrap();
        std::fs::write(base.path().join("wrong"), "wrong-password").unwrap();
        let services = Self {
            _alone: ALONE.lock().await,
            base,
            spyne,
            npm,
        };
        for url in [&services.spyne, &services.npm] {
            get(&format!("{url}/control?refuse=&fail=&result=OK")).await;
            get(&format!("{url}/taken")).await;
        }
        Some(services)
    }

    pub(crate) fn context(&self) -> AdapterContext {
        let context = conformance::context("mdm", self.base.path(), Arc::new(OsFiles));
        AdapterContext {
            // Tokens are checked against the services' clocks.
            clock: Arc::new(SystemClock),
            ..context
        }
    }

    pub(crate) async fn sink(&self, config: &str) -> Box<dyn Sink> {
        let config: SoapSinkConfig = toml::from_str(config).unwrap();
        let problems: Vec<_> = config
            .validate()
            .into_iter()
            .filter(|p| !p.warning)
            .collect();
        assert_eq!(problems, []);
        config.check(&self.context()).await.unwrap();
        config.connect(&self.context()).await.unwrap()
    }
}

/// What a service has taken since the last call: id and body.
pub(crate) async fn taken(url: &str) -> Vec<(String, Vec<u8>)> {
    let taken = get(&format!("{url}/taken")).await;
    let one = |one: &Value| {
        let body = BASE64_STANDARD
            .decode(one["body"].as_str().unwrap())
            .unwrap();
        (one["id"].as_str().unwrap().to_owned(), body)
    };
    taken.as_array().unwrap().iter().map(one).collect()
}

pub(crate) async fn get(url: &str) -> Value {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    client.get(url).send().await.unwrap().json().await.unwrap()
}

/// A message with a document.
pub(crate) fn document(text: impl Into<Vec<u8>>) -> OutgoingMessage {
    OutgoingMessage {
        content: Content::bytes(text.into()),
        ..conformance::message(7, "meter:1")
    }
}
