//! How each endpoint is, in the words of an operator: kept in memory, by the engine, for
//! `GET /api/v1/endpoints` and `meterhub endpoints`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use hub_model::Instant;

/// Longest reason that is kept.
const MAX_REASON_CHARS: usize = 500;
/// No instant, in an atomic number.
const NEVER: i64 = i64::MIN;

/// Which half of an adapter an endpoint is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Role {
    /// Messages come from it.
    Source,
    /// Messages go to it.
    Sink,
}

impl Role {
    /// Our word.
    #[must_use]
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Sink => "sink",
        }
    }
}

/// How an endpoint is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Health {
    /// A source that was never connected yet; a sink that nothing was sent to yet.
    Waiting,
    /// It works.
    Ok,
    /// It works, but wants a pause; or, of a source, our own store does.
    Busy,
    /// It does not answer, and is tried again.
    Retrying,
    /// It did not answer for long: it is only probed.
    CircuitOpen,
}

impl Health {
    /// Our word.
    #[must_use]
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Ok => "ok",
            Self::Busy => "busy",
            Self::Retrying => "retrying",
            Self::CircuitOpen => "circuit_open",
        }
    }
}

/// How an endpoint is at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Vital {
    /// Source or sink.
    pub(crate) role: Role,
    /// Its name.
    pub(crate) name: String,
    /// The adapter's kind.
    pub(crate) kind: String,
    /// Whose it is.
    pub(crate) enterprise: String,
    /// How it is.
    pub(crate) health: Health,
    /// Since when.
    pub(crate) since: Instant,
    /// Why, unless all is well.
    pub(crate) reason: Option<String>,
    /// When a message last came from it and was kept, or was last taken by it.
    pub(crate) last_success: Option<Instant>,
    /// Failures since it last worked.
    pub(crate) failures: u32,
    /// When it is tried next, if it waits for that.
    pub(crate) next_attempt: Option<Instant>,
}

/// How one endpoint is, as it changes. Where all is well it costs two atomic accesses a message.
pub(crate) struct Pulse {
    role: Role,
    name: String,
    kind: String,
    enterprise: String,
    last_success: AtomicI64,
    is_ok: AtomicBool,
    state: Mutex<State>,
}

#[derive(Clone)]
struct State {
    health: Health,
    since: Instant,
    reason: Option<String>,
    failures: u32,
    next_attempt: Option<Instant>,
}

impl State {
    const fn new(health: Health, since: Instant) -> Self {
        Self {
            health,
            since,
            reason: None,
            failures: 0,
            next_attempt: None,
        }
    }
}

impl Pulse {
    fn new(role: Role, name: &str, kind: &str, enterprise: &str, now: Instant) -> Self {
        Self {
            role,
            name: name.to_owned(),
            kind: kind.to_owned(),
            enterprise: enterprise.to_owned(),
            last_success: AtomicI64::new(NEVER),
            is_ok: AtomicBool::new(false),
            state: Mutex::new(State::new(Health::Waiting, now)),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A message went through: it works.
    pub(crate) fn succeeded(&self, now: Instant) {
        self.last_success.store(now.micros(), Ordering::Relaxed);
        self.works(now);
    }

    /// It answers, whatever became of a message.
    pub(crate) fn works(&self, now: Instant) {
        if self.is_ok.load(Ordering::Acquire) {
            return;
        }
        let mut state = self.state();
        *state = State::new(Health::Ok, now);
        self.is_ok.store(true, Ordering::Release);
    }

    /// It does not work. What it was keeps its beginning; an attempt that failed counts.
    pub(crate) fn fails(&self, health: Health, reason: &str, next: Option<Instant>, now: Instant) {
        let mut state = self.state();
        self.is_ok.store(false, Ordering::Release);
        if state.health != health {
            state.health = health;
            state.since = now;
        }
        let failed = matches!(health, Health::Retrying | Health::CircuitOpen);
        state.failures = state.failures.saturating_add(u32::from(failed));
        state.reason = Some(reason.chars().take(MAX_REASON_CHARS).collect());
        state.next_attempt = next;
    }

    /// How it is now.
    fn vital(&self) -> Vital {
        let State {
            health,
            since,
            reason,
            failures,
            next_attempt,
        } = self.state().clone();
        let last = self.last_success.load(Ordering::Relaxed);
        Vital {
            role: self.role,
            name: self.name.clone(),
            kind: self.kind.clone(),
            enterprise: self.enterprise.clone(),
            health,
            since,
            reason,
            last_success: (last != NEVER).then(|| Instant::from_micros(last)),
            failures,
            next_attempt,
        }
    }
}

/// An endpoint that was in a configuration of this process and is in it no more.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Gone {
    /// Source or sink.
    pub(crate) role: Role,
    /// Its name.
    pub(crate) name: String,
    /// Whose it was.
    pub(crate) enterprise: String,
}

/// How all endpoints of the running configuration are.
#[derive(Default)]
pub(crate) struct Vitals(RwLock<Endpoints>);

#[derive(Default)]
struct Endpoints {
    pulses: BTreeMap<(Role, String), Arc<Pulse>>,
    gone: BTreeSet<Gone>,
}

impl Vitals {
    /// Every endpoint by role and name.
    #[must_use]
    pub(crate) fn all(&self) -> Vec<Vital> {
        let endpoints = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let pulses = endpoints.pulses.values();
        pulses.map(|pulse| pulse.vital()).collect()
    }

    /// Those that were taken out of the configuration: their series are still there.
    #[must_use]
    pub(crate) fn gone(&self) -> Vec<Gone> {
        let endpoints = self.0.read().unwrap_or_else(PoisonError::into_inner);
        endpoints.gone.iter().cloned().collect()
    }

    /// Begins anew for the endpoints of a configuration: role, name, kind, enterprise. One that was
    /// there before still knows when it last worked.
    pub(crate) fn begin<'a>(
        &self,
        endpoints: impl Iterator<Item = (Role, &'a str, &'a str, &'a str)>,
        now: Instant,
    ) -> BTreeMap<(Role, String), Arc<Pulse>> {
        let mut guard = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let Endpoints { pulses, gone } = &mut *guard;
        let before = std::mem::take(pulses);
        gone.extend(before.values().map(|pulse| Gone {
            role: pulse.role,
            name: pulse.name.clone(),
            enterprise: pulse.enterprise.clone(),
        }));
        for (role, name, kind, enterprise) in endpoints {
            let pulse = Pulse::new(role, name, kind, enterprise, now);
            let key = (role, name.to_owned());
            let same = |old: &&Arc<Pulse>| old.kind == kind && old.enterprise == enterprise;
            if let Some(old) = before.get(&key).filter(same) {
                let last = old.last_success.load(Ordering::Relaxed);
                pulse.last_success.store(last, Ordering::Relaxed);
            }
            gone.remove(&Gone {
                role,
                name: name.to_owned(),
                enterprise: enterprise.to_owned(),
            });
            pulses.insert(key, Arc::new(pulse));
        }
        pulses.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGUN: Instant = Instant::from_seconds(1_000);

    fn at(seconds: i64) -> Instant {
        BEGUN.plus_seconds(seconds)
    }

    fn one(vitals: &Vitals) -> Vital {
        vitals.all().pop().unwrap()
    }

    #[test]
    fn an_outage_keeps_its_beginning_and_ends_with_what_goes_through() {
        let vitals = Vitals::default();
        let endpoints = [(Role::Sink, "erp", "http", "north")];
        let pulses = vitals.begin(endpoints.into_iter(), BEGUN);
        let pulse = &pulses[&(Role::Sink, "erp".to_owned())];
        assert_eq!(one(&vitals).health, Health::Waiting);
        pulse.succeeded(at(1));
        pulse.fails(Health::Retrying, "refused", Some(at(4)), at(2));
        pulse.fails(Health::Retrying, "refused again", Some(at(9)), at(4));
        let vital = one(&vitals);
        assert_eq!((vital.health, vital.since), (Health::Retrying, at(2)));
        assert_eq!((vital.failures, vital.next_attempt), (2, Some(at(9))));
        assert_eq!(vital.reason.as_deref(), Some("refused again"));
        assert_eq!(vital.last_success, Some(at(1)));
        pulse.fails(Health::CircuitOpen, "no answer", Some(at(20)), at(9));
        assert_eq!((one(&vitals).since, one(&vitals).failures), (at(9), 3));
        pulse.succeeded(at(21));
        let vital = one(&vitals);
        assert_eq!((vital.health, vital.since), (Health::Ok, at(21)));
        assert_eq!((vital.failures, vital.reason), (0, None));
        assert_eq!(vital.next_attempt, None);
        pulse.succeeded(at(30));
        assert_eq!(one(&vitals).since, at(21), "well since then");
        assert_eq!(one(&vitals).last_success, Some(at(30)));
    }

    #[test]
    fn another_configuration_begins_anew_and_forgets_no_success_of_the_same_endpoint() {
        let vitals = Vitals::default();
        let (erp, hes) = (
            (Role::Sink, "erp", "http", "north"),
            (Role::Source, "hes", "file", "north"),
        );
        let pulses = vitals.begin([erp, hes].into_iter(), BEGUN);
        for pulse in pulses.values() {
            pulse.succeeded(at(1));
        }
        vitals.begin(
            [erp, (Role::Source, "hes", "sftp", "north")].into_iter(),
            at(5),
        );
        let now: Vec<_> = vitals.all();
        assert_eq!(now.len(), 2);
        for vital in now {
            assert_eq!((vital.health, vital.since), (Health::Waiting, at(5)));
            let expected = (vital.name == "erp").then(|| at(1));
            assert_eq!(vital.last_success, expected, "{}", vital.name);
        }
    }

    #[test]
    fn what_is_taken_out_is_gone_until_it_is_back() {
        let vitals = Vitals::default();
        let erp = (Role::Sink, "erp", "http", "north");
        let hes = (Role::Source, "hes", "file", "north");
        vitals.begin([erp, hes].into_iter(), BEGUN);
        assert_eq!(vitals.gone(), []);
        vitals.begin([hes].into_iter(), at(1));
        let gone = Gone {
            role: Role::Sink,
            name: "erp".to_owned(),
            enterprise: "north".to_owned(),
        };
        assert_eq!(vitals.gone(), std::slice::from_ref(&gone));
        // Of another enterprise it is another.
        vitals.begin(
            [(Role::Sink, "erp", "http", "south"), hes].into_iter(),
            at(2),
        );
        assert_eq!(vitals.gone(), [gone]);
        vitals.begin([erp, hes].into_iter(), at(3));
        let enterprises: Vec<_> = vitals.gone().into_iter().map(|g| g.enterprise).collect();
        assert_eq!(enterprises, ["south"]);
    }
}
