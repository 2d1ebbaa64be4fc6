//! Answers deliveries: acknowledges them, many with one frame where their order allows it (what an
//! acknowledgement costs the broker is the frame), and rejects them.
//!
//! Nobody waits to make more of them: while one is written, others gather. What is to be written is
//! written by tasks of their own: who waits for an answer may give up, and others' answers, which go
//! in the same frames, must not be given up with it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use lapin::Acker;
use lapin::options::{BasicAckOptions, BasicRejectOptions};
use lapin::types::DeliveryTag;

/// Writes the answer to one delivery. `Ok(false)`: its connection is gone.
#[async_trait]
pub(crate) trait Pen: Send + Sync + 'static {
    /// Yes; with `multiple` to all before it as well.
    async fn accept(&self, multiple: bool) -> lapin::Result<bool>;

    /// No, and the broker shall not offer it again.
    async fn reject(&self) -> lapin::Result<bool>;
}

#[async_trait]
impl Pen for Acker {
    async fn accept(&self, multiple: bool) -> lapin::Result<bool> {
        self.ack(BasicAckOptions { multiple }).await
    }

    async fn reject(&self) -> lapin::Result<bool> {
        self.reject(BasicRejectOptions::default()).await
    }
}

/// The deliveries of one channel and the answers to them. Clones share it.
pub(crate) struct Acks<P = Acker>(Arc<Shared<P>>);

struct Shared<P> {
    state: Mutex<State<P>>,
    /// Held by who writes acknowledgements.
    turn: tokio::sync::Mutex<()>,
}

impl<P> Default for Acks<P> {
    fn default() -> Self {
        Self(Arc::new(Shared {
            state: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        }))
    }
}

impl<P: Pen> Acks<P> {
    /// A delivery came that will have to be answered.
    pub(crate) fn delivered(&self, tag: DeliveryTag) {
        self.0.lock().unanswered.insert(tag);
    }

    /// Acknowledges a delivery; returns when that is written. `false`: the connection is gone. It is
    /// written also if nobody waits for that any more.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) async fn acknowledge(&self, tag: DeliveryTag, pen: P) -> lapin::Result<bool> {
        self.0.lock().accept(tag, pen);
        let shared = self.0.clone();
        let writing = tokio::spawn(async move { shared.write(tag).await });
        // It is ended from outside only with the program.
        writing.await.unwrap_or(Ok(false))
    }

    /// Rejects a delivery; as [`Self::acknowledge`]. Until that is written it counts as unanswered:
    /// an acknowledgement of later ones would include it, and the broker would drop it instead of
    /// dead-lettering it.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) async fn reject(&self, tag: DeliveryTag, pen: P) -> lapin::Result<bool> {
        let shared = self.0.clone();
        let writing = tokio::spawn(async move {
            let heard = pen.reject().await?;
            if heard {
                shared.lock().unanswered.remove(&tag);
            }
            Ok(heard)
        });
        writing.await.unwrap_or(Ok(false))
    }
}

impl<P> Shared<P> {
    fn lock(&self) -> MutexGuard<'_, State<P>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<P: Pen> Shared<P> {
    async fn write(&self, tag: DeliveryTag) -> lapin::Result<bool> {
        let _turn = self.turn.lock().await;
        let frames = self.lock().frames(tag);
        let mut told = Ok(true);
        for (pen, multiple) in frames {
            let heard = pen.accept(multiple).await;
            told = told.and_then(|all| Ok(heard? && all));
        }
        told
    }
}

struct State<P> {
    unanswered: BTreeSet<DeliveryTag>,
    accepted: BTreeMap<DeliveryTag, P>,
}

impl<P> Default for State<P> {
    fn default() -> Self {
        Self {
            unanswered: BTreeSet::new(),
            accepted: BTreeMap::new(),
        }
    }
}

impl<P> State<P> {
    fn accept(&mut self, tag: DeliveryTag, pen: P) {
        self.unanswered.remove(&tag);
        self.accepted.insert(tag, pen);
    }

    /// What to write for all that are accepted: one for those before the first unanswered delivery,
    /// and one for each of the others. Nothing if the one asked for was written with others.
    fn frames(&mut self, tag: DeliveryTag) -> Vec<(P, bool)> {
        if !self.accepted.contains_key(&tag) {
            return Vec::new();
        }
        let mut accepted = std::mem::take(&mut self.accepted);
        let alone = match self.unanswered.first() {
            Some(first) => accepted.split_off(first),
            None => BTreeMap::new(),
        };
        let together = accepted.pop_last().map(|(_, pen)| (pen, true));
        let alone = alone.into_values().map(|pen| (pen, false));
        together.into_iter().chain(alone).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc;

    /// Writes once it is let, and shows what it wrote.
    struct SlowPen {
        tag: DeliveryTag,
        let_go: Arc<tokio::sync::Semaphore>,
        wrote: mpsc::UnboundedSender<String>,
        is_connected: bool,
    }

    impl SlowPen {
        async fn write(&self, what: &str) -> lapin::Result<bool> {
            self.let_go.acquire().await.unwrap().forget();
            if self.is_connected {
                self.wrote.send(format!("{what} {}", self.tag)).unwrap();
            }
            Ok(self.is_connected)
        }
    }

    #[async_trait]
    impl Pen for SlowPen {
        async fn accept(&self, multiple: bool) -> lapin::Result<bool> {
            self.write(if multiple { "all to" } else { "yes" }).await
        }

        async fn reject(&self) -> lapin::Result<bool> {
            self.write("no").await
        }
    }

    /// A channel with deliveries, and a broker that reads nothing until it is let.
    struct Slow {
        acks: Acks<SlowPen>,
        let_go: Arc<tokio::sync::Semaphore>,
        wrote: mpsc::UnboundedReceiver<String>,
        to: mpsc::UnboundedSender<String>,
    }

    impl Slow {
        fn new(deliveries: u64) -> Self {
            let acks = Acks::default();
            (1..=deliveries).for_each(|tag| acks.delivered(tag));
            let (to, wrote) = mpsc::unbounded_channel();
            let let_go = Arc::new(tokio::sync::Semaphore::new(0));
            Self {
                acks,
                let_go,
                wrote,
                to,
            }
        }

        fn pen(&self, tag: DeliveryTag) -> SlowPen {
            SlowPen {
                tag,
                let_go: self.let_go.clone(),
                wrote: self.to.clone(),
                is_connected: true,
            }
        }

        /// Polls an answer until it waits for the broker, and gives it up then.
        async fn give_up(&self, answer: impl Future<Output = lapin::Result<bool>>) {
            tokio::select! {
                biased;
                _ = answer => panic!("nobody let it"),
                () = idle() => {}
            }
        }

        async fn writes(&mut self, frames: usize, expected: &[&str]) {
            self.let_go.add_permits(frames);
            for expected in expected {
                assert_eq!(self.wrote.recv().await.as_deref(), Some(*expected));
            }
            idle().await;
            assert!(self.wrote.try_recv().is_err());
        }
    }

    /// Until all other tasks wait for something.
    async fn idle() {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn what_nobody_waits_for_any_more_is_written_all_the_same() {
        let mut slow = Slow::new(5);
        slow.give_up(slow.acks.acknowledge(1, slow.pen(1))).await;
        // These gather while the first is written, and are given up before their turn.
        for tag in [2, 4, 5] {
            slow.give_up(slow.acks.acknowledge(tag, slow.pen(tag)))
                .await;
        }
        slow.writes(4, &["all to 1", "all to 2", "yes 4", "yes 5"])
            .await;
    }

    #[tokio::test]
    async fn one_whose_rejection_is_not_written_is_not_included_in_an_acknowledgement() {
        let mut slow = Slow::new(3);
        slow.give_up(slow.acks.reject(1, slow.pen(1))).await;
        slow.give_up(slow.acks.acknowledge(2, slow.pen(2))).await;
        slow.writes(2, &["no 1", "yes 2"]).await;
        let last = slow.acks.acknowledge(3, slow.pen(3));
        let ((), heard) = tokio::join!(async { slow.let_go.add_permits(1) }, last,);
        assert!(heard.unwrap());
        assert_eq!(slow.wrote.recv().await.as_deref(), Some("all to 3"));
    }

    #[tokio::test]
    async fn one_whose_rejection_the_broker_did_not_hear_stays_unanswered() {
        let mut slow = Slow::new(2);
        slow.let_go.add_permits(2);
        let deaf = SlowPen {
            is_connected: false,
            ..slow.pen(1)
        };
        assert!(!slow.acks.reject(1, deaf).await.unwrap());
        assert!(slow.acks.acknowledge(2, slow.pen(2)).await.unwrap());
        assert_eq!(slow.wrote.recv().await.as_deref(), Some("yes 2"));
    }

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
