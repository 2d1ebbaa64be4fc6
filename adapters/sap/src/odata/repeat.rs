//! Requests that may be repeated: headers by which a server executes a request once, however often an
//! answer is lost. V2: `RequestID` and `RepeatabilityCreation` (SAP Gateway, "Idempotent Services");
//! V4: OASIS "Repeatable Requests 1.0".

use std::time::{Duration, UNIX_EPOCH};

use hub_core::OutgoingMessage;
use reqwest::header::HeaderMap;

use super::Version;
use super::place::hash;

/// The headers for a message: the same at every attempt.
pub(crate) fn headers(
    version: Version,
    endpoint: &str,
    message: &OutgoingMessage,
) -> [(&'static str, String); 2] {
    let created = u64::try_from(message.created.micros()).unwrap_or_default();
    let created = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_micros(created));
    let id = id(endpoint, message);
    match version {
        Version::V2 => [
            ("RequestID", id.to_uppercase()),
            ("RepeatabilityCreation", created),
        ],
        Version::V4 => [
            ("Repeatability-Request-ID", dashed(&id)),
            ("Repeatability-First-Sent", created),
        ],
    }
}

/// What the server says of it: `accepted` means that it recognises repetitions.
pub(crate) fn result(headers: &HeaderMap) -> Option<&str> {
    let value = headers
        .get("repeatability-result")
        .or_else(|| headers.get("repeatabilityresult"))?;
    value.to_str().ok()
}

/// 32 hexadecimal digits, in the form of a UUID of version 8 (RFC 9562: made by the application).
fn id(endpoint: &str, message: &OutgoingMessage) -> String {
    let message_id = message.message_id.to_string();
    let parts = [message.enterprise.as_str(), endpoint, &message_id];
    let mut id = hash(parts.iter().map(|part| part.as_bytes()));
    id.replace_range(12..13, "8");
    id.replace_range(16..17, "a");
    id
}

fn dashed(id: &str) -> String {
    let parts = [&id[..8], &id[8..12], &id[12..16], &id[16..20], &id[20..]];
    parts.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_of_the_message_and_the_endpoint() {
        let mut message = meterhub_tests::conformance::message(1, "x");
        let first = headers(Version::V4, "erp", &message);
        message.attempt = 2;
        assert_eq!(headers(Version::V4, "erp", &message), first);
        assert_ne!(headers(Version::V4, "erp2", &message), first);
        let parts: Vec<usize> = first[0].1.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12]);
        assert_eq!(first[1].1, "Sun, 29 Mar 2026 00:15:00 GMT");
        let [(name, id), _] = headers(Version::V2, "erp", &message);
        assert_eq!((name, id.len()), ("RequestID", 32));
    }
}
