//! Configuration of a gateway that takes texts by HTTP.

use std::collections::BTreeMap;
use std::path::PathBuf;

use async_trait::async_trait;
use hub_core::{AdapterContext, ConfigProblem, Metric, Secret, Sink, SinkConfig, SinkError};
use hub_names::MessageTemplate;
use hub_web::{Auth, BasicCredential, ClientOptions, NoAnswer, WebServer};
use regex::Regex;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::check_range;
use super::rules::{DailyLimit, Price, QuietHours, Tables};
use crate::address;
use crate::cutting::{Cutting, NotInGsm7};
use crate::gateway::answer::{Ids, Means, Rule};
use crate::gateway::charset::charset;
use crate::gateway::request::{Body, Json, Request};
use crate::gateway::sink::GatewaySink;
use crate::gateway::words::{self, is_free};
use crate::metrics::OF_SINKS;
use crate::outgoing::check_validity;
use crate::rules::OptOut;

/// Sends text messages (SMS) by a gateway's web service, with a request of its own form.
///
/// The body of a message is the same JSON that the `sms` sink takes, so one may fall over to the
/// other: `{"to": "+37255500001", "text": "..."}`, with `from`, `valid_minutes` and `transactional`
/// if wanted. Quiet hours, prices, the daily limit and the opt-out list are the same too.
///
/// In the braces of a template: `to` (`+37255500001`), `to_digits` (without `+`), `from` (the
/// message's, or `sender`), `text`, `valid_minutes` (may be empty), `parts` (in how many the text will
/// go), `coding` (`0` where GSM 03.38 has all of the text, else `2`, as Kannel wants it), the names
/// under `secrets`, and those of all templates: `message_id` (constant over all attempts),
/// `correlation_id`, `subject` (the business object), `subject_id` (its number alone), `source_name`,
/// `source_stem`, `route`, `enterprise`, `extension`, and `created:%Y-%m-%d` (UTC). A brace itself is
/// written twice. Values are encoded for the place where they stand; a parameter of `query` or of a
/// form whose value comes out empty is left out.
///
/// An answer means what its status says (see the `http` sink), unless one of `answers` fits. Where
/// the gateway answers with an id of its own, `reference` says where it is; receipts, which name it,
/// come in by an `sms_http` source with the same `gateway`. Where it answers with none (Kannel), let
/// it call back with `{message_id}`.
///
/// A text whose answer is lost is sent again, as nobody knows whether the gateway has it; one that
/// knows `message_id` from before can tell. Only what was answered is counted.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SmsHttpSinkConfig {
    /// What the gateway is called: the same in the source that takes its receipts.
    pub gateway: String,
    /// The sender that telephones show: `+` and a number, a short code, or a name of at most 11
    /// ASCII characters.
    pub sender: String,
    /// Where to; a template whose server is fixed.
    pub url: String,
    /// How.
    #[serde(default)]
    pub method: GatewayMethod,
    /// Parameters that are added to the URL: names, and templates of their values.
    #[serde(default)]
    pub query: BTreeMap<String, String>,
    /// Further headers. Credentials belong under `auth`.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// What is sent. Default: nothing, all is in the URL.
    #[serde(default)]
    pub body: Option<RequestBody>,
    /// Character set of parameters, forms and texts, as browsers name them. JSON is always UTF-8.
    #[serde(default = "utf_8")]
    pub charset: String,
    /// Secrets that templates may name, for gateways that want them as parameters.
    #[serde(default)]
    pub secrets: BTreeMap<String, Secret>,
    /// Answers that mean something else than their status says. The first that fits counts.
    #[serde(default)]
    pub answers: Vec<AnswerRule>,
    /// Where the gateway's id of the text is.
    #[serde(default)]
    pub reference: Reference,
    /// How long the gateway is to try, in minutes, if the message does not say.
    #[serde(default)]
    pub valid_minutes: Option<u32>,
    /// What becomes of a text with characters that GSM 03.38 has not, such as `ê` or `õ`.
    #[serde(default)]
    pub not_in_gsm7: NotInGsm7,
    /// Most parts that a text may need. Each is paid for. A longer text is refused.
    #[serde(default = "super::sink::max_segments")]
    pub max_segments: u8,
    /// When nothing is sent: what comes then waits.
    #[serde(default)]
    pub quiet_hours: Option<QuietHours>,
    /// How much may be sent in a day.
    #[serde(default)]
    pub daily_limit: Option<DailyLimit>,
    /// What a part costs: noted with each delivery, and summed by local day and month.
    #[serde(default)]
    pub price: Option<Price>,
    /// Which texts those get who opted out (see the sources' `stop_words`).
    #[serde(default)]
    pub opt_out: OptOut,
    /// Who we are.
    #[serde(default)]
    pub auth: Option<Auth>,
    /// Longest wait for a connection, in seconds.
    #[serde(default = "WebServer::usual_connect_timeout_seconds")]
    pub connect_timeout_seconds: u64,
    /// Longest wait for the answer, in seconds.
    #[serde(default = "WebServer::usual_timeout_seconds")]
    pub timeout_seconds: u64,
    /// Send texts and credentials in the clear. Without it, `http:` is possible to this machine only.
    #[serde(default)]
    pub insecure_allow_plain_http: bool,
    /// File of further certificate authorities to trust, in PEM.
    #[serde(default)]
    pub ca_certificates: Option<PathBuf>,
    /// Our own certificate and its private key, in one PEM: `file:client.pem`.
    #[serde(default)]
    pub client_certificate: Option<Secret>,
    /// Proxy to go through. Proxies named in the environment are not used.
    #[serde(default)]
    pub proxy: Option<String>,
    /// Who we are to the proxy, if it asks.
    #[serde(default)]
    pub proxy_auth: Option<BasicCredential>,
}

/// How a gateway is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum GatewayMethod {
    /// `GET`.
    Get,
    /// `POST`.
    #[default]
    Post,
    /// `PUT`.
    Put,
}

/// What is sent to a gateway.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RequestBody {
    /// A form: names, and templates of their values.
    Form(BTreeMap<String, String>),
    /// JSON, whose texts are templates.
    Json(Value),
    /// Anything else.
    Text(TextBody),
}

/// A body that is neither form nor JSON.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TextBody {
    /// Its template. If `content_type` is XML or HTML, values are escaped; else they stand in it as
    /// they are.
    pub template: String,
    /// Its media type.
    pub content_type: String,
}

/// An answer that means something else than its status says.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AnswerRule {
    /// Its status is one of these. Default: any.
    #[serde(default)]
    pub statuses: Vec<u16>,
    /// Its body holds a match of this regular expression. Default: any.
    #[serde(default)]
    pub body: Option<String>,
    /// What it means.
    pub means: Means,
}

/// Where the gateway's id of a text is.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reference {
    /// It uses ours, `{message_id}`.
    #[default]
    MessageId,
    /// In a JSON answer, at this JSON pointer, in which `*` stands for each element of a list:
    /// `/messages/*/id`.
    Json(String),
    /// Where this regular expression matches: its first group, or all of it; each match is an id.
    Pattern(String),
}

fn utf_8() -> String {
    "utf-8".to_owned()
}

/// A regular expression.
fn regex(pattern: &str) -> Result<Regex, String> {
    // Its report draws the pattern over several lines; the last says what is wrong.
    let wrong = |error: regex::Error| {
        let text = error.to_string();
        let last = text.lines().last().unwrap_or_default();
        format!("`{pattern}` is no regular expression: {}", last.trim())
    };
    Regex::new(pattern).map_err(wrong)
}

impl SmsHttpSinkConfig {
    fn template(&self, text: &str) -> Result<MessageTemplate, String> {
        words::template(text, self.secrets.keys())
    }

    fn pairs(
        &self,
        fields: &BTreeMap<String, String>,
    ) -> Result<Vec<(String, MessageTemplate)>, String> {
        let fields = fields.iter();
        let fields = fields.map(|(name, text)| {
            let template = self.template(text);
            let template = template.map_err(|reason| format!("of `{name}` {reason}"))?;
            Ok((name.clone(), template))
        });
        fields.collect()
    }

    /// The part of the URL that no value stands in: scheme, server and port at least.
    fn base(&self) -> Result<&str, String> {
        let fixed = self.url.split('{').next().unwrap_or_default();
        let path = fixed.split_once("://").map_or("", |(_, rest)| rest);
        match fixed == self.url || path.contains('/') {
            true => Ok(fixed),
            false => Err(
                "has braces in its server, expected such as `https://sms.example/{to}`".to_owned(),
            ),
        }
    }

    /// The server, whose keys stand in this table.
    fn server(&self) -> WebServer {
        WebServer {
            url: self.base().unwrap_or_default().to_owned(),
            auth: self.auth.clone(),
            connect_timeout_seconds: self.connect_timeout_seconds,
            timeout_seconds: self.timeout_seconds,
            insecure_allow_plain_http: self.insecure_allow_plain_http,
            ca_certificates: self.ca_certificates.clone(),
            client_certificate: self.client_certificate.clone(),
            proxy: self.proxy.clone(),
            proxy_auth: self.proxy_auth.clone(),
        }
    }

    fn static_headers(&self) -> Result<HeaderMap, String> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let parsed = HeaderName::try_from(name.as_str());
            let parsed = parsed.map_err(|_| format!("`{name}` is no header name"))?;
            let value = HeaderValue::try_from(value);
            let value =
                value.map_err(|_| format!("`{name}` holds characters that no header can carry"))?;
            headers.insert(parsed, value);
        }
        Ok(headers)
    }

    fn request_body(&self) -> Result<Option<Body>, String> {
        Ok(match &self.body {
            None => None,
            Some(RequestBody::Form(fields)) => Some(Body::Form(self.pairs(fields)?)),
            Some(RequestBody::Json(value)) => {
                let template = |text: &str| self.template(text);
                Some(Body::Json(Json::parse(value, &template)?))
            }
            Some(RequestBody::Text(text)) => {
                let kind = HeaderValue::try_from(&text.content_type);
                kind.map_err(|_| format!("`{}` is no media type", text.content_type))?;
                let template = self.template(&text.template)?;
                Some(Body::Text(template, text.content_type.clone()))
            }
        })
    }

    fn request(&self) -> Result<Request, (&'static str, String)> {
        Ok(Request {
            method: match self.method {
                GatewayMethod::Get => reqwest::Method::GET,
                GatewayMethod::Post => reqwest::Method::POST,
                GatewayMethod::Put => reqwest::Method::PUT,
            },
            url: self
                .base()
                .and_then(|_| self.template(&self.url))
                .map_err(|r| ("url", r))?,
            query: self.pairs(&self.query).map_err(|r| ("query", r))?,
            headers: self.static_headers().map_err(|r| ("headers", r))?,
            body: self.request_body().map_err(|r| ("body", r))?,
            charset: charset(&self.charset).map_err(|r| ("charset", r))?,
        })
    }

    fn answer_rules(&self) -> Result<Vec<Rule>, String> {
        let rules = self.answers.iter();
        let rules = rules.map(|rule| {
            if rule.statuses.is_empty() && rule.body.is_none() {
                return Err(
                    "has a rule that fits every answer, expected `statuses` or `body`".to_owned(),
                );
            }
            Ok(Rule {
                statuses: rule.statuses.clone(),
                body: rule.body.as_deref().map(regex).transpose()?,
                means: rule.means,
            })
        });
        rules.collect()
    }

    fn ids(&self) -> Result<Ids, String> {
        Ok(match &self.reference {
            Reference::MessageId => Ids::MessageId,
            Reference::Json(pointer) if pointer.starts_with('/') => Ids::Json(pointer.clone()),
            Reference::Json(pointer) => {
                return Err(format!(
                    "`{pointer}` is no JSON pointer, expected such as `/id`"
                ));
            }
            Reference::Pattern(pattern) => Ids::Pattern(regex(pattern)?),
        })
    }

    fn tables(&self) -> Tables<'_> {
        Tables {
            quiet_hours: self.quiet_hours.as_ref(),
            daily_limit: self.daily_limit.as_ref(),
            price: self.price.as_ref(),
            opt_out: self.opt_out,
            max_segments: self.max_segments,
        }
    }

    fn sink(&self, context: &AdapterContext) -> Result<GatewaySink, String> {
        let secrets = self.secrets.iter();
        let secrets = secrets.map(|(name, secret)| {
            let secret = secret.resolve(&context.base_dir);
            Ok((name.clone(), secret.map_err(|error| error.to_string())?))
        });
        let sender = address::sender(&self.sender);
        Ok(GatewaySink {
            gateway: self.gateway.clone(),
            client: self.server().client(context)?,
            request: self
                .request()
                .map_err(|(key, reason)| format!("`{key}` {reason}"))?,
            secrets: secrets.collect::<Result<_, String>>()?,
            sender: sender.map_err(|reason| format!("`sender` {reason}"))?,
            valid_minutes: self.valid_minutes,
            answers: self.answer_rules()?,
            ids: self.ids()?,
            cutting: Cutting {
                not_in_gsm7: self.not_in_gsm7,
                max_segments: self.max_segments,
            },
            rules: self.tables().rules(context)?,
        })
    }
}

/// Whether a gateway may be called so.
pub(super) fn check_gateway(name: &str, problems: &mut Vec<ConfigProblem>) {
    let is_name = |b: u8| b.is_ascii_graphic() && b != b'/';
    if !(1..=64).contains(&name.len()) || !name.bytes().all(is_name) {
        let reason = "is no name, expected 1 to 64 printable ASCII characters without `/`";
        problems.push(ConfigProblem::error("gateway", reason));
    }
}

fn unavailable(context: &AdapterContext, reason: String) -> SinkError {
    let endpoint = context.name.clone();
    NoAnswer { endpoint, reason }.into()
}

#[async_trait]
impl SinkConfig for SmsHttpSinkConfig {
    const KIND: &'static str = "sms_http";

    fn example() -> &'static str {
        r#"gateway = "kannel"
sender = "Nordkraft"
url = "https://kannel.example/cgi-bin/sendsms"
method = "GET"
secrets = { password = "env:KANNEL_PASSWORD", token = "env:CALLBACK_TOKEN" }
answers = [{ statuses = [202], body = "^3: Queued", means = "accepted" }]
price = { per_part = "0.045", currency = "EUR" }
query.username = "nordkraft"
query.password = "{password}"
query.from = "{from}"
query.to = "{to}"
query.text = "{text}"
query.charset = "UTF-8"
query.coding = "{coding}"
query.validity = "{valid_minutes}"
query.dlr-mask = "31"
query.dlr-url = "https://hub.example/api/v1/callbacks/kannel?token={token}&id={message_id}&type=%d"
"#
    }

    fn metrics() -> &'static [Metric] {
        OF_SINKS
    }

    fn validate(&self) -> Vec<ConfigProblem> {
        let mut problems = Vec::new();
        check_gateway(&self.gateway, &mut problems);
        let server = self.server();
        match self.base() {
            Ok(base) => server.validate_url("url", base, &mut problems),
            Err(reason) => problems.push(ConfigProblem::error("url", reason)),
        }
        server.validate_rest("", &mut problems);
        let mut error = |key: &str, reason: String| {
            problems.push(ConfigProblem::error(key, reason));
        };
        if let Err(reason) = address::sender(&self.sender) {
            error("sender", reason.to_owned());
        }
        if let Some(name) = self.secrets.keys().find(|name| !is_free(name)) {
            error(
                "secrets",
                format!(
                    "`{name}` is a word of its own, or no name: expected small letters, digits and `_`"
                ),
            );
        }
        match self.request() {
            Err((key, reason)) if key != "url" || self.base().is_ok() => error(key, reason),
            _ => {}
        }
        if let Err(reason) = self.answer_rules() {
            error("answers", reason);
        }
        if let Err(reason) = self.ids() {
            error("reference", reason);
        }
        if let Some(Err(reason)) = self.valid_minutes.map(check_validity) {
            error("valid_minutes", reason);
        }
        let segments = u64::from(self.max_segments);
        check_range("max_segments", segments, 1..=255, &mut problems);
        self.tables().validate(&mut problems);
        problems
    }

    async fn check(&self, context: &AdapterContext) -> Result<(), SinkError> {
        let sink = self.sink(context);
        sink.map_err(|reason| unavailable(context, reason))?;
        // Only connected to: a gateway may take any request for a text, and charge for it.
        let server = self.server();
        server
            .check(ClientOptions::default(), None, context)
            .await?;
        Ok(())
    }

    async fn connect(&self, context: &AdapterContext) -> Result<Box<dyn Sink>, SinkError> {
        match self.sink(context) {
            Ok(sink) => Ok(Box::new(sink)),
            Err(reason) => Err(unavailable(context, reason)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(toml: &str) -> Vec<ConfigProblem> {
        toml::from_str::<SmsHttpSinkConfig>(toml)
            .unwrap()
            .validate()
    }

    #[test]
    fn the_example_is_valid() {
        assert_eq!(problems(SmsHttpSinkConfig::example()), []);
    }

    #[test]
    fn bodies_have_three_forms() {
        for body in [
            "body = { form = { To = '{to}', Body = '{text}' } }",
            "body = { json = { messages = [{ to = '{to}', text = '{text}', flash = false, priority = 1 }] } }",
            "body = { text = { template = '<sms to=\"{to_digits}\"/>', content_type = 'text/xml' } }",
        ] {
            let sink = "gateway = 'g'\nsender = '12345'\nurl = 'https://sms.example/send'\n";
            assert_eq!(problems(&format!("{sink}{body}")), [], "{body}");
            let wrong = body.replace("{to", "{wrong");
            assert_eq!(problems(&format!("{sink}{wrong}"))[0].key, "body");
        }
    }

    #[test]
    fn wrong_values_are_errors() {
        let found = problems(
            "gateway = 'a/b'\nsender = 'far too long name'\nurl = 'https://{to}.example'\n\
             query = { to = '{to' }\nsecrets = { text = 'env:X' }\nanswers = [{ means = 'retry' }]\n\
             reference = { pattern = '(' }\nmax_segments = 0\ncharset = 'utf-8'\nopt_out = 'ignore'",
        );
        let keys: Vec<&str> = found.iter().map(|p| p.key.as_str()).collect();
        let expected = [
            "gateway",
            "url",
            "sender",
            "secrets",
            "answers",
            "reference",
            "max_segments",
            "opt_out",
        ];
        assert_eq!(keys, expected);
        let plain = problems("gateway = 'g'\nsender = '12345'\nurl = 'http://sms.example/'");
        assert!(plain[0].reason.contains("not encrypted"), "{plain:?}");
    }
}
