//! A clock that does not jump: for pauses, which must not grow when the machine's clock is set.

use std::time::Duration;

use hub_core::Clock;
use hub_model::Instant;

/// The time when it was made, and what has gone by since.
#[derive(Debug, Clone, Copy)]
pub(super) struct SteadyClock {
    begun: Instant,
    since: tokio::time::Instant,
}

impl SteadyClock {
    /// Begins with the time of a clock.
    pub(super) fn start(clock: &dyn Clock) -> Self {
        Self {
            begun: clock.now(),
            since: tokio::time::Instant::now(),
        }
    }

    /// Now, as if nobody had set the clock meanwhile.
    pub(super) fn now(&self) -> Instant {
        later(self.begun, self.since.elapsed())
    }
}

/// An instant this much later.
pub(super) fn later(instant: Instant, pause: Duration) -> Instant {
    let micros = i64::try_from(pause.as_micros()).unwrap_or(i64::MAX);
    Instant::from_micros(instant.micros().saturating_add(micros))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hub_core::ManualClock;

    #[tokio::test]
    async fn goes_on_although_the_clock_is_set_back() {
        let clock = ManualClock::at(Instant::from_seconds(1_000_000));
        let steady = SteadyClock::start(&clock);
        clock.advance_seconds(-3_600);
        assert!(steady.now() >= Instant::from_seconds(1_000_000));
        let far = later(Instant::from_seconds(1), Duration::MAX);
        assert_eq!(far.micros(), i64::MAX);
    }
}
