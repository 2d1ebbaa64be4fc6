//! What the headers of a message say: its id, what it belongs to, where answers go.

use hub_core::Headers;

use crate::config::BusinessKey;
use crate::envelope::Trouble;
use crate::wire::{IecHeader, SoapHeader};
use crate::xml::{Name, text_of_child};

/// Longest id that is taken: it becomes part of a database key.
const LONGEST_KEY: usize = 255;

/// Longest value that is kept of anything else.
const LONGEST_VALUE: usize = 1_024;

/// Where the id of a message is looked for.
pub(crate) struct Keys {
    pub(crate) kind: BusinessKey,
    pub(crate) element: Option<Name>,
}

/// The headers of one message.
pub(crate) struct Letterhead<'a> {
    pub(crate) soap: &'a SoapHeader,
    /// The same as it came; may be empty.
    pub(crate) soap_xml: &'a [u8],
    pub(crate) iec: Option<&'a IecHeader>,
    pub(crate) operation: &'a str,
    /// Who was let in.
    pub(crate) sender: Option<&'a str>,
}

/// What they say.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) name: String,
    pub(crate) headers: Headers,
    pub(crate) key: Option<String>,
    /// The message's id with its sender, to answer with; may be empty.
    pub(crate) message_id: String,
}

impl Letterhead<'_> {
    /// Reads them.
    ///
    /// # Errors
    /// The id is not one that can be kept.
    pub(crate) fn read(&self, keys: &Keys) -> Result<Read, Trouble> {
        let iec = self.iec.cloned().unwrap_or_default();
        let own = match &keys.element {
            None => None,
            Some(element) => {
                let text = text_of_child(self.soap_xml, element)?;
                let what = || Trouble::structure(format!("the SOAP header has no {element}"));
                Some(text.and_then(|text| filled(Some(&text))).ok_or_else(what)?)
            }
        };
        let of_message = filled(iec.message_id.as_ref());
        let of_transport = filled(self.soap.message_id.as_ref());
        let id = own.clone().or(of_message.clone()).or(of_transport.clone());
        if let Some(id) = &id {
            check(id)?;
        }
        let key = match (own, keys.kind) {
            (Some(own), _) => Some(own),
            (None, BusinessKey::MessageId) => id.clone(),
            (None, BusinessKey::Content) => None,
        };
        let reply_to = self
            .soap
            .reply_to
            .as_ref()
            .and_then(|to| to.address.as_ref());
        let related = filled(iec.correlation_id.as_ref());
        let mut headers = Headers::new();
        let mut keep = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                headers.push((name.to_owned(), shortened(value)));
            }
        };
        keep("soap-operation", Some(self.operation.to_owned()));
        keep("sender", self.sender.map(ToOwned::to_owned));
        keep("verb", filled(iec.verb.as_ref()));
        keep("noun", filled(iec.noun.as_ref()));
        keep("message-id", id.clone());
        keep(
            "correlation-id",
            related.or_else(|| filled(self.soap.relates_to.as_ref())),
        );
        keep(
            "reply-to",
            filled(iec.reply_address.as_ref()).or_else(|| address(reply_to)),
        );
        keep(
            "user",
            iec.user.and_then(|user| filled(user.user_id.as_ref())),
        );
        let message_id = of_message.or(of_transport).or_else(|| id.clone());
        Ok(Read {
            name: id.unwrap_or_else(|| self.operation.to_owned()),
            headers,
            key,
            message_id: message_id.unwrap_or_default(),
        })
    }
}

fn filled(text: Option<&String>) -> Option<String> {
    let text = text?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// An address, unless it says that answers come on the same connection or not at all.
fn address(text: Option<&String>) -> Option<String> {
    let is_real = |address: &String| {
        !["/anonymous", "/none"]
            .iter()
            .any(|end| address.ends_with(end))
    };
    filled(text).filter(is_real)
}

fn check(id: &str) -> Result<(), Trouble> {
    if id.len() <= LONGEST_KEY && !id.chars().any(char::is_control) {
        return Ok(());
    }
    Err(Trouble::structure(format!(
        "the id of the message is no text of 1 to {LONGEST_KEY} bytes without control characters"
    )))
}

fn shortened(mut value: String) -> String {
    while value.len() > LONGEST_VALUE {
        value.pop();
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{iec_header, soap_header};

    const SOAP: &str = "<S:Header xmlns:S='http://schemas.xmlsoap.org/soap/envelope/' \
        xmlns:a='http://www.w3.org/2005/08/addressing'><a:MessageID>urn:uuid:t</a:MessageID>\
        <a:ReplyTo><a:Address>http://www.w3.org/2005/08/addressing/anonymous</a:Address></a:ReplyTo>\
        <x:Doc xmlns:x='urn:x'> 0815 </x:Doc></S:Header>";
    const IEC: &str = "<Header><Verb>created</Verb><Noun>MeterReadings</Noun>\
        <ReplyAddress>https://hes/replies</ReplyAddress><User><UserID>op</UserID></User>\
        <MessageID>m-1</MessageID><CorrelationID>c-1</CorrelationID></Header>";

    fn read(iec: Option<&str>, keys: &Keys) -> Result<Read, Trouble> {
        let soap = soap_header(SOAP.as_bytes()).unwrap().0;
        let iec = iec.map(|iec| iec_header(iec.as_bytes()).unwrap());
        let letterhead = Letterhead {
            soap: &soap,
            soap_xml: SOAP.as_bytes(),
            iec: iec.as_ref(),
            operation: "Send",
            sender: Some("sap"),
        };
        letterhead.read(keys)
    }

    fn keys(kind: BusinessKey, element: Option<(&str, &str)>) -> Keys {
        let element = element.map(|(namespace, local)| Name {
            namespace: namespace.to_owned(),
            local: local.to_owned(),
        });
        Keys { kind, element }
    }

    #[test]
    fn the_messages_own_id_goes_before_the_transports() {
        let found = read(Some(IEC), &keys(BusinessKey::MessageId, None)).unwrap();
        assert_eq!(found.key.as_deref(), Some("m-1"));
        assert_eq!(found.name, "m-1");
        let pairs: Vec<(&str, &str)> = found
            .headers
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_str()))
            .collect();
        let expected = [
            ("soap-operation", "Send"),
            ("sender", "sap"),
            ("verb", "created"),
            ("noun", "MeterReadings"),
            ("message-id", "m-1"),
            ("correlation-id", "c-1"),
            ("reply-to", "https://hes/replies"),
            ("user", "op"),
        ];
        assert_eq!(pairs, expected);
        let found = read(None, &keys(BusinessKey::MessageId, None)).unwrap();
        assert_eq!(found.key.as_deref(), Some("urn:uuid:t"));
        assert!(!found.headers.iter().any(|(name, _)| name == "reply-to"));
    }

    #[test]
    fn the_key_may_be_elsewhere_or_nowhere() {
        let found = read(Some(IEC), &keys(BusinessKey::Content, None)).unwrap();
        assert_eq!((found.key, found.message_id.as_str()), (None, "m-1"));
        let own = keys(BusinessKey::Content, Some(("urn:x", "Doc")));
        assert_eq!(read(Some(IEC), &own).unwrap().key.as_deref(), Some("0815"));
        let missing = keys(BusinessKey::MessageId, Some(("urn:y", "Doc")));
        let error = read(Some(IEC), &missing).unwrap_err().to_string();
        assert!(error.contains("`Doc` in namespace `urn:y`"), "{error}");
    }
}
