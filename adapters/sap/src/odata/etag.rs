//! The ETag of an entity: in the header, or in the entity itself.

use reqwest::header::{ETAG, HeaderMap, HeaderValue};
use serde_json::Value;

/// The ETag that an answer with an entity tells.
pub(crate) fn etag(headers: &HeaderMap, body: &[u8]) -> Option<HeaderValue> {
    if let Some(etag) = headers.get(ETAG).filter(|etag| !etag.is_empty()) {
        return Some(etag.clone());
    }
    let entity: Value = serde_json::from_slice(body).ok()?;
    let v4 = entity.get("@odata.etag").or_else(|| entity.get("@etag"));
    let etag = v4.or_else(|| entity.pointer("/d/__metadata/etag"))?;
    HeaderValue::try_from(etag.as_str()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_found_wherever_it_stands() {
        let mut headers = HeaderMap::new();
        let read = |headers: &HeaderMap, body: &str| {
            etag(headers, body.as_bytes()).map(|etag| etag.to_str().unwrap().to_owned())
        };
        let v2 = r#"{"d":{"__metadata":{"etag":"W/\"2\""}}}"#;
        assert_eq!(read(&headers, v2).as_deref(), Some("W/\"2\""));
        assert_eq!(
            read(&headers, r#"{"@odata.etag":"W/\"4\""}"#).as_deref(),
            Some("W/\"4\"")
        );
        assert_eq!(read(&headers, "{}"), None);
        assert_eq!(read(&headers, "<html>"), None);
        headers.insert(ETAG, HeaderValue::from_static("W/\"0\""));
        assert_eq!(read(&headers, v2).as_deref(), Some("W/\"0\""));
    }
}
