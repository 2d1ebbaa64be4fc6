//! A hub's listener with a source, and a partner that posts.

use std::net::SocketAddr;
use std::sync::Arc;

use adapter_soap::SoapSourceConfig;
use hub_core::files::OsFiles;
use hub_core::{AdapterContext, Source, SourceConfig};
use hub_web::router;
use meterhub_tests::conformance;
use reqwest::{Client, RequestBuilder, Response};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub(crate) const SOAP11: &str = "http://schemas.xmlsoap.org/soap/envelope/";
pub(crate) const SOAP12: &str = "http://www.w3.org/2003/05/soap-envelope";
pub(crate) const MESSAGE: &str = "http://iec.ch/TC57/2011/schema/message";

/// Lets in a partner that knows the token `t0ken`.
pub(crate) const TOKEN: &str = "door = { bearer = ['file:token'] }";

/// A hub's listener.
pub(crate) struct Hub {
    pub(crate) base: TempDir,
    pub(crate) context: AdapterContext,
    config: String,
    pub(crate) address: SocketAddr,
    pub(crate) client: Client,
}

impl Hub {
    pub(crate) async fn new(config: &str) -> Self {
        let base = tempfile::tempdir().unwrap();
        std::fs::write(base.path().join("token"), "t0ken\n").unwrap();
        std::fs::write(base.path().join("password"), "s3cret\n").unwrap();
        let context = conformance::context("hes", base.path(), Arc::new(OsFiles));
        Self::with(base, context, config).await
    }

    pub(crate) async fn with(base: TempDir, context: AdapterContext, config: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = router(&context.shared);
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self {
            base,
            context,
            config: config.to_owned(),
            address,
            client: Client::builder().no_proxy().build().unwrap(),
        }
    }

    pub(crate) async fn source(&self) -> Box<dyn Source> {
        let config: SoapSourceConfig = toml::from_str(&self.config).unwrap();
        let problems: Vec<_> = config
            .validate()
            .into_iter()
            .filter(|p| !p.warning)
            .collect();
        assert_eq!(problems, []);
        config.check(&self.context).await.unwrap();
        config.connect(&self.context).await.unwrap()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/api/v1/soap/hes", self.address)
    }

    /// A post of SOAP 1.1, or 1.2 if the envelope is.
    pub(crate) fn post(&self, envelope: impl Into<String>) -> RequestBuilder {
        let envelope = envelope.into();
        let media_type = match envelope.contains(SOAP12) {
            true => "application/soap+xml; charset=utf-8",
            false => "text/xml; charset=utf-8",
        };
        let request = self.client.post(self.url()).bearer_auth("t0ken");
        request.header("content-type", media_type).body(envelope)
    }

    /// Sends in the background: the answer comes once the message is settled.
    pub(crate) fn go(&self, request: RequestBuilder) -> JoinHandle<Response> {
        tokio::spawn(async move { request.send().await.unwrap() })
    }
}

/// The same, answered with an empty body.
pub(crate) const EMPTY: &str = "answer = 'empty'\ndoor = { bearer = ['file:token'] }";

/// An envelope.
pub(crate) fn envelope(namespace: &str, header: &str, body: &str) -> String {
    format!(
        "<?xml version='1.0' encoding='UTF-8'?>\n<S:Envelope xmlns:S='{namespace}'>\
         <S:Header>{header}</S:Header><S:Body>{body}</S:Body></S:Envelope>"
    )
}

/// A message of IEC 61968-100 with this id and payload.
pub(crate) fn iec(id: &str, payload: &str) -> String {
    format!(
        "<msg:CreatedMeterReadings xmlns:msg='http://iec.ch/TC57/2011/MeterReadingsMessage' \
         xmlns:m='{MESSAGE}'><msg:Header><m:Verb>created</m:Verb><m:Noun>MeterReadings</m:Noun>\
         <m:MessageID>{id}</m:MessageID></msg:Header><msg:Payload>{payload}</msg:Payload>\
         </msg:CreatedMeterReadings>"
    )
}
