//! The HTTP client of a sink, and what its errors say.

use std::error::Error;
use std::time::Duration;

use hub_core::AdapterContext;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Identity, Proxy, StatusCode};

use crate::config::HttpSinkConfig;

/// Connections kept open while idle. A lane per business object may mean many at once.
const IDLE_CONNECTIONS: usize = 64;

/// Redirects followed, if any are.
const MOST_REDIRECTS: usize = 5;

/// Builds the client of a sink.
///
/// # Errors
/// A certificate file or the proxy is not usable.
pub(crate) fn client(config: &HttpSinkConfig, context: &AdapterContext) -> Result<Client, String> {
    // No proxy from the environment: where messages go is in the configuration, all of it.
    let mut builder = Client::builder()
        .no_proxy()
        .user_agent("meterhub")
        .connect_timeout(Duration::from_secs(config.connect_timeout_seconds))
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .redirect(redirects(config.follow_redirects));
    if let Some(proxy) = &config.proxy {
        builder = builder.proxy(Proxy::all(proxy).map_err(|e| format!("`proxy`: {}", reason(e)))?);
    }
    if let Some(path) = &config.ca_certificates {
        let path = context.path(path);
        let pem = std::fs::read(&path).map_err(|e| format!("`{}`: {e}", path.display()))?;
        let certificates = Certificate::from_pem_bundle(&pem).map_err(reason)?;
        builder = builder.tls_certs_merge(certificates);
    }
    if let Some(secret) = &config.client_certificate {
        let pem = secret
            .resolve(&context.base_dir)
            .map_err(|e| e.to_string())?;
        let identity = Identity::from_pem(pem.as_bytes())
            .map_err(|e| format!("`client_certificate`: {}", reason(e)))?;
        builder = builder.identity(identity);
    }
    builder.build().map_err(reason)
}

/// 301 to 303 turn a POST into a GET, whose 200 would be no yes: these are never followed.
fn redirects(follow: bool) -> Policy {
    if !follow {
        return Policy::none();
    }
    Policy::custom(|attempt| {
        let same_request = matches!(
            attempt.status(),
            StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT
        );
        let previous = attempt.previous();
        let same_server = previous
            .first()
            .is_some_and(|first| first.origin() == attempt.url().origin());
        match same_request && same_server && previous.len() <= MOST_REDIRECTS {
            true => attempt.follow(),
            false => attempt.stop(),
        }
    })
}

/// What went wrong, down to its cause, without the URL: that may hold personal data.
pub(crate) fn reason(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause: Option<&dyn Error> = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}

/// At most `limit` bytes of an answer; the rest is not read.
pub(crate) async fn bounded(answer: &mut reqwest::Response, limit: usize) -> Vec<u8> {
    let mut body = Vec::new();
    while body.len() < limit {
        match answer.chunk().await {
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            // What is there will do.
            Ok(None) | Err(_) => break,
        }
    }
    body.truncate(limit);
    body
}

/// A server's words for people: one line, without control characters, at most `limit` characters.
pub(crate) fn plain(text: &[u8], limit: usize) -> String {
    let text = String::from_utf8_lossy(text);
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    let mut plain = String::new();
    for word in words.filter(|w| !w.is_empty()) {
        if !plain.is_empty() {
            plain.push(' ');
        }
        plain.push_str(word);
    }
    match plain.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", &plain[..end]),
        None => plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_words_become_one_short_line() {
        assert_eq!(
            plain(b"  no\r\n\tsuch \x1b[31mmeter\0 ", 99),
            "no such [31mmeter"
        );
        assert_eq!(plain("ääää".as_bytes(), 3), "äää…");
        assert_eq!(plain(b"\xff", 9), "\u{fffd}");
    }
}
