//! Configuration of a mail sink.

use async_trait::async_trait;
use hub_core::{AdapterContext, ConfigProblem, Metric, Sink, SinkConfig, SinkError};
use hub_names::{MessageTemplate, Template};
use lettre::message::header::ContentType;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use crate::compose::Composer;
use crate::config::Server;
use crate::progress::Progress;
use crate::sink::{MailSink, error};
use crate::sms;
use crate::smtp::{Dialer, Trouble, leave};

/// Most connections: beyond, servers take us for a flood.
const MOST_CONNECTIONS: usize = 32;

/// Largest body that a mail may carry: it is in memory several times while it is encoded.
const LARGEST_BODY: u64 = 100 * 1024 * 1024;

/// Most recipients of one message; servers need not take more in a transaction (RFC 5321, 4.5.3.1.8).
const MOST_RECIPIENTS: usize = 100;

/// Mails each message to people or to a partner's mailbox, by SMTP.
///
/// All recipients are asked for in one transaction, in which the server answers for each of them.
/// Those who accepted are remembered, so that a message that is tried again goes to the others
/// only:
///
/// | the server says | what follows |
/// | --- | --- |
/// | 250 for all | delivered |
/// | 4xx for a recipient, or for the mail | tried again, for those recipients only |
/// | 5xx for a recipient, or for the mail | parked with the server's words, once no other recipient is open |
/// | 421 | the whole endpoint pauses |
/// | 530, 534, 535, 538, a login that fails, no STARTTLS | tried again: the endpoint's trouble, not the message's |
/// | no connection, a wrong certificate, no answer in time | tried again |
///
/// Servers that put mails off want minutes, not milliseconds: give such a sink a slower `retry`.
///
/// That is remembered over a restart of the hub too, and where a delivery falls over from one mail
/// sink to another. If the connection or the hub breaks before the server's last answer is stored, a
/// mail may come twice: with the same Message-ID, and the same byte for byte.
///
/// Each mail has the Message-ID `<message_id@domain of from>` and is a part of the thread
/// (`References`) of the incoming message that caused it; both ids are also in
/// `X-Meterhub-Message-Id` and `X-Meterhub-Correlation-Id`.
///
/// In the braces of a template: `message_id`, `correlation_id`, `subject` (the business object),
/// `subject_id` (its number alone), `source_name`, `source_stem`, `route`, `enterprise`, `extension`,
/// and `created:%Y-%m-%d` (UTC); with `body = "sms"` also `to`, `from` and `text`. A brace itself is
/// written twice.
///
/// Where texts (SMS) go that no telephone took, let an `sms` or `sms_http` sink fall over to one with
/// `body = "sms"`: what the telephone would have shown is what the mail says.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MailSinkConfig {
    /// The SMTP server.
    pub server: Server,
    /// Template of the sender: `Nordkraft <hub@nordkraft.example>`. Trouble that shows later is
    /// mailed there.
    pub from: String,
    /// Templates of the recipients, an address each.
    pub to: Vec<String>,
    /// Templates of those who get a copy.
    #[serde(default)]
    pub cc: Vec<String>,
    /// Template of the address that answers go to.
    #[serde(default)]
    pub reply_to: Option<String>,
    /// Template of the subject.
    #[serde(default = "subject")]
    pub subject: String,
    /// Template of the text that is read. Default: none; with `body = "sms"`, `{text}`.
    #[serde(default)]
    pub text: Option<String>,
    /// Template of the same text in HTML. What stands for a value is escaped.
    #[serde(default)]
    pub html: Option<String>,
    /// Where the body of the message is.
    #[serde(default)]
    pub body: BodyPlace,
    /// Template of the attachment's file name.
    #[serde(default = "attachment_name")]
    pub attachment_name: String,
    /// Media type of the body. Default: the format's.
    #[serde(default)]
    pub media_type: Option<String>,
    /// Largest body, in bytes; a larger one is refused. In a mail it is a third longer, and the
    /// server has a limit too.
    #[serde(default = "max_body_bytes")]
    pub max_body_bytes: u64,
    /// Connections at once, kept open between mails.
    #[serde(default = "connections")]
    pub connections: usize,
    /// What we call ourselves to the server. Default: this machine's name.
    #[serde(default)]
    pub hello_name: Option<String>,
}

/// Where the body of a message is in its mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BodyPlace {
    /// Attached to the text.
    #[default]
    Attachment,
    /// It is the text.
    Inline,
    /// It is an SMS as the sinks `sms` and `sms_http` take it, `{"to": "+37255500001", "text": "..."}`:
    /// nothing is attached, and templates may name its `to`, `from` and `text`. One that is none is
    /// refused.
    Sms,
}

impl BodyPlace {
    /// What templates may name beside the words of all.
    const fn words(self) -> &'static [&'static str] {
        match self {
            Self::Attachment | Self::Inline => &[],
            Self::Sms => &sms::WORDS,
        }
    }
}

fn subject() -> String {
    "{subject}".to_owned()
}

fn attachment_name() -> String {
    "{message_id}.{extension}".to_owned()
}

fn max_body_bytes() -> u64 {
    10 * 1024 * 1024
}

fn connections() -> usize {
    2
}

impl MailSinkConfig {
    /// How mails are made.
    ///
    /// # Errors
    /// The first template that cannot be read, with its key.
    pub(crate) fn composer(&self) -> Result<Composer, ConfigProblem> {
        let template = |key: &str, text: &str| {
            MessageTemplate::parse_with(text, self.body.words())
                .map_err(|reason| ConfigProblem::error(key, reason))
        };
        let optional = |key, text: &Option<String>| match text {
            Some(text) => template(key, text).map(Some),
            None => Ok(None),
        };
        let all = |key: &str, texts: &[String]| {
            let templates = texts.iter().map(|text| template(key, text));
            templates.collect::<Result<Vec<_>, _>>()
        };
        if let Some(Err(_)) = self.media_type.as_deref().map(ContentType::parse) {
            let reason = "is no media type, expected one such as `text/csv`";
            return Err(ConfigProblem::error("media_type", reason));
        }
        Ok(Composer {
            from: template("from", &self.from)?,
            to: all("to", &self.to)?,
            cc: all("cc", &self.cc)?,
            reply_to: optional("reply_to", &self.reply_to)?,
            subject: template("subject", &self.subject)?,
            text: optional("text", &self.readable_text())?,
            html: optional("html", &self.html)?,
            place: self.body,
            attachment_name: Template::parse(&self.attachment_name)
                .map_err(|reason| ConfigProblem::error("attachment_name", reason))?,
            media_type: self.media_type.clone(),
        })
    }

    /// Of an SMS, what it says.
    fn readable_text(&self) -> Option<String> {
        let usual = (self.body == BodyPlace::Sms).then(|| "{text}".to_owned());
        self.text.clone().or(usual)
    }

    fn dialer(&self, context: &AdapterContext) -> Result<Dialer, SinkError> {
        let endpoint = self.server.endpoint(context);
        endpoint
            .and_then(|endpoint| Dialer::new(endpoint, self.hello_name.as_deref()))
            .map_err(|reason| error(&context.name, Trouble::Silent(reason)))
    }

    fn validate_addresses(&self, problems: &mut Vec<ConfigProblem>) {
        let mut error = |key, reason: String| problems.push(ConfigProblem::error(key, reason));
        if self.to.is_empty() {
            error("to", "is empty: nobody would get the mail".to_owned());
        }
        let recipients = self.to.len() + self.cc.len();
        if recipients > MOST_RECIPIENTS {
            let reason =
                format!("and `cc` name {recipients} recipients, at most {MOST_RECIPIENTS}");
            error("to", reason);
        }
        let keyed = |key, texts: &[String]| texts.iter().map(|t| (key, t.clone())).collect();
        let lists: [Vec<(&str, String)>; 4] = [
            vec![("from", self.from.clone())],
            keyed("to", &self.to),
            keyed("cc", &self.cc),
            keyed("reply_to", self.reply_to.as_slice()),
        ];
        for (key, text) in lists.concat() {
            // With values in it, only a message shows whether it is an address.
            if !text.contains('{') && text.parse::<lettre::message::Mailbox>().is_err() {
                let reason = format!("`{text}` is no mail address, expected `name@domain`");
                error(key, reason);
            }
        }
    }
}

#[async_trait]
impl SinkConfig for MailSinkConfig {
    const KIND: &'static str = "mail";

    fn example() -> &'static str {
        r#"from = "Nordkraft <hub@nordkraft.example>"
to = ["dispatch@montage.example"]
subject = "Work order {subject}"
text = "Please find the work order attached. Answers to this address are read."
attachment_name = "{source_stem}_{message_id}.{extension}"
server.address = "smtp.nordkraft.example:587"
server.login = { user = "hub@nordkraft.example", password = "env:SMTP_PASSWORD" }
"#
    }

    fn metrics() -> &'static [Metric] {
        crate::metrics::OF_SINKS
    }

    fn validate(&self) -> Vec<ConfigProblem> {
        let mut problems = Vec::new();
        self.server.validate(&mut problems);
        self.validate_addresses(&mut problems);
        problems.extend(self.composer().err());
        let mut error = |key, reason: String| problems.push(ConfigProblem::error(key, reason));
        if self.body == BodyPlace::Inline && (self.text.is_some() || self.html.is_some()) {
            let reason = "is `inline`: the body is the text, `text` and `html` cannot be too";
            error("body", reason.to_owned());
        }
        if !(1..=LARGEST_BODY).contains(&self.max_body_bytes) {
            let reason = format!("is {}, expected 1 to {LARGEST_BODY}", self.max_body_bytes);
            error("max_body_bytes", reason);
        }
        if !(1..=MOST_CONNECTIONS).contains(&self.connections) {
            let reason = format!("is {}, expected 1 to {MOST_CONNECTIONS}", self.connections);
            error("connections", reason);
        }
        let is_host = |c: char| c.is_ascii_alphanumeric() || "-.[]:".contains(c);
        if let Some(name) = &self.hello_name
            && (name.is_empty() || !name.chars().all(is_host))
        {
            let reason = format!("is `{name}`, expected a name such as `hub.nordkraft.example`");
            error("hello_name", reason);
        }
        problems
    }

    async fn check(&self, context: &AdapterContext) -> Result<(), SinkError> {
        let connected = self.dialer(context)?.connect().await;
        leave(connected.map_err(|t| error(&context.name, t))?).await;
        Ok(())
    }

    async fn connect(&self, context: &AdapterContext) -> Result<Box<dyn Sink>, SinkError> {
        let composer = self.composer();
        Ok(Box::new(MailSink {
            endpoint: context.name.clone(),
            dialer: self.dialer(context)?,
            composer: composer
                .map_err(|problem| error(&context.name, Trouble::Silent(problem.to_string())))?,
            largest: self.max_body_bytes,
            slots: Semaphore::new(self.connections.clamp(1, MOST_CONNECTIONS)),
            rested: Default::default(),
            progress: Progress::new(&context.name, context.state.clone()),
            meter: context.meter.clone(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(toml: &str) -> Vec<String> {
        let config: MailSinkConfig = toml::from_str(toml).unwrap();
        config.validate().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_example_is_valid() {
        assert_eq!(problems(MailSinkConfig::example()), Vec::<String>::new());
    }

    #[test]
    fn problems_name_the_key_and_what_would_be_valid() {
        let found = problems(
            "from = 'hub'\nto = []\ncc = ['{subjcet}@x.example']\nbody = 'inline'\ntext = 'x'\n\
             max_body_bytes = 0\nconnections = 0\nhello_name = 'a b'\nserver.address = 'x'",
        );
        for (key, hint) in [
            ("`from`", "`name@domain`"),
            ("`to`", "nobody"),
            ("`cc`", "`{subject}`"),
            ("`body`", "`inline`"),
            ("`max_body_bytes`", "1 to"),
            ("`connections`", "1 to 32"),
            ("`hello_name`", "`a b`"),
            ("`server.address`", "host:port"),
        ] {
            let named = |p: &String| p.contains(key) && p.contains(hint);
            assert!(found.iter().any(named), "{key}: {found:?}");
        }
        let found = problems(
            "from = 'a@b.example'\nto = ['c@d.example']\nmedia_type = 'x'\nserver.address = 'x:1'",
        );
        assert!(
            found.len() == 1 && found[0].contains("text/csv"),
            "{found:?}"
        );
    }
}
