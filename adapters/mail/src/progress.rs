//! Which recipients of a message are done with, between attempts.
//!
//! Only in memory: after a restart of the hub, a message that some had accepted and others had put
//! off goes to all of them once more, with the same Message-ID.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use hub_core::MessageId;
use lettre::Address;

use crate::smtp::Answer;

/// Most messages that are remembered; the oldest is forgotten first.
const REMEMBERED: usize = 10_000;

/// What became of a message at all its recipients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// All have it.
    Everyone,
    /// Some put it off: they are to be asked again, nobody else.
    Later(String),
    /// All answered, some with no.
    Refused(String),
}

/// Recipients that need not be asked again.
#[derive(Default)]
pub(crate) struct Progress(Mutex<Messages>);

#[derive(Default)]
struct Messages {
    known: HashMap<MessageId, Known>,
    order: VecDeque<MessageId>,
}

#[derive(Default)]
struct Known {
    accepted: BTreeSet<String>,
    /// With the reason.
    refused: Vec<(String, String)>,
}

impl Progress {
    /// Those who are still to be asked.
    pub(crate) fn pending(&self, id: MessageId, recipients: Vec<Address>) -> Vec<Address> {
        let messages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = messages.known.get(&id) else {
            return recipients;
        };
        let is_done = |address: &Address| {
            let address = address.to_string();
            known.accepted.contains(&address) || known.refused.iter().any(|(a, _)| *a == address)
        };
        recipients.into_iter().filter(|a| !is_done(a)).collect()
    }

    /// Takes in what was answered, and says what that means.
    pub(crate) fn answered(&self, id: MessageId, asked: &[Address], answers: &[Answer]) -> Verdict {
        let mut messages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut known = messages.take(id);
        let mut later = Vec::new();
        for (address, answer) in asked.iter().zip(answers) {
            let address = address.to_string();
            match answer {
                Answer::Accepted(_) => drop(known.accepted.insert(address)),
                Answer::Never(reason) => known.refused.push((address, reason.clone())),
                Answer::Later(reason) => later.push((address, reason.clone())),
            }
        }
        if later.is_empty() && known.refused.is_empty() {
            return Verdict::Everyone;
        }
        let others = match known.accepted.len() {
            0 => String::new(),
            others => format!("; accepted for {others} other(s), who will not get it again"),
        };
        let verdict = match later.is_empty() {
            false => Verdict::Later(format!("{}{others}", list(&later))),
            // Someone may have it sent again once the mailbox exists: then these are asked again.
            true => Verdict::Refused(format!(
                "{}{others}",
                list(&std::mem::take(&mut known.refused))
            )),
        };
        messages.keep(id, known);
        verdict
    }
}

impl Messages {
    fn take(&mut self, id: MessageId) -> Known {
        let Some(known) = self.known.remove(&id) else {
            return Known::default();
        };
        self.order.retain(|other| *other != id);
        known
    }

    fn keep(&mut self, id: MessageId, known: Known) {
        if known.accepted.is_empty() && known.refused.is_empty() {
            return;
        }
        while self.order.len() >= REMEMBERED {
            if let Some(oldest) = self.order.pop_front() {
                self.known.remove(&oldest);
            }
        }
        self.known.insert(id, known);
        self.order.push_back(id);
    }
}

fn list(problems: &[(String, String)]) -> String {
    let all: Vec<_> = problems.iter().map(|(a, r)| format!("{a}: {r}")).collect();
    all.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: MessageId = MessageId(1);

    fn people(names: &[&str]) -> Vec<Address> {
        let address = |name: &&str| format!("{name}@x.example").parse().unwrap();
        names.iter().map(address).collect()
    }

    fn yes() -> Answer {
        Answer::Accepted("250 OK".into())
    }

    fn later() -> Answer {
        Answer::Later("451 greylisted".into())
    }

    fn never() -> Answer {
        Answer::Never("550 no such mailbox".into())
    }

    #[test]
    fn only_those_who_put_it_off_are_asked_again() {
        let progress = Progress::default();
        let all = people(&["a", "b", "c"]);
        assert_eq!(progress.pending(ID, all.clone()), all);
        let verdict = progress.answered(ID, &all, &[yes(), later(), never()]);
        let Verdict::Later(reason) = verdict else {
            panic!("{verdict:?}");
        };
        assert!(reason.contains("b@x.example: 451 greylisted"), "{reason}");
        assert_eq!(progress.pending(ID, all.clone()), people(&["b"]));
        let verdict = progress.answered(ID, &people(&["b"]), &[yes()]);
        let Verdict::Refused(reason) = verdict else {
            panic!("{verdict:?}");
        };
        assert!(reason.contains("c@x.example: 550") && reason.contains("2 other"));
        // Sent again by hand: nobody gets it twice.
        assert_eq!(progress.pending(ID, all), people(&["c"]));
        let verdict = progress.answered(ID, &people(&["c"]), &[yes()]);
        assert_eq!(verdict, Verdict::Everyone);
    }

    #[test]
    fn what_is_done_is_forgotten_and_memory_is_bounded() {
        let progress = Progress::default();
        let all = people(&["a", "b"]);
        assert_eq!(
            progress.answered(ID, &all, &[yes(), yes()]),
            Verdict::Everyone
        );
        assert!(progress.0.lock().unwrap().known.is_empty());
        for id in 0..i64::try_from(REMEMBERED + 5).unwrap() {
            progress.answered(MessageId(id), &all, &[yes(), later()]);
        }
        let messages = progress.0.lock().unwrap();
        assert_eq!(
            (messages.known.len(), messages.order.len()),
            (REMEMBERED, REMEMBERED)
        );
        assert!(!messages.known.contains_key(&MessageId(0)));
    }
}
