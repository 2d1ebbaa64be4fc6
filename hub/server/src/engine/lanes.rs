//! The lanes of one endpoint: order within a lane, lanes side by side. Pure bookkeeping.

use std::collections::{BTreeMap, HashMap, HashSet};

use hub_core::MessageId;
use hub_model::Instant;
use hub_store::messages::PendingDelivery;

/// Deliveries of one lane kept in memory; the rest of a long lane stays in the store.
const MAX_IN_LANE: usize = 64;

/// One lane: its deliveries by id, which is the order they were made in.
#[derive(Default)]
struct Lane {
    waiting: BTreeMap<MessageId, PendingDelivery>,
    /// Its head is on its way.
    busy: bool,
    /// There is more of it in the store, after what is here.
    spilled: bool,
}

/// All lanes of an endpoint that have something in memory.
#[derive(Default)]
pub(super) struct Lanes {
    lanes: HashMap<i64, Lane>,
    /// Lanes that may have a head to send, in the order they became so.
    ready: std::collections::VecDeque<i64>,
    known: HashSet<MessageId>,
}

impl Lanes {
    /// Deliveries in memory, on their way included.
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether a lane has something here, or its head is on its way.
    pub(super) fn holds(&self, lane: i64) -> bool {
        self.lanes.contains_key(&lane)
    }

    /// Takes a delivery in, unless it is known, or its lane has older ones in the store. Returns
    /// whether it did.
    pub(super) fn add(&mut self, delivery: PendingDelivery) -> bool {
        let lane = self.lanes.entry(delivery.lane).or_default();
        if lane.spilled || self.known.contains(&delivery.id) {
            return false;
        }
        if lane.waiting.len() >= MAX_IN_LANE {
            lane.spilled = true;
            return false;
        }
        self.known.insert(delivery.id);
        if lane.waiting.is_empty() && !lane.busy {
            self.ready.push_back(delivery.lane);
        }
        lane.waiting.insert(delivery.id, delivery);
        true
    }

    /// The next head that is due. Its lane is busy until [`Self::done`], [`Self::put_back`],
    /// [`Self::put_off`] or [`Self::block`].
    pub(super) fn take(&mut self, now: Instant) -> Option<PendingDelivery> {
        self.take_if(|head| head.due <= now)
    }

    /// The next head of which something is true, due or not; its lane is busy as after
    /// [`Self::take`].
    pub(super) fn take_if(
        &mut self,
        is_wanted: impl Fn(&PendingDelivery) -> bool,
    ) -> Option<PendingDelivery> {
        for _ in 0..self.ready.len() {
            let key = self.ready.pop_front()?;
            let Some(lane) = self.lanes.get_mut(&key) else {
                continue;
            };
            match lane.waiting.first_entry() {
                Some(head) if is_wanted(head.get()) => {
                    lane.busy = true;
                    return Some(head.remove());
                }
                Some(_) => self.ready.push_back(key),
                None => {}
            }
        }
        None
    }

    /// When the next head is due, if none is now.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let due = |key: &i64| Some(self.lanes.get(key)?.waiting.first_key_value()?.1.due);
        self.ready.iter().filter_map(due).min()
    }

    /// A delivery is done with. Returns the lane if more of it must be fetched from the store.
    pub(super) fn done(&mut self, delivery: &PendingDelivery) -> Option<i64> {
        self.known.remove(&delivery.id);
        let lane = self.lanes.get_mut(&delivery.lane)?;
        lane.busy = false;
        if !lane.waiting.is_empty() {
            self.ready.push_back(delivery.lane);
            return None;
        }
        let spilled = lane.spilled;
        self.lanes.remove(&delivery.lane);
        spilled.then_some(delivery.lane)
    }

    /// A delivery was not sent after all: it stays the head of its lane.
    pub(super) fn put_back(&mut self, delivery: PendingDelivery) {
        let key = delivery.lane;
        let lane = self.lanes.entry(key).or_default();
        lane.busy = false;
        lane.waiting.insert(delivery.id, delivery);
        self.ready.push_back(key);
    }

    /// A delivery failed and will be tried again: it stays the head of its lane. What is behind it
    /// is left to the store until it is done: lanes that only wait must not use up the memory that
    /// the others need.
    pub(super) fn put_off(&mut self, delivery: PendingDelivery) {
        let lane = self.lanes.entry(delivery.lane).or_default();
        for id in std::mem::take(&mut lane.waiting).keys() {
            self.known.remove(id);
        }
        lane.spilled = true;
        self.put_back(delivery);
    }

    /// A parked head blocks its lane: the rest stays in the store until an operator decides.
    pub(super) fn block(&mut self, delivery: &PendingDelivery) {
        self.known.remove(&delivery.id);
        if let Some(lane) = self.lanes.remove(&delivery.lane) {
            for id in lane.waiting.keys() {
                self.known.remove(id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hub_store::messages::DeliveryBody;

    const NOW: Instant = Instant::from_seconds(1_000);

    fn delivery(id: i64, lane: i64) -> PendingDelivery {
        PendingDelivery {
            id: MessageId(id),
            message_id: MessageId(id),
            enterprise: String::new(),
            route: String::new(),
            lane,
            subject: String::new(),
            source_name: String::new(),
            media_type: String::new(),
            extension: String::new(),
            attempts: 0,
            due: NOW,
            created: NOW,
            is_head: true,
            headers: Vec::new(),
            body: DeliveryBody::Bytes(bytes::Bytes::new()),
        }
    }

    #[test]
    fn one_of_a_lane_at_a_time_in_order_and_lanes_side_by_side() {
        let mut lanes = Lanes::default();
        for (id, lane) in [(1, 7), (2, 7), (3, 8)] {
            lanes.add(delivery(id, lane));
        }
        let first = lanes.take(NOW).unwrap();
        let other = lanes.take(NOW).unwrap();
        assert_eq!((first.id, other.id), (MessageId(1), MessageId(3)));
        assert!(
            lanes.take(NOW).is_none(),
            "the second of lane 7 waits for the first"
        );
        assert_eq!(lanes.done(&first), None);
        assert_eq!(lanes.take(NOW).unwrap().id, MessageId(2));
    }

    #[test]
    fn a_head_that_waits_holds_only_its_own_lane() {
        let mut lanes = Lanes::default();
        lanes.add(delivery(1, 7));
        lanes.add(delivery(2, 7));
        let mut head = lanes.take(NOW).unwrap();
        head.due = NOW.plus_seconds(60);
        lanes.put_back(head);
        lanes.add(delivery(3, 8));
        let other = lanes.take(NOW).unwrap();
        assert_eq!(other.id, MessageId(3));
        assert_eq!(lanes.done(&other), None);
        assert!(lanes.take(NOW).is_none());
        assert_eq!(lanes.next_due(), Some(NOW.plus_seconds(60)));
        assert_eq!(lanes.take(NOW.plus_seconds(60)).unwrap().id, MessageId(1));
    }

    #[test]
    fn a_long_lane_is_fetched_again_in_its_order() {
        let mut lanes = Lanes::default();
        for id in 0..200 {
            lanes.add(delivery(id, 7));
        }
        assert_eq!(lanes.len(), MAX_IN_LANE);
        for id in 0..64 {
            let head = lanes.take(NOW).unwrap();
            assert_eq!(head.id, MessageId(id));
            let fetch = lanes.done(&head);
            assert_eq!(fetch.is_some(), id == 63);
        }
    }

    #[test]
    fn lanes_that_fail_keep_only_their_heads_in_memory() {
        let mut lanes = Lanes::default();
        let failing = 40;
        for lane in 0..failing {
            for number in 0..100 {
                lanes.add(delivery(lane * 100 + number, lane));
            }
        }
        while let Some(mut head) = lanes.take(NOW) {
            head.due = NOW.plus_seconds(60);
            lanes.put_off(head);
        }
        assert_eq!(lanes.len(), 40, "a head each");
        assert!(
            !lanes.add(delivery(99_999, 0)),
            "nor does what comes meanwhile"
        );
        assert!(lanes.add(delivery(100_000, failing)));
        assert_eq!(lanes.take(NOW).unwrap().id, MessageId(100_000));
    }

    #[test]
    fn a_lane_that_failed_goes_on_in_its_order_from_the_store() {
        let mut lanes = Lanes::default();
        for id in [1, 2, 3] {
            lanes.add(delivery(id, 7));
        }
        for attempt in 0..3 {
            let head = lanes.take(NOW).unwrap();
            assert_eq!(head.id, MessageId(1), "attempt {attempt}");
            lanes.put_off(head);
        }
        let head = lanes.take(NOW).unwrap();
        assert!(lanes.take(NOW).is_none(), "one of a lane at a time");
        assert_eq!(lanes.done(&head), Some(7), "the rest is to be fetched");
        for id in [2, 3] {
            assert!(lanes.add(delivery(id, 7)));
        }
        let second = lanes.take(NOW).unwrap();
        assert_eq!(second.id, MessageId(2));
        assert_eq!(lanes.done(&second), None);
        assert_eq!(lanes.take(NOW).unwrap().id, MessageId(3));
    }

    #[test]
    fn a_delivery_is_taken_in_once() {
        let mut lanes = Lanes::default();
        lanes.add(delivery(1, 7));
        lanes.add(delivery(1, 7));
        let head = lanes.take(NOW).unwrap();
        lanes.add(delivery(1, 7));
        lanes.done(&head);
        assert!(lanes.take(NOW).is_none());
        assert_eq!(lanes.len(), 0);
    }
}
