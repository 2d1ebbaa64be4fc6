//! What an OData service says when it refuses: the error object of V2 and V4, in JSON or (V2) XML.

use std::fmt;

use serde_json::Value;

use crate::readable::{one_line, readable};

/// Most of the details of an error that are shown.
const MOST_DETAILS: usize = 5;

/// An error object.
///
/// - V2: `{"error": {"code", "message": {"lang", "value"}, "innererror": {"errordetails": [...]}}}`,
///   or `<error><code/><message/></error>` in XML
/// - V4: `{"error": {"code", "message", "target", "details": [...]}}`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ODataError {
    /// `/IWFND/CM_CSRF`, `SY/530`.
    pub(crate) code: String,
    pub(crate) message: String,
    /// What further messages say, without those that only repeat the first.
    pub(crate) details: Vec<String>,
}

impl ODataError {
    /// Reads the body of an answer; `None` if there is no error object in it.
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        let start = body.trim_ascii_start();
        match start.first()? {
            b'{' => Self::from_json(&serde_json::from_slice(start).ok()?),
            b'<' => Self::from_xml(start),
            _ => None,
        }
    }

    fn from_json(body: &Value) -> Option<Self> {
        let error = body.get("error").or_else(|| body.get("odata.error"))?;
        let message = match error.get("message")? {
            Value::String(message) => message.clone(),
            localised => text(localised.get("value")),
        };
        let details = error
            .get("details")
            .or_else(|| error.pointer("/innererror/errordetails"));
        let details = details.and_then(Value::as_array).into_iter().flatten();
        let said = details.map(|detail| one_line(&text(detail.get("message"))));
        let mut further: Vec<String> = Vec::new();
        for detail in said.filter(|detail| !detail.is_empty() && *detail != message) {
            if further.len() < MOST_DETAILS && !further.contains(&detail) {
                further.push(detail);
            }
        }
        Some(Self {
            code: one_line(&text(error.get("code"))),
            message: one_line(&message),
            details: further,
        })
    }

    fn from_xml(body: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(body);
        let inside = |name: &str| {
            let (_, rest) = text.split_once(&format!("<{name}"))?;
            let (_, rest) = rest.split_once('>')?;
            let (inside, _) = rest.split_once(&format!("</{name}>"))?;
            Some(readable(format!("<p>{inside}").as_bytes()))
        };
        if !text.contains("<error") {
            return None;
        }
        Some(Self {
            code: inside("code")?,
            message: inside("message")?,
            details: Vec::new(),
        })
    }
}

impl fmt::Display for ODataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let further = match self.details.is_empty() {
            true => String::new(),
            false => format!(" ({})", self.details.join("; ")),
        };
        let code = match self.code.as_str() {
            "" => String::new(),
            code => format!("{code}: "),
        };
        f.write_str(&one_line(&format!("{code}{}{further}", self.message)))
    }
}

fn text(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_are_understood() {
        let v2 = br#"{"error":{"code":"ZMETER/017","message":{"lang":"en","value":"Device 4711 is locked"},
            "innererror":{"transactionid":"5F","errordetails":[
            {"code":"ZMETER/017","message":"Device 4711 is locked","severity":"error"},
            {"code":"MC/601","message":"Locked by user MILLER","severity":"info"}]}}}"#;
        assert_eq!(
            ODataError::read(v2).unwrap().to_string(),
            "ZMETER/017: Device 4711 is locked (Locked by user MILLER)"
        );
        let v4 = br#" {"error":{"code":"SY/530","message":"Value is missing","target":"Material",
            "details":[{"code":"X","message":"Enter a material"}]}}"#;
        assert_eq!(
            ODataError::read(v4).unwrap().to_string(),
            "SY/530: Value is missing (Enter a material)"
        );
    }

    #[test]
    fn xml_is_understood() {
        let xml = br#"<?xml version="1.0"?><error xmlns="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata">
            <code>/IWFND/MED/170</code><message xml:lang="en">No service found &amp; nothing else</message></error>"#;
        assert_eq!(
            ODataError::read(xml).unwrap().to_string(),
            "/IWFND/MED/170: No service found & nothing else"
        );
    }

    #[test]
    fn what_is_no_error_object_is_none() {
        for body in [
            "",
            "{}",
            "{",
            "[]",
            "gone",
            r#"{"d":{}}"#,
            r#"{"error":"x"}"#,
            "<html>error</html>",
            "<error>",
        ] {
            assert_eq!(ODataError::read(body.as_bytes()), None, "{body}");
        }
    }
}
