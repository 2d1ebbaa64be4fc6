//! A text (SMS) that is to be mailed: the JSON that the sinks `sms` and `sms_http` take.

use serde::Deserialize;

/// What templates may say of it, in the order of [`Sms::words`].
pub(crate) const WORDS: [&str; 3] = ["to", "from", "text"];

/// What a mail says of an SMS. How it would have been sent is of no matter here.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Sms {
    to: String,
    #[serde(default)]
    from: String,
    text: String,
}

impl Sms {
    /// Reads the body of a message.
    ///
    /// # Errors
    /// Where it is none.
    pub(crate) fn read(body: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(body).map_err(|error| {
            // Only where, not what: serde repeats values, which are personal data.
            format!(
                "`body` is `sms`, and this one is none at line {} column {}, expected \
                 {{\"to\": \"+37255500001\", \"text\": \"...\"}}",
                error.line(),
                error.column()
            )
        })
    }

    /// Each word with its value.
    pub(crate) fn words(&self) -> [(&'static str, &str); WORDS.len()] {
        let values = [&self.to, &self.from, &self.text];
        std::array::from_fn(|at| (WORDS[at], values[at].as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_whatever_else_it_says() {
        let body = r#"{"to":"+37255500001","text":"Tere","valid_minutes":90,"transactional":true}"#;
        let words = [("to", "+37255500001"), ("from", ""), ("text", "Tere")];
        assert_eq!(Sms::read(body.as_bytes()).unwrap().words(), words);
    }

    #[test]
    fn what_is_none_is_refused_without_personal_data() {
        for body in ["Tere", r#"{"to":37255500001,"text":"x"}"#, r#"{"to":"1"}"#] {
            let error = Sms::read(body.as_bytes()).unwrap_err();
            assert!(error.contains("line 1") && error.contains("expected"));
            assert!(!error.contains(": 37255500001"), "{error}");
        }
    }
}
