//! Acknowledges deliveries, many with one frame where their order allows it: what an acknowledgement
//! costs the broker is the frame.
//!
//! Nobody waits to make more of them: while one is written, others gather.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use lapin::Acker;
use lapin::options::BasicAckOptions;
use lapin::types::DeliveryTag;

/// The deliveries of one channel and their acknowledgements.
#[derive(Default)]
pub(crate) struct Acks {
    state: Mutex<State<Acker>>,
    /// Held by who writes.
    turn: tokio::sync::Mutex<()>,
}

impl Acks {
    /// A delivery came that will have to be answered.
    pub(crate) fn delivered(&self, tag: DeliveryTag) {
        self.lock().unanswered.insert(tag);
    }

    /// A delivery was answered in another way, and that is written. Not before: an acknowledgement
    /// of later ones would include it.
    pub(crate) fn answered(&self, tag: DeliveryTag) {
        self.lock().unanswered.remove(&tag);
    }

    /// Acknowledges a delivery; returns when that is written. `false`: the connection is gone.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) async fn acknowledge(&self, tag: DeliveryTag, acker: Acker) -> lapin::Result<bool> {
        self.lock().accept(tag, acker);
        let _turn = self.turn.lock().await;
        let frames = self.lock().frames(tag);
        let mut heard = true;
        for (acker, multiple) in frames {
            heard &= acker.ack(BasicAckOptions { multiple }).await?;
        }
        Ok(heard)
    }

    fn lock(&self) -> MutexGuard<'_, State<Acker>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct State<A> {
    unanswered: BTreeSet<DeliveryTag>,
    accepted: BTreeMap<DeliveryTag, A>,
}

impl<A> Default for State<A> {
    fn default() -> Self {
        Self {
            unanswered: BTreeSet::new(),
            accepted: BTreeMap::new(),
        }
    }
}

impl<A> State<A> {
    fn accept(&mut self, tag: DeliveryTag, acker: A) {
        self.unanswered.remove(&tag);
        self.accepted.insert(tag, acker);
    }

    /// What to write for all that are accepted: one for those before the first unanswered delivery,
    /// and one for each of the others. Nothing if the one asked for was written with others.
    fn frames(&mut self, tag: DeliveryTag) -> Vec<(A, bool)> {
        if !self.accepted.contains_key(&tag) {
            return Vec::new();
        }
        let mut accepted = std::mem::take(&mut self.accepted);
        let alone = match self.unanswered.first() {
            Some(first) => accepted.split_off(first),
            None => BTreeMap::new(),
        };
        let together = accepted.pop_last().map(|(_, acker)| (acker, true));
        let alone = alone.into_values().map(|acker| (acker, false));
        together.into_iter().chain(alone).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(unanswered: &[u64], accepted: &[u64]) -> State<u64> {
        State {
            unanswered: unanswered.iter().copied().collect(),
            accepted: accepted.iter().map(|tag| (*tag, *tag)).collect(),
        }
    }

    #[test]
    fn those_before_the_first_unanswered_go_together() {
        assert_eq!(state(&[], &[1, 2, 3]).frames(2), [(3, true)]);
        let mixed = state(&[3, 6], &[1, 2, 4, 5, 7]).frames(5);
        assert_eq!(mixed, [(2, true), (4, false), (5, false), (7, false)]);
        assert_eq!(state(&[1], &[2]).frames(2), [(2, false)]);
    }

    #[test]
    fn what_went_with_others_is_not_written_again() {
        let mut state = state(&[], &[1, 2]);
        assert_eq!(state.frames(1).len(), 1);
        assert_eq!(state.frames(2), []);
    }

    #[test]
    fn one_that_is_being_rejected_is_never_included() {
        let mut state = state(&[1, 2, 3], &[]);
        state.accept(1, 1);
        state.accept(3, 3);
        assert_eq!(state.frames(3), [(1, true), (3, false)]);
    }
}
