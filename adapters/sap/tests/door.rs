//! The source for IDocs that a system posts, behind a real listener on loopback.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic")]

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use adapter_sap::SapIdocSourceConfig;
use async_trait::async_trait;
use hub_core::files::OsFiles;
use hub_core::{
    AdapterContext, Arrival, Body, IncomingMessage, Receipt, Settlement, Source, SourceConfig,
    SourceError, UnsettledReceipt,
};
use hub_web::router;
use meterhub_tests::conformance::{self, Partner, Told, accepted, read, receive};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A hub's listener, and a system that knows the password.
struct Hub {
    _base: TempDir,
    context: AdapterContext,
    address: SocketAddr,
    client: Client,
    numbers: HashMap<String, usize>,
    requests: HashMap<String, JoinHandle<Response>>,
}

fn idoc(number: usize, name: &str, text: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><ORDERS05><IDOC BEGIN=\"1\"><EDI_DC40 SEGMENT=\"1\">\
         <TABNAM>EDI_DC40</TABNAM><MANDT>100</MANDT><DOCNUM>{number:016}</DOCNUM><IDOCTYP>ORDERS05</IDOCTYP>\
         <MESTYP>ORDERS</MESTYP><SNDPOR>SAPS4D</SNDPOR><SNDPRN>S4DCLNT100</SNDPRN></EDI_DC40><E1EDKT2 SEGMENT=\"1\">\
         <TDOBNAME>{name}</TDOBNAME><TDLINE>{text}</TDLINE></E1EDKT2></IDOC></ORDERS05>"
    )
}

impl Hub {
    async fn new() -> Self {
        let base = tempfile::tempdir().unwrap();
        std::fs::write(base.path().join("password"), "s3cret\n").unwrap();
        let context = conformance::context("s4", base.path(), Arc::new(OsFiles));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = router(&context.shared);
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self {
            _base: base,
            context,
            address,
            client: Client::builder().no_proxy().build().unwrap(),
            numbers: HashMap::new(),
            requests: HashMap::new(),
        }
    }

    async fn source(&self) -> Box<dyn Source> {
        let config = "door = { basic = [{ user = 'S4D', password = 'file:password' }], max_body_bytes = 200000 }";
        let config: SapIdocSourceConfig = toml::from_str(config).unwrap();
        config.check(&self.context).await.unwrap();
        config.connect(&self.context).await.unwrap()
    }

    fn url(&self) -> String {
        format!("http://{}/api/v1/callbacks/s4", self.address)
    }

    fn post(&self, body: String) -> RequestBuilder {
        let request = self
            .client
            .post(self.url())
            .basic_auth("S4D", Some("s3cret"));
        request.header("content-type", "text/xml").body(body)
    }
}

fn between(text: &str, opening: &str, closing: &str) -> String {
    let (_, rest) = text.split_once(opening).unwrap();
    rest.split_once(closing).unwrap().0.to_owned()
}

/// IDocs whose fields are a message of the kit.
struct Unpacked(Box<dyn Source>);

struct Inner(UnsettledReceipt);

#[async_trait]
impl Receipt for Inner {
    async fn settle(self: Box<Self>, settlement: Settlement) {
        self.0.settle(settlement).await;
    }
}

#[async_trait]
impl Source for Unpacked {
    async fn receive(&mut self) -> Result<Arrival, SourceError> {
        let (message, receipt) = self.0.receive().await?.into_parts();
        let text = String::from_utf8(read(message.body).await.unwrap()).unwrap();
        let digits = between(&text, "<TDLINE>", "</TDLINE>");
        let digit = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
        let body: Vec<u8> = (0..digits.len()).step_by(2).map(digit).collect();
        let message = IncomingMessage {
            name: between(&text, "<TDOBNAME>", "</TDOBNAME>"),
            body: Body::Bytes(body.into()),
            ..IncomingMessage::default()
        };
        Ok(Arrival::new(message, Box::new(Inner(receipt))))
    }
}

#[async_trait]
impl Partner for Hub {
    async fn connect(&mut self) -> Box<dyn Source> {
        Box::new(Unpacked(self.source().await))
    }

    async fn send(&mut self, name: &str, body: &[u8]) {
        let next = self.numbers.len() + 1;
        let number = *self.numbers.entry(name.to_owned()).or_insert(next);
        let text: String = body.iter().map(|byte| format!("{byte:02x}")).collect();
        let request = self.post(idoc(number, name, &text));
        let sent = tokio::spawn(async move { request.send().await.unwrap() });
        self.requests.insert(name.to_owned(), sent);
    }

    async fn send_again(&mut self, name: &str, body: &[u8]) {
        self.send(name, body).await;
    }

    async fn told(&mut self, name: &str) -> Told {
        match self.requests.remove(name).unwrap().await.unwrap().status() {
            StatusCode::OK => Told::Yes,
            StatusCode::SERVICE_UNAVAILABLE => Told::Later,
            StatusCode::UNPROCESSABLE_ENTITY => Told::Never,
            other => panic!("{other}"),
        }
    }
}

#[tokio::test]
async fn it_passes_the_conformance_kit() {
    conformance::source(&mut Hub::new().await).await;
}

/// What arrives of a post, accepted; and the answer.
async fn arrived(hub: &Hub, source: &mut dyn Source, body: String) -> (IncomingMessage, Response) {
    let request = hub.post(body);
    let sent = tokio::spawn(async move { request.send().await.unwrap() });
    let (message, receipt) = receive(source).await.into_parts();
    receipt.settle(accepted()).await;
    (message, sent.await.unwrap())
}

#[tokio::test]
async fn an_idoc_is_known_by_its_number_and_the_answer_is_a_line_of_text() {
    let hub = Hub::new().await;
    let mut source = hub.source().await;
    let (message, answer) = arrived(&hub, source.as_mut(), idoc(4_711, "a", "00")).await;
    let key = "SAPS4D/S4DCLNT100/100/4711";
    assert_eq!(message.business_key.as_deref(), Some(key));
    assert_eq!(message.name, "ORDERS-0000000000004711");
    assert_eq!(message.media_type.as_deref(), Some("text/xml"));
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(
        answer.headers()["content-type"],
        "text/plain; charset=utf-8"
    );
    assert!(answer.text().await.unwrap().starts_with("accepted as "));
}

#[tokio::test]
async fn packets_and_large_ones_are_known_by_their_content() {
    let hub = Hub::new().await;
    let mut source = hub.source().await;
    let one = idoc(1, "a", "00");
    let inner = between(&one, "<ORDERS05>", "</ORDERS05>");
    let packet = format!("<ORDERS05>{inner}{inner}</ORDERS05>");
    let large = idoc(2, "a", &"00".repeat(40_000));
    for body in [packet, large, "<not".to_owned(), "no IDoc".to_owned()] {
        let (message, answer) = arrived(&hub, source.as_mut(), body.clone()).await;
        assert_eq!(
            (message.business_key, message.name.as_str()),
            (None, "IDocs")
        );
        assert_eq!(read(message.body).await.unwrap(), body.as_bytes());
        assert_eq!(answer.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn every_no_is_a_status_and_a_line_that_says_why() {
    let hub = Hub::new().await;
    let source = hub.source().await;
    let get = hub.client.get(hub.url()).basic_auth("S4D", Some("s3cret"));
    let stranger = hub
        .client
        .post(hub.url())
        .basic_auth("S4D", Some("wrong"))
        .body("<a/>");
    for (request, status, said) in [
        (get, 200, "IDocs are taken by POST"),
        (stranger, 401, "Credentials"),
        (hub.post(String::new()), 400, "There is no IDoc"),
        (hub.post("x".repeat(300_000)), 413, "at most 200000 bytes"),
    ] {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status);
        let text = answer.text().await.unwrap();
        assert!(text.contains(said), "{text}");
    }
    drop(source);
    let answer = hub.post(idoc(1, "a", "00")).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_confirmation_reports_on_what_was_sent() {
    let hub = Hub::new().await;
    let mut source = hub.source().await;
    let states = |count: usize| -> String {
        let state = |number: usize| {
            format!(
                "<E1STATE SEGMENT=\"1\"><DOCNUM>{number:016}</DOCNUM><STATUS>53</STATUS>\
                 <STATXT>Application document posted</STATXT></E1STATE>"
            )
        };
        (1..=count).map(state).collect()
    };
    let confirmation = |count: usize| {
        let idoc = idoc(9, "a", "00").replace("<MESTYP>ORDERS<", "<MESTYP>ALEAUD<");
        idoc.replace(
            "</IDOC>",
            &format!("<E1ADHDR>{}</E1ADHDR></IDOC>", states(count)),
        )
    };
    // More than is read to find the control record.
    let (message, _) = arrived(&hub, source.as_mut(), confirmation(500)).await;
    assert_eq!(message.reports.len(), 500);
    let last = message.reports.last().unwrap();
    assert_eq!(last.reference, "IDoc to S4DCLNT100 500");
    assert_eq!(last.outcome, hub_core::Reported::Arrived);
    assert_eq!(last.note, "status 53 Application document posted");
    let body = read(message.body).await.unwrap();
    assert_eq!(
        body,
        confirmation(500).as_bytes(),
        "it is a message all the same"
    );
    let (message, _) = arrived(&hub, source.as_mut(), idoc(10, "a", "00")).await;
    assert_eq!(message.reports, []);
}
