//! The message to send: the JSON body that a mapping or template makes.

use hub_core::Content;
use serde::Deserialize;
use tokio::io::AsyncReadExt;

use crate::address;
use crate::pdu::Address;

/// Largest body that is read. The longest text that SMPP can cut has 255 parts.
const LARGEST_BODY: u64 = 256 * 1024;

/// Longest validity that may be asked for: the relative form of SMPP has two digits of days.
const LONGEST_VALIDITY_MINUTES: u32 = 30 * 24 * 60;

/// One SMS to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sms {
    pub(crate) to: Address,
    pub(crate) from: Option<Address>,
    pub(crate) text: String,
    pub(crate) valid_minutes: Option<u32>,
    /// Whether it goes to those who opted out as well, where the sink lets it.
    pub(crate) transactional: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    to: String,
    text: String,
    #[serde(default)]
    from: Option<String>,
    #[serde(default)]
    valid_minutes: Option<u32>,
    #[serde(default)]
    transactional: bool,
}

/// Why there is no SMS.
#[derive(Debug)]
pub(crate) enum NoSms {
    /// The body cannot be read now.
    Unreadable(String),
    /// It will never be one.
    Invalid(String),
}

impl Sms {
    pub(crate) async fn read(content: &Content) -> Result<Self, NoSms> {
        if content.len() > LARGEST_BODY {
            let reason = format!(
                "the body has {} bytes, expected at most {LARGEST_BODY}",
                content.len()
            );
            return Err(NoSms::Invalid(reason));
        }
        if let Some(body) = content.as_bytes() {
            return Self::parse(&body).map_err(NoSms::Invalid);
        }
        let mut body = Vec::new();
        let read = content.reader().read_to_end(&mut body).await;
        read.map_err(|error| NoSms::Unreadable(format!("its body: {error}")))?;
        Self::parse(&body).map_err(NoSms::Invalid)
    }

    fn parse(body: &[u8]) -> Result<Self, String> {
        let wire: Wire = serde_json::from_slice(body).map_err(|error| {
            // Only where, not what: serde repeats values, which are personal data.
            format!(
                "the body is no SMS at line {} column {}, expected \
                 {{\"to\": \"+37255500001\", \"text\": \"...\"}} with optional `from`, \
                 `valid_minutes` and `transactional`",
                error.line(),
                error.column()
            )
        })?;
        if wire.text.is_empty() {
            return Err("`text` is empty".to_owned());
        }
        let from = wire.from.as_deref().map(address::sender).transpose();
        if let Some(minutes) = wire.valid_minutes {
            check_validity(minutes).map_err(|reason| format!("`valid_minutes` {reason}"))?;
        }
        Ok(Self {
            to: address::recipient(&wire.to).map_err(|reason| format!("`to` {reason}"))?,
            from: from.map_err(|reason| format!("`from` {reason}"))?,
            text: wire.text,
            valid_minutes: wire.valid_minutes,
            transactional: wire.transactional,
        })
    }
}

/// Whether a validity can be asked for.
///
/// # Errors
/// What would be valid.
pub(crate) fn check_validity(minutes: u32) -> Result<(), String> {
    if (1..=LONGEST_VALIDITY_MINUTES).contains(&minutes) {
        return Ok(());
    }
    Err(format!(
        "is {minutes}, expected 1 to {LONGEST_VALIDITY_MINUTES}"
    ))
}

/// `validity_period` in its relative form, `YYMMDDhhmmsstnnR`: SMPP 3.4, 7.1.1.2.
pub(crate) fn validity_period(minutes: u32) -> String {
    let (days, hours, minutes) = (minutes / 1_440, minutes / 60 % 24, minutes % 60);
    format!("0000{days:02}{hours:02}{minutes:02}00000R")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_says_whom_and_what() {
        let sms = Sms::parse(r#"{"to":"+37255500001","text":"Tere"}"#.as_bytes()).unwrap();
        assert_eq!((sms.to.ton, sms.text.as_str()), (1, "Tere"));
        assert_eq!((sms.from, sms.valid_minutes), (None, None));
        assert!(!sms.transactional);
        let all = r#"{"to":"12345","text":"x","from":"Nordkraft","valid_minutes":90,"transactional":true}"#;
        let sms = Sms::parse(all.as_bytes()).unwrap();
        assert_eq!(sms.from.unwrap().digits, "Nordkraft");
        assert_eq!((sms.valid_minutes, sms.transactional), (Some(90), true));
    }

    #[test]
    fn what_is_wrong_is_named_without_personal_data() {
        for (body, expected) in [
            ("Tere", "line 1"),
            (r#"{"to":"+37255500001"}"#, "expected"),
            (r#"{"to":"+37255500001","text":""}"#, "`text`"),
            (r#"{"to":"0555-00001","text":"x"}"#, "`to`"),
            (
                r#"{"to":"+37255500001","text":"x","from":"far too long name"}"#,
                "`from`",
            ),
            (
                r#"{"to":"+37255500001","text":"x","valid_minutes":0}"#,
                "`valid_minutes`",
            ),
            (
                r#"{"to":"+37255500001","text":"x","tekst":"y"}"#,
                "expected",
            ),
            (r#"{"to":37255500001,"text":"x"}"#, "expected"),
        ] {
            let error = Sms::parse(body.as_bytes()).unwrap_err();
            assert!(error.contains(expected), "{error}");
            assert!(
                !error.contains("0555-00001") && !error.contains(": 37255500001"),
                "{error}"
            );
        }
    }

    #[test]
    fn validity_is_relative() {
        assert_eq!(validity_period(120), "000000020000000R");
        assert_eq!(validity_period(3 * 1_440 + 61), "000003010100000R");
        assert_eq!(validity_period(1).len(), 16);
    }
}
