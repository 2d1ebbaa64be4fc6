//! The headers of an incoming message that are kept with it.

use hub_core::Headers;

/// Most headers kept of one message: beyond, they are no headers but content, and would be written to
/// every list of messages.
pub const MOST_HEADERS: usize = 64;

/// Longest name or value of a header that is kept, in bytes.
pub const LONGEST_HEADER: usize = 4 * 1024;

/// Headers that are kept, within their limits. Their names are in lower case.
#[derive(Debug, Default)]
pub struct Kept(Headers);

impl Kept {
    /// Keeps a header, if it has a value that is not too long, and there are not too many.
    pub fn keep(&mut self, name: &str, value: Option<String>) {
        if let Some(value) = value
            && value.len() <= LONGEST_HEADER
            && name.len() <= LONGEST_HEADER
            && self.0.len() < MOST_HEADERS
        {
            self.0.push((name.to_ascii_lowercase(), value));
        }
    }

    /// Whether one of this name is kept.
    #[must_use]
    pub fn has(&self, wanted: &str) -> bool {
        self.0.iter().any(|(name, _)| name == wanted)
    }

    /// All of them.
    #[must_use]
    pub fn into_headers(self) -> Headers {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_or_too_much_is_left() {
        let mut kept = Kept::default();
        kept.keep("nothing", None);
        kept.keep("long", Some("x".repeat(LONGEST_HEADER + 1)));
        kept.keep(&"x".repeat(LONGEST_HEADER + 1), Some(String::new()));
        for number in 0..100 {
            kept.keep(&format!("X-{number}"), Some(number.to_string()));
        }
        assert!(kept.has("x-7") && !kept.has("X-7") && !kept.has("long"));
        let headers = kept.into_headers();
        assert_eq!(headers.len(), MOST_HEADERS);
        assert_eq!(headers[0], ("x-0".to_owned(), "0".to_owned()));
    }
}
