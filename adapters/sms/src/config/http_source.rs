//! Configuration of what a gateway calls back with.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use hub_core::{AdapterContext, ConfigProblem, Metric, Source, SourceConfig, SourceError};
use hub_web::{CALLBACKS, DoorConfig, Doors};
use schemars::JsonSchema;
use serde::Deserialize;

use super::http_sink::check_gateway;
use super::source::{start_words, stop_words, validate_words};
use crate::gateway::callback::{Callbacks, ReceiptFields, TextFields};
use crate::gateway::charset::charset;
use crate::gateway::states::State;
use crate::metrics::OF_SOURCES;
use crate::wishes::{Wishes, Words};

/// Takes what a gateway calls back with, at `GET` or `POST /api/v1/callbacks/<source>` on the hub's
/// listener: delivery receipts, and what telephones send.
///
/// Each becomes the same JSON message that the `sms` source makes: `{"type": "receipt",
/// "message_id": "...", "state": "delivered", ...}` or `{"type": "message", "from": "+37255500001",
/// "to": "12345", "text": "yes"}`. A receipt is shown with the delivery of its text, which an
/// `sms_http` sink with the same `gateway` sent.
///
/// The facts are parameters of the URL, fields of a form, or facts of a JSON body: by name, or by a
/// JSON pointer such as `/results/0/messageId`. A call that has the receipt's `id` and `state` is a
/// receipt, else one that has the text's `from` and `text` is a text; any other is answered with
/// 400. One call has one of them.
///
/// Known states are Kannel's numbers (1 delivered, 2 undeliverable, 4 buffered, 8 accepted, 16
/// rejected), the words of SMPP (`DELIVRD`, `UNDELIV` ...) and their long forms, `failed`, `sent`,
/// `queued`, `pending`, `read`. What else a gateway says stands under `states`.
///
/// The gateway is answered 200 with `answer` once the message is committed, never before. A receipt
/// that comes twice is recognised; a text by its `id`, or, where the gateway gives none, if it comes
/// again because it was not answered.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SmsHttpSourceConfig {
    /// What the gateway is called: the same in the sink.
    pub gateway: String,
    /// Who may call.
    pub door: DoorConfig,
    /// Where a receipt's facts are. Default: this source takes none.
    #[serde(default)]
    pub receipt: Option<ReceiptTable>,
    /// Where the facts of a text are. Default: this source takes none.
    #[serde(default)]
    pub message: Option<MessageTable>,
    /// Character set of parameters and forms, as browsers name them. JSON is always UTF-8.
    #[serde(default = "utf_8")]
    pub charset: String,
    /// What the gateway is answered, `OK` say. Default: nothing but the status. Some send it to the
    /// telephone.
    #[serde(default)]
    pub answer: String,
    /// Answers after which somebody gets no more texts from the enterprise's SMS sinks: the whole
    /// text, whatever its case and punctuation.
    #[serde(default = "stop_words")]
    pub stop_words: Vec<String>,
    /// Answers after which they do again.
    #[serde(default = "start_words")]
    pub start_words: Vec<String>,
}

/// Where a receipt's facts are.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReceiptTable {
    /// The id of the text: the gateway's, or our `{message_id}` if the sink asked it to give it back.
    pub id: String,
    /// What became of it.
    pub state: String,
    /// The reason of a failure.
    #[serde(default)]
    pub error: Option<String>,
    /// The telephone's number.
    #[serde(default)]
    pub from: Option<String>,
    /// The number the text was sent from.
    #[serde(default)]
    pub to: Option<String>,
    /// What further words mean, beside the known ones.
    #[serde(default)]
    pub states: BTreeMap<String, State>,
}

/// Where the facts of a text are.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MessageTable {
    /// Who sent it.
    pub from: String,
    /// The number it was sent to.
    #[serde(default)]
    pub to: Option<String>,
    /// What it says.
    pub text: String,
    /// The gateway's id of it, by which a second call is recognised.
    #[serde(default)]
    pub id: Option<String>,
}

fn utf_8() -> String {
    "utf-8".to_owned()
}

impl SmsHttpSourceConfig {
    fn callbacks(&self, context: &AdapterContext) -> Result<Callbacks, String> {
        let receipt = self.receipt.clone();
        let message = self.message.clone();
        let words = Words::new(&self.stop_words, &self.start_words);
        Ok(Callbacks {
            gateway: self.gateway.clone(),
            receipt: receipt.map(|table| ReceiptFields {
                id: table.id,
                state: table.state,
                error: table.error,
                from: table.from,
                to: table.to,
                states: table.states,
            }),
            text: message.map(|table| TextFields {
                from: table.from,
                to: table.to,
                text: table.text,
                id: table.id,
            }),
            charset: charset(&self.charset)?,
            answer: self.answer.clone(),
            wishes: Wishes::new(words, context),
            clock: context.clock.clone(),
            unsettled: Arc::default(),
        })
    }
}

#[async_trait]
impl SourceConfig for SmsHttpSourceConfig {
    const KIND: &'static str = "sms_http";

    fn example() -> &'static str {
        r#"gateway = "kannel"
door = { query_tokens = ["env:CALLBACK_TOKEN"] }
receipt = { id = "id", state = "type" }
message = { from = "from", to = "to", text = "text", id = "sms" }
stop_words = ["STOP", "STOPP"]
start_words = ["START"]
"#
    }

    fn metrics() -> &'static [Metric] {
        OF_SOURCES
    }

    fn validate(&self) -> Vec<ConfigProblem> {
        let mut problems = Vec::new();
        check_gateway(&self.gateway, &mut problems);
        self.door.validate("door", false, &mut problems);
        if self.receipt.is_none() && self.message.is_none() {
            let reason = "and `message` are both missing: nothing would be taken";
            problems.push(ConfigProblem::error("receipt", reason));
        }
        if let Err(reason) = charset(&self.charset) {
            problems.push(ConfigProblem::error("charset", reason));
        }
        if self.message.is_some() {
            validate_words(&self.stop_words, &self.start_words, &mut problems);
        }
        problems
    }

    fn has_door(&self) -> bool {
        true
    }

    async fn check(&self, context: &AdapterContext) -> Result<(), SourceError> {
        self.door.check(context)
    }

    async fn connect(&self, context: &AdapterContext) -> Result<Box<dyn Source>, SourceError> {
        let handler = self.callbacks(context).map_err(|reason| {
            context.shared.get::<Doors>().fail(&context.name);
            SourceError::Disconnected {
                endpoint: context.name.clone(),
                reason,
            }
        })?;
        let door = self.door.open(CALLBACKS, Arc::new(handler), context)?;
        Ok(Box::new(door))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(toml: &str) -> Vec<ConfigProblem> {
        toml::from_str::<SmsHttpSourceConfig>(toml)
            .unwrap()
            .validate()
    }

    #[test]
    fn the_example_is_valid() {
        assert_eq!(problems(SmsHttpSourceConfig::example()), []);
    }

    #[test]
    fn wrong_values_are_errors() {
        let found = problems("gateway = ''\ndoor = {}\ncharset = 'x'");
        let keys: Vec<&str> = found.iter().map(|p| p.key.as_str()).collect();
        assert_eq!(keys, ["gateway", "door.bearer", "receipt", "charset"]);
    }
}
