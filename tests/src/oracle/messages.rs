//! What the law says of messages and the estate.

use std::collections::{BTreeMap, BTreeSet};

use super::{Fact, History, KeptMessage, SentMessage, differences, shortened};

/// Source and identity: what makes two messages one.
type Key<'a> = (&'a str, &'a str);

fn key_of_sent(sent: &SentMessage) -> Key<'_> {
    (&sent.source, &sent.identity)
}

fn key_of_kept(kept: &KeptMessage) -> Key<'_> {
    (&kept.source, &kept.identity)
}

/// Sent messages with what the store has of them.
pub(super) fn pairs(history: &History) -> impl Iterator<Item = (&SentMessage, &KeptMessage)> {
    let kept: BTreeMap<Key<'_>, &KeptMessage> = history
        .messages
        .iter()
        .map(|kept| (key_of_kept(kept), kept))
        .collect();
    history
        .sent
        .iter()
        .filter_map(move |sent| Some((sent, *kept.get(&key_of_sent(sent))?)))
}

/// Each sent message is in the store exactly once under the id that its sender was told, and no
/// other is.
pub(super) fn kept_exactly_once(history: &History) -> Vec<String> {
    let sent: BTreeSet<Key<'_>> = history.sent.iter().map(key_of_sent).collect();
    let kept: BTreeSet<Key<'_>> = history.messages.iter().map(key_of_kept).collect();
    let mut found = differences("message", &sent, &kept);
    let mut seen = BTreeSet::new();
    let twice = history
        .messages
        .iter()
        .map(key_of_kept)
        .filter(|key| !seen.insert(*key));
    found.extend(shortened("message is kept twice", twice));
    let otherwise = pairs(history)
        .filter(|(sent, kept)| sent.told.as_ref().is_some_and(|told| *told != kept.id));
    let otherwise = otherwise.map(|(sent, kept)| (key_of_sent(sent), &sent.told, &kept.id));
    found.extend(shortened("sender was told another id", otherwise));
    found
}

/// Each message is done, and its records are those that were sent: applied, or rejected with a
/// finding.
pub(super) fn every_record_accounted_for(history: &History) -> Vec<String> {
    let mut found = Vec::new();
    for (sent, kept) in pairs(history) {
        let expected = if sent.rejected == 0 {
            "processed"
        } else {
            "processed_with_findings"
        };
        if kept.state != expected {
            found.push(format!(
                "{}: is `{}`, expected `{expected}`",
                name(kept),
                kept.state
            ));
        }
        let applied = sent.facts.len() as u64;
        let counts = (
            kept.records,
            kept.applied,
            kept.rejected,
            kept.rejected_by_findings,
        );
        let expected = (
            applied + sent.rejected,
            applied,
            sent.rejected,
            sent.rejected,
        );
        if counts != expected {
            found.push(format!(
                "{}: records, applied, rejected, accounted for by findings are {counts:?}, expected {expected:?}",
                name(kept)
            ));
        }
    }
    shortened("records", found.iter())
}

fn name(kept: &KeptMessage) -> String {
    format!(
        "message {} of `{}` ({})",
        kept.id, kept.source, kept.identity
    )
}

/// The estate holds every reading that was sent, exactly, and each order in its newest revision;
/// nothing else.
pub(super) fn estate_is_what_was_sent(history: &History) -> Vec<String> {
    let mut expected = BTreeSet::new();
    let mut newest: BTreeMap<&str, i64> = BTreeMap::new();
    for fact in history.sent.iter().flat_map(|sent| &sent.facts) {
        match fact {
            Fact::Reading { .. } => drop(expected.insert(fact.clone())),
            Fact::Order { number, revision } => {
                let known = newest.entry(number).or_insert(*revision);
                *known = (*known).max(*revision);
            }
        }
    }
    let orders = newest.into_iter().map(|(number, revision)| Fact::Order {
        number: number.to_owned(),
        revision,
    });
    expected.extend(orders);
    let kept: BTreeSet<Fact> = history.estate.iter().cloned().collect();
    let mut found = differences("record of the estate", &expected, &kept);
    if kept.len() != history.estate.len() {
        found.push(format!(
            "estate has {} records twice",
            history.estate.len() - kept.len()
        ));
    }
    found
}
