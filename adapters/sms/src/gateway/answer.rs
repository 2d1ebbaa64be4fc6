//! What a gateway's answer means, and what it calls the text from then on.

use hub_web::Answer;
use regex::Regex;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// Most ids that are taken of one answer: a text has at most so many parts.
const MOST_IDS: usize = 255;

/// Longest id that is taken.
const LONGEST_ID: usize = 200;

/// What an answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Means {
    /// The gateway has the text.
    Accepted,
    /// It will never take this text.
    Refused,
    /// It wants us to slow down.
    Busy,
    /// Not now: try again.
    Retry,
}

/// An answer that means something else than its status says.
pub(crate) struct Rule {
    pub(crate) statuses: Vec<u16>,
    pub(crate) body: Option<Regex>,
    pub(crate) means: Means,
}

/// Where the gateway's own ids are in its answer.
pub(crate) enum Ids {
    /// It gives none: it calls the text as we do.
    MessageId,
    /// A JSON pointer, in which `*` stands for each element of a list.
    Json(String),
    /// The first group of each match, or all of it.
    Pattern(Regex),
}

/// What the first rule that fits says.
pub(crate) fn meaning(rules: &[Rule], answer: &Answer) -> Option<Means> {
    let status = answer.status.as_u16();
    let body = String::from_utf8_lossy(&answer.body);
    means(rules, status, &body)
}

fn means(rules: &[Rule], status: u16, body: &str) -> Option<Means> {
    let fits = |rule: &&Rule| {
        let is_status = rule.statuses.is_empty() || rule.statuses.contains(&status);
        is_status
            && rule
                .body
                .as_ref()
                .is_none_or(|pattern| pattern.is_match(body))
    };
    rules.iter().find(fits).map(|rule| rule.means)
}

impl Ids {
    /// The ids in an answer; our own of the message where the gateway has none.
    pub(crate) fn of(&self, body: &[u8], own: &str) -> Vec<String> {
        let mut ids = match self {
            Self::MessageId => vec![own.to_owned()],
            Self::Json(pointer) => {
                let body: Value = serde_json::from_slice(body).unwrap_or_default();
                let found = at(&body, pointer);
                found.into_iter().filter_map(text).collect()
            }
            Self::Pattern(pattern) => {
                let body = String::from_utf8_lossy(body);
                let id = |found: regex::Captures<'_>| {
                    let id = found.get(1).or_else(|| found.get(0));
                    id.map(|id| id.as_str().to_owned())
                };
                pattern.captures_iter(&body).filter_map(id).collect()
            }
        };
        ids.retain(|id| !id.is_empty() && id.len() <= LONGEST_ID);
        ids.truncate(MOST_IDS);
        ids
    }
}

/// A text or number.
pub(crate) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// What a pointer leads to.
fn at<'v>(value: &'v Value, pointer: &str) -> Vec<&'v Value> {
    match pointer.split_once("/*") {
        None => value.pointer(pointer).into_iter().collect(),
        Some((before, after)) => {
            let list = value.pointer(before).and_then(Value::as_array);
            let elements = list.into_iter().flatten();
            elements.flat_map(|element| at(element, after)).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_found_by_pointer_and_pattern() {
        let json = br#"{"messages": [{"id": "a1"}, {"id": 17}, {"no": 1}]}"#;
        for (ids, body, expected) in [
            (
                Ids::Json("/messages/*/id".into()),
                &json[..],
                &["a1", "17"][..],
            ),
            (Ids::Json("/messages/0/id".into()), json, &["a1"]),
            (Ids::Json("/x".into()), json, &[]),
            (Ids::Json("/x".into()), b"no JSON", &[]),
            (
                Ids::Pattern(Regex::new(r"ID: (\S+)").unwrap()),
                b"ID: 5 ID: 6",
                &["5", "6"],
            ),
            (Ids::Pattern(Regex::new(r"\d+").unwrap()), b"OK 12", &["12"]),
            (Ids::MessageId, b"0: Accepted for delivery", &["own"]),
        ] {
            assert_eq!(ids.of(body, "own"), expected);
        }
    }

    #[test]
    fn the_first_rule_that_fits_counts() {
        let rule = |statuses: &[u16], body: Option<&str>, means| Rule {
            statuses: statuses.to_vec(),
            body: body.map(|body| Regex::new(body).unwrap()),
            means,
        };
        let rules = [
            rule(&[200], Some("^ERR: 105"), Means::Refused),
            rule(&[], Some("^ERR"), Means::Retry),
            rule(&[409], None, Means::Accepted),
        ];
        for (status, body, expected) in [
            (200, "ID: 1", None),
            (200, "ERR: 105 no number", Some(Means::Refused)),
            (200, "ERR: 301 no credit", Some(Means::Retry)),
            (500, "ERR: 105", Some(Means::Retry)),
            (409, "", Some(Means::Accepted)),
        ] {
            assert_eq!(means(&rules, status, body), expected, "{status} {body}");
        }
    }
}
