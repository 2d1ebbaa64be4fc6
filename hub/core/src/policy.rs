//! How an endpoint is treated: retry with back-off and jitter, circuit breaker, rate limit.
//!
//! Pure state machines over a given `now`; who sleeps is the engine.

use std::num::{NonZeroU32, NonZeroU64};
use std::time::Duration;

use hub_model::Instant;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

/// Reads a number that must not be 0: none of ours makes sense then.
fn from_one<'de, N, T, D>(deserializer: D) -> Result<T, D::Error>
where
    N: Deserialize<'de> + Into<T>,
    D: Deserializer<'de>,
{
    N::deserialize(deserializer).map(Into::into)
}

fn optional_from_one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    let number = Option::<NonZeroU32>::deserialize(deserializer)?;
    Ok(number.map(NonZeroU32::get))
}

/// When a failed delivery is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RetryPolicy {
    /// Pause after the first failure, in milliseconds.
    #[serde(deserialize_with = "from_one::<NonZeroU64, _, _>")]
    #[schemars(with = "u64", range(min = 1))]
    pub initial_milliseconds: u64,
    /// Longest pause, in seconds.
    #[serde(deserialize_with = "from_one::<NonZeroU64, _, _>")]
    #[schemars(with = "u64", range(min = 1))]
    pub max_seconds: u64,
    /// Attempts before the delivery is parked.
    #[serde(deserialize_with = "from_one::<NonZeroU32, _, _>")]
    #[schemars(with = "u32", range(min = 1))]
    pub attempts: u32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            initial_milliseconds: 500,
            max_seconds: 300,
            attempts: 12,
        }
    }
}

/// Exponential back-off with full jitter in its upper half.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    initial: Duration,
    max: Duration,
}

impl Backoff {
    /// Doubles from `initial` to `max`.
    #[must_use]
    pub const fn new(initial: Duration, max: Duration) -> Self {
        Self { initial, max }
    }

    /// The pause after failure number `failures` (1 is the first). `random` is any number; the
    /// pause lies between half and the whole of the exponential step, so that endpoints and nodes
    /// do not beat in step.
    #[must_use]
    pub fn pause(&self, failures: u32, random: u64) -> Duration {
        let doubled = self
            .initial
            .saturating_mul(1u32 << failures.saturating_sub(1).min(20));
        let step = doubled.min(self.max);
        let half = step / 2;
        let spread = u64::try_from(half.as_micros()).unwrap_or(u64::MAX).max(1);
        half + Duration::from_micros(random % spread)
    }
}

impl From<RetryPolicy> for Backoff {
    fn from(policy: RetryPolicy) -> Self {
        Self::new(
            Duration::from_millis(policy.initial_milliseconds.max(1)),
            Duration::from_secs(policy.max_seconds.max(1)),
        )
    }
}

/// When an endpoint is taken for down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CircuitPolicy {
    /// Failures in a row that open the circuit.
    #[serde(deserialize_with = "from_one::<NonZeroU32, _, _>")]
    #[schemars(with = "u32", range(min = 1))]
    pub failures: u32,
    /// Pause before a probe is let through, in seconds; doubles up to ten times as long.
    #[serde(deserialize_with = "from_one::<NonZeroU64, _, _>")]
    #[schemars(with = "u64", range(min = 1))]
    pub probe_seconds: u64,
}

impl Default for CircuitPolicy {
    fn default() -> Self {
        Self {
            failures: 5,
            probe_seconds: 5,
        }
    }
}

/// What the circuit allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CircuitState {
    /// Send.
    Closed,
    /// Wait until then.
    OpenUntil(Instant),
    /// One probe may be sent.
    Probing,
}

/// Circuit breaker of one endpoint.
#[derive(Debug)]
pub struct Circuit {
    policy: CircuitPolicy,
    failures: u32,
    openings: u32,
    /// It is open, and a probe may be sent then.
    open_until: Option<Instant>,
    /// The endpoint asked not to be sent to before. Says nothing about whether it is open: an
    /// outage that begins politely is an outage all the same.
    paused_until: Option<Instant>,
    /// Whether a probe is on its way.
    probing: bool,
}

impl Circuit {
    /// Closed.
    #[must_use]
    pub const fn new(policy: CircuitPolicy) -> Self {
        Self {
            policy,
            failures: 0,
            openings: 0,
            open_until: None,
            paused_until: None,
            probing: false,
        }
    }

    /// What may be done now.
    #[must_use]
    pub fn state(&self, now: Instant) -> CircuitState {
        match self.open_until.max(self.paused_until) {
            None => CircuitState::Closed,
            Some(until) if now < until => CircuitState::OpenUntil(until),
            Some(_) => CircuitState::Probing,
        }
    }

    /// Whether the endpoint is taken for down, also while it is probed.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.open_until.is_some()
    }

    /// A probe is sent: [`Self::state`] allows it.
    pub const fn probe(&mut self) {
        self.probing = true;
    }

    /// The endpoint answered. Returns whether this closed an open circuit.
    pub fn succeeded(&mut self) -> bool {
        self.probing = false;
        self.failures = 0;
        self.openings = 0;
        self.paused_until = None;
        self.open_until.take().is_some()
    }

    /// The endpoint did not answer. Returns whether this opened a closed circuit: the one moment to alert.
    ///
    /// What was under way when it opened tells nothing new when it fails: of an open circuit only
    /// a failed probe makes the wait longer.
    pub fn failed(&mut self, now: Instant) -> bool {
        let is_probe = std::mem::take(&mut self.probing);
        let was_open = self.open_until.is_some();
        if was_open && !is_probe {
            return false;
        }
        self.failures = self.failures.saturating_add(1);
        if was_open || self.failures >= self.policy.failures.max(1) {
            let factor = 1i64 << self.openings.min(3);
            self.openings = self.openings.saturating_add(1);
            let pause = i64::try_from(self.policy.probe_seconds)
                .unwrap_or(i64::MAX)
                .saturating_mul(factor.min(10));
            self.open_until = Some(now.plus_seconds(pause.max(1)));
        }
        !was_open && self.open_until.is_some()
    }

    /// The endpoint asked for a pause. After it one probe is let through, as after an opening; but
    /// it is no opening, so that the failures that open the circuit are still counted and told.
    pub fn pause_until(&mut self, until: Instant) {
        self.probing = false;
        self.paused_until = self.paused_until.max(Some(until));
    }
}

/// How fast an endpoint may be sent to.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// Messages per second, on average.
    #[serde(deserialize_with = "from_one::<NonZeroU32, _, _>")]
    #[schemars(with = "u32", range(min = 1))]
    pub per_second: u32,
    /// Messages that may go at once after a quiet time. Default: one second's worth.
    #[serde(default, deserialize_with = "optional_from_one")]
    #[schemars(with = "Option<u32>", range(min = 1))]
    pub burst: Option<u32>,
}

/// Token bucket of one endpoint.
#[derive(Debug)]
pub struct TokenBucket {
    micros_per_token: i64,
    burst: i64,
    /// When the bucket would be full, had nobody taken from it: the generic cell rate algorithm.
    full_at: Instant,
}

impl TokenBucket {
    /// A full bucket.
    #[must_use]
    pub fn new(limit: RateLimit) -> Self {
        let per_second = i64::from(limit.per_second.max(1));
        Self {
            micros_per_token: (1_000_000 / per_second).max(1),
            burst: i64::from(limit.burst.unwrap_or(limit.per_second).max(1)),
            full_at: Instant::EPOCH,
        }
    }

    /// Takes a token, or says when there will be one.
    ///
    /// # Errors
    /// The instant of the next token.
    pub fn take(&mut self, now: Instant) -> Result<(), Instant> {
        // Never further off than an empty bucket takes to fill: a clock that was set back must not
        // stop everything until it is there again.
        let longest = Instant::from_micros(
            now.micros()
                .saturating_add(self.burst * self.micros_per_token),
        );
        self.full_at = self.full_at.max(now).min(longest);
        let room = (self.burst - 1) * self.micros_per_token;
        if self.full_at.micros_since(now) > room {
            return Err(Instant::from_micros(self.full_at.micros() - room));
        }
        self.full_at = Instant::from_micros(self.full_at.micros() + self.micros_per_token);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::from_seconds(1_000_000);

    #[test]
    fn pauses_double_up_to_the_longest() {
        let backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        for (failures, step) in [
            (1, 100),
            (2, 200),
            (3, 400),
            (4, 800),
            (5, 1_000),
            (99, 1_000),
        ] {
            for random in [0, 7, u64::MAX] {
                let pause = backoff.pause(failures, random).as_millis();
                assert!(pause >= step / 2 && pause <= step, "{failures}: {pause}");
            }
        }
    }

    #[test]
    fn a_circuit_opens_once_and_closes_after_a_good_probe() {
        let mut circuit = Circuit::new(CircuitPolicy {
            failures: 3,
            probe_seconds: 10,
        });
        assert!(!circuit.failed(NOW));
        assert!(!circuit.failed(NOW));
        assert!(circuit.failed(NOW), "the third failure opens it");
        assert_eq!(
            circuit.state(NOW),
            CircuitState::OpenUntil(NOW.plus_seconds(10))
        );
        assert_eq!(circuit.state(NOW.plus_seconds(10)), CircuitState::Probing);
        circuit.probe();
        assert!(
            !circuit.failed(NOW.plus_seconds(10)),
            "a failed probe is no second alert"
        );
        assert_eq!(
            circuit.state(NOW.plus_seconds(11)),
            CircuitState::OpenUntil(NOW.plus_seconds(30))
        );
        assert!(circuit.succeeded());
        assert_eq!(circuit.state(NOW), CircuitState::Closed);
    }

    #[test]
    fn what_was_under_way_when_a_circuit_opened_does_not_keep_it_open_longer() {
        let mut circuit = Circuit::new(CircuitPolicy {
            failures: 1,
            probe_seconds: 10,
        });
        assert!(circuit.failed(NOW));
        for seconds in [0, 1, 9, 11] {
            assert!(!circuit.failed(NOW.plus_seconds(seconds)), "no alert");
        }
        assert_eq!(
            circuit.state(NOW),
            CircuitState::OpenUntil(NOW.plus_seconds(10))
        );
        assert_eq!(circuit.state(NOW.plus_seconds(11)), CircuitState::Probing);
        circuit.probe();
        circuit.failed(NOW.plus_seconds(12));
        let twice = CircuitState::OpenUntil(NOW.plus_seconds(32));
        assert_eq!(circuit.state(NOW.plus_seconds(13)), twice);
        circuit.failed(NOW.plus_seconds(13));
        assert_eq!(circuit.state(NOW.plus_seconds(13)), twice);
        assert!(circuit.succeeded(), "an answer is an answer, probe or not");
    }

    #[test]
    fn an_outage_that_begins_with_a_polite_answer_is_told_once() {
        let mut circuit = Circuit::new(CircuitPolicy {
            failures: 3,
            probe_seconds: 10,
        });
        let mut now = NOW;
        let mut alerts = Vec::new();
        for attempt in 1..=6 {
            if circuit.state(now) == CircuitState::Probing {
                circuit.probe();
            }
            if circuit.failed(now) {
                alerts.push(attempt);
            }
            let asked = now.plus_seconds(120);
            circuit.pause_until(asked);
            assert_eq!(circuit.state(now), CircuitState::OpenUntil(asked));
            now = asked;
            assert_eq!(circuit.state(now), CircuitState::Probing, "one at a time");
        }
        assert_eq!(alerts, [3], "at the third failure in a row, and only then");
        assert!(circuit.succeeded(), "the end of the outage is told too");
        assert_eq!(circuit.state(now), CircuitState::Closed);
    }

    #[test]
    fn an_endpoint_that_only_asks_for_a_pause_is_not_told_to_be_down_or_back() {
        let mut circuit = Circuit::new(CircuitPolicy::default());
        circuit.pause_until(NOW.plus_seconds(60));
        circuit.pause_until(NOW.plus_seconds(30));
        let longest = CircuitState::OpenUntil(NOW.plus_seconds(60));
        assert_eq!(circuit.state(NOW), longest);
        assert!(!circuit.succeeded());
        assert_eq!(circuit.state(NOW), CircuitState::Closed);
    }

    #[test]
    fn a_bucket_lets_a_burst_through_and_then_the_rate() {
        let mut bucket = TokenBucket::new(RateLimit {
            per_second: 10,
            burst: Some(3),
        });
        for _ in 0..3 {
            assert_eq!(bucket.take(NOW), Ok(()));
        }
        let next = bucket.take(NOW).unwrap_err();
        assert_eq!(next.micros_since(NOW), 100_000);
        assert_eq!(bucket.take(next), Ok(()));
    }

    #[test]
    fn a_clock_that_is_set_back_costs_at_most_one_filling() {
        let mut bucket = TokenBucket::new(RateLimit {
            per_second: 10,
            burst: Some(3),
        });
        assert_eq!(bucket.take(NOW), Ok(()));
        let earlier = NOW.plus_seconds(-3_600);
        let next = bucket.take(earlier).unwrap_err();
        assert!(next.micros_since(earlier) <= 300_000, "{next}");
        assert_eq!(bucket.take(next), Ok(()));
    }
}
