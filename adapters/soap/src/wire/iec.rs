//! IEC 61968-100: the header of a message and the reply in it.

use yaserde::{YaDeserialize, YaSerialize};

use super::read;
use crate::envelope::Trouble;
use crate::names::MESSAGE;
use crate::xml::{Known, escaped, normalised};

/// `Header` of a request, response or event message. Elements in the order of `Message.xsd`.
#[derive(Debug, Default, Clone, PartialEq, Eq, YaDeserialize, YaSerialize)]
#[yaserde(rename = "Header", prefix = "m", namespaces = { "m" = "http://iec.ch/TC57/2011/schema/message" })]
pub(crate) struct IecHeader {
    /// What is done: `created`, `reply` ...
    #[yaserde(rename = "Verb", prefix = "m")]
    pub(crate) verb: Option<String>,
    /// To what: `MeterReadings` ...
    #[yaserde(rename = "Noun", prefix = "m")]
    pub(crate) noun: Option<String>,
    /// Revision of the message's type.
    #[yaserde(rename = "Revision", prefix = "m")]
    pub(crate) revision: Option<String>,
    /// When the message was made.
    #[yaserde(rename = "Timestamp", prefix = "m")]
    pub(crate) timestamp: Option<String>,
    /// The system that sends it.
    #[yaserde(rename = "Source", prefix = "m")]
    pub(crate) source: Option<String>,
    /// Whether the answer shall come later, to `ReplyAddress`.
    #[yaserde(rename = "AsyncReplyFlag", prefix = "m")]
    pub(crate) async_reply: Option<String>,
    /// Where to.
    #[yaserde(rename = "ReplyAddress", prefix = "m")]
    pub(crate) reply_address: Option<String>,
    /// Who is behind the message.
    #[yaserde(rename = "User", prefix = "m")]
    pub(crate) user: Option<IecUser>,
    /// The message's id, unique with its sender.
    #[yaserde(rename = "MessageID", prefix = "m")]
    pub(crate) message_id: Option<String>,
    /// The id of what it belongs to: of a reply, the request's.
    #[yaserde(rename = "CorrelationID", prefix = "m")]
    pub(crate) correlation_id: Option<String>,
}

/// `Header/User`.
#[derive(Debug, Default, Clone, PartialEq, Eq, YaDeserialize, YaSerialize)]
#[yaserde(rename = "User", prefix = "m", namespaces = { "m" = "http://iec.ch/TC57/2011/schema/message" })]
pub(crate) struct IecUser {
    /// Their name.
    #[yaserde(rename = "UserID", prefix = "m")]
    pub(crate) user_id: Option<String>,
    /// Their organisation.
    #[yaserde(rename = "Organization", prefix = "m")]
    pub(crate) organization: Option<String>,
}

/// `Reply` of a response message.
#[derive(Debug, Default, Clone, PartialEq, Eq, YaDeserialize, YaSerialize)]
#[yaserde(rename = "Reply", prefix = "m", namespaces = { "m" = "http://iec.ch/TC57/2011/schema/message" })]
pub(crate) struct Reply {
    /// `OK`, `PARTIAL` or `FAILED`.
    #[yaserde(rename = "Result", prefix = "m")]
    pub(crate) result: String,
    /// What went wrong; `0.0` where nothing did.
    #[yaserde(rename = "Error", prefix = "m")]
    pub(crate) errors: Vec<ErrorPart>,
}

/// `Reply/Error`.
#[derive(Debug, Default, Clone, PartialEq, Eq, YaDeserialize, YaSerialize)]
#[yaserde(rename = "Error", prefix = "m", namespaces = { "m" = "http://iec.ch/TC57/2011/schema/message" })]
pub(crate) struct ErrorPart {
    /// Its code ([`super::codes`]).
    #[yaserde(rename = "code", prefix = "m")]
    pub(crate) code: Option<String>,
    /// `INFORM`, `WARNING`, `FATAL` or `CATASTROPHIC`.
    #[yaserde(rename = "level", prefix = "m")]
    pub(crate) level: Option<String>,
    /// In words.
    #[yaserde(rename = "reason", prefix = "m")]
    pub(crate) reason: Option<String>,
    /// In more words.
    #[yaserde(rename = "details", prefix = "m")]
    pub(crate) details: Option<String>,
    /// Which object it is about.
    #[yaserde(rename = "relatedID", prefix = "m")]
    pub(crate) related: Option<String>,
}

/// The root of a message, whatever it is called, with the reply in it.
#[derive(Debug, Default, Clone, PartialEq, Eq, YaDeserialize)]
#[yaserde(rename = "ResponseMessage", prefix = "m", namespaces = { "m" = "http://iec.ch/TC57/2011/schema/message" })]
struct ResponseMessage {
    #[yaserde(rename = "Reply", prefix = "m")]
    reply: Option<Reply>,
}

/// Reads a message's header, in whatever namespaces it is.
///
/// # Errors
/// It is not well-formed.
pub(crate) fn iec_header(xml: &[u8]) -> Result<IecHeader, Trouble> {
    let (text, _) = normalised(xml, Some(Known::Message))?;
    read("the header of the message (IEC 61968-100)", &text)
}

/// The `Reply` in a response or fault message; `None` if it has none.
///
/// # Errors
/// It is not well-formed.
pub(crate) fn reply_in(xml: &[u8]) -> Result<Option<Reply>, Trouble> {
    let (text, _) = normalised(xml, Some(Known::Message))?;
    let message: ResponseMessage = read("the reply (IEC 61968-100)", &text)?;
    Ok(message.reply)
}

/// Writes a part in the namespace of the year that a partner speaks, with the prefix `m`.
pub(crate) fn written(part: &impl YaSerialize, namespace: &str) -> String {
    let config = yaserde::ser::Config {
        perform_indent: false,
        write_document_declaration: false,
        indent_string: None,
    };
    // Strings, and nothing that could fail to be written.
    let text = yaserde::ser::to_string_with_config(part, &config).unwrap_or_default();
    let declared = format!("xmlns:m=\"{MESSAGE}\"");
    text.replace(&declared, &format!("xmlns:m=\"{}\"", escaped(namespace)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_in_the_namespaces_of_the_field() {
        for xml in [
            "<m:Header xmlns:m='http://iec.ch/TC57/2011/MeterReadingsMessage'><m:Verb>created</m:Verb>\
             <m:Noun>MeterReadings</m:Noun><m:ReplayDetection><m:Nonce>1</m:Nonce></m:ReplayDetection>\
             <m:User><m:UserID>op</m:UserID></m:User><m:MessageID> 4711 </m:MessageID>\
             <m:Property><m:Name>a</m:Name><m:Value>b</m:Value></m:Property></m:Header>",
            "<Header><Verb xmlns='http://iec.ch/TC57/2011/schema/message'>created</Verb>\
             <Noun>MeterReadings</Noun><User><UserID>op</UserID></User><MessageID>4711</MessageID></Header>",
        ] {
            let header = iec_header(xml.as_bytes()).unwrap();
            assert_eq!(header.verb.as_deref(), Some("created"));
            assert_eq!(header.noun.as_deref(), Some("MeterReadings"));
            assert_eq!(header.message_id.as_deref().map(str::trim), Some("4711"));
            let user = header.user.unwrap().user_id;
            assert_eq!(user.as_deref(), Some("op"));
        }
    }

    #[test]
    fn a_reply_is_found_and_written_parts_are_read_again() {
        let reply = Reply {
            result: "PARTIAL".to_owned(),
            errors: vec![ErrorPart {
                code: Some("2.4".to_owned()),
                reason: Some("no <such> meter".to_owned()),
                ..ErrorPart::default()
            }],
        };
        let text = written(&reply, "urn:2099");
        assert!(text.starts_with("<m:Reply xmlns:m=\"urn:2099\">"), "{text}");
        assert!(!text.contains(MESSAGE), "{text}");
        let xml = format!("<r:X xmlns:r='urn:r'><r:Header/>{text}</r:X>");
        assert_eq!(reply_in(xml.as_bytes()).unwrap(), Some(reply));
        assert_eq!(reply_in(b"<X><Payload/></X>").unwrap(), None);
    }
}
