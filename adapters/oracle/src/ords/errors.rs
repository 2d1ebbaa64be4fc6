//! What an error of the database means for the message.

use hub_core::SinkError;
use hub_web::Answer;

/// The errors of a database that is not right now: it starts or stops, the connection was lost, the
/// network is down, something is locked, too many sessions.
const PASSING: &[u32] = &[
    18, 20, 51, 54, 60, 257, 1012, 1033, 1034, 1035, 1089, 1090, 1092, 2049, 2391, 2396, 3113,
    3114, 3135, 4020, 4021, 4061, 4068, 8177, 12150, 12153, 12154, 12170, 12203, 12500, 12505,
    12514, 12516, 12518, 12519, 12520, 12521, 12526, 12528, 12537, 12541, 12543, 12545, 12547,
    12560, 12570, 12571, 12606, 25408, 30006,
];

/// Those that are about who we are.
const ABOUT_US: &[u32] = &[1005, 1017, 1031, 1045, 28000, 28001, 28002];

/// A unique key is taken.
const DUPLICATE: u32 = 1;

/// What an `ORA-` code means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    Passing,
    AboutUs,
    Duplicate,
    Message,
}

impl Cause {
    fn of(code: u32) -> Self {
        match code {
            DUPLICATE => Self::Duplicate,
            code if PASSING.contains(&code) => Self::Passing,
            code if ABOUT_US.contains(&code) => Self::AboutUs,
            _ => Self::Message,
        }
    }
}

/// The cause of an answer: of its first code that is not about what stood around the error
/// (`ORA-06512`: where it was raised; `ORA-06550`: the block did not compile; `ORA-04088`: a trigger).
pub(crate) fn cause(answer: &Answer) -> Option<Cause> {
    let text = String::from_utf8_lossy(&answer.body);
    codes(&text)
        .into_iter()
        .find(|code| ![4088, 6512, 6550].contains(code))
        .map(Cause::of)
}

/// Whether the message was taken.
///
/// # Errors
/// What follows from the status, and from the database's own error if there is one.
pub(crate) fn judge(answer: &Answer) -> Result<(), SinkError> {
    let shown = answer.shown();
    if answer.status.is_success() {
        return Ok(());
    }
    match cause(answer) {
        Some(Cause::Passing) => Err(again(answer, &shown, true)),
        Some(Cause::AboutUs) => Err(again(answer, &shown, false)),
        Some(Cause::Duplicate | Cause::Message) => Err(answer.refused(&shown)),
        None => answer.judged(&[], &shown),
    }
}

/// The message waits, whatever the status says.
fn again(answer: &Answer, shown: &str, is_about_the_message: bool) -> SinkError {
    match answer.unavailable(shown) {
        SinkError::Unavailable {
            endpoint,
            reason,
            retry_after,
            ..
        } => SinkError::Unavailable {
            endpoint,
            reason,
            retry_after,
            answered: is_about_the_message,
        },
        other => other,
    }
}

/// The numbers of all `ORA-nnnnn` in a text, in their order.
fn codes(text: &str) -> Vec<u32> {
    let after = text.split("ORA-").skip(1);
    let digits = after.map(|rest| {
        let end = rest.bytes().take_while(u8::is_ascii_digit).take(6).count();
        &rest[..end]
    });
    digits.filter_map(|digits| digits.parse().ok()).collect()
}

/// How many rows a `batchload` rejected, if the answer tells: `#INFO Number of rows in error: 3`.
pub(crate) fn rejected_rows(answer: &[u8]) -> Option<u64> {
    let text = String::from_utf8_lossy(answer).to_ascii_lowercase();
    let (_, rest) = text.split_once("number of rows in error:")?;
    rest.split_whitespace()
        .next()?
        .replace(',', "")
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_found_in_their_order() {
        let text =
            "cause: ORA-00001: unique (X.Y) violated\nORA-06512: at \"X\", line 3; ORA-x ORA-";
        assert_eq!(codes(text), [1, 6512]);
        assert!(codes("").is_empty());
    }

    #[test]
    fn codes_mean_what_they_mean() {
        for (code, expected) in [
            (1, Cause::Duplicate),
            (54, Cause::Passing),
            (12541, Cause::Passing),
            (1017, Cause::AboutUs),
            (1400, Cause::Message),
            (12899, Cause::Message),
            (20001, Cause::Message),
        ] {
            assert_eq!(Cause::of(code), expected, "{code}");
        }
    }

    #[test]
    fn a_batch_tells_its_rejected_rows() {
        let text = b"#INFO Number of rows processed: 1,000\n#INFO Number of rows in error: 1,003\n";
        assert_eq!(rejected_rows(text), Some(1_003));
        assert_eq!(
            rejected_rows(b"#INFO Number of rows in error: 0\n"),
            Some(0)
        );
        assert_eq!(rejected_rows(b"{}"), None);
    }
}
