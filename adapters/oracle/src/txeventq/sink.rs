//! The sink: each message is a record of a topic.

use async_trait::async_trait;
use hub_core::{Headers, OutgoingMessage, Sent, Sink, SinkError};
use hub_names::MessageTemplate;
use hub_web::{WebClient, plain};
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::Value;
use tokio::io::AsyncReadExt;

use super::records::produced;
use crate::config::ValueForm;
use crate::ords::judge;

/// Most of an answer that is read.
const LARGEST_ANSWER: usize = 16 * 1024;

/// A configured topic.
pub(crate) struct TxEventQSink {
    pub(crate) endpoint: String,
    pub(crate) client: WebClient,
    /// Path of the topic.
    pub(crate) path: String,
    pub(crate) key: MessageTemplate,
    pub(crate) value: ValueForm,
    pub(crate) headers: bool,
    pub(crate) max_value_bytes: u64,
}

#[async_trait]
impl Sink for TxEventQSink {
    async fn send(&self, message: &OutgoingMessage) -> Result<Sent, SinkError> {
        let body = self.body(message).await?.to_string();
        let make = || {
            self.client
                .request(Method::POST, &self.path)
                .timeout(self.client.patience(body.len() as u64))
                .header(CONTENT_TYPE, "application/json")
                .body(body.clone())
        };
        let response = self.client.send(make).await?;
        let answer = self.client.read(response, LARGEST_ANSWER).await;
        judge(&answer)?;
        Ok(Sent::noted(
            place(&answer.body).unwrap_or_else(|| answer.status.to_string()),
        ))
    }
}

impl TxEventQSink {
    async fn body(&self, message: &OutgoingMessage) -> Result<Value, SinkError> {
        let refused = |answer: String| SinkError::Refused {
            endpoint: self.endpoint.clone(),
            answer: format!("not sent: the message {answer}"),
        };
        let length = message.content.len();
        if length > self.max_value_bytes {
            let most = self.max_value_bytes;
            return Err(refused(format!(
                "has {length} bytes, at most {most} fit a record"
            )));
        }
        let mut bytes = Vec::new();
        let read = message.content.reader().read_to_end(&mut bytes).await;
        read.map_err(|problem| self.client.no_answer(problem.to_string()))?;
        let key = self.key.fill(message, str::to_owned);
        let headers = match self.headers {
            true => headers(message),
            false => Vec::new(),
        };
        produced(&key, &bytes, self.value, &headers).map_err(refused)
    }
}

fn headers(message: &OutgoingMessage) -> Headers {
    let mut headers = message.headers.clone();
    let own = [
        ("message-id", message.message_id.to_string()),
        ("correlation-id", message.correlation_id.to_string()),
        ("content-type", message.media_type.clone()),
    ];
    headers.retain(|(name, _)| own.iter().all(|(reserved, _)| name != reserved));
    headers.extend(own.map(|(name, value)| (name.to_owned(), value)));
    headers
}

/// Where the record is, if the answer tells.
fn place(answer: &[u8]) -> Option<String> {
    let answer: Value = serde_json::from_slice(answer).ok()?;
    let list = ["offsets", "records"]
        .iter()
        .find_map(|name| answer.get(name)?.as_array());
    let record = list?.first()?;
    let number = |names: [&str; 2]| names.iter().find_map(|name| record.get(name));
    let (partition, offset) = (
        number(["partition", "partition_id"])?,
        number(["offset", "message_offset"])?,
    );
    Some(plain(
        format!("partition {partition}, offset {offset}").as_bytes(),
        100,
    ))
}
