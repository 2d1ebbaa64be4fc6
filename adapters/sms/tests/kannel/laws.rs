//! What every sink and every source must do, asked of ours.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use hub_core::{
    Arrival, Body, IncomingMessage, OutgoingMessage, Receipt, Sent, Settlement, Sink, SinkError,
    Source, SourceError, UnsettledReceipt,
};
use meterhub_tests::conformance::{self, Partner, Receiver, Taken, Told, message};
use meterhub_tests::services::{self, ResumeAtEnd};
use meterhub_tests::wait::{PATIENCE, until_true};
use reqwest::StatusCode;
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::rig::{ANSWER_SECONDS, CONNECT_SECONDS, Kannel, sms};

/// How long Kannel may take to pass a text on.
const PASSED_ON: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_sink_does_what_every_sink_must() {
    let Some(kannel) = Kannel::find().await else {
        return;
    };
    let _resume = ResumeAtEnd("kannel");
    let mut telephones = Telephones {
        kannel,
        sent: Arc::default(),
    };
    conformance::sink(&mut telephones).await;
}

struct Telephones {
    kannel: Kannel,
    /// Texts that Kannel said yes to since the last look: it passes them on a moment later.
    sent: Arc<AtomicUsize>,
}

/// The kit's messages have no recipient: theirs is a telephone, or none if they are to be refused.
struct Texting {
    sink: Box<dyn Sink>,
    sent: Arc<AtomicUsize>,
}

#[async_trait]
impl Sink for Texting {
    async fn send(&self, message: &OutgoingMessage) -> Result<Sent, SinkError> {
        let to = match message.subject.as_str() {
            "refused" => "+9999955500010",
            _ => "+37255500001",
        };
        let body = message.content.as_bytes().unwrap();
        let text = String::from_utf8(body.to_vec()).unwrap();
        let mut sms = sms(0, to, &text);
        sms.message_id = message.message_id;
        let sent = self.sink.send(&sms).await;
        self.sent
            .fetch_add(usize::from(sent.is_ok()), Ordering::SeqCst);
        sent
    }
}

impl Telephones {
    async fn texting(&self, password: &str) -> Box<dyn Sink> {
        Box::new(Texting {
            sink: self.kannel.sink_with(password, "").await,
            sent: self.sent.clone(),
        })
    }
}

#[async_trait]
impl Receiver for Telephones {
    async fn sink(&mut self) -> Box<dyn Sink> {
        self.texting("password").await
    }

    async fn sink_with_wrong_credentials(&mut self) -> Option<Box<dyn Sink>> {
        Some(self.texting("wrong").await)
    }

    async fn taken(&mut self) -> Vec<Taken> {
        let sent = self.sent.swap(0, Ordering::SeqCst);
        let kannel = &self.kannel;
        let all = until_true("what Kannel took", PATIENCE, || async {
            kannel.messages().await.len() >= sent
        });
        // Those who look after a crash may find less: Kannel keeps its queue in memory here.
        let _ = timeout(PASSED_ON, all).await;
        let messages = self.kannel.messages().await;
        self.kannel.forget().await;
        let taken = messages.iter().map(|found| {
            let text = found["text"].as_str().unwrap();
            let number = text.strip_prefix("body ").unwrap().parse().unwrap();
            Taken {
                id: message(number, "").message_id.to_string(),
                body: text.as_bytes().to_vec(),
            }
        });
        taken.collect()
    }

    async fn kill(&mut self) -> bool {
        services::kill("kannel").await;
        true
    }

    async fn restart(&mut self) {
        services::start("kannel").await;
    }

    async fn stall(&mut self) -> bool {
        services::pause("kannel").await;
        true
    }

    async fn resume(&mut self) {
        services::resume("kannel").await;
    }

    async fn refuse(&mut self) -> bool {
        true
    }

    fn time_limit(&self) -> Duration {
        Duration::from_secs(CONNECT_SECONDS + ANSWER_SECONDS)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_source_does_what_every_source_must() {
    let Some(kannel) = Kannel::find().await else {
        return;
    };
    let mut gateway = Gateway {
        kannel,
        calls: HashMap::new(),
    };
    conformance::source(&mut gateway).await;
}

/// A gateway that passes on texts, each with the kit's name and body in it.
struct Gateway {
    kannel: Kannel,
    calls: HashMap<String, JoinHandle<reqwest::Response>>,
}

/// A text carries no file: it is `NAME:BODY`.
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
        let (name, body) = json["text"].as_str().unwrap().split_once(':').unwrap();
        let message = IncomingMessage {
            name: name.to_owned(),
            body: Body::Bytes(body.to_owned().into_bytes().into()),
            ..message
        };
        Ok(Arrival::new(message, Box::new(Forwarded(receipt))))
    }

    fn window(&self) -> usize {
        self.0.window()
    }
}

#[async_trait]
impl Partner for Gateway {
    async fn connect(&mut self) -> Box<dyn Source> {
        Box::new(Named(self.kannel.source().await))
    }

    async fn send(&mut self, name: &str, body: &[u8]) {
        let text = format!("{name}:{}", String::from_utf8(body.to_vec()).unwrap());
        let url = format!(
            "http://{}/api/v1/callbacks/kannel?token=t0ken",
            self.kannel.hub
        );
        let form = [("from", "+37255500001"), ("to", "12345"), ("text", &text)];
        let call = reqwest::Client::new().post(url).form(&form);
        let call = tokio::spawn(async move { call.send().await.unwrap() });
        self.calls.insert(name.to_owned(), call);
    }

    async fn send_again(&mut self, name: &str, body: &[u8]) {
        self.send(name, body).await;
    }

    async fn told(&mut self, name: &str) -> Told {
        match self.calls.remove(name).unwrap().await.unwrap().status() {
            StatusCode::OK => Told::Yes,
            StatusCode::SERVICE_UNAVAILABLE => Told::Later,
            StatusCode::UNPROCESSABLE_ENTITY => Told::Never,
            other => panic!("{other}"),
        }
    }
}
