//! Messages that travel with a successful answer: `sap-message` (V2) and `sap-messages` (V4).

use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::readable::one_line;

/// Most messages of one answer that are shown.
const MOST_MESSAGES: usize = 10;

/// What SAP says besides yes, as `warning V1/302: text; ...`; empty if nothing.
///
/// The headers are JSON: in V2 one object with `code`, `message`, `severity` and further ones in
/// `details`; in V4 an array of objects with `numericSeverity` (1 success to 4 error).
pub(crate) fn messages(headers: &HeaderMap) -> String {
    let mut found = Vec::new();
    for name in ["sap-message", "sap-messages"] {
        for value in headers.get_all(name) {
            match serde_json::from_slice::<Value>(value.as_bytes()) {
                Ok(Value::Array(messages)) => messages.iter().for_each(|m| collect(m, &mut found)),
                Ok(message) => collect(&message, &mut found),
                // Not the JSON that is documented: better shown than lost.
                Err(_) => found.push(String::from_utf8_lossy(value.as_bytes()).into_owned()),
            }
        }
    }
    found.truncate(MOST_MESSAGES);
    one_line(&found.join("; "))
}

fn collect(message: &Value, found: &mut Vec<String>) {
    let text = |key: &str| message.get(key).and_then(Value::as_str).unwrap_or_default();
    let said = text("message");
    if !said.is_empty() && found.len() < MOST_MESSAGES {
        let words = [severity(message), text("code")];
        let head: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
        found.push(match head.is_empty() {
            true => said.to_owned(),
            false => format!("{}: {said}", head.join(" ")),
        });
    }
    let details = message.get("details").and_then(Value::as_array);
    for detail in details.into_iter().flatten() {
        // One level: that is how deep they are packed.
        if detail
            .get("details")
            .and_then(Value::as_array)
            .is_none_or(Vec::is_empty)
        {
            collect(detail, found);
        }
    }
}

fn severity(message: &Value) -> &str {
    let number = message.get("numericSeverity").and_then(Value::as_u64);
    match message.get("severity").and_then(Value::as_str) {
        Some(severity) => severity,
        None => match number {
            Some(1) => "success",
            Some(2) => "info",
            Some(3) => "warning",
            Some(4) => "error",
            _ => "",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &'static str, value: &str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        messages(&headers)
    }

    #[test]
    fn both_versions_are_understood() {
        let v2 = r#"{"code":"V1/302","message":"Date moved","severity":"warning","target":"","details":
            [{"code":"F2/145","message":"Party is blocked","severity":"info","details":[]}]}"#;
        let one_line_v2 = v2.replace('\n', "");
        assert_eq!(
            read("sap-message", &one_line_v2),
            "warning V1/302: Date moved; info F2/145: Party is blocked"
        );
        let v4 = r#"[{"code":"A","message":"Saved","numericSeverity":1},{"message":"Look","numericSeverity":3}]"#;
        assert_eq!(read("sap-messages", v4), "success A: Saved; warning: Look");
    }

    #[test]
    fn anything_else_does_no_harm() {
        assert_eq!(messages(&HeaderMap::new()), "");
        assert_eq!(read("sap-message", "plain words"), "plain words");
        assert_eq!(read("sap-message", "{}"), "");
        let nested = "[".repeat(60) + &"]".repeat(60);
        assert_eq!(read("sap-messages", &nested), "");
    }
}
