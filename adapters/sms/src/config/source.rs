//! Configuration of an account that receipts and answers come in by.

use std::time::Duration;

use async_trait::async_trait;
use hub_core::{AdapterContext, ConfigProblem, Metric, Source, SourceConfig, SourceError};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Account, check_range};
use crate::account::Accounts;
use crate::joining::Joining;
use crate::metrics::OF_SOURCES;
use crate::source::SmsSource;
use crate::wishes::{Wishes, Words, is_word};

/// Takes delivery receipts, and what telephones send, over SMPP 3.4.
///
/// Each becomes a JSON message: `{"type": "receipt", "message_id": "m17", "state": "delivered", ...}`
/// or `{"type": "message", "from": "+37255500001", "to": "12345", "text": "yes"}`. The message centre
/// is answered once it is committed, never before. With a sink of the same `account` it shares one
/// bind. An account has one source.
///
/// A receipt is shown with the delivery of the text that it is for, part by part. What somebody
/// answers with one of the `stop_words` puts them on the enterprise's opt-out list, which `meterhub
/// sms opt-out` shows and edits; the answer itself is a message as any other.
///
/// A receipt that comes twice is recognised. SMPP gives no id to what telephones send: it is
/// recognised if it comes again because the hub was not ready, but not after a crash of the hub
/// between commit and answer.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SmsSourceConfig {
    /// Where and as whom.
    pub account: Account,
    /// How many messages may be under way at once. 1 keeps their order.
    #[serde(default = "window")]
    pub window: u16,
    /// How long the first parts of a long message wait for the others, in seconds, unanswered. Then
    /// they are offered one by one. Shorter than the message centre waits for an answer.
    #[serde(default = "join_seconds")]
    pub join_seconds: u64,
    /// Answers after which somebody gets no more texts from the enterprise's SMS sinks: the whole
    /// text, whatever its case and punctuation.
    #[serde(default = "stop_words")]
    pub stop_words: Vec<String>,
    /// Answers after which they do again.
    #[serde(default = "start_words")]
    pub start_words: Vec<String>,
}

pub(super) fn stop_words() -> Vec<String> {
    vec!["STOP".to_owned()]
}

pub(super) fn start_words() -> Vec<String> {
    vec!["START".to_owned()]
}

/// Looks at the words of a source.
pub(super) fn validate_words(stop: &[String], start: &[String], problems: &mut Vec<ConfigProblem>) {
    for (key, words) in [("stop_words", stop), ("start_words", start)] {
        if let Some(wrong) = words.iter().find(|word| !is_word(word)) {
            let reason = format!("`{wrong}` has neither letter nor digit");
            problems.push(ConfigProblem::error(key, reason));
        }
    }
    if let Some(both) = start.iter().find(|word| stop.contains(word)) {
        let reason = format!("`{both}` is a stop word too");
        problems.push(ConfigProblem::error("start_words", reason));
    }
    if stop.is_empty() {
        let reason = "is empty: nobody can opt out by an answer";
        problems.push(ConfigProblem::warning("stop_words", reason));
    }
}

fn window() -> u16 {
    16
}

fn join_seconds() -> u64 {
    5
}

#[async_trait]
impl SourceConfig for SmsSourceConfig {
    const KIND: &'static str = "sms";

    fn example() -> &'static str {
        r#"account = { server = "smsc.example:3550", system_id = "nordkraft", password = "env:SMPP_PASSWORD", tls = {}, window = 10 }
window = 16                   # 1 keeps the order
join_seconds = 5
stop_words = ["STOP", "STOPP"]
start_words = ["START"]
"#
    }

    fn metrics() -> &'static [Metric] {
        OF_SOURCES
    }

    fn validate(&self) -> Vec<ConfigProblem> {
        let mut problems = Vec::new();
        self.account.validate("account", &mut problems);
        check_range("window", u64::from(self.window), 1..=1_000, &mut problems);
        check_range("join_seconds", self.join_seconds, 1..=60, &mut problems);
        validate_words(&self.stop_words, &self.start_words, &mut problems);
        problems
    }

    async fn check(&self, context: &AdapterContext) -> Result<(), SourceError> {
        let account = context.shared.get::<Accounts>().get(&self.account, context);
        let bound = account.session().await;
        bound
            .map(drop)
            .map_err(|reason| disconnected(context, reason))
    }

    async fn connect(&self, context: &AdapterContext) -> Result<Box<dyn Source>, SourceError> {
        let failed = |reason| disconnected(context, reason);
        let account = context.shared.get::<Accounts>().get(&self.account, context);
        let session = account.session().await.map_err(failed)?;
        let claim = session.claim().ok_or_else(|| {
            failed("another source takes from this account, expected one for each".to_owned())
        })?;
        let joining = Joining::new(Duration::from_secs(self.join_seconds));
        let window = usize::from(self.window);
        let words = Words::new(&self.stop_words, &self.start_words);
        let wishes = Wishes::new(words, context);
        let source = SmsSource::new(context, account, session, claim, joining, wishes, window);
        Ok(Box::new(source))
    }
}

fn disconnected(context: &AdapterContext, reason: String) -> SourceError {
    SourceError::Disconnected {
        endpoint: context.name.clone(),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(toml: &str) -> Vec<ConfigProblem> {
        toml::from_str::<SmsSourceConfig>(toml).unwrap().validate()
    }

    #[test]
    fn the_example_is_valid() {
        assert_eq!(problems(SmsSourceConfig::example()), []);
    }

    #[test]
    fn wrong_values_are_errors() {
        let found = problems(
            "account = { server = 'localhost:2775', system_id = 'hub', password = 'env:P' }\n\
             window = 0\njoin_seconds = 0\nstop_words = ['!']\nstart_words = ['!']",
        );
        assert_eq!(found.len(), 5, "{found:?}");
    }
}
