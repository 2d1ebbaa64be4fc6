//! The ETag of an entity: in the header, or in the entity itself.

use reqwest::header::{ETAG, HeaderMap, HeaderValue};
use serde_json::Value;

/// What an answer says of its entity's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    /// It has this ETag.
    Tagged(HeaderValue),
    /// The entity was read, and has none: its type knows no ETags.
    Untagged,
    /// No entity could be read, so nothing is known.
    Unread,
}

/// The state of the entity in an answer.
pub(crate) fn state(headers: &HeaderMap, body: &[u8]) -> State {
    if let Some(etag) = headers.get(ETAG).filter(|etag| !etag.is_empty()) {
        return State::Tagged(etag.clone());
    }
    let Ok(entity @ Value::Object(_)) = serde_json::from_slice::<Value>(body) else {
        return State::Unread;
    };
    let v4 = entity.get("@odata.etag").or_else(|| entity.get("@etag"));
    match v4.or_else(|| entity.pointer("/d/__metadata/etag")) {
        None => State::Untagged,
        Some(etag) => etag
            .as_str()
            .and_then(|etag| HeaderValue::try_from(etag).ok())
            .map_or(State::Unread, State::Tagged),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_found_wherever_it_stands() {
        let mut headers = HeaderMap::new();
        let read = |headers: &HeaderMap, body: &str| state(headers, body.as_bytes());
        let tagged = |etag: &'static str| State::Tagged(HeaderValue::from_static(etag));
        let v2 = r#"{"d":{"__metadata":{"etag":"W/\"2\""}}}"#;
        assert_eq!(read(&headers, v2), tagged("W/\"2\""));
        let v4 = r#"{"@odata.etag":"W/\"4\""}"#;
        assert_eq!(read(&headers, v4), tagged("W/\"4\""));
        assert_eq!(read(&headers, "{}"), State::Untagged);
        for unread in ["<html>", "", &v4[..v4.len() - 1], "[]", r#"{"@etag":5}"#] {
            assert_eq!(read(&headers, unread), State::Unread, "{unread}");
        }
        headers.insert(ETAG, HeaderValue::from_static("W/\"0\""));
        assert_eq!(read(&headers, v2), tagged("W/\"0\""));
    }
}
