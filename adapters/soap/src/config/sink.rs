//! Configuration of a SOAP sink.

use async_trait::async_trait;
use hub_core::{AdapterContext, ConfigProblem, Secret, Sink, SinkConfig, SinkError};
use hub_web::WebServer;
use reqwest::Url;
use schemars::JsonSchema;
use serde::Deserialize;

use super::qualified;
use crate::call::{SoapSink, check};

/// Calls a partner's web service: one SOAP request per message, its answer judged.
///
/// The message's document stands in the `Body`, or, with `iec`, in the `Payload` of a message of IEC
/// 61968-100. It is checked to be well-formed before anything is sent. `MessageID` is the hub's id,
/// the same at every attempt. What is no XML can be sent as base64 (`base64_element`), in the envelope
/// or beside it (MTOM, `attachments`).
///
/// What an answer means: 2xx without a fault, sent. Fault `Client`/`Sender`, `VersionMismatch`,
/// `MustUnderstand`: refused. `Server`/`Receiver` and unknown codes: tried again. Faults of WS-Security
/// and 401, 403, 407: the endpoint is not available, whatever the message. A `Reply` of IEC 61968-100
/// counts too: `OK` is sent; `PARTIAL` is refused, with its errors, unless `accept_partial`; `FAILED` is
/// refused, unless one of its errors has a code of `retry_codes`. 2xx with something that is no SOAP
/// (a page to log in, say) is no yes.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SoapSinkConfig {
    /// The service.
    pub server: WebServer,
    /// Version of SOAP.
    #[serde(default)]
    pub version: SoapVersion,
    /// `SOAPAction` (1.1) or `action` (1.2). Default: the empty one.
    #[serde(default)]
    pub action: String,
    /// Who we are, by a user name token in the SOAP header.
    #[serde(default)]
    pub ws_security: Option<SoapUser>,
    /// Add `MessageID`, `To` and `Action` of WS-Addressing.
    #[serde(default)]
    pub addressing: bool,
    /// Put the document in a message of IEC 61968-100.
    #[serde(default)]
    pub iec: Option<SinkEnvelope>,
    /// Put the document into an element, as base64: for what is no XML. `{namespace}name`, or
    /// `{namespace}outer/inner` where the operation has one parameter.
    #[serde(default)]
    pub base64_element: Option<String>,
    /// How what stands in `base64_element` is sent.
    #[serde(default)]
    pub attachments: Attachments,
    /// Where answers may go: a message with a header `reply-to` (an answer of the hub's has one) is
    /// sent there if the address begins with one of these, `https://hes.example` say, and else
    /// refused. They are called with the credentials of `server`. Empty: all messages go to `server`.
    #[serde(default)]
    pub reply_to_origins: Vec<String>,
    /// Take a `PARTIAL` reply for a yes.
    #[serde(default)]
    pub accept_partial: bool,
    /// Codes of errors in a `FAILED` reply after which the message is tried again, `5.1` say, or `5`
    /// for all that begin so. What the codes mean is the partner's; as IEC 61968-9 has them, `3.2` (too
    /// many requests are pending), `4.1` (timed out), `5.1` (too busy) and `7.1` (authentication fails
    /// at the moment) pass.
    #[serde(default)]
    pub retry_codes: Vec<String>,
    /// What `meterhub check --connect` asks for. No operation is called, so a user name token is not
    /// tried; `auth` and certificates are.
    #[serde(default)]
    pub check: SoapCheck,
}

/// What is asked of a service to see whether it could be called.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SoapCheck {
    /// Its description, `?wsdl`. That it serves none is no trouble.
    #[default]
    WsdlIfServed,
    /// Its description, which it must serve.
    Wsdl,
    /// Nothing: name, connection, certificate and OAuth 2 token are tried.
    Connection,
}

/// How binary content is sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Attachments {
    /// In the envelope, as base64.
    #[default]
    Inline,
    /// Beside the envelope as it is (MTOM): the element refers to it by `xop:Include`. A third shorter.
    Mtom,
}

/// A version of SOAP.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum SoapVersion {
    /// SOAP 1.1.
    #[default]
    #[serde(rename = "1.1")]
    V11,
    /// SOAP 1.2.
    #[serde(rename = "1.2")]
    V12,
}

/// A user name token.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SoapUser {
    /// User name.
    pub user: String,
    /// The password.
    pub password: Secret,
    /// Send the password itself, not its digest. TLS must protect it.
    #[serde(default)]
    pub insecure_password_text: bool,
}

/// A message of IEC 61968-100.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SinkEnvelope {
    /// The element in the `Body`, as `{namespace}name`.
    pub element: String,
    /// `Verb`.
    pub verb: String,
    /// `Noun`.
    pub noun: String,
    /// `Source`: who we are.
    #[serde(default = "usual_source")]
    pub source: String,
    /// `Revision`.
    #[serde(default)]
    pub revision: Option<String>,
    /// Namespace of what is in the header.
    #[serde(default = "usual_namespace")]
    pub namespace: String,
    /// `ReplyAddress`: where we take an answer that comes later. Sets `AsyncReplyFlag`.
    #[serde(default)]
    pub reply_address: Option<String>,
}

fn usual_source() -> String {
    "meterhub".to_owned()
}

fn usual_namespace() -> String {
    crate::names::MESSAGE.to_owned()
}

/// The element, and the one in it if there is one.
pub(crate) fn nested(text: &str) -> Option<(&str, &str, Option<&str>)> {
    let (outer, inner) = match text.rsplit_once('/') {
        Some((outer, inner)) if qualified(outer).is_some() => (outer, Some(inner)),
        _ => (text, None),
    };
    let (namespace, local) = qualified(outer)?;
    match inner {
        Some(inner) if !super::is_ncname(inner) => None,
        inner => Some((namespace, local, inner)),
    }
}

impl SoapSinkConfig {
    fn sink(&self, context: &AdapterContext) -> Result<SoapSink, SinkError> {
        SoapSink::new(self, context).map_err(|reason| SinkError::Unavailable {
            endpoint: context.name.clone(),
            reason,
            retry_after: None,
            answered: false,
        })
    }
}

#[async_trait]
impl SinkConfig for SoapSinkConfig {
    const KIND: &'static str = "soap";

    fn example() -> &'static str {
        r#"version = "1.1"
action = "http://iec.ch/TC57/2011/MeterReadings/CreatedMeterReadings"
addressing = true
server = { url = "https://mdm.example/services/ReceiveMeterReadings", client_certificate = "file:secrets/hub.pem" }
ws_security = { user = "meterhub", password = "env:MDM_PASSWORD" }
iec = { element = "{http://iec.ch/TC57/2011/MeterReadingsMessage}CreatedMeterReadings", verb = "created", noun = "MeterReadings" }
"#
    }

    fn validate(&self) -> Vec<ConfigProblem> {
        let mut problems = Vec::new();
        self.server.validate("server", &mut problems);
        for origin in &self.reply_to_origins {
            self.server
                .validate_url("reply_to_origins", origin, &mut problems);
            if Url::parse(origin).is_ok_and(|url| url.path() != "/" || url.query().is_some()) {
                let reason = format!("`{origin}` has a path, expected scheme, host and port only");
                problems.push(ConfigProblem::error("reply_to_origins", reason));
            }
        }
        let mut error = |key: &str, reason: &str| problems.push(ConfigProblem::error(key, reason));
        if self.action.contains(['"', '\\']) || self.action.chars().any(char::is_control) {
            error("action", "holds quotes, backslashes or control characters");
        }
        if self
            .ws_security
            .as_ref()
            .is_some_and(|user| user.user.is_empty())
        {
            error("ws_security.user", "is empty");
        }
        if self
            .iec
            .as_ref()
            .is_some_and(|iec| qualified(&iec.element).is_none())
        {
            error("iec.element", "is no `{namespace}name`");
        }
        if self
            .base64_element
            .as_deref()
            .is_some_and(|text| nested(text).is_none())
        {
            error(
                "base64_element",
                "is no `{namespace}name` or `{namespace}outer/inner`",
            );
        }
        if self.attachments == Attachments::Mtom && self.base64_element.is_none() {
            error(
                "attachments",
                "`mtom` needs a `base64_element`, in which the reference stands",
            );
        }
        if self
            .ws_security
            .as_ref()
            .is_some_and(|user| user.insecure_password_text)
        {
            let reason = "the password itself is sent; its digest would do with most partners";
            let key = "ws_security.insecure_password_text";
            problems.push(ConfigProblem::warning(key, reason));
        }
        problems
    }

    async fn check(&self, context: &AdapterContext) -> Result<(), SinkError> {
        self.sink(context)?;
        Ok(check(self, context).await?)
    }

    async fn connect(&self, context: &AdapterContext) -> Result<Box<dyn Sink>, SinkError> {
        Ok(Box::new(self.sink(context)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(toml: &str) -> Vec<ConfigProblem> {
        toml::from_str::<SoapSinkConfig>(toml).unwrap().validate()
    }

    #[test]
    fn the_example_is_valid() {
        assert_eq!(problems(SoapSinkConfig::example()), []);
    }

    #[test]
    fn wrong_values_are_errors() {
        let found = problems(
            "action = 'a\"b'\nbase64_element = '{urn:x}a/b c'\nreply_to_origins = ['http://x', 'https://y/z']\n\
             [server]\nurl = 'https://x'\n[ws_security]\nuser = ''\npassword = 'env:P'\n\
             insecure_password_text = true\n[iec]\nelement = 'x'\nverb = 'created'\nnoun = 'X'",
        );
        let keys: Vec<&str> = found.iter().map(|p| p.key.as_str()).collect();
        let expected = [
            "reply_to_origins",
            "reply_to_origins",
            "action",
            "ws_security.user",
            "iec.element",
            "base64_element",
            "ws_security.insecure_password_text",
        ];
        assert_eq!(keys, expected);
    }

    #[test]
    fn what_goes_beside_the_envelope_is_referred_to_in_it() {
        let found = problems("attachments = 'mtom'\nserver = { url = 'https://x' }");
        assert_eq!(found[0].key, "attachments");
        let right =
            "attachments = 'mtom'\nbase64_element = '{urn:x}a/b'\nserver = { url = 'https://x' }";
        assert_eq!(problems(right), []);
    }

    #[test]
    fn elements_may_be_nested() {
        assert_eq!(nested("{urn:a/b}X"), Some(("urn:a/b", "X", None)));
        assert_eq!(nested("{urn:a/b}X/y"), Some(("urn:a/b", "X", Some("y"))));
        assert_eq!(nested("X/y"), None);
    }
}
