//! Recognising a message that comes again: SMPP gives none that a telephone sent an id.
//!
//! The same words from the same telephone are the same message only if the first was not surely
//! answered with yes: people do write "yes" twice. So what was not is remembered, in memory, with the
//! time of its first arrival, which is part of its identity.

use std::collections::HashMap;

use hub_model::Instant;

/// Messages remembered. Above it the memory is begun anew: one that comes again is then taken twice.
const REMEMBERED: usize = 10_000;

/// Messages that were offered and not surely accepted, with their first arrival.
#[derive(Default)]
pub(crate) struct Unsettled(HashMap<String, Instant>);

impl Unsettled {
    /// The key of a message: the same for one that comes again.
    pub(crate) fn key(&mut self, fingerprint: &str, now: Instant) -> String {
        if self.0.len() >= REMEMBERED && !self.0.contains_key(fingerprint) {
            self.0.clear();
        }
        let first = self.0.entry(fingerprint.to_owned()).or_insert(now);
        format!("{fingerprint}-{}", first.micros())
    }

    /// Whether there is nothing to remember.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The message centre was told yes.
    pub(crate) fn settled(&mut self, fingerprint: &str) {
        self.0.remove(fingerprint);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_not_answered_is_the_same_again() {
        let mut unsettled = Unsettled::default();
        let now = Instant::from_seconds(1_800_000_000);
        let first = unsettled.key("a", now);
        assert_eq!(unsettled.key("a", now.plus_seconds(60)), first);
        assert_ne!(unsettled.key("b", now), first);
        unsettled.settled("a");
        assert_ne!(unsettled.key("a", now.plus_seconds(60)), first);
    }
}
