//! What every sink must do, asked of ours.

use std::time::Duration;

use adapter_sms::SmsSinkConfig;
use async_trait::async_trait;
use hub_core::{OutgoingMessage, Sent, Sink, SinkConfig, SinkError};
use meterhub_tests::conformance::{self, Receiver, Taken, message};
use meterhub_tests::services::{self, ResumeAtEnd};

use crate::rig::{ANSWER_SECONDS, CONNECT_SECONDS, Smsc, sms};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_sink_does_what_every_sink_must() {
    let Some(smsc) = Smsc::find().await else {
        return;
    };
    let _resume = ResumeAtEnd("smsc");
    conformance::sink(&mut Telephones(smsc)).await;
}

struct Telephones(Smsc);

/// The kit's messages have no recipient: theirs is a telephone, or none if they are to be refused.
struct Texting(Box<dyn Sink>);

#[async_trait]
impl Sink for Texting {
    async fn send(&self, message: &OutgoingMessage) -> Result<Sent, SinkError> {
        let to = match message.subject.as_str() {
            "refused" => "+37255500010",
            _ => "+37255500001",
        };
        let body = message.content.as_bytes().unwrap();
        let text = String::from_utf8(body.to_vec()).unwrap();
        let mut sms = sms(0, to, &text);
        sms.message_id = message.message_id;
        self.0.send(&sms).await
    }
}

#[async_trait]
impl Receiver for Telephones {
    async fn sink(&mut self) -> Box<dyn Sink> {
        Box::new(Texting(self.0.sink("").await))
    }

    async fn sink_with_wrong_credentials(&mut self) -> Option<Box<dyn Sink>> {
        let account = self.0.account(&self.0.address, "wrong", "");
        let config: SmsSinkConfig = toml::from_str(&format!("{account}sender = '12345'")).unwrap();
        let sink = config.connect(&self.0.context).await.unwrap();
        Some(Box::new(Texting(sink)))
    }

    /// SMPP carries no id of ours: the text says which it was.
    async fn taken(&mut self) -> Vec<Taken> {
        let messages = self.0.messages().await;
        self.0.forget().await;
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
        services::kill("smsc").await;
        true
    }

    async fn restart(&mut self) {
        services::start("smsc").await;
    }

    async fn stall(&mut self) -> bool {
        services::pause("smsc").await;
        true
    }

    async fn resume(&mut self) {
        services::resume("smsc").await;
    }

    async fn refuse(&mut self) -> bool {
        true
    }

    fn time_limit(&self) -> Duration {
        Duration::from_secs(CONNECT_SECONDS + ANSWER_SECONDS)
    }
}
