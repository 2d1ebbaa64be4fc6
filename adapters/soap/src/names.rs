//! The namespaces that web services are written in.

/// SOAP 1.1.
pub(crate) const SOAP11: &str = "http://schemas.xmlsoap.org/soap/envelope/";
/// SOAP 1.2.
pub(crate) const SOAP12: &str = "http://www.w3.org/2003/05/soap-envelope";
/// WS-Security 1.0 and 1.1.
pub(crate) const WSSE: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";
/// Its `Created`, `Timestamp` and `Id`.
pub(crate) const WSU: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";
/// WS-Addressing 1.0.
pub(crate) const WSA: &str = "http://www.w3.org/2005/08/addressing";
/// The submission of WS-Addressing that older tools speak.
pub(crate) const WSA_2004: &str = "http://schemas.xmlsoap.org/ws/2004/08/addressing";
/// Messages of IEC 61968-100.
pub(crate) const MESSAGE: &str = "http://iec.ch/TC57/2011/schema/message";
/// XOP: binary parts beside the document.
pub(crate) const XOP: &str = "http://www.w3.org/2004/08/xop/include";

/// What the types of WS-Security's user name token begin with.
pub(crate) const USERNAME_PROFILE: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0";
/// How a nonce is written.
pub(crate) const BASE64_BINARY: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#Base64Binary";

/// Whether it is one of IEC's, of any year.
pub(crate) fn is_iec(namespace: &str) -> bool {
    ["http://iec.ch/TC57/", "http://www.iec.ch/TC57/"]
        .iter()
        .any(|begin| namespace.starts_with(begin))
}
