//! A message becomes a mail (RFC 5322): who gets it, what it says, and the body in it.
//!
//! All attempts to deliver a message make the same mail, byte for byte.

use std::time::{Duration, SystemTime};

use hub_core::OutgoingMessage;
use hub_names::Template;
use lettre::address::Address;
use lettre::message::header::{
    ContentDisposition, ContentTransferEncoding, ContentType, HeaderName, HeaderValue,
};
use lettre::message::{Attachment, Body, Mailbox, Message, MessageBuilder, MultiPart, SinglePart};

use crate::config::BodyPlace;
use crate::template::{Fit, TextTemplate};

/// Media type of a body whose own cannot be read.
const ANY_BYTES: &str = "application/octet-stream";

/// How mails are made.
pub(crate) struct Composer {
    pub(crate) from: TextTemplate,
    pub(crate) to: Vec<TextTemplate>,
    pub(crate) cc: Vec<TextTemplate>,
    pub(crate) reply_to: Option<TextTemplate>,
    pub(crate) subject: TextTemplate,
    pub(crate) text: Option<TextTemplate>,
    pub(crate) html: Option<TextTemplate>,
    pub(crate) place: BodyPlace,
    pub(crate) attachment_name: Template,
    /// Instead of the message's own.
    pub(crate) media_type: Option<String>,
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
    /// Who a message is from and for.
    ///
    /// # Errors
    /// An address that no mail can have.
    pub(crate) fn head(&self, message: &OutgoingMessage) -> Result<Head, String> {
        let mailbox = |key: &str, template: &TextTemplate| {
            let text = template.fill(message, Fit::Line)?;
            text.trim()
                .parse::<Mailbox>()
                .map_err(|e| format!("`{key}` makes `{text}`, which is no mail address: {e}"))
        };
        let all = |key: &str, templates: &[TextTemplate]| {
            let mailboxes = templates.iter().map(|t| mailbox(key, t));
            mailboxes.collect::<Result<Vec<Mailbox>, String>>()
        };
        Ok(Head {
            from: mailbox("from", &self.from)?,
            to: all("to", &self.to)?,
            cc: all("cc", &self.cc)?,
            reply_to: match &self.reply_to {
                Some(template) => Some(mailbox("reply_to", template)?),
                None => None,
            },
        })
    }

    /// The whole mail.
    ///
    /// # Errors
    /// A template makes what no mail can hold.
    pub(crate) fn mail(
        &self,
        message: &OutgoingMessage,
        head: &Head,
        body: Vec<u8>,
    ) -> Result<Vec<u8>, String> {
        let builder = self.headers(message, head)?;
        let mail = match self.place {
            BodyPlace::Inline => builder.singlepart(self.inline(message, body)),
            BodyPlace::Attachment => builder.multipart(self.attached(message, body)?),
        };
        Ok(mail.map_err(|e| e.to_string())?.formatted())
    }

    fn headers(&self, message: &OutgoingMessage, head: &Head) -> Result<MessageBuilder, String> {
        let subject = self.subject.fill(message, Fit::Line)?;
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
        Ok(builder)
    }

    /// The body is what the reader sees.
    fn inline(&self, message: &OutgoingMessage, body: Vec<u8>) -> SinglePart {
        let mut media_type = self.media_type(message).to_owned();
        let kind = media_type.to_ascii_lowercase();
        let is_text = kind.starts_with("text/") && std::str::from_utf8(&body).is_ok();
        if is_text && !kind.contains("charset") {
            media_type.push_str("; charset=utf-8");
        }
        SinglePart::builder()
            .header(content_type(&media_type))
            .header(ContentDisposition::inline())
            .body(bytes(body))
    }

    /// The body is attached to a text.
    fn attached(&self, message: &OutgoingMessage, body: Vec<u8>) -> Result<MultiPart, String> {
        let name = self.attachment_name.name(message)?;
        let attachment =
            Attachment::new(name).body(bytes(body), content_type(self.media_type(message)));
        let text = fill(self.text.as_ref(), message, Fit::Text)?;
        let html = fill(self.html.as_ref(), message, Fit::Html)?;
        let mixed = MultiPart::mixed().boundary(boundary(message, "mixed"));
        Ok(match (text, html) {
            (Some(text), Some(html)) => mixed.multipart(
                MultiPart::alternative()
                    .boundary(boundary(message, "alternative"))
                    .singlepart(SinglePart::plain(text))
                    .singlepart(SinglePart::html(html)),
            ),
            (Some(text), None) => mixed.singlepart(SinglePart::plain(text)),
            (None, Some(html)) => mixed.singlepart(SinglePart::html(html)),
            (None, None) => mixed.build(),
        }
        .singlepart(attachment))
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

fn fill(
    template: Option<&TextTemplate>,
    message: &OutgoingMessage,
    into: Fit,
) -> Result<Option<String>, String> {
    template.map(|t| t.fill(message, into)).transpose()
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
        let message = message(1_234_567, "work_order:4711");
        let head = composer.head(&message).unwrap();
        let mail = composer.mail(&message, &head, b"a\nb\r\n.\r\n".to_vec());
        String::from_utf8(mail.unwrap()).unwrap()
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
        let head = composer(BOTH).head(&message(1, "x")).unwrap();
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
        let composer = composer("from = 'hub@nord.example'\nto = ['{subject}']");
        let error = composer.head(&message(1, "nobody")).err().unwrap();
        assert!(
            error.contains("`to`") && error.contains("`nobody`"),
            "{error}"
        );
    }
}
