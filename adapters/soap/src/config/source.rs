//! Configuration of a SOAP source.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use hub_core::{AdapterContext, ConfigProblem, Metric, Secret, Source, SourceConfig, SourceError};
use hub_web::{DoorConfig, SOAP};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::service::Service;

/// Most nonces that may be remembered; each takes some 200 bytes.
const MOST_NONCES: usize = 1_000_000;

/// Takes SOAP 1.1 and 1.2 messages that partners post to `POST /api/v1/soap/<source>` on the hub's
/// listener; `GET /api/v1/soap/<source>?wsdl` describes the service.
///
/// The hub stores and decodes what stands in the `Body` (see `content`) as a document of its own:
/// the namespaces in force around it are declared on it. It is streamed; only after the closing
/// `Envelope` is it complete. Header names of the message: `soap-operation`, `sender` (who was let
/// in), and of IEC 61968-100 or WS-Addressing `verb`, `noun`, `message-id`, `correlation-id`,
/// `reply-to`, `user`.
///
/// Answers come after the commit. A fault says whose fault it is: `Client`/`Sender` must not come
/// again as it is, `Server`/`Receiver` may, after `Retry-After`. Faults of SOAP 1.1 have status 500,
/// of 1.2 400 (`Sender`), 500 or 503. What is refused before the envelope is read keeps the status
/// of HTTP: 401, 408, 413, 415, 429, 503.
///
/// A reply of IEC 61968-100 has `Error/code` `0.0` with `OK`, and in the fault of what is not taken
/// `1.8` (not valid), `5.1` (too busy), `5.2` (not tried) or `5.3` (tried, and refused). That `OK` has
/// `0.0`, and the elements, are as the published `Message.xsd` and receivers in the field have it; the
/// other codes are those of IEC 61968-9 as a head-end's published code has them, not read in the
/// standard.
///
/// User name tokens are those of the OASIS Username Token Profile 1.1: a digest needs nonce and time; a
/// time may lie ahead by `clock_skew_seconds`, and behind by `window_seconds` more; a nonce is taken
/// once, also over a restart, and is on disk before its request is taken.
///
/// Supported: document/literal, WS-Security user name tokens (text and digest), MTOM, gzip, any
/// encoding of characters. Not: rpc/encoded, XML signatures and encryption, WS-ReliableMessaging,
/// SOAP with attachments. Mutual TLS: the listener asks for certificates (`tls` in `[hub]`), and
/// `door.client_certificates` says which of them this source takes.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SoapSourceConfig {
    /// Who may come in by HTTP, and within which bounds. Who sends an `Authorization` header is
    /// checked by that; all others by `ws_security`, if it is given. A certificate, if
    /// `client_certificates` are named, must come with either.
    #[serde(default = "usual_door")]
    pub door: DoorConfig,
    /// Who may come in by a user name token in the SOAP header.
    #[serde(default)]
    pub ws_security: Option<WsSecurity>,
    /// What messages look like.
    #[serde(default)]
    pub style: Style,
    /// What of a message is stored and decoded.
    #[serde(default)]
    pub content: ContentOf,
    /// What is answered once the message is committed. Default: `reply` for IEC 61968-100, else
    /// `none`.
    #[serde(default)]
    pub answer: Option<Answer>,
    /// File with the document of `answer = "document"`, a template: `{message_id}` is the hub's id,
    /// `{source_name}` the partner's, `{subject}` the operation, `{created:%Y-%m-%dT%H:%M:%SZ}` now.
    #[serde(default)]
    pub answer_document: Option<PathBuf>,
    /// Namespace of the replies of IEC 61968-100.
    #[serde(default = "usual_message_namespace")]
    pub message_namespace: String,
    /// The id that a message is known by.
    #[serde(default)]
    pub business_key: BusinessKey,
    /// Element of the SOAP header with the id that a message is known by, as `{namespace}name`. Goes
    /// before `business_key`.
    #[serde(default)]
    pub key_element: Option<String>,
    /// What becomes of binary parts (MTOM).
    #[serde(default)]
    pub mtom: Mtom,
    /// What may be called. Others are refused; empty: anything goes, and the description has one
    /// operation that says so.
    #[serde(default)]
    pub operations: Vec<Operation>,
    /// Name of the service in its description. Default: the source's.
    #[serde(default)]
    pub service_name: Option<String>,
    /// Namespace of the description.
    #[serde(default = "usual_target_namespace")]
    pub target_namespace: String,
    /// XML schemas of the operations' elements, one file each. Elements without a schema are
    /// described as anything.
    #[serde(default)]
    pub schemas: Vec<PathBuf>,
    /// The service's address in its description, where partners see another than the hub does, as behind
    /// a proxy that speaks TLS for it. Default: as it was asked for.
    #[serde(default)]
    pub public_url: Option<String>,
}

/// User name tokens.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WsSecurity {
    /// Who may come in.
    pub users: Vec<WsUser>,
    /// How passwords may be sent.
    #[serde(default)]
    pub password: PasswordKind,
    /// How old a token may be, in seconds. For so long its nonce is remembered, also over a restart.
    #[serde(default = "usual_window_seconds")]
    pub window_seconds: u32,
    /// How much a sender's clock may differ, in seconds.
    #[serde(default = "usual_skew_seconds")]
    pub clock_skew_seconds: u32,
    /// Most nonces that are remembered. When there are so many, senders are asked to wait.
    #[serde(default = "usual_nonces")]
    pub max_nonces: usize,
}

/// A user and where the password is.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WsUser {
    /// User name.
    pub user: String,
    /// The password.
    pub password: Secret,
}

/// How a password is sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PasswordKind {
    /// As `PasswordDigest`, with nonce and time.
    #[default]
    Digest,
    /// As `PasswordText`. Without a nonce, which it need not have, nothing tells a replay.
    Text,
    /// Either.
    Any,
}

/// What messages look like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum Style {
    /// A document, as SAP's services have it.
    #[default]
    #[serde(rename = "document")]
    Document,
    /// A message with `Header` and `Payload`.
    #[serde(rename = "iec61968-100")]
    Iec,
}

/// What of a message is stored and decoded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ContentOf {
    /// The element in the `Body`, the whole message.
    #[default]
    Body,
    /// The document in the `Payload` of an IEC 61968-100 message. `Compressed` is unpacked.
    Payload,
}

/// What is answered once a message is committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// 202 without a body: for one-way operations.
    None,
    /// 200 with an empty `Body`.
    Empty,
    /// 200 with a `ResponseMessage` of IEC 61968-100: `OK`, in reply to the message's id.
    Reply,
    /// 200 with the document of `answer_document`.
    Document,
}

/// The id that a message is known by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BusinessKey {
    /// `Header/MessageID` of IEC 61968-100, else `MessageID` of WS-Addressing, else the content.
    #[default]
    MessageId,
    /// The content: for partners whose resends have new ids.
    Content,
}

/// What becomes of binary parts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mtom {
    /// They take their places in the document, as base64.
    #[default]
    Inline,
    /// The one that the document refers to is the message: a zip or CSV. The document is dropped.
    Attachment,
}

/// Something that may be called.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Operation {
    /// Its name: letters, digits, `_`, `-`, `.`.
    pub name: String,
    /// The element in the `Body`, as `{namespace}name`.
    pub element: String,
    /// Its `SOAPAction`. Default: the namespace and the name.
    #[serde(default)]
    pub action: Option<String>,
    /// The element that answers, as `{namespace}name`. Default: of the replies of IEC 61968-100
    /// `ResponseMessage`; else none is described.
    #[serde(default)]
    pub answer_element: Option<String>,
}

fn usual_door() -> DoorConfig {
    DoorConfig {
        bearer: Vec::new(),
        basic: Vec::new(),
        query_tokens: Vec::new(),
        client_certificates: Vec::new(),
        insecure_allow_anonymous: false,
        max_body_bytes: DoorConfig::usual_max_body_bytes(),
        request_timeout_seconds: DoorConfig::usual_request_timeout_seconds(),
        idle_timeout_seconds: DoorConfig::usual_idle_timeout_seconds(),
        max_in_flight: DoorConfig::usual_max_in_flight(),
        rate_limit: None,
    }
}

fn usual_message_namespace() -> String {
    crate::names::MESSAGE.to_owned()
}

fn usual_target_namespace() -> String {
    "urn:meterhub:soap".to_owned()
}

fn usual_window_seconds() -> u32 {
    300
}

fn usual_skew_seconds() -> u32 {
    60
}

fn usual_nonces() -> usize {
    100_000
}

impl SoapSourceConfig {
    /// What is answered.
    pub(crate) fn answer(&self) -> Answer {
        self.answer.unwrap_or(match self.style {
            Style::Iec => Answer::Reply,
            Style::Document => Answer::None,
        })
    }

    fn validate_security(&self, problems: &mut Vec<ConfigProblem>) {
        let Some(security) = &self.ws_security else {
            return;
        };
        let mut error = |key: &str, reason: String| {
            problems.push(ConfigProblem::error(&format!("ws_security.{key}"), reason));
        };
        if security.users.is_empty() {
            error("users", "is empty: nobody could post".to_owned());
        }
        let mut names: Vec<&str> = security.users.iter().map(|u| u.user.as_str()).collect();
        names.sort_unstable();
        if names.iter().any(|name| name.is_empty()) || names.windows(2).any(|w| w[0] == w[1]) {
            error("users", "has an empty or a double name".to_owned());
        }
        if !(1..=86_400).contains(&security.window_seconds) {
            let seconds = security.window_seconds;
            error(
                "window_seconds",
                format!("is {seconds}, expected 1 to 86400"),
            );
        }
        if security.clock_skew_seconds > 3_600 {
            let seconds = security.clock_skew_seconds;
            error(
                "clock_skew_seconds",
                format!("is {seconds}, expected 0 to 3600"),
            );
        }
        if !(1..=MOST_NONCES).contains(&security.max_nonces) {
            let count = security.max_nonces;
            error(
                "max_nonces",
                format!("is {count}, expected 1 to {MOST_NONCES}"),
            );
        }
    }

    fn validate_messages(&self, problems: &mut Vec<ConfigProblem>) {
        let mut error = |key: &str, reason: &str| problems.push(ConfigProblem::error(key, reason));
        if self.style == Style::Document && self.content == ContentOf::Payload {
            error(
                "content",
                "is `payload`, which only `style = \"iec61968-100\"` has",
            );
        }
        if self.style == Style::Document && self.answer() == Answer::Reply {
            error(
                "answer",
                "is `reply`, which only `style = \"iec61968-100\"` has",
            );
        }
        if (self.answer() == Answer::Document) != self.answer_document.is_some() {
            error(
                "answer_document",
                "belongs to `answer = \"document\"`; give both or none",
            );
        }
        let is_name = |text: &str| qualified(text).is_some();
        if self
            .key_element
            .as_deref()
            .is_some_and(|text| !is_name(text))
        {
            error("key_element", "is no `{namespace}name`");
        }
        for operation in &self.operations {
            if !is_ncname(&operation.name) {
                error(
                    "operations.name",
                    "is no name: letters, digits, `_`, `-` and `.`",
                );
            }
            if !is_name(&operation.element)
                || operation
                    .answer_element
                    .as_deref()
                    .is_some_and(|text| !is_name(text))
            {
                error("operations.element", "is no `{namespace}name`");
            }
        }
        if self
            .service_name
            .as_deref()
            .is_some_and(|name| !is_ncname(name))
        {
            error(
                "service_name",
                "is no name: letters, digits, `_`, `-` and `.`",
            );
        }
    }
}

/// A name as `{namespace}name`.
pub(crate) fn qualified(text: &str) -> Option<(&str, &str)> {
    let (namespace, local) = text.strip_prefix('{')?.split_once('}')?;
    is_ncname(local).then_some((namespace, local))
}

/// Whether it can be a name in XML. Letters of all scripts could; these are enough.
pub(crate) fn is_ncname(text: &str) -> bool {
    let is_first = |c: char| c.is_ascii_alphabetic() || c == '_';
    let is_other = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    text.chars().next().is_some_and(is_first) && text.chars().all(is_other)
}

fn disconnected(context: &AdapterContext, reason: String) -> SourceError {
    SourceError::Disconnected {
        endpoint: context.name.clone(),
        reason,
    }
}

#[async_trait]
impl SourceConfig for SoapSourceConfig {
    const KIND: &'static str = "soap";

    fn example() -> &'static str {
        r#"style = "iec61968-100"
content = "payload"
target_namespace = "http://iec.ch/TC57/2011/MeterReadings"
ws_security = { users = [{ user = "hes-north", password = "env:HES_NORTH_PASSWORD" }], password = "digest", window_seconds = 300 }
operations = [
  { name = "CreatedMeterReadings", element = "{http://iec.ch/TC57/2011/MeterReadingsMessage}CreatedMeterReadings", action = "http://iec.ch/TC57/2011/MeterReadings/CreatedMeterReadings" },
]
"#
    }

    fn metrics() -> &'static [Metric] {
        &crate::security::METRICS
    }

    fn validate(&self) -> Vec<ConfigProblem> {
        let mut problems = Vec::new();
        self.door
            .validate("door", self.ws_security.is_some(), &mut problems);
        if self.ws_security.is_some() && self.door.insecure_allow_anonymous {
            let reason = "contradicts `ws_security`: whoever sends an `Authorization` header would \
                          come in; take one of the two away";
            problems.push(ConfigProblem::error(
                "door.insecure_allow_anonymous",
                reason,
            ));
        }
        self.validate_security(&mut problems);
        self.validate_messages(&mut problems);
        problems
    }

    fn has_door(&self) -> bool {
        true
    }

    async fn check(&self, context: &AdapterContext) -> Result<(), SourceError> {
        self.door.check(context)?;
        let service = Service::new(self, context).await;
        service
            .map(drop)
            .map_err(|reason| disconnected(context, reason))
    }

    async fn connect(&self, context: &AdapterContext) -> Result<Box<dyn Source>, SourceError> {
        let service = Service::new(self, context).await;
        let service = service.map_err(|reason| {
            context.shared.get::<hub_web::Doors>().fail(&context.name);
            disconnected(context, reason)
        })?;
        let door = self.door.open(SOAP, Arc::new(service), context)?;
        Ok(Box::new(door))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(toml: &str) -> Vec<ConfigProblem> {
        toml::from_str::<SoapSourceConfig>(toml).unwrap().validate()
    }

    #[test]
    fn the_example_is_valid() {
        assert_eq!(problems(SoapSourceConfig::example()), []);
    }

    #[test]
    fn somebody_must_be_able_to_come_in() {
        assert_eq!(problems("")[0].key, "door.bearer");
        assert_eq!(problems("door = { bearer = ['env:T'] }"), []);
        let found = problems("ws_security = { users = [] }");
        assert_eq!(found[0].key, "ws_security.users");
    }

    #[test]
    fn wrong_values_are_errors() {
        let found = problems(
            "content = 'payload'\nanswer = 'reply'\nanswer_document = 'a.xml'\n\
             key_element = 'name'\nservice_name = 'a b'\n\
             operations = [{ name = '1', element = 'x' }]\n\
             [ws_security]\nusers = [{ user = 'a', password = 'env:A' }, { user = 'a', password = 'env:A' }]\n\
             window_seconds = 0\nclock_skew_seconds = 99999\nmax_nonces = 0",
        );
        let keys: Vec<&str> = found.iter().map(|p| p.key.as_str()).collect();
        let expected = [
            "ws_security.users",
            "ws_security.window_seconds",
            "ws_security.clock_skew_seconds",
            "ws_security.max_nonces",
            "content",
            "answer",
            "answer_document",
            "key_element",
            "operations.name",
            "operations.element",
            "service_name",
        ];
        assert_eq!(keys, expected);
    }
}
