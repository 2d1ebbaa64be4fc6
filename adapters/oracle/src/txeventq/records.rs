//! Records as the REST API writes them.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use hub_core::Headers;
use serde_json::{Map, Value, json};

use crate::config::ValueForm;

/// Most headers of a record that are kept, and longest value of one, in characters.
const MOST_HEADERS: usize = 100;
const LONGEST_HEADER: usize = 4_096;

/// A record that was fetched.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Record {
    pub(crate) topic: String,
    pub(crate) partition: u64,
    pub(crate) offset: u64,
    pub(crate) key: String,
    pub(crate) value: Value,
    pub(crate) headers: Headers,
}

/// The records of an answer: a list, or an object that holds it.
///
/// # Errors
/// What is not as expected.
pub(crate) fn records(body: &[u8]) -> Result<Vec<Record>, String> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Vec::new());
    }
    let answer: Value = serde_json::from_slice(body)
        .map_err(|error| format!("its records are no JSON, or more than allowed: {error}"))?;
    let list = match &answer {
        Value::Array(list) => Some(list),
        object => ["records", "items"]
            .iter()
            .find_map(|name| object.get(name)?.as_array()),
    };
    let list = list.ok_or("its answer holds no list of records")?;
    list.iter().map(record).collect()
}

fn record(value: &Value) -> Result<Record, String> {
    let number = |names: [&str; 2]| {
        let found = names.iter().find_map(|name| value.get(name))?;
        found.as_u64().or_else(|| found.as_str()?.parse().ok())
    };
    let text = |names: [&str; 2]| names.iter().find_map(|name| value.get(name)?.as_str());
    let lacks = |what: &str| format!("a record lacks its `{what}`");
    Ok(Record {
        topic: text(["topic", "topic_name"])
            .ok_or_else(|| lacks("topic"))?
            .to_owned(),
        partition: number(["partition", "partition_id"]).ok_or_else(|| lacks("partition"))?,
        offset: number(["offset", "message_offset"]).ok_or_else(|| lacks("offset"))?,
        key: value.get("key").map(plain_text).unwrap_or_default(),
        value: value.get("value").cloned().unwrap_or_default(),
        headers: headers(value.get("headers")),
    })
}

/// A text as it is, anything else as JSON; nothing for `null`.
fn plain_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// An object, or a list of `{"key", "value"}`.
fn headers(value: Option<&Value>) -> Headers {
    let pair = |name: &str, value: &Value| {
        let value = plain_text(value).chars().take(LONGEST_HEADER).collect();
        (name.to_ascii_lowercase(), value)
    };
    let pairs: Headers = match value {
        Some(Value::Object(fields)) => fields.iter().map(|(n, v)| pair(n, v)).collect(),
        Some(Value::Array(list)) => {
            let named = list.iter().filter_map(|entry| {
                let name = entry.get("key").or_else(|| entry.get("name"))?.as_str()?;
                Some(pair(name, entry.get("value")?))
            });
            named.collect()
        }
        _ => Vec::new(),
    };
    pairs.into_iter().take(MOST_HEADERS).collect()
}

impl Record {
    /// Its bytes.
    ///
    /// # Errors
    /// The value is no base 64, though it should be.
    pub(crate) fn body(&self, form: ValueForm) -> Result<Bytes, String> {
        let text = plain_text(&self.value);
        match form {
            ValueForm::Text => Ok(text.into()),
            ValueForm::Base64 => {
                let decoded = BASE64_STANDARD.decode(text.trim());
                decoded
                    .map(Bytes::from)
                    .map_err(|error| format!("the value is no base 64: {error}"))
            }
        }
    }
}

/// What produces one record.
///
/// # Errors
/// The bytes are no text, though they should be.
pub(crate) fn produced(
    key: &str,
    body: &[u8],
    form: ValueForm,
    headers: &[(String, String)],
) -> Result<Value, String> {
    let value = match form {
        ValueForm::Base64 => BASE64_STANDARD.encode(body),
        ValueForm::Text => std::str::from_utf8(body)
            .map_err(|_| "is not UTF-8: `value = \"base64\"` would take it")?
            .to_owned(),
    };
    let mut record = json!({ "key": key, "value": value });
    if !headers.is_empty() {
        let fields = headers
            .iter()
            .map(|(n, v)| (n.clone(), Value::from(v.as_str())));
        record["headers"] = Value::Object(fields.collect::<Map<_, _>>());
    }
    Ok(json!({ "records": [record] }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_as_the_versions_write_them() {
        let kafka = br#"[{"topic":"T","key":"k","value":{"a":1},"partition":0,"offset":7,
            "headers":{"X-Id":"1"}}]"#;
        let found = records(kafka).unwrap();
        assert_eq!((found[0].partition, found[0].offset), (0, 7));
        assert_eq!(found[0].body(ValueForm::Text).unwrap(), r#"{"a":1}"#);
        assert_eq!(found[0].headers, [("x-id".to_owned(), "1".to_owned())]);
        let ords = br#"{"records":[{"topic_name":"T","key":null,"value":"YWI=","partition_id":"2",
            "message_offset":3,"headers":[{"key":"A","value":5}]}]}"#;
        let found = records(ords).unwrap();
        assert_eq!((found[0].partition, found[0].offset), (2, 3));
        assert_eq!(found[0].key, "");
        assert_eq!(found[0].body(ValueForm::Base64).unwrap(), "ab");
        assert_eq!(found[0].headers, [("a".to_owned(), "5".to_owned())]);
        assert_eq!(records(b" \n").unwrap(), []);
        assert_eq!(records(b"[]").unwrap(), []);
    }

    #[test]
    fn what_cannot_be_placed_is_an_error() {
        for (body, hint) in [
            (&b"<html>"[..], "no JSON"),
            (b"{}", "no list"),
            (br#"[{"partition":0,"offset":1}]"#, "`topic`"),
            (br#"[{"topic":"T","offset":1}]"#, "`partition`"),
            (
                br#"[{"topic":"T","partition":-1,"offset":1}]"#,
                "`partition`",
            ),
            (br#"[{"topic":"T","partition":0}]"#, "`offset`"),
        ] {
            let error = records(body).unwrap_err();
            assert!(error.contains(hint), "{error}");
        }
    }

    #[test]
    fn bytes_become_values() {
        let record = produced("k", b"\xff", ValueForm::Base64, &[]).unwrap();
        assert_eq!(record, json!({"records": [{"key": "k", "value": "/w=="}]}));
        assert!(produced("k", b"\xff", ValueForm::Text, &[]).is_err());
        let headers = [("a".to_owned(), "b".to_owned())];
        let record = produced("k", b"x", ValueForm::Text, &headers).unwrap();
        assert_eq!(record["records"][0]["headers"]["a"], "b");
    }
}
