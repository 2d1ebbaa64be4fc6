//! What every source must do, asked of ours.

use std::time::Duration;

use async_trait::async_trait;
use hub_core::{
    Arrival, Body, IncomingMessage, Receipt, Settlement, Source, SourceConfig, SourceError,
    UnsettledReceipt,
};
use meterhub_tests::conformance::{self, Partner, Server, Told};
use meterhub_tests::services::{self, ResumeAtEnd};
use meterhub_tests::wait::{PATIENCE, until};
use serde_json::Value;
use tokio::time::timeout;

use crate::rig::{ANSWER_SECONDS, CONNECT_SECONDS, Smsc};
use crate::tap::Tap;

/// How long an answer may take that is surely given.
const AN_ANSWER: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_source_does_what_every_source_must() {
    let Some(mut centre) = Centre::find().await else {
        return;
    };
    conformance::source(&mut centre).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_source_does_what_a_source_of_a_server_must() {
    let Some(mut centre) = Centre::find().await else {
        return;
    };
    let _resume = ResumeAtEnd("smsc");
    conformance::source_of_a_server(&mut centre).await;
}

/// The simulator with what it lacks: it keeps messages until they are accepted, over a crash.
struct Centre {
    smsc: Smsc,
    tap: Tap,
    sent: Vec<(String, String)>,
    send_all_again: bool,
}

impl Centre {
    async fn find() -> Option<Self> {
        let smsc = Smsc::find().await?;
        Some(Self {
            tap: Tap::on(&smsc.address).await,
            smsc,
            sent: Vec::new(),
            send_all_again: false,
        })
    }

    async fn connect_with(&self, password: &str) -> Result<Box<dyn Source>, SourceError> {
        let config = self.smsc.source(&self.tap.address, password);
        let source = config.connect(&self.smsc.context).await?;
        Ok(Box::new(Named(source)))
    }

    async fn text(&self, text: &str) {
        self.smsc.text_us("37255500001", "12345", text).await;
    }
}

/// A text carries no file: it is `NAME:BODY`, with the body in hexadecimal digits.
fn text_of(name: &str, body: &[u8]) -> String {
    let hex: String = body.iter().map(|octet| format!("{octet:02x}")).collect();
    format!("{name}:{hex}")
}

fn parse(text: &str) -> (String, Vec<u8>) {
    let (name, hex) = text.split_once(':').unwrap();
    let octet = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    let body = (0..hex.len()).step_by(2).map(octet).collect();
    (name.to_owned(), body)
}

/// Turns a text back into what the kit sent.
struct Named(Box<dyn Source>);

struct Forwarded(UnsettledReceipt);

#[async_trait]
impl Receipt for Forwarded {
    async fn settle(self: Box<Self>, settlement: Settlement) {
        self.0.settle(settlement).await;
    }
}

#[async_trait]
impl Source for Named {
    async fn receive(&mut self) -> Result<Arrival, SourceError> {
        let (message, receipt) = self.0.receive().await?.into_parts();
        let Body::Bytes(json) = &message.body else {
            panic!("texts are in memory");
        };
        let json: Value = serde_json::from_slice(json).unwrap();
        // The simulator says nothing about the type of number.
        assert_eq!(json["from"], "37255500001");
        let (name, body) = parse(json["text"].as_str().unwrap());
        let message = IncomingMessage {
            name,
            body: Body::Bytes(body.into()),
            ..message
        };
        Ok(Arrival::new(message, Box::new(Forwarded(receipt))))
    }
}

#[async_trait]
impl Partner for Centre {
    async fn connect(&mut self) -> Box<dyn Source> {
        let source = self.connect_with("password").await.unwrap();
        if std::mem::take(&mut self.send_all_again) {
            for (name, text) in &self.sent {
                if self.tap.last(name).is_none_or(|d| d.status != Some(0)) {
                    self.text(text).await;
                }
            }
        }
        source
    }

    async fn send(&mut self, name: &str, body: &[u8]) {
        let text = text_of(name, body);
        self.text(&text).await;
        self.sent.push((name.to_owned(), text));
    }

    async fn send_again(&mut self, name: &str, body: &[u8]) {
        self.send(name, body).await;
    }

    async fn told(&mut self, name: &str) -> Told {
        let tap = &self.tap;
        let answer = until("an answer", PATIENCE, || async { tap.last(name)?.status });
        match timeout(AN_ANSWER, answer).await {
            Ok(0x00) => Told::Yes,
            Ok(0x64) => Told::Later,
            Ok(0x65) => Told::Never,
            Ok(status) => panic!("answered {status:#x}"),
            Err(_) => panic!("not answered"),
        }
    }
}

#[async_trait]
impl Server for Centre {
    async fn try_connect(&mut self) -> Result<Box<dyn Source>, SourceError> {
        self.connect_with("password").await
    }

    async fn try_wrong_credentials(&mut self) -> Result<Box<dyn Source>, SourceError> {
        self.connect_with("wrong").await
    }

    async fn kill(&mut self) {
        services::kill("smsc").await;
    }

    async fn restart(&mut self) {
        services::start("smsc").await;
        self.send_all_again = true;
    }

    async fn stall(&mut self) {
        services::pause("smsc").await;
    }

    async fn resume(&mut self) {
        services::resume("smsc").await;
    }

    fn time_limit(&self) -> Duration {
        Duration::from_secs(CONNECT_SECONDS + ANSWER_SECONDS)
    }
}
