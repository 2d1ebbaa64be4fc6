//! Answers of ours to messages that are in the store.

use std::sync::Arc;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use hub_core::{Clock, Content, OutgoingMessage};
use hub_names::MessageTemplate;
use hub_web::Accepted;

use crate::config::Answer;
use crate::envelope::Version;
use crate::names::WSA;
use crate::wire::{ErrorPart, IecHeader, Reply, codes, written};
use crate::xml::{Name, escaped};

/// How a service answers.
pub(crate) struct Answers {
    pub(crate) kind: Answer,
    /// The document, with places for what differs.
    pub(crate) template: Option<MessageTemplate>,
    pub(crate) message_namespace: String,
    pub(crate) enterprise: String,
    pub(crate) clock: Arc<dyn Clock>,
}

/// What an answer says about the message.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) version: Version,
    /// The message's id with its sender; may be empty.
    pub(crate) message_id: String,
    /// The id of WS-Addressing, if it came with one.
    pub(crate) addressing_id: Option<String>,
    /// What was called.
    pub(crate) operation: String,
    pub(crate) noun: Option<String>,
    /// The element to answer with.
    pub(crate) element: Option<Name>,
}

impl Answers {
    /// The answer to a message that was committed.
    pub(crate) fn response(&self, asked: &Asked, accepted: Accepted) -> Response {
        let body = match self.kind {
            Answer::None => {
                let mut response = Response::default();
                *response.status_mut() = StatusCode::ACCEPTED;
                return response;
            }
            Answer::Empty => String::new(),
            Answer::Reply => self.reply(asked, accepted),
            Answer::Document => self.document(asked, accepted),
        };
        let relates_to = match &asked.addressing_id {
            None => String::new(),
            Some(id) => format!(
                "<soap:Header><wsa:RelatesTo xmlns:wsa=\"{WSA}\">{}</wsa:RelatesTo></soap:Header>",
                escaped(id)
            ),
        };
        let namespace = asked.version.namespace();
        let envelope = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<soap:Envelope xmlns:soap=\"{namespace}\">\
             {relates_to}<soap:Body>{body}</soap:Body></soap:Envelope>"
        );
        let mut response = Response::new(envelope.into());
        let media_type = HeaderValue::from_static(asked.version.media_type());
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, media_type);
        response
    }

    /// `ResponseMessage`, or what the operation calls it. Its parts are in its own namespace, what is
    /// in them in that of IEC 61968-100, as its schemas have it.
    fn reply(&self, asked: &Asked, accepted: Accepted) -> String {
        let filled = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let header = IecHeader {
            verb: filled("reply"),
            noun: asked.noun.clone(),
            timestamp: filled(&crate::time::written(self.clock.now())),
            source: filled("meterhub"),
            message_id: filled(&accepted.message_id.to_string()),
            correlation_id: filled(&asked.message_id),
            ..IecHeader::default()
        };
        let reply = Reply {
            result: "OK".to_owned(),
            errors: vec![ErrorPart {
                code: filled(codes::NONE),
                ..ErrorPart::default()
            }],
        };
        let usual = Name {
            namespace: self.message_namespace.clone(),
            local: "ResponseMessage".to_owned(),
        };
        let element = asked.element.as_ref().unwrap_or(&usual);
        let part = |name: &str, text: String| {
            let text = text.replacen(&format!("<m:{name}"), &format!("<r:{name}"), 1);
            text.replace(&format!("</m:{name}>"), &format!("</r:{name}>"))
        };
        let header = part("Header", written(&header, &self.message_namespace));
        let reply = part("Reply", written(&reply, &self.message_namespace));
        let (local, namespace) = (&element.local, escaped(&element.namespace));
        format!("<r:{local} xmlns:r=\"{namespace}\">{header}{reply}</r:{local}>")
    }

    fn document(&self, asked: &Asked, accepted: Accepted) -> String {
        let Some(template) = &self.template else {
            return String::new();
        };
        let message = OutgoingMessage {
            message_id: accepted.message_id,
            correlation_id: accepted.message_id,
            enterprise: self.enterprise.clone(),
            route: String::new(),
            source_name: asked.message_id.clone(),
            subject: asked.operation.clone(),
            created: self.clock.now(),
            attempt: 1,
            media_type: String::new(),
            extension: String::new(),
            headers: Vec::new(),
            content: Content::default(),
        };
        template.fill(&message, |value| escaped(value).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::{Plan, read_whole};
    use crate::names::MESSAGE;
    use crate::wire::{iec_header, reply_in};
    use hub_core::{ManualClock, MessageId};

    fn answers(kind: Answer) -> Answers {
        let text =
            "<Done xmlns='urn:d'><Ours>{message_id}</Ours><Yours>{source_name}</Yours></Done>";
        Answers {
            kind,
            template: MessageTemplate::parse(text).ok(),
            message_namespace: MESSAGE.to_owned(),
            enterprise: "north".to_owned(),
            clock: Arc::new(ManualClock::at("2026-03-29T00:15:00Z".parse().unwrap())),
        }
    }

    async fn answered(kind: Answer, element: Option<Name>) -> Vec<u8> {
        let asked = Asked {
            version: Version::V12,
            message_id: "a<b".to_owned(),
            addressing_id: Some("urn:uuid:1".to_owned()),
            operation: "CreatedMeterReadings".to_owned(),
            noun: Some("MeterReadings".to_owned()),
            element,
        };
        let accepted = Accepted {
            message_id: MessageId(4_711),
            duplicate: false,
        };
        let response = answers(kind).response(&asked, accepted);
        assert_eq!(
            response.headers()["content-type"],
            Version::V12.media_type()
        );
        let body = axum::body::to_bytes(response.into_body(), 1 << 20)
            .await
            .unwrap();
        let plan = Plan {
            iec: kind == Answer::Reply,
            ..Plan::default()
        };
        let (outline, content) = read_whole(&body, None, plan).unwrap();
        let header = String::from_utf8(outline.header.unwrap()).unwrap();
        assert!(header.contains("urn:uuid:1"), "{header}");
        if let Some(header) = outline.message_header {
            let header = iec_header(&header).unwrap();
            assert_eq!(header.verb.as_deref(), Some("reply"));
            assert_eq!(header.correlation_id.as_deref(), Some("a<b"));
            assert_eq!(header.message_id, Some(MessageId(4_711).to_string()));
        }
        content
    }

    #[tokio::test]
    async fn a_reply_says_ok_and_to_what() {
        let content = answered(Answer::Reply, None).await;
        let reply = reply_in(&content).unwrap().unwrap();
        assert_eq!(reply.result, "OK");
        assert_eq!(reply.errors[0].code.as_deref(), Some("0.0"));
        let element = Name {
            namespace: "http://iec.ch/TC57/2011/MeterReadingsMessage".to_owned(),
            local: "MeterReadingsResponseMessage".to_owned(),
        };
        let content = String::from_utf8(answered(Answer::Reply, Some(element)).await).unwrap();
        for expected in [
            "<r:MeterReadingsResponseMessage ",
            "<r:Header ",
            "<r:Reply ",
            "<m:Result>OK",
        ] {
            assert!(content.contains(expected), "{content}");
        }
    }

    #[tokio::test]
    async fn a_document_is_filled_in() {
        let content = String::from_utf8(answered(Answer::Document, None).await).unwrap();
        let id = MessageId(4_711).to_string();
        assert!(
            content.contains(&format!("<Ours>{id}</Ours><Yours>a&lt;b</Yours>")),
            "{content}"
        );
        assert_eq!(answered(Answer::Empty, None).await, b"");
    }
}
