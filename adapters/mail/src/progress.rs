//! Which recipients of a mail are done with, between attempts and over a restart.
//!
//! In the hub's own store, one space for all mail sinks of an enterprise: a delivery that falls over
//! from one to another does not go to those who have it either. A mail to one recipient is delivered
//! or not, and leaves nothing here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hub_core::{MAX_STATE_LISTING, MessageId, StateError, StateStore};
use lettre::Address;
use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::smtp::Answer;

/// Names of endpoints have no dot, so this space is nobody's own. Its keys are message ids.
const SPACE: &str = "mail.half-sent";

/// Most mails that are remembered; of more, those made first are forgotten. An operator may have
/// discarded theirs, which nobody tells us.
const REMEMBERED: usize = 1_000;

/// So many are remembered between two looks at how many there are: the look reads them all.
const LOOK_EVERY: u32 = 100;

/// Longest answer that is kept, in bytes: a hundred of them, with their addresses, are one value of
/// the store.
const LONGEST_ANSWER: usize = 200;

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

/// The mails of an endpoint that some recipients have and others have not.
pub(crate) struct Progress {
    endpoint: String,
    state: Arc<dyn StateStore>,
    /// What the store refused to keep.
    unwritten: Mutex<BTreeMap<MessageId, Known>>,
    remembered: AtomicU32,
}

/// One mail, and who is done with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Known {
    accepted: BTreeSet<String>,
    /// With the reason, by the endpoint that was told: another may be told otherwise.
    refused: Vec<(String, String)>,
    endpoint: String,
    /// Whether an earlier attempt left something of it.
    #[serde(skip)]
    is_kept: bool,
}

impl Known {
    /// Those who are still to be asked.
    pub(crate) fn pending(&self, recipients: Vec<Address>) -> Vec<Address> {
        let is_done = |address: &Address| {
            let address = address.to_string();
            self.accepted.contains(&address) || self.refused.iter().any(|(a, _)| *a == address)
        };
        recipients.into_iter().filter(|a| !is_done(a)).collect()
    }

    /// Takes in what was answered, and says what that means.
    fn answered(&mut self, asked: &[Address], answers: &[Answer]) -> Verdict {
        let mut later = Vec::new();
        for (address, answer) in asked.iter().zip(answers) {
            let address = address.to_string();
            match answer {
                Answer::Accepted(_) => drop(self.accepted.insert(address)),
                Answer::Never(reason) => self.refused.push((address, shortened(reason))),
                Answer::Later(reason) => later.push((address, reason.clone())),
            }
        }
        if later.is_empty() && self.refused.is_empty() {
            return Verdict::Everyone;
        }
        let others = match self.accepted.len() {
            0 => String::new(),
            others => format!("; accepted for {others} other(s), who will not get it again"),
        };
        match later.is_empty() {
            false => Verdict::Later(format!("{}{others}", list(&later))),
            true => {
                // Someone may have it sent again once the mailbox exists: then these are asked again.
                let refused = std::mem::take(&mut self.refused);
                Verdict::Refused(format!("{}{others}", list(&refused)))
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.accepted.is_empty() && self.refused.is_empty()
    }
}

impl Progress {
    pub(crate) fn new(endpoint: &str, state: Arc<dyn StateStore>) -> Self {
        Self {
            endpoint: endpoint.to_owned(),
            state,
            unwritten: Mutex::default(),
            remembered: AtomicU32::new(0),
        }
    }

    /// What earlier attempts have reached, of a mail to so many.
    ///
    /// # Errors
    /// The store refused: nobody knows who has it already.
    pub(crate) async fn of(&self, id: MessageId, recipients: usize) -> Result<Known, StateError> {
        if recipients < 2 {
            return Ok(Known::default());
        }
        if let Some(known) = self.unwritten().get(&id) {
            return Ok(known.clone());
        }
        let Some(kept) = self.state.get(SPACE, &id.to_string()).await? else {
            return Ok(Known::default());
        };
        // Ours, so it can be read; if it cannot, all are asked.
        let mut known: Known = serde_json::from_str(&kept).unwrap_or_default();
        if known.endpoint != self.endpoint {
            known.refused.clear();
        }
        known.is_kept = true;
        Ok(known)
    }

    /// Takes in what was answered, and says what that means. On disk when it returns, so that a
    /// restart asks nobody twice.
    pub(crate) async fn answered(
        &self,
        id: MessageId,
        mut known: Known,
        asked: &[Address],
        answers: &[Answer],
    ) -> Verdict {
        let verdict = known.answered(asked, answers);
        let is_over = verdict == Verdict::Everyone || known.is_empty();
        match (is_over, known.is_kept) {
            (true, false) => {}
            (true, true) => self.forget(id).await,
            (false, _) => self.remember(id, known).await,
        }
        verdict
    }

    async fn remember(&self, id: MessageId, mut known: Known) {
        known.endpoint.clone_from(&self.endpoint);
        let value = serde_json::to_string(&known).ok();
        match self.state.put(SPACE, vec![(id.to_string(), value)]).await {
            Ok(()) => drop(self.unwritten().remove(&id)),
            Err(problem) => {
                let endpoint = &self.endpoint;
                warn!(%endpoint, %problem, "after a restart now, some would get a mail twice");
                known.is_kept = true;
                let mut unwritten = self.unwritten();
                unwritten.insert(id, known);
                if unwritten.len() > REMEMBERED {
                    unwritten.pop_first();
                }
                return;
            }
        }
        let before = self.remembered.fetch_add(1, Ordering::Relaxed);
        if before.is_multiple_of(LOOK_EVERY) {
            self.forget_the_oldest().await;
        }
    }

    /// The delivery is over. If the store refuses, what is left there goes with the oldest.
    async fn forget(&self, id: MessageId) {
        self.unwritten().remove(&id);
        let forgotten = self.state.put(SPACE, vec![(id.to_string(), None)]).await;
        self.note_trouble(forgotten);
    }

    async fn forget_the_oldest(&self) {
        let trimmed = trim(self.state.as_ref()).await;
        self.note_trouble(trimmed);
    }

    fn note_trouble(&self, outcome: Result<(), StateError>) {
        if let Err(problem) = outcome {
            let endpoint = &self.endpoint;
            warn!(%endpoint, %problem, "more half-sent mails are remembered than need be");
        }
    }

    fn unwritten(&self) -> MutexGuard<'_, BTreeMap<MessageId, Known>> {
        self.unwritten
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Removes all but the newest: ids are in the order in which messages were made.
async fn trim(state: &dyn StateStore) -> Result<(), StateError> {
    loop {
        let page = state.list(SPACE, "", None).await?;
        let entries = page.len();
        let too_many = entries.saturating_sub(REMEMBERED);
        if too_many > 0 {
            let oldest = page.into_iter().take(too_many);
            let removed = oldest.map(|(key, _)| (key, None)).collect();
            state.put(SPACE, removed).await?;
        }
        if entries < MAX_STATE_LISTING {
            return Ok(());
        }
    }
}

fn shortened(answer: &str) -> String {
    let mut end = LONGEST_ANSWER.min(answer.len());
    while !answer.is_char_boundary(end) {
        end -= 1;
    }
    answer[..end].to_owned()
}

fn list(problems: &[(String, String)]) -> String {
    let all: Vec<_> = problems.iter().map(|(a, r)| format!("{a}: {r}")).collect();
    all.join(", ")
}

#[cfg(test)]
mod tests {
    use hub_core::MemoryState;

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

    fn progress(state: &MemoryState) -> Progress {
        Progress::new("letters", Arc::new(state.clone()))
    }

    /// An attempt of a hub that was started anew: who is asked, and what comes of it.
    async fn attempt(
        state: &MemoryState,
        all: &[Address],
        answers: &[Answer],
    ) -> (Vec<Address>, Verdict) {
        attempt_of(&progress(state), ID, all, answers).await
    }

    async fn attempt_of(
        progress: &Progress,
        id: MessageId,
        all: &[Address],
        answers: &[Answer],
    ) -> (Vec<Address>, Verdict) {
        let known = progress.of(id, all.len()).await.unwrap();
        let asked = known.pending(all.to_vec());
        let verdict = progress.answered(id, known, &asked, answers).await;
        (asked, verdict)
    }

    async fn kept(state: &MemoryState) -> Vec<String> {
        let listed = state.list(SPACE, "", None).await.unwrap();
        listed.into_iter().map(|(key, _)| key).collect()
    }

    #[tokio::test]
    async fn only_those_who_put_it_off_are_asked_again_also_after_a_restart() {
        let state = MemoryState::default();
        let all = people(&["a", "b", "c"]);
        let (asked, verdict) = attempt(&state, &all, &[yes(), later(), never()]).await;
        let Verdict::Later(reason) = verdict else {
            panic!("{verdict:?}");
        };
        assert_eq!(asked, all);
        assert!(reason.contains("b@x.example: 451 greylisted"), "{reason}");
        let (asked, verdict) = attempt(&state, &all, &[yes()]).await;
        assert_eq!(asked, people(&["b"]));
        let Verdict::Refused(reason) = verdict else {
            panic!("{verdict:?}");
        };
        assert!(reason.contains("c@x.example: 550") && reason.contains("2 other"));
        // Sent again by hand: nobody gets it twice.
        let (asked, verdict) = attempt(&state, &all, &[yes()]).await;
        assert_eq!((asked, verdict), (people(&["c"]), Verdict::Everyone));
        assert_eq!(kept(&state).await, Vec::<String>::new(), "it is over");
    }

    #[tokio::test]
    async fn another_sink_asks_those_who_were_refused_and_not_those_who_have_it() {
        let state = MemoryState::default();
        let all = people(&["a", "b", "c"]);
        attempt(&state, &all, &[yes(), later(), never()]).await;
        let other = Progress::new("others", Arc::new(state));
        let (asked, verdict) = attempt_of(&other, ID, &all, &[yes(), yes()]).await;
        assert_eq!((asked, verdict), (people(&["b", "c"]), Verdict::Everyone));
    }

    #[tokio::test]
    async fn what_is_whole_leaves_nothing() {
        let state = MemoryState::default();
        for (names, answers) in [
            (&["a", "b"][..], [yes(), yes()]),
            (&["a", "b"], [later(), later()]),
            (&["a", "b"], [never(), never()]),
            (&["a"], [never(), yes()]),
        ] {
            attempt(&state, &people(names), &answers).await;
            assert_eq!(kept(&state).await, Vec::<String>::new(), "{answers:?}");
        }
    }

    #[tokio::test]
    async fn memory_is_bounded_and_the_oldest_goes_first() {
        let state = MemoryState::default();
        let progress = progress(&state);
        let all = people(&["a", "b"]);
        let begun = i64::try_from(REMEMBERED).unwrap() + i64::from(LOOK_EVERY) + 1;
        for id in 0..begun {
            attempt_of(&progress, MessageId(id), &all, &[yes(), later()]).await;
        }
        let kept = kept(&state).await;
        assert_eq!(kept.len(), REMEMBERED);
        assert!(!kept.contains(&MessageId(0).to_string()));
        assert!(kept.contains(&MessageId(begun - 1).to_string()));
    }

    #[tokio::test]
    async fn the_longest_answers_of_the_most_recipients_are_kept() {
        let state = MemoryState::default();
        let name = |n: usize| format!("{}{n}", "n".repeat(60));
        let names: Vec<String> = (0..100).map(name).collect();
        let all = people(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let mut answers = vec![Answer::Never("ä".repeat(300)); 99];
        answers.push(later());
        attempt(&state, &all, &answers).await;
        let (asked, _) = attempt(&state, &all, &[yes()]).await;
        assert_eq!(asked, all[99..]);
    }
}
