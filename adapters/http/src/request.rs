//! What the headers of a posted message say, checked.

use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use hub_web::Problem;

/// Longest `Idempotency-Key`: it becomes part of a database key.
const LONGEST_KEY: usize = 255;

/// Longest name of a message that is kept, in bytes.
const LONGEST_NAME: usize = 255;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const FILENAME: HeaderName = HeaderName::from_static("x-filename");

fn bad(kind: &'static str, title: &'static str, detail: String) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, kind, title, detail)
}

/// The `Idempotency-Key`, 1 to 255 printable ASCII characters.
pub(crate) fn business_key(headers: &HeaderMap, required: bool) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else {
        return match required {
            false => Ok(None),
            true => Err(bad(
                "no-key",
                "`Idempotency-Key` is required",
                format!(
                    "send a key of 1 to {LONGEST_KEY} printable characters, the same at every attempt"
                ),
            )),
        };
    };
    let key = value.as_bytes();
    let printable = key.iter().all(|b| (0x20..0x7f).contains(b));
    match std::str::from_utf8(key) {
        Ok(key)
            if printable
                && !key.is_empty()
                && key.len() <= LONGEST_KEY
                && values.next().is_none() =>
        {
            Ok(Some(key.to_owned()))
        }
        _ => Err(bad(
            "bad-key",
            "`Idempotency-Key` is not valid",
            format!("send one key of 1 to {LONGEST_KEY} printable ASCII characters"),
        )),
    }
}

/// The media type, if the source takes it.
pub(crate) fn media_type(
    headers: &HeaderMap,
    allowed: &[String],
) -> Result<Option<String>, Problem> {
    let value = headers.get(header::CONTENT_TYPE);
    let text = value.and_then(|v| v.to_str().ok()).map(str::trim);
    let essence = text
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim();
    if allowed.is_empty() || allowed.iter().any(|a| is_kind_of(essence, a)) {
        return Ok(text.map(ToOwned::to_owned));
    }
    Err(Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "media-type",
        "The media type is not taken here",
        format!("send a `Content-Type` of: {}", allowed.join(", ")),
    ))
}

fn is_kind_of(essence: &str, allowed: &str) -> bool {
    match allowed.strip_suffix("/*") {
        Some(group) => essence
            .split_once('/')
            .is_some_and(|(g, _)| g.eq_ignore_ascii_case(group)),
        None => essence.eq_ignore_ascii_case(allowed),
    }
}

/// The name of the message: `X-Filename`, else the file name of `Content-Disposition`.
pub(crate) fn name(headers: &HeaderMap) -> String {
    let text = |name| {
        headers
            .get(name)
            .and_then(|v| std::str::from_utf8(v.as_bytes()).ok())
    };
    let name = match text(FILENAME) {
        Some(name) => Some(name.to_owned()),
        None => text(header::CONTENT_DISPOSITION).and_then(disposition_name),
    };
    name.map(|name| plain_name(&name)).unwrap_or_default()
}

/// Headers that a source keeps. Credentials are never among them (`HttpSourceConfig::validate`).
pub(crate) fn kept(headers: &HeaderMap, keep: &[HeaderName]) -> Vec<(String, String)> {
    let pairs = keep.iter().flat_map(|name| {
        let values = headers.get_all(name).iter();
        values.map(move |v| {
            let value = String::from_utf8_lossy(v.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        })
    });
    pairs.collect()
}

/// The last part of a path, without control characters, cut to length.
fn plain_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let mut plain = String::new();
    for c in last.trim().chars().filter(|c| !c.is_control()) {
        if plain.len() + c.len_utf8() > LONGEST_NAME {
            break;
        }
        plain.push(c);
    }
    plain
}

/// `filename*=UTF-8''...` goes before `filename="..."` (RFC 6266).
fn disposition_name(value: &str) -> Option<String> {
    let mut plain = None;
    for part in value.split(';').skip(1) {
        let Some((key, value)) = part.split_once('=') else {
            continue;
        };
        match key.trim().to_ascii_lowercase().as_str() {
            "filename*" => {
                let encoded = value.trim().splitn(3, '\'').nth(2)?;
                return Some(percent_decoded(encoded));
            }
            "filename" => plain = Some(value.trim().trim_matches('"').replace("\\\"", "\"")),
            _ => {}
        }
    }
    plain
}

fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes
            .get(at + 1..at + 3)
            .and_then(|h| std::str::from_utf8(h).ok());
        match hex
            .filter(|_| bytes[at] == b'%')
            .and_then(|h| u8::from_str_radix(h, 16).ok())
        {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            (HeaderName::from_static(name), value)
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn keys_are_short_and_printable() {
        let long = "k".repeat(256);
        for (key, valid) in [
            ("4711", true),
            ("a b~!", true),
            (&long[..255], true),
            (&long, false),
            ("", false),
            ("zähler", false),
            ("tab\there", false),
        ] {
            let result = business_key(&headers(&[("idempotency-key", key)]), false);
            assert_eq!(result.is_ok(), valid, "{key}");
        }
        assert!(business_key(&headers(&[]), true).is_err());
        assert!(matches!(business_key(&headers(&[]), false), Ok(None)));
    }

    #[test]
    fn a_name_is_only_a_name() {
        for (header, value, expected) in [
            ("x-filename", "readings.xml", "readings.xml"),
            ("x-filename", "../../etc/passwd", "passwd"),
            ("x-filename", "C:\\in\\a.csv", "a.csv"),
            ("x-filename", "Zähler.csv", "Zähler.csv"),
            (
                "content-disposition",
                "attachment; filename=\"a b.csv\"",
                "a b.csv",
            ),
            (
                "content-disposition",
                "attachment; filename=\"x\"; filename*=UTF-8''Z%C3%A4hler%2Fa.csv",
                "a.csv",
            ),
            (
                "content-disposition",
                "inline; filename*=UTF-8''Z%C3%A4hler%zz",
                "Zähler%zz",
            ),
            ("content-disposition", "inline", ""),
        ] {
            assert_eq!(name(&headers(&[(header, value)])), expected, "{value}");
        }
        assert_eq!(name(&headers(&[])), "");
    }

    #[test]
    fn media_types_are_compared_without_parameters() {
        let allowed = ["text/*".to_owned(), "application/xml".to_owned()];
        for (value, valid) in [
            ("text/csv", true),
            ("Application/XML; charset=utf-8", true),
            ("application/json", false),
            ("", false),
        ] {
            let result = media_type(&headers(&[("content-type", value)]), &allowed);
            assert_eq!(result.is_ok(), valid, "{value}");
        }
        assert!(media_type(&headers(&[]), &allowed).is_err());
        assert!(media_type(&headers(&[]), &[]).is_ok());
    }
}
