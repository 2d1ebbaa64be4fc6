//! What an answer to a posted message means.

use std::time::Duration;

use hub_model::Instant;

/// Longest pause that a server can ask for. A mistake of theirs must not stop us for a week.
const LONGEST_PAUSE: Duration = Duration::from_secs(3_600);

/// What an answer means for the message and for the endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Delivered.
    Sent,
    /// The endpoint is not right now: the message waits.
    Unavailable,
    /// The endpoint wants us to slow down: all its messages wait.
    Busy,
    /// This message will never be taken: it is parked.
    Refused,
}

/// What the status of an answer means.
///
/// | status | verdict |
/// | --- | --- |
/// | 2xx, and those of `accept_statuses` | sent |
/// | 401, 403, 407 | unavailable: credentials are the endpoint's trouble, not the message's |
/// | 408, 425 | unavailable |
/// | 429 | busy |
/// | other 4xx | refused |
/// | 501, 505 | refused |
/// | other 5xx | unavailable |
/// | 1xx, 3xx, anything else | unavailable: the URL is wrong, or it has moved |
#[must_use]
pub fn verdict(status: u16, accept_statuses: &[u16]) -> Verdict {
    match status {
        _ if accept_statuses.contains(&status) => Verdict::Sent,
        200..=299 => Verdict::Sent,
        401 | 403 | 407 | 408 | 425 => Verdict::Unavailable,
        429 => Verdict::Busy,
        400..=499 | 501 | 505 => Verdict::Refused,
        _ => Verdict::Unavailable,
    }
}

/// Whether an "unavailable" answer may be this one message's fault: a 500 often is. Wrong or
/// refused credentials, a wrong or moved URL and an announced maintenance never are.
#[must_use]
pub fn is_about_the_message(status: u16, asks_for_a_pause: bool) -> bool {
    match status {
        401 | 403 | 407 | 100..=199 | 300..=399 => false,
        503 => !asks_for_a_pause,
        _ => true,
    }
}

/// The pause that a `Retry-After` asks for, in seconds or as a date; at most an hour.
#[must_use]
pub fn retry_after(value: &str, now: Instant) -> Option<Duration> {
    let value = value.trim();
    let pause = match value.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let date = httpdate::parse_http_date(value).ok()?;
            let since_epoch = date.duration_since(std::time::UNIX_EPOCH).ok()?;
            let now = u64::try_from(now.micros()).unwrap_or_default();
            since_epoch.saturating_sub(Duration::from_micros(now))
        }
    };
    Some(pause.min(LONGEST_PAUSE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_a_verdict() {
        use Verdict::{Busy, Refused, Sent, Unavailable};
        for (statuses, expected) in [
            (&[200, 201, 202, 204, 299][..], Sent),
            (&[401, 403, 407, 408, 425], Unavailable),
            (&[429], Busy),
            (&[400, 404, 405, 409, 410, 413, 415, 422, 499], Refused),
            (&[501, 505], Refused),
            (&[500, 502, 503, 504, 507, 599], Unavailable),
            (&[100, 301, 302, 303, 304, 307, 308, 600, 0], Unavailable),
        ] {
            for status in statuses {
                assert_eq!(verdict(*status, &[]), expected, "{status}");
            }
        }
        assert_eq!(verdict(409, &[409]), Sent);
        assert_eq!(verdict(410, &[409]), Refused);
    }

    #[test]
    fn credentials_urls_and_maintenance_are_not_about_the_message() {
        for status in [408, 425, 500, 502, 503, 504, 599] {
            assert!(is_about_the_message(status, false), "{status}");
        }
        for status in [100, 301, 302, 308, 401, 403, 407] {
            assert!(!is_about_the_message(status, false), "{status}");
        }
        assert!(!is_about_the_message(503, true));
        assert!(is_about_the_message(500, true));
    }

    #[test]
    fn a_pause_is_seconds_or_a_date_and_at_most_an_hour() {
        let now: Instant = "2015-10-21T07:27:30Z".parse().unwrap();
        for (value, seconds) in [
            ("0", Some(0)),
            (" 120 ", Some(120)),
            ("99999999", Some(3_600)),
            ("Wed, 21 Oct 2015 07:28:00 GMT", Some(30)),
            ("Wed, 21 Oct 2015 07:27:00 GMT", Some(0)),
            ("Mon, 21 Oct 2115 07:28:00 GMT", Some(3_600)),
            ("-5", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(
                retry_after(value, now),
                seconds.map(Duration::from_secs),
                "{value}"
            );
        }
    }
}
