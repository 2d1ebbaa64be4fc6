//! The words and numbers by which gateways tell what became of a text.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::receipt::state_of_word;

/// What became of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It waits for its time.
    Scheduled,
    /// It is on its way.
    Enroute,
    /// The telephone has it.
    Delivered,
    /// It was not delivered in time.
    Expired,
    /// It was deleted.
    Deleted,
    /// It cannot be delivered.
    Undeliverable,
    /// The message centre has it.
    Accepted,
    /// Nobody knows.
    Unknown,
    /// The message centre refused it.
    Rejected,
    /// It was left out.
    Skipped,
}

impl State {
    /// The word that bodies have.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Enroute => "enroute",
            Self::Delivered => "delivered",
            Self::Expired => "expired",
            Self::Deleted => "deleted",
            Self::Undeliverable => "undeliverable",
            Self::Accepted => "accepted",
            Self::Unknown => "unknown",
            Self::Rejected => "rejected",
            Self::Skipped => "skipped",
        }
    }
}

/// Those that need no configuration, beside the words of SMPP: Kannel's numbers, and words of
/// gateways.
const USUAL: &[(&str, State)] = &[
    ("1", State::Delivered),
    ("2", State::Undeliverable),
    ("4", State::Enroute),
    ("8", State::Accepted),
    ("16", State::Rejected),
    ("read", State::Delivered),
    ("seen", State::Delivered),
    ("failed", State::Undeliverable),
    ("not_delivered", State::Undeliverable),
    ("sent", State::Enroute),
    ("queued", State::Enroute),
    ("buffered", State::Enroute),
    ("pending", State::Enroute),
    ("submitted", State::Accepted),
];

/// What a word means: as configured, else as usual.
pub(crate) fn state(word: &str, configured: &BTreeMap<String, State>) -> &'static str {
    let is_it = |known: &str| known.eq_ignore_ascii_case(word);
    let own = configured.iter().find(|(known, _)| is_it(known));
    let own = own.map(|(_, state)| *state);
    let usual = || {
        USUAL
            .iter()
            .find(|(known, _)| is_it(known))
            .map(|(_, state)| *state)
    };
    let ours = own.or_else(usual).map(State::as_str);
    ours.or_else(|| state_of_word(word)).unwrap_or("unknown")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_words_are_known_and_others_can_be_told() {
        let configured = BTreeMap::from([
            ("OK".to_owned(), State::Delivered),
            ("8".to_owned(), State::Expired),
        ]);
        for (word, expected) in [
            ("1", "delivered"),
            ("2", "undeliverable"),
            ("4", "enroute"),
            ("8", "expired"),
            ("16", "rejected"),
            ("ok", "delivered"),
            ("DELIVRD", "delivered"),
            ("Delivered", "delivered"),
            ("UNDELIVERABLE", "undeliverable"),
            ("Failed", "undeliverable"),
            ("3", "unknown"),
            ("", "unknown"),
        ] {
            assert_eq!(state(word, &configured), expected, "{word}");
        }
        assert_eq!(state("8", &BTreeMap::new()), "accepted");
    }
}
