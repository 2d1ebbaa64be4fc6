//! Records as the REST API writes them.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use hub_core::Headers;
use serde_json::{Map, Value, json};

use super::elements::Element;
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

/// What an answer holds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Item {
    /// A record.
    Record(Record),
    /// A record without its value, which is larger than allowed: so many bytes.
    Large(Record, u64),
    /// What cannot be placed, as it is written.
    Odd(Odd),
}

/// An element that is no record with a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Odd {
    pub(crate) text: Bytes,
    /// What is not as expected.
    pub(crate) problem: String,
}

impl Item {
    /// What an element is.
    ///
    /// # Errors
    /// It is larger than allowed, and its place is not told.
    pub(crate) fn of(element: Element) -> Result<Self, String> {
        match element {
            Element::Whole(text) => Ok(match read(&text) {
                Ok(record) => Self::Record(record),
                Err(problem) => Self::Odd(Odd {
                    text: text.into(),
                    problem,
                }),
            }),
            Element::Large(bytes, short) => {
                let short = Value::Object(short.into_iter().collect());
                let placed = record(&short).map(|record| Self::Large(record, bytes));
                placed.map_err(|problem| format!("a record has {bytes} bytes, and {problem}"))
            }
        }
    }

    /// The record, of which only the place is sure.
    pub(crate) fn placed(&self) -> Option<&Record> {
        match self {
            Self::Record(record) | Self::Large(record, _) => Some(record),
            Self::Odd(_) => None,
        }
    }
}

fn read(text: &[u8]) -> Result<Record, String> {
    let value: Value =
        serde_json::from_slice(text).map_err(|error| format!("a record is no JSON: {error}"))?;
    record(&value)
}

fn record(value: &Value) -> Result<Record, String> {
    let number = |names: [&str; 2]| {
        let found = names.iter().find_map(|name| value.get(name))?;
        found.as_u64().or_else(|| found.as_str()?.parse().ok())
    };
    let text = |names: [&str; 2]| names.iter().find_map(|name| value.get(name)?.as_str());
    let lacks = |what: &str| format!("it lacks its `{what}`");
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

    fn item(text: &str) -> Item {
        Item::of(Element::Whole(text.as_bytes().to_vec())).unwrap()
    }

    fn placed(text: &str) -> Record {
        match item(text) {
            Item::Record(record) => record,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn records_are_read_as_the_versions_write_them() {
        let found = placed(
            r#"{"topic":"T","key":"k","value":{"a":1},"partition":0,"offset":7,
            "headers":{"X-Id":"1"}}"#,
        );
        assert_eq!((found.partition, found.offset), (0, 7));
        assert_eq!(found.body(ValueForm::Text).unwrap(), r#"{"a":1}"#);
        assert_eq!(found.headers, [("x-id".to_owned(), "1".to_owned())]);
        let found = placed(
            r#"{"topic_name":"T","key":null,"value":"YWI=","partition_id":"2",
            "message_offset":3,"headers":[{"key":"A","value":5}]}"#,
        );
        assert_eq!((found.partition, found.offset), (2, 3));
        assert_eq!(found.key, "");
        assert_eq!(found.body(ValueForm::Base64).unwrap(), "ab");
        assert_eq!(found.headers, [("a".to_owned(), "5".to_owned())]);
    }

    #[test]
    fn what_cannot_be_placed_is_kept_with_what_is_wrong() {
        for (text, hint) in [
            (r#"{"partition":0,"offset":1}"#, "`topic`"),
            (r#"{"topic":"T","offset":1}"#, "`partition`"),
            (r#"{"topic":"T","partition":-1,"offset":1}"#, "`partition`"),
            (r#"{"topic":"T","partition":0}"#, "`offset`"),
            ("5", "`topic`"),
            ("{\"topic\":\"\u{1}\"}", "no JSON"),
        ] {
            let Item::Odd(odd) = item(text) else {
                panic!("{text}")
            };
            assert_eq!(odd.text, text);
            assert!(odd.problem.contains(hint), "{}", odd.problem);
        }
        assert!(Item::of(Element::Large(9, Default::default())).is_err());
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
