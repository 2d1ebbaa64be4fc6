//! What an answer to a call means for the message.

use bytes::Bytes;
use futures_util::stream;
use hub_core::{Sent, SinkError};
use hub_web::{Answer, plain};
use reqwest::header;

use crate::envelope::{Plan, Trouble, Version, read_whole};
use crate::mtom::{Multipart, Related};
use crate::wire::{ErrorPart, Reply, Told, codes, fault, reply_in};
use crate::xml::charset_of;

/// Most of an answer that is read.
pub(crate) const LARGEST_ANSWER: usize = 1024 * 1024;

/// Most of a reason that is shown, in characters.
const LONGEST_SHOWN: usize = 500;

/// Errors of a reply that are shown.
const ERRORS_SHOWN: usize = 10;

/// What a service's answers mean.
#[derive(Debug, Clone, Default)]
pub(crate) struct Judge {
    /// Replies of IEC 61968-100 count.
    pub(crate) iec: bool,
    pub(crate) accept_partial: bool,
    pub(crate) retry_codes: Vec<String>,
}

/// What stands in an answer.
#[derive(Debug)]
enum Found {
    /// No body.
    Nothing,
    Fault(Told),
    Reply(Reply),
    /// An envelope with something else.
    Other(String),
    /// No envelope.
    NoSoap(Trouble),
}

impl Judge {
    /// Judges.
    ///
    /// # Errors
    /// The message was not taken.
    pub(crate) async fn judge(&self, answer: &Answer) -> Result<Sent, SinkError> {
        // Of these HTTP says all there is to say, whatever is written in them.
        let is_of_transport = matches!(answer.status.as_u16(), 401 | 403 | 407 | 429);
        let found = self.read(answer).await;
        let shown = self.shown(answer, &found);
        if is_of_transport {
            answer.judged(&[], &shown)?;
        }
        match found {
            Found::Fault(told) => Err(of_fault(answer, &told, &shown)),
            Found::Reply(reply) if self.iec => {
                self.of_reply(answer, &reply, &shown)?;
                answer.judged(&[], &shown)?;
                Ok(Sent::noted(shown))
            }
            Found::NoSoap(_) if answer.status.is_success() => Err(answer.unavailable(&shown)),
            _ => {
                answer.judged(&[], &shown)?;
                Ok(Sent::noted(format!("{} {shown}", answer.status).trim_end()))
            }
        }
    }

    async fn read(&self, answer: &Answer) -> Found {
        if answer.body.trim_ascii().is_empty() {
            return Found::Nothing;
        }
        let media_type = answer.headers.get(header::CONTENT_TYPE);
        let media_type = media_type
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let read = match Related::of(media_type) {
            None => envelope(&answer.body, charset_of(media_type)),
            Some(Ok(related)) => match first_part(&answer.body, &related).await {
                Ok(part) => envelope(&part, None),
                Err(trouble) => Err(trouble),
            },
            Some(Err(what)) => Err(Trouble::structure(what)),
        };
        read.unwrap_or_else(Found::NoSoap)
    }

    fn of_reply(&self, answer: &Answer, reply: &Reply, shown: &str) -> Result<(), SinkError> {
        let may_pass = |error: &ErrorPart| {
            let code = error.code.as_deref().unwrap_or_default().trim();
            self.retry_codes.iter().any(|retry| {
                let rest = code.strip_prefix(retry.as_str());
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            })
        };
        match reply.result.trim() {
            "OK" => Ok(()),
            "PARTIAL" if self.accept_partial => Ok(()),
            "FAILED" if reply.errors.iter().any(may_pass) => Err(answer.unavailable(shown)),
            _ => Err(answer.refused(shown)),
        }
    }

    fn shown(&self, answer: &Answer, found: &Found) -> String {
        let text = match found {
            Found::Nothing => String::new(),
            Found::Fault(told) => format!("{} {}: {}", told.code, told.subcode, told.reason),
            Found::Reply(reply) => replied(reply),
            Found::Other(name) => name.clone(),
            Found::NoSoap(trouble) => format!("no SOAP ({trouble}): {}", answer.shown()),
        };
        plain(text.replace(" :", ":").as_bytes(), LONGEST_SHOWN)
    }
}

fn replied(reply: &Reply) -> String {
    let mut text = format!("Reply {}", reply.result.trim());
    for error in reply.errors.iter().take(ERRORS_SHOWN) {
        let parts = [
            &error.code,
            &error.level,
            &error.reason,
            &error.details,
            &error.related,
        ];
        for part in parts.into_iter().flatten() {
            text.push(' ');
            text.push_str(part.trim());
        }
        if let (None, None, Some(code)) = (&error.reason, &error.details, &error.code)
            && let Some(meaning) = codes::meaning(code)
        {
            text.push_str(&format!(" ({meaning})"));
        }
        text.push(';');
    }
    text.trim_end_matches(';').to_owned()
}

fn envelope(body: &[u8], charset: Option<String>) -> Result<Found, Trouble> {
    let (outline, content) = read_whole(body, charset, Plan::default())?;
    let Some(name) = outline.message else {
        return Ok(Found::Nothing);
    };
    let version = outline.version.unwrap_or(Version::V11);
    if name.is(version.namespace(), "Fault") {
        return fault(&content, version).map(Found::Fault);
    }
    match reply_in(&content) {
        Ok(Some(reply)) => Ok(Found::Reply(reply)),
        // Something of the partner's own, which may be anything.
        Ok(None) | Err(_) => Ok(Found::Other(name.local)),
    }
}

async fn first_part(body: &[u8], related: &Related) -> Result<Vec<u8>, Trouble> {
    let whole = Bytes::copy_from_slice(body);
    let mut parts = Multipart::new(Box::pin(stream::iter([Ok(whole)])), &related.boundary);
    let mut part = Vec::new();
    if parts.next_part().await?.is_some() {
        while let Some(chunk) = parts.chunk().await? {
            part.extend_from_slice(&chunk);
        }
    }
    Ok(part)
}

/// What a fault means. Names of WS-Security's faults are the same in both versions.
fn of_fault(answer: &Answer, told: &Told, shown: &str) -> SinkError {
    const SECURITY: [&str; 8] = [
        "FailedAuthentication",
        "InvalidSecurity",
        "InvalidSecurityToken",
        "UnsupportedSecurityToken",
        "UnsupportedAlgorithm",
        "FailedCheck",
        "SecurityTokenUnavailable",
        "MessageExpired",
    ];
    let is_security = |code: &str| {
        SECURITY.contains(&code)
            || code.contains("Authentication")
            || code.contains("Authorization")
    };
    if is_security(&told.code) || is_security(&told.subcode) {
        let error = answer.unavailable(shown);
        return of_endpoint(error);
    }
    match told.code.split('.').next().unwrap_or_default() {
        "Client" | "Sender" | "VersionMismatch" | "MustUnderstand" | "DataEncodingUnknown" => {
            answer.refused(shown)
        }
        // `Server`, `Receiver`, and what a partner made up: it may pass, and is parked if not.
        _ => answer.unavailable(shown),
    }
}

/// The same, as something that no message is to blame for.
fn of_endpoint(error: SinkError) -> SinkError {
    match error {
        SinkError::Unavailable {
            endpoint,
            reason,
            retry_after,
            ..
        } => SinkError::Unavailable {
            endpoint,
            reason,
            retry_after,
            answered: false,
        },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_without_words_is_explained() {
        let told = |code: &str, reason: Option<&str>| {
            replied(&Reply {
                result: "FAILED".to_owned(),
                errors: vec![ErrorPart {
                    code: Some(code.to_owned()),
                    reason: reason.map(ToOwned::to_owned),
                    ..ErrorPart::default()
                }],
            })
        };
        assert_eq!(told("2.4", None), "Reply FAILED 2.4 (unknown meters)");
        assert_eq!(told("2.4", Some("no 4711")), "Reply FAILED 2.4 no 4711");
        assert_eq!(told("E17", None), "Reply FAILED E17");
    }
}
