//! The conformance kit.

use std::collections::HashMap;

use async_trait::async_trait;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hub_core::Source;
use meterhub_tests::conformance::{self, Partner, Told};
use reqwest::{Response, StatusCode};
use tokio::task::JoinHandle;

use crate::rig::{Hub, SOAP11, SOAP12, TOKEN, envelope, iec};

/// A partner whose documents are bytes, compressed in the payload of a message.
struct Caller {
    hub: Hub,
    namespace: &'static str,
    requests: HashMap<String, JoinHandle<Response>>,
}

impl Caller {
    async fn new(namespace: &'static str, more: &str) -> Self {
        let config = format!("style = 'iec61968-100'\ncontent = 'payload'\n{more}\n{TOKEN}");
        Self {
            hub: Hub::new(&config).await,
            namespace,
            requests: HashMap::new(),
        }
    }
}

#[async_trait]
impl Partner for Caller {
    async fn connect(&mut self) -> Box<dyn Source> {
        self.hub.source().await
    }

    async fn send(&mut self, name: &str, body: &[u8]) {
        use std::io::Write;
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(body).unwrap();
        let packed = BASE64_STANDARD.encode(gzip.finish().unwrap());
        let payload = format!("<m:Compressed>{packed}</m:Compressed><m:Format>BINARY</m:Format>");
        let request = self
            .hub
            .post(envelope(self.namespace, "", &iec(name, &payload)));
        self.requests.insert(name.to_owned(), self.hub.go(request));
    }

    async fn send_again(&mut self, name: &str, body: &[u8]) {
        self.send(name, body).await;
    }

    async fn told(&mut self, name: &str) -> Told {
        let answer = self.requests.remove(name).unwrap().await.unwrap();
        let (status, later) = (
            answer.status(),
            answer.headers().contains_key("retry-after"),
        );
        let text = answer.text().await.unwrap();
        let is_11 = self.namespace == SOAP11;
        match (status, later) {
            (StatusCode::OK, false) => {
                assert!(text.contains("<m:Result>OK</m:Result>"), "{text}");
                assert!(
                    text.contains(&format!("<m:CorrelationID>{name}<")),
                    "{text}"
                );
                Told::Yes
            }
            (StatusCode::INTERNAL_SERVER_ERROR, true) if is_11 => {
                assert!(text.contains("soap:Server"), "{text}");
                Told::Later
            }
            (StatusCode::SERVICE_UNAVAILABLE, true) if !is_11 => {
                assert!(text.contains("soap:Receiver"), "{text}");
                Told::Later
            }
            (StatusCode::INTERNAL_SERVER_ERROR, false) if is_11 => {
                assert!(text.contains("soap:Client"), "{text}");
                assert!(text.contains("<m:Result>FAILED</m:Result>"), "{text}");
                Told::Never
            }
            (StatusCode::BAD_REQUEST, false) if !is_11 => {
                assert!(text.contains("soap:Sender"), "{text}");
                Told::Never
            }
            other => panic!("{other:?}: {text}"),
        }
    }
}

#[tokio::test]
async fn conforms() {
    conformance::source(&mut Caller::new(SOAP11, "").await).await;
    conformance::source(&mut Caller::new(SOAP12, "").await).await;
}
