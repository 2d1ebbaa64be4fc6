//! A message becomes a mail (RFC 5322): who gets it, what it says, and the body in it.
//!
//! All attempts to deliver a message make the same mail, byte for byte.

use std::time::{Duration, SystemTime};

use hub_core::OutgoingMessage;
use hub_names::{MessageTemplate, Template, fit};
use lettre::address::Address;
use lettre::message::header::{
    ContentDisposition, ContentTransferEncoding, ContentType, HeaderName, HeaderValue,
};
use lettre::message::{Attachment, Body, Mailbox, Message, MessageBuilder, MultiPart, SinglePart};

use crate::config::BodyPlace;
use crate::sms::Sms;

/// Media type of a body whose own cannot be read.
const ANY_BYTES: &str = "application/octet-stream";

/// How mails are made.
pub(crate) struct Composer {
    pub(crate) from: MessageTemplate,
    pub(crate) to: Vec<MessageTemplate>,
    pub(crate) cc: Vec<MessageTemplate>,
    pub(crate) reply_to: Option<MessageTemplate>,
    pub(crate) subject: MessageTemplate,
    pub(crate) text: Option<MessageTemplate>,
    pub(crate) html: Option<MessageTemplate>,
    pub(crate) place: BodyPlace,
    pub(crate) attachment_name: Template,
    /// Instead of the message's own.
    pub(crate) media_type: Option<String>,
}

/// A message and its body, of which mails are made.
pub(crate) struct Original<'a> {
    message: &'a OutgoingMessage,
    body: Vec<u8>,
    /// What the body is, where the configuration says so.
    sms: Option<Sms>,
}

impl Original<'_> {
    fn fill(&self, template: &MessageTemplate, fit: impl Fn(&str) -> String) -> String {
        let own = self.sms.as_ref().map(Sms::words);
        let own = own.as_ref().map_or(&[][..], |own| own);
        template.fill_with(self.message, own, fit)
    }
}

/// What is read: a text or HTML, or the same in both.
enum Readable {
    One(SinglePart),
    Both(MultiPart),
}

/// Who a mail is from and for.
pub(crate) struct Head {
    from: Mailbox,
    to: Vec<Mailbox>,
    cc: Vec<Mailbox>,
    reply_to: Option<Mailbox>,
}

impl Head {
    /// Whom the server is to tell of trouble later.
    pub(crate) fn sender(&self) -> &Address {
        &self.from.email
    }

    /// All who get it, each once.
    pub(crate) fn recipients(&self) -> Vec<Address> {
        let mut all: Vec<Address> = Vec::new();
        for mailbox in self.to.iter().chain(&self.cc) {
            if !all.contains(&mailbox.email) {
                all.push(mailbox.email.clone());
            }
        }
        all
    }

    /// The Message-ID, with its brackets: the same at every attempt.
    pub(crate) fn message_id(&self, message: &OutgoingMessage) -> String {
        self.id(message.message_id)
    }

    fn id(&self, id: hub_core::MessageId) -> String {
        format!("<{id}@{}>", self.from.email.domain())
    }
}

impl Composer {
    /// A message with its body, understood as configured.
    ///
    /// # Errors
    /// It is to be an SMS, and is none.
    pub(crate) fn original<'a>(
        &self,
        message: &'a OutgoingMessage,
        body: Vec<u8>,
    ) -> Result<Original<'a>, String> {
        let sms = match self.place {
            BodyPlace::Sms => Some(Sms::read(&body)?),
            BodyPlace::Attachment | BodyPlace::Inline => None,
        };
        Ok(Original { message, body, sms })
    }

    /// Who a message is from and for.
    ///
    /// # Errors
    /// An address that no mail can have.
    pub(crate) fn head(&self, original: &Original<'_>) -> Result<Head, String> {
        let mailbox = |key: &str, template: &MessageTemplate| {
            let text = original.fill(template, fit::line);
            text.trim()
                .parse::<Mailbox>()
                .map_err(|e| format!("`{key}` makes `{text}`, which is no mail address: {e}"))
        };
        let all = |key: &str, templates: &[MessageTemplate]| {
            let mailboxes = templates.iter().map(|t| mailbox(key, t));
            mailboxes.collect::<Result<Vec<Mailbox>, String>>()
        };
        let reply_to = self.reply_to.as_ref().map(|t| mailbox("reply_to", t));
        Ok(Head {
            from: mailbox("from", &self.from)?,
            to: all("to", &self.to)?,
            cc: all("cc", &self.cc)?,
            reply_to: reply_to.transpose()?,
        })
    }

    /// The whole mail.
    ///
    /// # Errors
    /// A template makes what no mail can hold.
    pub(crate) fn mail(&self, original: Original<'_>, head: &Head) -> Result<Vec<u8>, String> {
        let builder = self.headers(&original, head);
        let mail = match self.place {
            BodyPlace::Inline => builder.singlepart(self.inline(original)),
            BodyPlace::Attachment => {
                let mixed = MultiPart::mixed().boundary(boundary(original.message, "mixed"));
                let mixed = match self.readable(&original) {
                    Some(Readable::One(part)) => mixed.singlepart(part),
                    Some(Readable::Both(parts)) => mixed.multipart(parts),
                    None => mixed.build(),
                };
                builder.multipart(mixed.singlepart(self.attachment(original)?))
            }
            BodyPlace::Sms => match self.readable(&original) {
                Some(Readable::One(part)) => builder.singlepart(part),
                Some(Readable::Both(parts)) => builder.multipart(parts),
                None => builder.body(String::new()),
            },
        };
        Ok(mail.map_err(|e| e.to_string())?.formatted())
    }

    fn headers(&self, original: &Original<'_>, head: &Head) -> MessageBuilder {
        let message = original.message;
        let subject = original.fill(&self.subject, fit::line);
        let micros = u64::try_from(message.created.micros()).unwrap_or_default();
        let mut builder = Message::builder()
            .from(head.from.clone())
            .date(SystemTime::UNIX_EPOCH + Duration::from_micros(micros))
            .message_id(Some(head.message_id(message)))
            // All mails about one incoming message are one thread.
            .references(head.id(message.correlation_id))
            .subject(subject.trim())
            // RFC 3834: nobody's holiday notice is wanted.
            .raw_header(header("Auto-Submitted", "auto-generated"))
            .raw_header(header(
                "X-Meterhub-Message-Id",
                &message.message_id.to_string(),
            ))
            .raw_header(header(
                "X-Meterhub-Correlation-Id",
                &message.correlation_id.to_string(),
            ));
        for mailbox in &head.to {
            builder = builder.to(mailbox.clone());
        }
        for mailbox in &head.cc {
            builder = builder.cc(mailbox.clone());
        }
        if let Some(mailbox) = &head.reply_to {
            builder = builder.reply_to(mailbox.clone());
        }
        builder
    }

    /// The body is what the reader sees.
    fn inline(&self, original: Original<'_>) -> SinglePart {
        let mut media_type = self.media_type(original.message).to_owned();
        let kind = media_type.to_ascii_lowercase();
        let is_text = kind.starts_with("text/") && std::str::from_utf8(&original.body).is_ok();
        if is_text && !kind.contains("charset") {
            media_type.push_str("; charset=utf-8");
        }
        SinglePart::builder()
            .header(content_type(&media_type))
            .header(ContentDisposition::inline())
            .body(bytes(original.body))
    }

    /// The body as a file.
    fn attachment(&self, original: Original<'_>) -> Result<SinglePart, String> {
        let name = self.attachment_name.name(original.message)?;
        let kind = content_type(self.media_type(original.message));
        Ok(Attachment::new(name).body(bytes(original.body), kind))
    }

    /// What the templates say, if there are any.
    fn readable(&self, original: &Original<'_>) -> Option<Readable> {
        let text = self.text.as_ref();
        let text = text.map(|t| SinglePart::plain(original.fill(t, str::to_owned)));
        let html = self.html.as_ref();
        let html = html.map(|t| SinglePart::html(original.fill(t, fit::markup)));
        match (text, html) {
            (Some(text), Some(html)) => Some(Readable::Both(
                MultiPart::alternative()
                    .boundary(boundary(original.message, "alternative"))
                    .singlepart(text)
                    .singlepart(html),
            )),
            (text, html) => text.or(html).map(Readable::One),
        }
    }

    fn media_type<'a>(&'a self, message: &'a OutgoingMessage) -> &'a str {
        self.media_type.as_deref().unwrap_or(&message.media_type)
    }
}

fn content_type(media_type: &str) -> ContentType {
    ContentType::parse(media_type)
        .or_else(|_| ContentType::parse(ANY_BYTES))
        .expect("`application/octet-stream` is a media type")
}

/// In base64, whatever is in it: the library sends what looks like a text as it is, with line ends
/// that no mail may have.
fn bytes(body: Vec<u8>) -> Body {
    Body::new_with_encoding(body, ContentTransferEncoding::Base64).expect("base64 holds any bytes")
}

/// Contains `=_`, which no encoded part can.
fn boundary(message: &OutgoingMessage, level: &str) -> String {
    format!("=_{level}_{}", message.message_id)
}

fn header(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::MailSinkConfig;
    use meterhub_tests::conformance::message;

    fn composer(options: &str) -> Composer {
        let config: MailSinkConfig = toml::from_str(&format!(
            "server = {{ address = 'mail.example:587' }}\n{options}"
        ))
        .unwrap();
        config.composer().unwrap()
    }

    fn mail(options: &str) -> String {
        let composer = composer(options);
        composed(&composer, b"a\nb\r\n.\r\n").unwrap()
    }

    fn composed(composer: &Composer, body: &[u8]) -> Result<String, String> {
        let message = message(1_234_567, "work_order:4711");
        let original = composer.original(&message, body.to_vec())?;
        let head = composer.head(&original)?;
        let mail = composer.mail(original, &head)?;
        Ok(String::from_utf8(mail).unwrap())
    }

    const BOTH: &str = "from = 'Hub <hub@nord.example>'\nto = ['a@x.example', '{enterprise}@x.example']\n\
                        cc = ['a@x.example']\nsubject = 'Order {subject}'\n\
                        text = 'See {source_name}'\nhtml = '<p>{subject}</p>'";

    #[test]
    fn all_attempts_make_the_same_mail() {
        assert_eq!(mail(BOTH), mail(BOTH));
    }

    #[test]
    fn what_a_receiver_correlates_by_is_there() {
        let mail = mail(BOTH);
        for line in [
            "Message-ID: <0000000015NM7@nord.example>",
            "References: <0000000000007@nord.example>",
            "X-Meterhub-Correlation-Id: 0000000000007",
            "Subject: Order work_order:4711",
            "Date: Sun, 29 Mar 2026 00:15:00 +0000",
            "Auto-Submitted: auto-generated",
            "Content-Disposition: attachment; filename=\"0000000015NM7.txt\"",
            "<p>work_order:4711</p>",
        ] {
            assert!(mail.contains(&format!("{line}\r\n")), "{line} in\n{mail}");
        }
    }

    #[test]
    fn each_recipient_is_one_once() {
        let (composer, message) = (composer(BOTH), message(1, "x"));
        let original = composer.original(&message, Vec::new()).unwrap();
        let head = composer.head(&original).unwrap();
        let all: Vec<String> = head.recipients().iter().map(ToString::to_string).collect();
        assert_eq!(all, ["a@x.example", "nord@x.example"]);
    }

    #[test]
    fn a_body_in_line_is_all_there_is() {
        let mail = mail(
            "from = 'hub@nord.example'\nto = ['a@x.example']\nbody = 'inline'\nmedia_type = 'text/csv'",
        );
        assert!(
            mail.contains("Content-Type: text/csv; charset=utf-8\r\n"),
            "{mail}"
        );
        assert!(mail.contains("Content-Disposition: inline\r\n"), "{mail}");
        assert!(mail.contains("\r\n\r\nYQpiDQouDQo="), "{mail}");
    }

    #[test]
    fn an_address_that_is_none_is_named() {
        let composer = composer("from = 'hub@nord.example'\nto = ['{route}']");
        let error = composed(&composer, b"").unwrap_err();
        assert!(
            error.contains("`to`") && error.contains("`readings`"),
            "{error}"
        );
    }

    #[test]
    fn no_value_makes_a_header_or_a_tag() {
        let composer = composer(
            "from = 'hub@nord.example'\nto = ['a@x.example']\nsubject = '{text}'\nhtml = '<p>{text}</p>'\n\
             body = 'sms'",
        );
        let mail = composed(
            &composer,
            br#"{"to":"+1","text":"x<b>\r\nBcc: y@x.example"}"#,
        )
        .unwrap();
        assert!(
            mail.contains("Subject: x<b>  Bcc: y@x.example\r\n"),
            "{mail}"
        );
        assert!(mail.contains("<p>x&lt;b&gt;"), "{mail}");
    }

    #[test]
    fn a_text_is_the_mail() {
        let addressed = "from = 'hub@nord.example'\nto = ['{to}@sms.example']\nbody = 'sms'";
        let sms = br#"{"to":"+37255500001","text":"Your meter\nis replaced","valid_minutes":9}"#;
        let mail = composed(&composer(addressed), sms).unwrap();
        assert!(mail.contains("To: +37255500001@sms.example\r\n"), "{mail}");
        assert!(
            mail.ends_with("\r\n\r\nYour meter\r\nis replaced\r\n"),
            "{mail}"
        );
        assert!(!mail.contains("multipart"), "{mail}");
        let both = format!("{addressed}\nhtml = '<p>{{text}}</p>'");
        let mail = composed(&composer(&both), sms).unwrap();
        assert!(mail.contains("multipart/alternative") && mail.contains("<p>Your"));
        let error = composed(&composer(addressed), b"Tere").unwrap_err();
        assert!(error.contains("`body` is `sms`"), "{error}");
    }
}
