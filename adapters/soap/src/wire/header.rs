//! The SOAP header: WS-Security and WS-Addressing, as far as we use them.

use yaserde::YaDeserialize;

use super::read;
use crate::envelope::Trouble;
use crate::xml::{HeaderBlock, normalised};

/// `env:Header`.
#[derive(Debug, Default, Clone, PartialEq, Eq, YaDeserialize)]
#[yaserde(rename = "Header", prefix = "env", namespaces = {
    "env" = "urn:meterhub:env",
    "wsse" = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd",
    "wsa" = "http://www.w3.org/2005/08/addressing"
})]
pub(crate) struct SoapHeader {
    /// `wsse:Security`; more than one only for other roles.
    #[yaserde(rename = "Security", prefix = "wsse")]
    pub(crate) security: Vec<Security>,
    /// `wsa:MessageID`.
    #[yaserde(rename = "MessageID", prefix = "wsa")]
    pub(crate) message_id: Option<String>,
    /// `wsa:RelatesTo`.
    #[yaserde(rename = "RelatesTo", prefix = "wsa")]
    pub(crate) relates_to: Option<String>,
    /// `wsa:Action`.
    #[yaserde(rename = "Action", prefix = "wsa")]
    pub(crate) action: Option<String>,
    /// `wsa:ReplyTo`.
    #[yaserde(rename = "ReplyTo", prefix = "wsa")]
    pub(crate) reply_to: Option<EndpointReference>,
}

/// `wsse:Security`.
#[derive(Debug, Default, Clone, PartialEq, Eq, YaDeserialize)]
#[yaserde(rename = "Security", prefix = "wsse", namespaces = {
    "wsse" = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd",
    "wsu" = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
})]
pub(crate) struct Security {
    /// `wsse:UsernameToken`.
    #[yaserde(rename = "UsernameToken", prefix = "wsse")]
    pub(crate) tokens: Vec<UsernameToken>,
    /// `wsu:Timestamp`.
    #[yaserde(rename = "Timestamp", prefix = "wsu")]
    pub(crate) timestamp: Option<Timestamp>,
}

/// `wsse:UsernameToken`.
#[derive(Debug, Default, Clone, PartialEq, Eq, YaDeserialize)]
#[yaserde(rename = "UsernameToken", prefix = "wsse", namespaces = {
    "wsse" = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd",
    "wsu" = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
})]
pub(crate) struct UsernameToken {
    /// `wsse:Username`.
    #[yaserde(rename = "Username", prefix = "wsse")]
    pub(crate) username: String,
    /// `wsse:Password`.
    #[yaserde(rename = "Password", prefix = "wsse")]
    pub(crate) password: Option<Password>,
    /// `wsse:Nonce`.
    #[yaserde(rename = "Nonce", prefix = "wsse")]
    pub(crate) nonce: Option<Nonce>,
    /// `wsu:Created`.
    #[yaserde(rename = "Created", prefix = "wsu")]
    pub(crate) created: Option<String>,
}

/// `wsse:Nonce`.
#[derive(Debug, Default, Clone, PartialEq, Eq, YaDeserialize)]
#[yaserde(rename = "Nonce", prefix = "wsse", namespaces = {
    "wsse" = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
})]
pub(crate) struct Nonce {
    /// How it is written; none: in base64.
    #[yaserde(attribute = true, rename = "EncodingType")]
    pub(crate) encoding: Option<String>,
    /// The nonce.
    #[yaserde(text = true)]
    pub(crate) value: String,
}

/// `wsse:Password`.
#[derive(Default, Clone, PartialEq, Eq, YaDeserialize)]
#[yaserde(rename = "Password", prefix = "wsse", namespaces = {
    "wsse" = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
})]
pub(crate) struct Password {
    /// What kind it is; none: text.
    #[yaserde(attribute = true, rename = "Type")]
    pub(crate) kind: Option<String>,
    /// The password, or its digest.
    #[yaserde(text = true)]
    pub(crate) value: String,
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Password({:?})", self.kind)
    }
}

/// `wsu:Timestamp`.
#[derive(Debug, Default, Clone, PartialEq, Eq, YaDeserialize)]
#[yaserde(rename = "Timestamp", prefix = "wsu", namespaces = {
    "wsu" = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
})]
pub(crate) struct Timestamp {
    /// `wsu:Created`.
    #[yaserde(rename = "Created", prefix = "wsu")]
    pub(crate) created: Option<String>,
    /// `wsu:Expires`.
    #[yaserde(rename = "Expires", prefix = "wsu")]
    pub(crate) expires: Option<String>,
}

/// A `wsa:EndpointReference`.
#[derive(Debug, Default, Clone, PartialEq, Eq, YaDeserialize)]
#[yaserde(rename = "ReplyTo", prefix = "wsa", namespaces = {
    "wsa" = "http://www.w3.org/2005/08/addressing"
})]
pub(crate) struct EndpointReference {
    /// `wsa:Address`.
    #[yaserde(rename = "Address", prefix = "wsa")]
    pub(crate) address: Option<String>,
}

/// Reads the header of an envelope, and tells its entries.
///
/// # Errors
/// It is not well-formed, or a part of it not what it must be.
pub(crate) fn soap_header(xml: &[u8]) -> Result<(SoapHeader, Vec<HeaderBlock>), Trouble> {
    let (text, blocks) = normalised(xml, None)?;
    Ok((read("the SOAP header", &text)?, blocks))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::{SOAP11, WSA_2004, WSSE, WSU};

    #[test]
    fn what_matters_is_read_and_the_rest_passed_over() {
        let xml = format!(
            "<S:Header xmlns:S='{SOAP11}' xmlns:w='{WSSE}' xmlns:u='{WSU}' xmlns:a='{WSA_2004}'>\
             <x:Other xmlns:x='urn:x'><x:Deep>1</x:Deep></x:Other>\
             <w:Security S:mustUnderstand='1'><u:Timestamp u:Id='t'><u:Created>2026-01-01T00:00:00Z\
             </u:Created></u:Timestamp><w:UsernameToken u:Id='U'><w:Username>sap &amp; co</w:Username>\
             <w:Password Type='urn:#PasswordDigest'>abc=</w:Password><w:Nonce EncodingType='x'>bm8=\
             </w:Nonce><u:Created>2026-01-01T00:00:01Z</u:Created></w:UsernameToken></w:Security>\
             <a:MessageID>urn:uuid:1</a:MessageID><a:ReplyTo><a:Address>http://there/</a:Address>\
             <a:ReferenceParameters/></a:ReplyTo></S:Header>"
        );
        let (header, blocks) = soap_header(xml.as_bytes()).unwrap();
        assert_eq!(blocks.len(), 4);
        assert_eq!(header.message_id.as_deref(), Some("urn:uuid:1"));
        let address = header.reply_to.unwrap().address;
        assert_eq!(address.as_deref(), Some("http://there/"));
        let security = &header.security[0];
        let created = security.timestamp.as_ref().unwrap().created.clone();
        assert_eq!(created.as_deref(), Some("2026-01-01T00:00:00Z"));
        let token = &security.tokens[0];
        assert_eq!(token.username, "sap & co");
        let password = token.password.as_ref().unwrap();
        assert_eq!(password.kind.as_deref(), Some("urn:#PasswordDigest"));
        assert_eq!(password.value, "abc=");
        let nonce = token.nonce.as_ref().unwrap();
        assert_eq!(
            (nonce.value.as_str(), nonce.encoding.as_deref()),
            ("bm8=", Some("x"))
        );
        assert_eq!(token.created.as_deref(), Some("2026-01-01T00:00:01Z"));
        assert!(!format!("{header:?}", header = security).contains("abc="));
    }

    #[test]
    fn an_empty_header_is_one() {
        let xml = format!("<S:Header xmlns:S='{SOAP11}'/>");
        let (header, blocks) = soap_header(xml.as_bytes()).unwrap();
        assert_eq!((header, blocks.len()), (SoapHeader::default(), 0));
    }
}
