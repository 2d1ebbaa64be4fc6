//! A server's answer, read within bounds, and what it means for a message.

use std::error::Error;
use std::time::Duration;

use hub_core::SinkError;
use hub_model::Instant;
use reqwest::header::{self, HeaderMap};
use reqwest::{Response, StatusCode};

use super::verdict::{Verdict, is_about_the_message, retry_after, verdict};

/// Most of an answer that is shown, in characters.
const LONGEST_SHOWN: usize = 500;

/// An answer that was read.
#[derive(Debug)]
pub struct Answer {
    endpoint: String,
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// The beginning of its body, or all of it.
    pub body: Vec<u8>,
    /// The pause it asks for, at most an hour.
    pub retry_after: Option<Duration>,
}

impl Answer {
    pub(super) async fn read(
        endpoint: &str,
        mut response: Response,
        limit: usize,
        now: Instant,
    ) -> Self {
        let status = response.status();
        let headers = std::mem::take(response.headers_mut());
        let pause = headers.get(header::RETRY_AFTER);
        let pause = pause.and_then(|value| value.to_str().ok());
        Self {
            endpoint: endpoint.to_owned(),
            status,
            retry_after: pause.and_then(|value| retry_after(value, now)),
            headers,
            // Read also if it is not shown: the connection can be used again then.
            body: bounded(&mut response, limit).await,
        }
    }

    /// Its body for people: one short line.
    #[must_use]
    pub fn shown(&self) -> String {
        plain(&self.body, LONGEST_SHOWN)
    }

    /// A header for people.
    #[must_use]
    pub fn shown_header(&self, name: header::HeaderName) -> Option<String> {
        let value = self.headers.get(name)?;
        Some(plain(value.as_bytes(), LONGEST_SHOWN))
    }

    /// What the status means for a message, as [`verdict`] has it; `shown` says it in the partner's
    /// words.
    ///
    /// # Errors
    /// The message was not taken.
    pub fn judged(&self, accept_statuses: &[u16], shown: &str) -> Result<(), SinkError> {
        match verdict(self.status.as_u16(), accept_statuses) {
            Verdict::Sent => Ok(()),
            Verdict::Unavailable => Err(self.unavailable(shown)),
            Verdict::Busy => Err(SinkError::Busy {
                endpoint: self.endpoint.clone(),
                retry_after: self.retry_after,
            }),
            Verdict::Refused => Err(self.refused(shown)),
        }
    }

    /// The message waits: the server is not right now.
    #[must_use]
    pub fn unavailable(&self, shown: &str) -> SinkError {
        let status = self.status;
        SinkError::Unavailable {
            endpoint: self.endpoint.clone(),
            reason: format!("it answered {status} {shown}")
                .trim_end()
                .to_owned(),
            retry_after: self.retry_after,
            answered: is_about_the_message(status.as_u16(), self.retry_after.is_some()),
        }
    }

    /// The message will never be taken.
    #[must_use]
    pub fn refused(&self, shown: &str) -> SinkError {
        SinkError::Refused {
            endpoint: self.endpoint.clone(),
            answer: format!("{} {shown}", self.status).trim_end().to_owned(),
        }
    }
}

/// What went wrong, down to its cause, without the URL: that may hold personal data.
#[must_use]
pub fn reason(error: reqwest::Error) -> String {
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
pub async fn bounded(answer: &mut reqwest::Response, limit: usize) -> Vec<u8> {
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
#[must_use]
pub fn plain(text: &[u8], limit: usize) -> String {
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
