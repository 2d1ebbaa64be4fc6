//! Delivers what waits for one endpoint: lanes in parallel, at the endpoint's rate, with patience.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use hub_core::{Circuit, CircuitState, MessageId, TokenBucket};
use hub_model::Instant;
use hub_store::StoreError;
use hub_store::messages::{DeliveryOutcome, PendingDelivery};
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use super::book::{Book, Report};
use super::fall_over::{instead, is_overdue};
use super::intake::random;
use super::lanes::Lanes;
use super::measure::SinkMeasure;
use super::outlet::{Outlet, SetUp};
use super::send::{EndpointHealth, attempt, forget, judge};
use super::steady::{SteadyClock, later};
use super::{Hub, IDLE_POLL, STORE_PAUSE};
use crate::config::{SinkEntry, WhenParked};

/// Deliveries of one endpoint kept in memory.
const MAX_IN_MEMORY: usize = 2_048;
/// Deliveries fetched at once.
const PAGE: usize = 512;
/// What is left free of new deliveries, so that those that an operator released or that come from
/// another sink find room also under a load that never ends.
const ROOM_FOR_OLDER: usize = PAGE;
/// Longest pause that an endpoint may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(3_600);
/// Delivers to an endpoint until the engine stops.
pub(super) async fn run(hub: Hub, entry: SinkEntry) {
    let mut set_up = SetUp::new(hub.clone(), entry.clone());
    let again = set_up.attempt().await;
    let dispatcher = Dispatcher::new(hub, entry, set_up.outlet());
    tokio::join!(set_up.go_on(again), dispatcher.run());
}

struct Dispatcher {
    hub: Hub,
    entry: SinkEntry,
    outlet: Arc<Outlet>,
    measure: Arc<SinkMeasure>,
    lanes: Lanes,
    clock: SteadyClock,
    circuit: Circuit,
    /// Why the endpoint was last found not to answer, if that is how it was last found.
    silence: Option<String>,
    bucket: Option<TokenBucket>,
    /// What is being sent.
    attempts: JoinSet<Report>,
    /// What was sent. Its lanes wait until that is on disk: after a restart the older delivery
    /// would be sent behind the newer one.
    book: Book,
    /// Deliveries that are over though the store says otherwise: a defect, so there are few.
    over: HashSet<MessageId>,
    /// Everything up to this delivery was looked at once.
    newest: Option<MessageId>,
    /// Where the slow second look stands, for what was released or left in the store.
    sweep: Option<MessageId>,
    /// When it goes on, however much there is to do meanwhile.
    next_sweep: tokio::time::Instant,
}

impl Dispatcher {
    fn new(hub: Hub, entry: SinkEntry, outlet: Arc<Outlet>) -> Self {
        Self {
            clock: SteadyClock::start(hub.store.clock()),
            circuit: Circuit::new(entry.circuit),
            silence: None,
            bucket: entry.rate.map(TokenBucket::new),
            measure: hub.measures.sink(&entry.name),
            hub,
            entry,
            outlet,
            lanes: Lanes::default(),
            attempts: JoinSet::new(),
            book: Book::default(),
            over: HashSet::new(),
            newest: None,
            sweep: None,
            next_sweep: tokio::time::Instant::now() + IDLE_POLL,
        }
    }

    async fn run(mut self) {
        let waker = self.hub.wakers.sinks.of(&self.entry.name);
        let mut look = true;
        while !self.hub.stop.is_cancelled() {
            if look && let Err(problem) = self.fetch().await {
                warn!(sink = %self.entry.name, %problem, "deliveries wait: the store refused");
                self.hub.pause(STORE_PAUSE).await;
                continue;
            }
            let wait = self.start_attempts();
            self.book.write(&self.hub);
            look = tokio::select! {
                () = self.hub.stop.cancelled() => false,
                Some(report) = self.attempts.join_next() => {
                    self.sent(report);
                    while let Some(report) = self.attempts.try_join_next() {
                        self.sent(report);
                    }
                    false
                }
                Some(written) = self.book.written() => {
                    for report in written.stored {
                        self.conclude(report).await;
                    }
                    for report in written.refused {
                        self.conclude_unstored(report).await;
                    }
                    self.lanes.len() < PAGE
                }
                () = waker.notified() => {
                    self.look_at(waker.take_lanes()).await;
                    true
                }
                () = tokio::time::sleep(wait) => true,
            };
            if tokio::time::Instant::now() >= self.next_sweep {
                self.look_again().await;
                self.next_sweep = tokio::time::Instant::now() + IDLE_POLL;
            }
        }
        self.finish().await;
    }

    /// Waits for what is being sent, and writes down what comes of it as it comes: an attempt that
    /// hangs until the hub is ended takes nothing along of what is known of the others.
    async fn finish(&mut self) {
        loop {
            self.book.write(&self.hub);
            tokio::select! {
                Some(report) = self.attempts.join_next() => self.sent(report),
                Some(_) = self.book.written() => {}
                else => return,
            }
        }
    }

    fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Fetches deliveries that are new since the last look.
    async fn fetch(&mut self) -> Result<(), StoreError> {
        while self.lanes.len() + PAGE <= MAX_IN_MEMORY - ROOM_FOR_OLDER {
            let page = self.page(self.newest).await?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            self.newest = Some(last.id);
            let full = page.len() == PAGE;
            self.take_in(page).await?;
            if !full {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Looks at lanes again into which something came from another sink. If the store refuses, or there
    /// is no room, the second look finds it.
    async fn look_at(&mut self, lanes: Vec<i64>) {
        for lane in lanes {
            if self.lanes.len() + PAGE > MAX_IN_MEMORY {
                return;
            }
            if let Ok(deliveries) = self.lane(lane, None).await {
                let _ = self.take_in(deliveries).await;
            }
        }
    }

    /// A second look at one page of what is open: deliveries that an operator released, and those
    /// that had no room before.
    async fn look_again(&mut self) {
        if self.lanes.len() + PAGE > MAX_IN_MEMORY {
            return;
        }
        let Ok(page) = self.page(self.sweep).await else {
            return;
        };
        self.sweep = if page.len() == PAGE {
            page.last().map(|delivery| delivery.id)
        } else {
            None
        };
        let _ = self.take_in(page).await;
    }

    async fn page(&self, after: Option<MessageId>) -> Result<Vec<PendingDelivery>, StoreError> {
        let lanes_wait = self.entry.when_parked == WhenParked::Wait;
        self.hub
            .store
            .open_deliveries(
                &self.entry.enterprise,
                &self.entry.name,
                after,
                PAGE,
                lanes_wait,
            )
            .await
    }

    /// Takes deliveries in. One whose lane is not here although it has older ones in the store
    /// (released by an operator, or left there) must not overtake them: its lane is fetched from
    /// its beginning instead.
    async fn take_in(&mut self, page: Vec<PendingDelivery>) -> Result<(), StoreError> {
        let mut behind = Vec::new();
        for delivery in page {
            if delivery.is_head || self.lanes.holds(delivery.lane) {
                self.add(delivery);
            } else if !behind.contains(&delivery.lane) {
                behind.push(delivery.lane);
            }
        }
        for lane in behind {
            if self.lanes.len() >= MAX_IN_MEMORY {
                // The second look finds them when there is room.
                break;
            }
            for delivery in self.lane(lane, None).await? {
                self.add(delivery);
            }
        }
        Ok(())
    }

    fn add(&mut self, mut delivery: PendingDelivery) {
        if self.over.contains(&delivery.id) {
            return;
        }
        // Put off by an earlier run whose clock was ahead: not for longer than any pause lasts.
        let longest = Duration::from_secs(self.entry.retry.max_seconds).max(LONGEST_PAUSE);
        delivery.due = delivery.due.min(later(self.now(), longest));
        self.lanes.add(delivery);
    }

    async fn lane(
        &self,
        lane: i64,
        after: Option<MessageId>,
    ) -> Result<Vec<PendingDelivery>, StoreError> {
        let lanes_wait = self.entry.when_parked == WhenParked::Wait;
        self.hub
            .store
            .open_deliveries_of_lane(
                &self.entry.enterprise,
                &self.entry.name,
                lane,
                after,
                PAGE,
                lanes_wait,
            )
            .await
    }

    /// Starts what may be sent now. Returns how long to wait for more.
    fn start_attempts(&mut self) -> Duration {
        loop {
            let now = self.now();
            let state = self.circuit.state(now);
            let allowed = match state {
                CircuitState::Closed => self.entry.parallel.max(1),
                CircuitState::Probing => 1,
                CircuitState::OpenUntil(until) => {
                    self.hand_over(now);
                    return until_or_poll(now, Some(until));
                }
            };
            if self.attempts.len() >= allowed {
                return IDLE_POLL;
            }
            let Some(delivery) = self.lanes.take(now) else {
                return until_or_poll(now, self.lanes.next_due());
            };
            if let Some(Err(next)) = self.bucket.as_mut().map(|bucket| bucket.take(now)) {
                self.lanes.put_back(delivery);
                return until_or_poll(now, Some(next));
            }
            self.start(delivery, state == CircuitState::Probing);
        }
    }

    /// The endpoint is down: what has waited for too long goes elsewhere without another attempt.
    /// What waits because the endpoint asked for a pause (quiet hours, say) goes on waiting.
    fn hand_over(&mut self, now: Instant) {
        let (Some(fall_over), Some(why)) = (&self.entry.fall_over, &self.silence) else {
            return;
        };
        while let Some(delivery) = self.lanes.take_if(|head| is_overdue(fall_over, head, now)) {
            let outcome = DeliveryOutcome::FellOver {
                note: why.clone(),
                to: fall_over.to.clone(),
            };
            self.book.ended(Report {
                delivery,
                outcome,
                health: EndpointHealth::Unknown,
            });
        }
    }

    fn start(&mut self, delivery: PendingDelivery, is_probe: bool) {
        if is_probe {
            self.circuit.probe();
        }
        self.book.begun(delivery.id, delivery.message_id);
        let (hub, outlet, policy) = (self.hub.clone(), Arc::clone(&self.outlet), self.entry.retry);
        let (name, clock) = (self.entry.name.clone(), self.clock);
        let fall_over = self.entry.fall_over.clone();
        self.attempts.spawn(async move {
            let result = attempt(&hub, &name, &outlet, &delivery).await;
            let now = clock.now();
            let (outcome, health) = judge(result, &delivery, policy, is_probe, now, random());
            let outcome = instead(outcome, &health, fall_over.as_ref(), &delivery, now);
            Report {
                delivery,
                outcome,
                health,
            }
        });
    }

    fn sent(&mut self, report: Result<Report, tokio::task::JoinError>) {
        // Sinks that panic are caught in the attempt; this would be a defect of the engine itself.
        let Ok(report) = report else {
            error!(sink = %self.entry.name, "an attempt to deliver failed on its own account; this is a defect");
            return;
        };
        self.judge_endpoint(&report.health, &report.outcome);
        self.book.ended(report);
    }

    /// What came of an attempt is on disk: its lane goes on.
    async fn conclude(&mut self, report: Report) {
        self.measure.ended(&report.outcome);
        let mut delivery = report.delivery;
        if !matches!(report.outcome, DeliveryOutcome::Failed { .. }) {
            forget(&self.hub, &delivery).await;
        }
        match report.outcome {
            DeliveryOutcome::Delivered { .. } => self.next_of_lane(&delivery).await,
            DeliveryOutcome::FellOver { note, to } => {
                warn!(sink = %self.entry.name, delivery_id = %delivery.id, to, note, "delivery goes elsewhere");
                self.hub.wakers.sinks.wake_for(&to, delivery.lane);
                self.next_of_lane(&delivery).await;
            }
            DeliveryOutcome::Failed { due, counts, .. } => {
                delivery.due = due;
                delivery.attempts += u32::from(counts);
                self.lanes.put_off(delivery);
            }
            DeliveryOutcome::Parked { note } => {
                warn!(sink = %self.entry.name, delivery_id = %delivery.id, note, "delivery is parked");
                match self.entry.when_parked {
                    WhenParked::Wait => self.lanes.block(&delivery),
                    WhenParked::GoOn => self.next_of_lane(&delivery).await,
                }
            }
        }
    }

    /// What came of an attempt can never be stored. Its lane goes on. A delivery that is over still
    /// looks open in the store: until a restart it is not sent again.
    async fn conclude_unstored(&mut self, report: Report) {
        if matches!(report.outcome, DeliveryOutcome::Failed { .. }) {
            self.conclude(report).await;
        } else {
            self.over.insert(report.delivery.id);
            forget(&self.hub, &report.delivery).await;
            self.next_of_lane(&report.delivery).await;
        }
    }

    fn judge_endpoint(&mut self, health: &EndpointHealth, outcome: &DeliveryOutcome) {
        let now = self.now();
        let pause = match health {
            EndpointHealth::Answered => {
                self.silence = None;
                if self.circuit.succeeded() {
                    info!(sink = %self.entry.name, "endpoint answers again");
                }
                None
            }
            EndpointHealth::Silent { pause } => {
                let reason = outcome.trouble().unwrap_or_default();
                if self.circuit.failed(now) {
                    error!(sink = %self.entry.name, reason, "endpoint does not answer; its deliveries wait");
                }
                self.silence = Some(reason.to_owned());
                *pause
            }
            EndpointHealth::Busy { pause } => {
                self.silence = None;
                Some(pause.unwrap_or(STORE_PAUSE))
            }
            EndpointHealth::Unknown => None,
        };
        if let Some(pause) = pause {
            self.circuit.pause_until(later(now, pause));
        }
        self.measure.judged(health, outcome, &self.circuit, now);
    }

    /// A lane goes on; what did not fit into memory is fetched.
    async fn next_of_lane(&mut self, delivery: &PendingDelivery) {
        let Some(lane) = self.lanes.done(delivery) else {
            return;
        };
        // If the store refuses, the second look finds them.
        if let Ok(rest) = self.lane(lane, Some(delivery.id)).await {
            let _ = self.take_in(rest).await;
        }
    }
}

/// Until an instant, but never longer than the safety net.
fn until_or_poll(now: Instant, until: Option<Instant>) -> Duration {
    let Some(until) = until else { return IDLE_POLL };
    Duration::from_micros(until.micros_since(now).max(0).cast_unsigned()).min(IDLE_POLL)
}
