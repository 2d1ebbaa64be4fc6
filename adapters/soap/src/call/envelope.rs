//! What stands around a document: the envelope's head, and its tail.

use hub_core::OutgoingMessage;
use hub_model::Instant;

use crate::config::{SinkEnvelope, nested, qualified};
use crate::envelope::Version;
use crate::names::WSA;
use crate::security::OwnToken;
use crate::wire::{IecHeader, written};
use crate::xml::escaped;

/// What begins a document that is an envelope.
pub(crate) const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

/// How envelopes are made.
pub(crate) struct Wrapping {
    pub(crate) version: Version,
    pub(crate) action: String,
    pub(crate) token: Option<OwnToken>,
    pub(crate) addressing: bool,
    pub(crate) iec: Option<SinkEnvelope>,
    pub(crate) base64_element: Option<String>,
}

impl Wrapping {
    /// What stands before the document and after it.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub(crate) fn around(
        &self,
        message: &OutgoingMessage,
        to: &str,
        now: Instant,
    ) -> Result<(String, String), String> {
        let namespace = self.version.namespace();
        let mut head = format!("<soap:Envelope xmlns:soap=\"{namespace}\">");
        let header = self.header(message, to, now)?;
        if !header.is_empty() {
            head.push_str(&format!("<soap:Header>{header}</soap:Header>"));
        }
        head.push_str("<soap:Body>");
        let mut tail = String::from("</soap:Body></soap:Envelope>");
        if let Some(iec) = &self.iec
            && let Some((namespace, local)) = qualified(&iec.element)
        {
            let header = self.message_header(iec, message);
            let namespace = escaped(namespace);
            head.push_str(&format!(
                "<msg:{local} xmlns:msg=\"{namespace}\">{header}<msg:Payload>"
            ));
            tail.insert_str(0, &format!("</msg:Payload></msg:{local}>"));
        }
        if let Some((namespace, local, inner)) = self.base64_element.as_deref().and_then(nested) {
            head.push_str(&format!("<b:{local} xmlns:b=\"{}\">", escaped(namespace)));
            let mut end = format!("</b:{local}>");
            if let Some(inner) = inner {
                head.push_str(&format!("<b:{inner}>"));
                end.insert_str(0, &format!("</b:{inner}>"));
            }
            tail.insert_str(0, &end);
        }
        Ok((head, tail))
    }

    fn header(&self, message: &OutgoingMessage, to: &str, now: Instant) -> Result<String, String> {
        let mut header = String::new();
        if self.addressing {
            let id = message.message_id;
            header.push_str(&format!(
                "<wsa:MessageID xmlns:wsa=\"{WSA}\">urn:meterhub:message:{id}</wsa:MessageID>\
                 <wsa:To xmlns:wsa=\"{WSA}\">{}</wsa:To>\
                 <wsa:Action xmlns:wsa=\"{WSA}\">{}</wsa:Action>",
                escaped(to),
                escaped(&self.action)
            ));
        }
        if let Some(token) = &self.token {
            header.push_str(&token.header(now, "soap")?);
        }
        Ok(header)
    }

    /// `Header` of IEC 61968-100. An answer says to what.
    fn message_header(&self, iec: &SinkEnvelope, message: &OutgoingMessage) -> String {
        let filled = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let correlation = header_of(message, "correlation-id")
            .map_or_else(|| message.correlation_id.to_string(), ToOwned::to_owned);
        let header = IecHeader {
            verb: filled(&iec.verb),
            noun: filled(&iec.noun),
            revision: iec.revision.clone(),
            timestamp: filled(&crate::time::written(message.created)),
            source: filled(&iec.source),
            async_reply: iec.reply_address.as_ref().map(|_| "true".to_owned()),
            reply_address: iec.reply_address.clone(),
            user: None,
            message_id: filled(&message.message_id.to_string()),
            correlation_id: filled(&correlation),
        };
        let text = written(&header, &iec.namespace);
        let text = text.replacen("<m:Header", "<msg:Header", 1);
        text.replace("</m:Header>", "</msg:Header>")
    }
}

/// The value of a header of a message.
pub(crate) fn header_of<'m>(message: &'m OutgoingMessage, name: &str) -> Option<&'m str> {
    let found = message.headers.iter().find(|(key, _)| key == name);
    found
        .map(|(_, value)| value.as_str())
        .filter(|value| !value.is_empty())
}
