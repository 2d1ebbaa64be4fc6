//! Addresses in OData: query options, and links that a service gives, which are followed to
//! the configured server only.

use std::fmt::Write;

use reqwest::Url;

/// Longest link that is followed: it must fit into a request, and into the hub's memory.
const LONGEST_LINK: usize = 16 * 1024;

/// A value of a query option: percent-encoded, spaces as `%20`.
fn encoded_query(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => out.push(byte.into()),
            b'-' | b'_' | b'.' | b'~' | b'\'' | b'(' | b')' | b',' | b'/' | b'$' | b':' | b'*' => {
                out.push(byte.into());
            }
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

/// A path with options added to its query, those that it has already left as they are.
pub(crate) fn with_options(path: &str, options: &[(&str, &str)]) -> String {
    let mut out = path.to_owned();
    for (name, value) in options {
        if !has_option(&out, name) {
            let _ = write!(out, "{}{name}={}", separator(&out), encoded_query(value));
        }
    }
    out
}

fn has_option(path: &str, name: &str) -> bool {
    let query = path.split_once('?').map_or("", |(_, query)| query);
    let encoded = name.replace('$', "%24");
    let is_it = |pair: &str| {
        let found = pair.split('=').next().unwrap_or_default();
        found == name || found.eq_ignore_ascii_case(&encoded)
    };
    query.split('&').any(is_it)
}

fn separator(path: &str) -> &'static str {
    match path.split_once('?') {
        None => "?",
        Some((_, query)) if query.is_empty() || query.ends_with('&') => "",
        Some(_) => "&",
    }
}

/// The path and query of a link that a service gave in answer to a request for `from`.
///
/// # Errors
/// It leads to another server, and `any_host` does not say that the path counts alone.
pub(crate) fn own_path(from: &Url, link: &str, any_host: bool) -> Result<String, String> {
    let url = from
        .join(link)
        .map_err(|error| format!("gave a link that is none: {error}"))?;
    if url.as_str().len() > LONGEST_LINK {
        return Err(format!(
            "gave a link of more than {LONGEST_LINK} characters"
        ));
    }
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("gave a link with the scheme `{}`", url.scheme()));
    }
    if url.origin() != from.origin() && !any_host {
        return Err(format!(
            "gave a link to another server (`{}`); if this server is meant, under a name that only \
             it knows, set `links_keep_server = true`",
            url.origin().ascii_serialization()
        ));
    }
    Ok(match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_encoded_and_never_given_twice() {
        let path = with_options(
            "/s/Set?$top=5",
            &[
                ("$filter", "Name eq 'a b&c' and X gt 1+1"),
                ("$top", "7"),
                ("sap-client", "100"),
            ],
        );
        assert_eq!(
            path,
            "/s/Set?$top=5&$filter=Name%20eq%20'a%20b%26c'%20and%20X%20gt%201%2B1&sap-client=100"
        );
        assert_eq!(with_options("/s?", &[("a", "1")]), "/s?a=1");
        assert_eq!(with_options("/s?%24top=5", &[("$top", "1")]), "/s?%24top=5");
        assert_eq!(encoded_query("Zähler"), "Z%C3%A4hler");
    }

    #[test]
    fn links_are_followed_on_this_server_only() {
        let from = Url::parse("https://s4.example/sap/opu/odata/sap/X/Set?$top=5").unwrap();
        let next = |link| own_path(&from, link, false);
        assert_eq!(
            next("Set?$skiptoken=5").unwrap(),
            "/sap/opu/odata/sap/X/Set?$skiptoken=5"
        );
        assert_eq!(next("https://s4.example/a?b='c'").unwrap(), "/a?b=%27c%27");
        assert_eq!(next("https://s4.example:443/a").unwrap(), "/a");
        assert_eq!(next("/a").unwrap(), "/a");
        for foreign in [
            "https://evil.example/a",
            "http://s4.example/a",
            "//evil.example/a",
            "https://s4.example:8443/a",
        ] {
            let error = next(foreign).unwrap_err();
            assert!(error.contains("another server"), "{error}");
            assert_eq!(own_path(&from, foreign, true).unwrap(), "/a");
        }
        for odd in ["javascript:x", "file:///etc/passwd", "data:text/plain,x"] {
            assert!(next(odd).is_err(), "{odd}");
        }
        assert!(next("https://").is_err());
    }
}
