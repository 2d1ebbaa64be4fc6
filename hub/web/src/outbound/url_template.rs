//! URLs made from a template and the message.

use hub_core::OutgoingMessage;
use hub_names::MessageTemplate;

/// A parsed template: `https://host/path/{message_id}`, with the words of [`MessageTemplate`].
#[derive(Debug, Clone)]
pub struct UrlTemplate(MessageTemplate);

impl UrlTemplate {
    /// Reads a template.
    ///
    /// # Errors
    /// What is wrong, and what would be valid.
    pub fn parse(text: &str) -> Result<Self, String> {
        let template = Self(MessageTemplate::parse(text)?);
        template.host_is_fixed()?;
        Ok(template)
    }

    /// A message must never choose the server that it goes to, with our credentials.
    fn host_is_fixed(&self) -> Result<(), String> {
        let expected = "expected a URL such as `https://host/path/{message_id}`";
        let head = self.0.head();
        let url = reqwest::Url::parse(head).map_err(|error| format!("{error}; {expected}"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!("has the scheme `{}`; {expected}", url.scheme()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("holds credentials; give them under `auth`, by reference".to_owned());
        }
        let after_scheme = head.split_once("://").map_or("", |(_, rest)| rest);
        match !self.0.is_fixed() && !after_scheme.contains('/') {
            true => Err(format!("has braces in its host; {expected}")),
            false => Ok(()),
        }
    }

    /// The URL without the values: scheme and host are the message's own.
    #[must_use]
    pub fn base(&self) -> Option<reqwest::Url> {
        reqwest::Url::parse(self.0.head()).ok()
    }

    /// The URL for a message; values are percent-encoded.
    #[must_use]
    pub fn url(&self, message: &OutgoingMessage) -> String {
        self.0.fill(message, encoded)
    }
}

/// Percent-encodes all but the unreserved characters of RFC 3986. A value that is only dots would
/// climb in the path, even if encoded (`%2E%2E` is `..` to URL parsers), and becomes underscores.
#[must_use]
pub fn encoded(value: &str) -> String {
    use std::fmt::Write;
    let dots = value.bytes().all(|b| b == b'.');
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'~' => out.push(byte.into()),
            b'.' if dots => out.push('_'),
            b'.' => out.push('.'),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_cannot_leave_their_place() {
        assert_eq!(
            encoded("work_order:47/11?x=ä"),
            "work_order%3A47%2F11%3Fx%3D%C3%A4"
        );
        assert_eq!(encoded("a.b"), "a.b");
        assert_eq!(encoded(".."), "__", "would climb in the path");
    }

    #[test]
    fn wrong_templates_say_what_would_be_right() {
        for (template, hint) in [
            ("", "https://host/path"),
            ("ftp://host/x", "scheme `ftp`"),
            ("https://{subject}/x", "https://host/path"),
            ("https://host{subject}/x", "braces in its host"),
            ("https://host/{nessage_id}", "`{message_id}`"),
            ("https://host/{message_id", "lacks a `}`"),
            ("https://user:pw@host/", "under `auth`"),
        ] {
            let error = UrlTemplate::parse(template).unwrap_err();
            assert!(error.contains(hint), "{template}: {error}");
        }
        assert!(UrlTemplate::parse("https://host/in/{subject}?id={message_id}").is_ok());
    }
}
