//! SOAP faults, of both versions, as partners write them.

use yaserde::YaDeserialize;

use super::read;
use crate::envelope::{Trouble, Version};
use crate::xml::normalised;

/// `Fault` of SOAP 1.1: its children are in no namespace.
#[derive(Debug, Default, Clone, PartialEq, Eq, YaDeserialize)]
#[yaserde(rename = "Fault", prefix = "env", namespaces = {
    "env" = "urn:meterhub:env", "n" = "urn:meterhub:none"
})]
pub(crate) struct Fault11 {
    /// `soap:Client`, `soap:Server` ... with a prefix of the partner's.
    #[yaserde(rename = "faultcode", prefix = "n")]
    pub(crate) code: Option<String>,
    /// In words.
    #[yaserde(rename = "faultstring", prefix = "n")]
    pub(crate) reason: Option<String>,
}

/// `Fault` of SOAP 1.2.
#[derive(Debug, Default, Clone, PartialEq, Eq, YaDeserialize)]
#[yaserde(rename = "Fault", prefix = "env", namespaces = { "env" = "urn:meterhub:env" })]
pub(crate) struct Fault12 {
    #[yaserde(rename = "Code", prefix = "env")]
    pub(crate) code: Option<Code>,
    #[yaserde(rename = "Reason", prefix = "env")]
    pub(crate) reason: Option<Reason>,
}

/// `Code` of SOAP 1.2.
#[derive(Debug, Default, Clone, PartialEq, Eq, YaDeserialize)]
#[yaserde(rename = "Code", prefix = "env", namespaces = { "env" = "urn:meterhub:env" })]
pub(crate) struct Code {
    #[yaserde(rename = "Value", prefix = "env")]
    pub(crate) value: Option<String>,
    #[yaserde(rename = "Subcode", prefix = "env")]
    pub(crate) subcode: Option<Subcode>,
}

/// `Subcode` of SOAP 1.2, the outermost.
#[derive(Debug, Default, Clone, PartialEq, Eq, YaDeserialize)]
#[yaserde(rename = "Subcode", prefix = "env", namespaces = { "env" = "urn:meterhub:env" })]
pub(crate) struct Subcode {
    #[yaserde(rename = "Value", prefix = "env")]
    pub(crate) value: Option<String>,
}

/// `Reason` of SOAP 1.2.
#[derive(Debug, Default, Clone, PartialEq, Eq, YaDeserialize)]
#[yaserde(rename = "Reason", prefix = "env", namespaces = { "env" = "urn:meterhub:env" })]
pub(crate) struct Reason {
    #[yaserde(rename = "Text", prefix = "env")]
    pub(crate) text: Vec<String>,
}

/// A fault of either version.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    /// The code without its prefix: `Client`, `Receiver`, `Server.Busy`.
    pub(crate) code: String,
    /// The outermost subcode of SOAP 1.2, without its prefix; may be empty.
    pub(crate) subcode: String,
    /// In the partner's words.
    pub(crate) reason: String,
}

/// Reads a `Fault`.
///
/// # Errors
/// It is not well-formed.
pub(crate) fn fault(xml: &[u8], version: Version) -> Result<Told, Trouble> {
    let (text, _) = normalised(xml, None)?;
    let (older, newer) = (of_11(&text)?, of_12(&text)?);
    // Some tools write the one in an envelope of the other.
    Ok(match version {
        Version::V11 if older.code.is_empty() => newer,
        Version::V12 if newer.code.is_empty() => older,
        Version::V11 => older,
        Version::V12 => newer,
    })
}

fn of_11(text: &str) -> Result<Told, Trouble> {
    let fault: Fault11 = read("the fault", text)?;
    Ok(Told {
        code: bare(fault.code),
        subcode: String::new(),
        reason: fault.reason.unwrap_or_default(),
    })
}

fn of_12(text: &str) -> Result<Told, Trouble> {
    let fault: Fault12 = read("the fault", text)?;
    let code = fault.code.unwrap_or_default();
    Ok(Told {
        code: bare(code.value),
        subcode: bare(code.subcode.and_then(|subcode| subcode.value)),
        reason: fault.reason.unwrap_or_default().text.join("; "),
    })
}

fn bare(code: Option<String>) -> String {
    let code = code.unwrap_or_default();
    let local = code.trim().rsplit(':').next().unwrap_or_default();
    local.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::{SOAP11, SOAP12};

    #[test]
    fn both_versions_are_read() {
        let xml = format!(
            "<s:Fault xmlns:s='{SOAP11}'><faultcode>s:Client</faultcode>\
             <faultstring xml:lang='en'>no such meter</faultstring><detail><x/></detail></s:Fault>"
        );
        let told = fault(xml.as_bytes(), Version::V11).unwrap();
        assert_eq!(
            (told.code.as_str(), told.reason.as_str()),
            ("Client", "no such meter")
        );
        let xml = format!(
            "<s:Fault xmlns:s='{SOAP12}'><s:Code><s:Value>s:Sender</s:Value><s:Subcode>\
             <s:Value>w:FailedAuthentication</s:Value></s:Subcode></s:Code><s:Reason>\
             <s:Text xml:lang='en'>who?</s:Text><s:Text xml:lang='de'>wer?</s:Text></s:Reason></s:Fault>"
        );
        let told = fault(xml.as_bytes(), Version::V12).unwrap();
        assert_eq!(told.code, "Sender");
        assert_eq!(told.subcode, "FailedAuthentication");
        assert_eq!(told.reason, "who?; wer?");
        // As the npm package `soap` writes it.
        let mixed = xml.replace(SOAP12, SOAP11);
        let told = fault(mixed.as_bytes(), Version::V11).unwrap();
        assert_eq!(
            (told.code.as_str(), told.reason.as_str()),
            ("Sender", "who?; wer?")
        );
    }
}
